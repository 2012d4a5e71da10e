#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/json_text.h"
#include "tests/unit/test.h"

// What was logged to the pipe's end `fd`, up to its end.
static struct buf read_all(int fd)
{
	struct buf out = { 0 };
	ssize_t n;
	while ((n = read(fd, buf_reserve(&out, 65536), 65536)) > 0) {
		out.len += (size_t)n;
	}
	close(fd);
	return out;
}

static void start_to_pipe(int fds[2], enum log_format format, enum log_level level)
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	log_start(fds[1], format, level);
}

static struct buf stop_and_read(int fds[2])
{
	log_stop();
	close(fds[1]);
	return read_all(fds[0]);
}

// One line with one field, without its end of line and, in text, without the time.
static char *log_value(enum log_format format, struct bytes value)
{
	int fds[2];
	start_to_pipe(fds, format, LOG_INFO);
	log_info("event", LOG_BYTES("key", value));
	struct buf out = stop_and_read(fds);
	assert_int_equal(out.data[out.len - 1], '\n');
	out.data[out.len - 1] = '\0';
	char *text = (char *)out.data;
	char *from = format == LOG_TEXT ? strchr(text, ' ') + 1 : text;
	memmove(text, from, strlen(from) + 1);
	return text;
}

static void writes_time_level_event_and_fields(void **state)
{
	(void)state;
	int fds[2];
	start_to_pipe(fds, LOG_TEXT, LOG_DEBUG);
	log_info("closed", LOG_STR("conn", "7f2"), LOG_UINT("queued", UINT64_MAX),
		LOG_INT("left", -5));
	log_error("bare");
	log_warn("w");
	log_debug("d");
	log_raw("ready listen=127.0.0.1:1");
	struct buf out = stop_and_read(fds);
	buf_append_byte(&out, '\0');
	static const char time[] =
		"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z";
	char pattern[1024];
	snprintf(pattern, sizeof(pattern),
		"^%s info closed conn=7f2 queued=18446744073709551615 left=-5\n"
		"%s error bare\n%s warn w\n%s debug d\nready listen=127.0.0.1:1\n$",
		time, time, time, time);
	regex_t regex;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	assert_int_equal(regexec(&regex, (const char *)out.data, 0, NULL, 0), 0);
	regfree(&regex);
	buf_fini(&out);
}

