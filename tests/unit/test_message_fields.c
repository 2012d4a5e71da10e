#include "common/check.h"
#include "proto/policy/message_fields.h"
#include "tests/unit/test.h"

static void finds_each_by_its_name(void **state)
{
	(void)state;
	static const char *const others[] = { "", "t", "tape", "types", "Type", "text", "ids",
		"timestamps" };
	for (enum message_field f = 0; f < FIELD_COUNT; f++) {
		assert_int_equal(message_field_find(bytes_str(message_field_name(f))), f);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_int_equal(message_field_find(bytes_str(others[i])), FIELD_COUNT);
	}
}

static void what_the_gateway_sets_or_consumes_does_not_travel(void **state)
{
	(void)state;
	static const char *const kept_back[] = { "type", "id", "key", "echo", "ephemeral", "from",
		"user", "username", "room", "seq", "epoch", "timestamp" };
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(kept_back); i++) {
		assert_false(message_field_travels(message_field_find(bytes_str(kept_back[i]))));
	}
	for (enum message_field f = 0; f < FIELD_COUNT; f++) {
		n += message_field_travels(f) ? 0 : 1;
	}
	assert_int_equal(n, ARRAY_LEN(kept_back));
	assert_true(message_field_travels(message_field_find(bytes_str("text"))));
}

static void knows_names_that_look_like_the_gateways(void **state)
{
	(void)state;
	static const char *const mimics[] = { "From", "USER",
		("u\xc5\xbf"
		 "er"),
		"Timestamp", "t\xc4\xb1mestamp", "usernam\x45",
		("\xc5\xbf"
		 "eq"),
		"TYPE", "Room", "ePoch" };
	static const char *const others[] = { "from", "user", "", "Text", "Users", "UserName2",
		"Id", "Key", "To", "us\xc3\xa9r", "From\xc5", "TIMESTAMPTIMESTAMP", "x" };
	for (size_t i = 0; i < ARRAY_LEN(mimics); i++) {
		assert_true(message_field_mimics(bytes_str(mimics[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(message_field_mimics(bytes_str(others[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_names_that_look_like_the_gateways),
		cmocka_unit_test(finds_each_by_its_name),
		cmocka_unit_test(what_the_gateway_sets_or_consumes_does_not_travel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
