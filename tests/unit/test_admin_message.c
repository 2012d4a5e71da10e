#include <stdio.h>

#include "router/admin/admin_message.h"
#include "tests/unit/test.h"

static const struct bytes as_said = { 0 };

static void passes_on_what_is_the_senders(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *type;
		const char *body;
	} rows[] = {
		{ "{\"type\":\"x\"}", "x", "{}" },
		{ " { \"type\" : \"x\" , \"a\" : 1.50 } ", "x", "{\"a\":1.50}" },
		{ "{\"a\":{\"type\":\"y\"},\"type\":\"x\",\"b\":[1,2]}", "x",
			"{\"a\":{\"type\":\"y\"},\"b\":[1,2]}" },
		{ "{\"type\":\"x\",\"a\":\"\\u0000\",\"b\":{\"\\u0000\":1}}", "x",
			"{\"a\":\"\\u0000\",\"b\":{\"\\u0000\":1}}" },
		{ "{\"t\\u0079pe\":\"\\u0078\",\"\\u0061\":\"\\u00e9\"}", "x",
			"{\"\\u0061\":\"\\u00e9\"}" },
		{ "{\"type\":\"x\",\"id\":1,\"key\":\"k\",\"echo\":false,\"from\":\"f\","
		  "\"user\":\"u\",\"username\":\"n\",\"room\":\"r\",\"seq\":1,\"epoch\":\"e\","
		  "\"timestamp\":1,\"c\":true}",
			"x", "{\"c\":true}" },
	};
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct admin_message message;
		assert_null(
			admin_message_parse(bytes_str(rows[i].text), as_said, &scratch, &message));
		assert_bytes_equal(message.type, rows[i].type);
		assert_bytes_equal(message.body, rows[i].body);
		assert_false(message.ephemeral);
	}
	buf_fini(&scratch);
}

static void knows_what_is_ephemeral(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ephemeral;
	} rows[] = {
		{ "{\"type\":\"x\",\"ephemeral\":true}", true },
		{ "{\"type\":\"x\",\"ephemeral\":false}", false },
		{ "{\"type\":\"typing\"}", true },
	};
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct admin_message message;
		assert_null(
			admin_message_parse(bytes_str(rows[i].text), as_said, &scratch, &message));
		assert_int_equal(message.ephemeral, rows[i].ephemeral);
		assert_bytes_equal(message.body, "{}");
	}
	buf_fini(&scratch);
}

static void gives_a_broadcast_its_own_type(void **state)
{
	(void)state;
	static const char *const texts[] = { "{\"a\":1}",
		"{\"a\":1,\"type\":\"admin:broadcast\"}" };
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct admin_message message;
		assert_null(admin_message_parse(bytes_str(texts[i]), bytes_str("admin:broadcast"),
			&scratch, &message));
		assert_bytes_equal(message.type, "admin:broadcast");
		assert_bytes_equal(message.body, "{\"a\":1}");
	}
	buf_fini(&scratch);
}

static void lets_no_broadcast_have_another_type(void **state)
{
	(void)state;
	static const char *const texts[] = { "{\"type\":\"x\"}", "{\"type\":\"\"}", "{\"type\":1}",
		"{\"type\":\"admin:broadcas\"}", "{\"a\":1,\"type\":\"admin:broadcast\\u0000\"}" };
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct admin_message message;
		assert_non_null(admin_message_parse(bytes_str(texts[i]),
			bytes_str("admin:broadcast"), &scratch, &message));
	}
	buf_fini(&scratch);
}

static void refuses_what_is_no_message(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "x", "1", "[]", "{", "{}x", "{\"type\":\"x\"",
		"{\"type\":1}", "{\"type\":\"\"}", "{}", "{\"a\":1}",
		"{\"type\":\"x\",\"type\":\"y\"}", "{\"type\":\"x\",\"a\":1,\"\\u0061\":2}",
		"{\"type\":\"x\",\"ephemeral\":1}", "{\"type\":\"joined\"}",
		"{\"type\":\"weir:x\"}", "{\"type\":\"x\",\"a\":\"\xff\"}",
		"{\"type\":\"x\\u0000\"}", "{\"type\":\"x\",\"user\\u0000\":1}" };
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct admin_message message;
		assert_non_null(
			admin_message_parse(bytes_str(texts[i]), as_said, &scratch, &message));
	}
	buf_fini(&scratch);
}

static void takes_types_of_up_to_64_bytes(void **state)
{
	(void)state;
	struct buf scratch = { 0 };
	struct buf text = { 0 };
	for (size_t len = 64; len <= 65; len++) {
		text.len = 0;
		buf_append_str(&text, "{\"type\":\"");
		for (size_t i = 0; i < len; i++) {
			buf_append_byte(&text, 'x');
		}
		buf_append_str(&text, "\"}");
		struct admin_message message;
		const char *why =
			admin_message_parse(buf_bytes(&text), as_said, &scratch, &message);
		assert_int_equal(why == NULL, len == 64);
	}
	buf_fini(&text);
	buf_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on_what_is_the_senders),
		cmocka_unit_test(knows_what_is_ephemeral),
		cmocka_unit_test(gives_a_broadcast_its_own_type),
		cmocka_unit_test(lets_no_broadcast_have_another_type),
		cmocka_unit_test(refuses_what_is_no_message),
		cmocka_unit_test(takes_types_of_up_to_64_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
