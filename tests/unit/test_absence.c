#include <stdio.h>

#include "router/core/absence.h"
#include "tests/unit/test.h"

static struct absent absent_of(const char *room, const char *user)
{
	return (struct absent){
		.room = bytes_str(room),
		.user = bytes_str(user),
		.username = bytes_str("Name"),
	};
}

static void add(struct absences *a, const char *room, const char *user, uint64_t until_ms)
{
	struct absent who = absent_of(room, user);
	assert_true(absences_add(a, &who, until_ms));
}

static void who_comes_back_in_time_was_never_away(void **state)
{
	(void)state;
	struct absences a;
	struct absent who;
	absences_init(&a);
	add(&a, "r", "ann", 100);
	assert_false(absences_take(&a, bytes_str("r"), bytes_str("bob")));
	assert_false(absences_take(&a, bytes_str("ra"), bytes_str("nn")));
	assert_false(absences_take(&a, bytes_str("s"), bytes_str("ann")));
	assert_true(absences_take(&a, bytes_str("r"), bytes_str("ann")));
	assert_false(absences_take(&a, bytes_str("r"), bytes_str("ann")));
	assert_false(absences_due(&a, 1000, &who));
	absences_fini(&a);
}

static void who_does_not_is_due_in_the_order_of_going(void **state)
{
	(void)state;
	struct absences a;
	struct absent who;
	absences_init(&a);
	add(&a, "r", "ann", 100);
	add(&a, "s", "bob", 200);
	assert_false(absences_due(&a, 99, &who));
	assert_true(absences_due(&a, 100, &who));
	assert_true(bytes_equal_str(who.room, "r"));
	assert_true(bytes_equal_str(who.user, "ann"));
	assert_true(bytes_equal_str(who.username, "Name"));
	absences_drop(&a);
	assert_false(absences_take(&a, bytes_str("r"), bytes_str("ann")));
	assert_false(absences_due(&a, 199, &who));
	assert_true(absences_due(&a, 200, &who));
	assert_true(bytes_equal_str(who.room, "s"));
	absences_fini(&a);
}

static void there_is_place_for_so_many(void **state)
{
	(void)state;
	struct absences a;
	char user[16];
	absences_init(&a);
	for (unsigned i = 0; i < ABSENCES_MAX; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		add(&a, "r", user, 100);
	}
	struct absent who = absent_of("r", "one more");
	assert_false(absences_add(&a, &who, 100));
	assert_true(absences_take(&a, bytes_str("r"), bytes_str("u7")));
	assert_true(absences_add(&a, &who, 100));
	absences_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_back_in_time_was_never_away),
		cmocka_unit_test(who_does_not_is_due_in_the_order_of_going),
		cmocka_unit_test(there_is_place_for_so_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
