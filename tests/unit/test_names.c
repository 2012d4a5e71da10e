#include "common/check.h"
#include "proto/names.h"
#include "tests/unit/test.h"

static void accepts_printable_names(void **state)
{
	(void)state;
	static const char *const names[] = { "a", "lobby", "A b/../c.", "{user}",
		"user:", "user:anna", "admin:x", "caf\xc3\xa9", "cafe\xcc\x81",
		"\xe6\x97\xa5\xe6\x9c\xac",
		"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", // two emoji with a joiner
		"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xe2\x82\xac", "\xe2\x80\xa9" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(room_name_valid(bytes_str(names[i])));
		assert_true(user_name_valid(bytes_str(names[i])));
	}
}

static void a_star_is_for_users_and_patterns(void **state)
{
	(void)state;
	static const char *const names[] = { "*", "a*", "*a", "user:*" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_false(room_name_valid(bytes_str(names[i])));
		assert_true(room_pattern_valid(bytes_str(names[i])));
		assert_true(user_name_valid(bytes_str(names[i])));
	}
	assert_false(room_pattern_valid(bytes_str("a\n*")));
	assert_false(room_pattern_valid(bytes_str("")));
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

static void the_word_of_client_ids_is_that_of_the_boot_id(void **state)
{
	(void)state;
	static const uint8_t boots[2][16] = { { 1, 2, 3 }, { 1, 2, 4 } };
	char words[3][CLIENT_PREFIX_LEN + 1];
	client_prefix(boots[0], words[0]);
	client_prefix(boots[1], words[1]);
	client_prefix(boots[0], words[2]);
	assert_int_equal(strlen(words[0]), CLIENT_PREFIX_LEN);
	assert_string_equal(words[0], words[2]);
	assert_string_not_equal(words[0], words[1]);
	assert_true(trace_valid(bytes_str(words[0])));
}

static void reserves_the_protocols_types(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool reserved;
	} rows[] = {
		{ "chat", false },
		{ "typing", false },
		{ "other", false },
		{ "Join", false },
		{ "join", true },
		{ "direct", true },
		{ "joined", true },
		{ "error", true },
		{ "admin:broadcast", true },
		{ "admin:x", true },
		{ "weir:x", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(type_is_reserved(bytes_str(rows[i].name)), rows[i].reserved);
	}
}

static void names_every_type_it_finds(void **state)
{
	(void)state;
	for (enum known_type type = TYPE_OTHER; type < TYPE_COUNT; type++) {
		assert_int_equal(type_find(bytes_str(type_name(type))), type);
	}
	assert_int_equal(type_find(bytes_str("chat")), TYPE_COUNT);
}

static void writes_epochs_and_reads_them_back(void **state)
{
	(void)state;
	static const struct {
		uint64_t epoch;
		const char *text;
	} rows[] = {
		{ 1, "1" },
		{ 0xf, "f" },
		{ 0x10, "10" },
		{ 0xdeadbeef, "deadbeef" },
		{ UINT64_C(0x0123456789abcdef), "123456789abcdef" },
		{ UINT64_C(0x8000000000000000), "8000000000000000" },
		{ UINT64_MAX, "ffffffffffffffff" },
	};
	char text[EPOCH_TEXT_MAX];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = epoch_format(rows[i].epoch, text);
		assert_bytes_equal(bytes_make(text, len), rows[i].text);
		assert_true(epoch_parse(bytes_make(text, len)) == rows[i].epoch);
	}
	for (unsigned shift = 0; shift < 64; shift++) {
		uint64_t epoch = (UINT64_C(0x9e3779b97f4a7c15) >> shift) + 1;
		size_t len = epoch_format(epoch, text);
		assert_true(epoch_parse(bytes_make(text, len)) == epoch);
	}
}

static void reads_only_epochs_that_it_writes(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "0", "01", "DEADBEEF", "g", "1 ", " 1", "-1",
		"0x1", "10000000000000000", "ffffffffffffffffffffffffffffffff" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_true(epoch_parse(bytes_str(texts[i])) == 0);
	}
	assert_true(epoch_parse(bytes_make("1\0", 2)) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_printable_names),
		cmocka_unit_test(a_star_is_for_users_and_patterns),
		cmocka_unit_test(refuses_names_that_hide_something),
		cmocka_unit_test(refuses_exactly_what_turns_direction),
		cmocka_unit_test(counts_bytes),
		cmocka_unit_test(knows_whose_room_it_is),
		cmocka_unit_test(the_word_of_client_ids_is_that_of_the_boot_id),
		cmocka_unit_test(reserves_the_protocols_types),
		cmocka_unit_test(names_every_type_it_finds),
		cmocka_unit_test(writes_epochs_and_reads_them_back),
		cmocka_unit_test(reads_only_epochs_that_it_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
