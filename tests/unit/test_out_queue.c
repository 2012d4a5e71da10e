#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/check.h"
#include "edge/send/out_queue.h"
#include "tests/unit/test.h"

static struct frame *text_frame(const char *text)
{
	return frame_new(WS_TEXT, bytes_str(text));
}

static void note_sent(void *arg, const struct frame *f, bool sent)
{
	(void)sent;
	struct buf *log = arg;
	buf_append(log, f->data + 2, f->len - 2);
	buf_append_byte(log, ';');
}

// Everything still to be sent, as writev would see it.
static void collect(const struct out_queue *q, struct buf *out)
{
	enum {
		MAX = 64
	};
	struct iovec iov[MAX];
	int n = out_queue_iov(q, iov, MAX);
	for (int i = 0; i < n; i++) {
		buf_append(out, iov[i].iov_base, iov[i].iov_len);
	}
}

static void holds_no_memory_for_one_frame(void **state)
{
	(void)state;
	struct out_queue q = { 0 };
	out_queue_push(&q, text_frame("a"));
	assert_null(q.ring);
	assert_int_equal(q.bytes, 3);
	out_queue_advance(&q, 3, NULL, NULL);
	assert_null(q.ring);
	assert_int_equal(q.n, 0);
	assert_int_equal(q.bytes, 0);
	out_queue_fini(&q);
}

static void gives_its_ring_back_when_the_backlog_is_gone(void **state)
{
	(void)state;
	struct out_queue q = { 0 };
	for (int i = 0; i < 100; i++) {
		out_queue_push(&q, text_frame("abc"));
	}
	assert_non_null(q.ring);
	out_queue_advance(&q, 495, NULL, NULL);
	assert_null(q.ring);
	assert_int_equal(q.n, 1);
	out_queue_push(&q, text_frame("d"));
	out_queue_push(&q, text_frame("e"));
	struct buf sent = { 0 };
	out_queue_advance(&q, q.bytes, note_sent, &sent);
	assert_bytes_equal(buf_bytes(&sent), "abc;d;e;");
	assert_null(q.ring);
	buf_fini(&sent);
	out_queue_fini(&q);
}

static void offers_at_most_what_is_asked_for(void **state)
{
	(void)state;
	struct out_queue q = { 0 };
	struct iovec iov[8];
	assert_int_equal(out_queue_iov(&q, iov, 8), 0);
	for (int i = 0; i < 6; i++) {
		out_queue_push(&q, text_frame("x"));
	}
	assert_int_equal(out_queue_iov(&q, iov, 0), 0);
	assert_int_equal(out_queue_iov(&q, iov, 1), 1);
	assert_int_equal(out_queue_iov(&q, iov, 4), 4);
	assert_int_equal(out_queue_iov(&q, iov, 8), 6);
	out_queue_fini(&q);
}

static void resumes_inside_a_frame(void **state)
{
	(void)state;
	struct out_queue q = { 0 };
	struct buf sent = { 0 };
	struct iovec iov[4];
	out_queue_push(&q, text_frame("hello"));
	out_queue_push(&q, text_frame("world"));
	out_queue_advance(&q, 4, note_sent, &sent);
	assert_int_equal(sent.len, 0);
	assert_int_equal(q.bytes, 10);
	assert_int_equal(out_queue_iov(&q, iov, 4), 2);
	assert_bytes_equal(bytes_make(iov[0].iov_base, iov[0].iov_len), "llo");
	out_queue_advance(&q, 0, note_sent, &sent);
	assert_int_equal(q.bytes, 10);
	out_queue_advance(&q, 3 + 1, note_sent, &sent);
	assert_bytes_equal(buf_bytes(&sent), "hello;");
	assert_int_equal(out_queue_iov(&q, iov, 4), 1);
	assert_bytes_equal(bytes_make(iov[0].iov_base, iov[0].iov_len), "\x05world");
	out_queue_advance(&q, 6, note_sent, &sent);
	assert_bytes_equal(buf_bytes(&sent), "hello;world;");
	buf_fini(&sent);
	out_queue_fini(&q);
}

static void drops_its_references(void **state)
{
	(void)state;
	struct frame *f = text_frame("shared");
	struct out_queue q = { 0 };
	frame_ref(f, 7);
	for (int i = 0; i < 7; i++) {
		out_queue_push(&q, f);
	}
	out_queue_advance(&q, 3 * f->len + 1, NULL, NULL);
	assert_int_equal(f->refs, 5);
	out_queue_fini(&q);
	assert_int_equal(f->refs, 1);
	assert_int_equal(q.bytes, 0);
	frame_unref(f);
}

// Any order of pushes and partial writes puts out the bytes that went in, in order.
static void is_a_byte_stream(void **state)
{
	(void)state;
	srand(1);
	struct out_queue q = { 0 };
	struct buf expected = { 0 };
	struct buf rest = { 0 };
	for (int step = 0; step < 20000; step++) {
		if (rand() % 2 == 0 && q.n < 60) {
			char text[16];
			snprintf(text, sizeof(text), "%d", step * (rand() % 1000));
			struct frame *f = text_frame(text);
			buf_append(&expected, f->data, f->len);
			out_queue_push(&q, f);
		} else if (q.bytes > 0) {
			size_t len = (size_t)rand() %
				(rand() % 20 == 0 ? q.bytes + 1
						  : (q.bytes < 30 ? q.bytes : 30) + 1);
			out_queue_advance(&q, len, NULL, NULL);
			buf_consume(&expected, len);
		}
		assert_int_equal(q.bytes, expected.len);
		rest.len = 0;
		collect(&q, &rest);
		assert_true(bytes_equal(buf_bytes(&rest), buf_bytes(&expected)));
		assert_true(q.n > 1 || q.ring == NULL);
	}
	buf_fini(&rest);
	buf_fini(&expected);
	out_queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_no_memory_for_one_frame),
		cmocka_unit_test(gives_its_ring_back_when_the_backlog_is_gone),
		cmocka_unit_test(offers_at_most_what_is_asked_for),
		cmocka_unit_test(resumes_inside_a_frame),
		cmocka_unit_test(drops_its_references),
		cmocka_unit_test(is_a_byte_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
