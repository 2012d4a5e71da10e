// What a router's answers do to one worker's clients.

#include "proto/link/crypto_mem.h"
#include "tests/unit/router_says.h"

static void a_join_is_asked_and_its_answer_repeats_the_id(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct said *said;
	fixture_init(&b);
	client_open(&b, &c);
	router_forget();
	client_say(&b, &c,
		"{\"type\":\"join\",\"room\":\"r\",\"id\":\"j 1\",\"presence\":true,"
		"\"since\":{\"epoch\":\"abc\",\"seq\":9}}");
	const link_item *item = router_next(&said);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOIN);
	assert_true(item->join->client == c.conn->handle && item->join->req == said->req);
	assert_true(item->join->presence && item->join->has_since && !item->join->automatic);
	assert_true(item->join->since_epoch == 0xabc && item->join->since_seq == 9);
	assert_true(said->deadline_ms == fixture_now_ms + b.conf->publish_timeout_ms);
	uint64_t req = said->req;
	say_joined(&b, &c, req, "r", 0xabc, 9, 1);
	fixture_deliver(&b);
	client_expect(&c,
		"{\"type\":\"joined\",\"room\":\"r\",\"epoch\":\"abc\",\"seq\":9,"
		"\"recovered\":true,\"members\":1,\"messages\":[],\"id\":\"j 1\"}");
	assert_int_equal(c.conn->account.n_rooms, 1);
	assert_int_equal(c.conn->account.n_joining + c.conn->account.n_recoveries, 0);
	client_close(&c);
	fixture_fini(&b);
}

static void without_an_id_there_is_no_ack_but_a_refusal(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\"}");
	say_published(&b, &c, req, 5);
	fixture_deliver(&b);
	client_expect_nothing(&c);
	req = ask(&b, &c, "{\"type\":\"chat\",\"room\":\"r\"}");
	say_refused(&b, &c, req, REFUSAL_FORBIDDEN);
	fixture_deliver(&b);
	client_expect(&c, "\"code\":\"forbidden\"");
	client_close(&c);
	fixture_fini(&b);
}

static void refusals_become_errors(void **state)
{
	(void)state;
	static const struct {
		enum refusal refusal;
		const char *part;
	} rows[] = {
		{ REFUSAL_BAD_ROOM, "\"code\":\"bad_room\"" },
		{ REFUSAL_FORBIDDEN, "\"code\":\"forbidden\"" },
		{ REFUSAL_NOT_MEMBER, "\"code\":\"not_member\"" },
		{ REFUSAL_LIMIT, "\"code\":\"limit\"" },
		{ REFUSAL_RATE_LIMITED, "\"code\":\"rate_limited\"" },
		{ REFUSAL_UNAVAILABLE, "\"outcome\":\"none\"" },
		{ (enum refusal)99, "\"code\":\"unavailable\"" }, // of a newer router
	};
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t req = ask(&b, &c, "{\"type\":\"leave\",\"room\":\"r\",\"id\":1}");
		say_refused(&b, &c, req, rows[i].refusal);
		fixture_deliver(&b);
		client_expect(&c, rows[i].part);
	}
	client_close(&c);
	fixture_fini(&b);
}

static void a_join_answered_too_late_is_a_membership_all_the_same(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"join\",\"room\":\"r\",\"id\":1}");
	router.sent_req = req;
	fixture_pass(&b, 10000);
	client_expect(&c, "\"outcome\":\"unknown\"");
	say_joined(&b, &c, req, "r", 1, 4, 0);
	say_delivery(&b, "r", 1, 5, "chat", 0);
	fixture_deliver(&b);
	client_expect(&c,
		"{\"type\":\"joined\",\"room\":\"r\",\"epoch\":\"1\",\"seq\":4,\"members\":1}");
	client_expect(&c, "chat");
	client_close(&c);
	fixture_fini(&b);
}

