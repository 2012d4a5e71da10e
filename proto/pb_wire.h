// The wire format of protobuf, field by field, for where a message is read or written without the
// library: no allocation, and what is read is borrowed from the message.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum pb_wire_type { // protobuf.dev/programming-guides/encoding
	PB_VARINT = 0,
	PB_FIXED64 = 1,
	PB_LEN = 2, // texts, bytes and messages
	PB_FIXED32 = 5,
};

struct pb_field {
	uint32_t number;
	enum pb_wire_type type;
	uint64_t value; // PB_VARINT
	struct bytes data; // PB_LEN: borrowed from the message
};

// Takes the next field off the front of `*message`: 1 and the field, 0 at the end, -EBADMSG if what
// is left is no message (a number that is too long, or a length past the end). Groups, which no
// message of proto3 has, are malformed.
MUST_CHECK int pb_field_next(struct bytes *message, struct pb_field *field);
// Takes a varint off the front of `*text`: 1, or -EBADMSG.
MUST_CHECK int pb_varint_next(struct bytes *text, uint64_t *value);

void pb_append_varint(struct buf *out, uint64_t value);
// Append one field. What is zero or empty is left out, as proto3 has it.
void pb_append_uint(struct buf *out, uint32_t number, uint64_t value);
void pb_append_int(struct buf *out, uint32_t number, int64_t value); // int64, not sint64
void pb_append_bytes(struct buf *out, uint32_t number, struct bytes data);
// A message within a message: what is appended between the two is its fields. An empty one is
// there, too. Returns what pb_end() takes.
size_t pb_begin(struct buf *out, uint32_t number);
void pb_end(struct buf *out, size_t begun);
