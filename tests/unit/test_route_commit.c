#include "tests/unit/store_rig.h"

static const struct table_room *room_of(const struct store_rig *rig, const char *name)
{
	return room_table_find(&rig->route.table, bytes_str(name));
}

static void alice_joins(struct store_rig *rig)
{
	rig_client_up(rig, 1, "alice");
	rig_join(rig, 1, 1, "tea");
	rig_forget_output(rig);
}

static void says_nothing_before_the_commit_and_all_of_it_behind(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish(rig, 1, 2, "tea");
	rig_publish(rig, 1, 3, "tea");
	rig_quiet(rig);
	assert_true(rig_end_turn(rig));
	rig_quiet(rig);
	assert_int_equal(room_of(rig, "tea")->seq, 0);
	rig_answer(rig, STORE_COMMITTED);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	rig_expect_delivery(rig, 2);
	rig_expect_published(rig, 3, 2);
	rig_quiet(rig);
	assert_true(route_is_idle(&rig->route));
}

static void gathers_the_next_turn_while_one_is_under_way(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish(rig, 1, 2, "tea");
	assert_true(rig_end_turn(rig));
	rig_publish(rig, 1, 3, "tea");
	rig_publish(rig, 1, 4, "tea");
	assert_true(rig_end_turn(rig));
	rig_answer(rig, STORE_COMMITTED);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	rig_quiet(rig);
	assert_true(rig_end_turn(rig));
	rig_answer(rig, STORE_COMMITTED);
	rig_expect_delivery(rig, 2);
	rig_expect_published(rig, 3, 2);
	rig_expect_delivery(rig, 3);
	rig_expect_published(rig, 4, 3);
	assert_int_equal(rig->n_log, 2);
}

static void refuses_a_turn_and_what_was_proposed_behind_it(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish_key(rig, 1, 2, "tea", "k");
	assert_true(rig_end_turn(rig));
	rig_publish(rig, 1, 3, "tea");
	rig_answer(rig, STORE_REFUSED);
	rig_expect_refused(rig, 2);
	rig_expect_refused(rig, 3);
	rig_quiet(rig);
	assert_false(rig_end_turn(rig));
	assert_true(route_is_idle(&rig->route));
	rig_publish_key(rig, 1, 4, "tea", "k");
	rig_commit(rig);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 4, 1);
}

static void answers_a_client_in_the_order_in_which_it_asked(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish(rig, 1, 2, "tea");
	rig_history(rig, 1, 3, "tea");
	rig_publish(rig, 1, 4, "tea");
	rig_history(rig, 1, 5, "tea");
	rig_leave(rig, 1, 6, "tea");
	rig_quiet(rig);
	assert_true(rig_end_turn(rig));
	rig_answer(rig, STORE_COMMITTED);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	rig_expect_history(rig, 3, 1);
	rig_quiet(rig);
	rig_commit(rig);
	rig_expect_delivery(rig, 2);
	rig_expect_published(rig, 4, 2);
	rig_expect_history(rig, 5, 2);
	rig_expect_left(rig, 6);
	rig_quiet(rig);
	assert_true(route_is_idle(&rig->route));
}

static void makes_no_other_client_wait(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_client_up(rig, 2, "bob");
	rig_publish(rig, 1, 2, "tea");
	rig_history(rig, 2, 3, "tea");
	rig_expect_history(rig, 3, 0);
	rig_commit(rig);
	rig_forget_output(rig);
}

static void a_key_that_is_only_proposed_makes_its_repeat_wait(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_client_up(rig, 2, "alice"); // another connection of hers
	rig_publish_key(rig, 1, 2, "tea", "k");
	rig_publish_key(rig, 2, 3, "tea", "k");
	rig_history(rig, 2, 4, "tea");
	rig_quiet(rig);
	rig_commit(rig);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	rig_expect_published(rig, 3, 1);
	rig_expect_history(rig, 4, 1);
	rig_quiet(rig);
	assert_int_equal(room_of(rig, "tea")->seq, 1);
}

static void the_repeat_of_a_refused_one_is_published(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_client_up(rig, 2, "alice");
	rig_publish_key(rig, 1, 2, "tea", "k");
	rig_publish_key(rig, 2, 3, "tea", "k");
	assert_true(rig_end_turn(rig));
	rig_answer(rig, STORE_REFUSED);
	rig_expect_refused(rig, 2);
	rig_commit(rig);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 3, 1);
}

