#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "proto/link/link_window.h"
#include "tests/unit/test.h"

static struct bytes element(const char *text)
{
	return bytes_str(text);
}

// Writes what is unsent into `wire`, all of it.
static void drain(struct link_window *w, struct buf *wire)
{
	struct iovec iov[2];
	int n = link_window_unsent(w, iov);
	for (int i = 0; i < n; i++) {
		buf_append(wire, iov[i].iov_base, iov[i].iov_len);
		link_window_wrote(w, iov[i].iov_len);
	}
	assert_true(link_window_written(w));
}

// Takes one frame off the front of `wire`.
static struct link_frame take(struct buf *wire, struct buf *body)
{
	struct link_frame frame;
	size_t used;
	assert_int_equal(link_frame_parse(buf_bytes(wire), &frame, &used), 0);
	body->len = 0;
	buf_append_bytes(body, frame.body);
	frame.body = buf_bytes(body);
	buf_consume(wire, used);
	return frame;
}

static void sends_what_was_added_as_one_batch(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	struct buf body = { 0 };
	link_window_init(&w);
	assert_true(link_window_add(&w, element("abc")));
	assert_true(link_window_add(&w, element("defg")));
	drain(&w, &wire);
	assert_int_equal(wire.len, 0); // still open
	link_window_close(&w);
	drain(&w, &wire);
	struct link_frame frame = take(&wire, &body);
	assert_int_equal(frame.seq, 1);
	assert_bytes_equal(frame.body, "abcdefg");
	assert_int_equal(wire.len, 0);
	buf_fini(&wire);
	buf_fini(&body);
	link_window_fini(&w);
}

static void closes_a_batch_at_its_target_size(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	struct buf body = { 0 };
	link_window_init(&w);
	uint8_t *half = xcalloc(1, LINK_BATCH_TARGET / 2 + 1);
	assert_true(link_window_add(&w, bytes_make(half, LINK_BATCH_TARGET / 2 + 1)));
	assert_true(link_window_add(&w, bytes_make(half, LINK_BATCH_TARGET / 2 + 1)));
	link_window_close(&w);
	drain(&w, &wire);
	assert_int_equal(take(&wire, &body).seq, 1);
	assert_int_equal(take(&wire, &body).seq, 2);
	free(half);
	buf_fini(&wire);
	buf_fini(&body);
	link_window_fini(&w);
}

static void closes_the_window_at_its_bytes_and_opens_it_by_acks(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	link_window_init(&w);
	uint8_t *block = xcalloc(1, LINK_BATCH_TARGET);
	int added = 0;
	while (link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET))) {
		added++;
		link_window_close(&w);
	}
	assert_int_equal(added, LINK_WINDOW_BYTES / (LINK_BATCH_TARGET + LINK_HEAD_LEN));
	drain(&w, &wire);
	assert_int_equal(link_window_acked(&w, 2), 0);
	assert_true(link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET)));
	assert_false(link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET)));
	free(block);
	buf_fini(&wire);
	link_window_fini(&w);
}

static void closes_the_window_at_its_frames(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	link_window_init(&w);
	for (int i = 0; i < LINK_WINDOW_FRAMES; i++) {
		assert_true(link_window_add(&w, element("x")));
		link_window_close(&w);
	}
	assert_false(link_window_add(&w, element("x")));
	drain(&w, &wire);
	assert_int_equal(link_window_acked(&w, LINK_WINDOW_FRAMES + 1), 0);
	assert_int_equal(link_window_inflight(&w), 0);
	assert_true(link_window_add(&w, element("x")));
	buf_fini(&wire);
	link_window_fini(&w);
}

static void refuses_an_ack_of_what_was_never_handed_out(void **state)
{
	(void)state;
	struct link_window w;
	struct iovec iov[2];
	link_window_init(&w);
	assert_true(link_window_add(&w, element("x")));
	link_window_close(&w);
	assert_int_equal(link_window_acked(&w, 2), -EPROTO);
	assert_int_equal(link_window_unsent(&w, iov), 1);
	assert_int_equal(link_window_acked(&w, 2), 0); // before wrote(): the ack was faster
	assert_int_equal(link_window_acked(&w, 3), -EPROTO);
	link_window_wrote(&w, iov[0].iov_len);
	link_window_fini(&w);
}

