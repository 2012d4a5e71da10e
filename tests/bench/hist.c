// Log-linear buckets: values below 2^HIST_SUB_BITS have one each; above, every power of two is cut
// into 2^HIST_SUB_BITS equal steps. So the error is a share of the value, as wide as a latency's
// digits are meaningful, and adding is a count of leading zeros and two shifts.
//
// Quantiles answer with the upper end of a step, never with a value below the true one: a report
// may look 1.6 % worse than it was, not better. The maximum is kept apart and is exact.
//
// Rejected: keeping all values and sorting them (a minute of fan-out is tens of millions), and the
// histogram of common/metrics.h, whose sixteen buckets are made for graphs over weeks.

#include "tests/bench/hist.h"

#include "common/check.h"

enum {
	STEPS = 1 << HIST_SUB_BITS,
};

static const uint64_t value_max = ((uint64_t)1 << HIST_VALUE_BITS) - 1;

static unsigned bucket_of(uint64_t value)
{
	if (value < STEPS) {
		return (unsigned)value;
	}
	unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return (shift << HIST_SUB_BITS) + (unsigned)(value >> shift);
}

// The largest value that falls into `bucket`.
static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < STEPS) {
		return bucket;
	}
	unsigned shift = (bucket >> HIST_SUB_BITS) - 1;
	uint64_t step = (bucket & (STEPS - 1)) + STEPS;
	return ((step + 1) << shift) - 1;
}

void hist_add(struct hist *h, uint64_t value)
{
	h->buckets[bucket_of(value < value_max ? value : value_max)]++;
	h->n++;
	if (value > h->max) {
		h->max = value;
	}
}

uint64_t hist_quantile(const struct hist *h, double share)
{
	CHECK(share >= 0 && share <= 1);
	if (h->n == 0) {
		return 0;
	}
	uint64_t rank = (uint64_t)(share * (double)h->n);
	rank += (double)rank < share * (double)h->n ? 1 : 0;
	uint64_t below = 0;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		below += h->buckets[i];
		if (below > 0 && below >= rank) {
			uint64_t end = bucket_end(i);
			return end < h->max ? end : h->max;
		}
	}
	return h->max;
}
