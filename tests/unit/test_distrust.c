#include <stdio.h>

#include "router/core/distrust.h"
#include "tests/unit/test.h"

static enum distrust body(const char *text)
{
	return distrust_message(bytes_str("room"), bytes_str("chat"), bytes_str(text));
}

static enum distrust type_in(const char *room, const char *type)
{
	return distrust_message(bytes_str(room), bytes_str(type), bytes_str("{}"));
}

static void lets_the_senders_own_fields_pass(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{}",
		"{\"text\":\"a\"}",
		" {\"text\" : [1, {\"from\":2}] } ",
		"{\"to\":\"bob\",\"since\":1}",
		"{\"t\\u00e9l\":\"\xc3\xa9\",\"fromage\":null}",
		"{\"\":0}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		assert_int_equal(body(bodies[i]), DISTRUST_NONE);
	}
}

static void refuses_what_is_not_exactly_one_object(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{}{}",
		"{\"a\":1},\"from\":\"x\",\"b\":{}",
		"{\"a\":1}}",
		"{\"a\":}",
		"{a:1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"}",
		"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		assert_int_equal(body(bodies[i]), DISTRUST_JSON);
	}
}

static void refuses_bad_utf8(void **state)
{
	(void)state;
	static const char *const bodies[] = { "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xe2\x82\"}" };
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		assert_int_equal(body(bodies[i]), DISTRUST_UTF8);
	}
}

static void refuses_the_gateways_fields_in_any_case_and_escape(void **state)
{
	(void)state;
	static const char *const names[] = { "from", "user", "username", "room", "seq", "epoch",
		"timestamp", "type", "id", "key", "echo", "ephemeral", "From", "USER", "Seq",
		"\\u0066rom",
		("u\xc5\xbf"
		 "er"),
		"\\u0055ser", "a\\u0000b" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[64];
		snprintf(text, sizeof(text), "{\"a\":1,\"%s\":2}", names[i]);
		assert_int_equal(body(text), DISTRUST_FIELD);
	}
}

static void a_type_fits_what_it_is_for(void **state)
{
	(void)state;
	static const char *const reserved[] = { "joined", "gap", "error", "connected",
		"member:join", "ack", "admin:broadcast", "admin:x", "weir:x", "direct", "a\xff" };
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		assert_int_equal(type_in("room", reserved[i]), DISTRUST_TYPE);
	}
	assert_int_equal(
		distrust_message(bytes_str("room"), bytes_make("a\0b", 3), bytes_str("{}")),
		DISTRUST_TYPE);
	assert_int_equal(type_in("room", "typing"), DISTRUST_NONE);
	assert_int_equal(type_in("user:ann", "direct"), DISTRUST_NONE);
	assert_int_equal(type_in("", "admin:broadcast"), DISTRUST_NONE);
	assert_int_equal(type_in("", "chat"), DISTRUST_TYPE);
}

static void every_reason_has_a_name(void **state)
{
	(void)state;
	for (enum distrust d = 0; d < DISTRUST_COUNT; d++) {
		assert_non_null(distrust_name(d));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_the_senders_own_fields_pass),
		cmocka_unit_test(refuses_what_is_not_exactly_one_object),
		cmocka_unit_test(refuses_bad_utf8),
		cmocka_unit_test(refuses_the_gateways_fields_in_any_case_and_escape),
		cmocka_unit_test(a_type_fits_what_it_is_for),
		cmocka_unit_test(every_reason_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
