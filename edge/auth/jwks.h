// Keys from a file that holds a JWK set (RFC 7517), as identity providers publish them.
#pragma once

#include "common/check.h"
#include "edge/auth/jws_key.h"

enum {
	JWKS_FILE_MAX = 1 << 20,
};

struct fault;

// Adds the keys of `path` to `keys`. 0, or -1 with `fault` set: unreadable, no set, a member that
// means to be ours and is wrong, none that can be used. Some may have been added then.
MUST_CHECK int jwks_load(const char *path, struct jws_keys *keys, struct fault *fault);
// The same from a text that was fetched from `url`, which is named in the fault. Secrets in it are
// refused.
MUST_CHECK int jwks_parse(struct bytes text, const char *url, struct jws_keys *keys,
	struct fault *fault);
