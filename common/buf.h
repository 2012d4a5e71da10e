// A growable byte buffer that its owner embeds. Zeroed memory is a valid empty buffer.
#pragma once

#include <stdint.h>

#include "common/bytes.h"

struct buf {
	uint8_t *data; // owned
	size_t len;
	size_t cap;
};

void buf_fini(struct buf *b);

// Makes room for `more` bytes behind `len` and returns where they start. The pointer is good until
// the next call that grows the buffer. `len` is the caller's to advance.
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_bytes(struct buf *b, struct bytes data);
void buf_append_str(struct buf *b, const char *text);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_append_uint(struct buf *b, uint64_t value);
void buf_append_int(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Drops the first `len` bytes and moves the rest to the front.
void buf_consume(struct buf *b, size_t len);
// Empties it; keeps at most `keep` bytes of capacity, so that one large message is not paid
// forever.
void buf_reset(struct buf *b, size_t keep);

static inline struct bytes buf_bytes(const struct buf *b)
{
	return bytes_make(b->data, b->len);
}
