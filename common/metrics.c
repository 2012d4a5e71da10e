// Scraping reads counters while their writers go on: each number is true for some moment, not all
// for the same one. Within a histogram the total is therefore made of the buckets as they were
// read, so that it can never contradict them.

#include "common/metrics.h"

#include <inttypes.h>

#include "common/check.h"

static const uint64_t ns_per_s = 1000000000;

void histogram_init(struct histogram *h, const double *bounds, size_t n_bounds)
{
	CHECK(n_bounds <= HISTOGRAM_BOUNDS_MAX);
	*h = (struct histogram){ .bounds = bounds, .n_bounds = n_bounds };
}

void histogram_observe_ns(struct histogram *h, uint64_t ns)
{
	// Divided, not multiplied by 1e-9, which is no number of binary digits: what lies on a
	// bound must count as within it.
	double seconds = (double)ns / (double)ns_per_s;
	size_t i = 0;
	while (i < h->n_bounds && seconds > h->bounds[i]) {
		i++;
	}
	counter_add(&h->buckets[i], 1);
	counter_add(&h->sum_ns, ns);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	CHECK(into->n_bounds == from->n_bounds);
	for (size_t i = 0; i <= from->n_bounds; i++) {
		counter_add(&into->buckets[i], counter_get(&from->buckets[i]));
	}
	counter_add(&into->sum_ns, counter_get(&from->sum_ns));
}

void metrics_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_sample(struct buf *out, const char *name, const char *labels, uint64_t value)
{
	buf_append_str(out, name);
	if (labels != NULL) {
		buf_append_byte(out, '{');
		buf_append_str(out, labels);
		buf_append_byte(out, '}');
	}
	buf_append_byte(out, ' ');
	buf_append_uint(out, value);
	buf_append_byte(out, '\n');
}

void metrics_histogram(struct buf *out, const char *name, const char *help,
	const struct histogram *h)
{
	metrics_head(out, name, "histogram", help);
	uint64_t count = 0;
	for (size_t i = 0; i < h->n_bounds; i++) {
		count += counter_get(&h->buckets[i]);
		buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, h->bounds[i], count);
	}
	count += counter_get(&h->buckets[h->n_bounds]);
	uint64_t sum_ns = counter_get(&h->sum_ns);
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
	buf_printf(out, "%s_sum %" PRIu64 ".%09" PRIu64 "\n", name, sum_ns / ns_per_s,
		sum_ns % ns_per_s);
	buf_printf(out, "%s_count %" PRIu64 "\n", name, count);
}

void metrics_simple(struct buf *out, const char *name, const char *type, const char *help,
	uint64_t value)
{
	metrics_head(out, name, type, help);
	metrics_sample(out, name, NULL, value);
}
