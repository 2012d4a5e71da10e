#include <string.h>

#include "router/core/budget.h"
#include "tests/unit/test.h"

static const struct budget_limits limits = {
	.rates[BUDGET_MESSAGES] = { .per_s = 10, .burst = 20 },
	.rates[BUDGET_BYTES] = { .per_s = 1000, .burst = 1500 },
};

static void says_which_limit_was_exceeded_and_how_long_to_wait(void **state)
{
	(void)state;
	struct budget b = { 0 };
	struct budget_excess excess = { 0 };
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 1000, 5000, &excess));
	assert_false(budget_take(&b, &limits, false, BUDGET_BYTES, 1000, 5000, &excess));
	assert_string_equal(excess.limit, "rate-user-bytes");
	assert_int_equal(excess.after_ms, 500);
	assert_int_equal(b.refused[BUDGET_BYTES], 1);
	assert_false(budget_take(&b, &limits, false, BUDGET_BYTES, 1000, 5499, &excess));
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 1000, 5500, &excess));
}

static void what_is_larger_than_the_burst_passes_when_nothing_is_used(void **state)
{
	(void)state;
	struct budget b = { 0 };
	struct budget_excess excess = { 0 };
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 9000, 1000, &excess));
	assert_false(budget_take(&b, &limits, false, BUDGET_BYTES, 9000, 9999, &excess));
	assert_int_equal(excess.after_ms, 1);
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 9000, 10000, &excess));
}

static void an_admin_has_more_and_no_limit_is_none(void **state)
{
	(void)state;
	struct budget b = { 0 };
	struct budget_excess excess = { 0 };
	for (int i = 0; i < 20 * BUDGET_ADMIN_FACTOR; i++) {
		assert_true(budget_take(&b, &limits, true, BUDGET_MESSAGES, 1, 1000, &excess));
	}
	assert_false(budget_take(&b, &limits, true, BUDGET_MESSAGES, 1, 1000, &excess));
	assert_true(budget_take(&b, &limits, false, BUDGET_DELIVERIES, UINT32_MAX, 1000, &excess));
}

static void who_comes_back_has_used_what_it_had_used(void **state)
{
	(void)state;
	struct budget_memory m;
	struct budget b = { 0 };
	struct budget_excess excess = { 0 };
	budget_memory_init(&m);
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 1500, 1000, &excess));
	budget_memory_keep(&m, bytes_str("mallory"), &b, 1100);
	b = budget_memory_take(&m, bytes_str("alice"));
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 1500, 1200, &excess));
	b = budget_memory_take(&m, bytes_str("mallory"));
	assert_false(budget_take(&b, &limits, false, BUDGET_BYTES, 1500, 1200, &excess));
	b = budget_memory_take(&m, bytes_str("mallory"));
	assert_int_equal(b.refused[BUDGET_BYTES], 0);
	budget_memory_fini(&m);
}

static void what_is_earned_is_not_remembered(void **state)
{
	(void)state;
	struct budget_memory m;
	struct budget b = { 0 };
	struct budget_excess excess = { 0 };
	budget_memory_init(&m);
	assert_true(budget_take(&b, &limits, false, BUDGET_BYTES, 1000, 1000, &excess));
	budget_memory_keep(&m, bytes_str("alice"), &b, 2000);
	assert_int_equal(m.users.n_ordered, 0);
	budget_memory_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_which_limit_was_exceeded_and_how_long_to_wait),
		cmocka_unit_test(what_is_larger_than_the_burst_passes_when_nothing_is_used),
		cmocka_unit_test(an_admin_has_more_and_no_limit_is_none),
		cmocka_unit_test(who_comes_back_has_used_what_it_had_used),
		cmocka_unit_test(what_is_earned_is_not_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
