#include <stdlib.h>

#include "edge/codec/close_reason.h"
#include "edge/ws/ws_frame.h"
#include "tests/unit/json_text.h"
#include "tests/unit/test.h"

static struct bytes text_of(enum close_reason reason, uint8_t payload[CLOSE_PAYLOAD_MAX])
{
	size_t len = close_reason_payload(reason, NULL, payload);
	return bytes_make(payload + 2, len - 2);
}

static void every_text_is_valid_json_that_fits_a_close_frame(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++) {
		uint8_t payload[CLOSE_PAYLOAD_MAX];
		struct bytes text = text_of((enum close_reason)i, payload);
		enum jscan_kind kind;
		assert_true(text.len <= 123);
		assert_true(json_text_valid(text, &kind));
		assert_int_equal(kind, JSCAN_OBJECT);
	}
}

static void the_text_says_after_only_if_the_client_may_return(void **state)
{
	(void)state;
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	assert_bytes_equal(text_of(CLOSE_SLOW_CONSUMER, payload),
		"{\"reason\":\"slow_consumer\",\"reconnect\":true,\"after\":[500,20000]}");
	assert_int_equal(payload[0] << 8 | payload[1], 4008);
	assert_bytes_equal(text_of(CLOSE_REVOKED, payload),
		"{\"reason\":\"revoked\",\"reconnect\":false}");
}

static void a_cause_is_part_of_the_text(void **state)
{
	(void)state;
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	size_t len = close_reason_payload(CLOSE_INVALID_TOKEN, "wrong_algorithm", payload);
	assert_bytes_equal(bytes_make(payload + 2, len - 2),
		"{\"reason\":\"invalid_token\",\"reconnect\":false,\"cause\":\"wrong_algorithm\"}");
}

static struct bytes saying(const char *text, uint8_t payload[CLOSE_PAYLOAD_MAX])
{
	size_t len = close_reason_payload_saying(CLOSE_REVOKED, bytes_str(text), payload);
	assert_true(len <= CLOSE_PAYLOAD_MAX);
	return bytes_make(payload + 2, len - 2);
}

static void a_text_of_an_operator_is_cut_to_what_fits(void **state)
{
	(void)state;
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	char text[200];
	assert_bytes_equal(saying("", payload), "{\"reason\":\"revoked\",\"reconnect\":false}");
	assert_bytes_equal(saying("be \"nice\"", payload),
		"{\"reason\":\"revoked\",\"reconnect\":false,\"message\":\"be \\\"nice\\\"\"}");
	for (size_t n = 0; n + 3 < sizeof(text); n++) {
		enum jscan_kind kind;
		memset(text, n % 2 == 0 ? '"' : 'x', n);
		memcpy(text + n, "\xe2\x82\xac", 4);
		assert_true(json_text_valid(saying(text, payload), &kind));
	}
	assert_true(saying(text, payload).len > 120);
}

static void every_code_may_be_sent_and_no_two_rows_share_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++) {
		const struct close_rule *a = close_reason_rule((enum close_reason)i);
		assert_true(a->code == 0 || ws_close_code_valid(a->code));
		assert_true(a->after_min_ms <= a->after_max_ms);
		for (unsigned j = 0; j < i; j++) {
			const struct close_rule *b = close_reason_rule((enum close_reason)j);
			assert_string_not_equal(a->name, b->name);
			assert_true(a->code == 0 || a->code != b->code);
		}
	}
}

static void names_find_their_reason(void **state)
{
	(void)state;
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASON_COUNT; i++) {
		struct bytes name = bytes_str(close_reason_rule((enum close_reason)i)->name);
		assert_int_equal(close_reason_parse(name, CLOSE_NONE), i);
	}
	assert_int_equal(close_reason_parse(bytes_str("no such"), CLOSE_REVOKED), CLOSE_REVOKED);
}

static void failures_of_the_stream_have_their_own_reason(void **state)
{
	(void)state;
	static const struct {
		unsigned code;
		enum close_reason reason;
	} rows[] = {
		{ 1002, CLOSE_PROTOCOL_ERROR },
		{ 1003, CLOSE_UNSUPPORTED_DATA },
		{ 1007, CLOSE_BAD_UTF8 },
		{ 1008, CLOSE_POLICY },
		{ 1009, CLOSE_TOO_BIG },
		{ 4004, CLOSE_PROTOCOL_ERROR },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(close_reason_of_failure(rows[i].code), rows[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_text_is_valid_json_that_fits_a_close_frame),
		cmocka_unit_test(the_text_says_after_only_if_the_client_may_return),
		cmocka_unit_test(a_cause_is_part_of_the_text),
		cmocka_unit_test(a_text_of_an_operator_is_cut_to_what_fits),
		cmocka_unit_test(every_code_may_be_sent_and_no_two_rows_share_one),
		cmocka_unit_test(names_find_their_reason),
		cmocka_unit_test(failures_of_the_stream_have_their_own_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