static void one_recovery_at_a_time_while_the_router_answers(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	fixture_pass(&b, 100); // sees the link
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"history\",\"room\":\"r\",\"id\":1}");
	router_forget();
	client_say(&b, &c, "{\"type\":\"history\",\"room\":\"s\",\"id\":2}");
	assert_null(router_next(NULL));
	say_refused(&b, &c, req, REFUSAL_LIMIT);
	fixture_deliver(&b);
	client_expect(&c, "\"id\":1");
	fixture_turn(&b);
	assert_non_null(router_next_of(WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST));
	// Without the router nothing is gained by waiting.
	router_forget();
	client_say(&b, &c, "{\"type\":\"ping\"}");
	client_expect_nothing(&c);
	router.status.up = false;
	fixture_pass(&b, 100);
	fixture_turn(&b);
	client_expect(&c, "pong");
	client_close(&c);
	fixture_fini(&b);
}

static void a_gap_is_told_to_those_who_miss_something(void **state)
{
	(void)state;
	struct fixture b;
	struct client old;
	struct client fresh;
	fixture_init(&b);
	client_open(&b, &old);
	client_open(&b, &fresh);
	join(&b, &old, "r", 1, 2);
	join(&b, &fresh, "r", 1, 9);
	say_gap(&b, "r", 1, 3, 9);
	say_delivery(&b, "r", 1, 9, "in the gap", 0);
	say_delivery(&b, "r", 1, 10, "after", 0);
	fixture_deliver(&b);
	client_expect(&old, "\"type\":\"gap\"");
	client_expect(&old, "after");
	client_expect_nothing(&old);
	client_expect(&fresh, "after");
	client_expect_nothing(&fresh);
	client_close(&old);
	client_close(&fresh);
	fixture_fini(&b);
}

static void a_gap_leaves_out_what_has_come(void **state)
{
	(void)state;
	struct fixture b;
	struct client old;
	struct client later;
	fixture_init(&b);
	client_open(&b, &old);
	client_open(&b, &later);
	join(&b, &old, "r", 1, 2);
	say_delivery(&b, "r", 1, 3, "three", 0);
	say_delivery(&b, "r", 1, 4, "four", 0);
	join(&b, &later, "r", 1, 6);
	say_gap(&b, "r", 1, 3, 9); // as another worker needs it
	fixture_deliver(&b);
	client_expect(&old, "three");
	client_expect(&old, "four");
	client_expect(&old, "\"from\":5,\"to\":9,\"reason\":\"link\"}");
	client_expect_nothing(&old);
	client_expect(&later, "\"from\":7,\"to\":9,");
	client_expect_nothing(&later);
	say_gap(&b, "r", 1, 3, 9);
	say_gap(&b, "r", 2, 10, 12);
	say_gap(&b, "elsewhere", 1, 10, 12);
	fixture_deliver(&b);
	client_expect_nothing(&old);
	client_close(&old);
	client_close(&later);
	fixture_fini(&b);
}

static void a_new_epoch_is_told_once_and_counts_from_there(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 1, 50);
	say_joined(&b, &c, 0, "r", 2, 0, 2);
	say_delivery(&b, "r", 2, 1, "first of the new", 0);
	fixture_deliver(&b);
	client_expect(&c,
		"{\"type\":\"joined\",\"room\":\"r\",\"epoch\":\"2\",\"seq\":0,"
		"\"recovered\":false,\"members\":1}");
	client_expect(&c, "first of the new");
	client_expect_nothing(&c);
	client_close(&c);
	fixture_fini(&b);
}

static void an_epoch_that_another_ones_join_tells_of_is_heard_from_its_start(void **state)
{
	(void)state;
	struct fixture b;
	struct client old;
	struct client fresh;
	fixture_init(&b);
	client_open(&b, &old);
	client_open(&b, &fresh);
	join(&b, &old, "r", 1, 50);
	uint64_t req = ask(&b, &fresh, "{\"type\":\"join\",\"room\":\"r\"}");
	say_joined(&b, &fresh, req, "r", 2, 3, 0);
	say_delivery(&b, "r", 2, 4, "fourth of the new", 0);
	fixture_deliver(&b);
	client_expect(&old, "fourth of the new");
	client_close(&old);
	client_close(&fresh);
	fixture_fini(&b);
}

