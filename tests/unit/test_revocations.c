#include <stdio.h>

#include "proto/policy/revocation_seal.h"
#include "proto/policy/revocations.h"
#include "tests/unit/test.h"

static struct revocations set;

static struct revocation of_user(const char *user, int64_t before_s, int64_t since_ms)
{
	return (struct revocation){ .user = bytes_str(user),
		.before_s = before_s,
		.since_ms = since_ms };
}

static struct revocation of_jti(const char *jti)
{
	return (struct revocation){ .jti = bytes_str(jti),
		.before_s = REVOCATION_ANY_TIME,
		.since_ms = 1000 };
}

static enum revocations_result add(struct revocation rev)
{
	assert_true(revocation_valid(&rev));
	return revocations_add(&set, &rev, 100);
}

static bool hits(const char *user, const char *jti, int64_t issued_s)
{
	return revocations_hit(&set, bytes_str(user), bytes_str(jti), issued_s);
}

static void hits_what_a_user_was_given_before(void **state)
{
	(void)state;
	assert_false(hits("ann", "", 5));
	assert_int_equal(add(of_user("ann", 100, 1)), REVOCATIONS_NEWS);
	assert_true(hits("ann", "", 99));
	assert_false(hits("ann", "", 100));
	assert_false(hits("ann", "", 101));
	assert_true(hits("ann", "", 0)); // does not say when: older than all
	assert_false(hits("bob", "", 0));
	assert_false(hits("anna", "ann", 0)); // the jti of another is no user
	assert_false(hits("an", "", 0));
}

static void hits_a_token_by_its_id(void **state)
{
	(void)state;
	assert_int_equal(add(of_jti("t1")), REVOCATIONS_NEWS);
	assert_true(hits("ann", "t1", 0));
	assert_true(hits("bob", "t1", INT64_C(1) << 50));
	assert_false(hits("ann", "t2", 0));
	assert_false(hits("t1", "", 0));
}

static void a_lift_ends_what_was_made_before_it(void **state)
{
	(void)state;
	assert_int_equal(add(of_user("ann", 100, 10)), REVOCATIONS_NEWS);
	assert_int_equal(add(of_user("ann", 0, 20)), REVOCATIONS_NEWS);
	assert_false(hits("ann", "", 5));
	assert_int_equal(add(of_user("ann", 0, 20)), REVOCATIONS_KNOWN);
	assert_int_equal(add(of_user("ann", 100, 10)), REVOCATIONS_KNOWN); // by who has not heard
	assert_false(hits("ann", "", 5));
	assert_int_equal(add(of_user("ann", 100, 30)), REVOCATIONS_NEWS); // anew
	assert_true(hits("ann", "", 5));
	assert_int_equal(add(of_user("bob", 0, 20)), REVOCATIONS_NEWS); // the lift came first
	assert_int_equal(add(of_user("bob", 100, 10)), REVOCATIONS_KNOWN);
	assert_false(hits("bob", "", 5));
}

static void unites_and_never_narrows(void **state)
{
	(void)state;
	assert_int_equal(add(of_user("ann", 100, 10)), REVOCATIONS_NEWS);
	assert_int_equal(add(of_user("ann", 100, 10)), REVOCATIONS_KNOWN);
	assert_int_equal(add(of_user("ann", 50, 5)), REVOCATIONS_KNOWN);
	assert_int_equal(add(of_user("ann", 200, 5)), REVOCATIONS_NEWS);
	assert_true(hits("ann", "", 199));
	assert_int_equal(set.entries.n_entries, 1);
}

static void is_bounded(void **state)
{
	(void)state;
	struct revocation one = of_user("ann", 1, 1);
	struct revocation two = of_user("bob", 1, 1);
	struct revocation wider = of_user("ann", 2, 1);
	assert_int_equal(revocations_add(&set, &one, 1), REVOCATIONS_NEWS);
	assert_int_equal(revocations_add(&set, &two, 1), REVOCATIONS_FULL);
	assert_int_equal(revocations_add(&set, &wider, 1), REVOCATIONS_NEWS);
}

static void forgets_when_no_token_can_be_left(void **state)
{
	(void)state;
	assert_int_equal(add(of_user("ann", 1, 1000)), REVOCATIONS_NEWS);
	assert_int_equal(add(of_user("bob", 20, 1000)), REVOCATIONS_NEWS); // meant ahead, to 20 s
	assert_int_equal(add(of_jti("t1")), REVOCATIONS_NEWS);
	revocations_expire(&set, INT64_C(1) << 50, 0);
	assert_int_equal(set.entries.n_entries, 3);
	revocations_expire(&set, 5999, 5000);
	assert_int_equal(set.entries.n_entries, 3);
	revocations_expire(&set, 6000, 5000);
	assert_int_equal(set.entries.n_entries, 1);
	assert_true(hits("bob", "", 19));
	revocations_expire(&set, 24999, 5000);
	assert_int_equal(set.entries.n_entries, 1);
	revocations_expire(&set, 25000, 5000);
	assert_int_equal(set.entries.n_entries, 0);
}

