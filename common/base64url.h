// base64url (RFC 4648 section 5) without padding, as tokens and keys in JSON use it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

// Bytes that `len` digits stand for, at most.
static inline size_t base64url_decoded_max(size_t len)
{
	return len / 4 * 3 + len % 4;
}

// Decodes into `out`, which has room for base64url_decoded_max(text.len). False, with `*len`
// undefined, unless `text` is the one canonical form of what it stands for: no padding, no white
// space, no bits that belong to no byte.
MUST_CHECK bool base64url_decode(struct bytes text, uint8_t *out, size_t *len);

void base64url_append(struct buf *out, struct bytes data);
