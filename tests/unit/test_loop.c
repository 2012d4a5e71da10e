#include <signal.h>

#include "common/loop.h"
#include "tests/unit/test.h"

static void count(void *arg)
{
	unsigned *n = arg;
	(*n)++;
}

static void turn(struct loop *loop)
{
	loop_stop(loop);
	loop_run(loop);
}

static void a_signal_is_told_until_it_is_stopped_and_then_ignored(void **state)
{
	(void)state;
	unsigned n = 0;
	struct loop *loop = loop_new();
	struct loop_signal sig = { 0 };
	loop_signal_start(loop, &sig, SIGTERM, count, &n);
	raise(SIGTERM);
	turn(loop);
	assert_int_equal(n, 1);
	loop_signal_stop(&sig);
	raise(SIGTERM); // by its default it would end this program
	turn(loop);
	assert_int_equal(n, 1);
	loop_free(loop);
}

static void a_deferred_call_runs_after_the_hooks_of_its_turn(void **state)
{
	(void)state;
	unsigned hooks = 0;
	unsigned deferred = 0;
	struct loop *loop = loop_new();
	loop_at_turn_end(loop, count, &hooks);
	loop_defer(loop, count, &deferred);
	turn(loop);
	assert_int_equal(hooks, 1);
	assert_int_equal(deferred, 1);
	turn(loop);
	assert_int_equal(hooks, 2);
	assert_int_equal(deferred, 1);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_is_told_until_it_is_stopped_and_then_ignored),
		cmocka_unit_test(a_deferred_call_runs_after_the_hooks_of_its_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
