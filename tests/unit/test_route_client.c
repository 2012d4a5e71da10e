// Clients come, are limited in number, and go with their connection or their edge.
#include "tests/unit/route_rig.h"

static void takes_a_client_announced_twice_once(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 1, "ann");
	assert_int_equal(rig->edges[EDGE_A]->n_clients, 1);
}

static void keeps_equal_handles_of_two_edges_apart(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	client_down(rig, EDGE_B, 1);
	assert_int_equal(rig->route.table.n_clients, 1);
	assert_int_equal(rig->route.table.n_members, 1);
}

static void keeps_what_the_edge_says_of_a_client(void **state)
{
	struct rig *rig = *state;
	struct client_up m;
	Weir__Link__V1__ClientUp *up = make_client_up(&m, 1, "ann");
	ProtobufCBinaryData roles[] = { text("x"), text("y") };
	up->username = text("Ann");
	up->roles = roles;
	up->n_roles = 2;
	up->address = text("10.0.0.1");
	up->codec = text("json");
	up->since_ms = 5;
	up->compressed = true;
	say(rig, EDGE_A, &m.item);
	Weir__Link__V1__ClientStats stats = WEIR__LINK__V1__CLIENT_STATS__INIT;
	stats.client = 1;
	stats.queue_bytes = 99;
	say(rig, EDGE_A, &LINK_ITEM(CLIENT_STATS, client_stats, &stats));
	const struct table_client *c = room_table_client_find(rig->edges[EDGE_A], 1);
	assert_string_equal(c->username, "Ann");
	assert_string_equal(c->roles[1], "y");
	assert_string_equal(c->address, "10.0.0.1");
	assert_string_equal(c->codec, "json");
	assert_int_equal(c->since_ms, 5);
	assert_true(c->compressed);
	assert_int_equal(c->queue_bytes, 99);
}

static void ignores_and_counts_what_unknown_clients_say(void **state)
{
	struct rig *rig = *state;
	client_down(rig, EDGE_A, 9);
	join(rig, EDGE_A, 9, "r");
	leave(rig, EDGE_A, 9, "r");
	publish(rig, EDGE_A, 9, "r");
	ask_presence(rig, EDGE_A, 9, "r");
	ask_history(rig, EDGE_A, 9, "r");
	rejoin(rig, EDGE_A, 9, "r", 1, 1);
	assert_int_equal(try_broadcast(rig, EDGE_A, 9, "{}"), 0);
	assert_int_equal(ignored(rig), 8);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void takes_renewed_rights_at_once(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "keep");
	join(rig, EDGE_A, 1, "lose");
	join_presence(rig, EDGE_B, 1, "lose");
	forget_output(rig);
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "keep");
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_pb_equal(left->room, "lose");
	assert_pb_equal(left->reason, "forbidden");
	assert_int_equal(left->req, 0);
	assert_quiet(rig, EDGE_A);
	assert_event(rig, EDGE_B, "lose", "ann", false);
	publish(rig, EDGE_A, 1, "keep");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

static void assert_kicked(struct rig *rig, unsigned e, uint64_t handle, const char *reason)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, handle);
	assert_pb_equal(item->kick->reason, reason);
}

static void since_up(struct rig *rig, unsigned e, uint64_t handle, const char *user,
	int64_t since_ms)
{
	struct client_up m;
	make_client_up(&m, handle, user)->since_ms = since_ms;
	say(rig, e, &m.item);
}

static void refuses_one_connection_too_many_of_a_user(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 2 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "ann");
	client_up(&rig, EDGE_A, 2, "ann");
	assert_kicked(&rig, EDGE_A, 2, "overloaded");
	client_up(&rig, EDGE_A, 3, "bob");
	join(&rig, EDGE_A, 2, "r"); // said before it heard: nobody knows it
	client_down(&rig, EDGE_A, 2);
	client_up(&rig, EDGE_A, 1, "ann"); // a renewed token is no new connection
	assert_quiet(&rig, EDGE_A);
	client_down(&rig, EDGE_B, 1);
	client_up(&rig, EDGE_A, 4, "ann");
	assert_quiet(&rig, EDGE_A);
	assert_int_equal(rig.route.table.n_members, 0);
	rig_fini(&rig);
}

static void lets_the_newest_connection_of_a_user_win(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 2, .newest_wins = true };
	struct rig rig;
	rig_init(&rig, &options);
	since_up(&rig, EDGE_A, 1, "ann", 2000);
	since_up(&rig, EDGE_B, 1, "ann", 1000); // announced later, but here for longer
	since_up(&rig, EDGE_A, 2, "ann", 3000);
	assert_kicked(&rig, EDGE_B, 1, "replaced");
	since_up(&rig, EDGE_A, 3, "ann", 4000); // nobody is told twice
	assert_kicked(&rig, EDGE_A, 1, "replaced");
	assert_quiet(&rig, EDGE_B);
	join(&rig, EDGE_A, 3, "r");
	next_joined(&rig, EDGE_A);
	rig_fini(&rig);
}

static void kicks_through_the_clients_edge(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_B, 4, "ann");
	join(rig, EDGE_B, 4, "r");
	forget_output(rig);
	route_kick(&rig->route, room_table_client_find(rig->edges[EDGE_B], 4),
		bytes_str("revoked"));
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, 4);
	assert_pb_equal(item->kick->reason, "revoked");
	assert_int_equal(rig->route.table.n_members, 1); // until its edge says that it is gone
}

