// What all items share: rooms come and go, requests wait for edges, and no item passes that no
// conforming edge sends.
#include "tests/unit/route_rig.h"

static void sends_names_of_edges_to_every_edge(void **state)
{
	struct rig *rig = *state;
	const struct bytes names[] = { bytes_str("b"), bytes_str("a") };
	route_send_edges(&rig->route, names, 2);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const link_item *item = next(rig, e);
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_EDGE_LIST);
		assert_int_equal(item->edge_list->n_names, 2);
		assert_pb_equal(item->edge_list->names[0], "b");
		assert_pb_equal(item->edge_list->names[1], "a");
	}
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	route_send_edges(&rig->route, names, 1);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(next(rig, EDGE_B)->edge_list->n_names, 1);
}

static void leaves_requests_for_later_while_an_edge_is_awaited(void **state)
{
	struct rig *rig = *state;
	struct publish m;
	settling_await(&rig->route.settling, bytes_str("a"));
	settling_await(&rig->route.settling, bytes_str("b"));
	client_up(rig, EDGE_A, 1, "ann");
	rejoin(rig, EDGE_A, 1, "r", 7, 3);
	snapshot_end(rig, EDGE_A);
	forget_output(rig);
	make_publish(&m, 1, "r");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), ROUTE_LATER);
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{}"), ROUTE_LATER);
	assert_quiet(rig, EDGE_A);
	client_up(rig, EDGE_B, 1, "bob");
	rejoin(rig, EDGE_B, 1, "r", 7, 3);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_joined(rig, EDGE_B)->seq, 0);
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
}

static void forgets_an_empty_room_after_the_history_age(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	(void)route_sweep(&rig->route, START_MS + 299999);
	assert_non_null(room_table_find(&rig->route.table, bytes_str("r")));
	(void)route_sweep(&rig->route, START_MS + 300000);
	assert_null(room_table_find(&rig->route.table, bytes_str("r")));
	publish(rig, EDGE_A, 1, "r");
	assert_int_not_equal(epoch_of(rig, "r"), epoch);
}

static void refuses_a_client_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_id[42];
	memset(long_id, 'x', sizeof(long_id) - 1);
	client_up(rig, EDGE_A, 1, "ann");
	struct client_up m;

	make_client_up(&m, 0, "ann");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "a\nb");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->id = text("");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->id = text(long_id);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->username = pb_data(bytes_make("a\0b", 3));
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	ProtobufCBinaryData role = pb_data(bytes_make("a\0b", 3));
	make_client_up(&m, 2, "ann")->roles = &role;
	m.up.n_roles = 1;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 1, "bob"); // a handle does not change its user
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.n_clients, 1);
}

static void refuses_a_right_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_pattern[RIGHTS_PATTERN_LEN_MAX + 2];
	memset(long_pattern, 'x', sizeof(long_pattern) - 1);
	struct client_up m;
	Weir__Link__V1__ClientUp *up = make_client_up(&m, 1, "ann");
	Weir__Link__V1__Right right = WEIR__LINK__V1__RIGHT__INIT;
	Weir__Link__V1__Right *rights[] = { &right };
	right.mask = RIGHT_JOIN;
	right.pattern = text(long_pattern);
	up->has_rights = true;
	up->n_rights = 1;
	up->rights = rights;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.n_clients, 0);
}

static void refuses_a_message_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_text[TYPE_NAME_MAX + 2];
	memset(long_text, 'x', sizeof(long_text) - 1);
	admin_up(rig, EDGE_A, 1, "ann");
	static const char *const bodies[] = { "", "{", "[]", "{]", "x}" };
	struct publish m;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		make_publish(&m, 1, "r")->body = text(bodies[i]);
		assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
		assert_int_equal(try_broadcast(rig, EDGE_A, 1, bodies[i]), -EPROTO);
	}
	make_publish(&m, 1, "r")->type = text("");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 1, "r")->type = text(long_text);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 1, "r")->key = text(long_text);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 0, "r");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
	assert_quiet(rig, EDGE_A);
}

