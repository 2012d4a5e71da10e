// Keys from a file that holds a JWK set (RFC 7517), as identity providers publish them.
#pragma once

#include "edge/auth/jws_key.h"

enum {
	JWKS_FILE_MAX = 1 << 20,
};

// Adds the keys of `path` to `keys`. NULL, or what is wrong (owned by the caller), naming the file:
// unreadable, no set, a member that means to be ours and is wrong, none that can be used. Some may have
// been added then.
char *jwks_load(const char *path, struct jws_keys *keys);
