// Rejoins, and what an edge gets that missed something of a room.
#include "tests/unit/route_rig.h"

static void gives_a_rejoined_room_its_new_epoch(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	rejoin(rig, EDGE_A, 1, "r", 12345, 7);
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->req, 0);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->epoch, epoch_of(rig, "r"));
	assert_int_equal(joined->seq, 0);
	assert_quiet(rig, EDGE_A);
}

// Members have seen what the log has lost: numbers must not be given twice in one epoch.
static void a_seq_of_the_future_ends_the_epoch(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_B, 1, "r", epoch, 1);
	forget_output(rig);
	rejoin(rig, EDGE_A, 1, "r", epoch, 2);
	assert_int_not_equal(epoch_of(rig, "r"), epoch);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const Weir__Link__V1__Joined *joined = next_joined(rig, e);
		assert_int_equal(joined->recovery, 2);
		assert_int_equal(joined->req, 0);
		assert_int_equal(joined->epoch, epoch_of(rig, "r"));
		assert_int_equal(joined->seq, 0);
		assert_quiet(rig, e);
	}
	publish(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_DELIVERY);
	assert_int_equal(item->delivery->seq, 1);
}

static void says_nothing_to_a_rejoin_that_missed_nothing(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_A, 1, "r", epoch_of(rig, "r"), 1);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_members, 1);
}

static void tells_an_edge_once_what_its_room_missed(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	client_up(rig, EDGE_B, 1, "cid");
	for (int i = 0; i < 5; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_A, 1, "r", epoch, 2);
	rejoin(rig, EDGE_A, 2, "r", epoch, 2);
	assert_quiet(rig, EDGE_A);
	snapshot_end(rig, EDGE_A);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_A);
	assert_pb_equal(gap->room, "r");
	assert_int_equal(gap->epoch, epoch);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 5);
	assert_pb_equal(gap->reason, "link");
	assert_quiet(rig, EDGE_A);
	rejoin(rig, EDGE_B, 1, "r", epoch, 4);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_gap(rig, EDGE_B)->from, 5);
}

static void keeps_the_join_seq_of_a_rejoin(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	rejoin(rig, EDGE_A, 1, "r", epoch_of(rig, "r"), 2);
	const struct table_client *c = room_table_client_find(rig->edges[EDGE_A], 1);
	assert_int_equal(LIST_FIRST(&c->rooms)->join_seq, 1);
}

static void takes_a_rejoin_without_the_right_for_left(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "only");
	rejoin(rig, EDGE_A, 1, "r", 1, 1);
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_int_equal(left->req, 0);
	assert_pb_equal(left->room, "r");
	assert_pb_equal(left->reason, "forbidden");
	assert_int_equal(rig->route.table.n_members, 0);
}

static void announces_a_rejoin_only_of_a_user_who_was_away(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	join_presence(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_B, 1, "r", epoch, 0);
	assert_quiet(rig, EDGE_A);
	rejoin(rig, EDGE_B, 2, "r", epoch, 0);
	assert_event(rig, EDGE_A, "r", "cid", true);
}

static void takes_the_end_of_a_snapshot(void **state)
{
	struct rig *rig = *state;
	snapshot_end(rig, EDGE_A);
	assert_quiet(rig, EDGE_A);
}

static void a_session_waits_for_the_snapshots_of_all_workers(void **state)
{
	struct rig *rig = *state;
	const struct rights_policy policy = { 0 };
	struct table_edge *edge =
		route_edge_up(&rig->route, &rig->out[EDGE_A], bytes_str("x"), &policy, 3);
	assert_int_equal(edge->snapshots_due, 3);
}

