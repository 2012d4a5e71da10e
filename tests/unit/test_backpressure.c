// Two edges in the tables, without connections: what is queued for one is counted in its link.
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "router/core/route.h"
#include "router/link/backpressure.h"
#include "router/link/edge_link.h"
#include "tests/unit/test.h"

enum {
	SENDER,
	RECEIVER,
	N_EDGES,
	CLIENT = 7,
};

struct rig {
	struct route route;
	struct backpressure bp;
	struct edge_link *edges[N_EDGES];
};

static void add(struct buf *batch, const link_item *item)
{
	link_item_append(batch, item);
}

static void route_batch(struct rig *rig, unsigned e, struct buf *batch)
{
	assert_true(backpressure_route(&rig->bp, rig->edges[e], buf_bytes(batch)));
	buf_reset(batch, 0);
}

static void add_member(struct rig *rig, unsigned e)
{
	struct buf batch = { 0 };
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	up.client = CLIENT;
	up.id = pb_data(bytes_str("id"));
	up.user = pb_data(bytes_str("ada"));
	join.client = CLIENT;
	join.req = 1;
	join.room = pb_data(bytes_str("r"));
	add(&batch, &LINK_ITEM(CLIENT_UP, client_up, &up));
	add(&batch, &LINK_ITEM(JOIN, join, &join));
	route_batch(rig, e, &batch);
	buf_fini(&batch);
}

// Stands still, or goes on by a step each time it is read: an edge may have the thread for so long.
static uint64_t now_ns;
static uint64_t step_ns;

static uint64_t mono_ns(void)
{
	return now_ns += step_ns;
}

static int64_t wall_ms(void)
{
	return 1700000000000;
}

static const struct clock_source test_clock = { mono_ns, wall_ms };

static int setup(void **state)
{
	now_ns = UINT64_C(3600000000000);
	step_ns = 0;
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = { .history_age_ms = 300000 };
	static const char *const names[N_EDGES] = { "sender", "receiver" };
	struct rights_policy policy = { .defaults = rights_new() };
	assert_true(rights_add(policy.defaults, RIGHT_ALL, bytes_str("*")));
	route_init(&rig->route, &options, NULL, NULL);
	backpressure_init(&rig->bp, &rig->route);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const uint8_t boot[LINK_BOOT_LEN] = { (uint8_t)e };
		struct edge_link *edge = edge_link_new(bytes_str(names[e]), boot);
		edge_link_begin(edge);
		edge->table = route_edge_up(&rig->route, edge, bytes_str(names[e]), &policy, 0);
		edge->progress_ms = clock_mono_ms();
		rig->edges[e] = edge;
	}
	rights_unref(policy.defaults);
	add_member(rig, SENDER);
	add_member(rig, RECEIVER);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	backpressure_fini(&rig->bp);
	route_fini(&rig->route);
	for (unsigned e = 0; e < N_EDGES; e++) {
		edge_link_free(rig->edges[e]);
	}
	free(rig);
	return 0;
}

static void add_publish(struct buf *batch, uint64_t req)
{
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = CLIENT;
	publish.req = req;
	publish.room = pb_data(bytes_str("r"));
	publish.type = pb_data(bytes_str("chat"));
	publish.body = pb_data(bytes_str("{}"));
	add(batch, &LINK_ITEM(PUBLISH, publish, &publish));
}

static void publish(struct rig *rig, unsigned n)
{
	struct buf batch = { 0 };
	for (unsigned i = 0; i < n; i++) {
		add_publish(&batch, i + 10);
	}
	route_batch(rig, SENDER, &batch);
	buf_fini(&batch);
}

// From now on the edge is behind, or no longer.
static void set_behind(struct rig *rig, unsigned e, bool behind)
{
	rig->edges[e]->waiting = behind ? EDGE_TAIL_MAX / 2 + 1 : 0;
	rig->edges[e]->progress_ms = clock_mono_ms();
}

static uint64_t published(const struct rig *rig)
{
	return counter_get(&rig->route.counters.published);
}

static uint64_t n_observed(const struct histogram *h)
{
	uint64_t n = 0;
	for (size_t i = 0; i <= h->n_bounds; i++) {
		n += counter_get(&h->buckets[i]);
	}
	return n;
}

static void queues_what_is_routed_for_the_edges_it_is_for(void **state)
{
	struct rig *rig = *state;
	size_t before[N_EDGES];
	for (unsigned e = 0; e < N_EDGES; e++) {
		before[e] = edge_link_queue_bytes(rig->edges[e]);
		rig->edges[e]->touched = false;
	}
	publish(rig, 1);
	for (unsigned e = 0; e < N_EDGES; e++) {
		assert_true(edge_link_queue_bytes(rig->edges[e]) > before[e]);
		assert_true(rig->edges[e]->touched);
	}
	assert_int_equal(n_observed(&rig->bp.route_seconds), 3);
}

