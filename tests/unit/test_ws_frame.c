#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "edge/ws/ws_frame.h"
#include "tests/unit/test.h"

#define BYTES(literal)                                                                             \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}
#define MASK "\x37\xfa\x21\x3d"

// Decodes a copy of exactly that length, so that the sanitizer sees a byte read past it.
static int decode_exactly(struct bytes data, bool allow_rsv1, struct ws_header *header)
{
	uint8_t *copy = xmemdup(data.data, data.len);
	int result = ws_header_decode(bytes_make(copy, data.len), allow_rsv1, header);
	free(copy);
	return result;
}

struct legal_header {
	struct bytes bytes;
	bool fin;
	uint8_t opcode;
	uint64_t payload_len;
};

static const struct legal_header legal_headers[] = {
	// RFC 6455 section 5.7, the unmasked ones with the mask a client must use.
	{ BYTES("\x81\x85" MASK), true, WS_TEXT, 5 },
	{ BYTES("\x01\x83" MASK), false, WS_TEXT, 3 },
	{ BYTES("\x80\x82" MASK), true, WS_CONTINUATION, 2 },
	{ BYTES("\x89\x85" MASK), true, WS_PING, 5 },
	{ BYTES("\x8a\x85" MASK), true, WS_PONG, 5 },
	{ BYTES("\x82\xfe\x01\x00" MASK), true, WS_BINARY, 256 },
	{ BYTES("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK), true, WS_BINARY, 65536 },
	// Both ends of each length form.
	{ BYTES("\x81\x80" MASK), true, WS_TEXT, 0 },
	{ BYTES("\x81\xfd" MASK), true, WS_TEXT, 125 },
	{ BYTES("\x81\xfe\x00\x7e" MASK), true, WS_TEXT, 126 },
	{ BYTES("\x81\xfe\xff\xff" MASK), true, WS_TEXT, 65535 },
	{ BYTES("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK), true, WS_TEXT, INT64_MAX },
	{ BYTES("\x88\xfd" MASK), true, WS_CLOSE, 125 },
	{ BYTES("\x00\x80" MASK), false, WS_CONTINUATION, 0 },
};

static void decodes_every_legal_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(legal_headers); i++) {
		const struct legal_header *row = &legal_headers[i];
		struct ws_header header;
		assert_int_equal(decode_exactly(row->bytes, false, &header), 0);
		assert_int_equal(header.fin, row->fin);
		assert_false(header.rsv1);
		assert_int_equal(header.opcode, row->opcode);
		assert_int_equal(header.payload_len, row->payload_len);
		assert_int_equal(header.header_len, row->bytes.len);
		assert_memory_equal(header.mask, MASK, 4);
	}
}

static void asks_for_no_more_than_the_header_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(legal_headers); i++) {
		struct bytes whole = legal_headers[i].bytes;
		for (size_t len = 0; len < whole.len; len++) {
			struct ws_header header;
			int result = decode_exactly(bytes_make(whole.data, len), false, &header);
			assert_int_equal(result, 1);
			assert_true(header.header_len > len && header.header_len <= whole.len);
		}
	}
}

static void leaves_the_payload_alone(void **state)
{
	(void)state;
	struct ws_header header;
	struct bytes frame = BYTES("\x81\x85" MASK "\x7f\x9f\x4d\x51\x58");
	assert_int_equal(ws_header_decode(frame, false, &header), 0);
	assert_int_equal(header.header_len, 6);
}

struct illegal_header {
	const char *why;
	struct bytes bytes;
	size_t seen_at; // bytes after which it must have been refused
};

