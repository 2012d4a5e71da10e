#include "common/check.h"
#include "tests/bench/hist.h"
#include "tests/unit/test.h"

static void says_zero_while_it_is_empty(void **state)
{
	(void)state;
	static struct hist h;
	assert_int_equal(hist_quantile(&h, 0), 0);
	assert_int_equal(hist_quantile(&h, 1), 0);
}

static void tells_small_values_exactly(void **state)
{
	(void)state;
	static struct hist h;
	for (uint64_t value = 0; value < 100; value++) {
		hist_add(&h, value);
	}
	assert_int_equal(h.n, 100);
	assert_int_equal(hist_quantile(&h, 0), 0);
	assert_int_equal(hist_quantile(&h, 0.01), 0);
	assert_int_equal(hist_quantile(&h, 0.011), 1);
	assert_int_equal(hist_quantile(&h, 0.5), 49);
	assert_int_equal(hist_quantile(&h, 0.99), 98);
	assert_int_equal(hist_quantile(&h, 1), 99);
}

// A histogram of one value below its maximum: the quantile is the end of the value's step.
static uint64_t step_end_of(uint64_t value)
{
	struct hist h = { 0 };
	hist_add(&h, value);
	hist_add(&h, UINT64_MAX);
	return hist_quantile(&h, 0.5);
}

static void is_never_below_a_value_and_at_most_a_64th_above(void **state)
{
	(void)state;
	uint64_t last = 0;
	for (uint64_t base = 1; base < (uint64_t)1 << HIST_VALUE_BITS; base *= 2) {
		const uint64_t values[] = { base - 1, base, base + base / 3, base + base / 2 };
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			uint64_t end = step_end_of(values[i]);
			assert_true(end >= values[i]);
			assert_true(end - values[i] <= values[i] / 64);
			assert_true(end >= last);
			last = end;
		}
	}
}

static void takes_values_beyond_its_range_as_its_end(void **state)
{
	(void)state;
	static struct hist h;
	hist_add(&h, ((uint64_t)1 << HIST_VALUE_BITS) + 5);
	hist_add(&h, UINT64_MAX);
	assert_int_equal(h.n, 2);
	assert_int_equal(hist_quantile(&h, 0.5), ((uint64_t)1 << HIST_VALUE_BITS) - 1);
	assert_int_equal(h.max, UINT64_MAX);
}

static void ends_at_the_exact_maximum(void **state)
{
	(void)state;
	static struct hist h;
	hist_add(&h, 1000001);
	assert_int_equal(hist_quantile(&h, 0.5), 1000001);
	assert_int_equal(hist_quantile(&h, 1), 1000001);
}

static void finds_a_tail_of_one_in_a_thousand(void **state)
{
	(void)state;
	static struct hist h;
	for (unsigned i = 0; i < 999; i++) {
		hist_add(&h, 10);
	}
	hist_add(&h, 5000);
	assert_int_equal(hist_quantile(&h, 0.99), 10);
	assert_int_equal(hist_quantile(&h, 0.999), 10);
	assert_int_equal(hist_quantile(&h, 0.9991), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_zero_while_it_is_empty),
		cmocka_unit_test(tells_small_values_exactly),
		cmocka_unit_test(is_never_below_a_value_and_at_most_a_64th_above),
		cmocka_unit_test(takes_values_beyond_its_range_as_its_end),
		cmocka_unit_test(ends_at_the_exact_maximum),
		cmocka_unit_test(finds_a_tail_of_one_in_a_thousand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
