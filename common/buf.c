#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
	size_t need;
	CHECK(!__builtin_add_overflow(b->len, more, &need));
	if (need > b->cap) {
		size_t cap = b->cap > 0 ? b->cap : 64;
		while (cap < need) {
			CHECK(!__builtin_mul_overflow(cap, (size_t)2, &cap));
		}
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	if (len > 0) {
		memcpy(buf_reserve(b, len), data, len);
		b->len += len;
	}
}

void buf_append_bytes(struct buf *b, struct bytes data)
{
	buf_append(b, data.data, data.len);
}

void buf_append_str(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_append_byte(struct buf *b, uint8_t byte)
{
	*buf_reserve(b, 1) = byte;
	b->len++;
}

void buf_append_uint(struct buf *b, uint64_t value)
{
	uint8_t digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (uint8_t)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_append_int(struct buf *b, int64_t value)
{
	if (value < 0) {
		buf_append_byte(b, '-');
		buf_append_uint(b, 0 - (uint64_t)value);
	} else {
		buf_append_uint(b, (uint64_t)value);
	}
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	CHECK(format != NULL);
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	CHECK(len >= 0);
	uint8_t *at = buf_reserve(b, (size_t)len + 1);
	va_start(args, format);
	vsnprintf((char *)at, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_consume(struct buf *b, size_t len)
{
	CHECK(len <= b->len);
	b->len -= len;
	if (b->len > 0 && len > 0) {
		memmove(b->data, b->data + len, b->len);
	}
}

void buf_reset(struct buf *b, size_t keep)
{
	b->len = 0;
	if (b->cap > keep) {
		buf_fini(b);
	}
}
