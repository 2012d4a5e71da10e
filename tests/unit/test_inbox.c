#include <stdlib.h>

#include "edge/uplink/inbox.h"
#include "tests/unit/test.h"

static void append_text(struct buf *records, uint64_t seq, const char *text)
{
	inbox_record_append(records,
		&(struct inbox_record){ .kind = INBOX_ITEM, .seq = seq, .text = bytes_str(text) });
}

static void a_record_comes_out_as_it_went_in(void **state)
{
	(void)state;
	struct frame *f = frame_new(WS_TEXT, bytes_str("hello"));
	const struct inbox_record in = {
		.kind = INBOX_DELIVERY,
		.link = 3,
		.frames = { f },
		.epoch = UINT64_MAX,
		.seq = 7,
		.except = 0x0100000200000003,
		.stamp_ms = -5,
		.text = bytes_str("a room"),
		.user = bytes_str("bob"),
	};
	struct buf records = { 0 };
	inbox_record_append(&records, &in);
	struct bytes rest = buf_bytes(&records);
	struct inbox_record out;
	assert_true(inbox_record_next(&rest, &out));
	assert_int_equal(out.kind, in.kind);
	assert_int_equal(out.link, in.link);
	assert_ptr_equal(out.frames[CODEC_JSON], f);
	assert_true(out.epoch == in.epoch && out.seq == in.seq && out.except == in.except);
	assert_int_equal(out.stamp_ms, in.stamp_ms);
	assert_bytes_equal(out.text, "a room");
	assert_bytes_equal(out.user, "bob");
	assert_false(inbox_record_next(&rest, &out));
	frame_unref(f);
	buf_fini(&records);
}

static void records_of_every_length_keep_their_order(void **state)
{
	(void)state;
	enum {
		N = 40
	};
	char text[N + 1] = { 0 };
	struct buf records = { 0 };
	for (uint64_t i = 0; i < N; i++) {
		append_text(&records, i, text);
		text[i] = 'x';
	}
	struct bytes rest = buf_bytes(&records);
	struct inbox_record record;
	for (uint64_t i = 0; i < N; i++) {
		assert_true(inbox_record_next(&rest, &record));
		assert_int_equal(record.seq, i);
		assert_int_equal(record.text.len, i);
	}
	assert_false(inbox_record_next(&rest, &record));
	buf_fini(&records);
}

static void dropping_records_gives_their_frames_back(void **state)
{
	(void)state;
	struct frame *f = frame_new(WS_TEXT, bytes_str("x"));
	struct buf records = { 0 };
	frame_ref(f, 2);
	for (int i = 0; i < 2; i++) {
		inbox_record_append(&records,
			&(struct inbox_record){ .kind = INBOX_BROADCAST, .frames = { f } });
	}
	inbox_records_drop(buf_bytes(&records));
	assert_int_equal(atomic_load(&f->refs), 1);
	frame_unref(f);
	buf_fini(&records);
}

struct reader {
	struct loop *loop;
	struct inbox inbox;
	struct buf taken;
	uint64_t next; // seq expected
	uint64_t end;
	unsigned wakes;
};

static void on_inbox(void *arg)
{
	struct reader *r = arg;
	struct inbox_record record;
	r->wakes++;
	inbox_take(&r->inbox, &r->taken);
	struct bytes rest = buf_bytes(&r->taken);
	while (inbox_record_next(&rest, &record)) {
		assert_int_equal(record.seq, r->next);
		r->next++;
	}
	buf_reset(&r->taken, r->taken.cap);
	if (r->next == r->end) {
		loop_stop(r->loop);
	}
}

static void reader_init(struct reader *r, uint64_t end)
{
	*r = (struct reader){ .loop = loop_new(), .end = end };
	inbox_init(&r->inbox, r->loop, on_inbox, r);
}

static void reader_fini(struct reader *r)
{
	inbox_fini(&r->inbox);
	buf_fini(&r->taken);
	loop_free(r->loop);
}

static void several_puts_before_a_turn_are_one_wake_up(void **state)
{
	(void)state;
	struct reader r;
	reader_init(&r, 3);
	struct buf records = { 0 };
	for (uint64_t i = 0; i < 3; i++) {
		append_text(&records, i, "text");
		inbox_put(&r.inbox, &records);
		assert_int_equal(records.len, 0);
	}
	loop_run(r.loop);
	assert_int_equal(r.next, 3);
	assert_int_equal(r.wakes, 1);
	buf_fini(&records);
	reader_fini(&r);
}

enum {
	THREAD_RECORDS = 20000
};

static void *write_many(void *arg)
{
	struct reader *r = arg;
	struct buf records = { 0 };
	for (uint64_t i = 0; i < THREAD_RECORDS; i++) {
		append_text(&records, i, "some text");
		if (i % 7 == 0) {
			inbox_put(&r->inbox, &records);
		}
	}
	inbox_put(&r->inbox, &records);
	buf_fini(&records);
	return NULL;
}

static void all_that_another_thread_puts_arrives_in_order(void **state)
{
	(void)state;
	struct reader r;
	reader_init(&r, THREAD_RECORDS);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_many, &r), 0);
	loop_run(r.loop);
	pthread_join(thread, NULL);
	assert_int_equal(r.next, THREAD_RECORDS);
	reader_fini(&r);
}

static void what_nobody_took_is_freed_with_the_inbox(void **state)
{
	(void)state;
	struct reader r;
	reader_init(&r, 1);
	struct frame *f = frame_new(WS_TEXT, bytes_str("x"));
	frame_ref(f, 1);
	struct buf records = { 0 };
	inbox_record_append(&records,
		&(struct inbox_record){ .kind = INBOX_BROADCAST, .frames = { f } });
	inbox_put(&r.inbox, &records);
	reader_fini(&r);
	assert_int_equal(atomic_load(&f->refs), 1);
	frame_unref(f);
	buf_fini(&records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_out_as_it_went_in),
		cmocka_unit_test(records_of_every_length_keep_their_order),
		cmocka_unit_test(dropping_records_gives_their_frames_back),
		cmocka_unit_test(several_puts_before_a_turn_are_one_wake_up),
		cmocka_unit_test(all_that_another_thread_puts_arrives_in_order),
		cmocka_unit_test(what_nobody_took_is_freed_with_the_inbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
