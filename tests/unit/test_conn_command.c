// What a client's message does before the router is asked, seen from one worker.

#include "proto/link/crypto_mem.h"
#include "tests/unit/router_says.h"

static void what_the_rights_forbid_is_not_asked(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"{\"type\":\"join\",\"room\":\"x\",\"id\":1}",
		"{\"type\":\"join\",\"room\":\"half\",\"presence\":true,\"id\":1}",
		"{\"type\":\"chat\",\"room\":\"x\",\"id\":1}",
		"{\"type\":\"history\",\"room\":\"x\",\"id\":1}",
		"{\"type\":\"presence\",\"room\":\"x\",\"id\":1}",
		"{\"type\":\"direct\",\"to\":\"bob\",\"id\":1}",
		"{\"type\":\"admin:broadcast\",\"id\":1}",
	};
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	c.conn->identity.rights = rights_new();
	assert_true(rights_add_option(c.conn->identity.rights, "join=half"));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		router_forget();
		client_say(&b, &c, commands[i]);
		client_expect(&c, "\"message\":\"Insufficient permissions\",\"id\":1");
		assert_null(router_next(NULL));
	}
	client_close(&c);
	fixture_fini(&b);
}

static void a_connection_may_be_in_so_many_rooms(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	b.conf->max_rooms_per_connection = 3;
	client_open(&b, &c);
	join(&b, &c, "a", 1, 0);
	join(&b, &c, "b", 1, 0);
	uint64_t req = ask(&b, &c, "{\"type\":\"join\",\"room\":\"c\"}");
	client_say(&b, &c, "{\"type\":\"join\",\"room\":\"d\"}"); // while that is under way
	client_expect(&c, "\"code\":\"limit\"");
	say_refused(&b, &c, req, REFUSAL_FORBIDDEN);
	fixture_deliver(&b);
	client_expect(&c, "forbidden");
	join(&b, &c, "d", 1, 0);
	join(&b, &c, "a", 1, 0); // again, which needs no space
	client_say(&b, &c, "{\"type\":\"join\",\"room\":\"e\"}");
	client_expect(&c, "\"code\":\"limit\"");
	client_close(&c);
	fixture_fini(&b);
}

static void a_full_queue_to_the_router_is_said_at_once(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	router_forget();
	router.full = true;
	client_say(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":1}");
	client_expect(&c, "\"id\":1,\"room\":\"r\",\"outcome\":\"none\"");
	assert_null(router_next(NULL));
	client_close(&c);
	fixture_fini(&b);
}

static void rooms_that_a_new_token_forbids_are_left(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"join\",\"room\":\"r\",\"id\":1}");
	// As if renewed while the join was under way.
	c.conn->identity.rights = rights_new();
	assert_true(rights_add_option(c.conn->identity.rights, "join=other"));
	say_joined(&b, &c, req, "r", 1, 0, 0);
	say_delivery(&b, "r", 1, 1, "secret", 0);
	fixture_deliver(&b);
	client_expect(&c, "\"code\":\"forbidden\"");
	client_expect_nothing(&c);
	assert_int_equal(c.conn->account.n_rooms + c.conn->account.n_joining, 0);
	client_close(&c);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_rights_forbid_is_not_asked),
		cmocka_unit_test(a_connection_may_be_in_so_many_rooms),
		cmocka_unit_test(a_full_queue_to_the_router_is_said_at_once),
		cmocka_unit_test(rooms_that_a_new_token_forbids_are_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
