#include <stdlib.h>

#include "edge/client/conn_table.h"
#include "edge/uplink/dispatch.h"
#include "proto/names.h"
#include "tests/unit/test.h"

enum {
	N_WORKERS = 3,
};

struct bench {
	struct loop *loop;
	struct inbox inboxes[N_WORKERS];
	struct dispatch dispatch;
	struct codec_options codec;
	struct counter unknown;
	struct buf batch;
	struct buf taken[N_WORKERS];
	struct bytes rest[N_WORKERS]; // of `taken`, not read yet
};

static void on_inbox(void *arg)
{
	(void)arg; // the test takes what there is itself
}

static void bench_init(struct bench *b)
{
	*b = (struct bench){ .loop = loop_new() };
	dispatch_init(&b->dispatch, &b->codec, 5, &b->unknown);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		inbox_init(&b->inboxes[i], b->loop, on_inbox, NULL);
		dispatch_add_worker(&b->dispatch, &b->inboxes[i]);
	}
}

static void bench_fini(struct bench *b)
{
	for (unsigned i = 0; i < N_WORKERS; i++) {
		inbox_records_drop(b->rest[i]);
		buf_fini(&b->taken[i]);
		inbox_fini(&b->inboxes[i]);
	}
	dispatch_fini(&b->dispatch);
	buf_fini(&b->batch);
	loop_free(b->loop);
}

static void bench_take(struct bench *b)
{
	for (unsigned i = 0; i < N_WORKERS; i++) {
		inbox_records_drop(b->rest[i]);
		buf_reset(&b->taken[i], 0);
		inbox_take(&b->inboxes[i], &b->taken[i]);
		b->rest[i] = buf_bytes(&b->taken[i]);
	}
}

// Hands out what was added to the batch; returns the workers that got something.
static uint64_t bench_dispatch(struct bench *b, uint64_t mark)
{
	uint64_t workers;
	assert_true(dispatch_batch(&b->dispatch, mark, buf_bytes(&b->batch), &workers));
	buf_reset(&b->batch, 0);
	bench_take(b);
	return workers;
}

static struct inbox_record next(struct bench *b, unsigned worker)
{
	struct inbox_record record;
	assert_true(inbox_record_next(&b->rest[worker], &record));
	assert_int_equal(record.link, 5);
	return record;
}

static void expect_mark_and_end(struct bench *b, unsigned worker, uint64_t mark)
{
	struct inbox_record record = next(b, worker);
	assert_int_equal(record.kind, INBOX_MARK);
	assert_true(record.seq == mark);
	assert_false(inbox_record_next(&b->rest[worker], &record));
}

// The payload of a server's text frame shorter than 64 KiB.
static struct bytes payload_of(const struct frame *f)
{
	assert_int_equal(f->data[0], 0x80 | WS_TEXT);
	return bytes_make(f->data + (f->data[1] == 126 ? 4 : 2),
		f->len - (f->data[1] == 126 ? 4 : 2));
}

static void add_delivery(struct bench *b, const char *room, uint64_t seq)
{
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(bytes_str(room));
	delivery.epoch = 0xabc;
	delivery.seq = seq;
	delivery.timestamp_ms = 1234;
	delivery.type = pb_data(bytes_str("chat"));
	delivery.user = pb_data(bytes_str("ann"));
	delivery.body = pb_data(bytes_str("{\"n\":1.50}"));
	delivery.except = 77;
	link_item_append(&b->batch, &LINK_ITEM(DELIVERY, delivery, &delivery));
}

static void add_joined(struct bench *b, uint64_t client, const char *room)
{
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = client;
	joined.room = pb_data(bytes_str(room));
	link_item_append(&b->batch, &LINK_ITEM(JOINED, joined, &joined));
}

static void add_member_event(struct bench *b, const char *room, const char *user)
{
	Weir__Link__V1__MemberEvent event = WEIR__LINK__V1__MEMBER_EVENT__INIT;
	event.room = pb_data(bytes_str(room));
	event.joined = true;
	event.user = pb_data(bytes_str(user));
	link_item_append(&b->batch, &LINK_ITEM(MEMBER_EVENT, member_event, &event));
}

static void add_published(struct bench *b, uint64_t client)
{
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	published.client = client;
	published.req = 9;
	link_item_append(&b->batch, &LINK_ITEM(PUBLISHED, published, &published));
}

