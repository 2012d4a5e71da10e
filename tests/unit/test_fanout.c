// What goes to the members of a room, seen from one worker.

#include "proto/link/crypto_mem.h"
#include "tests/unit/router_says.h"

static void a_sender_gets_its_message_before_its_ack(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 1, 4);
	uint64_t req = ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":7,\"n\":1}");
	say_delivery(&b, "r", 1, 5, "chat", 0);
	say_published(&b, &c, req, 5);
	fixture_deliver(&b);
	client_expect(&c, "\"type\":\"chat\"");
	client_expect(&c, "{\"type\":\"ack\",\"id\":7,\"room\":\"r\",\"epoch\":\"1\",\"seq\":5");
	assert_int_equal(router.consumed, b.mark);
	client_close(&c);
	fixture_fini(&b);
}

static void a_repeated_message_is_handed_on_once(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 1, 4);
	say_delivery(&b, "r", 1, 4, "before", 0);
	say_delivery(&b, "r", 1, 5, "five", 0);
	say_delivery(&b, "r", 1, 5, "five again", 0);
	say_delivery(&b, "r", 1, 6, "six", 0);
	say_delivery(&b, "other", 1, 1, "not here", 0);
	fixture_deliver(&b);
	client_expect(&c, "\"type\":\"five\"");
	client_expect(&c, "\"type\":\"six\"");
	client_expect_nothing(&c);
	client_close(&c);
	fixture_fini(&b);
}

static void a_member_gets_what_came_after_it_joined(void **state)
{
	(void)state;
	struct fixture b;
	struct client old;
	struct client fresh;
	fixture_init(&b);
	client_open(&b, &old);
	client_open(&b, &fresh);
	join(&b, &old, "r", 1, 0);
	uint64_t req = ask(&b, &fresh, "{\"type\":\"join\",\"room\":\"r\"}");
	// The router was at 2 when it answered; the room's own messages up to there come as well.
	say_joined(&b, &fresh, req, "r", 1, 2, 0);
	say_delivery(&b, "r", 1, 1, "one", 0);
	say_delivery(&b, "r", 1, 2, "two", 0);
	say_delivery(&b, "r", 1, 3, "three", 0);
	fixture_deliver(&b);
	client_expect(&old, "one");
	client_expect(&old, "two");
	client_expect(&old, "three");
	client_expect(&fresh, "joined");
	client_expect(&fresh, "three");
	client_close(&old);
	client_close(&fresh);
	fixture_fini(&b);
}

static void who_is_left_out_is_left_out_and_ephemeral_ones_have_no_place(void **state)
{
	(void)state;
	struct fixture b;
	struct client a;
	struct client c;
	fixture_init(&b);
	client_open(&b, &a);
	client_open(&b, &c);
	join(&b, &a, "r", 1, 3);
	join(&b, &c, "r", 1, 3);
	say_delivery(&b, "r", 1, 0, "typing", a.conn->handle);
	say_delivery(&b, "r", 1, 0, "typing", a.conn->handle);
	say_delivery(&b, "r", 1, 4, "chat", c.conn->handle);
	fixture_deliver(&b);
	client_expect(&a, "chat");
	client_expect_nothing(&a);
	client_expect(&c, "typing");
	client_expect(&c, "typing");
	client_expect_nothing(&c);
	client_close(&a);
	client_close(&c);
	fixture_fini(&b);
}

