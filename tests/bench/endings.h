// Counts by cause, for the few causes there are: "close 1012 restart", "http 503", "refused
// rate_limited".
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"

enum {
	ENDINGS_MAX = 32, // causes told apart; what comes after them is "other"
	ENDING_TEXT_MAX = 63,
};

struct ending {
	char text[ENDING_TEXT_MAX + 1];
	uint64_t n;
};

// Zeroed memory is empty.
struct endings {
	struct ending rows[ENDINGS_MAX];
	size_t n_rows;
};

// `code` 0 and an empty `reason` are left out. What a peer wrote is reduced to printable ASCII.
void endings_count(struct endings *e, const char *how, unsigned code, struct bytes reason);