static void count_distrust(void *arg, const struct table_edge *edge, enum distrust distrust)
{
	struct rig *rig = arg;
	assert_ptr_equal(edge, rig->edges[EDGE_A]);
	assert_int_equal(distrust, DISTRUST_FIELD);
	rig->n_distrusted++;
}

static void passes_nothing_on_that_speaks_for_the_gateway(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	route_on_distrust(&rig->route, count_distrust, rig);
	struct publish m;
	make_publish(&m, 1, "r")->body = text("{\"From\":\"bob\"}");
	say(rig, EDGE_A, &m.item);
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{\"user\":\"bob\"}"), 0);
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_quiet(rig, EDGE_B);
	assert_int_equal(rig->n_distrusted, 2);
	assert_int_equal(counter_get(&rig->route.counters.distrusted[DISTRUST_FIELD]), 2);
	publish(rig, EDGE_A, 1, "r");
	(void)next_delivery(rig, EDGE_B);
}

// So that with the names of its sender it fits a frame to the members' edges.
static void refuses_a_message_larger_than_any_edge_takes(void **state)
{
	struct rig *rig = *state;
	char *body = xmalloc(MESSAGE_MAX + 1);
	struct publish m;
	memset(body, ' ', MESSAGE_MAX + 1);
	body[0] = '{';
	admin_up(rig, EDGE_A, 1, "ann");
	body[MESSAGE_MAX] = '}';
	make_publish(&m, 1, "r")->body = pb_data(bytes_make(body, MESSAGE_MAX + 1));
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	body[MESSAGE_MAX - 1] = '}';
	m.publish.body.len = MESSAGE_MAX;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), 0);
	free(body);
}

static void refuses_an_item_of_the_other_direction(void **state)
{
	struct rig *rig = *state;
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	assert_int_equal(try_item(rig, EDGE_A, &LINK_ITEM(DELIVERY, delivery, &delivery)), -EPROTO);
}

static void ignores_and_counts_an_item_of_a_newer_edge(void **state)
{
	struct rig *rig = *state;
	const link_item item = WEIR__LINK__V1__ITEM__INIT;
	assert_int_equal(try_item(rig, EDGE_A, &item), 0);
	assert_int_equal(counter_get(&rig->route.counters.unknown), 1);
	assert_quiet(rig, EDGE_A);
}

static void refuses_a_rejoin_of_a_room_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	Weir__Link__V1__Place *places[] = { &place };
	Weir__Link__V1__Rejoin message = WEIR__LINK__V1__REJOIN__INIT;
	message.client = 1;
	message.n_places = 1;
	message.places = places;
	const link_item item = LINK_ITEM(REJOIN, rejoin, &message);
	assert_int_equal(try_item(rig, EDGE_A, &item), -EPROTO);
	place.room = text("a\nb");
	assert_int_equal(try_item(rig, EDGE_A, &item), -EPROTO);
	assert_quiet(rig, EDGE_A);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(sends_names_of_edges_to_every_edge),
		RIG_TEST(leaves_requests_for_later_while_an_edge_is_awaited),
		RIG_TEST(forgets_an_empty_room_after_the_history_age),
		RIG_TEST(refuses_a_client_that_cannot_be),
		RIG_TEST(refuses_a_right_that_cannot_be),
		RIG_TEST(refuses_a_message_that_cannot_be),
		RIG_TEST(passes_nothing_on_that_speaks_for_the_gateway),
		RIG_TEST(refuses_a_message_larger_than_any_edge_takes),
		RIG_TEST(refuses_an_item_of_the_other_direction),
		RIG_TEST(refuses_a_rejoin_of_a_room_that_cannot_be),
		RIG_TEST(ignores_and_counts_an_item_of_a_newer_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
