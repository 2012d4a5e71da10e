// Finds what a mistyped word was probably meant to be.
#pragma once

#include <stddef.h>

#include "common/bytes.h"

enum {
	NEAREST_WORD_MAX = 63
};

// Set `word`, zero the rest, offer every candidate. `best` is then the one that the fewest edits
// turn the word into, or NULL if none is near enough to be worth naming.
struct nearest {
	struct bytes word;
	const char *best; // borrowed from a candidate
	size_t distance; // of `best`
};
void nearest_offer(struct nearest *nearest, const char *candidate);