static void a_client_leaves_behind_its_last_words(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_client_up(rig, 2, "bob");
	rig_join(rig, 2, 2, "tea");
	rig_forget_output(rig);
	rig_publish(rig, 1, 3, "tea");
	rig_client_down(rig, 1);
	assert_int_equal(room_of(rig, "tea")->n_members, 2);
	rig_commit(rig);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 3, 1);
	assert_int_equal(room_of(rig, "tea")->n_members, 1);
	assert_int_equal(rig->route.table.n_clients, 1);
}

static void commits_for_an_edge_that_is_gone(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish(rig, 1, 2, "tea");
	rig_history(rig, 1, 3, "tea");
	assert_true(rig_end_turn(rig));
	route_edge_down(&rig->route, rig->edge);
	while (route_purge(&rig->route, 100, rig->now_ms)) {
	}
	rig_answer(rig, STORE_COMMITTED);
	rig_quiet(rig);
	assert_int_equal(room_of(rig, "tea")->seq, 1);
	assert_true(route_is_idle(&rig->route));
}

static void recognises_what_is_sent_again(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish(rig, 1, 2, "tea");
	assert_true(rig_end_turn(rig));
	rig_publish(rig, 1, 3, "tea");
	route_edge_down(&rig->route, rig->edge);
	while (route_purge(&rig->route, 100, rig->now_ms)) {
	}
	rig_edge_up(rig);
	alice_joins(rig);
	rig_resend(rig, 1, 2, "tea");
	rig_resend(rig, 1, 3, "tea");
	rig_resend(rig, 1, 4, "tea"); // the router had not got it
	rig_commit(rig);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	rig_expect_delivery(rig, 2);
	rig_expect_published(rig, 3, 2);
	rig_expect_delivery(rig, 3);
	rig_expect_published(rig, 4, 3);
	rig_quiet(rig);
}

// It is the first one, not a repeat of it.
static void what_is_sent_again_with_its_key_is_no_duplicate(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_publish_key(rig, 1, 2, "tea", "k");
	rig_commit(rig);
	rig_forget_output(rig);
	Weir__Link__V1__Publish publish = rig_publish_of(1, 2, "tea", "{}");
	publish.key = rig_text("k");
	publish.resent = true;
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
	const link_item *item = rig_next(rig);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	assert_int_equal(item->published->seq, 1);
	assert_false(item->published->duplicate);
	publish.req = 3; // another one, which may have been a repeat before
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
	item = rig_next(rig);
	assert_int_equal(item->published->seq, 1);
	assert_true(item->published->duplicate);
}

static void a_room_with_something_under_way_is_not_forgotten(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	rig_publish(rig, 1, 2, "tea");
	rig->now_ms += 400000;
	(void)route_sweep(&rig->route, rig->now_ms);
	rig_commit(rig);
	rig_expect_published(rig, 2, 1);
	rig->now_ms += 400000;
	(void)route_sweep(&rig->route, rig->now_ms);
	assert_null(room_of(rig, "tea"));
	rig_commit(rig); // that it is forgotten
	assert_int_equal(rig->n_log, 2);
}

static void publishes_for_weirctl_when_that_is_committed(void **state)
{
	struct store_rig *rig = *state;
	const struct route_message message = {
		.room = bytes_str("tea"),
		.type = bytes_str("chat"),
		.body = bytes_str("{}"),
	};
	struct route_result result;
	rig_client_up(rig, 1, "alice");
	rig_publish(rig, 1, 2, "tea");
	assert_true(rig_end_turn(rig));
	assert_int_equal(route_publish(&rig->route, &message, rig->now_ms, rig->wall_ms, &result),
		REFUSAL_NONE);
	assert_int_equal(result.seq, 2);
	rig->wait_result = STORE_REFUSED;
	assert_int_equal(route_publish(&rig->route, &message, rig->now_ms, rig->wall_ms, &result),
		REFUSAL_UNAVAILABLE);
	assert_int_equal(room_of(rig, "tea")->seq, 2);
}

