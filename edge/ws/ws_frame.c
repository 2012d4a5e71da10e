// The bytes of a frame header, both ways, and the mask. All rules that a header can break on its
// own are here; whether a frame may come now is ws_session's to say, which has the history.
//
// A header is decoded from its first byte at every call, so "incomplete" is an answer and not a
// state. What is wrong is found at the byte that is wrong: a reserved opcode is refused before the
// length has come. There is one encoder; a server never masks and Weir never fragments, so it has
// no parameters for either.
//
// The mask is applied a machine word at a time: the four bytes, turned to the offset and written
// out twice, make one 64-bit key. A table of vector widths was not worth having: the compiler
// widens this loop by itself, and reading the payload from the socket costs more.

#include "edge/ws/ws_frame.h"

#include <string.h>

enum {
	NEED_MORE = 1
};

enum {
	BIT_FIN = 0x80,
	BIT_RSV1 = 0x40,
	BITS_RSV23 = 0x30,
	BITS_OPCODE = 0x0f,
	BIT_CONTROL = 0x08,
	BIT_MASK = 0x80,
	BITS_LENGTH = 0x7f,
	LENGTH_16 = 126, // in place of a length: it follows in two bytes
	LENGTH_64 = 127, // in eight
	MASK_LEN = 4,
};

static bool opcode_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

static bool first_byte_legal(uint8_t byte, bool allow_rsv1)
{
	uint8_t opcode = byte & BITS_OPCODE;
	bool starts_message = opcode == WS_TEXT || opcode == WS_BINARY;
	if ((byte & BITS_RSV23) != 0 || !opcode_known(opcode)) {
		return false;
	}
	if ((byte & BIT_RSV1) != 0 && !(allow_rsv1 && starts_message)) { // RFC 7692 section 6
		return false;
	}
	return (opcode & BIT_CONTROL) == 0 || (byte & BIT_FIN) != 0;
}

static bool second_byte_legal(uint8_t byte, uint8_t opcode)
{
	bool control = (opcode & BIT_CONTROL) != 0;
	return (byte & BIT_MASK) != 0 && (!control || (byte & BITS_LENGTH) <= WS_CONTROL_MAX);
}

static size_t extended_len(uint8_t length)
{
	switch (length) {
	case LENGTH_16:
		return 2;
	case LENGTH_64:
		return 8;
	default:
		return 0;
	}
}

static uint64_t read_big_endian(const uint8_t *data, size_t len)
{
	uint64_t value = 0;
	for (size_t i = 0; i < len; i++) {
		value = value << 8 | data[i];
	}
	return value;
}

static void write_big_endian(uint8_t *out, size_t len, uint64_t value)
{
	while (len > 0) {
		out[--len] = (uint8_t)value;
		value >>= 8;
	}
}

// The shortest form is a must (RFC 6455 section 5.2), and the top bit of 64 is 0.
static bool length_legal(uint64_t value, size_t extended)
{
	switch (extended) {
	case 2:
		return value > WS_CONTROL_MAX;
	case 8:
		return value > UINT16_MAX && value <= INT64_MAX;
	default:
		return true;
	}
}

int ws_header_decode(struct bytes data, bool allow_rsv1, struct ws_header *header)
{
	const uint8_t *p = data.data;
	const size_t have = data.len;
	header->header_len = 2;
	if (have < 1) {
		return NEED_MORE;
	}
	if (!first_byte_legal(p[0], allow_rsv1)) {
		return WS_CLOSE_PROTOCOL_ERROR;
	}
	if (have < 2) {
		return NEED_MORE;
	}
	header->fin = (p[0] & BIT_FIN) != 0;
	header->rsv1 = (p[0] & BIT_RSV1) != 0;
	header->opcode = p[0] & BITS_OPCODE;
	if (!second_byte_legal(p[1], header->opcode)) {
		return WS_CLOSE_PROTOCOL_ERROR;
	}
	const uint8_t length = p[1] & BITS_LENGTH;
	const size_t extended = extended_len(length);
	header->header_len += extended + MASK_LEN;
	if (have >= 2 + extended) {
		header->payload_len = extended > 0 ? read_big_endian(p + 2, extended) : length;
		if (!length_legal(header->payload_len, extended)) {
			return WS_CLOSE_PROTOCOL_ERROR;
		}
	}
	if (have < header->header_len) {
		return NEED_MORE;
	}
	memcpy(header->mask, p + 2 + extended, MASK_LEN);
	return 0;
}

size_t ws_header_encode(uint8_t out[WS_SERVER_HEADER_MAX], enum ws_opcode opcode, bool rsv1,
	uint64_t payload_len)
{
	out[0] = (uint8_t)(BIT_FIN | (rsv1 ? BIT_RSV1 : 0) | opcode);
	if (payload_len <= WS_CONTROL_MAX) {
		out[1] = (uint8_t)payload_len;
		return 2;
	}
	out[1] = payload_len <= UINT16_MAX ? LENGTH_16 : LENGTH_64;
	size_t extended = extended_len(out[1]);
	write_big_endian(out + 2, extended, payload_len);
	return 2 + extended;
}

size_t ws_header_len(const uint8_t *frame)
{
	return 2 + extended_len(frame[1]);
}

void ws_unmask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
	uint8_t key[sizeof(uint64_t)];
	uint64_t key_word;
	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = mask[(offset + i) % MASK_LEN];
	}
	memcpy(&key_word, key, sizeof(key_word));
	size_t at = 0;
	for (; len - at >= sizeof(key_word); at += sizeof(key_word)) {
		uint64_t word;
		memcpy(&word, data + at, sizeof(word));
		word ^= key_word;
		memcpy(data + at, &word, sizeof(word));
	}
	for (; at < len; at++) {
		data[at] ^= key[at % MASK_LEN];
	}
}

bool ws_close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
		(code >= 3000 && code <= 4999);
}
