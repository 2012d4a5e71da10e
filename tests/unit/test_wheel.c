#include "common/check.h"
#include "common/wheel.h"
#include "tests/unit/test.h"

enum {
	START_MS = 1000050
};

struct timer {
	struct wheel_entry entry;
	int fired;
	uint64_t fired_at_ms;
};

struct run {
	struct wheel w;
	uint64_t now_ms;
	struct timer *cancels; // taken out by any timer that fires
	struct timer *sets; // set by any timer that fires, to `sets_to_ms`
	uint64_t sets_to_ms;
};

static void on_timer(struct wheel_entry *entry, void *arg)
{
	struct run *run = arg;
	struct timer *timer = CONTAINER_OF(entry, struct timer, entry);
	assert_int_equal(entry->deadline_ms, 0);
	timer->fired++;
	timer->fired_at_ms = run->now_ms;
	if (run->cancels != NULL) {
		wheel_cancel(&run->cancels->entry);
	}
	if (run->sets != NULL) {
		wheel_set(&run->w, &run->sets->entry, run->sets_to_ms);
	}
}

static void begin(struct run *run)
{
	*run = (struct run){ .now_ms = START_MS };
	wheel_init(&run->w, START_MS);
}

static void advance_to(struct run *run, uint64_t now_ms)
{
	run->now_ms = now_ms;
	wheel_advance(&run->w, now_ms, on_timer, run);
}

static void fires_at_the_first_tick_at_or_after_the_deadline(void **state)
{
	(void)state;
	static const struct {
		uint64_t deadline_ms;
		uint64_t fires_ms;
	} rows[] = {
		{ 0, 1000100 }, { START_MS - 5000, 1000100 }, { START_MS, 1000100 },
		{ 1000100, 1000100 }, { 1000101, 1000200 }, { 1000199, 1000200 },
		{ 1000200, 1000200 }, { 1102300, 1102300 }, // about a whole turn
		{ 1102400, 1102400 }, { 1102500, 1102500 }, { 1350001, 1350100 }, // several turns
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run run;
		struct timer timer = { 0 };
		begin(&run);
		wheel_set(&run.w, &timer.entry, rows[i].deadline_ms);
		for (uint64_t now = START_MS; timer.fired == 0 && now < START_MS + 400000;
			now += 10) {
			advance_to(&run, now);
		}
		assert_int_equal(timer.fired, 1);
		assert_int_equal(timer.fired_at_ms, rows[i].fires_ms);
	}
}

static void fires_once_however_late_it_is_advanced(void **state)
{
	(void)state;
	static const uint64_t lates_ms[] = { 100, 1000, 102400, 102500, 1000000, 100000000 };
	for (size_t i = 0; i < ARRAY_LEN(lates_ms); i++) {
		struct run run;
		struct timer timers[3] = { 0 };
		begin(&run);
		wheel_set(&run.w, &timers[0].entry, START_MS + 1);
		wheel_set(&run.w, &timers[1].entry, START_MS + lates_ms[i]);
		wheel_set(&run.w, &timers[2].entry, START_MS + lates_ms[i] + 200);
		advance_to(&run, START_MS + lates_ms[i] + 50);
		assert_int_equal(timers[0].fired, 1);
		assert_int_equal(timers[1].fired, 1);
		assert_int_equal(timers[2].fired, 0);
		advance_to(&run, START_MS + lates_ms[i] + 250);
		assert_int_equal(timers[0].fired + timers[1].fired + timers[2].fired, 3);
	}
}

static void a_moved_timer_fires_at_its_new_deadline_only(void **state)
{
	(void)state;
	struct run run;
	struct timer timer = { 0 };
	begin(&run);
	wheel_set(&run.w, &timer.entry, START_MS + 150);
	wheel_set(&run.w, &timer.entry, START_MS + 1150);
	advance_to(&run, START_MS + 1100);
	assert_int_equal(timer.fired, 0);
	advance_to(&run, START_MS + 1150);
	assert_int_equal(timer.fired, 1);
}

