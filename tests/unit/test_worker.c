// What passes between clients and a router, seen from one worker.

#include <sys/types.h>

#include "proto/link/crypto_mem.h"
#include "proto/names.h"
#include "tests/unit/edge_fixture.h"

// ---- what the router says

static void say_joined(struct fixture *b, const struct client *c, uint64_t req, const char *room,
	uint64_t epoch, uint64_t seq, uint32_t recovery)
{
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = c->conn->handle;
	joined.req = req;
	joined.room = pb_data(bytes_str(room));
	joined.epoch = epoch;
	joined.seq = seq;
	joined.members = 1;
	joined.recovery = recovery;
	fixture_say(b, &LINK_ITEM(JOINED, joined, &joined));
}

static void say_delivery_of(struct fixture *b, const char *room, uint64_t epoch, uint64_t seq,
	const char *type, uint64_t except, struct bytes body)
{
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(bytes_str(room));
	delivery.epoch = epoch;
	delivery.seq = seq;
	delivery.timestamp_ms = 1;
	delivery.type = pb_data(bytes_str(type));
	delivery.body = pb_data(body);
	delivery.except = except;
	fixture_say(b, &LINK_ITEM(DELIVERY, delivery, &delivery));
}

static void say_delivery(struct fixture *b, const char *room, uint64_t epoch, uint64_t seq,
	const char *type, uint64_t except)
{
	say_delivery_of(b, room, epoch, seq, type, except, bytes_str("{}"));
}

static void say_left(struct fixture *b, const struct client *c, uint64_t req, const char *room,
	const char *reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = c->conn->handle;
	left.req = req;
	left.room = pb_data(bytes_str(room));
	left.reason = pb_data(bytes_str(reason));
	fixture_say(b, &LINK_ITEM(LEFT, left, &left));
}

static void say_published(struct fixture *b, const struct client *c, uint64_t req, uint64_t seq)
{
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	published.client = c->conn->handle;
	published.req = req;
	published.epoch = 1;
	published.seq = seq;
	published.timestamp_ms = 1;
	published.members = 2;
	fixture_say(b, &LINK_ITEM(PUBLISHED, published, &published));
}

static void say_refused(struct fixture *b, const struct client *c, uint64_t req, enum refusal code)
{
	Weir__Link__V1__Refused refused = WEIR__LINK__V1__REFUSED__INIT;
	refused.client = c->conn->handle;
	refused.req = req;
	refused.code = code;
	fixture_say(b, &LINK_ITEM(REFUSED, refused, &refused));
}

static void say_gap(struct fixture *b, const char *room, uint64_t epoch, uint64_t from, uint64_t to)
{
	Weir__Link__V1__Gap gap = WEIR__LINK__V1__GAP__INIT;
	gap.room = pb_data(bytes_str(room));
	gap.epoch = epoch;
	gap.from = from;
	gap.to = to;
	gap.reason = pb_data(bytes_str("link"));
	fixture_say(b, &LINK_ITEM(GAP, gap, &gap));
}

static void say_kick(struct fixture *b, const struct client *c, const char *reason)
{
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = c->conn->handle;
	kick.reason = pb_data(bytes_str(reason));
	fixture_say(b, &LINK_ITEM(KICK, kick, &kick));
}

// The client asks; returns the number of its request.
static uint64_t ask(struct fixture *b, struct client *c, const char *json)
{
	router_forget();
	client_say(b, c, json);
	assert_int_equal(router.n_said, 1);
	assert_true(router.said[0].req > 0);
	return router.said[0].req;
}

// The client joins the room, which is at (epoch, seq).
static void join(struct fixture *b, struct client *c, const char *room, uint64_t epoch,
	uint64_t seq)
{
	struct buf json = { 0 };
	buf_printf(&json, "{\"type\":\"join\",\"room\":\"%s\",\"presence\":false}", room);
	*buf_reserve(&json, 1) = '\0';
	uint64_t req = ask(b, c, (const char *)json.data);
	say_joined(b, c, req, room, epoch, seq, 0);
	fixture_deliver(b);
	client_expect(c, "\"type\":\"joined\"");
	buf_fini(&json);
}

// ---- requests and answers

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

// ---- messages

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

// ---- sessions

static void a_new_session_gets_a_snapshot_and_the_questions_again(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct said *said;
	fixture_init(&b);
	client_open(&b, &c);
	join(&b, &c, "r", 7, 3);
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

// ---- a new token

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

// ---- the drain

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
		cmocka_unit_test(a_join_is_asked_and_its_answer_repeats_the_id),
		cmocka_unit_test(a_sender_gets_its_message_before_its_ack),
		cmocka_unit_test(without_an_id_there_is_no_ack_but_a_refusal),
		cmocka_unit_test(refusals_become_errors),
		cmocka_unit_test(what_the_rights_forbid_is_not_asked),
		cmocka_unit_test(a_connection_may_be_in_so_many_rooms),
		cmocka_unit_test(a_full_queue_to_the_router_is_said_at_once),
		cmocka_unit_test(a_request_without_an_answer_ends_at_its_deadline),
		cmocka_unit_test(a_join_answered_too_late_is_a_membership_all_the_same),
		cmocka_unit_test(one_recovery_at_a_time_while_the_router_answers),
		cmocka_unit_test(a_repeated_message_is_handed_on_once),
		cmocka_unit_test(a_member_gets_what_came_after_it_joined),
		cmocka_unit_test(who_is_left_out_is_left_out_and_ephemeral_ones_have_no_place),
		cmocka_unit_test(a_gap_is_told_to_those_who_miss_something),
		cmocka_unit_test(a_gap_leaves_out_what_has_come),
		cmocka_unit_test(a_new_epoch_is_told_once_and_counts_from_there),
		cmocka_unit_test(a_recovery_too_large_for_the_queue_is_none),
		cmocka_unit_test(nothing_comes_after_left),
		cmocka_unit_test(a_slow_member_ends_in_the_middle_of_a_delivery),
		cmocka_unit_test(a_large_room_does_not_keep_other_rooms_waiting),
		cmocka_unit_test(no_turn_waits_while_bulk_is_left),
		cmocka_unit_test(a_turn_sends_bulk_until_its_time_is_over),
		cmocka_unit_test(bulk_has_as_much_time_as_the_rest_of_a_turn),
		cmocka_unit_test(a_large_message_is_bulk_and_its_batches_are_small),
		cmocka_unit_test(a_kicked_client_reads_why),
		cmocka_unit_test(answers_for_a_client_that_is_gone_find_nobody),
		cmocka_unit_test(a_new_session_gets_a_snapshot_and_the_questions_again),
		cmocka_unit_test(a_snapshot_names_many_rooms_in_several_items),
		cmocka_unit_test(every_question_is_asked_again_as_it_was),
		cmocka_unit_test(rooms_that_a_new_token_forbids_are_left),
		cmocka_unit_test(a_token_is_told_to_expire_and_then_does),
		cmocka_unit_test(a_token_does_not_live_longer_because_the_worker_stood_still),
		cmocka_unit_test(a_drain_waits_for_answers_and_then_closes),
		cmocka_unit_test(a_drain_does_not_wait_long),
		cmocka_unit_test(a_drain_closes_in_batches_and_can_be_called_off),
		cmocka_unit_test(a_drain_has_told_everybody_when_its_time_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