static void escapes_what_would_break_a_line(void **state)
{
	(void)state;
	static const struct {
		struct {
			const char *data;
			size_t len;
		} value;
		const char *text;
		const char *json; // the value alone
	} rows[] = {
		{ { "plain", 5 }, "plain", "\"plain\"" },
		{ { "", 0 }, "\"\"", "\"\"" },
		{ { NULL, 0 }, "\"\"", "\"\"" },
		{ { "a b", 3 }, "\"a b\"", "\"a b\"" },
		{ { "a\"b", 3 }, "\"a\\\"b\"", "\"a\\\"b\"" },
		{ { "a\\b", 3 }, "a\\\\b", "\"a\\\\b\"" },
		{ { "a\nb", 3 }, "a\\x0ab", "\"a\\\\x0ab\"" },
		{ { "a\0b", 3 }, "a\\x00b", "\"a\\\\x00b\"" },
		{ { "\x1b[2J", 4 }, "\\x1b[2J", "\"\\\\x1b[2J\"" },
		{ { "\x7f", 1 }, "\\x7f", "\"\\\\x7f\"" },
		{ { "caf\xc3\xa9", 5 }, "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ { "\xe2\x82\xac\xf0\x9f\x8e\x88", 7 }, "\xe2\x82\xac\xf0\x9f\x8e\x88",
			"\"\xe2\x82\xac\xf0\x9f\x8e\x88\"" },
		{ { "\xc2\x9b", 2 }, "\\xc2\\x9b", "\"\\\\xc2\\\\x9b\"" }, // CSI
		{ { "a\xff", 2 }, "a\\xff", "\"a\\\\xff\"" },
		{ { "\xe2\x82", 2 }, "\\xe2\\x82", "\"\\\\xe2\\\\x82\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes value = bytes_make(rows[i].value.data, rows[i].value.len);
		char expected[128];
		snprintf(expected, sizeof(expected), "info event key=%s", rows[i].text);
		char *line = log_value(LOG_TEXT, value);
		assert_string_equal(line, expected);
		free(line);

		snprintf(expected, sizeof(expected),
			"\"level\":\"info\",\"event\":\"event\",\"key\":%s}", rows[i].json);
		line = log_value(LOG_JSON, value);
		assert_string_equal(strstr(line, "\"level\""), expected);
		free(line);
	}
}

static void its_json_is_valid_for_any_bytes(void **state)
{
	(void)state;
	int fds[2];
	uint8_t all[256];
	for (size_t i = 0; i < sizeof(all); i++) {
		all[i] = (uint8_t)i;
	}
	start_to_pipe(fds, LOG_JSON, LOG_INFO);
	log_info("e", LOG_BYTES("all", bytes_make(all, sizeof(all))), LOG_UINT("u", UINT64_MAX),
		LOG_INT("i", INT64_MIN), LOG_STR("s", ""));
	struct buf out = stop_and_read(fds);
	enum jscan_kind kind;
	assert_true(json_text_valid(bytes_make(out.data, out.len - 1), &kind));
	assert_int_equal(kind, JSCAN_OBJECT);
	assert_null(memchr(out.data, '\n', out.len - 1));
	buf_fini(&out);
}

static void cuts_long_values_between_characters(void **state)
{
	(void)state;
	char value[300];
	memset(value, 'a', sizeof(value));
	char *line = log_value(LOG_TEXT, bytes_make(value, sizeof(value)));
	assert_int_equal(strlen(line), strlen("info event key=") + 256);
	free(line);
	static const char euro[] = { '\xe2', '\x82', '\xac' };
	memcpy(value + 254, euro, sizeof(euro));
	line = log_value(LOG_TEXT, bytes_make(value, sizeof(value)));
	assert_int_equal(strlen(line), strlen("info event key=") + 254);
	free(line);
}

static void leaves_out_fields_that_do_not_fit(void **state)
{
	(void)state;
	int fds[2];
	char value[256];
	memset(value, '\x01', sizeof(value));
	struct bytes bytes = bytes_make(value, sizeof(value));
	start_to_pipe(fds, LOG_JSON, LOG_INFO);
	log_info("e", LOG_BYTES("a", bytes), LOG_BYTES("b", bytes), LOG_BYTES("c", bytes),
		LOG_BYTES("d", bytes), LOG_UINT("e", 1));
	struct buf out = stop_and_read(fds);
	enum jscan_kind kind;
	assert_in_range(out.len, 3000, 4096);
	assert_true(json_text_valid(bytes_make(out.data, out.len - 1), &kind));
	buf_append_byte(&out, '\0');
	assert_non_null(strstr((const char *)out.data, "\"c\":"));
	assert_null(strstr((const char *)out.data, "\"d\":"));
	assert_null(strstr((const char *)out.data, "\"e\":"));
	buf_fini(&out);
}

static void is_silent_below_its_level(void **state)
{
	(void)state;
	int fds[2];
	start_to_pipe(fds, LOG_TEXT, LOG_WARN);
	log_info("quiet");
	log_warn("one");
	log_set_level(LOG_INFO);
	log_info("two");
	log_debug("quiet");
	log_set_level(LOG_ERROR);
	log_warn("quiet");
	log_raw("three");
	struct buf out = stop_and_read(fds);
	buf_append_byte(&out, '\0');
	assert_null(strstr((const char *)out.data, "quiet"));
	assert_non_null(strstr((const char *)out.data, "warn one\n"));
	assert_non_null(strstr((const char *)out.data, "info two\n"));
	assert_non_null(strstr((const char *)out.data, "\nthree\n"));
	buf_fini(&out);
}

enum {
	LINE_LEN = 200,
	RING_LINES = 1024 * 1024 / LINE_LEN,
};

static void log_numbered(size_t n)
{
	char filler[LINE_LEN];
	memset(filler, '.', sizeof(filler));
	snprintf(filler, sizeof(filler), "%09zu", n);
	filler[strlen(filler)] = '.';
	filler[LINE_LEN - 1] = '\0';
	log_raw(filler);
}

static void an_unread_pipe_costs_lines_and_no_time(void **state)
{
	(void)state;
	enum {
		N_LINES = 3 * RING_LINES
	};
	int fds[2];
	start_to_pipe(fds, LOG_TEXT, LOG_INFO);
	uint64_t dropped_before = log_dropped();
	uint64_t start_ms = clock_mono_ms();
	for (size_t i = 0; i < N_LINES; i++) {
		log_numbered(i);
	}
	// A writer that waited for the reader would wait for ever.
	assert_in_range(clock_mono_ms() - start_ms, 0, 10000);
	uint64_t dropped = log_dropped() - dropped_before;
	assert_in_range(dropped, RING_LINES, N_LINES - RING_LINES);

	// Once somebody reads, whole lines come, in order, and then what was lost is told.
	struct buf out = { 0 };
	size_t n_read = 0;
	while (n_read < N_LINES - dropped) {
		ssize_t n = read(fds[0], buf_reserve(&out, 65536), 65536);
		assert_true(n > 0);
		out.len += (size_t)n;
		n_read = out.len / LINE_LEN;
	}
	unsigned long next = 0;
	for (size_t i = 0; i < n_read; i++) {
		const char *line = (const char *)out.data + i * LINE_LEN;
		assert_int_equal(line[LINE_LEN - 1], '\n');
		assert_true(strtoul(line, NULL, 10) >= next);
		next = strtoul(line, NULL, 10) + 1;
	}
	buf_fini(&out);
	log_raw("after");
	out = stop_and_read(fds);
	buf_append_byte(&out, '\0');
	char expected[64];
	snprintf(expected, sizeof(expected), " warn log_dropped lines=%zu\nafter\n",
		(size_t)dropped);
	assert_non_null(strstr((const char *)out.data, expected));
	buf_fini(&out);
}

static void stopping_gives_up_on_a_pipe_that_nobody_reads(void **state)
{
	(void)state;
	int fds[2];
	start_to_pipe(fds, LOG_TEXT, LOG_INFO);
	uint64_t dropped_before = log_dropped();
	for (size_t i = 0; i < RING_LINES / 2; i++) {
		log_numbered(i);
	}
	uint64_t start_ms = clock_mono_ms();
	log_stop();
	assert_in_range(clock_mono_ms() - start_ms, 0, 5000);
	assert_true(log_dropped() > dropped_before);
	close(fds[0]);
	close(fds[1]);
}

static void a_full_disk_costs_lines_only(void **state)
{
	(void)state;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	uint64_t dropped_before = log_dropped();
	log_start(fd, LOG_TEXT, LOG_INFO);
	for (size_t i = 0; i < 100; i++) {
		log_info("lost");
	}
	log_stop();
	close(fd);
	assert_true(log_dropped() >= dropped_before + 100);
}

static void a_reader_that_went_away_costs_lines_only(void **state)
{
	(void)state;
	int fds[2];
	start_to_pipe(fds, LOG_TEXT, LOG_INFO);
	uint64_t dropped_before = log_dropped();
	close(fds[0]);
	log_info("lost");
	log_stop();
	close(fds[1]);
	assert_true(log_dropped() > dropped_before);
}

static void writes_to_a_socket_that_is_full_for_a_while(void **state)
{
	(void)state;
	enum {
		N_LINES = RING_LINES / 2
	};
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	log_start(fds[1], LOG_TEXT, LOG_INFO);
	for (size_t i = 0; i < N_LINES; i++) {
		log_numbered(i);
	}
	struct buf out = { 0 };
	while (out.len < (size_t)N_LINES * LINE_LEN) {
		ssize_t n = read(fds[0], buf_reserve(&out, 65536), 65536);
		assert_true(n > 0);
		out.len += (size_t)n;
	}
	log_stop();
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(strtoul((const char *)out.data + out.len - LINE_LEN, NULL, 10),
		N_LINES - 1);
	buf_fini(&out);
}

enum {
	N_THREADS = 4,
	LINES_PER_THREAD = 2000,
};

static void *log_a_lot(void *arg)
{
	for (uint64_t i = 0; i < LINES_PER_THREAD; i++) {
		log_info("from", LOG_STR("thread", (const char *)arg), LOG_UINT("n", i));
	}
	return NULL;
}

static void *read_to_end(void *arg)
{
	struct buf *out = test_malloc(sizeof(*out));
	*out = read_all(*(int *)arg);
	return out;
}

static void lines_of_threads_stay_whole_and_in_order(void **state)
{
	(void)state;
	static char names[N_THREADS][2] = { "0", "1", "2", "3" };
	pthread_t threads[N_THREADS];
	pthread_t reader;
	int fds[2];
	void *result;
	start_to_pipe(fds, LOG_TEXT, LOG_INFO);
	assert_int_equal(pthread_create(&reader, NULL, read_to_end, &fds[0]), 0);
	for (size_t i = 0; i < N_THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, log_a_lot, names[i]), 0);
	}
	for (size_t i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	log_stop();
	close(fds[1]);
	pthread_join(reader, &result);
	struct buf *out = result;
	buf_append_byte(out, '\0');
	unsigned long next[N_THREADS] = { 0 };
	const char *at = (const char *)out->data;
	while (*at != '\0') {
		const char *event = strstr(at, " info from thread=");
		assert_non_null(event);
		unsigned long thread = strtoul(event + strlen(" info from thread="), NULL, 10);
		assert_true(thread < N_THREADS);
		assert_int_equal(strtoul(strstr(event, " n=") + 3, NULL, 10), next[thread]);
		next[thread]++;
		at = strchr(at, '\n') + 1;
	}
	for (size_t i = 0; i < N_THREADS; i++) {
		assert_int_equal(next[i], LINES_PER_THREAD);
	}
	buf_fini(out);
	test_free(out);
}

