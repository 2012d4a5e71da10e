#include "common/ascii.h"
#include "tests/unit/test.h"

static void knows_every_character(void **state)
{
	(void)state;
	static const char hex[] = "0123456789abcdef";
	static const char upper_hex[] = "0123456789ABCDEF";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (unsigned c = 0; c < 256; c++) {
		const char *lower = c != 0 ? strchr(hex, (int)c) : NULL;
		const char *upper = c != 0 ? strchr(upper_hex, (int)c) : NULL;
		bool digit = (lower != NULL && lower < hex + 10);
		int value = lower != NULL ? (int)(lower - hex)
			: upper != NULL   ? (int)(upper - upper_hex)
					  : -1;
		assert_int_equal(ascii_is_digit((uint8_t)c), digit);
		assert_int_equal(ascii_is_alnum((uint8_t)c),
			digit || (c != 0 && strchr(letters, (int)c) != NULL));
		assert_int_equal(ascii_hex_value((uint8_t)c), value);
	}
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(ascii_hex_digit(0xab0 | i), hex[i]);
	}
}

static void reads_numbers_of_64_bits(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool fits;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "007", true, 7 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "0018446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "184467440737095516150", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1/", false, 0 },
		{ "1:", false, 0 },
		{ "a", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t value;
		assert_int_equal(ascii_uint(bytes_str(rows[i].text), &value), rows[i].fits);
		if (rows[i].fits) {
			assert_true(value == rows[i].value);
		}
	}
}

static void trims_what_it_is_told_to(void **state)
{
	(void)state;
	static const struct {
		const char *text, *both, *end;
	} rows[] = {
		{ "", "", "" },
		{ "a", "a", "a" },
		{ " \t", "", "" },
		{ "\t a b \t", "a b", "\t a b" },
		{ "\na\n", "\na\n", "\na\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes text = bytes_str(rows[i].text);
		assert_bytes_equal(ascii_trim(text, " \t"), rows[i].both);
		assert_bytes_equal(ascii_trim_end(text, " \t"), rows[i].end);
	}
	// A zero byte ends no set.
	struct bytes zero = bytes_make("\0a\0", 3);
	assert_true(bytes_equal(ascii_trim(zero, " "), zero));
	// What was there and is empty stays different from what was not there.
	assert_non_null(ascii_trim(bytes_str(" "), " ").data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_every_character),
		cmocka_unit_test(reads_numbers_of_64_bits),
		cmocka_unit_test(trims_what_it_is_told_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