static void blocks_who_feeds_an_edge_that_is_behind_after_that_item(void **state)
{
	struct rig *rig = *state;
	struct edge_link *sender = rig->edges[SENDER];
	set_behind(rig, RECEIVER, true);
	publish(rig, 3);
	assert_int_equal(published(rig), 1);
	assert_true(sender->blocked);
	assert_ptr_equal(sender->blocked_by, rig->edges[RECEIVER]);
	assert_int_equal(sender->n_parked, 1);
	assert_true(backpressure_release(&rig->bp, sender, clock_mono_ms()));
	assert_int_equal(published(rig), 1); // it is behind still
	publish(rig, 1);
	assert_int_equal(published(rig), 1);
	assert_int_equal(sender->n_parked, 2);
	assert_false(rig->edges[RECEIVER]->blocked); // its own items are routed
}

static void releases_what_is_parked_in_order_once_the_other_has_caught_up(void **state)
{
	struct rig *rig = *state;
	struct edge_link *sender = rig->edges[SENDER];
	set_behind(rig, RECEIVER, true);
	publish(rig, 3);
	publish(rig, 1);
	set_behind(rig, RECEIVER, false);
	assert_true(backpressure_release(&rig->bp, sender, clock_mono_ms()));
	assert_int_equal(published(rig), 4);
	assert_false(sender->blocked);
	assert_null(sender->blocked_by);
	assert_int_equal(sender->n_parked, 0);
}

static void leaves_the_thread_to_others_after_its_share_of_the_turn(void **state)
{
	struct rig *rig = *state;
	struct edge_link *sender = rig->edges[SENDER];
	step_ns = 300000;
	publish(rig, 100);
	assert_in_range(published(rig), 1, 20);
	assert_int_equal(sender->n_parked, 1);
	step_ns = 0;
	for (int turn = 0; turn < 2 && sender->n_parked > 0; turn++) {
		sender->slice_ns = 0;
		assert_true(backpressure_release(&rig->bp, sender, clock_mono_ms()));
	}
	assert_int_equal(published(rig), 100);
}

static void does_not_wait_for_an_edge_that_does_not_read(void **state)
{
	struct rig *rig = *state;
	set_behind(rig, RECEIVER, true);
	rig->edges[RECEIVER]->progress_ms -= EDGE_STALLED_MS;
	publish(rig, 3);
	assert_int_equal(published(rig), 3);
	assert_false(rig->edges[SENDER]->blocked);
}

static void parks_requests_while_an_edge_of_the_last_router_is_awaited(void **state)
{
	struct rig *rig = *state;
	struct edge_link *sender = rig->edges[SENDER];
	settling_await(&rig->route.settling, bytes_str("third"));
	publish(rig, 2);
	assert_int_equal(published(rig), 0);
	assert_true(sender->blocked);
	assert_null(sender->blocked_by);
	assert_true(backpressure_release(&rig->bp, sender, clock_mono_ms()));
	assert_int_equal(published(rig), 0);
	settling_end(&rig->route.settling);
	assert_true(backpressure_release(&rig->bp, sender, clock_mono_ms()));
	assert_int_equal(published(rig), 2);
}

static void refuses_what_no_conforming_edge_sends(void **state)
{
	struct rig *rig = *state;
	struct edge_link *sender = rig->edges[SENDER];
	assert_false(backpressure_route(&rig->bp, sender, bytes_str("\xff\xff")));
	sender->blocked = true;
	assert_true(backpressure_route(&rig->bp, sender, bytes_str("\xff\xff"))); // not looked at
	assert_false(backpressure_release(&rig->bp, sender, clock_mono_ms()));
}

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	clock_use(&test_clock);
	const struct CMUnitTest tests[] = {
		FLOW_TEST(queues_what_is_routed_for_the_edges_it_is_for),
		FLOW_TEST(blocks_who_feeds_an_edge_that_is_behind_after_that_item),
		FLOW_TEST(releases_what_is_parked_in_order_once_the_other_has_caught_up),
		FLOW_TEST(leaves_the_thread_to_others_after_its_share_of_the_turn),
		FLOW_TEST(does_not_wait_for_an_edge_that_does_not_read),
		FLOW_TEST(parks_requests_while_an_edge_of_the_last_router_is_awaited),
		FLOW_TEST(refuses_what_no_conforming_edge_sends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
