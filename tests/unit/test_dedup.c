#include <stdio.h>

#include "router/core/dedup.h"
#include "tests/unit/test.h"

static struct dedup_key key_of(const char *user, const char *room, const char *key)
{
	return (struct dedup_key){ bytes_str(user), bytes_str(room), bytes_str(key) };
}

static void add(struct dedup *d, const struct dedup_key *key, uint64_t seq, uint64_t now_ms)
{
	const struct dedup_result result = { .epoch = 1, .seq = seq, .timestamp_ms = 9 };
	dedup_add(d, key, &result, now_ms, NULL);
}

static void finds_a_key_for_five_minutes(void **state)
{
	(void)state;
	struct dedup d;
	struct dedup_result result;
	const struct dedup_key key = key_of("u", "r", "k");
	dedup_init(&d, 0, DEDUP_AGE_MS);
	assert_false(dedup_find(&d, &key, 0, &result));
	add(&d, &key, 7, 0);
	assert_true(dedup_find(&d, &key, DEDUP_AGE_MS - 1, &result));
	assert_int_equal(result.seq, 7);
	assert_int_equal(result.timestamp_ms, 9);
	assert_false(dedup_find(&d, &key, DEDUP_AGE_MS, &result));
	assert_int_equal(d.bytes, 0);
	dedup_fini(&d);
}

static void keeps_users_rooms_and_keys_apart(void **state)
{
	(void)state;
	struct dedup d;
	struct dedup_result result;
	const struct dedup_key key = key_of("ab", "c", "d");
	const struct dedup_key others[] = {
		key_of("a", "bc", "d"),
		key_of("ab", "cd", ""),
		key_of("abc", "", "d"),
		key_of("ab", "c", "e"),
	};
	dedup_init(&d, 0, DEDUP_AGE_MS);
	add(&d, &key, 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(dedup_find(&d, &others[i], 0, &result));
	}
	dedup_fini(&d);
}

static void holds_its_bytes_by_forgetting_the_oldest(void **state)
{
	(void)state;
	enum {
		BOUND = 10000
	};
	struct dedup d;
	struct dedup_result result;
	char name[16];
	dedup_init(&d, BOUND, DEDUP_AGE_MS);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "key-%d", i);
		const struct dedup_key key = key_of("u", "r", name);
		add(&d, &key, 1, 0);
		assert_true(d.bytes <= BOUND);
		assert_true(dedup_find(&d, &key, 0, &result));
	}
	const struct dedup_key oldest = key_of("u", "r", "key-0");
	assert_false(dedup_find(&d, &oldest, 0, &result));
	dedup_fini(&d);
}

// What a hundred users have stays, however much one of them adds.
static void a_user_pushes_out_only_its_own(void **state)
{
	(void)state;
	enum {
		N_USERS = 100,
		TOTAL = 64 << 10
	};
	struct dedup d;
	struct dedup_result result;
	char name[16];
	dedup_init(&d, TOTAL, DEDUP_AGE_MS);
	for (unsigned i = 0; i < N_USERS; i++) {
		snprintf(name, sizeof(name), "user-%u", i);
		const struct dedup_key key = key_of(name, "r", "k");
		add(&d, &key, 1 + i, 0);
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "key-%u", i);
		const struct dedup_key key = key_of("greedy", "r", name);
		add(&d, &key, 1, 0);
		assert_true(d.bytes <= TOTAL);
		assert_true(dedup_find(&d, &key, 0, &result));
	}
	for (unsigned i = 0; i < N_USERS; i++) {
		snprintf(name, sizeof(name), "user-%u", i);
		const struct dedup_key key = key_of(name, "r", "k");
		assert_true(dedup_find(&d, &key, 0, &result));
		assert_int_equal(result.seq, 1 + i);
	}
	dedup_expire(&d, DEDUP_AGE_MS);
	assert_int_equal(d.bytes, 0);
	dedup_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_key_for_five_minutes),
		cmocka_unit_test(keeps_users_rooms_and_keys_apart),
		cmocka_unit_test(holds_its_bytes_by_forgetting_the_oldest),
		cmocka_unit_test(a_user_pushes_out_only_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
