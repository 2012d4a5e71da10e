#include "common/metrics.h"
#include "tests/unit/test.h"

static void writes_samples_with_and_without_labels(void **state)
{
	(void)state;
	struct buf out = { 0 };
	metrics_simple(&out, "weir_edges", "gauge", "Edges that are linked.", 3);
	metrics_head(&out, "weir_closes_total", "counter", "Closed connections.");
	metrics_sample(&out, "weir_closes_total", "reason=\"normal\"", 0);
	metrics_sample(&out, "weir_closes_total", "reason=\"slow_consumer\"", UINT64_MAX);
	assert_bytes_equal(buf_bytes(&out),
		"# HELP weir_edges Edges that are linked.\n"
		"# TYPE weir_edges gauge\n"
		"weir_edges 3\n"
		"# HELP weir_closes_total Closed connections.\n"
		"# TYPE weir_closes_total counter\n"
		"weir_closes_total{reason=\"normal\"} 0\n"
		"weir_closes_total{reason=\"slow_consumer\"} 18446744073709551615\n");
	buf_fini(&out);
}

static void counters_count_up_and_down(void **state)
{
	(void)state;
	struct counter c = { 0 };
	counter_add(&c, 5);
	counter_sub(&c, 2);
	assert_int_equal(counter_get(&c), 3);
}

static void a_bucket_holds_what_is_at_most_its_bound(void **state)
{
	(void)state;
	static const double bounds[] = { 0.001, 0.3, 60, 7200 };
	static const struct {
		uint64_t ns;
		size_t bucket;
	} rows[] = {
		{ 0, 0 },
		{ 1000000, 0 },
		{ 1000001, 1 },
		{ 300000000, 1 },
		{ 300000001, 2 },
		{ 60000000000, 2 },
		{ 60000000001, 3 },
		{ 7200000000000, 3 },
		{ 7200000000001, 4 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct histogram h;
		histogram_init(&h, bounds, 4);
		histogram_observe_ns(&h, rows[i].ns);
		for (size_t j = 0; j <= 4; j++) {
			assert_int_equal(counter_get(&h.buckets[j]), j == rows[i].bucket);
		}
		assert_int_equal(counter_get(&h.sum_ns), rows[i].ns);
	}
}

static void writes_histograms_cumulated(void **state)
{
	(void)state;
	static const double bounds[] = { 0.0005, 1, 60 };
	struct histogram a;
	struct histogram b;
	struct buf out = { 0 };
	histogram_init(&a, bounds, 3);
	histogram_init(&b, bounds, 3);
	histogram_observe_ns(&a, 400000);
	histogram_observe_ns(&a, 2000000000);
	histogram_observe_ns(&b, 500000);
	histogram_observe_ns(&b, 61000000001);
	histogram_merge(&a, &b);
	metrics_histogram(&out, "weir_seconds", "Time.", &a);
	assert_bytes_equal(buf_bytes(&out),
		"# HELP weir_seconds Time.\n"
		"# TYPE weir_seconds histogram\n"
		"weir_seconds_bucket{le=\"0.0005\"} 2\n"
		"weir_seconds_bucket{le=\"1\"} 2\n"
		"weir_seconds_bucket{le=\"60\"} 3\n"
		"weir_seconds_bucket{le=\"+Inf\"} 4\n"
		"weir_seconds_sum 63.000900001\n"
		"weir_seconds_count 4\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_samples_with_and_without_labels),
		cmocka_unit_test(counters_count_up_and_down),
		cmocka_unit_test(a_bucket_holds_what_is_at_most_its_bound),
		cmocka_unit_test(writes_histograms_cumulated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
