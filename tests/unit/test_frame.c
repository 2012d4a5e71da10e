#include <stdlib.h>

#include "common/mem.h"
#include "edge/send/frame.h"
#include "tests/unit/test.h"

static void carries_a_header_and_the_payload(void **state)
{
	(void)state;
	struct frame *f = frame_new(WS_TEXT, bytes_str("Hello"));
	assert_bytes_equal(bytes_make(f->data, f->len), "\x81\x05Hello");
	frame_unref(f);
	f = frame_new(WS_PONG, bytes_make(NULL, 0));
	assert_int_equal(f->len, 2);
	assert_memory_equal(f->data, "\x8a\x00", 2);
	frame_unref(f);
}

static void uses_the_shortest_header(void **state)
{
	(void)state;
	static const struct {
		size_t payload_len;
		size_t header_len;
		const char *header;
	} rows[] = {
		{ 125, 2, "\x82\x7d" },
		{ 126, 4, "\x82\x7e\x00\x7e" },
		{ 65535, 4, "\x82\x7e\xff\xff" },
		{ 65536, 10, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" },
	};
	uint8_t *payload = xmalloc(65536);
	memset(payload, 'p', 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame *f = frame_new(WS_BINARY, bytes_make(payload, rows[i].payload_len));
		assert_int_equal(f->len, rows[i].header_len + rows[i].payload_len);
		assert_memory_equal(f->data, rows[i].header, rows[i].header_len);
		assert_memory_equal(f->data + rows[i].header_len, payload, rows[i].payload_len);
		frame_unref(f);
	}
	free(payload);
}

// A frame freed too early or not at all is the sanitizer's and valgrind's to see.
static void lives_until_its_last_reference_goes(void **state)
{
	(void)state;
	struct frame *f = frame_new(WS_TEXT, bytes_str("shared"));
	assert_int_equal(f->refs, 1);
	assert_ptr_equal(frame_ref(f, 3), f);
	assert_int_equal(f->refs, 4);
	for (uint32_t left = 3; left > 0; left--) {
		frame_unref(f);
		assert_int_equal(f->refs, left);
	}
	frame_ref(f, 0);
	assert_int_equal(f->refs, 1);
	frame_unref(f);
	frame_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_a_header_and_the_payload),
		cmocka_unit_test(uses_the_shortest_header),
		cmocka_unit_test(lives_until_its_last_reference_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
