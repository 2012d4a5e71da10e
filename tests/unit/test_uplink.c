// An uplink over a link of the test's, which keeps what is flushed and says which requests have
// been written.
#include <stdlib.h>

#include "common/mem.h"
#include "edge/auth/auth.h"
#include "edge/uplink/uplink.h"
#include "proto/link_items.h"
#include "tests/unit/test.h"

enum {
	WORKER = 2,
	CONN = 9,
	DEADLINE_MS = 5000,
};

struct link {
	struct link_outbox sent; // of the last flush or snapshot
	unsigned n_flushes;
	size_t room; // bytes that publish-queue still takes
	uint64_t written; // requests up to this number have been
	uint64_t session; // of the last snapshot
	uint64_t mark;
	uint64_t resend_ms;
};

struct rig {
	struct link link;
	struct uplink up;
	struct link_arena arena;
	struct identity identity;
	unsigned n_announced;
	unsigned n_lost;
};

static bool has_room(void *link, size_t more)
{
	return more <= ((struct link *)link)->room;
}

static void take(struct link *link, struct link_outbox *outbox)
{
	buf_reset(&link->sent.entries, 0);
	buf_append_bytes(&link->sent.entries, buf_bytes(&outbox->entries));
	buf_reset(&outbox->entries, 0);
}

static void flush(void *link, unsigned worker, struct link_outbox *outbox)
{
	assert_int_equal(worker, WORKER);
	((struct link *)link)->n_flushes++;
	take(link, outbox);
}

static void snapshot(void *link, unsigned worker, uint64_t session, struct link_outbox *outbox)
{
	assert_int_equal(worker, WORKER);
	((struct link *)link)->session = session;
	take(link, outbox);
}

static void consumed(void *link, unsigned worker, uint64_t mark)
{
	assert_int_equal(worker, WORKER);
	((struct link *)link)->mark = mark;
}

static bool was_sent(void *link, unsigned worker, uint64_t req)
{
	assert_int_equal(worker, WORKER);
	return req <= ((struct link *)link)->written;
}

static struct router_link_status status(void *link)
{
	return (struct router_link_status){
		.up = true,
		.resend_ms = ((struct link *)link)->resend_ms,
	};
}

static const struct uplink_ops ops = { has_room, flush, snapshot, consumed, was_sent, status };

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	rig->link.room = 1 << 20;
	rig->identity.user = (char *)"ada";
	uplink_init(&rig->up, &ops, &rig->link, WORKER);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	uplink_fini(&rig->up);
	link_outbox_fini(&rig->link.sent);
	link_arena_fini(&rig->arena);
	free(rig);
	return 0;
}

// The next item that left; NULL at the end. Good until the next call.
static const link_item *next(struct rig *rig, size_t *at, struct link_entry *entry)
{
	if (!link_outbox_next(&rig->link.sent, at, entry)) {
		return NULL;
	}
	struct bytes element = entry->element;
	struct bytes packed;
	assert_int_equal(link_batch_next(&element, &packed), 1);
	const link_item *item = link_item_unpack(&rig->arena, packed);
	assert_non_null(item);
	return item;
}

// Asks, and gives the one item that leaves.
static const link_item *ask(struct rig *rig, const struct request *request)
{
	size_t at = 0;
	struct link_entry entry;
	assert_true(uplink_ask(&rig->up, request, DEADLINE_MS));
	uplink_flush(&rig->up);
	const link_item *item = next(rig, &at, &entry);
	assert_int_equal(entry.req, rig->up.pending.next - 1);
	assert_int_equal(entry.deadline_ms, DEADLINE_MS);
	return item;
}

static struct request request_for(enum command_kind kind)
{
	return (struct request){
		.kind = kind,
		.conn = CONN,
		.id = bytes_str("\"1\""),
		.room = bytes_str("r"),
	};
}

#define ASK(rig, ...) ask(rig, &(struct request){ .conn = CONN, __VA_ARGS__ })

static void makes_each_command_the_item_of_its_kind(void **state)
{
	struct rig *rig = *state;
	static const struct {
		enum command_kind kind;
		Weir__Link__V1__Item__KindCase item;
	} cases[] = {
		{ COMMAND_JOIN, WEIR__LINK__V1__ITEM__KIND_JOIN },
		{ COMMAND_LEAVE, WEIR__LINK__V1__ITEM__KIND_LEAVE },
		{ COMMAND_PUBLISH, WEIR__LINK__V1__ITEM__KIND_PUBLISH },
		{ COMMAND_DIRECT, WEIR__LINK__V1__ITEM__KIND_PUBLISH },
		{ COMMAND_BROADCAST, WEIR__LINK__V1__ITEM__KIND_BROADCAST },
		{ COMMAND_PRESENCE, WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST },
		{ COMMAND_HISTORY, WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST },
		{ COMMAND_DISCONNECT, WEIR__LINK__V1__ITEM__KIND_DISCONNECT },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request request = request_for(cases[i].kind);
		const link_item *item = ask(rig, &request);
		assert_int_equal(item->kind_case, cases[i].item);
		assert_int_equal(link_item_client(item), CONN);
	}
}

