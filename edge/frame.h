// An immutable WebSocket frame, ready for the wire, shared by all connections that it goes to.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "edge/ws_frame.h"

struct frame {
	_Atomic uint32_t refs;
	uint32_t type; // index of the message type, for the counters
	size_t len;
	uint8_t data[];
};

// A frame with one reference that carries `payload`.
struct frame *frame_new(enum ws_opcode opcode, struct bytes payload);
// The same without a header of its own: bytes as they are (an HTTP response).
struct frame *frame_new_raw(struct bytes data);
struct frame *frame_ref(struct frame *f, uint32_t n); // adds n references at once
void frame_unref(struct frame *f); // NULL is fine
