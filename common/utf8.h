// UTF-8 validation (RFC 3629), one shot or incremental: fails at the first byte that no valid text
// could contain at that place.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

struct utf8_state {
	uint8_t need; // continuation bytes still owed; 0 between characters
	uint8_t low; // allowed range of the next continuation byte
	uint8_t high;
};

// Feeds bytes; false as soon as one cannot continue valid text. Zeroed state = start.
bool utf8_feed(struct utf8_state *state, struct bytes data);
// True if the text fed so far may end here.
static inline bool utf8_complete(const struct utf8_state *state)
{
	return state->need == 0;
}
// The whole text at once.
bool utf8_valid(struct bytes text);
// The length of the character that `text` begins with; 0 if it begins with none, or only with a
// part.
size_t utf8_first(struct bytes text);
// True for valid UTF-8 without control characters (U+0000-001F, U+007F-009F).
bool utf8_printable(struct bytes text);
