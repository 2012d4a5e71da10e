// A message within a message has its length before it, in as few bytes as it takes. Most are
// shorter than 128 bytes, so one byte is kept free for it and a longer one is moved up when it is
// complete. Adding up the sizes first, as libraries do, walks the whole message twice.
//
// The alternative, the library, is what the link uses. It allocates for each message and for each
// field that it reads, and takes structs to be filled for what it writes.

#include "proto/pb_wire.h"

#include <errno.h>

enum {
	VARINT_MAX = 10, // bytes of 64 bits
	NUMBER_MAX = (1 << 29) - 1, // of a field
};

int pb_varint_next(struct bytes *text, uint64_t *value)
{
	uint64_t got = 0;
	for (size_t i = 0; i < text->len && i < VARINT_MAX; i++) {
		uint8_t byte = text->data[i];
		got |= (uint64_t)(byte & 0x7f) << 7 * i;
		if ((byte & 0x80) == 0) {
			*value = got;
			*text = bytes_from(*text, i + 1);
			return 1;
		}
	}
	return -EBADMSG;
}

// The `len` bytes at the front of `*text`, or -EBADMSG.
static int take(struct bytes *text, uint64_t len, struct bytes *data)
{
	if (len > text->len) {
		return -EBADMSG;
	}
	*data = bytes_make(text->data, (size_t)len);
	*text = bytes_from(*text, (size_t)len);
	return 1;
}

int pb_field_next(struct bytes *message, struct pb_field *field)
{
	if (message->len == 0) {
		return 0;
	}
	uint64_t tag;
	struct bytes unused;
	if (pb_varint_next(message, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > NUMBER_MAX) {
		return -EBADMSG;
	}
	*field = (struct pb_field){ .number = (uint32_t)(tag >> 3),
		.type = (enum pb_wire_type)(tag & 7) };
	switch (field->type) {
	case PB_VARINT:
		return pb_varint_next(message, &field->value);
	case PB_FIXED64:
		return take(message, sizeof(uint64_t), &unused);
	case PB_LEN:
		return pb_varint_next(message, &field->value) < 0
			? -EBADMSG
			: take(message, field->value, &field->data);
	case PB_FIXED32:
		return take(message, sizeof(uint32_t), &unused);
	}
	return -EBADMSG;
}

void pb_append_varint(struct buf *out, uint64_t value)
{
	uint8_t *at = buf_reserve(out, VARINT_MAX);
	size_t n = 0;
	while (value >= 0x80) {
		at[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	at[n++] = (uint8_t)value;
	out->len += n;
}

static void append_tag(struct buf *out, uint32_t number, enum pb_wire_type type)
{
	pb_append_varint(out, (uint64_t)number << 3 | type);
}

void pb_append_uint(struct buf *out, uint32_t number, uint64_t value)
{
	if (value != 0) {
		append_tag(out, number, PB_VARINT);
		pb_append_varint(out, value);
	}
}

void pb_append_int(struct buf *out, uint32_t number, int64_t value)
{
	pb_append_uint(out, number, (uint64_t)value);
}

void pb_append_bytes(struct buf *out, uint32_t number, struct bytes data)
{
	if (data.len > 0) {
		append_tag(out, number, PB_LEN);
		pb_append_varint(out, data.len);
		buf_append_bytes(out, data);
	}
}

size_t pb_begin(struct buf *out, uint32_t number)
{
	append_tag(out, number, PB_LEN);
	buf_append_byte(out, 0);
	return out->len;
}

void pb_end(struct buf *out, size_t begun)
{
	size_t len = out->len - begun;
	if (len < 0x80) {
		out->data[begun - 1] = (uint8_t)len;
		return;
	}
	uint8_t *at = buf_reserve(out, VARINT_MAX) - len;
	size_t more = 0; // bytes of the length beside the one that is free
	for (uint64_t rest = len >> 7; rest > 0; rest >>= 7) {
		more++;
	}
	memmove(at + more, at, len);
	out->len = begun - 1;
	pb_append_varint(out, len);
	CHECK(out->len == begun + more);
	out->len += len;
}
