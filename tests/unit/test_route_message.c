// Messages: who may publish, who gets them, in which order.
#include "tests/unit/route_rig.h"

static void a_room_that_is_ephemeral_numbers_and_keeps_nothing(void **state)
{
	struct rig *rig = *state;
	char rule[] = "cursor* ephemeral=yes";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "cursors");
	join(rig, EDGE_B, 1, "cursors");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "cursors")->key = text("k");
	for (int i = 0; i < 2; i++) { // a repeat is known by its key all the same
		say(rig, EDGE_A, &m.item);
		const link_item *item = next(rig, EDGE_A);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
		assert_int_equal(item->published->seq, 0);
		assert_int_equal(item->published->duplicate, i == 1);
	}
	assert_int_equal(next(rig, EDGE_B)->delivery->seq, 0);
	assert_quiet(rig, EDGE_B);
	const struct table_room *room = room_table_find(&rig->route.table, bytes_str("cursors"));
	assert_int_equal(room->seq, 0);
	assert_int_equal(store_first(&room->log), 0);
}

static void a_room_may_be_for_admins_to_publish_in(void **state)
{
	struct rig *rig = *state;
	char rule[] = "news* lobby-publish=admin";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	admin_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "news");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	publish(rig, EDGE_B, 1, "news");
	assert_int_equal(next(rig, EDGE_B)->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	char none[] = "news* lobby-publish=none";
	set_rooms(rig, none);
	publish(rig, EDGE_B, 1, "news");
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

static void delivers_to_every_edge_with_members_once(void **state)
{
	struct rig *rig = *state;
	struct client_up m;
	make_client_up(&m, 1, "ann")->username = text("Ann");
	say(rig, EDGE_A, &m.item);
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_B);
	assert_pb_equal(d->room, "r");
	assert_int_equal(d->epoch, epoch_of(rig, "r"));
	assert_int_equal(d->seq, 1);
	assert_int_equal(d->timestamp_ms, START_WALL_MS);
	assert_pb_equal(d->type, "chat");
	assert_pb_equal(d->from, "ann");
	assert_pb_equal(d->user, "ann");
	assert_pb_equal(d->username, "Ann");
	assert_pb_equal(d->body, "{\"text\":\"hi\"}");
	assert_int_equal(d->except, 0);
	assert_quiet(rig, EDGE_B);
	assert_int_equal(counter_get(&rig->route.counters.published), 1);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 3);
}

static void answers_the_sender_after_its_delivery(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_delivery(rig, EDGE_A)->seq, 1);
	const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
	assert_int_equal(p->client, 1);
	assert_int_equal(p->req, 79);
	assert_int_equal(p->epoch, epoch_of(rig, "r"));
	assert_int_equal(p->seq, 1);
	assert_int_equal(p->timestamp_ms, START_WALL_MS);
	assert_int_equal(p->members, 2);
	assert_false(p->duplicate);
}

static void needs_no_membership_to_publish(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_published(rig, EDGE_A)->members, 1);
	assert_quiet(rig, EDGE_A);
}

static void numbers_messages_by_room_and_keeps_time_from_running_back(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	const struct {
		const char *room;
		int64_t wall_ms;
		uint64_t seq;
		int64_t stamp_ms;
	} steps[] = {
		{ "r", 1000, 1, 1000 },
		{ "r", 900, 2, 1000 },
		{ "s", 900, 1, 900 },
		{ "r", 1001, 3, 1001 },
	};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		rig->wall_ms = steps[i].wall_ms;
		publish(rig, EDGE_A, 1, steps[i].room);
		const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
		assert_int_equal(p->seq, steps[i].seq);
		assert_int_equal(p->timestamp_ms, steps[i].stamp_ms);
		assert_int_equal(p->members, 0);
	}
}

static void leaves_the_sender_out_when_asked(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "cid");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_A, 2, "r");
	join(rig, EDGE_B, 1, "r");
	for (unsigned ephemeral = 0; ephemeral < 2; ephemeral++) {
		forget_output(rig);
		struct publish m;
		Weir__Link__V1__Publish *p = make_publish(&m, 1, "r");
		p->ephemeral = ephemeral == 1;
		p->no_echo = ephemeral == 0;
		say(rig, EDGE_A, &m.item);
		const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_A);
		assert_int_equal(d->except, 1);
		assert_int_equal(d->seq, ephemeral ? 0 : 1);
		assert_int_equal(next_published(rig, EDGE_A)->seq, ephemeral ? 0 : 1);
		assert_int_equal(next_delivery(rig, EDGE_B)->except, 0);
	}
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 4);
	assert_int_equal(room_table_find(&rig->route.table, bytes_str("r"))->seq, 1);
}

