// What is the worker's own: deadlines, sessions with the router, the life of tokens.

#include "proto/link/crypto_mem.h"
#include "proto/names.h"
#include "tests/unit/router_says.h"

static void a_request_without_an_answer_ends_at_its_deadline(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t first = ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":1}");
	fixture_pass(&b, 5000);
	ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":2}");
	router.sent_req = first;
	fixture_pass(&b, 4900);
	client_expect_nothing(&c);
	fixture_pass(&b, 100);
	client_expect(&c, "\"id\":1,\"room\":\"r\",\"outcome\":\"unknown\"");
	client_expect_nothing(&c);
	fixture_pass(&b, 5000);
	client_expect(&c, "\"id\":2,\"room\":\"r\",\"outcome\":\"none\"");
	say_published(&b, &c, first, 5); // nobody waits for it any more
	fixture_deliver(&b);
	client_expect_nothing(&c);
	client_close(&c);
	fixture_fini(&b);
}

static void a_new_session_gets_a_snapshot_and_the_questions_again(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct said *said;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 7, 3);
	LIST_FIRST(&c.conn->account.rooms)->presence = true;
	say_delivery(&b, "r", 7, 4, "chat", 0);
	fixture_deliver(&b);
	client_expect(&c, "chat");
	ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":\"sent\"}");
	uint64_t leave = ask(&b, &c, "{\"type\":\"leave\",\"room\":\"r\",\"id\":\"p\"}");
	router.sent_req = leave;
	ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\",\"id\":\"waits\"}");
	router_forget();
	dispatch_session(&b.dispatch, 2);
	fixture_turn(&b);
	assert_int_equal(router.n_snapshots, 1);
	const link_item *item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_CLIENT_UP);
	item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_REJOIN);
	assert_int_equal(item->rejoin->n_places, 1);
	const Weir__Link__V1__Place *place = item->rejoin->places[0];
	assert_bytes_equal(pb_bytes(place->room), "r");
	assert_true(place->epoch == 7 && place->seq == 4 && place->join_seq == 3);
	assert_true(place->presence);
	item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_SNAPSHOT_END);
	item = router_next(&said);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEAVE);
	assert_true(said->req == leave && item->leave->req == leave);
	assert_null(router_next(NULL));
	// The publish that had been sent has an end; the one still waiting will be sent.
	client_expect(&c, "\"id\":\"sent\",\"room\":\"r\",\"outcome\":\"unknown\"");
	client_expect_nothing(&c);
	client_close(&c);
	fixture_fini(&b);
}

// However many rooms a client may be in, no item grows beyond a frame.
static void a_snapshot_names_many_rooms_in_several_items(void **state)
{
	(void)state;
	enum {
		N_ROOMS = 1000,
		ELEMENT_MAX = 64 << 10
	};
	struct fixture b;
	struct client c;
	char room[ROOM_NAME_MAX + 1];
	size_t n = 0;
	const link_item *item;
	fixture_init(&b);
	client_open(&b, &c);
	for (int i = 0; i < N_ROOMS; i++) {
		(void)snprintf(room, sizeof(room), "%0*d", ROOM_NAME_MAX, i);
		say_joined(&b, &c, 0, room, 7, 3, 0);
		fixture_deliver(&b);
		client_expect(&c, room);
	}
	router_forget();
	dispatch_session(&b.dispatch, 2);
	fixture_turn(&b);
	while ((item = router_next_of(WEIR__LINK__V1__ITEM__KIND_REJOIN)) != NULL) {
		assert_in_range(router.said[router.n_taken - 1].packed.len, 1, ELEMENT_MAX);
		assert_true(item->rejoin->client == c.conn->handle);
		n += item->rejoin->n_places;
	}
	assert_int_equal(n, N_ROOMS);
	client_close(&c);
	fixture_fini(&b);
}

static void every_question_is_asked_again_as_it_was(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int kind;
	} rows[] = {
		{ "{\"type\":\"join\",\"room\":\"r\",\"presence\":true}",
			WEIR__LINK__V1__ITEM__KIND_JOIN },
		{ "{\"type\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"a\",\"seq\":5}}",
			WEIR__LINK__V1__ITEM__KIND_JOIN },
		{ "{\"type\":\"leave\",\"room\":\"r\"}", WEIR__LINK__V1__ITEM__KIND_LEAVE },
		{ "{\"type\":\"history\",\"room\":\"r\"}",
			WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST },
		{ "{\"type\":\"history\",\"room\":\"r\",\"before\":9,\"limit\":3}",
			WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		struct buf first = { 0 };
		fixture_init(&b);
		client_open(&b, &c);
		router.sent_req = ask(&b, &c, rows[i].json);
		buf_append_bytes(&first, buf_bytes(&router.said[0].packed));
		router_forget();
		dispatch_session(&b.dispatch, 2);
		fixture_turn(&b);
		const link_item *item = router_next_of(rows[i].kind);
		assert_non_null(item);
		assert_true(bytes_equal(buf_bytes(&router.said[router.n_taken - 1].packed),
			buf_bytes(&first)));
		buf_fini(&first);
		client_close(&c);
		fixture_fini(&b);
	}
}

static void a_token_is_told_to_expire_and_then_does(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	b.conf->jwt_leeway_ms = 2000;
	b.conf->heartbeat_interval_ms = 600000;
	b.conf->heartbeat_timeout_ms = 700000;
	client_open(&b, &c);
	c.conn->identity.expires_s = clock_wall_ms() / 1000 + 60;
	conn_rearm(c.conn);
	fixture_pass(&b, 29900);
	client_expect_nothing(&c);
	fixture_pass(&b, 200);
	client_expect(&c, "{\"type\":\"token:expiring\",\"in\":30}");
	fixture_pass(&b, 31700);
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 300);
	client_expect_close(&c, 4003);
	client_close(&c);
	fixture_fini(&b);
}

static void a_token_does_not_live_longer_because_the_worker_stood_still(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	b.conf->heartbeat_interval_ms = 600000;
	b.conf->heartbeat_timeout_ms = 700000;
	client_open(&b, &c);
	c.conn->identity.expires_s = clock_wall_ms() / 1000 + 60;
	conn_rearm(c.conn);
	fixture_now_ms += 100000;
	fixture_pass(&b, 300);
	client_expect(&c, "token:expiring");
	fixture_pass(&b, 100);
	client_expect_close(&c, 4003);
	client_close(&c);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_without_an_answer_ends_at_its_deadline),
		cmocka_unit_test(a_new_session_gets_a_snapshot_and_the_questions_again),
		cmocka_unit_test(a_snapshot_names_many_rooms_in_several_items),
		cmocka_unit_test(every_question_is_asked_again_as_it_was),
		cmocka_unit_test(a_token_is_told_to_expire_and_then_does),
		cmocka_unit_test(a_token_does_not_live_longer_because_the_worker_stood_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
