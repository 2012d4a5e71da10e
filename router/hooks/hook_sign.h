// Signatures of webhooks by the Standard Webhooks specification: HMAC-SHA256 over the request's id,
// time and body, one for each key, so that keys can be changed while a receiver knows only one.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"

struct fault;

enum {
	HOOK_KEYS_MAX = 8,
};

struct hook_keys {
	struct buf keys[HOOK_KEYS_MAX]; // owned, wiped when freed
	size_t n;
};

// Fills the zeroed `keys` from files that hold "whsec_" and 24 to 64 bytes in base64. 0, or -1 with
// `fault` set and `keys` zeroed.
MUST_CHECK int hook_keys_load(struct hook_keys *keys, const struct conf_list *files,
	struct fault *fault);
void hook_keys_fini(struct hook_keys *keys);

// Appends the value of header webhook-signature.
void hook_sign(struct buf *out, const struct hook_keys *keys, const char *id, int64_t time_s,
	struct bytes body);