static void a_limit_lets_five_lines_through_each_second(void **state)
{
	(void)state;
	struct log_limit limit = { 0 };
	uint32_t suppressed = 99;
	for (uint64_t now_ms = 5000; now_ms < 5010; now_ms++) {
		bool first_five = now_ms < 5000 + LOG_LIMIT_PER_S;
		assert_int_equal(log_limit_pass(&limit, now_ms, &suppressed), first_five);
	}
	assert_int_equal(suppressed, 0);
	assert_false(log_limit_pass(&limit, 5999, &suppressed));
	assert_true(log_limit_pass(&limit, 6000, &suppressed));
	assert_int_equal(suppressed, 6);
	assert_true(log_limit_pass(&limit, 6000, &suppressed));
	assert_int_equal(suppressed, 0);
	// Another thread's clock may have been read a moment before.
	assert_true(log_limit_pass(&limit, 5999, &suppressed));
}

int main(void)
{
	// As in the programs.
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_time_level_event_and_fields),
		cmocka_unit_test(escapes_what_would_break_a_line),
		cmocka_unit_test(its_json_is_valid_for_any_bytes),
		cmocka_unit_test(cuts_long_values_between_characters),
		cmocka_unit_test(leaves_out_fields_that_do_not_fit),
		cmocka_unit_test(is_silent_below_its_level),
		cmocka_unit_test(an_unread_pipe_costs_lines_and_no_time),
		cmocka_unit_test(stopping_gives_up_on_a_pipe_that_nobody_reads),
		cmocka_unit_test(a_full_disk_costs_lines_only),
		cmocka_unit_test(a_reader_that_went_away_costs_lines_only),
		cmocka_unit_test(writes_to_a_socket_that_is_full_for_a_while),
		cmocka_unit_test(lines_of_threads_stay_whole_and_in_order),
		cmocka_unit_test(a_limit_lets_five_lines_through_each_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