static void a_slow_member_ends_in_the_middle_of_a_delivery(void **state)
{
	(void)state;
	enum {
		N = 5
	};
	static char text[30000];
	struct fixture b;
	struct client clients[N];
	fixture_init(&b);
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < N; i++) {
		client_open(&b, &clients[i]);
		join(&b, &clients[i], "r", 1, 0);
	}
	// Two of them have no space left for a single message.
	for (int i = 1; i < N; i += 2) {
		while (clients[i].conn->stream.out.bytes + sizeof(text) < FIXTURE_QUEUE_LIMIT) {
			conn_send(clients[i].conn, frame_new(WS_TEXT, bytes_str(text)));
			if (clients[i].conn->stream.blocked == NULL) {
				fixture_turn(&b);
			}
		}
		while (clients[i].conn->stream.out.bytes + 50 < FIXTURE_QUEUE_LIMIT) {
			conn_send(clients[i].conn, frame_new(WS_TEXT, bytes_str("small")));
		}
	}
	router_forget();
	say_delivery(&b, "r", 1, 1, "a type of a message that is longer than fifty bytes", 0);
	say_delivery(&b, "r", 1, 2, "next", 0);
	fixture_deliver(&b);
	for (int i = 0; i < N; i += 2) {
		client_expect(&clients[i], "longer");
		client_expect(&clients[i], "next");
	}
	for (int i = 1; i < N; i += 2) {
		assert_int_equal(clients[i].conn->state, CONN_CLOSING);
		assert_non_null(router_next_of(WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN));
	}
	assert_int_equal(fib_find(&worker_clients(b.w)->fib, bytes_str("r"))->n_members, 3);
	for (int i = 0; i < N; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

static unsigned count_heard(struct client *clients, unsigned n)
{
	unsigned heard = 0;
	for (unsigned i = 0; i < n; i++) {
		client_read(&clients[i]);
		heard += clients[i].in.len > 0;
	}
	return heard;
}

static void open_large_room(struct fixture *b, struct client *clients, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		client_open(b, &clients[i]);
		join(b, &clients[i], "large", 1, 0);
		router_forget();
	}
}

static const struct stream_list *bulk_list(const struct fixture *b)
{
	return &worker_clients(b->w)->turn.streams.bulk;
}

// How many streams are flushed between two readings of the clock.
static unsigned size_of_batch(const struct fixture *b)
{
	return worker_clients(b->w)->turn.streams.batch != NULL ? STREAM_BULK_BATCH : 1;
}