static void a_message_is_rendered_once_for_all_workers(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_delivery(&b, "a room", 7);
	assert_int_equal(bench_dispatch(&b, 42), (1 << N_WORKERS) - 1);
	struct frame *f = NULL;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		struct inbox_record record = next(&b, i);
		assert_int_equal(record.kind, INBOX_DELIVERY);
		assert_true(record.epoch == 0xabc && record.seq == 7 && record.except == 77);
		assert_int_equal(record.stamp_ms, 1234);
		assert_bytes_equal(record.text, "a room");
		assert_true(f == NULL || f == record.frames[CODEC_JSON]);
		f = record.frames[CODEC_JSON];
		expect_mark_and_end(&b, i, 42);
	}
	assert_int_equal(atomic_load(&f->refs), N_WORKERS);
	assert_int_equal(f->type, codec_type_index(&b.codec, bytes_str("chat")));
	assert_bytes_equal(payload_of(f),
		"{\"type\":\"chat\",\"room\":\"a "
		"room\",\"user\":\"ann\",\"epoch\":\"abc\",\"seq\":7,"
		"\"timestamp\":1234,\"n\":1.50}");
	for (unsigned i = 0; i < N_WORKERS; i++) {
		frame_unref(f);
	}
	bench_fini(&b);
}

// Each way of taking the records gives back all references, or a sanitizer complains.
static void only_what_is_spoken_is_rendered(void **state)
{
	(void)state;
	for (unsigned spoken = 0; spoken < 1 << CODEC_COUNT; spoken++) {
		struct bench b;
		struct codec_use use = { 0 };
		bench_init(&b);
		b.dispatch.use = &use;
		for (unsigned codec = 0; codec < CODEC_COUNT; codec++) {
			atomic_store(&use.n[codec], (spoken >> codec & 1) * 7);
		}
		add_delivery(&b, "r", 7);
		add_member_event(&b, "r", "ann");
		bench_dispatch(&b, 1);
		for (unsigned i = 0; i < 2; i++) {
			struct inbox_record record = next(&b, 0);
			for (unsigned codec = 0; codec < CODEC_COUNT; codec++) {
				const struct frame *f = record.frames[codec];
				assert_true((f != NULL) == (spoken >> codec & 1));
				assert_true(f == NULL || atomic_load(&f->refs) == N_WORKERS);
				assert_true(f == NULL || codec != CODEC_PROTO ||
					f->data[0] == (0x80 | WS_BINARY));
			}
			inbox_record_drop(&record);
		}
		bench_fini(&b);
	}
}

static void an_ephemeral_message_has_no_place_in_the_room(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_delivery(&b, "r", 0);
	bench_dispatch(&b, 1);
	struct inbox_record record = next(&b, 0);
	assert_bytes_equal(payload_of(record.frames[CODEC_JSON]),
		"{\"type\":\"chat\",\"room\":\"r\",\"user\":\"ann\",\"timestamp\":1234,\"n\":1."
		"50}");
	frame_unref(record.frames[CODEC_JSON]);
	bench_fini(&b);
}

static void only_a_slow_policy_says_where_a_frame_comes_from(void **state)
{
	(void)state;
	static const struct {
		uint32_t slow;
		const char *body;
		const char *key; // NULL: no origin
		bool may_drop;
	} rows[] = {
		{ SLOW_DISCONNECT, "{\"conflateKey\":\"k\"}", NULL, false },
		{ SLOW_DROP_OLDEST, "{\"conflateKey\":\"k\"}", "", true },
		{ SLOW_CONFLATE, "{\"n\":1,\"conflateKey\":\"k\"}", "\"k", false },
		{ SLOW_CONFLATE, "{\"conflateKey\":\"\\u006b\"}", "\"k", false },
		{ SLOW_CONFLATE, "{\"conflateKey\":7}", "#7", false },
		{ SLOW_CONFLATE, "{\"conflateKey\":\"\"}", "", false },
		{ SLOW_CONFLATE, "{\"conflateKey\":null}", "", false },
		{ SLOW_CONFLATE, "{\"conflateKey\":[1]}", "", false },
		{ SLOW_CONFLATE, "{\"n\":{\"conflateKey\":1}}", "", false },
		{ SLOW_POLICY_COUNT, "{\"conflateKey\":\"k\"}", NULL, false }, // a newer router's
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;
		bench_init(&b);
		Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
		delivery.room = pb_data(bytes_str("r"));
		delivery.epoch = 5;
		delivery.seq = 9;
		delivery.type = pb_data(bytes_str("chat"));
		delivery.body = pb_data(bytes_str(rows[i].body));
		delivery.manner = rows[i].slow;
		link_item_append(&b.batch, &LINK_ITEM(DELIVERY, delivery, &delivery));
		bench_dispatch(&b, 1);
		struct frame *f = next(&b, 0).frames[CODEC_JSON];
		assert_int_equal(f->origin != NULL, rows[i].key != NULL);
		if (f->origin != NULL && rows[i].key != NULL) {
			assert_bytes_equal(origin_room(f->origin), "r");
			assert_bytes_equal(origin_key(f->origin), rows[i].key);
			assert_int_equal(f->origin->may_drop, rows[i].may_drop);
			assert_true(f->origin->epoch == 5 && f->origin->from == 9);
		}
		frame_unref(f);
		bench_fini(&b);
	}
}

