// Levenshtein distance, a row at a time. A swap of neighbours counts as two edits, which short
// names can afford: at most half of a word, and three edits, may differ. A longer word than any
// name of ours is not compared at all, so the cost of any word is bounded.

#include "common/nearest.h"

enum {
	EDITS_MAX = 3
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t edit_distance(struct bytes word, const char *candidate)
{
	size_t row[NEAREST_WORD_MAX + 1];
	for (size_t i = 0; i <= word.len; i++) {
		row[i] = i;
	}
	for (size_t j = 0; candidate[j] != '\0'; j++) {
		size_t diagonal = row[0];
		row[0] = j + 1;
		for (size_t i = 1; i <= word.len; i++) {
			size_t replaced = diagonal + (word.data[i - 1] != (uint8_t)candidate[j]);
			diagonal = row[i];
			row[i] = least(replaced, least(row[i - 1], row[i]) + 1);
		}
	}
	return row[word.len];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	if (nearest->word.len > NEAREST_WORD_MAX) {
		return;
	}
	size_t distance = edit_distance(nearest->word, candidate);
	if (distance > least(EDITS_MAX, nearest->word.len / 2)) {
		return;
	}
	if (nearest->best == NULL || distance < nearest->distance) {
		nearest->best = candidate;
		nearest->distance = distance;
	}
}