// Two members of the large room are in another room too.
static void a_large_room_does_not_keep_other_rooms_waiting(void **state)
{
	(void)state;
	enum {
		N = STREAM_BULK_MIN + 30
	};
	static struct client clients[N];
	struct fixture b;
	fixture_init(&b);
	open_large_room(&b, clients, N);
	join(&b, &clients[0], "few", 2, 0);
	join(&b, &clients[N - 1], "few", 2, 0);
	fixture_read_us = STREAM_BULK_US;
	say_delivery(&b, "large", 1, 1, "to-many", 0);
	say_delivery(&b, "few", 2, 1, "to-few", 0);
	fixture_deliver(&b);
	for (unsigned i = 0; i < N; i += N - 1) {
		client_expect(&clients[i], "to-many");
		client_expect(&clients[i], "to-few");
		client_expect_nothing(&clients[i]);
	}
	assert_int_equal(count_heard(clients, N), size_of_batch(&b));
	while (!TAILQ_EMPTY(bulk_list(&b))) {
		fixture_turn(&b);
	}
	assert_int_equal(count_heard(clients, N), N - 2);
	for (unsigned i = 1; i < N - 1; i++) {
		client_expect(&clients[i], "to-many");
		client_expect_nothing(&clients[i]);
	}
	for (unsigned i = 0; i < N; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

static void no_turn_waits_while_bulk_is_left(void **state)
{
	(void)state;
	enum {
		N = STREAM_BULK_MIN + 30
	};
	static struct client clients[N];
	struct fixture b;
	fixture_init(&b);
	open_large_room(&b, clients, N);
	fixture_read_us = STREAM_BULK_US;
	say_delivery(&b, "large", 1, 1, "to-many", 0);
	fixture_deliver(&b);
	assert_false(TAILQ_EMPTY(bulk_list(&b)));
	uint64_t waits = loop_waits(worker_loop(b.w));
	while (!TAILQ_EMPTY(bulk_list(&b))) {
		fixture_turn(&b);
	}
	assert_int_equal(loop_waits(worker_loop(b.w)), waits);
	fixture_turn(&b);
	assert_int_equal(loop_waits(worker_loop(b.w)), waits + 1);
	for (unsigned i = 0; i < N; i++) {
		client_expect(&clients[i], "to-many");
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

static void a_turn_sends_bulk_until_its_time_is_over(void **state)
{
	(void)state;
	enum {
		PARTS = 3,
		N = STREAM_BULK_MIN + PARTS * STREAM_BULK_BATCH
	};
	static struct client clients[N];
	struct fixture b;
	fixture_init(&b);
	open_large_room(&b, clients, N);
	fixture_read_us = (STREAM_BULK_US + PARTS - 1) / PARTS;
	say_delivery(&b, "large", 1, 1, "to-many", 0);
	fixture_deliver(&b);
	assert_int_equal(count_heard(clients, N), PARTS * size_of_batch(&b));
	fixture_read_us = 0; // no time passes: there is no other bound
	fixture_turn(&b);
	assert_int_equal(count_heard(clients, N), N);
	for (unsigned i = 0; i < N; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

// Or a worker that is busy with other things would send next to nothing of it.
static void bulk_has_as_much_time_as_the_rest_of_a_turn(void **state)
{
	(void)state;
	enum {
		PARTS = 3,
		N = STREAM_BULK_MIN + STREAM_BULK_BATCH
	};
	static struct client clients[N];
	struct fixture b;
	fixture_init(&b);
	open_large_room(&b, clients, N);
	fixture_read_us = STREAM_BULK_US;
	say_delivery(&b, "large", 1, 1, "to-many", 0);
	fixture_deliver(&b);
	assert_int_equal(count_heard(clients, N), size_of_batch(&b));
	fixture_passed_us += (uint64_t)(PARTS - 1) * STREAM_BULK_US;
	fixture_turn(&b);
	assert_int_equal(count_heard(clients, N), (1 + PARTS) * size_of_batch(&b));
	fixture_turn(&b); // of which the rest was short again
	assert_int_equal(count_heard(clients, N), (2 + PARTS) * size_of_batch(&b));
	while (!TAILQ_EMPTY(bulk_list(&b))) {
		fixture_turn(&b);
	}
	// What passes until there is bulk again is no turn's.
	fixture_passed_us += (uint64_t)(PARTS - 1) * STREAM_BULK_US;
	say_delivery(&b, "large", 1, 2, "again", 0);
	for (unsigned i = 0; i < N; i++) {
		client_expect(&clients[i], "to-many");
	}
	fixture_deliver(&b);
	assert_int_equal(count_heard(clients, N), size_of_batch(&b));
	for (unsigned i = 0; i < N; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

// Few members, but more bytes than a batch: others need not wait for all of them.
static void a_large_message_is_bulk_and_its_batches_are_small(void **state)
{
	(void)state;
	enum {
		LEN = 30000,
		PART = STREAM_BULK_BATCH_BYTES / LEN + 1,
		N = 2 * PART
	};
	static struct client clients[N];
	static char body[LEN + 1];
	struct fixture b;
	fixture_init(&b);
	open_large_room(&b, clients, N);
	(void)snprintf(body, sizeof(body), "{\"text\":\"%0*d\"}", LEN - 11, 0);
	fixture_read_us = STREAM_BULK_US;
	say_delivery_of(&b, "large", 1, 1, "picture", 0, bytes_str(body));
	fixture_deliver(&b);
	assert_int_equal(count_heard(clients, N), size_of_batch(&b) > 1 ? PART : 1);
	while (!TAILQ_EMPTY(bulk_list(&b))) {
		fixture_turn(&b);
	}
	assert_int_equal(count_heard(clients, N), N);
	for (unsigned i = 0; i < N; i++) {
		client_close(&clients[i]);
	}
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sender_gets_its_message_before_its_ack),
		cmocka_unit_test(a_repeated_message_is_handed_on_once),
		cmocka_unit_test(a_member_gets_what_came_after_it_joined),
		cmocka_unit_test(who_is_left_out_is_left_out_and_ephemeral_ones_have_no_place),
		cmocka_unit_test(a_slow_member_ends_in_the_middle_of_a_delivery),
		cmocka_unit_test(a_large_room_does_not_keep_other_rooms_waiting),
		cmocka_unit_test(no_turn_waits_while_bulk_is_left),
		cmocka_unit_test(a_turn_sends_bulk_until_its_time_is_over),
		cmocka_unit_test(bulk_has_as_much_time_as_the_rest_of_a_turn),
		cmocka_unit_test(a_large_message_is_bulk_and_its_batches_are_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
