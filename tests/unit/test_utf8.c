#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/utf8.h"
#include "tests/unit/test.h"

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

struct invalid_text {
	struct bytes text;
	size_t bad_at; // the first byte that is wrong; the length if it only ends early
};

static const struct bytes valid_texts[] = {
	TEXT(""),
	TEXT("a"),
	TEXT("plain ascii, longer than a machine word or two"),
	TEXT("\x00\x7f"),
	TEXT("\xc2\x80\xdf\xbf"),
	TEXT("\xe0\xa0\x80\xec\xbf\xbf\xed\x80\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
	TEXT("\xf0\x90\x80\x80\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\xf4\x80\x80\x80\xf4\x8f\xbf\xbf"),
	TEXT("\xef\xbf\xbe noncharacters are valid"),
	TEXT("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 12345678 \xf0\x9f\x98\x80 12345678"),
};

static const struct invalid_text invalid_texts[] = {
	{ TEXT("\x80"), 0 },
	{ TEXT("\xbf"), 0 },
	{ TEXT("\xc0\x80"), 0 },
	{ TEXT("\xc1\xbf"), 0 },
	{ TEXT("\xc2\x7f"), 1 },
	{ TEXT("\xc2\xc0"), 1 },
	{ TEXT("\xc2"), 1 },
	{ TEXT("\xe0\x80\x80"), 1 },
	{ TEXT("\xe0\x9f\xbf"), 1 },
	{ TEXT("\xe0\xa0\x7f"), 2 },
	{ TEXT("\xe1\x80"), 2 },
	{ TEXT("\xed\xa0\x80"), 1 }, // U+D800
	{ TEXT("\xed\xbf\xbf"), 1 }, // U+DFFF
	{ TEXT("\xf0\x80\x80\x80"), 1 },
	{ TEXT("\xf0\x8f\xbf\xbf"), 1 },
	{ TEXT("\xf0\x90\x80\x7f"), 3 },
	{ TEXT("\xf0\x90\x80"), 3 },
	{ TEXT("\xf4\x90\x80\x80"), 1 }, // U+110000
	{ TEXT("\xf5\x80\x80\x80"), 0 },
	{ TEXT("\xf8\x88\x80\x80\x80"), 0 },
	{ TEXT("\xfe"), 0 },
	{ TEXT("\xff"), 0 },
	{ TEXT("12345678\xff"), 8 },
	{ TEXT("1234567\x80"), 7 },
	{ TEXT("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65"), 12 },
};

static bool feed_pieces(struct bytes text, size_t split)
{
	struct utf8_state s = { 0 };
	return utf8_feed(&s, bytes_make(text.data, split)) &&
		utf8_feed(&s, bytes_make(text.data + split, text.len - split)) && utf8_complete(&s);
}

static void accepts_valid_text_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(valid_texts); i++) {
		assert_true(utf8_valid(valid_texts[i]));
		for (size_t split = 0; split <= valid_texts[i].len; split++) {
			assert_true(feed_pieces(valid_texts[i], split));
		}
	}
}

static void refuses_invalid_text_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(invalid_texts); i++) {
		struct bytes text = invalid_texts[i].text;
		assert_false(utf8_valid(text));
		for (size_t split = 0; split <= text.len; split++) {
			assert_false(feed_pieces(text, split));
		}
	}
}

static void fails_at_the_first_bad_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(invalid_texts); i++) {
		struct utf8_state s = { 0 };
		size_t at = 0;
		struct bytes text = invalid_texts[i].text;
		while (at < text.len && utf8_feed(&s, bytes_make(text.data + at, 1))) {
			at++;
		}
		assert_int_equal(at, invalid_texts[i].bad_at);
		assert_true(at < text.len || !utf8_complete(&s));
	}
}

// What RFC 3629 says, written the other way round: decode, then judge.
static bool reference_accepts(uint32_t code, size_t len)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	return code >= smallest[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static size_t encode(uint32_t code, size_t len, uint8_t out[4])
{
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = len; i-- > 1;) {
		out[i] = (uint8_t)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (uint8_t)(lead[len] | code);
	return len;
}

static void agrees_with_decoding_for_every_code_point_and_length(void **state)
{
	(void)state;
	static const uint32_t largest[] = { 0, 0, 0x7ff, 0xffff, 0x1fffff };
	for (size_t len = 2; len <= 4; len++) {
		for (uint32_t code = 0; code <= largest[len]; code++) {
			uint8_t text[4];
			encode(code, len, text);
			if (utf8_valid(bytes_make(text, len)) != reference_accepts(code, len)) {
				fail_msg("U+%X in %zu bytes", code, len);
			}
		}
	}
}

static void keeps_control_characters_out_of_printable_text(void **state)
{
	(void)state;
	static const struct bytes printable[] = {
		TEXT(""),
		TEXT(" ~"),
		TEXT("\xc2\xa0"),
		TEXT("\xc3\x80 J\xc3\xbcrgen"),
	};
	static const struct bytes not_printable[] = {
		TEXT("\x00"),
		TEXT("a\nb"),
		TEXT("\x1f"),
		TEXT("\x7f"),
		TEXT("\xc2\x80"),
		TEXT("\xc2\x9f"),
		TEXT("\xff"),
		TEXT("ends in \xc2"),
	};
	// U+202E is no control character. As numbers, for the linter's sake.
	static const uint8_t right_to_left[] = { 0xe2, 0x80, 0xae };
	assert_true(utf8_printable(bytes_make(right_to_left, sizeof(right_to_left))));
	for (size_t i = 0; i < ARRAY_LEN(printable); i++) {
		assert_true(utf8_printable(printable[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(not_printable); i++) {
		assert_false(utf8_printable(not_printable[i]));
	}
}

static void measures_the_first_character(void **state)
{
	(void)state;
	static const struct {
		struct bytes text;
		size_t len;
	} rows[] = {
		{ TEXT(""), 0 },
		{ TEXT("ab"), 1 },
		{ TEXT("\x00"), 1 },
		{ TEXT("\xc3\xbc!"), 2 },
		{ TEXT("\xe2\x82\xac\xe2"), 3 },
		{ TEXT("\xf0\x9f\x98\x80\xff"), 4 },
		{ TEXT("\xc3"), 0 },
		{ TEXT("\xf0\x9f\x98"), 0 },
		{ TEXT("\xc3z"), 0 },
		{ TEXT("\xbc"), 0 },
		{ TEXT("\xed\xa0\x80"), 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(utf8_first(rows[i].text), rows[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_valid_text_at_every_split),
		cmocka_unit_test(refuses_invalid_text_at_every_split),
		cmocka_unit_test(fails_at_the_first_bad_byte),
		cmocka_unit_test(agrees_with_decoding_for_every_code_point_and_length),
		cmocka_unit_test(keeps_control_characters_out_of_printable_text),
		cmocka_unit_test(measures_the_first_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
