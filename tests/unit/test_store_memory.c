#include <stdlib.h>

#include "common/mem.h"
#include "router/core/store.h"
#include "tests/unit/test.h"

static const char body_text[] = "{\"n\":\"0123456789\"}";

static void append(struct store *s, struct store_log *log, uint64_t seq, uint64_t now_ms)
{
	const struct store_message m = {
		.seq = seq,
		.timestamp_ms = (int64_t)seq * 10,
		.type = bytes_str("chat"),
		.from = bytes_str("client"),
		.user = bytes_str("user"),
		.username = bytes_str("A User"),
		.body = bytes_str(body_text),
	};
	store_append(s, log, &m, now_ms);
}

// The bytes that one such message takes.
static uint64_t one(void)
{
	const struct store_limits limits = { .messages = 1, .bytes = 1 << 20 };
	struct store s;
	struct store_log log = { 0 };
	store_init(&s, &limits);
	append(&s, &log, 1, 0);
	uint64_t bytes = log.bytes;
	store_forget(&s, &log);
	store_fini(&s);
	return bytes;
}

static void logs_may_have_ages_of_their_own(void **state)
{
	(void)state;
	const struct store_limits limits = { .messages = 9, .bytes = 1 << 20, .age_ms = 100 };
	const struct store_limits longer = { .messages = 2, .bytes = 1 << 20, .age_ms = 1000 };
	struct store s;
	struct store_log logs[3] = { 0 };
	logs[0].limits = &longer;
	logs[2].limits = &longer;
	store_init(&s, &limits);
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		for (uint64_t seq = 1; seq <= 3; seq++) {
			append(&s, &logs[i], seq, 0);
		}
	}
	store_sweep(&s, 100);
	assert_int_equal(logs[1].n, 3);
	store_sweep(&s, 101); // passes over the one before it
	assert_int_equal(logs[1].n, 0);
	assert_int_equal(logs[0].n, 2);
	append(&s, &logs[0], 4, 500);
	store_sweep(&s, 1001);
	assert_int_equal(logs[2].n, 0);
	assert_int_equal(store_first(&logs[0]), 4);
	store_forget(&s, &logs[0]);
	store_fini(&s);
}

static void gives_back_what_was_kept(void **state)
{
	(void)state;
	const struct store_limits limits = { .messages = 10, .bytes = 1 << 20 };
	struct store s;
	struct store_log log = { 0 };
	struct store_message m;
	store_init(&s, &limits);
	assert_int_equal(store_first(&log), 0);
	assert_false(store_read(&log, 1, &m));
	append(&s, &log, 1, 0);
	append(&s, &log, 2, 0);
	assert_int_equal(store_first(&log), 1);
	assert_true(store_read(&log, 2, &m));
	assert_int_equal(m.seq, 2);
	assert_int_equal(m.timestamp_ms, 20);
	assert_bytes_equal(m.type, "chat");
	assert_bytes_equal(m.from, "client");
	assert_bytes_equal(m.user, "user");
	assert_bytes_equal(m.username, "A User");
	assert_bytes_equal(m.body, body_text);
	assert_false(store_read(&log, 3, &m));
	assert_false(store_read(&log, 0, &m));
	store_forget(&s, &log);
	assert_int_equal(s.bytes, 0);
	store_fini(&s);
}

static void holds_each_limit_by_dropping_the_oldest(void **state)
{
	(void)state;
	const struct {
		struct store_limits limits;
		uint64_t first; // after ten messages
	} rows[] = {
		{ { .messages = 3, .bytes = 1 << 20 }, 8 },
		{ { .messages = 100, .bytes = 4 * one() }, 7 },
		{ { .messages = 100, .bytes = 4 * one() - 1 }, 8 },
		{ { .messages = 100, .bytes = 1 << 20, .total_bytes = 2 * one() }, 9 },
		{ { .messages = 0, .bytes = 1 << 20 }, 0 },
		{ { .messages = 3, .bytes = one() - 1 }, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store s;
		struct store_log log = { 0 };
		store_init(&s, &rows[i].limits);
		for (uint64_t seq = 1; seq <= 10; seq++) {
			append(&s, &log, seq, 0);
		}
		assert_int_equal(store_first(&log), rows[i].first);
		store_forget(&s, &log);
		store_fini(&s);
	}
}

static void drops_what_is_too_old(void **state)
{
	(void)state;
	const struct store_limits limits = { .messages = 9, .bytes = 1 << 20, .age_ms = 100 };
	struct store s;
	struct store_log busy = { 0 };
	struct store_log silent = { 0 };
	store_init(&s, &limits);
	append(&s, &silent, 1, 0);
	append(&s, &busy, 1, 0);
	append(&s, &busy, 2, 60);
	store_trim(&s, &busy, 100);
	assert_int_equal(store_first(&busy), 1);
	store_trim(&s, &busy, 101);
	assert_int_equal(store_first(&busy), 2);
	store_sweep(&s, 101);
	assert_int_equal(silent.n, 0);
	assert_int_equal(busy.n, 1);
	store_sweep(&s, 161);
	assert_int_equal(busy.n, 0);
	assert_int_equal(s.bytes, 0);
	store_fini(&s);
}

static void takes_from_the_room_that_was_silent_longest(void **state)
{
	(void)state;
	const struct store_limits limits = {
		.messages = 100,
		.bytes = 1 << 20,
		.total_bytes = 4 * one(),
	};
	struct store s;
	struct store_log a = { 0 };
	struct store_log b = { 0 };
	store_init(&s, &limits);
	append(&s, &a, 1, 0);
	append(&s, &b, 1, 1);
	append(&s, &b, 2, 2);
	append(&s, &a, 2, 3);
	append(&s, &a, 3, 4); // one too many: all of b goes
	assert_int_equal(b.n, 0);
	assert_int_equal(a.n, 3);
	store_forget(&s, &a);
	store_fini(&s);
}

static void keeps_no_hole_behind_a_message_too_large(void **state)
{
	(void)state;
	const struct store_limits limits = { .messages = 100, .bytes = 1000 };
	struct store s;
	struct store_log log = { 0 };
	uint8_t *large = xcalloc(1, 1000);
	const struct store_message m = { .seq = 2, .body = bytes_make(large, 1000) };
	store_init(&s, &limits);
	append(&s, &log, 1, 0);
	store_append(&s, &log, &m, 0);
	assert_int_equal(log.n, 0);
	append(&s, &log, 3, 0);
	assert_int_equal(store_first(&log), 3);
	store_forget(&s, &log);
	store_fini(&s);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_may_have_ages_of_their_own),
		cmocka_unit_test(gives_back_what_was_kept),
		cmocka_unit_test(holds_each_limit_by_dropping_the_oldest),
		cmocka_unit_test(drops_what_is_too_old),
		cmocka_unit_test(takes_from_the_room_that_was_silent_longest),
		cmocka_unit_test(keeps_no_hole_behind_a_message_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