static void does_not_wait_for_weirctl_on_a_store_that_takes_long(void **state)
{
	struct store_rig *rig = *state;
	const struct route_message message = {
		.room = bytes_str("tea"),
		.type = bytes_str("chat"),
		.body = bytes_str("{}"),
	};
	struct route_result result;
	rig->wait_result = STORE_UNDECIDED;
	assert_int_equal(route_publish(&rig->route, &message, rig->now_ms, rig->wall_ms, &result),
		REFUSAL_UNAVAILABLE);
	memset(&result, 0xff, sizeof(result)); // nobody writes into it any more
	rig_answer(rig, STORE_COMMITTED);
	assert_int_equal(result.members, UINT32_MAX);
	assert_int_equal(room_of(rig, "tea")->seq, 1);
}

static void a_stalled_store_is_given_nothing_and_what_it_has_stays_under_way(void **state)
{
	struct store_rig *rig = *state;
	alice_joins(rig);
	rig_client_up(rig, 2, "bob");
	rig_publish(rig, 1, 2, "tea");
	assert_true(rig_end_turn(rig));
	rig_publish_key(rig, 2, 3, "tea", "k");
	rig_history(rig, 2, 4, "tea");
	route_stall(&rig->route, true, rig->now_ms, rig->wall_ms);
	rig_expect_refused(rig, 3); // not in its hands yet, so it never will be
	rig_expect_history(rig, 4, 0);
	rig_publish(rig, 2, 5, "new");
	rig_expect_refused(rig, 5);
	assert_null(room_of(rig, "new"));
	rig_quiet(rig);
	rig_answer(rig, STORE_COMMITTED);
	rig_expect_delivery(rig, 1);
	rig_expect_published(rig, 2, 1);
	assert_false(rig_end_turn(rig));
	route_stall(&rig->route, false, rig->now_ms, rig->wall_ms);
	rig_publish_key(rig, 2, 6, "tea", "k");
	rig_commit(rig);
	rig_expect_delivery(rig, 2);
	rig_expect_published(rig, 6, 2);
}

static void requests_wait_while_too_much_is_gathered(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	char body[4096];
	memset(body, ' ', sizeof(body));
	body[0] = '{';
	body[sizeof(body) - 2] = '}';
	body[sizeof(body) - 1] = '\0';
	Weir__Link__V1__Publish publish = rig_publish_of(1, 2, "tea", body);
	const link_item item = LINK_ITEM(PUBLISH, publish, &publish);
	size_t n = 0;
	while (route_item(&rig->route, rig->edge, &item, rig->now_ms, rig->wall_ms) == ROUTE_DONE) {
		n++;
	}
	assert_true(n > 200 && n < 300);
	assert_true(route_must_wait(&rig->route, rig->edge));
	assert_true(rig_end_turn(rig));
	assert_false(route_must_wait(&rig->route, rig->edge));
	rig_answer(rig, STORE_COMMITTED);
	assert_int_equal(room_of(rig, "tea")->seq, n);
	rig_forget_output(rig);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(says_nothing_before_the_commit_and_all_of_it_behind),
		RIG_TEST(gathers_the_next_turn_while_one_is_under_way),
		RIG_TEST(refuses_a_turn_and_what_was_proposed_behind_it),
		RIG_TEST(answers_a_client_in_the_order_in_which_it_asked),
		RIG_TEST(makes_no_other_client_wait),
		RIG_TEST(a_key_that_is_only_proposed_makes_its_repeat_wait),
		RIG_TEST(the_repeat_of_a_refused_one_is_published),
		RIG_TEST(a_client_leaves_behind_its_last_words),
		RIG_TEST(commits_for_an_edge_that_is_gone),
		RIG_TEST(recognises_what_is_sent_again),
		RIG_TEST(what_is_sent_again_with_its_key_is_no_duplicate),
		RIG_TEST(a_room_with_something_under_way_is_not_forgotten),
		RIG_TEST(publishes_for_weirctl_when_that_is_committed),
		RIG_TEST(does_not_wait_for_weirctl_on_a_store_that_takes_long),
		RIG_TEST(a_stalled_store_is_given_nothing_and_what_it_has_stays_under_way),
		RIG_TEST(requests_wait_while_too_much_is_gathered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