static void walks_what_was_added(void **state)
{
	(void)state;
	assert_int_equal(add(of_user("ann", 7, 8)), REVOCATIONS_NEWS);
	assert_int_equal(add(of_jti("t1")), REVOCATIONS_NEWS);
	struct map_cursor cursor;
	struct revocation rev;
	unsigned n = 0;
	map_walk(&set.entries, &cursor);
	while (revocations_next(&set, &cursor, &rev)) {
		assert_true(revocation_valid(&rev));
		if (rev.user.len > 0) {
			assert_bytes_equal(rev.user, "ann");
			assert_int_equal(rev.before_s, 7);
			assert_int_equal(rev.since_ms, 8);
		} else {
			assert_bytes_equal(rev.jti, "t1");
			assert_true(rev.before_s == REVOCATION_ANY_TIME);
		}
		n++;
	}
	assert_int_equal(n, 2);
}

static void knows_what_cannot_be_one(void **state)
{
	(void)state;
	char long_jti[REVOCATION_JTI_MAX + 2];
	memset(long_jti, 'x', sizeof(long_jti));
	const struct revocation wrong[] = {
		{ .before_s = 1 },
		{ .user = bytes_str("a"), .jti = bytes_str("b"), .before_s = 1 },
		{ .user = bytes_str("a\n"), .before_s = 1 },
		{ .user = bytes_str("a"), .before_s = -1 },
		{ .user = bytes_str("a"), .before_s = 1, .since_ms = -1 },
		{ .jti = bytes_make("a\0b", 3), .before_s = 1 },
		{ .jti = bytes_make(long_jti, REVOCATION_JTI_MAX + 1), .before_s = 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (revocation_valid(&wrong[i])) {
			fail_msg("row %zu", i);
		}
	}
	const struct revocation longest = {
		.jti = bytes_make(long_jti, REVOCATION_JTI_MAX),
		.before_s = 1,
	};
	assert_true(revocation_valid(&longest));
	assert_int_equal(revocations_add(&set, &longest, 100), REVOCATIONS_NEWS);
	assert_true(revocations_hit(&set, bytes_str("a"), longest.jti, 0));
	assert_false(revocations_hit(&set, bytes_str("a"),
		bytes_make(long_jti, REVOCATION_JTI_MAX + 1), 0));
}

static int set_up(void **state)
{
	(void)state;
	revocations_init(&set);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	revocations_fini(&set);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_seal_is_kept_with_what_it_is_of(void **state)
{
	(void)state;
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	const struct bytes secrets[] = { bytes_str(secret), bytes_str("another") };
	const struct bytes turned[] = { secrets[1], secrets[0] };
	uint8_t key[REVOCATION_SEAL_LEN];
	uint8_t other[REVOCATION_SEAL_LEN];
	uint8_t seal[REVOCATION_SEAL_LEN];
	revocation_seal_key(secrets, 2, key);
	revocation_seal_key(turned, 2, other);
	assert_memory_equal(key, other, sizeof(key));
	revocation_seal_key(secrets, 1, other);
	assert_memory_not_equal(key, other, sizeof(key));
	struct revocation rev = { .user = bytes_str("ann"), .before_s = 7, .since_ms = 7000 };
	revocation_seal(key, &rev, seal);
	assert_false(revocation_seal_fits(key, &rev));
	rev.seal = bytes_make(seal, sizeof(seal));
	assert_true(revocation_seal_fits(key, &rev));
	assert_false(revocation_seal_fits(other, &rev));
	struct revocations own;
	revocations_init(&own);
	assert_int_equal(revocations_add(&own, &rev, 10), REVOCATIONS_NEWS);
	struct revocation got = revocations_get(&own, &rev);
	assert_true(revocation_seal_fits(key, &got));
	struct revocation wider = { .user = rev.user, .before_s = 9, .since_ms = 6000 };
	assert_int_equal(revocations_add(&own, &wider, 10), REVOCATIONS_NEWS);
	assert_int_equal(revocations_get(&own, &rev).seal.len, 0);
	wider.jti = rev.user;
	wider.user = bytes_make(NULL, 0);
	wider.seal = rev.seal;
	assert_false(revocation_seal_fits(key, &wider));
	revocations_fini(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hits_what_a_user_was_given_before),
		TEST(hits_a_token_by_its_id),
		TEST(a_lift_ends_what_was_made_before_it),
		TEST(unites_and_never_narrows),
		TEST(is_bounded),
		TEST(forgets_when_no_token_can_be_left),
		TEST(walks_what_was_added),
		TEST(knows_what_cannot_be_one),
		TEST(a_seal_is_kept_with_what_it_is_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