// A peer that lies, or whose frames overtake our own news of the write, has acknowledged what the
// socket has not yet taken.
static void keeps_what_is_still_being_written(void **state)
{
	(void)state;
	struct link_window w;
	struct iovec iov[2];
	link_window_init(&w);
	uint8_t *block = calloc(1, LINK_BATCH_TARGET);
	uint64_t frames = 0;
	while (link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET))) {
		link_window_close(&w);
		frames++;
	}
	assert_int_equal(link_window_unsent(&w, iov), 1);
	link_window_wrote(&w, 1);
	assert_int_equal(link_window_acked(&w, 1 + frames), 0);
	assert_int_equal(link_window_inflight(&w), 0);
	size_t written = 1;
	while (link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET))) {
		link_window_close(&w); // none but what fits beside the rest of the first write
	}
	size_t unsent = 0;
	for (int i = 0, n = link_window_unsent(&w, iov); i < n; i++) {
		const uint8_t *start = iov[i].iov_base;
		assert_true(
			start >= w.ring && start + iov[i].iov_len <= w.ring + LINK_WINDOW_BYTES);
		unsent += iov[i].iov_len;
	}
	assert_true(written + unsent <= LINK_WINDOW_BYTES);
	link_window_wrote(&w, unsent);
	assert_true(link_window_add(&w, bytes_make(block, LINK_BATCH_TARGET)));
	free(block);
	link_window_fini(&w);
}

static void begins_anew_at_the_start_of_the_ring_when_it_is_empty(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	link_window_init(&w);
	assert_null(w.ring); // nothing was sent yet
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_true(link_window_add(&w, element("abc")));
		link_window_close(&w);
		drain(&w, &wire);
		assert_true(w.head_pos < 100);
		link_window_trim(&w);
		assert_non_null(w.ring); // it is not acknowledged
		assert_int_equal(link_window_acked(&w, seq + 1), 0);
	}
	link_window_trim(&w);
	assert_null(w.ring);
	assert_true(link_window_add(&w, element("abc")));
	link_window_close(&w);
	wire.len = 0;
	drain(&w, &wire);
	struct buf body = { 0 };
	assert_int_equal(take(&wire, &body).seq, 4);
	buf_fini(&body);
	buf_fini(&wire);
	link_window_fini(&w);
}

static void resends_from_where_the_peer_says(void **state)
{
	(void)state;
	struct link_window w;
	struct buf wire = { 0 };
	struct buf body = { 0 };
	link_window_init(&w);
	const char *texts[] = { "one", "two", "three" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_true(link_window_add(&w, element(texts[i])));
		link_window_close(&w);
	}
	drain(&w, &wire);
	wire.len = 0; // the connection is cut
	assert_true(link_window_resume(&w, 2));
	drain(&w, &wire);
	struct link_frame frame = take(&wire, &body);
	assert_int_equal(frame.seq, 2);
	assert_bytes_equal(frame.body, "two");
	frame = take(&wire, &body);
	assert_int_equal(frame.seq, 3);
	assert_int_equal(wire.len, 0);
	assert_false(link_window_resume(&w, 1)); // the resume at 2 was an ack of 1
	assert_false(link_window_resume(&w, 5)); // never sent
	assert_true(link_window_resume(&w, 4));
	assert_int_equal(link_window_inflight(&w), 0);
	buf_fini(&wire);
	buf_fini(&body);
	link_window_fini(&w);
}

static void takes_frames_in_order_and_repeats_never(void **state)
{
	(void)state;
	struct link_window w;
	link_window_init(&w);
	assert_int_equal(link_window_accept(&w, 1, 10), 0);
	assert_int_equal(link_window_accept(&w, 1, 10), 1);
	assert_int_equal(link_window_accept(&w, 3, 10), -EPROTO);
	assert_int_equal(link_window_accept(&w, 0, 10), -EPROTO);
	assert_int_equal(link_window_accept(&w, 2, 10), 0);
	link_window_fini(&w);
}