static void tells_nothing_to_an_edge_with_the_left_out_sender_only(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->no_echo = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_published(rig, EDGE_A)->members, 1);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 0);
}

static void leaves_nobody_out_for_a_sender_who_is_no_member(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	join(rig, EDGE_A, 2, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->no_echo = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_A)->except, 0);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 1);
}

static void refuses_a_publish_without_the_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	publish(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void keeps_others_from_a_lobby_of_the_admins(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	admin_up(rig, EDGE_B, 1, "root");
	publish(rig, EDGE_A, 1, "lobby");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	publish(rig, EDGE_B, 1, "lobby");
	next_published(rig, EDGE_B);
}

static void broadcasts_for_admins_to_every_edge(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "root");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{\"a\":1}"), 0);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const link_item *item = next(rig, e);
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_BROADCAST_DELIVERY);
		const Weir__Link__V1__BroadcastDelivery *d = item->broadcast_delivery;
		assert_pb_equal(d->type, "admin:broadcast");
		assert_pb_equal(d->body, "{\"a\":1}");
		assert_pb_equal(d->from, "root");
		assert_int_equal(d->timestamp_ms, START_WALL_MS);
	}
	const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
	assert_int_equal(p->req, 80);
	assert_int_equal(p->seq, 0);
	assert_int_equal(p->members, 3);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 3);

	assert_int_equal(try_broadcast(rig, EDGE_B, 1, "{}"), 0);
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

static void publishes_for_the_admin_plane_without_a_sender(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	const struct route_message message = {
		.room = bytes_str("r"),
		.type = bytes_str("note"),
		.body = bytes_str("{}"),
	};
	struct route_result result;
	assert_int_equal(route_publish(&rig->route, &message, rig->now_ms, 5, &result),
		REFUSAL_NONE);
	assert_int_equal(result.seq, 1);
	assert_int_equal(result.members, 1);
	const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_A);
	assert_int_equal(d->from.len, 0);
	assert_int_equal(d->user.len, 0);
	assert_pb_equal(d->type, "note");
}

static void publishes_a_key_once(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->key = text("k");
	say(rig, EDGE_A, &m.item);
	say(rig, EDGE_A, &m.item);
	const Weir__Link__V1__Published *first = next_published(rig, EDGE_A);
	assert_int_equal(first->seq, 1);
	assert_false(first->duplicate);
	const Weir__Link__V1__Published *again = next_published(rig, EDGE_A);
	assert_int_equal(again->seq, 1);
	assert_true(again->duplicate);
	assert_int_equal(again->members, 1);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
	assert_quiet(rig, EDGE_B);
	say(rig, EDGE_B, &m.item); // another user's key of the same name
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_published(rig, EDGE_B)->seq, 2);
	rig->now_ms += DEDUP_AGE_MS;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_published(rig, EDGE_A)->seq, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_room_that_is_ephemeral_numbers_and_keeps_nothing),
		RIG_TEST(a_room_may_be_for_admins_to_publish_in),
		RIG_TEST(delivers_to_every_edge_with_members_once),
		RIG_TEST(answers_the_sender_after_its_delivery),
		RIG_TEST(needs_no_membership_to_publish),
		RIG_TEST(numbers_messages_by_room_and_keeps_time_from_running_back),
		RIG_TEST(leaves_the_sender_out_when_asked),
		RIG_TEST(tells_nothing_to_an_edge_with_the_left_out_sender_only),
		RIG_TEST(leaves_nobody_out_for_a_sender_who_is_no_member),
		RIG_TEST(refuses_a_publish_without_the_right),
		RIG_TEST(keeps_others_from_a_lobby_of_the_admins),
		RIG_TEST(broadcasts_for_admins_to_every_edge),
		RIG_TEST(publishes_for_the_admin_plane_without_a_sender),
		KEPT_TEST(publishes_a_key_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
