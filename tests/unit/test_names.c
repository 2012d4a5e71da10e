#include "common/check.h"
#include "proto/names.h"
#include "tests/unit/test.h"

static void accepts_printable_names(void **state)
{
	(void)state;
	static const char *const names[] = { "a", "lobby", "A b/../c.", "*", "{user}",
		"user:", "user:anna", "admin:x", "caf\xc3\xa9", "cafe\xcc\x81",
		"\xe6\x97\xa5\xe6\x9c\xac",
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", // two emoji with a joiner
		"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xe2\x82\xac", "\xe2\x80\xa9" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(room_name_valid(bytes_str(names[i])));
		assert_true(user_name_valid(bytes_str(names[i])));
	}
}

static void refuses_names_that_hide_something(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t len;
	} rows[] = {
		{ "", 0 },
		{ "a\0b", 3 },
		{ "a\nb", 3 },
		{ "\x1b[2J", 4 },
		{ "\x7f", 1 },
		{ "a\xc2\x85", 3 },
		// not UTF-8
		{ "a\xff", 2 },
		{ "\xc0\x80", 2 },
		{ "\xed\xa0\x80", 3 },
		{ "\xe2\x82", 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_false(room_name_valid(bytes_make(rows[i].name, rows[i].len)));
		assert_false(user_name_valid(bytes_make(rows[i].name, rows[i].len)));
	}
}

// U+2000 to U+20FF, as the last two of their three bytes; bytes, because compilers object to such
// characters in a literal.
static void refuses_exactly_what_turns_direction(void **state)
{
	(void)state;
	for (unsigned c = 0x2000; c < 0x2100; c++) {
		const uint8_t name[] = { 'a', 0xe2, (uint8_t)(0x80 | (c >> 6 & 0x3f)),
			(uint8_t)(0x80 | (c & 0x3f)), 'b' };
		bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
		assert_int_equal(room_name_valid(bytes_make(name, 5)), !turns);
		assert_int_equal(user_name_valid(bytes_make(name, 5)), !turns);
		assert_int_equal(room_name_valid(bytes_make(name + 1, 3)), !turns);
	}
}

static void counts_bytes(void **state)
{
	(void)state;
	char text[ROOM_NAME_MAX + 1];
	memset(text, 'x', sizeof(text));
	assert_true(room_name_valid(bytes_make(text, 128)));
	assert_false(room_name_valid(bytes_make(text, 129)));
	assert_true(user_name_valid(bytes_make(text, 123)));
	assert_false(user_name_valid(bytes_make(text, 124)));
}

static void knows_whose_room_it_is(void **state)
{
	(void)state;
	assert_true(room_is_personal(bytes_str("user:anna"), bytes_str("anna")));
	assert_true(room_is_personal(bytes_str("user:user:x"), bytes_str("user:x")));
	assert_false(room_is_personal(bytes_str("user:anna"), bytes_str("ann")));
	assert_false(room_is_personal(bytes_str("user:ann"), bytes_str("anna")));
	assert_false(room_is_personal(bytes_str("User:anna"), bytes_str("anna")));
	assert_false(room_is_personal(bytes_str("anna"), bytes_str("anna")));
	assert_false(room_is_personal(bytes_str("user"), bytes_str("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_printable_names),
		cmocka_unit_test(refuses_names_that_hide_something),
		cmocka_unit_test(refuses_exactly_what_turns_direction),
		cmocka_unit_test(counts_bytes),
		cmocka_unit_test(knows_whose_room_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
