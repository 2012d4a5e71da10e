#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/notify.h"
#include "tests/unit/temp.h"
#include "tests/unit/test.h"

enum {
	PATIENCE_MS = 10000
};

// A supervisor: a bound socket, under the name that `variable` got.
struct supervisor {
	char folder[TEMP_PATH_MAX];
	char path[TEMP_PATH_MAX + 8];
	int fd;
};

static int bind_to(const char *text)
{
	struct sockaddr_un addr;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(notify_address(text, &addr, &len), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, len), 0);
	return fd;
}

static void set_environment(const char *socket, const char *usec, const char *pid)
{
	const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };
	const char *const values[] = { socket, usec, pid };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (values[i] != NULL) {
			assert_int_equal(setenv(names[i], values[i], 1), 0);
		} else {
			assert_int_equal(unsetenv(names[i]), 0);
		}
	}
}

static void start_supervisor(struct supervisor *s)
{
	temp_template(s->folder, "weir-notify");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/socket", s->folder);
	s->fd = bind_to(s->path);
	set_environment(s->path, NULL, NULL);
}

static void stop_supervisor(struct supervisor *s)
{
	close(s->fd);
	unlink(s->path);
	rmdir(s->folder);
	set_environment(NULL, NULL, NULL);
}

// The next datagram, as text.
static const char *hear(int fd)
{
	static char text[256];
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
	ssize_t got = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(got > 0);
	text[got] = '\0';
	return text;
}

