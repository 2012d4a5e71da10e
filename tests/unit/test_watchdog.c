#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/watchdog.h"
#include "tests/unit/test.h"

enum {
	PATIENCE_MS = 10000
};

// A supervisor on an abstract socket, and what it is told through.
struct fixture {
	int fd;
	struct notify notify;
	struct watchdog watchdog;
	struct loop *loop;
	struct loop_io heard;
	struct loop_timer patience;
	unsigned signs;
};

static void start(struct fixture *f, uint64_t watchdog_ms)
{
	// Bound to no name of ours: the kernel picks one that is free.
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	*f = (struct fixture){ 0 };
	f->loop = loop_new();
	f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->fd, (const struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	f->notify.addr_len = sizeof(f->notify.addr);
	assert_int_equal(
		getsockname(f->fd, (struct sockaddr *)&f->notify.addr, &f->notify.addr_len), 0);
	f->notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	f->notify.watchdog_ms = watchdog_ms;
}

static void stop(struct fixture *f)
{
	watchdog_stop(&f->watchdog);
	loop_io_stop(&f->heard);
	loop_timer_stop(&f->patience);
	notify_close(&f->notify);
	close(f->fd);
	loop_free(f->loop);
}

static bool hears(struct fixture *f)
{
	char text[64];
	ssize_t got = recv(f->fd, text, sizeof(text), 0);
	if (got >= 0) {
		assert_bytes_equal(bytes_make(text, (size_t)got), "WATCHDOG=1");
	}
	return got >= 0;
}

static void speaks_only_if_all_have_moved(void **state)
{
	struct fixture f;
	struct watchdog_pulse pulses[3] = { 0 };
	(void)state;
	start(&f, 0);
	for (size_t i = 0; i < ARRAY_LEN(pulses); i++) {
		watchdog_observe(&f.watchdog, &pulses[i]);
	}
	watchdog_start(&f.watchdog, f.loop, &f.notify);
	assert_false(watchdog_look(&f.watchdog));
	for (size_t still = 0; still < ARRAY_LEN(pulses); still++) {
		for (size_t i = 0; i < ARRAY_LEN(pulses); i++) {
			if (i != still) {
				watchdog_beat(&pulses[i]);
			}
		}
		assert_false(watchdog_look(&f.watchdog));
		assert_false(hears(&f));
	}
	for (size_t i = 0; i < ARRAY_LEN(pulses); i++) {
		watchdog_beat(&pulses[i]);
	}
	assert_true(watchdog_look(&f.watchdog));
	assert_true(hears(&f));
	stop(&f);
}

static void a_turning_loop_is_enough_where_there_are_no_threads(void **state)
{
	struct fixture f;
	(void)state;
	start(&f, 0);
	watchdog_start(&f.watchdog, f.loop, &f.notify);
	assert_true(watchdog_look(&f.watchdog));
	assert_true(hears(&f));
	stop(&f);
}

static void on_heard(evutil_socket_t fd, short what, void *arg)
{
	struct fixture *f = arg;
	(void)fd;
	(void)what;
	while (hears(f)) {
		f->signs++;
	}
	if (f->signs >= 3) {
		loop_stop(f->loop);
	}
}

static void on_impatience(void *arg)
{
	loop_stop(arg);
}

static void speaks_again_and_again(void **state)
{
	struct fixture f;
	(void)state;
	start(&f, 40);
	loop_io_start(f.loop, &f.heard, f.fd, LOOP_READ, on_heard, &f);
	loop_timer_init(f.loop, &f.patience, on_impatience, f.loop);
	loop_timer_start(&f.patience, PATIENCE_MS);
	uint64_t began_ms = clock_mono_ms();
	watchdog_start(&f.watchdog, f.loop, &f.notify);
	loop_run(f.loop);
	assert_true(f.signs >= 3);
	assert_true(clock_mono_ms() - began_ms >= 10); // and not as fast as it can
	stop(&f);
}

static void says_nothing_to_who_did_not_ask(void **state)
{
	struct fixture f;
	(void)state;
	start(&f, 0);
	watchdog_start(&f.watchdog, f.loop, &f.notify);
	loop_timer_init(f.loop, &f.patience, on_impatience, f.loop);
	loop_timer_start(&f.patience, 20);
	loop_run(f.loop);
	assert_false(hears(&f));
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speaks_only_if_all_have_moved),
		cmocka_unit_test(a_turning_loop_is_enough_where_there_are_no_threads),
		cmocka_unit_test(speaks_again_and_again),
		cmocka_unit_test(says_nothing_to_who_did_not_ask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