static void an_answer_goes_to_its_clients_worker_alone(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_published(&b, (uint64_t)1 << 56 | 0x100000002);
	struct buf sent = { 0 };
	buf_append_bytes(&sent, buf_bytes(&b.batch));
	assert_int_equal(bench_dispatch(&b, 3), 1 << 1);
	struct inbox_record record = next(&b, 1);
	assert_int_equal(record.kind, INBOX_ITEM);
	assert_null(record.frames[CODEC_JSON]);
	struct bytes rest = buf_bytes(&sent);
	struct bytes packed;
	assert_int_equal(link_batch_next(&rest, &packed), 1);
	assert_true(bytes_equal(record.text, packed)); // as it came
	expect_mark_and_end(&b, 1, 3);
	assert_int_equal(b.rest[0].len + b.rest[2].len, 0);
	buf_fini(&sent);
	bench_fini(&b);
}

static void the_order_of_a_batch_is_the_order_of_each_inbox(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_delivery(&b, "r", 1);
	add_published(&b, (uint64_t)2 << 56 | 0x100000000);
	add_delivery(&b, "r", 2);
	bench_dispatch(&b, 1);
	static const enum inbox_kind kinds[] = { INBOX_DELIVERY, INBOX_ITEM, INBOX_DELIVERY };
	for (size_t i = 0; i < 3; i++) {
		struct inbox_record record = next(&b, 2);
		assert_int_equal(record.kind, kinds[i]);
		frame_unref(record.frames[CODEC_JSON]);
	}
	expect_mark_and_end(&b, 2, 1);
	bench_fini(&b);
}

static void members_and_broadcasts_are_rendered_too_but_a_gap_is_not(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	Weir__Link__V1__Gap gap = WEIR__LINK__V1__GAP__INIT;
	gap.room = pb_data(bytes_str("r"));
	gap.epoch = 1;
	gap.from = 3;
	gap.to = 5;
	gap.reason = pb_data(bytes_str("link"));
	Weir__Link__V1__MemberEvent event = WEIR__LINK__V1__MEMBER_EVENT__INIT;
	event.room = pb_data(bytes_str("r"));
	event.joined = true;
	event.user = pb_data(bytes_str("bob"));
	Weir__Link__V1__BroadcastDelivery broadcast = WEIR__LINK__V1__BROADCAST_DELIVERY__INIT;
	broadcast.type = pb_data(bytes_str("news"));
	broadcast.timestamp_ms = 8;
	broadcast.body = pb_data(bytes_str("{}"));
	link_item_append(&b.batch, &LINK_ITEM(GAP, gap, &gap));
	link_item_append(&b.batch, &LINK_ITEM(MEMBER_EVENT, member_event, &event));
	link_item_append(&b.batch, &LINK_ITEM(BROADCAST_DELIVERY, broadcast_delivery, &broadcast));
	bench_dispatch(&b, 1);

	struct inbox_record record = next(&b, 0);
	assert_int_equal(record.kind, INBOX_ITEM);
	assert_null(record.frames[CODEC_JSON]);
	struct link_arena arena = { 0 };
	const link_item *told = link_item_unpack(&arena, record.text);
	assert_int_equal(told->kind_case, WEIR__LINK__V1__ITEM__KIND_GAP);
	assert_true(told->gap->from == 3 && told->gap->to == 5);
	link_arena_fini(&arena);
	record = next(&b, 0);
	assert_int_equal(record.kind, INBOX_MEMBER);
	assert_bytes_equal(record.text, "r");
	assert_bytes_equal(record.user, "bob");
	assert_bytes_equal(payload_of(record.frames[CODEC_JSON]),
		"{\"type\":\"member:join\",\"room\":\"r\",\"user\":\"bob\"}");
	frame_unref(record.frames[CODEC_JSON]);
	record = next(&b, 0);
	assert_int_equal(record.kind, INBOX_BROADCAST);
	assert_bytes_equal(payload_of(record.frames[CODEC_JSON]),
		"{\"type\":\"news\",\"timestamp\":8}");
	frame_unref(record.frames[CODEC_JSON]);
	expect_mark_and_end(&b, 0, 1);
	bench_fini(&b);
}

