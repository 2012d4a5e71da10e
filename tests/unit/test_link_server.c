#include "tests/unit/link_rig.h"

static bool is_quiet(void *arg)
{
	struct rig *rig = arg;
	return link_server_is_quiet(rig->server);
}

static bool is_moving(void *arg)
{
	return !is_quiet(arg);
}

static bool is_alone(void *arg)
{
	return rig_count_edges(arg) == 0;
}

static void knows_an_edge_from_its_hello_until_it_leaves(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	assert_true(is_alone(rig));
	rig_edge_start(rig, &edge, 1, "");
	rig_edge_announce(rig, &edge);
	rig_edge_join(&edge, 1);
	assert_true(loop_until(rig->loop, rig_has_joined, &edge));
	struct edge_link *known = link_server_next(rig->server, NULL);
	assert_string_equal(known->name, "edge-1");
	assert_memory_equal(known->boot, edge.boot, LINK_BOOT_LEN);
	assert_non_null(known->table);
	assert_null(link_server_next(rig->server, known));
	rig_edge_stop(&edge); // says GOAWAY
	assert_true(loop_until(rig->loop, is_alone, rig));
}

static void holds_its_edges_still_and_lets_them_go_on(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	rig_edge_start(rig, &edge, 1, "");
	rig_edge_announce(rig, &edge);
	rig_edge_join(&edge, 1);
	assert_true(loop_until(rig->loop, rig_has_joined, &edge));
	assert_false(is_quiet(rig)); // nobody has asked it to be
	link_server_hold(rig->server, true);
	assert_true(loop_until(rig->loop, is_quiet, rig));
	edge.n_items[WEIR__LINK__V1__ITEM__KIND_JOINED] = 0;
	rig_edge_join(&edge, 2);
	assert_false(router_link_was_sent(edge.link, 0, 2));
	assert_true(is_quiet(rig));
	link_server_hold(rig->server, false);
	assert_true(loop_until(rig->loop, rig_has_joined, &edge));
	assert_true(loop_until(rig->loop, is_moving, rig));
	rig_edge_stop(&edge);
}

static void holds_an_edge_that_comes_meanwhile(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	link_server_hold(rig->server, true);
	assert_true(is_quiet(rig));
	rig_edge_start(rig, &edge, 1, "");
	assert_true(loop_until(rig->loop, rig_has_session, &edge));
	assert_true(loop_until(rig->loop, is_quiet, rig));
	assert_int_equal(rig_count_edges(rig), 1);
	rig_edge_stop(&edge);
}

static bool has_asked_the_first(void *arg)
{
	struct rig *rig = arg;
	struct edge_link *known = link_server_next(rig->server, NULL);
	return known->rival_ms != 0;
}

static void gives_a_living_edges_name_to_no_other(void **state)
{
	struct rig *rig = *state;
	struct rig_edge first;
	struct rig_edge second;
	rig_edge_start(rig, &first, 1, "");
	rig_edge_announce(rig, &first);
	rig_edge_start(rig, &second, 2, "");
	assert_true(loop_until(rig->loop, has_asked_the_first, rig));
	assert_int_equal(second.n_sessions, 0);
	assert_int_equal(rig_count_edges(rig), 1);
	assert_memory_equal(link_server_next(rig->server, NULL)->boot, first.boot, LINK_BOOT_LEN);
	rig_edge_stop(&first);
	rig_edge_announce(rig, &second); // now the name is free
	rig_edge_stop(&second);
}

static unsigned count_clients(const struct rig *rig)
{
	const struct edge_link *edge = link_server_next(rig->server, NULL);
	return edge != NULL && edge->table != NULL &&
		room_table_client_find(edge->table, RIG_CLIENT) != NULL;
}

static bool has_client(void *arg)
{
	return count_clients(arg) == 1;
}

static void takes_the_clients_of_a_replaced_edge_out_before_the_next_ones_come(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	for (uint8_t boot = 1; boot <= 3; boot++) {
		rig_edge_start(rig, &edge, boot, "");
		rig_edge_announce(rig, &edge);
		assert_true(loop_until(rig->loop, has_client, rig));
		assert_int_equal(rig_count_edges(rig), 1);
		rig_edge_stop(&edge);
		assert_true(loop_until(rig->loop, is_alone, rig));
	}
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		SERVER_TEST(knows_an_edge_from_its_hello_until_it_leaves),
		SERVER_TEST(holds_its_edges_still_and_lets_them_go_on),
		SERVER_TEST(holds_an_edge_that_comes_meanwhile),
		SERVER_TEST(gives_a_living_edges_name_to_no_other),
		SERVER_TEST(takes_the_clients_of_a_replaced_edge_out_before_the_next_ones_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