static void carries_what_the_command_says(void **state)
{
	struct rig *rig = *state;
	const link_item *item = ASK(rig, .kind = COMMAND_JOIN, .room = bytes_str("r"),
		.presence = true, .has_since = true, .since_epoch = 5, .since_seq = 6);
	assert_bytes_equal(pb_bytes(item->join->room), "r");
	assert_true(item->join->presence && item->join->has_since && !item->join->automatic);
	assert_int_equal(item->join->since_epoch, 5);
	assert_int_equal(item->join->since_seq, 6);
	item = ASK(rig, .kind = COMMAND_JOIN, .automatic = true);
	assert_true(item->join->automatic);
	item = ASK(rig, .kind = COMMAND_PUBLISH, .type = bytes_str("chat"),
		.body = bytes_str("{\"a\":1}"), .key = bytes_str("k"), .no_echo = true);
	assert_bytes_equal(pb_bytes(item->publish->type), "chat");
	assert_bytes_equal(pb_bytes(item->publish->body), "{\"a\":1}");
	assert_bytes_equal(pb_bytes(item->publish->key), "k");
	assert_true(item->publish->no_echo && !item->publish->ephemeral);
	item = ASK(rig, .kind = COMMAND_HISTORY, .has_before = true, .before = 8, .limit = 3);
	assert_true(item->history_request->has_before);
	assert_int_equal(item->history_request->before, 8);
	assert_int_equal(item->history_request->limit, 3);
}

static void asks_nothing_that_does_not_fit_the_queue(void **state)
{
	struct rig *rig = *state;
	struct request request = request_for(COMMAND_PUBLISH);
	char body[200] = { 0 };
	request.body = bytes_make(body, sizeof(body));
	rig->link.room = sizeof(body);
	assert_false(uplink_ask(&rig->up, &request, DEADLINE_MS));
	assert_null(pending_oldest(&rig->up.pending));
	uplink_flush(&rig->up);
	assert_int_equal(rig->link.n_flushes, 0);
	request.body = bytes_make(NULL, 0);
	assert_true(uplink_ask(&rig->up, &request, DEADLINE_MS));
}

static void knows_which_answers_may_be_large(void **state)
{
	struct rig *rig = *state;
	struct request request = request_for(COMMAND_JOIN);
	assert_false(request_is_recovery(&request));
	request.has_since = true;
	assert_true(request_is_recovery(&request));
	assert_true(uplink_ask(&rig->up, &request, DEADLINE_MS));
	assert_true(uplink_is_recovery(pending_oldest(&rig->up.pending)));
	request = request_for(COMMAND_HISTORY);
	assert_true(request_is_recovery(&request));
	request = request_for(COMMAND_PUBLISH);
	assert_false(request_is_recovery(&request));
}

static struct request history_of(uint64_t conn)
{
	struct request request = request_for(COMMAND_HISTORY);
	request.conn = conn;
	return request;
}

static void ask_histories(struct rig *rig, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct request request = history_of(CONN + i);
		assert_true(uplink_ask(&rig->up, &request, DEADLINE_MS));
	}
}

// How many requests leave, all of them histories of connections that follow each other.
static unsigned count_sent(struct rig *rig, uint64_t first)
{
	size_t at = 0;
	struct link_entry entry;
	const link_item *item;
	unsigned n = 0;
	buf_reset(&rig->link.sent.entries, 0);
	uplink_flush(&rig->up);
	for (; (item = next(rig, &at, &entry)) != NULL; n++) {
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST);
		assert_int_equal(link_item_client(item), first + n);
	}
	return n;
}

// The oldest that was asked is answered, and whoever has a turn is asked.
static void answer_oldest(struct rig *rig, size_t bytes)
{
	struct pending_entry *entry = NULL;
	rig->link.written = UINT64_MAX;
	for (uint64_t req = 1; entry == NULL || !uplink_was_sent(&rig->up, entry); req++) {
		entry = pending_find(&rig->up.pending, req);
	}
	uplink_close(&rig->up, entry, bytes);
	while ((entry = uplink_next_turn(&rig->up)) != NULL) {
		uplink_ask_waiting(&rig->up, entry);
	}
}

