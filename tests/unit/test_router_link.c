#include "tests/unit/link_rig.h"

static bool is_up(void *arg)
{
	struct rig_edge *edge = arg;
	return router_link_status(edge->link).up;
}

static bool is_down(void *arg)
{
	return !is_up(arg);
}

static bool has_canary(void *arg)
{
	struct rig_edge *edge = arg;
	return router_link_status(edge->link).canary_ms > 0;
}

static void begins_a_session_and_carries_requests_and_answers(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	rig_edge_start(rig, &edge, 1, "");
	assert_false(is_up(&edge));
	assert_false(router_link_status(edge.link).admitted);
	rig_edge_join(&edge, 1);
	assert_false(router_link_was_sent(edge.link, 0, 1));
	rig_edge_announce(rig, &edge);
	assert_true(loop_until(rig->loop, rig_has_joined, &edge));
	assert_true(router_link_was_sent(edge.link, 0, 1));
	assert_false(router_link_was_sent(edge.link, 0, 2));
	struct router_link_status status = router_link_status(edge.link);
	assert_true(status.up && status.admitted);
	assert_int_equal(status.queued_bytes, 0);
	assert_int_equal(edge.n_sessions, 1);
	assert_true(loop_until(rig->loop, has_canary, &edge));
	rig_edge_stop(&edge);
}

static void sends_nothing_for_a_session_that_is_over(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	struct link_outbox outbox = { 0 };
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	rig_edge_start(rig, &edge, 1, "");
	assert_true(loop_until(rig->loop, rig_has_session, &edge));
	link_outbox_add_fact(&outbox, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
	router_link_snapshot(edge.link, 0, edge.session + 1, &outbox);
	assert_int_equal(outbox.entries.len, 0);
	rig_edge_join(&edge, 1);
	assert_true(router_link_status(edge.link).queued_bytes > 0); // waits for the snapshot
	link_outbox_fini(&outbox);
	rig_edge_stop(&edge);
}

static void bounds_what_waits_by_publish_queue(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	rig_edge_start(rig, &edge, 1, "");
	assert_true(router_link_has_room(edge.link, 1 << 20));
	assert_false(router_link_has_room(edge.link, (1 << 20) + 1));
	rig_edge_join(&edge, 1);
	assert_false(router_link_has_room(edge.link, 1 << 20));
	rig_edge_stop(&edge);
}

static void does_not_stay_with_a_router_that_sends_nonsense(void **state)
{
	struct rig *rig = *state;
	struct rig_edge edge;
	rig_edge_start(rig, &edge, 1, "");
	rig_edge_announce(rig, &edge);
	assert_true(loop_until(rig->loop, is_up, &edge));
	edge.refuses = true;
	rig_edge_join(&edge, 1);
	assert_true(loop_until(rig->loop, is_down, &edge));
	edge.refuses = false;
	assert_true(loop_until(rig->loop, is_up, &edge));
	rig_edge_stop(&edge);
}

static void proves_its_key_and_wants_the_routers(void **state)
{
	struct rig *rig = *state;
	static const char key[] = "an example key of thirty-two bytes";
	struct bytes keys[] = { bytes_str(key) };
	struct buf files[1] = { { 0 } };
	char *edges[] = { NULL };
	struct rig_edge edge;
	rig_edge_start(rig, &edge, 1, key); // this router has none
	struct loop_timer timer;
	loop_timer_init(rig->loop, &timer, loop_until_stop, rig->loop);
	for (int i = 0; i < 100; i++) {
		loop_timer_start(&timer, 1);
		loop_run(rig->loop);
	}
	loop_timer_stop(&timer);
	assert_int_equal(edge.n_sessions, 0);
	rig_edge_stop(&edge);
	rig->keys = (struct link_keys){ keys, files, edges, 1 };
	rig_edge_start(rig, &edge, 1, key);
	assert_true(loop_until(rig->loop, is_up, &edge));
	rig_edge_stop(&edge);
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		LINK_TEST(begins_a_session_and_carries_requests_and_answers),
		LINK_TEST(sends_nothing_for_a_session_that_is_over),
		LINK_TEST(bounds_what_waits_by_publish_queue),
		LINK_TEST(does_not_stay_with_a_router_that_sends_nonsense),
		LINK_TEST(proves_its_key_and_wants_the_routers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
