// Joins, leaves, presence and history.
#include "tests/unit/route_rig.h"

static void answers_a_join_with_the_place_in_the_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_B);
	assert_int_equal(joined->client, 1);
	assert_int_equal(joined->req, 77);
	assert_pb_equal(joined->room, "r");
	assert_int_equal(joined->epoch, epoch_of(rig, "r"));
	assert_int_not_equal(joined->epoch, 0);
	assert_int_equal(joined->seq, 1);
	assert_int_equal(joined->members, 2);
	assert_int_equal(joined->recovery, 0);
	assert_false(joined->presence);
}

static void answers_a_repeated_join_again(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	next_joined(rig, EDGE_A);
	join_presence(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->members, 1);
	assert_true(joined->presence);
	assert_quiet(rig, EDGE_A); // a repeated join is no coming
}

static void recovers_only_where_nothing_was_missed(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	const struct {
		uint64_t epoch;
		uint64_t seq;
		unsigned recovery;
	} cases[] = {
		{ epoch, 2, 1 },
		{ epoch, 1, 2 },
		{ epoch, 3, 2 },
		{ epoch + 1, 2, 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		forget_output(rig);
		struct join m;
		Weir__Link__V1__Join *message = make_join(&m, 1, "r");
		message->has_since = true;
		message->since_epoch = cases[i].epoch;
		message->since_seq = cases[i].seq;
		say(rig, EDGE_A, &m.item);
		assert_int_equal(next_joined(rig, EDGE_A)->recovery, cases[i].recovery);
	}
}

static void cannot_recover_in_a_room_made_anew(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	struct join m;
	make_join(&m, 1, "r")->has_since = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_joined(rig, EDGE_A)->recovery, 2);
}

static void refuses_a_join_without_the_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "only");
	join(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void refuses_the_whole_join_without_the_presence_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	join_presence(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.n_members, 0);
}

static void refuses_a_bad_room_name(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	void (*const requests[])(struct rig *, unsigned, uint64_t, const char *) = {
		join,
		leave,
		publish,
		ask_presence,
		ask_history,
	};
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		requests[i](rig, EDGE_A, 1, "a\nb");
		assert_refused(rig, EDGE_A, REFUSAL_BAD_ROOM);
	}
}

static void refuses_an_automatic_join_silently(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, NULL);
	struct join m;
	make_join(&m, 1, "r")->automatic = true;
	say(rig, EDGE_A, &m.item);
	assert_refused(rig, EDGE_A, REFUSAL_SILENT);
}

static void lets_a_user_into_the_own_room_only(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "user:ann");
	next_joined(rig, EDGE_A);
	join(rig, EDGE_A, 1, "user:bob");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

static void holds_the_limits_of_rooms_and_members(void **state)
{
	(void)state;
	const struct route_options options = { .max_rooms = 1, .max_members_per_room = 1 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "bob");
	join(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_B, 1, "r");
	assert_refused(&rig, EDGE_B, REFUSAL_LIMIT);
	publish(&rig, EDGE_B, 1, "s");
	const link_item *item = next(&rig, EDGE_B);
	assert_int_equal(item->refused->code, REFUSAL_LIMIT);
	rig_fini(&rig);
}

static void a_room_has_the_limits_of_its_rule(void **state)
{
	struct rig *rig = *state;
	char rule[] = "small* max-members=1 history-messages=2 history-bytes=64KiB";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "small");
	join(rig, EDGE_B, 1, "small");
	assert_refused(rig, EDGE_B, REFUSAL_LIMIT);
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_B, 1, "small");
	}
	const struct table_room *room = room_table_find(&rig->route.table, bytes_str("small"));
	assert_int_equal(room->seq, 3);
	assert_int_equal(store_first(&room->log), 2);
}

