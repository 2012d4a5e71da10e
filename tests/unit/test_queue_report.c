// Who has to go when more waits for a worker's clients than it may, and what routers hear of
// queues.

#include "edge/client/queue_report.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/edge_fixture.h"

enum {
	N = 3,
	LARGE = 30000,
	SHARE = 120000,
};

static void bench_with_total(struct fixture *b, const char *option)
{
	fixture_init_with(b,
		ARGS("--auth=none", "--listen=127.0.0.1:0", "--queue-limit=1MiB", option));
}

// One large frame more waits for it.
static void add_large(struct client *c)
{
	static char text[LARGE + 1];
	memset(text, 'x', LARGE);
	conn_send(c->conn, frame_new(WS_TEXT, bytes_str(text)));
}

// Fills its socket, and nothing but a part of one frame is left over.
static void block(struct fixture *b, struct client *c)
{
	while (c->conn->stream.blocked == NULL) {
		add_large(c);
		fixture_turn(b);
	}
	assert_true(c->conn->stream.out.bytes <= LARGE + 4);
}

// Clients that were blocked one second after another, the first one longest ago.
static void block_in_turn(struct fixture *b, struct client clients[N])
{
	for (int i = 0; i < N; i++) {
		client_open(b, &clients[i]);
		block(b, &clients[i]);
		fixture_pass(b, 1000);
	}
}

static void finish(struct fixture *b, struct client *clients, int n)
{
	for (int i = 0; i < n; i++) {
		client_close(&clients[i]);
	}
	fixture_turn(b);
	assert_int_equal(worker_clients(b->w)->turn.streams.queued.bytes, 0);
	assert_true(TAILQ_EMPTY(&worker_clients(b->w)->turn.streams.queued.blocked));
	fixture_fini(b);
}

static void who_stands_still_longest_is_closed_first(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=120000");
	block_in_turn(&b, clients);
	// Whoever adds the frame too many is not whoever has to go.
	while (worker_clients(b.w)->turn.streams.queued.bytes + LARGE + 4 <= SHARE) {
		add_large(&clients[2]);
		fixture_turn(&b);
	}
	assert_int_equal(clients[0].conn->state, CONN_OPEN);
	add_large(&clients[2]);
	fixture_turn(&b);
	assert_int_equal(clients[0].conn->state, CONN_CLOSING);
	assert_int_equal(clients[0].conn->reason, CLOSE_SLOW_CONSUMER);
	assert_int_equal(clients[1].conn->state, CONN_OPEN);
	assert_int_equal(clients[2].conn->state, CONN_OPEN);
	assert_true(worker_clients(b.w)->turn.streams.queued.bytes <= SHARE);
	finish(&b, clients, N);
}

static void who_takes_something_is_not_the_next_to_go(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=120000");
	block_in_turn(&b, clients);
	add_large(&clients[0]);
	client_read(&clients[0]);
	fixture_turn(&b);
	block(&b, &clients[0]);
	while (clients[1].conn->state == CONN_OPEN) {
		add_large(&clients[2]);
		fixture_turn(&b);
	}
	assert_int_equal(clients[0].conn->state, CONN_OPEN);
	assert_int_equal(clients[2].conn->state, CONN_OPEN);
	finish(&b, clients, N);
}

// The same, of a room whose messages may be dropped.
static void add_loose(struct client *c, uint64_t seq)
{
	static char text[LARGE + 1];
	memset(text, 'x', LARGE);
	const struct origin_facts facts = {
		.may_drop = true,
		.epoch = 1,
		.from = seq,
		.to = seq,
		.room = bytes_str("news"),
	};
	struct frame *f = frame_new(WS_TEXT, bytes_str(text));
	frame_set_origin(f, origin_new(&facts));
	conn_send(c->conn, f);
}

static void who_has_messages_to_drop_is_not_closed_for_them(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=120000");
	block_in_turn(&b, clients);
	uint64_t seq = 0;
	while (counter_get(&worker_metrics(b.w)->dropped_slow) == 0) {
		add_loose(&clients[0], ++seq);
		fixture_turn(&b);
		assert_in_range(seq, 1, 9);
	}
	assert_int_equal(counter_get(&worker_metrics(b.w)->dropped_slow), seq);
	assert_int_equal(clients[0].conn->state, CONN_OPEN);
	assert_int_equal(clients[0].conn->stream.out.n, 2); // what is out in part, and the gap
	while (clients[0].conn->state == CONN_OPEN) { // there is nothing more to gain
		assert_int_equal(clients[1].conn->state, CONN_OPEN);
		add_large(&clients[2]);
		fixture_turn(&b);
	}
	assert_int_equal(clients[2].conn->state, CONN_OPEN);
	finish(&b, clients, N);
}

