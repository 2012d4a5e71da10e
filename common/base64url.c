// By hand, because two texts must never stand for the same bytes where a text is signed, revoked or
// compared. The decoder of OpenSSL wants the other alphabet and padding, forgives white space, and
// ignores bits that belong to no byte, so "AB" and "AA" would be one.
//
// Digits are looked up in a table rather than compared, since every token that is presented
// passes here before anything else is known of it. Nothing secret is: what is decoded has come over
// the wire or is a public key, so the time it takes may depend on it.

#include "common/base64url.h"

enum {
	NO_DIGIT = 0xff
};

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// From '-' to 'z'.
static const uint8_t values[] = {
	62, 0xff, 0xff, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 0xff, 0xff, 0xff, // - . / 0-9 : ; <
	0xff, 0xff, 0xff, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, // = > ? @ A-L
	12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 0xff, 0xff, // M-Z [ backslash
	0xff, 0xff, 63, 0xff, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, // ] ^ _ ` a-l
	38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, // m-z
};

static uint32_t digit_value(uint8_t c)
{
	uint8_t i = (uint8_t)(c - '-');
	return i < sizeof(values) ? values[i] : NO_DIGIT;
}

// Four digits are three bytes. False if one of them is none.
static bool decode_group(const uint8_t *digit, uint8_t *out)
{
	uint32_t a = digit_value(digit[0]);
	uint32_t b = digit_value(digit[1]);
	uint32_t c = digit_value(digit[2]);
	uint32_t d = digit_value(digit[3]);
	uint32_t bits = a << 18 | b << 12 | c << 6 | d;
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return (a | b | c | d) != NO_DIGIT;
}

bool base64url_decode(struct bytes text, uint8_t *out, size_t *len)
{
	const uint8_t *start = out;
	while (text.len >= 4) {
		if (!decode_group(text.data, out)) {
			return false;
		}
		out += 3;
		text = bytes_from(text, 4);
	}
	// One digit alone is less than a byte; of two or three the bits left over must be 0.
	uint8_t last[4] = { 'A', 'A', 'A', 'A' };
	uint8_t bytes[3];
	if (text.len > 0) {
		memcpy(last, text.data, text.len);
		if (text.len == 1 || !decode_group(last, bytes) || bytes[text.len - 1] != 0) {
			return false;
		}
		memcpy(out, bytes, text.len - 1);
		out += text.len - 1;
	}
	*len = (size_t)(out - start);
	return true;
}

void base64url_append(struct buf *out, struct bytes data)
{
	uint8_t *at = buf_reserve(out, data.len / 3 * 4 + 4);
	uint32_t bits = 0;
	unsigned n_bits = 0;
	for (size_t i = 0; i < data.len; i++) {
		bits = bits << 8 | data.data[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6) {
			*at++ = (uint8_t)digits[bits >> (n_bits - 6) & 63];
		}
	}
	if (n_bits > 0) {
		*at++ = (uint8_t)digits[bits << (6 - n_bits) & 63];
	}
	out->len = (size_t)(at - out->data);
}