static void a_cancelled_timer_never_fires(void **state)
{
	(void)state;
	struct run run;
	struct timer timer = { 0 };
	begin(&run);
	wheel_cancel(&timer.entry);
	wheel_set(&run.w, &timer.entry, START_MS + 150);
	wheel_cancel(&timer.entry);
	wheel_cancel(&timer.entry);
	advance_to(&run, START_MS + 1000000);
	assert_int_equal(timer.fired, 0);
}

static void a_callback_may_cancel_another_that_is_due(void **state)
{
	(void)state;
	struct run run;
	struct timer first = { 0 };
	struct timer second = { 0 };
	begin(&run);
	run.cancels = &second;
	wheel_set(&run.w, &first.entry, START_MS + 100);
	wheel_set(&run.w, &second.entry, START_MS + 200);
	advance_to(&run, START_MS + 1000);
	assert_int_equal(first.fired, 1);
	assert_int_equal(second.fired, 0);
}

static void a_callback_may_put_off_another_that_is_due(void **state)
{
	(void)state;
	struct run run;
	struct timer first = { 0 };
	struct timer second = { 0 };
	begin(&run);
	run.sets = &second;
	run.sets_to_ms = START_MS + 5000;
	wheel_set(&run.w, &first.entry, START_MS + 100);
	wheel_set(&run.w, &second.entry, START_MS + 200);
	advance_to(&run, START_MS + 1000);
	assert_int_equal(first.fired, 1);
	assert_int_equal(second.fired, 0);
	run.sets = NULL;
	advance_to(&run, START_MS + 5050);
	assert_int_equal(second.fired, 1);
}

static void a_timer_that_sets_itself_into_the_past_fires_once_an_advance(void **state)
{
	(void)state;
	struct run run;
	struct timer timer = { 0 };
	begin(&run);
	run.sets = &timer;
	run.sets_to_ms = START_MS;
	wheel_set(&run.w, &timer.entry, START_MS + 100);
	advance_to(&run, START_MS + 5000);
	assert_int_equal(timer.fired, 1);
	advance_to(&run, START_MS + 5000);
	assert_int_equal(timer.fired, 1);
	advance_to(&run, START_MS + 5100);
	assert_int_equal(timer.fired, 2);
}

static void every_one_of_many_timers_fires_within_its_bounds(void **state)
{
	(void)state;
	enum {
		N_TIMERS = 2000
	};
	struct run run;
	struct timer *timers = test_calloc(N_TIMERS, sizeof(*timers));
	begin(&run);
	for (size_t i = 0; i < N_TIMERS; i++) {
		wheel_set(&run.w, &timers[i].entry, START_MS + i * 7919 % 300000);
	}
	for (uint64_t now = START_MS; now <= START_MS + 300100; now += 130) {
		advance_to(&run, now);
	}
	for (size_t i = 0; i < N_TIMERS; i++) {
		uint64_t deadline_ms = START_MS + i * 7919 % 300000;
		assert_int_equal(timers[i].fired, 1);
		assert_in_range(timers[i].fired_at_ms, deadline_ms, deadline_ms + 230);
	}
	test_free(timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_the_first_tick_at_or_after_the_deadline),
		cmocka_unit_test(fires_once_however_late_it_is_advanced),
		cmocka_unit_test(a_moved_timer_fires_at_its_new_deadline_only),
		cmocka_unit_test(a_cancelled_timer_never_fires),
		cmocka_unit_test(a_callback_may_cancel_another_that_is_due),
		cmocka_unit_test(a_callback_may_put_off_another_that_is_due),
		cmocka_unit_test(a_timer_that_sets_itself_into_the_past_fires_once_an_advance),
		cmocka_unit_test(every_one_of_many_timers_fires_within_its_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