static void brings_an_edge_what_it_missed_once_and_holds_live_messages_back(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	for (int i = 0; i < 4; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch, 3);
	publish(rig, EDGE_A, 1, "r"); // live, while the snapshot goes on
	rejoin(rig, EDGE_B, 2, "r", epoch, 2);
	assert_quiet(rig, EDGE_B);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	for (uint64_t seq = 3; seq <= 6; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

// What is live must not overtake what one worker's members have missed because another worker,
// whose members have missed nothing, was faster to say where they stand.
static void holds_live_messages_back_until_the_last_worker_has_told(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	rig->edges[EDGE_B]->snapshots_due = 2;
	client_up(rig, EDGE_B, 1, "bob");
	rejoin(rig, EDGE_B, 1, "r", epoch, 2);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	assert_quiet(rig, EDGE_B);
	client_up(rig, EDGE_B, 2, "cid");
	rejoin(rig, EDGE_B, 2, "r", epoch, 1);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	for (uint64_t seq = 2; seq <= 4; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

static void tells_of_a_new_epoch_and_then_brings_all_of_it(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r"); // the other edge was back first
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r") + 1, 40);
	snapshot_end(rig, EDGE_B);
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_B);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->seq, 0);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_quiet(rig, EDGE_B);
}

static void begins_a_new_epoch_with_what_is_kept(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 6; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r") + 1, 40);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_joined(rig, EDGE_B)->seq, 1);
	for (uint64_t seq = 2; seq <= 6; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

static void brings_what_is_kept_after_a_gap_for_the_rest(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 9; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 2); // 5 .. 9 are kept
	snapshot_end(rig, EDGE_B);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_B);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 4);
	assert_pb_equal(gap->reason, "trimmed");
	for (uint64_t seq = 5; seq <= 9; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

// Two rooms, a message a step; what is said meanwhile is neither lost nor early.
static void replays_at_the_pace_that_is_asked_for(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_A, 1, "r");
		publish(rig, EDGE_A, 1, "s");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	rejoin(rig, EDGE_B, 1, "s", epoch_of(rig, "s"), 1);
	rig->edges[EDGE_B]->is_announced = true;
	for (uint64_t seq = 2; seq <= 4; seq++) {
		assert_true(route_has_replays(rig->edges[EDGE_B]));
		route_replay(&rig->route, rig->edges[EDGE_B], 1, rig->now_ms);
		if (seq == 2) {
			publish(rig, EDGE_A, 1, "r"); // 4
		}
		const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_B);
		assert_int_equal(d->seq, seq);
		assert_pb_equal(d->room, "r");
		assert_quiet(rig, EDGE_B);
	}
	publish(rig, EDGE_A, 1, "r"); // live again
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 5);
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 3);
	assert_false(route_has_replays(rig->edges[EDGE_B]));
	assert_quiet(rig, EDGE_B);
}

static void a_room_that_missed_nothing_does_not_wait_for_a_replay(void **state)
{
	struct rig *rig = *state;
	struct table_edge *edge = rig->edges[EDGE_B];
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	edge->snapshots_due = 2;
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	edge->snapshots_due = 1;
	finish_snapshot(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
}

static void answers_no_publish_before_the_replay_that_its_message_waits_for(void **state)
{
	struct rig *rig = *state;
	struct publish m;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	finish_snapshot(rig, EDGE_B);
	make_publish(&m, 1, "r");
	assert_int_equal(try_item(rig, EDGE_B, &m.item), ROUTE_LATER);
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	say(rig, EDGE_B, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 3);
	assert_int_equal(next_published(rig, EDGE_B)->seq, 3);
}

// A paced replay may be overtaken by the trimming of its history.
static void says_what_was_trimmed_while_a_replay_waited(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	rig->edges[EDGE_B]->is_announced = true;
	route_replay(&rig->route, rig->edges[EDGE_B], 1, rig->now_ms);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	for (int i = 0; i < 6; i++) {
		publish(rig, EDGE_A, 1, "r"); // 5 .. 9 are kept
	}
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_B);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 4);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(gives_a_rejoined_room_its_new_epoch),
		RIG_TEST(a_seq_of_the_future_ends_the_epoch),
		RIG_TEST(says_nothing_to_a_rejoin_that_missed_nothing),
		RIG_TEST(tells_an_edge_once_what_its_room_missed),
		RIG_TEST(keeps_the_join_seq_of_a_rejoin),
		RIG_TEST(takes_a_rejoin_without_the_right_for_left),
		RIG_TEST(announces_a_rejoin_only_of_a_user_who_was_away),
		KEPT_TEST(brings_an_edge_what_it_missed_once_and_holds_live_messages_back),
		KEPT_TEST(holds_live_messages_back_until_the_last_worker_has_told),
		KEPT_TEST(tells_of_a_new_epoch_and_then_brings_all_of_it),
		KEPT_TEST(begins_a_new_epoch_with_what_is_kept),
		KEPT_TEST(brings_what_is_kept_after_a_gap_for_the_rest),
		KEPT_TEST(replays_at_the_pace_that_is_asked_for),
		KEPT_TEST(a_room_that_missed_nothing_does_not_wait_for_a_replay),
		KEPT_TEST(says_what_was_trimmed_while_a_replay_waited),
		KEPT_TEST(answers_no_publish_before_the_replay_that_its_message_waits_for),
		RIG_TEST(takes_the_end_of_a_snapshot),
		RIG_TEST(a_session_waits_for_the_snapshots_of_all_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
