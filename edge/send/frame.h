// An immutable WebSocket frame, ready for the wire, shared by all connections that it goes to.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "edge/send/origin.h"
#include "edge/ws/ws_frame.h"

struct frame {
	_Atomic uint32_t refs;
	uint32_t type; // index of the message type, for the counters
	size_t len;
	uint64_t
		epoch; // of the room's message that it carries, or of the first of several; 0: none
	uint64_t seq;
	struct origin *origin; // owned reference; NULL: it stays in every queue
	_Atomic(struct frame *) packed; // owned; see pack.h. NULL: not made; itself: there is none
	uint8_t data[];
};

// A frame with one reference that carries `payload`.
struct frame *frame_new(enum ws_opcode opcode, struct bytes payload);
// The same without a header of its own: bytes as they are (an HTTP response).
struct frame *frame_new_raw(struct bytes data);
// The compressed rendering of `f`: its opcode, type and origin, and `payload`, which is deflated.
struct frame *frame_new_packed(const struct frame *f, struct bytes payload);
// Takes over a reference to where it comes from; before the frame is shared.
void frame_set_origin(struct frame *f, struct origin *origin);
// What a frame carries that is not raw.
struct bytes frame_payload(const struct frame *f);
struct frame *frame_ref(struct frame *f, uint32_t n); // adds n references at once
void frame_unref(struct frame *f); // NULL is fine
void frame_unref_many(struct frame *f, uint32_t n); // n references at once; NULL is fine
