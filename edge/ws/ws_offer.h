// Which of the extensions that a client offers is taken (RFC 7692, permessage-deflate), from the
// head of its request alone. An offer that cannot be kept to is declined; only a list that is
// malformed (RFC 6455 section 9.1) fails the handshake.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/http_head.h"

enum {
	// The windows that zlib can be limited to; of 8 bits it cannot deflate without a zlib
	// header.
	WS_WINDOW_BITS_MIN = 9,
	WS_WINDOW_BITS_MAX = 15,
};

// Windows that this server can keep to when it deflates. An offer that wants a smaller one than
// `window_bits_min` is declined. All zero: every offer is.
struct ws_offer_policy {
	uint8_t window_bits_min;
	uint8_t window_bits_max;
};

struct ws_agreement {
	bool compressed; // false: no offer was taken, and the rest says nothing
	bool names_window; // the client asked for a limit, so the answer names the one it gets
	uint8_t window_bits; // of what the server sends
};

// The first offer that can be kept to. False, and no agreement, if the list of offers is malformed.
MUST_CHECK bool ws_offer_choose(const struct http_head *head, struct ws_offer_policy policy,
	struct ws_agreement *agreement);
// Appends the value of Sec-WebSocket-Extensions that takes the offer.
void ws_offer_answer(struct buf *out, const struct ws_agreement *agreement);