static void acks_what_was_taken_in_not_what_was_received(void **state)
{
	(void)state;
	struct link_window w;
	bool urgent;
	link_window_init(&w);
	assert_int_equal(link_window_accept(&w, 1, LINK_WINDOW_BYTES / 4), 0);
	assert_false(link_window_owes_ack(&w, &urgent));
	assert_int_equal(link_window_ack(&w), 1);
	assert_int_equal(link_window_accept(&w, 2, LINK_WINDOW_BYTES / 4), 0);
	link_window_consumed(&w, 3);
	assert_true(link_window_owes_ack(&w, &urgent));
	assert_true(urgent);
	assert_int_equal(link_window_ack(&w), 3);
	assert_false(link_window_owes_ack(&w, &urgent));
	link_window_fini(&w);
}

// Two windows, a wire that is cut at random, acks at random times: everything arrives once, in
// order, with the right bytes, across many turns of the ring.
static void loses_nothing_over_random_cuts(void **state)
{
	(void)state;
	struct link_window tx;
	struct link_window rx;
	struct buf wire = { 0 };
	struct buf body = { 0 };
	uint8_t *data = xmalloc(LINK_BATCH_TARGET);
	uint64_t added = 0;
	uint64_t taken = 0;
	link_window_init(&tx);
	link_window_init(&rx);
	srand(7);
	for (int step = 0; step < 60000; step++) {
		switch (rand() % 6) {
		case 0: { // one element a batch, so that its number is the batch's
			size_t len = 8 + (size_t)(rand() % (rand() % 50 == 0 ? 60000 : 300));
			memset(data, (int)(added & 0xff), len);
			memcpy(data, &added, sizeof(added));
			if (link_window_add(&tx, bytes_make(data, len))) {
				added++;
				link_window_close(&tx);
			}
			break;
		}
		case 1: { // a partial write
			struct iovec iov[2];
			if (link_window_unsent(&tx, iov) > 0) {
				size_t len = 1 + (size_t)rand() % iov[0].iov_len;
				buf_append(&wire, iov[0].iov_base, len);
				link_window_wrote(&tx, len);
			}
			break;
		}
		case 2: // a cut: what is on the wire is gone
			if (rand() % 20 == 0) {
				wire.len = 0;
				assert_true(link_window_resume(&tx, rx.rx_next));
			}
			break;
		case 3: // an ack
			assert_int_equal(link_window_acked(&tx, link_window_ack(&rx)), 0);
			break;
		default: {
			struct link_frame frame;
			size_t used;
			if (link_frame_parse(buf_bytes(&wire), &frame, &used) != 0) {
				break;
			}
			int result = link_window_accept(&rx, frame.seq, used);
			assert_true(result >= 0);
			if (result == 0) {
				uint64_t number;
				memcpy(&number, frame.body.data, sizeof(number));
				assert_int_equal(number, taken);
				assert_int_equal(frame.body.data[frame.body.len - 1],
					frame.body.len > 8 ? (int)(number & 0xff)
							   : (int)(number >> 56));
				taken++;
				link_window_consumed(&rx, rx.rx_next);
			}
			buf_consume(&wire, used);
		}
		}
	}
	assert_true(taken > 2000);
	assert_true(added - taken <= LINK_WINDOW_FRAMES);
	free(data);
	buf_fini(&wire);
	buf_fini(&body);
	link_window_fini(&tx);
	link_window_fini(&rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_what_was_added_as_one_batch),
		cmocka_unit_test(closes_a_batch_at_its_target_size),
		cmocka_unit_test(closes_the_window_at_its_bytes_and_opens_it_by_acks),
		cmocka_unit_test(closes_the_window_at_its_frames),
		cmocka_unit_test(refuses_an_ack_of_what_was_never_handed_out),
		cmocka_unit_test(keeps_what_is_still_being_written),
		cmocka_unit_test(begins_anew_at_the_start_of_the_ring_when_it_is_empty),
		cmocka_unit_test(resends_from_where_the_peer_says),
		cmocka_unit_test(takes_frames_in_order_and_repeats_never),
		cmocka_unit_test(acks_what_was_taken_in_not_what_was_received),
		cmocka_unit_test(loses_nothing_over_random_cuts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
