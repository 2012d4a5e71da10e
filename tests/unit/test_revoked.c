#include <stdio.h>

#include "edge/auth/auth.h"
#include "edge/uplink/link_lane.h"
#include "edge/uplink/revoked.h"
#include "tests/unit/test.h"

static struct revoked revoked;

static int setup(void **state)
{
	(void)state;
	revoked_init(&revoked, 60000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	revoked_fini(&revoked);
	return 0;
}

// What a router says of a user, as the last of what it says or not.
static bool take(const char *user, int64_t before_s, int64_t since_ms, bool lifts, bool last)
{
	Weir__Link__V1__Revocation said = WEIR__LINK__V1__REVOCATION__INIT;
	Weir__Link__V1__Revocation *refs[] = { &said };
	Weir__Link__V1__RevocationSnapshot snapshot = WEIR__LINK__V1__REVOCATION_SNAPSHOT__INIT;
	said.user = pb_data(bytes_str(user));
	said.before_s = before_s;
	said.since_ms = since_ms;
	*(lifts ? &snapshot.n_lifted : &snapshot.n_revocations) = 1;
	*(lifts ? &snapshot.lifted : &snapshot.revocations) = refs;
	snapshot.last = last;
	return revoked_take(&revoked, &snapshot, since_ms);
}

static bool has(const char *user, int64_t issued_s)
{
	char name[16];
	char jti[] = "";
	snprintf(name, sizeof(name), "%s", user);
	return revoked_has(&revoked,
		&(struct identity){ .user = name, .jti = jti, .issued_s = issued_s });
}

static void is_known_only_once_all_was_said(void **state)
{
	(void)state;
	assert_true(take("ann", 100, 1000, false, false));
	assert_false(revoked_is_known(&revoked));
	assert_true(has("ann", 99));
	assert_true(take("bob", 100, 1000, false, true));
	assert_true(revoked_is_known(&revoked));
	assert_false(has("ann", 100));
	assert_false(has("eve", 0));
}

static void a_lift_ends_it(void **state)
{
	(void)state;
	assert_true(take("ann", 100, 1000, false, true));
	assert_true(take("ann", 77, 2000, true, true)); // whatever it says of a time
	assert_false(has("ann", 1));
}

static void what_makes_no_sense_makes_nothing_known(void **state)
{
	(void)state;
	assert_false(take("ann", 0, 1000, false, true)); // a lift among the revocations
	assert_false(take("", 100, 1000, false, true));
	assert_false(take("ann", 100, -1, false, true));
	assert_false(revoked_is_known(&revoked));
	assert_false(has("ann", 1));
}

static void tells_a_new_router_all_in_items_that_fit(void **state)
{
	(void)state;
	enum {
		USERS = 300 // more than one item takes
	};
	char user[16];
	for (int i = 0; i < USERS; i++) {
		snprintf(user, sizeof(user), "user-%d", i);
		assert_true(take(user, 100, 1000 + i, i % 3 == 0, false));
	}
	struct link_outbox outbox = { 0 };
	struct link_arena arena = { 0 };
	struct link_entry entry;
	size_t at = 0;
	size_t n_items = 0;
	size_t n_revoked = 0;
	size_t n_lifted = 0;
	revoked_tell(&revoked, &outbox);
	while (link_outbox_next(&outbox, &at, &entry)) {
		struct bytes packed;
		assert_int_equal(link_batch_next(&entry.element, &packed), 1);
		const link_item *item = link_item_unpack(&arena, packed);
		assert_non_null(item);
		n_revoked += item->revocation_snapshot->n_revocations;
		n_lifted += item->revocation_snapshot->n_lifted;
		n_items++;
	}
	assert_int_equal(n_items, 2);
	assert_int_equal(n_lifted, USERS / 3);
	assert_int_equal(n_revoked, USERS - USERS / 3);
	link_arena_fini(&arena);
	link_outbox_fini(&outbox);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_known_only_once_all_was_said),
		TEST(a_lift_ends_it),
		TEST(what_makes_no_sense_makes_nothing_known),
		TEST(tells_a_new_router_all_in_items_that_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