static const struct illegal_header illegal_headers[] = {
	{ "unmasked text", BYTES("\x81\x05Hello"), 2 },
	{ "unmasked empty text", BYTES("\x81\x00"), 2 },
	{ "unmasked, 16-bit length", BYTES("\x82\x7e\x01\x00"), 2 },
	{ "unmasked ping", BYTES("\x89\x00"), 2 },
	{ "RSV1", BYTES("\xc1\x80" MASK), 1 },
	{ "RSV2", BYTES("\xa1\x80" MASK), 1 },
	{ "RSV3", BYTES("\x91\x80" MASK), 1 },
	{ "RSV1 on a continuation", BYTES("\xc0\x80" MASK), 1 },
	{ "RSV1 on a ping", BYTES("\xc9\x80" MASK), 1 },
	{ "RSV1, RSV2 and RSV3 on a close", BYTES("\xf8\x80" MASK), 1 },
	{ "opcode 3", BYTES("\x83\x80" MASK), 1 },
	{ "opcode 4", BYTES("\x84\x80" MASK), 1 },
	{ "opcode 5", BYTES("\x85\x80" MASK), 1 },
	{ "opcode 6", BYTES("\x86\x80" MASK), 1 },
	{ "opcode 7", BYTES("\x87\x80" MASK), 1 },
	{ "opcode 11", BYTES("\x8b\x80" MASK), 1 },
	{ "opcode 12", BYTES("\x8c\x80" MASK), 1 },
	{ "opcode 13", BYTES("\x8d\x80" MASK), 1 },
	{ "opcode 14", BYTES("\x8e\x80" MASK), 1 },
	{ "opcode 15", BYTES("\x8f\x80" MASK), 1 },
	{ "fragmented close", BYTES("\x08\x80" MASK), 1 },
	{ "fragmented ping", BYTES("\x09\x80" MASK), 1 },
	{ "fragmented pong", BYTES("\x0a\x80" MASK), 1 },
	{ "close of 126 bytes", BYTES("\x88\xfe\x00\x7e" MASK), 2 },
	{ "ping of 126 bytes", BYTES("\x89\xfe\x00\x7e" MASK), 2 },
	{ "pong with a 64-bit length", BYTES("\x8a\xff\x00\x00\x00\x00\x00\x01\x00\x00" MASK), 2 },
	{ "5 in 16 bits", BYTES("\x81\xfe\x00\x05" MASK), 4 },
	{ "125 in 16 bits", BYTES("\x81\xfe\x00\x7d" MASK), 4 },
	{ "300 in 64 bits", BYTES("\x81\xff\x00\x00\x00\x00\x00\x00\x01\x2c" MASK), 10 },
	{ "65535 in 64 bits", BYTES("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" MASK), 10 },
	{ "2^63", BYTES("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" MASK), 10 },
	{ "2^64 - 1", BYTES("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" MASK), 10 },
};

static void refuses_every_illegal_header_where_it_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(illegal_headers); i++) {
		const struct illegal_header *row = &illegal_headers[i];
		for (size_t len = 0; len <= row->bytes.len; len++) {
			struct ws_header header;
			struct bytes data = bytes_make(row->bytes.data, len);
			int result = decode_exactly(data, false, &header);
			bool right = len < row->seen_at ? result == 1
							: result == WS_CLOSE_PROTOCOL_ERROR;
			if (!right) {
				fail_msg("%s, %zu bytes: %d", row->why, len, result);
			}
		}
	}
}

static void allows_rsv1_only_where_a_data_message_starts(void **state)
{
	(void)state;
	static const struct bytes refused[] = {
		BYTES("\xc0\x80" MASK), // continuation
		BYTES("\xc8\x80" MASK), // close
		BYTES("\xc9\x80" MASK), // ping
		BYTES("\xca\x80" MASK), // pong
		BYTES("\xe1\x80" MASK), // RSV2 beside it
		BYTES("\xd1\x80" MASK), // RSV3 beside it
	};
	struct ws_header header;
	struct bytes text = BYTES("\xc1\x80" MASK);
	struct bytes fragmented_binary = BYTES("\x42\x80" MASK);
	assert_int_equal(decode_exactly(text, true, &header), 0);
	assert_true(header.rsv1);
	assert_int_equal(decode_exactly(fragmented_binary, true, &header), 0);
	assert_true(header.rsv1);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(decode_exactly(refused[i], true, &header),
			WS_CLOSE_PROTOCOL_ERROR);
	}
}

