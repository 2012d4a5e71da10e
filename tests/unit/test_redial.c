#include "edge/uplink/redial.h"
#include "tests/unit/test.h"

enum {
	NOW_MS = 5000
};

// The longest delay that any chance gives.
static uint64_t longest(struct redial *r, bool resumable, uint64_t now_ms)
{
	uint64_t max = 0;
	const struct redial before = *r;
	for (uint32_t chance = 0; chance < 4000; chance++) {
		*r = before;
		uint64_t delay_ms = redial_delay_ms(r, resumable, now_ms, chance);
		assert_true(delay_ms >= 1);
		max = delay_ms > max ? delay_ms : max;
	}
	return max;
}

static void doubles_the_bound_up_to_two_seconds(void **state)
{
	(void)state;
	struct redial r;
	redial_init(&r);
	static const uint64_t bounds[] = { 20, 40, 80, 160, 320, 640, 1280, 2000, 2000 };
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		assert_int_equal(longest(&r, false, NOW_MS), bounds[i]);
	}
	redial_on_admitted(&r);
	assert_int_equal(longest(&r, false, NOW_MS), 20);
}

static void dials_quickly_while_the_session_can_be_resumed(void **state)
{
	(void)state;
	struct redial r;
	redial_init(&r);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(longest(&r, true, NOW_MS), 100);
	}
	assert_int_equal(longest(&r, false, NOW_MS), 20); // the other bound has not grown
}

static void waits_a_second_at_least_once_it_was_refused(void **state)
{
	(void)state;
	struct redial r;
	redial_init(&r);
	redial_on_refused(&r);
	assert_int_equal(redial_delay_ms(&r, true, NOW_MS, 0), 1000);
	assert_int_equal(longest(&r, true, NOW_MS), 2999);
	redial_on_retry(&r);
	assert_int_equal(redial_delay_ms(&r, true, NOW_MS, 0), 1);
}

static void dials_quickly_for_a_minute_after_an_announced_restart(void **state)
{
	(void)state;
	struct redial r;
	redial_init(&r);
	redial_on_refused(&r);
	redial_on_planned(&r, NOW_MS);
	assert_int_equal(longest(&r, false, NOW_MS), 50);
	assert_int_equal(longest(&r, false, NOW_MS + 59999), 50);
	assert_int_equal(longest(&r, false, NOW_MS + 60000), 20);
	redial_on_planned(&r, NOW_MS);
	redial_on_refused(&r); // by what came up in its place
	assert_int_equal(longest(&r, false, NOW_MS), 2999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_the_bound_up_to_two_seconds),
		cmocka_unit_test(dials_quickly_while_the_session_can_be_resumed),
		cmocka_unit_test(waits_a_second_at_least_once_it_was_refused),
		cmocka_unit_test(dials_quickly_for_a_minute_after_an_announced_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
