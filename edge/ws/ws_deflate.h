// The bytes of permessage-deflate (RFC 7692 section 7.2), one whole message at a time and without
// memory of the one before: there is no context takeover here. So one deflater and one inflater
// serve all connections of a thread. The only includer of zlib.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct ws_inflater;
struct ws_deflater;

enum {
	// An inflated message may pass its limit by so much before it is found too large.
	WS_INFLATE_CHUNK = 16 * 1024,
	// What a limit on the ratio leaves alone: a short message may well be a single letter
	// repeated.
	WS_INFLATE_RATIO_FLOOR = 128 * 1024,
};

struct ws_inflate_limits {
	uint64_t message_max; // bytes inflated; 0: none
	uint32_t ratio_max; // inflated to packed, above the floor; 0: none
	bool text; // it must be UTF-8
};

struct ws_inflater *ws_inflater_new(void);
void ws_inflater_free(struct ws_inflater *inflater); // NULL is fine
// 0 and the message, which is good until the next call; or the close code for it: 1007 for what
// cannot be inflated or is not text, at the first chunk that shows it, 1009 for what is over a
// limit.
MUST_CHECK unsigned ws_inflater_run(struct ws_inflater *inflater, struct bytes packed,
	const struct ws_inflate_limits *limits, struct bytes *message);
// The most bytes that a message of `len` need have when it is packed, whoever packs it.
uint64_t ws_deflate_bound(uint64_t len);

// `level` 1 to 9 and `mem_level` 1 to 9 are zlib's; `window_bits` 9 to 15.
struct ws_deflater *ws_deflater_new(int level, int mem_level, int window_bits);
void ws_deflater_free(struct ws_deflater *deflater); // NULL is fine
// The packed message; good until the next call.
struct bytes ws_deflater_run(struct ws_deflater *deflater, struct bytes message);