static void nobody_sees_who_is_in_a_room_without_presence(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join_presence(rig, EDGE_A, 1, "quiet");
	forget_output(rig);
	char rule[] = "quiet* presence=no";
	set_rooms(rig, rule);
	join(rig, EDGE_B, 1, "quiet");
	assert_quiet(rig, EDGE_A); // who asked before hears no more of it
	ask_presence(rig, EDGE_A, 1, "quiet");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	join_presence(rig, EDGE_A, 1, "quiet-2"); // a room that has no record yet
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

static void edges_hear_the_slow_policy_of_a_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "tick");
	forget_output(rig);
	char rule[] = "tick slow=conflate";
	set_rooms(rig, rule); // told with the next message, also to who is a member
	publish(rig, EDGE_A, 1, "tick");
	assert_int_equal(next(rig, EDGE_A)->delivery->manner, SLOW_CONFLATE);
	forget_output(rig);
	publish(rig, EDGE_A, 1, "tock");
	join(rig, EDGE_A, 1, "tock");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "tock");
	assert_int_equal(next(rig, EDGE_A)->delivery->manner, SLOW_DISCONNECT);
}

static void answers_a_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	leave(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_int_equal(left->client, 1);
	assert_int_equal(left->req, 78);
	assert_pb_equal(left->room, "r");
	assert_int_equal(left->reason.len, 0);
	leave(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_NOT_MEMBER);
}

static void says_not_member_of_an_unknown_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	leave(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_NOT_MEMBER);
}

static void announces_first_and_last_connections_of_a_user(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "bob");
	join_presence(rig, EDGE_A, 1, "r");
	forget_output(rig);

	join(rig, EDGE_B, 1, "r");
	assert_event(rig, EDGE_A, "r", "bob", true);
	join(rig, EDGE_B, 2, "r");
	leave(rig, EDGE_B, 1, "r");
	assert_quiet(rig, EDGE_A);
	client_down(rig, EDGE_B, 2);
	assert_event(rig, EDGE_A, "r", "bob", false);
	assert_quiet(rig, EDGE_A);
}

static void tells_of_a_going_only_when_the_user_stays_away(void **state)
{
	(void)state;
	const struct route_options options = { .presence_linger_ms = 5000 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	join_presence(&rig, EDGE_A, 1, "r");
	client_up(&rig, EDGE_B, 1, "bob");
	join(&rig, EDGE_B, 1, "r");
	forget_output(&rig);

	client_down(&rig, EDGE_B, 1);
	rig.now_ms += 4000;
	(void)route_sweep(&rig.route, rig.now_ms);
	client_up(&rig, EDGE_B, 2, "bob");
	join(&rig, EDGE_B, 2, "r");
	rig.now_ms += 9000;
	(void)route_sweep(&rig.route, rig.now_ms);
	assert_quiet(&rig, EDGE_A); // neither that he went nor that he came

	leave(&rig, EDGE_B, 2, "r");
	rig.now_ms += 5000;
	assert_quiet(&rig, EDGE_A);
	(void)route_sweep(&rig.route, rig.now_ms);
	assert_event(&rig, EDGE_A, "r", "bob", false);
	join(&rig, EDGE_B, 2, "r");
	assert_event(&rig, EDGE_A, "r", "bob", true);
	rig_fini(&rig);
}

static void announces_only_to_edges_that_asked(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	next_joined(rig, EDGE_A);
	next_joined(rig, EDGE_B);
	assert_quiet(rig, EDGE_A);
	assert_quiet(rig, EDGE_B);
}

static void answers_the_join_before_it_announces(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	join_presence(rig, EDGE_A, 1, "r");
	forget_output(rig);
	join(rig, EDGE_A, 2, "r");
	next_joined(rig, EDGE_A);
	assert_event(rig, EDGE_A, "r", "bob", true);
	leave(rig, EDGE_A, 2, "r");
	next_left(rig, EDGE_A);
	assert_event(rig, EDGE_A, "r", "bob", false);
}

static void announces_nobody_in_a_large_room(void **state)
{
	(void)state;
	const struct route_options options = { .presence_events_max = 2 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "bob");
	client_up(&rig, EDGE_B, 2, "cid");
	join_presence(&rig, EDGE_A, 1, "r");
	forget_output(&rig);
	join(&rig, EDGE_B, 1, "r");
	assert_event(&rig, EDGE_A, "r", "bob", true);
	join(&rig, EDGE_B, 2, "r");
	leave(&rig, EDGE_B, 2, "r");
	assert_quiet(&rig, EDGE_A);
	leave(&rig, EDGE_B, 1, "r");
	assert_event(&rig, EDGE_A, "r", "bob", false);
	rig_fini(&rig);
}

static void lists_the_users_present(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "ann");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	ask_presence(rig, EDGE_B, 1, "r");
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	const Weir__Link__V1__Presence *presence = item->presence;
	assert_int_equal(presence->client, 1);
	assert_int_equal(presence->req, 81);
	assert_pb_equal(presence->room, "r");
	assert_int_equal(presence->users, 2);
	assert_int_equal(presence->connections, 3);
	assert_int_equal(presence->n_members, 2);
	assert_pb_equal(presence->members[0]->user, "ann");
	assert_int_equal(presence->members[0]->clients, 2);
	assert_pb_equal(presence->members[1]->user, "bob");
	assert_int_equal(presence->members[1]->clients, 1);
}