static void a_recovery_too_large_for_the_queue_is_none(void **state)
{
	(void)state;
	static uint8_t body[FIXTURE_QUEUE_LIMIT];
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c,
		"{\"type\":\"join\",\"room\":\"r\",\"since\":{\"epoch\":\"1\",\"seq\":0}}");
	memset(body, 'x', sizeof(body));
	static const char begin[] = "{\"a\":\"";
	for (size_t i = 0; i < sizeof(begin) - 1; i++) {
		body[i] = (uint8_t)begin[i];
	}
	body[sizeof(body) - 2] = '"';
	body[sizeof(body) - 1] = '}';
	Weir__Link__V1__Message message = WEIR__LINK__V1__MESSAGE__INIT;
	message.seq = 1;
	message.type = pb_data(bytes_str("chat"));
	message.body = pb_data(bytes_make(body, sizeof(body)));
	Weir__Link__V1__Message *messages[] = { &message };
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = c.conn->handle;
	joined.req = req;
	joined.room = pb_data(bytes_str("r"));
	joined.epoch = 1;
	joined.seq = 1;
	joined.recovery = 1;
	joined.n_messages = 1;
	joined.messages = messages;
	fixture_say(&b, &LINK_ITEM(JOINED, joined, &joined));
	fixture_deliver(&b);
	client_expect(&c, "\"seq\":1,\"recovered\":false,\"members\":0}");
	assert_int_equal(c.conn->state, CONN_OPEN);
	client_close(&c);
	fixture_fini(&b);
}

static void nothing_comes_after_left(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 1, 0);
	uint64_t req = ask(&b, &c, "{\"type\":\"leave\",\"room\":\"r\",\"id\":3}");
	say_delivery(&b, "r", 1, 1, "last", 0);
	say_left(&b, &c, req, "r", "");
	say_delivery(&b, "r", 1, 2, "too late", 0);
	fixture_deliver(&b);
	client_expect(&c, "last");
	client_expect(&c, "{\"type\":\"left\",\"room\":\"r\",\"id\":3}");
	client_expect_nothing(&c);
	assert_int_equal(c.conn->account.n_rooms, 0);
	client_close(&c);
	fixture_fini(&b);
}

static void a_kicked_client_reads_why(void **state)
{
	(void)state;
	static const struct {
		const char *reason;
		unsigned code;
	} rows[] = {
		{ "revoked", 4004 },
		{ "replaced", 4005 },
		{ "overloaded", 1013 },
		{ "of a newer router", 4004 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init(&b);
		client_open(&b, &c);
		say_kick(&b, &c, rows[i].reason);
		fixture_deliver(&b);
		client_expect_close(&c, rows[i].code);
		client_close(&c);
		fixture_fini(&b);
	}
}

static void answers_for_a_client_that_is_gone_find_nobody(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct client next;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t req = ask(&b, &c, "{\"type\":\"join\",\"room\":\"r\",\"id\":1}");
	say_joined(&b, &c, req, "r", 1, 0, 0);
	say_delivery(&b, "r", 1, 1, "chat", 0);
	client_close(&c);
	fixture_turn(&b);
	client_open(&b, &next); // in the same slot
	fixture_deliver(&b);
	client_expect_nothing(&next);
	assert_null(fib_find(&worker_clients(b.w)->fib, bytes_str("r")));
	assert_null(pending_oldest(&worker_clients(b.w)->uplinks[0].pending));
	client_close(&next);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_join_is_asked_and_its_answer_repeats_the_id),
		cmocka_unit_test(without_an_id_there_is_no_ack_but_a_refusal),
		cmocka_unit_test(refusals_become_errors),
		cmocka_unit_test(a_join_answered_too_late_is_a_membership_all_the_same),
		cmocka_unit_test(one_recovery_at_a_time_while_the_router_answers),
		cmocka_unit_test(a_gap_is_told_to_those_who_miss_something),
		cmocka_unit_test(a_gap_leaves_out_what_has_come),
		cmocka_unit_test(a_new_epoch_is_told_once_and_counts_from_there),
		cmocka_unit_test(an_epoch_that_another_ones_join_tells_of_is_heard_from_its_start),
		cmocka_unit_test(a_recovery_too_large_for_the_queue_is_none),
		cmocka_unit_test(nothing_comes_after_left),
		cmocka_unit_test(a_kicked_client_reads_why),
		cmocka_unit_test(answers_for_a_client_that_is_gone_find_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