static void what_is_left_of_who_goes_is_not_counted(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=120000");
	block_in_turn(&b, clients);
	for (int i = 0; i < 4; i++) {
		add_large(&clients[0]);
	}
	fixture_turn(&b);
	assert_int_equal(clients[0].conn->state, CONN_CLOSING);
	assert_true(clients[0].conn->stream.out.bytes > 0); // the rest of a frame, and the Close
	size_t others = clients[1].conn->stream.out.bytes + clients[2].conn->stream.out.bytes;
	assert_int_equal(worker_clients(b.w)->turn.streams.queued.bytes, others);
	assert_int_equal(clients[1].conn->state, CONN_OPEN);
	// It may still read why.
	struct buf payload = { 0 };
	unsigned first = 0;
	for (int i = 0; first != (FIN | WS_CLOSE) && i < 1000; i++) {
		first = client_take(&clients[0], &payload);
		fixture_turn(&b);
	}
	assert_int_equal(first, FIN | WS_CLOSE);
	assert_non_null(strstr((const char *)payload.data + 2, "slow_consumer"));
	buf_fini(&payload);
	finish(&b, clients, N);
}

static void what_is_written_in_the_same_turn_is_never_too_much(void **state)
{
	(void)state;
	enum {
		MANY = 50
	};
	struct fixture b;
	struct client clients[MANY];
	bench_with_total(&b, "--queue-total=50000");
	for (int i = 0; i < MANY; i++) {
		client_open(&b, &clients[i]);
	}
	for (int i = 0; i < MANY; i++) {
		add_large(&clients[i]);
	}
	assert_true(worker_clients(b.w)->turn.streams.queued.bytes > (size_t)MANY * LARGE);
	fixture_turn(&b);
	assert_int_equal(worker_clients(b.w)->turn.streams.queued.bytes, 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(clients[i].conn->state, CONN_OPEN);
	}
	finish(&b, clients, MANY);
}

static void a_worker_has_its_share(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=240000");
	b.edge.n_workers = 2;
	block_in_turn(&b, clients);
	while (clients[0].conn->state == CONN_OPEN) {
		assert_true(worker_clients(b.w)->turn.streams.queued.bytes <= SHARE);
		add_large(&clients[2]);
		fixture_turn(&b);
	}
	finish(&b, clients, N);
}

static void without_the_option_only_the_own_limit_counts(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=0");
	block_in_turn(&b, clients);
	for (int i = 0; i < 3 * 30; i++) {
		add_large(&clients[i % N]);
	}
	fixture_turn(&b);
	for (int i = 0; i < N; i++) {
		assert_int_equal(clients[i].conn->state, CONN_OPEN);
	}
	finish(&b, clients, N);
}

static void a_new_limit_is_kept_from_the_next_turn_on(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	bench_with_total(&b, "--queue-total=0");
	block_in_turn(&b, clients);
	b.conf->queue_total = 1;
	fixture_turn(&b);
	for (int i = 0; i < N; i++) {
		assert_int_equal(clients[i].conn->state, CONN_CLOSING);
	}
	finish(&b, clients, N);
}

// The next report; 0 if there is none.
static uint64_t next_report(uint64_t *queue_bytes)
{
	const link_item *item = router_next_of(WEIR__LINK__V1__ITEM__KIND_CLIENT_STATS);
	if (item == NULL) {
		return 0;
	}
	*queue_bytes = item->client_stats->queue_bytes;
	return item->client_stats->client;
}

