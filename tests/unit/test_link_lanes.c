#include <errno.h>

#include "edge/uplink/link_lanes.h"
#include "proto/link_items.h"
#include "tests/unit/test.h"

enum {
	N_WORKERS = 2,
	NOW_MS = 1000,
	BATCH_LEN = 100,
};

static struct link_outbox outbox_with(uint64_t client, uint64_t req)
{
	struct link_outbox outbox = { 0 };
	Weir__Link__V1__ClientDown down = WEIR__LINK__V1__CLIENT_DOWN__INIT;
	down.client = client;
	if (req == 0) {
		link_outbox_add_fact(&outbox, &LINK_ITEM(CLIENT_DOWN, client_down, &down));
	} else {
		link_outbox_add_request(&outbox, &LINK_ITEM(CLIENT_DOWN, client_down, &down), req,
			NOW_MS + 1);
	}
	return outbox;
}

static void take(struct link_lanes *l, unsigned worker, uint64_t client, uint64_t req)
{
	struct link_outbox outbox = outbox_with(client, req);
	link_lanes_take(l, worker, &outbox);
	link_outbox_fini(&outbox);
}

static bool release(struct link_lanes *l, unsigned worker, uint64_t session, uint64_t client)
{
	struct link_outbox outbox = outbox_with(client, 0);
	bool released = link_lanes_release(l, worker, session, &outbox);
	assert_int_equal(outbox.entries.len, 0);
	link_outbox_fini(&outbox);
	return released;
}

// A session that the router calls `id` begins.
static void begin(struct link_lanes *l, uint64_t id)
{
	const struct link_answer answer = {
		.session = id,
		.up_next = 1,
		.down_next = 1,
		.window_bytes = LINK_WINDOW_BYTES,
	};
	assert_int_equal(link_lanes_follow(l, &answer), LINK_BEGUN);
}

static uint64_t inflight(const struct link_lanes *l)
{
	return link_window_inflight(&l->session.window);
}

static void pump(struct link_lanes *l)
{
	link_lanes_pump(l, NOW_MS);
	link_lanes_close(l);
}

static void sends_no_request_before_every_worker_has_given_its_snapshot(void **state)
{
	(void)state;
	struct link_lanes l;
	link_lanes_init(&l, N_WORKERS);
	take(&l, 0, 1, 7);
	assert_true(link_lanes_queued_bytes(&l) > 0);
	begin(&l, 42);
	pump(&l);
	assert_int_equal(inflight(&l), 0);
	assert_true(release(&l, 0, 1, 10));
	pump(&l);
	uint64_t snapshot = inflight(&l);
	assert_true(snapshot > 0);
	assert_false(link_lanes_was_sent(&l, 0, 7));
	assert_true(release(&l, 1, 1, 11));
	pump(&l);
	assert_true(inflight(&l) > snapshot);
	assert_true(link_lanes_was_sent(&l, 0, 7));
	assert_false(link_lanes_was_sent(&l, 1, 7)); // numbers are each worker's own
	assert_int_equal(link_lanes_queued_bytes(&l), 0);
	link_lanes_fini(&l);
}

static void drops_facts_without_a_session_and_snapshots_of_another(void **state)
{
	(void)state;
	struct link_lanes l;
	link_lanes_init(&l, N_WORKERS);
	take(&l, 0, 1, 0);
	assert_int_equal(link_lanes_queued_bytes(&l), 0);
	assert_false(release(&l, 0, 0, 10));
	begin(&l, 42);
	begin(&l, 43); // the edge has not resumed 42
	assert_false(release(&l, 0, 1, 10));
	assert_true(release(&l, 0, 2, 10));
	assert_true(link_lanes_queued_bytes(&l) > 0);
	link_lanes_end_session(&l);
	assert_int_equal(link_lanes_queued_bytes(&l), 0); // it was for that session
	assert_false(release(&l, 1, 2, 11));
	link_lanes_fini(&l);
}

static void acknowledges_what_the_slowest_worker_has_worked_off(void **state)
{
	(void)state;
	struct link_lanes l;
	uint64_t marks[5];
	link_lanes_init(&l, N_WORKERS);
	begin(&l, 42);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(link_lanes_accept(&l, seq, BATCH_LEN, &marks[seq]), 0);
		link_lanes_delivered(&l, marks[seq], seq == 2 ? 3 : 1);
	}
	assert_int_equal(l.session.window.rx_consumed, 1);
	link_lanes_consumed(&l, 0, marks[3]);
	assert_int_equal(l.session.window.rx_consumed, 1); // worker 1 has not had the second
	link_lanes_consumed(&l, 1, marks[2]);
	assert_int_equal(l.session.window.rx_consumed, 4);
	link_lanes_consumed(&l, 1, marks[1]); // an old mark takes nothing back
	assert_int_equal(link_lanes_accept(&l, 4, BATCH_LEN, &marks[4]), 0);
	link_lanes_delivered(&l, marks[4], 1);
	link_lanes_consumed(&l, 0, marks[4]);
	assert_int_equal(l.session.window.rx_consumed, 5);
	link_lanes_fini(&l);
}

static void takes_in_at_once_what_is_for_no_worker(void **state)
{
	(void)state;
	struct link_lanes l;
	uint64_t mark;
	link_lanes_init(&l, N_WORKERS);
	begin(&l, 42);
	assert_int_equal(link_lanes_accept(&l, 1, BATCH_LEN, &mark), 0);
	link_lanes_delivered(&l, mark, 0);
	assert_int_equal(l.session.window.rx_consumed, 2);
	assert_int_equal(link_lanes_accept(&l, 1, BATCH_LEN, &mark), 1); // a repeat
	assert_int_equal(link_lanes_accept(&l, 3, BATCH_LEN, &mark), -EPROTO);
	link_lanes_fini(&l);
}

static void raises_marks_over_sessions(void **state)
{
	(void)state;
	struct link_lanes l;
	uint64_t old;
	uint64_t mark;
	link_lanes_init(&l, N_WORKERS);
	begin(&l, 42);
	assert_int_equal(link_lanes_accept(&l, 1, BATCH_LEN, &old), 0);
	link_lanes_delivered(&l, old, 1);
	begin(&l, 43);
	assert_int_equal(link_lanes_accept(&l, 1, BATCH_LEN, &mark), 0);
	assert_true(mark > old);
	link_lanes_delivered(&l, mark, 1);
	link_lanes_consumed(&l, 0, old);
	assert_int_equal(l.session.window.rx_consumed, 1); // that was another session's
	link_lanes_consumed(&l, 0, mark);
	assert_int_equal(l.session.window.rx_consumed, 2);
	link_lanes_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_no_request_before_every_worker_has_given_its_snapshot),
		cmocka_unit_test(drops_facts_without_a_session_and_snapshots_of_another),
		cmocka_unit_test(acknowledges_what_the_slowest_worker_has_worked_off),
		cmocka_unit_test(takes_in_at_once_what_is_for_no_worker),
		cmocka_unit_test(raises_marks_over_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
