// Why a connection ends: one table that turns the reason into the WebSocket close code, the text
// that the client reads, and the label under which it is counted. The words are the closed set of
// the client protocol, section 1.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

enum close_reason {
	CLOSE_NONE, // still there, or an HTTP exchange that never became a WebSocket
	CLOSE_NORMAL,
	CLOSE_GOING_AWAY,
	CLOSE_PROTOCOL_ERROR,
	CLOSE_UNSUPPORTED_DATA,
	CLOSE_BAD_UTF8,
	CLOSE_POLICY,
	CLOSE_TOO_BIG,
	CLOSE_INTERNAL,
	CLOSE_RESTART,
	CLOSE_OVERLOADED,
	CLOSE_MISSING_TOKEN,
	CLOSE_INVALID_TOKEN,
	CLOSE_TOKEN_EXPIRED,
	CLOSE_REVOKED,
	CLOSE_REPLACED,
	CLOSE_SLOW_CONSUMER,
	CLOSE_RATE_LIMITED,
	CLOSE_HEARTBEAT,
	CLOSE_PEER_GONE,
	CLOSE_HANDSHAKE_TIMEOUT,
	CLOSE_REASON_COUNT,
};

struct close_rule {
	const char *name;
	uint16_t code; // of the Close frame; 0: none is sent, TCP just ends
	bool reconnect; // the client may come back by itself
	uint32_t after_min_ms, after_max_ms; // ... after a random delay in this range
};
const struct close_rule *close_reason_rule(enum close_reason reason);

// The reason whose name `text` is; `fallback` if it is none's.
enum close_reason close_reason_parse(struct bytes text, enum close_reason fallback);
// What ws_session's verdict means: the reason with that close code among those of RFC 6455.
enum close_reason close_reason_of_failure(unsigned code);

enum {
	CLOSE_PAYLOAD_MAX = 125
};
// The payload of the Close frame: the code and the reason as JSON (at most 123 bytes). `cause`: a
// word that says more, NULL: none. Returns its length.
size_t close_reason_payload(enum close_reason reason, const char *cause,
	uint8_t out[CLOSE_PAYLOAD_MAX]);
// The same with an operator's text in place of a cause, as `message`. What does not fit is cut off
// between two characters.
size_t close_reason_payload_saying(enum close_reason reason, struct bytes text,
	uint8_t out[CLOSE_PAYLOAD_MAX]);
