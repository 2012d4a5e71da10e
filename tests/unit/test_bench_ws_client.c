#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/bench/token.h"
#include "tests/bench/wire_deflate.h"
#include "tests/bench/ws_client.h"
#include "tests/unit/test.h"

#define BYTES(literal)                                                                             \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

// RFC 6455 section 1.3.
static const uint8_t nonce[WS_NONCE_LEN] = "the sample nonce";
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HEAD   "HTTP/1.1 101 Switching Protocols\r\n"
#define FIELDS "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const char good[] = HEAD "server: x\r\nupgrade: WebSocket\r\nCONNECTION:Upgrade \r\n"
				"Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n";

static int respond(struct bytes data, struct ws_response *response)
{
	uint8_t *copy = xmemdup(data.data, data.len);
	int result = ws_client_response(bytes_make(copy, data.len), nonce, response);
	free(copy);
	return result;
}

static void asks_for_the_upgrade_as_the_rfc_shows(void **state)
{
	(void)state;
	struct buf out = { 0 };
	ws_client_request(&out, "server.example.com", bytes_str("/chat?x=y"), nonce, NULL, false);
	assert_bytes_equal(buf_bytes(&out),
		"GET /chat?x=y HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	buf_fini(&out);
}

static void accepts_the_right_answer_and_no_more_than_its_head(void **state)
{
	(void)state;
	struct buf data = { 0 };
	buf_append_str(&data, good);
	buf_append_str(&data, "\x81\x02hi");
	struct ws_response response;
	assert_int_equal(respond(buf_bytes(&data), &response), 0);
	assert_int_equal(response.status, 101);
	assert_int_equal(response.len, sizeof(good) - 1);
	buf_fini(&data);
}

static void waits_for_the_rest_of_an_answer_cut_anywhere(void **state)
{
	(void)state;
	struct ws_response response;
	for (size_t len = 1; len < sizeof(good) - 1; len++) {
		assert_int_equal(respond(bytes_make(good, len), &response), 1);
	}
}

static void passes_on_the_status_of_a_refusal(void **state)
{
	(void)state;
	struct ws_response response;
	assert_int_equal(respond(bytes_str("HTTP/1.1 503 Service Unavailable\r\n"
					   "Retry-After: 1\r\n\r\n"),
				 &response),
		0);
	assert_int_equal(response.status, 503);
}

static void refuses_wrong_answers(void **state)
{
	(void)state;
	static const char *const texts[] = {
		HEAD FIELDS "\r\n",
		HEAD FIELDS "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n\r\n",
		HEAD FIELDS "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Accept: " ACCEPT
			    "\r\n\r\n",
		HEAD "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
		HEAD "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT
		     "\r\n\r\n",
		"HTTP/1.1 1o1 Switching\r\n" FIELDS "\r\n",
		"HTTP/1.1 1010 x\r\n\r\n",
		"HTTP/1.0",
		"SSH-2.0-x\r\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ws_response response;
		assert_int_equal(respond(bytes_str(texts[i]), &response), -EBADMSG);
	}
}

static void compression_is_taken_only_with_its_promise_and_alone(void **state)
{
	(void)state;
	static const struct {
		const char *value; // NULL: no such field
		int result;
		bool deflate;
	} rows[] = {
		{ NULL, 0, false },
		{ "permessage-deflate; server_no_context_takeover", 0, true },
		{ "permessage-deflate;client_no_context_takeover;server_no_context_takeover; "
		  "server_max_window_bits=12",
			0, true },
		{ "permessage-deflate", -EBADMSG, false },
		{ "permessage-deflate; server_no_context_takeover, x-other", -EBADMSG, false },
		{ "x-webkit-deflate-frame", -EBADMSG, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf data = { 0 };
		struct ws_response response = { 0 };
		buf_append_str(&data, HEAD FIELDS "Sec-WebSocket-Accept: " ACCEPT "\r\n");
		if (rows[i].value != NULL) {
			buf_printf(&data, "Sec-WebSocket-Extensions: %s\r\n", rows[i].value);
		}
		buf_append_str(&data, "\r\n");
		assert_int_equal(respond(buf_bytes(&data), &response), rows[i].result);
		assert_true(rows[i].result != 0 || response.deflate == rows[i].deflate);
		buf_fini(&data);
	}
}

static void a_packed_frame_is_one_that_begins_a_message_where_it_was_agreed(void **state)
{
	(void)state;
	static const struct {
		uint8_t first;
		bool deflate;
		int result;
	} rows[] = {
		{ 0xc1, true, 0 },
		{ 0x42, true, 0 },
		{ 0xc1, false, -EBADMSG },
		{ 0xc0, true, -EBADMSG },
		{ 0xc9, true, -EBADMSG },
		{ 0xa1, true, -EBADMSG },
		{ 0xe1, true, -EBADMSG },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t data[2] = { rows[i].first, 0 };
		struct ws_incoming frame;
		assert_int_equal(ws_client_decode(bytes_make(data, 2), rows[i].deflate, &frame),
			rows[i].result);
		assert_true(rows[i].result != 0 || frame.packed);
	}
}

// RFC 7692 sections 7.2.3.1, 7.2.3.3, 7.2.3.4 and 7.2.3.5.
static void inflates_the_examples_of_the_rfc(void **state)
{
	(void)state;
	static const struct bytes rows[] = {
		BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"),
		BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
		BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
	};
	struct wire_inflater *inflater = wire_inflater_new();
	struct bytes message;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(wire_inflate(inflater, rows[i], 5, &message), 0);
		assert_bytes_equal(message, "Hello");
		assert_int_equal(wire_inflate(inflater, rows[i], 4, &message), -EBADMSG);
	}
	static const struct bytes damaged = BYTES("\xff\xff\xff");
	assert_int_equal(wire_inflate(inflater, damaged, 5, &message), -EBADMSG);
	wire_inflater_free(inflater);
}

static void refuses_a_head_without_end(void **state)
{
	(void)state;
	struct buf data = { 0 };
	buf_append_str(&data, HEAD);
	while (data.len < WS_RESPONSE_MAX) {
		buf_append_str(&data, "x: y\r\n");
	}
	struct ws_response response;
	assert_int_equal(respond(buf_bytes(&data), &response), -EBADMSG);
	buf_fini(&data);
}

static int decode(struct bytes data, struct ws_incoming *frame)
{
	uint8_t *copy = xmemdup(data.data, data.len);
	int result = ws_client_decode(bytes_make(copy, data.len), false, frame);
	free(copy);
	return result;
}

static void decodes_every_legal_header_cut_anywhere(void **state)
{
	(void)state;
	static const struct {
		struct bytes bytes;
		bool fin;
		uint8_t opcode;
		uint64_t payload_len;
	} rows[] = {
		// RFC 6455 section 5.7.
		{ BYTES("\x81\x05"), true, WS_TEXT, 5 },
		{ BYTES("\x01\x03"), false, WS_TEXT, 3 },
		{ BYTES("\x80\x02"), true, WS_CONTINUATION, 2 },
		{ BYTES("\x89\x05"), true, WS_PING, 5 },
		{ BYTES("\x82\x7e\x01\x00"), true, WS_BINARY, 256 },
		{ BYTES("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), true, WS_BINARY, 65536 },
		{ BYTES("\x81\x7d"), true, WS_TEXT, 125 },
		{ BYTES("\x81\x7e\x00\x7e"), true, WS_TEXT, 126 },
		{ BYTES("\x81\x7e\xff\xff"), true, WS_TEXT, 65535 },
		{ BYTES("\x88\x7d"), true, WS_CLOSE, 125 },
		{ BYTES("\x8a\x00"), true, WS_PONG, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ws_incoming frame;
		for (size_t len = 1; len < rows[i].bytes.len; len++) {
			assert_int_equal(decode(bytes_make(rows[i].bytes.data, len), &frame), 1);
		}
		assert_int_equal(decode(rows[i].bytes, &frame), 0);
		assert_int_equal(frame.fin, rows[i].fin);
		assert_int_equal(frame.opcode, rows[i].opcode);
		assert_int_equal(frame.header_len, rows[i].bytes.len);
		assert_int_equal(frame.payload_len, rows[i].payload_len);
	}
}

static void refuses_what_no_server_may_send(void **state)
{
	(void)state;
	static const struct bytes rows[] = {
		BYTES("\x81\x85"), // masked
		BYTES("\xc1\x05"), // compressed, which nobody offered
		BYTES("\xa1\x05"),
		BYTES("\x91\x05"),
		BYTES("\x83\x05"), // opcodes without meaning
		BYTES("\x8b\x05"),
		BYTES("\x09\x05"), // a ping in pieces
		BYTES("\x89\x7e"), // or too long
		BYTES("\x81\x7e\x00\x7d"), // not the shortest form
		BYTES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff"),
		BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ws_incoming frame;
		assert_int_equal(decode(rows[i], &frame), -EBADMSG);
	}
}

static void masks_as_the_rfc_shows(void **state)
{
	(void)state;
	static const uint8_t key[] = { 0x37, 0xfa, 0x21, 0x3d };
	uint32_t mask;
	memcpy(&mask, key, sizeof(mask));
	struct buf out = { 0 };
	ws_client_append(&out, WS_TEXT, bytes_str("Hello"), mask);
	static const uint8_t wanted[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d,
		0x51, 0x58 };
	assert_int_equal(out.len, sizeof(wanted));
	assert_memory_equal(out.data, wanted, sizeof(wanted));
	buf_fini(&out);
}

static void masks_payloads_of_every_form_of_length(void **state)
{
	(void)state;
	static const size_t lens[] = { 0, 1, 7, 8, 9, 125, 126, 65535, 65536, 65543 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		size_t len = lens[i];
		uint8_t *payload = xcalloc(len + 1, 1);
		struct buf out = { 0 };
		for (size_t k = 0; k < len; k++) {
			payload[k] = (uint8_t)(k * 7);
		}
		ws_client_append(&out, WS_BINARY, bytes_make(payload, len), 0xa1b2c3d4);
		size_t header = out.len - len;
		assert_int_equal(header, 6 + (len < 126 ? 0 : len < 65536 ? 2 : 8));
		for (size_t k = 0; k < len; k++) {
			uint8_t key = out.data[header - 4 + k % 4];
			assert_int_equal(out.data[header + k] ^ key, payload[k]);
		}
		// But for the mask it is a frame that we would take.
		struct ws_incoming frame;
		out.data[1] &= 0x7f;
		assert_int_equal(ws_client_decode(buf_bytes(&out), false, &frame), 0);
		assert_int_equal(frame.payload_len, len);
		buf_fini(&out);
		free(payload);
	}
}

static void signs_tokens_that_others_can_check(void **state)
{
	(void)state;
	struct buf out = { 0 };
	token_append(&out, bytes_str("a key of the tests, 32 bytes long"), "bench-7", 2000000000);
	// Made by another implementation of HMAC and base64url.
	assert_bytes_equal(buf_bytes(&out),
		"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
		"eyJzdWIiOiJiZW5jaC03IiwidXNlcm5hbWUiOiJiZW5jaC03IiwiZXhwIjoyMDAwMDAwMDAwfQ."
		"xqe0y3V-9v4y6e97H0j0JrK63lypJ_HnGeiLyvtJZ9k");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_the_upgrade_as_the_rfc_shows),
		cmocka_unit_test(accepts_the_right_answer_and_no_more_than_its_head),
		cmocka_unit_test(waits_for_the_rest_of_an_answer_cut_anywhere),
		cmocka_unit_test(passes_on_the_status_of_a_refusal),
		cmocka_unit_test(refuses_wrong_answers),
		cmocka_unit_test(compression_is_taken_only_with_its_promise_and_alone),
		cmocka_unit_test(a_packed_frame_is_one_that_begins_a_message_where_it_was_agreed),
		cmocka_unit_test(inflates_the_examples_of_the_rfc),
		cmocka_unit_test(refuses_a_head_without_end),
		cmocka_unit_test(decodes_every_legal_header_cut_anywhere),
		cmocka_unit_test(refuses_what_no_server_may_send),
		cmocka_unit_test(masks_as_the_rfc_shows),
		cmocka_unit_test(masks_payloads_of_every_form_of_length),
		cmocka_unit_test(signs_tokens_that_others_can_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
