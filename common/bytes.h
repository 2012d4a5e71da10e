// A borrowed span of bytes. Nothing here owns memory; whoever hands out a span says how long it
// lives. An absent value is a span of length 0 with `data` NULL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t len;
};

static inline struct bytes bytes_make(const void *data, size_t len)
{
	return (struct bytes){ .data = data, .len = len };
}

static inline struct bytes bytes_str(const char *text)
{
	return bytes_make(text, text != NULL ? strlen(text) : 0);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bytes_equal_str(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_str(text));
}

static inline bool bytes_has_prefix(struct bytes a, const char *prefix)
{
	size_t len = strlen(prefix);
	return a.len >= len && memcmp(a.data, prefix, len) == 0;
}

// True if a byte of `a` is zero, behind which a C string would have lost the rest.
static inline bool bytes_has_nul(struct bytes a)
{
	return a.len > 0 && memchr(a.data, 0, a.len) != NULL;
}

// The bytes of `a` from `offset` on; empty past its end.
static inline struct bytes bytes_from(struct bytes a, size_t offset)
{
	return offset < a.len ? bytes_make(a.data + offset, a.len - offset) : bytes_make(NULL, 0);
}

// Splits at the first `separator`: `*before` gets what precedes it, `*rest` what follows. False,
// with all of it in `*before`, if there is none.
static inline bool bytes_cut(struct bytes text, char separator, struct bytes *before,
	struct bytes *rest)
{
	const uint8_t *at = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
	*before = at != NULL ? bytes_make(text.data, (size_t)(at - text.data)) : text;
	*rest = at != NULL ? bytes_make(at + 1, text.len - before->len - 1) : bytes_make(NULL, 0);
	return at != NULL;
}