static void lists_nobody_in_an_unknown_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	ask_presence(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	assert_int_equal(item->presence->users, 0);
	assert_int_equal(item->presence->n_members, 0);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void lists_at_most_a_thousand_users(void **state)
{
	struct rig *rig = *state;
	for (uint64_t i = 1; i <= 1001; i++) {
		char user[24];
		snprintf(user, sizeof(user), "u%u", (unsigned)i);
		client_up(rig, EDGE_A, i, user);
		join(rig, EDGE_A, i, "r");
	}
	forget_output(rig);
	ask_presence(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->presence->users, 1001);
	assert_int_equal(item->presence->n_members, 1000);
}

static void lists_no_more_names_than_fit_a_frame(void **state)
{
	struct rig *rig = *state;
	static char long_name[8193];
	memset(long_name, 'x', sizeof(long_name) - 1);
	for (uint64_t i = 1; i <= 200; i++) {
		char user[24];
		snprintf(user, sizeof(user), "u%u", (unsigned)i);
		struct client_up m;
		make_client_up(&m, i, user)->username = text(long_name);
		say(rig, EDGE_A, &m.item);
		join(rig, EDGE_A, i, "r");
	}
	forget_output(rig);
	ask_presence(rig, EDGE_A, 1, "r");
	assert_in_range(rig->out[EDGE_A].len, 1, 512 << 10);
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->presence->users, 200);
	assert_in_range(item->presence->n_members, 1, 199);
}

static void asks_for_rights_on_presence_and_history(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN | RIGHT_HISTORY, "*");
	limited_up(rig, EDGE_B, 1, "bob", RIGHT_JOIN | RIGHT_PRESENCE, "*");
	ask_presence(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	ask_history(rig, EDGE_B, 1, "r");
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

static void answers_history_with_the_rooms_place(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	ask_history(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY);
	assert_int_equal(item->history->epoch, 0);
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	ask_history(rig, EDGE_A, 1, "r");
	item = next(rig, EDGE_A);
	assert_int_equal(item->history->req, 82);
	assert_pb_equal(item->history->room, "r");
	assert_int_equal(item->history->epoch, epoch_of(rig, "r"));
	assert_int_equal(item->history->seq, 1);
	assert_int_equal(item->history->n_messages, 0);
}

static void recovers_what_is_kept_all_or_nothing(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	for (int i = 0; i < 7; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	join_since(rig, EDGE_A, 1, "r", epoch, 2); // 3 .. 7 are kept
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->recovery, 1);
	assert_int_equal(joined->seq, 7);
	assert_int_equal(joined->n_messages, 5);
	assert_int_equal(joined->messages[0]->seq, 3);
	assert_int_equal(joined->messages[4]->seq, 7);
	assert_pb_equal(joined->messages[0]->type, "chat");
	assert_pb_equal(joined->messages[0]->user, "ann");
	assert_pb_equal(joined->messages[0]->body, "{\"text\":\"hi\"}");
	join_since(rig, EDGE_A, 1, "r", epoch, 1);
	joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->n_messages, 0);
}

