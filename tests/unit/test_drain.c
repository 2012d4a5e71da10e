// A worker that is drained, before a restart or by the router's order.

#include "proto/link/crypto_mem.h"
#include "tests/unit/router_says.h"

static void a_drain_waits_for_answers_and_then_closes(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":1}");
	atomic_store(&b.edge.stopping, true);
	worker_post(b.w);
	fixture_turn(&b);
	router_forget();
	client_say(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":2}"); // not read any more
	assert_null(router_next(NULL));
	fixture_pass(&b, 1000);
	assert_int_equal(c.conn->state, CONN_OPEN);
	say_published(&b, &c, req, 5);
	fixture_deliver(&b);
	fixture_pass(&b, 100);
	client_expect(&c, "\"type\":\"ack\",\"id\":1");
	client_expect_close(&c, 1012);
	client_send(&b, &c, FIN | WS_CLOSE, bytes_make("\x03\xf4", 2));
	assert_int_equal(b.edge.n_working, 1);
	client_close(&c);
	fixture_turn(&b);
	fixture_pass(&b, 100);
	assert_int_equal(b.edge.n_working, 0);
	fixture_fini(&b);
}

static void a_drain_does_not_wait_long(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct client half;
	fixture_init(&b);
	client_open(&b, &c);
	client_connect(&b, &half);
	client_write(&b, &half, fixture_request, 20);
	ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":1}");
	atomic_store(&b.edge.stopping, true);
	worker_post(b.w);
	fixture_turn(&b);
	fixture_pass(&b, 2000);
	client_expect_close(&c, 1012);
	client_read(&half);
	assert_non_null(strstr(client_text(&half), "HTTP/1.1 503 "));
	fixture_pass(&b, 5200); // nobody answers
	assert_int_equal(b.edge.n_working, 0);
	client_close(&c);
	client_close(&half);
	fixture_fini(&b);
}

static void say_drain(struct fixture *b, bool active, uint32_t rate)
{
	Weir__Link__V1__Drain drain = WEIR__LINK__V1__DRAIN__INIT;
	drain.active = active;
	drain.rate = rate;
	fixture_say(b, &LINK_ITEM(DRAIN, drain, &drain));
	fixture_deliver(b);
}

static size_t count_closing(const struct client *clients, size_t n)
{
	size_t closing = 0;
	for (size_t i = 0; i < n; i++) {
		closing += clients[i].conn->state == CONN_CLOSING ? 1 : 0;
	}
	return closing;
}

static void a_drain_closes_in_batches_and_can_be_called_off(void **state)
{
	enum {
		CLIENTS = 10
	};
	(void)state;
	struct fixture b;
	struct client clients[CLIENTS];
	fixture_init(&b);
	for (size_t i = 0; i < CLIENTS; i++) {
		client_open(&b, &clients[i]);
	}
	say_drain(&b, true, 20); // 20 a second are 2 a tick
	assert_int_equal(count_closing(clients, CLIENTS), 2);
	fixture_pass(&b, 100);
	assert_int_equal(count_closing(clients, CLIENTS), 4);
	// Whoever is not told yet goes on as before, and who is heard out comes back when it ends.
	uint64_t req = ask(&b, &clients[9], "{\"type\":\"chat\",\"room\":\"r\",\"id\":1}");
	fixture_pass(&b, 100);
	assert_int_equal(count_closing(clients, CLIENTS), 4);
	say_drain(&b, false, 0);
	fixture_pass(&b, 5000);
	say_published(&b, &clients[9], req, 5);
	fixture_deliver(&b);
	client_expect(&clients[9], "\"type\":\"ack\",\"id\":1");
	for (size_t i = 4; i < CLIENTS; i++) {
		assert_int_equal(clients[i].conn->state, CONN_OPEN);
		ask(&b, &clients[i], "{\"type\":\"chat\",\"room\":\"r\",\"id\":2}");
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		client_close(&clients[i]);
	}
	fixture_turn(&b);
	fixture_fini(&b);
}

static void a_drain_has_told_everybody_when_its_time_is_over(void **state)
{
	enum {
		CLIENTS = 200 // more than one batch
	};
	(void)state;
	struct fixture b;
	static struct client clients[CLIENTS];
	fixture_init(&b);
	for (size_t i = 0; i < CLIENTS; i++) {
		client_open(&b, &clients[i]);
		router_forget();
	}
	say_drain(&b, true, 0);
	size_t first = count_closing(clients, CLIENTS);
	assert_true(first > 0 && first < CLIENTS / 2);
	fixture_pass(&b, 300);
	assert_int_equal(count_closing(clients, CLIENTS), CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++) {
		client_close(&clients[i]);
		fixture_turn(&b);
		router_forget();
	}
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_waits_for_answers_and_then_closes),
		cmocka_unit_test(a_drain_does_not_wait_long),
		cmocka_unit_test(a_drain_closes_in_batches_and_can_be_called_off),
		cmocka_unit_test(a_drain_has_told_everybody_when_its_time_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