static void asks_for_as_much_at_a_time_as_its_answers_may_have(void **state)
{
	struct rig *rig = *state;
	struct request publish = request_for(COMMAND_PUBLISH);
	ask_histories(rig, 100);
	unsigned n = count_sent(rig, CONN);
	assert_in_range(n, 2, 16);
	uint64_t next_conn = CONN + n;
	// Their answers turn out to be large: the next ones wait until all but one have come.
	for (unsigned i = 0; i + 2 < n; i++) {
		answer_oldest(rig, 256 << 10);
		assert_int_equal(count_sent(rig, 0), 0);
	}
	answer_oldest(rig, 256 << 10);
	assert_int_equal(count_sent(rig, next_conn), 1);
	// Small ones let more go at once, after a while; who has waited longest goes first.
	unsigned more = 0;
	next_conn++;
	for (unsigned i = 0; i < 60; i++) {
		answer_oldest(rig, 100);
		n = count_sent(rig, next_conn);
		next_conn += n;
		more += n;
	}
	assert_true(more > 62);
	assert_true(uplink_ask(&rig->up, &publish, DEADLINE_MS)); // waits for none of them
	uplink_flush(&rig->up);
	assert_int_not_equal(rig->link.sent.entries.len, 0);
}

static bool is_later(void *arg, uint64_t conn)
{
	return conn >= *(const uint64_t *)arg;
}

static void who_is_gone_keeps_no_turn(void **state)
{
	struct rig *rig = *state;
	ask_histories(rig, 40);
	uint64_t first = CONN + count_sent(rig, CONN);
	uplink_close_gone(&rig->up, is_later, &first);
	struct pending_entry *entry = uplink_next_turn(&rig->up);
	assert_non_null(entry);
	assert_int_equal(entry->conn, first);
	while ((entry = uplink_next_turn(&rig->up)) != NULL) {
		uplink_ask_waiting(&rig->up, entry);
	}
	assert_int_equal(count_sent(rig, first), first - CONN);
}

static void what_waits_was_not_sent_and_waits_in_the_next_session_too(void **state)
{
	struct rig *rig = *state;
	ask_histories(rig, 40);
	unsigned n = count_sent(rig, CONN);
	rig->link.written = 40;
	assert_true(uplink_was_sent(&rig->up, pending_find(&rig->up.pending, n)));
	assert_false(uplink_was_sent(&rig->up, pending_find(&rig->up.pending, n + 1)));
	uplink_close(&rig->up, pending_find(&rig->up.pending, n + 1), 0); // its time is over
	answer_oldest(rig, 100);
	assert_int_equal(count_sent(rig, CONN + n + 1), 1);
	uplink_ask_all(&rig->up); // the link is down
	assert_int_equal(count_sent(rig, CONN + n + 2), 40 - n - 2);
	assert_null(uplink_next_turn(&rig->up));
}

static bool announce_once(void *arg, struct announcement *facts)
{
	struct rig *rig = arg;
	static const struct fib_member_list no_rooms;
	*facts = (struct announcement){
		.handle = CONN,
		.id = bytes_str("id"),
		.identity = &rig->identity,
		.codec = "json",
		.rooms = &no_rooms,
	};
	return rig->n_announced++ == 0;
}

static void on_lost(void *arg, struct pending_entry *entry)
{
	struct rig *rig = arg;
	rig->n_lost++;
	uplink_close(&rig->up, entry, 0);
}