static const Weir__Link__V1__History *page(struct rig *rig, bool has_before, uint64_t before,
	uint32_t limit)
{
	Weir__Link__V1__HistoryRequest message = WEIR__LINK__V1__HISTORY_REQUEST__INIT;
	message.client = 1;
	message.room = text("r");
	message.has_before = has_before;
	message.before = before;
	message.limit = limit;
	const link_item item = LINK_ITEM(HISTORY_REQUEST, history_request, &message);
	forget_output(rig);
	say(rig, EDGE_A, &item);
	const link_item *answer = next(rig, EDGE_A);
	assert_non_null(answer);
	assert_int_equal(answer->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY);
	return answer->history;
}

static void pages_through_the_history_backwards(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	for (int i = 0; i < 7; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	const struct {
		bool has_before;
		uint64_t before;
		uint32_t limit;
		size_t n;
		uint64_t first;
	} rows[] = {
		{ false, 0, 50, 5, 3 },
		{ false, 0, 2, 2, 6 },
		{ true, 6, 2, 2, 4 },
		{ true, 4, 2, 1, 3 },
		{ true, 3, 2, 0, 0 },
		{ true, 0, 2, 0, 0 },
		{ true, 99, 1, 1, 7 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const Weir__Link__V1__History *history =
			page(rig, rows[i].has_before, rows[i].before, rows[i].limit);
		assert_int_equal(history->seq, 7);
		assert_int_equal(history->n_messages, rows[i].n);
		for (size_t j = 0; j < rows[i].n; j++) {
			assert_int_equal(history->messages[j]->seq, rows[i].first + j);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(answers_a_join_with_the_place_in_the_room),
		RIG_TEST(answers_a_repeated_join_again),
		RIG_TEST(recovers_only_where_nothing_was_missed),
		RIG_TEST(cannot_recover_in_a_room_made_anew),
		RIG_TEST(refuses_a_join_without_the_right),
		RIG_TEST(refuses_the_whole_join_without_the_presence_right),
		RIG_TEST(refuses_a_bad_room_name),
		RIG_TEST(refuses_an_automatic_join_silently),
		RIG_TEST(lets_a_user_into_the_own_room_only),
		cmocka_unit_test(holds_the_limits_of_rooms_and_members),
		KEPT_TEST(a_room_has_the_limits_of_its_rule),
		RIG_TEST(nobody_sees_who_is_in_a_room_without_presence),
		RIG_TEST(edges_hear_the_slow_policy_of_a_room),
		RIG_TEST(answers_a_leave),
		RIG_TEST(says_not_member_of_an_unknown_room),
		RIG_TEST(announces_first_and_last_connections_of_a_user),
		cmocka_unit_test(tells_of_a_going_only_when_the_user_stays_away),
		RIG_TEST(announces_only_to_edges_that_asked),
		RIG_TEST(answers_the_join_before_it_announces),
		cmocka_unit_test(announces_nobody_in_a_large_room),
		RIG_TEST(lists_the_users_present),
		RIG_TEST(lists_nobody_in_an_unknown_room),
		RIG_TEST(lists_at_most_a_thousand_users),
		RIG_TEST(lists_no_more_names_than_fit_a_frame),
		RIG_TEST(asks_for_rights_on_presence_and_history),
		RIG_TEST(answers_history_with_the_rooms_place),
		KEPT_TEST(recovers_what_is_kept_all_or_nothing),
		KEPT_TEST(pages_through_the_history_backwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
