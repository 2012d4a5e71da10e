// A small automaton over RFC 3629's table of well-formed sequences. The state is what the next byte
// must be: how many continuation bytes are owed and the range of the next one. Narrowing that range
// after E0, ED, F0 and F4 is all it takes to refuse overlong forms, surrogates and code points past
// U+10FFFF at the very byte that makes them so. A decoder that builds the code point and judges it
// at the end would be shorter to explain but notices one to three bytes late, and a peer that sends
// the rest of the character an hour later would be believed until then.
//
// Runs of ASCII, which is most of what passes here, are skipped a machine word at a time. It does
// not know what the text is for: control characters and noncharacters are valid UTF-8, and
// utf8_printable() is there for names.

#include "common/utf8.h"

#include <stddef.h>
#include <string.h>

static uint64_t word_at(const uint8_t *data)
{
	uint64_t word;
	memcpy(&word, data, sizeof(word));
	return word;
}

static bool is_ascii(uint64_t word)
{
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

// Of fewer than eight bytes, those that are there.
static uint64_t part_at(const uint8_t *data, size_t len)
{
	uint64_t word = 0;
	uint32_t half[2];
	if (len >= sizeof(half[0])) {
		memcpy(&half[0], data, sizeof(half[0]));
		memcpy(&half[1], data + len - sizeof(half[0]), sizeof(half[0]));
		return half[0] | half[1];
	}
	for (size_t i = 0; i < len; i++) {
		word |= data[i];
	}
	return word;
}

// The length of the ASCII run at the start of `data`, or a little less: the caller takes the odd
// bytes one at a time.
static size_t ascii_words(const uint8_t *data, size_t len)
{
	const size_t step = sizeof(uint64_t);
	size_t at = 0;
	while (len - at >= 2 * step && is_ascii(word_at(data + at) | word_at(data + at + step))) {
		at += 2 * step;
	}
	if (len - at >= step && is_ascii(word_at(data + at))) {
		at += step;
	}
	return len - at < step && is_ascii(part_at(data + at, len - at)) ? len : at;
}

static bool begin_character(struct utf8_state *state, uint8_t lead)
{
	state->low = 0x80;
	state->high = 0xbf;
	if (lead < 0x80) {
		return true;
	}
	if (lead < 0xc2) { // a stray continuation byte, or an overlong form of ASCII
		return false;
	}
	if (lead < 0xe0) {
		state->need = 1;
		return true;
	}
	if (lead < 0xf0) {
		state->need = 2;
		state->low = lead == 0xe0 ? 0xa0 : 0x80;
		state->high = lead == 0xed ? 0x9f : 0xbf;
		return true;
	}
	if (lead < 0xf5) {
		state->need = 3;
		state->low = lead == 0xf0 ? 0x90 : 0x80;
		state->high = lead == 0xf4 ? 0x8f : 0xbf;
		return true;
	}
	return false;
}

static bool continue_character(struct utf8_state *state, uint8_t byte)
{
	if (byte < state->low || byte > state->high) {
		return false;
	}
	state->need--;
	state->low = 0x80;
	state->high = 0xbf;
	return true;
}

bool utf8_feed(struct utf8_state *state, struct bytes data)
{
	size_t at = 0;
	while (at < data.len) {
		if (state->need == 0) {
			at += ascii_words(data.data + at, data.len - at);
			if (at == data.len) {
				break;
			}
		}
		uint8_t byte = data.data[at++];
		bool ok = state->need > 0 ? continue_character(state, byte)
					  : begin_character(state, byte);
		if (!ok) {
			return false;
		}
	}
	return true;
}

bool utf8_valid(struct bytes text)
{
	struct utf8_state state = { 0 };
	return utf8_feed(&state, text) && utf8_complete(&state);
}

size_t utf8_first(struct bytes text)
{
	struct utf8_state state = { 0 };
	for (size_t i = 0; i < text.len; i++) {
		if (!utf8_feed(&state, bytes_make(text.data + i, 1))) {
			return 0;
		}
		if (utf8_complete(&state)) {
			return i + 1;
		}
	}
	return 0;
}

bool utf8_printable(struct bytes text)
{
	if (!utf8_valid(text)) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];
		if (byte < 0x20 || byte == 0x7f) {
			return false;
		}
		// In valid text C2 is a lead byte, and U+0080-009F are C2 80 to C2 9F.
		if (byte == 0xc2 && text.data[i + 1] < 0xa0) {
			return false;
		}
	}
	return true;
}
