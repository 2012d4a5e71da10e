#include <errno.h>

#include "common/buf.h"
#include "proto/link_frame.h"
#include "tests/unit/test.h"

static struct buf make_frame(enum link_frame_type type, uint64_t seq, uint64_t ack,
	const char *body)
{
	struct buf b = { 0 };
	uint8_t head[LINK_HEAD_LEN];
	size_t half = strlen(body) / 2;
	link_frame_head(head, type, seq, ack, bytes_make(body, half), bytes_str(body + half));
	buf_append(&b, head, sizeof(head));
	buf_append_str(&b, body);
	return b;
}

static void reads_what_was_written(void **state)
{
	(void)state;
	struct buf b = make_frame(LINK_BATCH, 7, UINT64_MAX, "some items");
	struct link_frame frame;
	size_t used;
	assert_int_equal(link_frame_parse(buf_bytes(&b), &frame, &used), 0);
	assert_int_equal(used, b.len);
	assert_int_equal(frame.type, LINK_BATCH);
	assert_int_equal(frame.seq, 7);
	assert_true(frame.ack == UINT64_MAX);
	assert_bytes_equal(frame.body, "some items");
	buf_fini(&b);
}

static void asks_for_more_at_every_split(void **state)
{
	(void)state;
	struct buf b = make_frame(LINK_PING, 0, 3, "");
	for (size_t len = 0; len < b.len; len++) {
		struct link_frame frame;
		size_t used;
		assert_int_equal(link_frame_parse(bytes_make(b.data, len), &frame, &used), 1);
		assert_int_equal(used, len < LINK_HEAD_LEN ? 0 : b.len);
	}
	buf_fini(&b);
}

static void refuses_every_flipped_bit(void **state)
{
	(void)state;
	struct buf b = make_frame(LINK_BATCH, 1, 1, "abcdefgh");
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		struct link_frame frame;
		size_t used;
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		// A length that grew within its limit waits for bytes that never come right; all
		// else is refused at once.
		int result = link_frame_parse(buf_bytes(&b), &frame, &used);
		assert_true(result == -EPROTO || (result == 1 && used > b.len));
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	buf_fini(&b);
}

static void refuses_a_body_over_the_limit_by_its_header_alone(void **state)
{
	(void)state;
	uint8_t head[LINK_HEAD_LEN] = { 0x01, 0x00, 0x0c, 0x00, LINK_BATCH }; // 768 KiB + 1
	struct link_frame frame;
	size_t used;
	assert_int_equal(link_frame_parse(bytes_make(head, sizeof(head)), &frame, &used), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_written),
		cmocka_unit_test(asks_for_more_at_every_split),
		cmocka_unit_test(refuses_every_flipped_bit),
		cmocka_unit_test(refuses_a_body_over_the_limit_by_its_header_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