static void addresses_are_paths_or_abstract_names(void **state)
{
	char long_path[110];
	(void)state;
	memset(long_path, 'x', sizeof(long_path));
	const struct {
		const char *text;
		size_t cut; // of long_path, if text is NULL
		char first;
		int result;
	} rows[] = {
		{ .text = "/run/systemd/notify", .result = 0 },
		{ .text = "@name", .result = 0 },
		{ .text = "", .result = -EINVAL },
		{ .text = "/", .result = -EINVAL },
		{ .text = "@", .result = -EINVAL },
		{ .text = "run/notify", .result = -EINVAL },
		{ .text = "vsock:2:1234", .result = -EINVAL },
		{ .cut = 107, .first = '/', .result = 0 },
		{ .cut = 108, .first = '/', .result = -EINVAL },
		{ .cut = 108, .first = '@', .result = 0 },
		{ .cut = 109, .first = '@', .result = -EINVAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_un addr;
		socklen_t len;
		char text[sizeof(long_path)];
		if (rows[i].text != NULL) {
			snprintf(text, sizeof(text), "%s", rows[i].text);
		} else {
			snprintf(text, sizeof(text), "%c%.*s", rows[i].first, (int)rows[i].cut - 1,
				long_path);
		}
		assert_int_equal(notify_address(text, &addr, &len), rows[i].result);
	}
}

static void says_each_state_in_one_datagram(void **state)
{
	struct supervisor s;
	struct notify n;
	(void)state;
	start_supervisor(&s);
	notify_open(&n);
	notify_ready(&n);
	assert_string_equal(hear(s.fd), "READY=1");
	notify_stopping(&n);
	assert_string_equal(hear(s.fd), "STOPPING=1");
	notify_alive(&n);
	assert_string_equal(hear(s.fd), "WATCHDOG=1");
	notify_close(&n);
	stop_supervisor(&s);
}

static void says_when_it_began_to_reload(void **state)
{
	static const char head[] = "RELOADING=1\nMONOTONIC_USEC=";
	struct supervisor s;
	struct notify n;
	char *end;
	(void)state;
	start_supervisor(&s);
	notify_open(&n);
	uint64_t before_us = clock_mono_ns() / 1000;
	notify_reloading(&n);
	uint64_t after_us = clock_mono_ns() / 1000;
	const char *text = hear(s.fd);
	assert_memory_equal(text, head, sizeof(head) - 1);
	unsigned long long said_us = strtoull(text + sizeof(head) - 1, &end, 10);
	assert_string_equal(end, "");
	assert_in_range(said_us, before_us, after_us);
	notify_close(&n);
	stop_supervisor(&s);
}

static void reaches_an_abstract_socket(void **state)
{
	char name[64];
	struct notify n;
	(void)state;
	snprintf(name, sizeof(name), "@weir-notify-test-%d", (int)getpid());
	int fd = bind_to(name);
	set_environment(name, NULL, NULL);
	notify_open(&n);
	notify_ready(&n);
	assert_string_equal(hear(fd), "READY=1");
	notify_close(&n);
	close(fd);
	set_environment(NULL, NULL, NULL);
}

static void finds_a_supervisor_that_was_restarted(void **state)
{
	struct supervisor s;
	struct notify n;
	(void)state;
	start_supervisor(&s);
	notify_open(&n);
	close(s.fd);
	unlink(s.path);
	notify_alive(&n); // to nobody
	s.fd = bind_to(s.path);
	notify_ready(&n);
	assert_string_equal(hear(s.fd), "READY=1");
	notify_close(&n);
	stop_supervisor(&s);
}

static void a_sign_of_life_does_not_wait_for_a_full_queue(void **state)
{
	struct supervisor s;
	struct notify n;
	(void)state;
	start_supervisor(&s);
	notify_open(&n);
	uint64_t began_ms = clock_mono_ms();
	for (int i = 0; i < 5000; i++) { // far more than a queue takes
		notify_alive(&n);
	}
	assert_true(clock_mono_ms() - began_ms < PATIENCE_MS);
	assert_string_equal(hear(s.fd), "WATCHDOG=1");
	notify_close(&n);
	stop_supervisor(&s);
}

static void without_a_supervisor_nothing_is_sent(void **state)
{
	const char *const sockets[] = { NULL, "", "relative", "/nowhere/at/all" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
		struct notify n;
		set_environment(sockets[i], NULL, NULL);
		notify_open(&n);
		notify_ready(&n);
		notify_alive(&n);
		notify_close(&n);
		notify_close(&n);
	}
	struct notify zeroed = { 0 };
	notify_ready(&zeroed);
	notify_close(&zeroed);
	set_environment(NULL, NULL, NULL);
}

static void the_watchdog_is_for_this_process_and_a_number(void **state)
{
	char own[32];
	struct supervisor s;
	(void)state;
	snprintf(own, sizeof(own), "%d", (int)getpid());
	const struct {
		const char *usec;
		const char *pid;
		uint64_t expected_ms;
	} rows[] = {
		{ NULL, NULL, 0 },
		{ "30000000", NULL, 30000 },
		{ "30000000", own, 30000 },
		{ "30000000", "1", 0 },
		{ "30000000", "x", 0 },
		{ "0", NULL, 0 },
		{ "", NULL, 0 },
		{ "-1", NULL, 0 },
		{ " 1000000", NULL, 0 },
		{ "1000000x", NULL, 0 },
		{ "99999999999999999999999", NULL, 0 },
	};
	start_supervisor(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct notify n;
		set_environment(s.path, rows[i].usec, rows[i].pid);
		notify_open(&n);
		assert_int_equal(n.watchdog_ms, rows[i].expected_ms);
		notify_close(&n);
	}
	stop_supervisor(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_paths_or_abstract_names),
		cmocka_unit_test(says_each_state_in_one_datagram),
		cmocka_unit_test(says_when_it_began_to_reload),
		cmocka_unit_test(reaches_an_abstract_socket),
		cmocka_unit_test(finds_a_supervisor_that_was_restarted),
		cmocka_unit_test(a_sign_of_life_does_not_wait_for_a_full_queue),
		cmocka_unit_test(without_a_supervisor_nothing_is_sent),
		cmocka_unit_test(the_watchdog_is_for_this_process_and_a_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
