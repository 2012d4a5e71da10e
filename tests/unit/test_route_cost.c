// What a user may use, over all connections.
#include "tests/unit/route_rig.h"

static void limits_what_a_user_publishes_over_all_connections(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_MESSAGES] = { .per_s = 1, .burst = 2 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "ann");
	client_up(&rig, EDGE_B, 2, "bob");
	publish(&rig, EDGE_A, 1, "r");
	next_published(&rig, EDGE_A);
	publish(&rig, EDGE_B, 1, "r");
	next_published(&rig, EDGE_B);
	publish(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	publish(&rig, EDGE_B, 2, "r");
	next_published(&rig, EDGE_B);
	rig.now_ms += 1000;
	publish(&rig, EDGE_A, 1, "r");
	assert_int_equal(next_published(&rig, EDGE_A)->seq, 4); // what was refused took no number
	rig_fini(&rig);
}

static void limits_how_many_connections_a_user_reaches(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_DELIVERIES] = { .per_s = 2, .burst = 2 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	for (uint64_t handle = 2; handle <= 5; handle++) {
		client_up(&rig, EDGE_B, handle, "bob");
		join(&rig, EDGE_B, handle, "r");
	}
	publish(&rig, EDGE_A, 1, "r"); // four are more than may ever be saved up
	next_published(&rig, EDGE_A);
	publish(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	rig.now_ms += 2000;
	publish(&rig, EDGE_A, 1, "r");
	next_published(&rig, EDGE_A);
	rig_fini(&rig);
}

static void who_comes_and_goes_pays_for_all_who_are_told(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_DELIVERIES] = { .per_s = 4, .burst = 8 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	for (uint64_t handle = 1; handle <= 4; handle++) {
		client_up(&rig, EDGE_B, handle, "bob");
		join_presence(&rig, EDGE_B, handle, "r");
	}
	client_up(&rig, EDGE_A, 1, "ann");
	join(&rig, EDGE_A, 1, "r");
	leave(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_A, 1, "r"); // on credit
	forget_output(&rig);
	leave(&rig, EDGE_A, 1, "r");
	next_left(&rig, EDGE_A);
	join(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	rig.now_ms += 2000;
	join(&rig, EDGE_A, 1, "r");
	next_joined(&rig, EDGE_A);
	rig_fini(&rig);
}

static void answers_are_paid_for_when_their_size_is_known(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_ANSWERS] = { .per_s = 100, .burst = 600 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_A, 2, "bob");
	join(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_A, 2, "r");
	forget_output(&rig);
	ask_presence(&rig, EDGE_A, 1, "r");
	assert_int_equal(next(&rig, EDGE_A)->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	ask_presence(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	ask_history(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	ask_presence(&rig, EDGE_A, 2, "r"); // another user's
	assert_int_equal(next(&rig, EDGE_A)->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_what_a_user_publishes_over_all_connections),
		cmocka_unit_test(limits_how_many_connections_a_user_reaches),
		cmocka_unit_test(who_comes_and_goes_pays_for_all_who_are_told),
		cmocka_unit_test(answers_are_paid_for_when_their_size_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