struct encoded_header {
	enum ws_opcode opcode;
	bool rsv1;
	uint64_t payload_len;
	struct bytes bytes;
};

static const struct encoded_header encoded_headers[] = {
	{ WS_TEXT, false, 5, BYTES("\x81\x05") },
	{ WS_TEXT, true, 5, BYTES("\xc1\x05") },
	{ WS_PING, false, 5, BYTES("\x89\x05") },
	{ WS_PONG, false, 0, BYTES("\x8a\x00") },
	{ WS_CLOSE, false, 125, BYTES("\x88\x7d") },
	{ WS_BINARY, false, 126, BYTES("\x82\x7e\x00\x7e") },
	{ WS_BINARY, false, 256, BYTES("\x82\x7e\x01\x00") },
	{ WS_BINARY, false, 65535, BYTES("\x82\x7e\xff\xff") },
	{ WS_BINARY, false, 65536, BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00") },
	{ WS_TEXT, false, INT64_MAX, BYTES("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff") },
};

static void encodes_the_shortest_unmasked_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(encoded_headers); i++) {
		const struct encoded_header *row = &encoded_headers[i];
		uint8_t out[WS_SERVER_HEADER_MAX];
		size_t len = ws_header_encode(out, row->opcode, row->rsv1, row->payload_len);
		assert_int_equal(len, row->bytes.len);
		assert_memory_equal(out, row->bytes.data, len);
	}
}

static void unmasks_the_example_of_the_rfc(void **state)
{
	(void)state;
	uint8_t data[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	ws_unmask(data, sizeof(data), (const uint8_t *)MASK, 0);
	assert_memory_equal(data, "Hello", 5);
}

static void unmasks_at_every_length_alignment_and_offset(void **state)
{
	(void)state;
	enum {
		ROOM = 64
	};
	const uint8_t *mask = (const uint8_t *)MASK;
	for (size_t start = 0; start < 8; start++) {
		for (size_t len = 0; len + start <= ROOM; len++) {
			for (uint64_t offset = 0; offset < 8; offset++) {
				uint8_t data[ROOM];
				uint8_t expected[ROOM];
				for (size_t i = 0; i < ROOM; i++) {
					data[i] = expected[i] = (uint8_t)(i * 7);
				}
				for (size_t i = 0; i < len; i++) {
					expected[start + i] ^= mask[(offset + i) % 4];
				}
				ws_unmask(data + start, len, mask, offset);
				assert_memory_equal(data, expected, ROOM);
			}
		}
	}
}

static void finds_the_payload_behind_its_own_headers(void **state)
{
	(void)state;
	static const uint64_t lengths[] = { 0, 125, 126, 65535, 65536, INT64_MAX };
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		uint8_t header[WS_SERVER_HEADER_MAX];
		size_t len = ws_header_encode(header, WS_TEXT, true, lengths[i]);
		assert_int_equal(ws_header_len(header), len);
	}
}

static void knows_the_close_codes_a_peer_may_send(void **state)
{
	(void)state;
	static const unsigned valid[] = { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011,
		1012, 1013, 1014, 3000, 3999, 4000, 4999 };
	static const unsigned invalid[] = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000,
		2999, 5000, 65535, 65536 + 1000 };
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		assert_true(ws_close_code_valid(valid[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
		assert_false(ws_close_code_valid(invalid[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_every_legal_form),
		cmocka_unit_test(asks_for_no_more_than_the_header_has),
		cmocka_unit_test(leaves_the_payload_alone),
		cmocka_unit_test(refuses_every_illegal_header_where_it_is_wrong),
		cmocka_unit_test(allows_rsv1_only_where_a_data_message_starts),
		cmocka_unit_test(encodes_the_shortest_unmasked_header),
		cmocka_unit_test(unmasks_the_example_of_the_rfc),
		cmocka_unit_test(unmasks_at_every_length_alignment_and_offset),
		cmocka_unit_test(finds_the_payload_behind_its_own_headers),
		cmocka_unit_test(knows_the_close_codes_a_peer_may_send),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
