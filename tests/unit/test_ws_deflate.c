#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "edge/ws/ws_deflate.h"
#include "edge/ws/ws_frame.h"
#include "tests/unit/test.h"

#define LITERAL(text) bytes_make(text, sizeof(text) - 1)

static const struct ws_inflate_limits no_limits = { 0 };

static struct bytes repeated(struct buf *b, uint8_t byte, size_t len)
{
	b->len = 0;
	while (b->len < len) {
		buf_append_byte(b, byte);
	}
	return buf_bytes(b);
}

// Bytes that do not get smaller.
static struct bytes noise(struct buf *b, size_t len)
{
	uint32_t seed = 77;
	while (b->len < len) {
		seed = seed * 1664525 + 1013904223;
		buf_append_byte(b, (uint8_t)(seed >> 24));
	}
	return buf_bytes(b);
}

// The examples of RFC 7692 section 7.2.3, and blocks in other orders.
static void inflates_every_kind_of_block(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct bytes packed;
		const char *message;
	} rows[] = {
		{ "one block", { (const uint8_t *)"\xf2\x48\xcd\xc9\xc9\x07\x00", 7 }, "Hello" },
		{ "stored", { (const uint8_t *)"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11 },
			"Hello" },
		{ "marked as the last", { (const uint8_t *)"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8 },
			"Hello" },
		{ "marked as the last, and nothing behind it",
			{ (const uint8_t *)"\xf3\x48\xcd\xc9\xc9\x07\x00", 7 }, "Hello" },
		{ "two blocks",
			{ (const uint8_t *)"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
				13 },
			"Hello" },
		{ "two streams",
			{ (const uint8_t *)"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07"
					   "\x00",
				14 },
			"HelloHello" },
		{ "a last block that is stored and ends in the tail",
			{ (const uint8_t *)"\x01", 1 }, "" },
		{ "empty", { (const uint8_t *)"\x00", 1 }, "" },
		{ "empty, as a fixed block", { (const uint8_t *)"\x02\x00", 2 }, "" },
	};
	struct ws_inflater *inflater = ws_inflater_new();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes message;
		unsigned code = ws_inflater_run(inflater, rows[i].packed, &no_limits, &message);
		if (code != 0 || !bytes_equal_str(message, rows[i].message)) {
			fail_msg("%s: %u, %zu bytes", rows[i].what, code, message.len);
		}
	}
	ws_inflater_free(inflater);
}

static void refuses_what_is_no_message_and_goes_on(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct bytes packed;
	} rows[] = {
		{ "nothing at all", { NULL, 0 } },
		{ "a block of the kind that does not exist", { (const uint8_t *)"\x07", 1 } },
		{ "a stored block whose lengths differ",
			{ (const uint8_t *)"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", 11 } },
		{ "cut inside a block", { (const uint8_t *)"\xf2\x48\xcd\xc9", 4 } },
		{ "cut inside a stored block",
			{ (const uint8_t *)"\x00\x50\x00\xaf\xff\x48\x65\x6c\x6c\x6f\x00", 11 } },
		{ "with the tail still on it",
			{ (const uint8_t *)"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", 11 } },
		{ "a distance further back than the message",
			{ (const uint8_t *)"\xf2\x00\x11\x00\x00", 5 } },
		{ "a zlib header", { (const uint8_t *)"\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00", 9 } },
	};
	struct ws_inflater *inflater = ws_inflater_new();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes message;
		unsigned code = ws_inflater_run(inflater, rows[i].packed, &no_limits, &message);
		if (code != WS_CLOSE_BAD_UTF8) {
			fail_msg("%s: %u, %zu bytes", rows[i].what, code, message.len);
		}
		code = ws_inflater_run(inflater, LITERAL("\xf2\x48\xcd\xc9\xc9\x07\x00"),
			&no_limits, &message);
		assert_int_equal(code, 0);
		assert_bytes_equal(message, "Hello");
	}
	ws_inflater_free(inflater);
}

static void inflates_what_it_deflated_in_every_window(void **state)
{
	(void)state;
	static const size_t lengths[] = { 0, 1, 2, 125, 126, 300, 4096, 65535, 65536, 140000 };
	struct ws_inflater *inflater = ws_inflater_new();
	for (int bits = 9; bits <= 15; bits++) {
		struct ws_deflater *deflater = ws_deflater_new(3, bits == 9 ? 1 : 7, bits);
		for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
			struct buf letters = { 0 };
			struct buf dice = { 0 };
			struct bytes texts[] = { repeated(&letters, 'a', lengths[i]),
				noise(&dice, lengths[i]) };
			for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
				struct bytes message;
				struct bytes packed = ws_deflater_run(deflater, texts[t]);
				assert_true(packed.len <= ws_deflate_bound(texts[t].len));
				assert_int_equal(
					ws_inflater_run(inflater, packed, &no_limits, &message), 0);
				assert_true(bytes_equal(message, texts[t]));
			}
			buf_fini(&letters);
			buf_fini(&dice);
		}
		ws_deflater_free(deflater);
	}
	ws_inflater_free(inflater);
}

