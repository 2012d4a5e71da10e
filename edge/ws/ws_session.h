// One client's WebSocket stream: bytes in any pieces to messages and control frames. Holds what
// needs history: the message in progress, fragmentation, UTF-8 across fragments (failing at the
// first bad octet, even inside a frame), size limits on declared lengths before anything is
// buffered. Knows no socket; an idle session holds no buffer.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/utf8.h"
#include "edge/ws/ws_frame.h"

struct ws_inflater;

struct ws_limits {
	uint64_t message_max; // bytes of one message, all fragments together, inflated; 0: none
	uint32_t fragments_max; // frames of one message; 0: none
	uint32_t ratio_max; // of a compressed message, see ws_deflate.h; 0: none
	struct ws_inflater *inflater; // borrowed; NULL: compression was not agreed on
};

enum ws_event_kind {
	WS_EVENT_NONE, // all input used; give more
	WS_EVENT_MESSAGE, // text or binary, complete
	WS_EVENT_PING, // answer with a pong of the same payload
	WS_EVENT_PONG,
	WS_EVENT_CLOSE, // the peer's: `code`, WS_CLOSE_NO_STATUS if none; payload = reason
	WS_EVENT_FAIL, // close with `code`; nothing further is read
};

struct ws_event {
	enum ws_event_kind kind;
	enum ws_opcode opcode; // of a message: WS_TEXT or WS_BINARY
	// Borrowed from the input, the session or the inflater, until the next call for it.
	struct bytes payload;
	unsigned code;
	const char *why; // WS_EVENT_FAIL: static text for the log
};

struct ws_session {
	uint8_t head[WS_CLIENT_HEADER_MAX]; // an incomplete header
	uint8_t head_len;
	uint8_t mask[4]; // its first byte is for the next byte of the payload
	uint8_t frame_opcode; // of the frame whose payload is arriving
	bool in_payload;
	bool frame_fin;
	bool message_open; // a data message has begun and its last frame has not ended
	uint8_t message_opcode;
	bool packed : 1; // the message is compressed
	bool ended : 1; // Close received or failed: input is ignored
	struct utf8_state utf8;
	uint32_t n_fragments;
	uint64_t frame_left; // payload bytes still to come
	struct buf message; // data as it came; empty while a message fits the input in one piece
	struct buf control; // an incomplete control payload
};

void ws_session_init(struct ws_session *s);
void ws_session_fini(struct ws_session *s);

// Looks at `data` (payload is unmasked in place), yields at most one event, and says in `*used` how
// much it took; call again with the rest until WS_EVENT_NONE. A message that lies whole in `data`
// is handed out without a copy. Both limits hold per call.
struct ws_event ws_session_next(struct ws_session *s, const struct ws_limits *limits, uint8_t *data,
	size_t len, size_t *used);

// True while a message or a frame of any kind has begun and not ended (for the assembly deadline).
bool ws_session_mid_message(const struct ws_session *s);
