// Frames of the edge-router link: a fixed header and a body, bytes in, frame out. No socket, no
// state. All numbers are little-endian:
//
//     0   u32  length of the body
//     4   u8   type
//     5   u8   flags, 0
//     6   u16  0
//     8   u64  seq: of a BATCH, counted per direction and session; else 0
//     16  u64  ack: the sender has taken in every BATCH below this seq
//     24  u32  CRC-32C of the 24 bytes above and the body
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

enum {
	LINK_HEAD_LEN = 28,
	LINK_BODY_MAX = 768 << 10, // beyond: not a frame, the connection is closed
	LINK_BATCH_TARGET = 64 << 10, // a BATCH is closed at this size
	LINK_WINDOW_BYTES = 1 << 20, // unacknowledged bytes in flight, per direction
	LINK_MAJOR = 1,
	LINK_MINOR = 2,
	LINK_MINOR_HOLD = 1, // from here on HOLD and HELD are understood
};

enum link_frame_type {
	LINK_CHALLENGE = 1,
	LINK_HELLO,
	LINK_HELLO_ACK,
	LINK_BATCH,
	LINK_ACK,
	LINK_PING,
	LINK_PONG,
	LINK_GOAWAY,
	LINK_HOLD,
	LINK_HELD,
	LINK_TYPE_END,
};

struct link_frame {
	enum link_frame_type type;
	uint64_t seq;
	uint64_t ack;
	struct bytes body; // borrowed from the parsed bytes
};

// Writes the header of a frame whose body has the running checksum `crc_of` yields: call with the
// body in one or two pieces (the second may be empty), as they lie in a ring.
void link_frame_head(uint8_t out[LINK_HEAD_LEN], enum link_frame_type type, uint64_t seq,
	uint64_t ack, struct bytes body, struct bytes rest);

// Parses the frame at the start of `data`: 0 and `*used` bytes, 1 if more bytes are needed (`*used`
// then says how many the whole frame takes, 0 if that is not known yet), or -EPROTO for what is not
// a frame: a body over LINK_BODY_MAX, an unknown type, non-zero flags, a wrong checksum.
MUST_CHECK int link_frame_parse(struct bytes data, struct link_frame *frame, size_t *used);