static void a_malformed_batch_leaves_nothing(void **state)
{
	(void)state;
	struct bench b;
	uint64_t workers;
	bench_init(&b);
	add_delivery(&b, "r", 1);
	size_t whole = b.batch.len;
	add_delivery(&b, "r", 2);
	for (size_t len = whole + 1; len < b.batch.len; len++) {
		assert_false(
			dispatch_batch(&b.dispatch, 1, bytes_make(b.batch.data, len), &workers));
		assert_int_equal(workers, 0);
		bench_take(&b);
		assert_int_equal(b.taken[0].len + b.taken[1].len + b.taken[2].len, 0);
	}
	bench_fini(&b);
}

static void a_name_that_cannot_be_is_malformed(void **state)
{
	(void)state;
	static const char long_name[ROOM_NAME_MAX + 2] = { [0 ... ROOM_NAME_MAX] = 'r' };
	static const char *const names[] = { "", "\n", "\xff", long_name };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct bench b;
		uint64_t workers;
		bench_init(&b);
		add_joined(&b, 0x100000000, names[i]);
		assert_false(dispatch_batch(&b.dispatch, 1, buf_bytes(&b.batch), &workers));
		buf_reset(&b.batch, 0);
		add_member_event(&b, "r", names[i]);
		assert_false(dispatch_batch(&b.dispatch, 1, buf_bytes(&b.batch), &workers));
		bench_take(&b);
		assert_int_equal(b.taken[0].len + b.taken[1].len + b.taken[2].len, 0);
		bench_fini(&b);
	}
}

static void answers_for_workers_that_do_not_exist_are_dropped(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_published(&b, (uint64_t)N_WORKERS << 56 | 0x100000000);
	add_published(&b, 0);
	assert_int_equal(bench_dispatch(&b, 1), 0);
	bench_fini(&b);
}

static void items_of_a_newer_router_are_counted_and_left_out(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	add_delivery(&b, "r", 1);
	buf_append(&b.batch, "\x0a\x03\xfa\x07\x00", 5); // an item of kind 127
	assert_int_equal(bench_dispatch(&b, 9), 7);
	assert_int_equal(counter_get(&b.unknown), 1);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		struct inbox_record record = next(&b, i);
		assert_int_equal(record.kind, INBOX_DELIVERY);
		frame_unref(record.frames[CODEC_JSON]);
		expect_mark_and_end(&b, i, 9);
	}
	buf_append(&b.batch, "\x0a\x03\xfa\x07\x00", 5);
	assert_int_equal(bench_dispatch(&b, 10), 0);
	assert_int_equal(counter_get(&b.unknown), 2);
	bench_fini(&b);
}

static void a_session_is_told_to_all(void **state)
{
	(void)state;
	struct bench b;
	bench_init(&b);
	dispatch_session(&b.dispatch, 6);
	bench_take(&b);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		struct inbox_record record = next(&b, i);
		assert_int_equal(record.kind, INBOX_SESSION);
		assert_int_equal(record.seq, 6);
	}
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_rendered_once_for_all_workers),
		cmocka_unit_test(only_what_is_spoken_is_rendered),
		cmocka_unit_test(an_ephemeral_message_has_no_place_in_the_room),
		cmocka_unit_test(only_a_slow_policy_says_where_a_frame_comes_from),
		cmocka_unit_test(an_answer_goes_to_its_clients_worker_alone),
		cmocka_unit_test(the_order_of_a_batch_is_the_order_of_each_inbox),
		cmocka_unit_test(members_and_broadcasts_are_rendered_too_but_a_gap_is_not),
		cmocka_unit_test(a_malformed_batch_leaves_nothing),
		cmocka_unit_test(a_name_that_cannot_be_is_malformed),
		cmocka_unit_test(answers_for_workers_that_do_not_exist_are_dropped),
		cmocka_unit_test(items_of_a_newer_router_are_counted_and_left_out),
		cmocka_unit_test(a_session_is_told_to_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
