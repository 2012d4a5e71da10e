// Counters and histograms, and their Prometheus text form (exposition format 0.0.4). Knows nothing
// of what is counted: owners embed the values and list them when scraped.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

// Written by one thread, read by any: an add is a plain load and store, without a locked
// instruction.
struct counter {
	_Atomic uint64_t value;
};

static inline void counter_add(struct counter *c, uint64_t n)
{
	uint64_t value = atomic_load_explicit(&c->value, memory_order_relaxed);
	atomic_store_explicit(&c->value, value + n, memory_order_relaxed);
}

static inline void counter_sub(struct counter *c, uint64_t n)
{
	counter_add(c, 0 - n);
}

static inline uint64_t counter_get(const struct counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

enum {
	HISTOGRAM_BOUNDS_MAX = 16
};

// Upper bounds in seconds, ascending; the bucket +Inf is implied. Values are kept in nanoseconds.
// One writer, as above.
struct histogram {
	const double *bounds; // borrowed for the histogram's life
	size_t n_bounds; // at most HISTOGRAM_BOUNDS_MAX
	struct counter buckets[HISTOGRAM_BOUNDS_MAX + 1];
	struct counter sum_ns;
};

void histogram_init(struct histogram *h, const double *bounds, size_t n_bounds);
void histogram_observe_ns(struct histogram *h, uint64_t ns);
// Adds `from` (same bounds) to `into`.
void histogram_merge(struct histogram *into, const struct histogram *from);

// `# HELP` and `# TYPE`; `type` is "counter", "gauge" or "histogram".
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);
// One sample. `labels` is NULL or the text between the braces, as `reason="slow_consumer"`.
void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value);
// The buckets, sum and count of one histogram (its head included).
void metrics_histogram(struct buf *out, const char *name, const char *help,
	const struct histogram *h);
// head + one sample without labels.
void metrics_simple(struct buf *out, const char *name, const char *type, const char *help,
	uint64_t value);