static void asks_again_in_a_new_session_what_changes_nothing_twice(void **state)
{
	struct rig *rig = *state;
	struct request join = request_for(COMMAND_JOIN);
	struct request publish = request_for(COMMAND_PUBLISH);
	struct request broadcast = request_for(COMMAND_BROADCAST);
	struct request direct = request_for(COMMAND_DIRECT);
	join.automatic = join.presence = join.has_since = true;
	join.since_epoch = 5;
	join.since_seq = 6;
	assert_true(uplink_ask(&rig->up, &join, DEADLINE_MS));
	assert_true(uplink_ask(&rig->up, &publish, DEADLINE_MS));
	assert_true(uplink_ask(&rig->up, &broadcast, DEADLINE_MS));
	assert_true(uplink_ask(&rig->up, &direct, DEADLINE_MS));
	assert_true(uplink_ask(&rig->up, &publish, DEADLINE_MS)); // never written
	rig->link.written = 4;
	uplink_snapshot(&rig->up, 44, announce_once, on_lost, rig);
	assert_int_equal(rig->link.session, 44);
	assert_int_equal(rig->n_lost, 3);
	size_t at = 0;
	struct link_entry entry;
	const link_item *item = next(rig, &at, &entry);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_CLIENT_UP);
	assert_bytes_equal(pb_bytes(item->client_up->user), "ada");
	item = next(rig, &at, &entry);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_SNAPSHOT_END);
	assert_int_equal(item->snapshot_end->worker, WORKER);
	item = next(rig, &at, &entry);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOIN);
	assert_int_equal(entry.req, 1);
	assert_int_equal(item->join->since_epoch, 5);
	assert_int_equal(item->join->since_seq, 6);
	assert_true(item->join->automatic && item->join->presence && item->join->has_since);
	assert_null(next(rig, &at, &entry));
	assert_true(pending_find(&rig->up.pending, 5) != NULL); // waits in the link as before
}

static void begin_session(struct rig *rig, uint64_t session)
{
	rig->n_announced = 1; // nothing to announce
	uplink_snapshot(&rig->up, session, announce_once, on_lost, rig);
}

static void sends_a_publish_again_to_a_router_that_knows_what_it_has(void **state)
{
	struct rig *rig = *state;
	struct request publish = request_for(COMMAND_PUBLISH);
	struct request ephemeral = publish;
	publish.key = bytes_str("key");
	publish.no_echo = true;
	ephemeral.ephemeral = true;
	rig->link.resend_ms = 60000;
	begin_session(rig, 44);
	assert_true(uplink_ask(&rig->up, &publish, DEADLINE_MS));
	assert_true(uplink_ask(&rig->up, &ephemeral, DEADLINE_MS));
	rig->link.written = 2;
	begin_session(rig, 45);
	assert_int_equal(rig->n_lost, 1); // an ephemeral one is kept by no store
	size_t at = 0;
	struct link_entry entry;
	assert_int_equal(next(rig, &at, &entry)->kind_case,
		WEIR__LINK__V1__ITEM__KIND_SNAPSHOT_END);
	const link_item *item = next(rig, &at, &entry);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISH);
	assert_int_equal(entry.req, 1);
	assert_int_equal(item->publish->req, 1);
	assert_true(item->publish->resent && item->publish->no_echo);
	assert_true(bytes_equal(pb_bytes(item->publish->type), publish.type));
	assert_true(bytes_equal(pb_bytes(item->publish->body), publish.body));
	assert_bytes_equal(pb_bytes(item->publish->key), "key");
	assert_null(next(rig, &at, &entry));
	rig->link.resend_ms = 0; // the next router keeps rooms in memory
	begin_session(rig, 46);
	assert_int_equal(rig->n_lost, 2);
}

static void reports_to_the_link_as_its_worker(void **state)
{
	struct rig *rig = *state;
	uplink_client_down(&rig->up, CONN, bytes_str("normal"));
	uplink_client_stats(&rig->up, CONN, 4096);
	uplink_edge_state(&rig->up, true);
	uplink_flush(&rig->up);
	size_t at = 0;
	struct link_entry entry;
	assert_int_equal(next(rig, &at, &entry)->client_down->client, CONN);
	assert_int_equal(entry.req, 0); // facts need no answer
	assert_int_equal(next(rig, &at, &entry)->client_stats->queue_bytes, 4096);
	assert_true(next(rig, &at, &entry)->edge_state->draining);
	uplink_flush(&rig->up);
	assert_int_equal(rig->link.n_flushes, 1); // nothing more to say
	uplink_consumed(&rig->up, 77);
	assert_int_equal(rig->link.mark, 77);
	assert_true(uplink_is_up(&rig->up));
}

#define UPLINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPLINK_TEST(makes_each_command_the_item_of_its_kind),
		UPLINK_TEST(carries_what_the_command_says),
		UPLINK_TEST(asks_nothing_that_does_not_fit_the_queue),
		UPLINK_TEST(knows_which_answers_may_be_large),
		UPLINK_TEST(asks_for_as_much_at_a_time_as_its_answers_may_have),
		UPLINK_TEST(who_is_gone_keeps_no_turn),
		UPLINK_TEST(what_waits_was_not_sent_and_waits_in_the_next_session_too),
		UPLINK_TEST(asks_again_in_a_new_session_what_changes_nothing_twice),
		UPLINK_TEST(sends_a_publish_again_to_a_router_that_knows_what_it_has),
		UPLINK_TEST(reports_to_the_link_as_its_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
