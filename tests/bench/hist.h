// A histogram of latencies with a bounded relative error, small enough to keep several.
#pragma once

#include <stdint.h>

enum {
	HIST_SUB_BITS = 6, // 64 steps per power of two: a value is at most 1/64 too high
	HIST_VALUE_BITS = 40, // 18 minutes in nanoseconds; what is above counts as that
	HIST_BUCKETS = (HIST_VALUE_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS,
};

// Zeroed memory is an empty histogram.
struct hist {
	uint64_t buckets[HIST_BUCKETS];
	uint64_t n;
	uint64_t max; // exact
};

void hist_add(struct hist *h, uint64_t value);
// The smallest recorded value that at least `share` (0 to 1) of all values do not exceed, rounded
// up to the end of its step; 0 if nothing was recorded.
uint64_t hist_quantile(const struct hist *h, double share);