// The same message gives the same bytes whatever was before it.
static void deflates_without_memory_of_what_was_before(void **state)
{
	(void)state;
	static const char text[] =
		"{\"type\":\"chat\",\"text\":\"the same words again and again\"}";
	struct ws_deflater *deflater = ws_deflater_new(3, 7, 12);
	struct bytes packed = ws_deflater_run(deflater, bytes_str(text));
	uint8_t *first = xmemdup(packed.data, packed.len);
	size_t len = packed.len;
	packed = ws_deflater_run(deflater, bytes_str(text));
	assert_int_equal(packed.len, len);
	assert_memory_equal(packed.data, first, len);
	free(first);
	ws_deflater_free(deflater);
}

static void inflates_no_more_than_the_limit_and_a_chunk(void **state)
{
	(void)state;
	enum {
		MAX = 102400,
		BOMB = 64 * 1024 * 1024,
	};
	struct buf zeros = { 0 };
	struct bytes message;
	struct ws_deflater *deflater = ws_deflater_new(9, 9, 15);
	struct ws_inflater *inflater = ws_inflater_new();
	struct bytes packed = ws_deflater_run(deflater, repeated(&zeros, 0, BOMB));
	assert_true(packed.len < 70000);
	const struct ws_inflate_limits limits = { .message_max = MAX };
	assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message), WS_CLOSE_TOO_BIG);
	assert_in_range(message.len, MAX + 1, MAX + WS_INFLATE_CHUNK);
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
	buf_fini(&zeros);
}

static void takes_a_message_of_the_limit_and_not_one_byte_more(void **state)
{
	(void)state;
	enum {
		MAX = 102400,
	};
	struct ws_deflater *deflater = ws_deflater_new(3, 7, 15);
	struct ws_inflater *inflater = ws_inflater_new();
	const struct ws_inflate_limits limits = { .message_max = MAX };
	for (size_t more = 0; more < 2; more++) {
		struct buf text = { 0 };
		struct bytes message;
		struct bytes packed = ws_deflater_run(deflater, noise(&text, MAX + more));
		unsigned code = ws_inflater_run(inflater, packed, &limits, &message);
		assert_int_equal(code, more == 0 ? 0 : WS_CLOSE_TOO_BIG);
		buf_fini(&text);
	}
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void limits_the_ratio_above_its_floor(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		unsigned code;
	} rows[] = {
		{ WS_INFLATE_RATIO_FLOOR, 0 },
		{ WS_INFLATE_RATIO_FLOOR + 1, WS_CLOSE_TOO_BIG },
		{ 524288, WS_CLOSE_TOO_BIG },
	};
	struct ws_deflater *deflater = ws_deflater_new(9, 9, 15);
	struct ws_inflater *inflater = ws_inflater_new();
	const struct ws_inflate_limits limits = { .message_max = 524288, .ratio_max = 100 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 };
		struct bytes message;
		struct bytes packed = ws_deflater_run(deflater, repeated(&text, 'a', rows[i].len));
		assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message),
			rows[i].code);
		buf_fini(&text);
		packed = ws_deflater_run(deflater, noise(&text, rows[i].len));
		assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message), 0);
		buf_fini(&text);
	}
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
}

static void refuses_text_at_the_chunk_with_the_first_bad_octet(void **state)
{
	(void)state;
	struct buf text = { 0 };
	struct bytes message;
	struct ws_deflater *deflater = ws_deflater_new(3, 7, 15);
	struct ws_inflater *inflater = ws_inflater_new();
	const struct ws_inflate_limits limits = { .message_max = 90000, .text = true };
	repeated(&text, 'a', 100000);
	text.data[5] = 0xff;
	struct bytes packed = ws_deflater_run(deflater, buf_bytes(&text));
	assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message), WS_CLOSE_BAD_UTF8);
	assert_true(message.len <= WS_INFLATE_CHUNK);
	buf_reset(&text, 0);
	buf_append_str(&text, "cut \xe2\x82");
	packed = ws_deflater_run(deflater, buf_bytes(&text));
	assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message), WS_CLOSE_BAD_UTF8);
	buf_append_str(&text, "\xac");
	packed = ws_deflater_run(deflater, buf_bytes(&text));
	assert_int_equal(ws_inflater_run(inflater, packed, &limits, &message), 0);
	assert_bytes_equal(message, "cut \xe2\x82\xac");
	ws_deflater_free(deflater);
	ws_inflater_free(inflater);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inflates_every_kind_of_block),
		cmocka_unit_test(refuses_what_is_no_message_and_goes_on),
		cmocka_unit_test(inflates_what_it_deflated_in_every_window),
		cmocka_unit_test(deflates_without_memory_of_what_was_before),
		cmocka_unit_test(inflates_no_more_than_the_limit_and_a_chunk),
		cmocka_unit_test(takes_a_message_of_the_limit_and_not_one_byte_more),
		cmocka_unit_test(limits_the_ratio_above_its_floor),
		cmocka_unit_test(refuses_text_at_the_chunk_with_the_first_bad_octet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
