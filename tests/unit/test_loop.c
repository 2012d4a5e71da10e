#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

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

struct deferring {
	struct loop *loop;
	unsigned n; // calls so far
	unsigned again; // of which so many defer the next
};

static void defer_again(void *arg)
{
	struct deferring *d = arg;
	d->n++;
	if (d->again > 0) {
		d->again--;
		loop_defer(d->loop, defer_again, d);
	}
}

static void what_a_deferred_call_defers_runs_in_the_next_turn_without_a_wait(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct deferring d = { .loop = loop, .again = 1 };
	turn(loop);
	uint64_t waits = loop_waits(loop);
	loop_defer(loop, defer_again, &d);
	turn(loop);
	assert_int_equal(d.n, 1);
	turn(loop);
	assert_int_equal(d.n, 2);
	assert_int_equal(loop_waits(loop), waits);
	turn(loop);
	assert_int_equal(loop_waits(loop), waits + 1);
	loop_free(loop);
}

// Each turn's end has more to do until it has been called `again` times.
static void go_on_at_turn_end(void *arg)
{
	struct deferring *d = arg;
	d->n++;
	if (d->again > 0) {
		d->again--;
		loop_skip_wait(d->loop);
	}
}

static void a_hook_with_work_left_keeps_the_next_turn_from_waiting(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct deferring d = { .loop = loop, .again = 3 };
	loop_at_turn_end(loop, go_on_at_turn_end, &d);
	for (unsigned turns = 1; turns <= 6; turns++) {
		turn(loop);
		assert_int_equal(d.n, turns);
	}
	assert_int_equal(loop_waits(loop), 3); // the first and the last two
	loop_free(loop);
}

static void defer_count(void *arg)
{
	struct deferring *d = arg;
	loop_defer(d->loop, count, &d->n);
}

static void what_a_hook_defers_runs_in_its_turn_and_the_next_one_waits(void **state)
{
	(void)state;
	struct loop *loop = loop_new();
	struct deferring d = { .loop = loop };
	loop_at_turn_end(loop, defer_count, &d);
	for (unsigned turns = 1; turns <= 3; turns++) {
		turn(loop);
		assert_int_equal(d.n, turns);
		assert_int_equal(loop_waits(loop), turns);
	}
	loop_free(loop);
}

struct always_ready {
	struct loop_io io;
	unsigned n; // calls so far
};

static void on_always_ready(evutil_socket_t fd, short what, void *arg)
{
	struct always_ready *ready = arg;
	(void)fd;
	(void)what;
	if (++ready->n == 100) { // or a turn that does not end would hang
		loop_io_stop(&ready->io);
	}
}

static void a_turn_that_does_not_wait_calls_what_is_ready_once(void **state)
{
	(void)state;
	int fds[2];
	struct always_ready ready = { 0 };
	unsigned deferred = 0;
	struct loop *loop = loop_new();
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	loop_io_start(loop, &ready.io, fds[1], LOOP_WRITE, on_always_ready, &ready);
	for (unsigned turns = 1; turns <= 3; turns++) {
		loop_defer(loop, count, &deferred);
		turn(loop);
		assert_int_equal(ready.n, turns);
		assert_int_equal(deferred, turns);
	}
	loop_io_stop(&ready.io);
	close(fds[0]);
	close(fds[1]);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_is_told_until_it_is_stopped_and_then_ignored),
		cmocka_unit_test(a_deferred_call_runs_after_the_hooks_of_its_turn),
		cmocka_unit_test(what_a_deferred_call_defers_runs_in_the_next_turn_without_a_wait),
		cmocka_unit_test(a_hook_with_work_left_keeps_the_next_turn_from_waiting),
		cmocka_unit_test(what_a_hook_defers_runs_in_its_turn_and_the_next_one_waits),
		cmocka_unit_test(a_turn_that_does_not_wait_calls_what_is_ready_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