static void routers_hear_of_a_queue_once_a_second_if_it_changed(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[N];
	uint64_t bytes = 0;
	bench_with_total(&b, "--queue-total=0");
	client_open(&b, &clients[0]);
	client_open(&b, &clients[1]);
	block(&b, &clients[0]);
	fixture_pass(&b, 100);
	assert_int_equal(next_report(&bytes), clients[0].conn->handle);
	assert_int_equal(bytes, clients[0].conn->stream.out.bytes);
	fixture_pass(&b, 5000);
	assert_int_equal(next_report(&bytes), 0);
	int n = 0;
	for (int i = 0; i < 15; i++) {
		add_large(&clients[0]);
		fixture_pass(&b, 200);
	}
	fixture_pass(&b, 1000);
	while (next_report(&bytes) == clients[0].conn->handle) {
		n++;
	}
	assert_in_range(n, 3, 5); // in four seconds
	assert_int_equal(bytes, clients[0].conn->stream.out.bytes);
	finish(&b, clients, 2);
}

static void routers_hear_that_a_queue_is_empty_again(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[1];
	uint64_t bytes = 1;
	bench_with_total(&b, "--queue-total=0");
	client_open(&b, &clients[0]);
	block(&b, &clients[0]);
	fixture_pass(&b, 100);
	assert_true(next_report(&bytes) != 0 && bytes > 0);
	while (clients[0].conn->stream.blocked != NULL) {
		client_read(&clients[0]);
		fixture_turn(&b);
	}
	assert_int_equal(next_report(&bytes), clients[0].conn->handle);
	assert_int_equal(bytes, 0);
	finish(&b, clients, 1);
}

static void a_new_router_hears_it_again_and_none_that_is_away(void **state)
{
	(void)state;
	struct fixture b;
	struct client clients[1];
	uint64_t bytes = 0;
	bench_with_total(&b, "--queue-total=0");
	client_open(&b, &clients[0]);
	router.status.up = false;
	fixture_pass(&b, 200);
	block(&b, &clients[0]);
	fixture_pass(&b, 3000);
	assert_int_equal(next_report(&bytes), 0);
	router.status.up = true;
	fixture_pass(&b, 1100);
	assert_int_equal(next_report(&bytes), clients[0].conn->handle);
	dispatch_session(&b.dispatch, 2);
	fixture_turn(&b);
	fixture_pass(&b, 1000);
	assert_int_equal(next_report(&bytes), clients[0].conn->handle);
	finish(&b, clients, 1);
}

static void reports_are_so_many_at_once_and_none_to_a_full_link(void **state)
{
	(void)state;
	enum {
		MANY = QUEUE_REPORTS_MAX + 10
	};
	struct fixture b;
	struct client clients[MANY];
	uint64_t bytes = 0;
	bench_with_total(&b, "--queue-total=0");
	router.full = true;
	for (int i = 0; i < MANY; i++) {
		client_open(&b, &clients[i]);
		router_forget();
		block(&b, &clients[i]);
	}
	fixture_pass(&b, 1000);
	assert_int_equal(next_report(&bytes), 0);
	router.full = false;
	fixture_pass(&b, 100);
	int n = 0;
	while (next_report(&bytes) != 0) {
		n++;
	}
	router_forget();
	assert_int_equal(n, QUEUE_REPORTS_MAX);
	fixture_pass(&b, 1000);
	while (next_report(&bytes) != 0) {
		n++;
	}
	assert_int_equal(n, MANY);
	router_forget();
	for (int i = 0; i < MANY; i++) {
		client_close(&clients[i]);
		router_forget();
		fixture_turn(&b);
	}
	finish(&b, clients, 0);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stands_still_longest_is_closed_first),
		cmocka_unit_test(who_takes_something_is_not_the_next_to_go),
		cmocka_unit_test(who_has_messages_to_drop_is_not_closed_for_them),
		cmocka_unit_test(what_is_left_of_who_goes_is_not_counted),
		cmocka_unit_test(what_is_written_in_the_same_turn_is_never_too_much),
		cmocka_unit_test(a_worker_has_its_share),
		cmocka_unit_test(without_the_option_only_the_own_limit_counts),
		cmocka_unit_test(a_new_limit_is_kept_from_the_next_turn_on),
		cmocka_unit_test(routers_hear_of_a_queue_once_a_second_if_it_changed),
		cmocka_unit_test(routers_hear_that_a_queue_is_empty_again),
		cmocka_unit_test(a_new_router_hears_it_again_and_none_that_is_away),
		cmocka_unit_test(reports_are_so_many_at_once_and_none_to_a_full_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