static void lets_the_clients_of_a_lost_edge_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	client_up(rig, EDGE_B, 1, "ann");
	client_up(rig, EDGE_B, 2, "cid");
	join_presence(rig, EDGE_A, 1, "r");
	join_presence(rig, EDGE_A, 2, "r");
	join(rig, EDGE_B, 1, "r");
	join_presence(rig, EDGE_B, 2, "r");
	forget_output(rig);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	assert_false(route_purge(&rig->route, 100, rig->now_ms));
	assert_event(rig, EDGE_B, "r", "bob", false); // ann is still there
	assert_quiet(rig, EDGE_B);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_edges, 1);
	assert_int_equal(rig->route.table.n_members, 2);
}

static uint32_t members_of(const struct rig *rig, const char *room)
{
	return room_table_find(&rig->route.table, bytes_str(room))->n_members;
}

static void lets_the_clients_of_a_lost_edge_leave_one_by_one(void **state)
{
	struct rig *rig = *state;
	static const char *const users[] = { "bob", "bob", "cid", "dan" };
	client_up(rig, EDGE_B, 1, "ann");
	join_presence(rig, EDGE_B, 1, "r");
	for (unsigned i = 0; i < ARRAY_LEN(users); i++) {
		client_up(rig, EDGE_A, 2 + i, users[i]);
		join(rig, EDGE_A, 2 + i, "r");
	}
	forget_output(rig);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	assert_int_equal(members_of(rig, "r"), 5);

	// Each step takes one membership, one client or the edge away; who has left is told at
	// once.
	unsigned told = 0;
	uint32_t n_members = 5;
	bool more = true;
	for (unsigned step = 0; more; step++) {
		assert_true(step < 2 * ARRAY_LEN(users) + 1);
		assert_true(route_is_purging(&rig->route, bytes_str("a")));
		more = route_purge(&rig->route, 1, rig->now_ms);
		assert_true(
			members_of(rig, "r") == n_members || members_of(rig, "r") == n_members - 1);
		n_members = members_of(rig, "r");
		const link_item *item = next(rig, EDGE_B);
		if (item != NULL) {
			assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT);
			assert_false(item->member_event->joined);
			told++;
			assert_quiet(rig, EDGE_B);
		}
		assert_int_equal(room_table_find(&rig->route.table, bytes_str("r"))->n_users,
			4 - told);
	}
	assert_int_equal(told, 3);
	assert_int_equal(n_members, 1);
	assert_false(route_is_purging(&rig->route, bytes_str("a")));
	assert_int_equal(rig->route.table.n_members, 1);
	assert_int_equal(rig->route.table.n_clients, 1);
}

static void tells_of_nobody_who_came_back_before_the_old_connection_left(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_B, 1, "ann");
	join_presence(rig, EDGE_B, 1, "r");
	client_up(rig, EDGE_A, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	client_up(rig, EDGE_B, 2, "bob");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	assert_false(route_purge(&rig->route, 100, rig->now_ms));
	assert_quiet(rig, EDGE_B);
	leave(rig, EDGE_B, 2, "r");
	next_left(rig, EDGE_B);
	assert_event(rig, EDGE_B, "r", "bob", false);
}

static void says_nothing_to_a_lost_edge_whose_clients_have_yet_to_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join_presence(rig, EDGE_A, 1, "r");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	const struct table_client *ann = room_table_client_find(rig->edges[EDGE_A], 1);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	publish(rig, EDGE_B, 1, "r");
	leave(rig, EDGE_B, 1, "r");
	route_kick(&rig->route, ann, bytes_str("revoked"));
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_edges, 1);
}

static void counts_no_connection_of_a_lost_edge_against_its_user(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 1 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	route_edge_down(&rig.route, rig.edges[EDGE_A]);
	client_up(&rig, EDGE_B, 1, "ann");
	assert_quiet(&rig, EDGE_B);
	const struct revocation rev = { .user = bytes_str("ann"), .before_s = INT64_MAX };
	uint64_t closed;
	assert_true(route_revoke(&rig.route, &rev, &closed));
	assert_int_equal(closed, 1);
	rig_fini(&rig); // with one that has yet to leave
}

static void kicks_who_comes_with_a_revoked_token(void **state)
{
	struct rig *rig = *state;
	const struct revocation rev = { .user = bytes_str("ann"), .before_s = INT64_MAX };
	uint64_t closed;
	assert_true(route_revoke(&rig->route, &rev, &closed));
	forget_output(rig);
	client_up(rig, EDGE_A, 1, "bob");
	assert_quiet(rig, EDGE_A);
	client_up(rig, EDGE_A, 2, "ann"); // at an edge that has not heard of it yet
	const link_item *item = next(rig, EDGE_A);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, 2);
	assert_pb_equal(item->kick->reason, "revoked");
	assert_quiet(rig, EDGE_A);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(takes_a_client_announced_twice_once),
		RIG_TEST(keeps_equal_handles_of_two_edges_apart),
		RIG_TEST(keeps_what_the_edge_says_of_a_client),
		RIG_TEST(ignores_and_counts_what_unknown_clients_say),
		RIG_TEST(takes_renewed_rights_at_once),
		cmocka_unit_test(refuses_one_connection_too_many_of_a_user),
		cmocka_unit_test(lets_the_newest_connection_of_a_user_win),
		RIG_TEST(kicks_through_the_clients_edge),
		RIG_TEST(lets_the_clients_of_a_lost_edge_leave),
		RIG_TEST(lets_the_clients_of_a_lost_edge_leave_one_by_one),
		RIG_TEST(tells_of_nobody_who_came_back_before_the_old_connection_left),
		RIG_TEST(says_nothing_to_a_lost_edge_whose_clients_have_yet_to_leave),
		cmocka_unit_test(counts_no_connection_of_a_lost_edge_against_its_user),
		RIG_TEST(kicks_who_comes_with_a_revoked_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
