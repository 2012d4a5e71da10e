// Characters of ASCII as protocols define them, whatever the locale is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(uint8_t c)
{
	return ascii_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The value of a hexadecimal digit, in either case; -1 for another character.
static inline int ascii_hex_value(uint8_t c)
{
	if (ascii_is_digit(c)) {
		return c - '0';
	}
	uint8_t lower = c | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The hexadecimal digit, in lower case, of the lowest four bits.
static inline char ascii_hex_digit(uint64_t value)
{
	return "0123456789abcdef"[value & 0xf];
}

// The number that all of `digits`, of which there must be one, make. False for anything else and
// for what does not fit into 64 bits.
MUST_CHECK static inline bool ascii_uint(struct bytes digits, uint64_t *value)
{
	bool fits = digits.len > 0;
	uint64_t sum = 0;
	for (size_t i = 0; fits && i < digits.len; i++) {
		fits = ascii_is_digit(digits.data[i]) && !__builtin_mul_overflow(sum, 10, &sum) &&
			!__builtin_add_overflow(sum, digits.data[i] - '0', &sum);
	}
	*value = sum;
	return fits;
}

static inline bool ascii_is_one_of(uint8_t c, const char *set)
{
	while (*set != '\0' && (uint8_t)*set != c) {
		set++;
	}
	return *set != '\0';
}

// `text` without the characters of `set` that it ends with.
static inline struct bytes ascii_trim_end(struct bytes text, const char *set)
{
	while (text.len > 0 && ascii_is_one_of(text.data[text.len - 1], set)) {
		text.len--;
	}
	return text;
}

// The same at both ends.
static inline struct bytes ascii_trim(struct bytes text, const char *set)
{
	while (text.len > 0 && ascii_is_one_of(text.data[0], set)) {
		text = bytes_make(text.data + 1, text.len - 1);
	}
	return ascii_trim_end(text, set);
}
