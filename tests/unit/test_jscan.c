#include <errno.h>
#include <stdlib.h>

#include "common/jscan.h"
#include "common/mem.h"
#include "tests/unit/json_text.h"
#include "tests/unit/test.h"

static bool text_valid(const char *text)
{
	enum jscan_kind kind;
	return json_text_valid(bytes_str(text), &kind);
}

// Walks a text to its end; the scanner's last word.
static int walk(struct bytes text, int *n_members)
{
	struct jscan scan;
	struct jscan_member member;
	int result;
	jscan_init(&scan, text);
	*n_members = 0;
	while ((result = jscan_next(&scan, &member)) > 0) {
		(*n_members)++;
	}
	return result;
}

static const struct {
	const char *text;
	enum jscan_kind kind;
} valid_texts[] = {
	{ "null", JSCAN_NULL },
	{ "true", JSCAN_BOOL },
	{ " false\t\r\n", JSCAN_BOOL },
	{ "0", JSCAN_NUMBER },
	{ "-0", JSCAN_NUMBER },
	{ "-12.50e+03", JSCAN_NUMBER },
	{ "1E-7", JSCAN_NUMBER },
	{ "1e400", JSCAN_NUMBER },
	{ "123456789012345678901234567890", JSCAN_NUMBER },
	{ "\"\"", JSCAN_STRING },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uABcd\"", JSCAN_STRING },
	{ "\"\\ud83d\\ude00 \xf0\x9f\x98\x80 \x7f\"", JSCAN_STRING },
	{ "\"\\u0000\"", JSCAN_STRING },
	{ "{\"a\\u0000b\":\"\\u0000\\u0000\"}", JSCAN_OBJECT },
	{ "\"eight or more plain bytes, then \\n another run of them\"", JSCAN_STRING },
	{ "[]", JSCAN_ARRAY },
	{ "[ ]", JSCAN_ARRAY },
	{ "[1,[2],{\"a\":[]},\"x\" , null]", JSCAN_ARRAY },
	{ "{}", JSCAN_OBJECT },
	{ "{ \"a\" : { } , \"\" : [ { } , [ ] ] }", JSCAN_OBJECT },
	{ "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]", JSCAN_ARRAY },
	{ "[[[[[[[[[[[[[[{\"a\":1}]]]]]]]]]]]]]]", JSCAN_ARRAY },
};

static void accepts_every_kind_of_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(valid_texts); i++) {
		enum jscan_kind kind;
		if (!json_text_valid(bytes_str(valid_texts[i].text), &kind)) {
			fail_msg("refused: %s", valid_texts[i].text);
		}
		assert_int_equal(kind, valid_texts[i].kind);
	}
}

static void refuses_what_is_not_json(void **state)
{
	(void)state;
	static const char *const texts[] = { "", " ", "nul", "nulll", "True", "NaN", "Infinity",
		"-Infinity", "undefined",
		// numbers
		"-", "+1", "01", "-01", "1.", ".5", "1.e2", "1e", "1e+", "0x10", "1_000", "--1",
		"1a",
		// strings
		"\"", "\"a", "'a'", "\"\\\"", "\"\\x41\"", "\"\\a\"", "\"\\u\"", "\"\\u12\"",
		"\"\\u123g\"", "\"\\U0041\"", "\"tab\there\"", "\"line\nfeed\"", "\"\x1f\"",
		"\"\\u000\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"",
		"\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\"", "\"\\ude00\\ud83d\"",
		"\"12345678\x01\"",
		// arrays
		"[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[1]]", "[\"a\":1]",
		// objects
		"{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}",
		"{a:1}", "{1:2}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1]", "{\"a\":}", "{:1}",
		"{\"a\":1;\"b\":2}", "{{}}", "{\"a\":1}}", "{}{}", "{},", "{} x", "/**/{}",
		// one level too deep
		"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]",
		// byte order mark, other white space
		"\xef\xbb\xbf{}", "\v{}", "\f{}", "\xc2\xa0{}" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (text_valid(texts[i])) {
			fail_msg("accepted: %s", texts[i]);
		}
	}
}

static void refuses_a_nul_byte_that_is_not_escaped(void **state)
{
	(void)state;
	enum jscan_kind kind;
	assert_false(json_text_valid(bytes_make("\0", 1), &kind));
	assert_false(json_text_valid(bytes_make("{}\0", 3), &kind));
	assert_false(json_text_valid(bytes_make("{\0}", 3), &kind));
	assert_false(json_text_valid(bytes_make("\"a\0b\"", 5), &kind));
	assert_false(json_text_valid(bytes_make("[1\0]", 4), &kind));
	assert_false(json_text_valid(bytes_make("\"\\\0\"", 4), &kind));
}

// Every byte that may not stand in a string, at every place in a word.
static void finds_the_byte_that_ends_plain_text(void **state)
{
	(void)state;
	enum jscan_kind kind;
	for (size_t place = 1; place < 20; place++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint8_t text[24];
			memset(text, 'x', sizeof(text));
			text[0] = '"';
			text[place] = (uint8_t)byte;
			text[20] = '"';
			bool plain = byte >= 0x20 && byte != '"' && byte != '\\';
			assert_int_equal(json_text_valid(bytes_make(text, 21), &kind), plain);
		}
	}
}

static void refuses_depth_without_using_stack(void **state)
{
	(void)state;
	enum {
		LEVELS = 100000
	};
	uint8_t *text = xmalloc(LEVELS);
	memset(text, '[', LEVELS);
	enum jscan_kind kind;
	assert_false(json_text_valid(bytes_make(text, LEVELS), &kind));
	free(text);
}

static void hands_out_members_as_sent(void **state)
{
	(void)state;
	const char *text = " { \"type\" : \"chat\",\n\"n\":1.10 ,\"t\\u0065xt\":\"a\\u0020b\" , "
			   "\"o\":{ \"x\" : [1, 2] }, \"b\":false,\"z\":null, \"a\":[ ] } ";
	static const struct {
		const char *name;
		const char *value;
		enum jscan_kind kind;
		bool escaped;
	} expected[] = {
		{ "\"type\"", "\"chat\"", JSCAN_STRING, false },
		{ "\"n\"", "1.10", JSCAN_NUMBER, false },
		{ "\"t\\u0065xt\"", "\"a\\u0020b\"", JSCAN_STRING, true },
		{ "\"o\"", "{ \"x\" : [1, 2] }", JSCAN_OBJECT, false },
		{ "\"b\"", "false", JSCAN_BOOL, false },
		{ "\"z\"", "null", JSCAN_NULL, false },
		{ "\"a\"", "[ ]", JSCAN_ARRAY, false },
	};
	struct jscan scan;
	struct jscan_member member;
	jscan_init(&scan, bytes_str(text));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(jscan_next(&scan, &member), 1);
		assert_bytes_equal(member.raw_name, expected[i].name);
		assert_bytes_equal(member.raw_value, expected[i].value);
		assert_int_equal(member.kind, expected[i].kind);
		assert_int_equal(member.name_escaped, expected[i].escaped);
	}
	assert_int_equal(jscan_next(&scan, &member), 0);
}

static void walks_only_objects(void **state)
{
	(void)state;
	int n;
	assert_int_equal(walk(bytes_str("{}"), &n), 0);
	assert_int_equal(walk(bytes_str(" { } "), &n), 0);
	static const char *const texts[] = { "", "[]", "null", "\"a\"", "1", "\xef\xbb\xbf{}" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(walk(bytes_str(texts[i]), &n), -EBADMSG);
	}
	assert_int_equal(walk(bytes_make(NULL, 0), &n), -EBADMSG);
}

static void reports_the_members_before_a_fault(void **state)
{
	(void)state;
	int n;
	assert_int_equal(walk(bytes_str("{\"a\":1,\"b\":2,\"c\":tru}"), &n), -EBADMSG);
	assert_int_equal(n, 2);
	assert_int_equal(walk(bytes_str("{\"a\":1,\"b\":2} x"), &n), -EBADMSG);
	assert_int_equal(n, 2);
}

static void counts_the_object_itself_as_a_level(void **state)
{
	(void)state;
	int n;
	assert_int_equal(walk(bytes_str("{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"), &n), 0);
	assert_int_equal(walk(bytes_str("{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), &n), -EBADMSG);
}

// Each prefix lies in a block of its own size, so that a sanitizer sees a read past its end.
static void finds_no_prefix_of_an_object_valid(void **state)
{
	(void)state;
	const char *text =
		"{\"t\\u0041\":\"\\ud83d\\ude00 some text\",\"n\":[-1.5e+10,true,null,{}],"
		"\"o\":{\"a\":false}}";
	int n;
	for (size_t len = 0; len < strlen(text); len++) {
		uint8_t *prefix = xmemdup(text, len);
		assert_int_equal(walk(bytes_make(prefix, len), &n), -EBADMSG);
		free(prefix);
	}
	assert_int_equal(walk(bytes_str(text), &n), 0);
}

static void decodes_strings(void **state)
{
	(void)state;
	static const struct {
		const char *raw;
		const char *text;
	} rows[] = {
		{ "\"\"", "" },
		{ "\"plain \xc3\xa4\"", "plain \xc3\xa4" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"a\\u0041\\u00e4\\u20aC\\uD83D\\uDE00z\"",
			"aA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z" },
		{ "\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
			"\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
		{ "\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
	};
	struct buf scratch = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_bytes_equal(jscan_string_decode(bytes_str(rows[i].raw), &scratch),
			rows[i].text);
	}
	buf_fini(&scratch);
}

static void decodes_an_escaped_nul_to_a_byte(void **state)
{
	(void)state;
	struct buf scratch = { 0 };
	struct bytes text = jscan_string_decode(bytes_str("\"a\\u0000b\\u0000\""), &scratch);
	assert_true(bytes_equal(text, bytes_make("a\0b\0", 4)));
	buf_fini(&scratch);
}

static void borrows_a_string_without_escapes(void **state)
{
	(void)state;
	struct buf scratch = { 0 };
	const char *raw = "\"room\"";
	struct bytes text = jscan_string_decode(bytes_str(raw), &scratch);
	assert_ptr_equal(text.data, raw + 1);
	assert_null(scratch.data);
	buf_append_str(&scratch, "kept ");
	text = jscan_string_decode(bytes_str("\"\\u0041\""), &scratch);
	assert_bytes_equal(text, "A");
	assert_bytes_equal(buf_bytes(&scratch), "kept A");
	buf_fini(&scratch);
}

static void decodes_unsigned_integers_below_2_to_53(void **state)
{
	(void)state;
	uint64_t value = 0;
	assert_true(jscan_uint_decode(bytes_str("0"), &value));
	assert_int_equal(value, 0);
	assert_true(jscan_uint_decode(bytes_str("9007199254740991"), &value));
	assert_true(value == (UINT64_C(1) << 53) - 1);
	static const char *const refused[] = { "", "-", "-0", "-1", "1.0", "1e2",
		"9007199254740992", "9223372036854775808", "18446744073709551616",
		"99999999999999999999999", "true", "\"1\"", "[1]" };
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_false(jscan_uint_decode(bytes_str(refused[i]), &value));
	}
}

static void tells_integers_from_other_numbers(void **state)
{
	(void)state;
	assert_true(jscan_is_integer(bytes_str("-0")));
	assert_true(jscan_is_integer(bytes_str("123456789012345678901234567890")));
	assert_false(jscan_is_integer(bytes_str("1.0")));
	assert_false(jscan_is_integer(bytes_str("1e2")));
	assert_false(jscan_is_integer(bytes_str("-")));
	assert_false(jscan_is_integer(bytes_str("")));
}

static void tells_names_that_decode_alike(void **state)
{
	(void)state;
	assert_true(jscan_names_unique(bytes_str("{}")));
	assert_true(jscan_names_unique(bytes_str("{\"a\":1}")));
	assert_true(jscan_names_unique(bytes_str("{\"a\":1,\"A\":2,\"\":3,\"aa\":{\"a\":1}}")));
	assert_false(jscan_names_unique(bytes_str("{\"a\":1,\"b\":2,\"a\":1}")));
	assert_false(jscan_names_unique(bytes_str("{\"\":1,\"\":2}")));
	assert_false(jscan_names_unique(bytes_str("{\"ab\":1,\"c\":2,\"a\\u0062\":3}")));
	assert_false(jscan_names_unique(bytes_str("{\"\\u0061b\":1,\"c\":2,\"a\\u0062\":3}")));
}

static void finds_one_repeated_name_among_many(void **state)
{
	(void)state;
	enum {
		N = 5000
	};
	struct buf text = { 0 };
	for (int i = 0; i < N; i++) {
		buf_printf(&text, "%c\"name%d\":%d", i == 0 ? '{' : ',', i, i);
	}
	buf_append_byte(&text, '}');
	assert_true(jscan_names_unique(buf_bytes(&text)));
	text.len--;
	buf_append_str(&text, ",\"name\\u0034999\":0}");
	assert_false(jscan_names_unique(buf_bytes(&text)));
	buf_fini(&text);
}

static void writes_strings(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *json;
	} rows[] = {
		{ "", "\"\"" },
		{ "plain / text \x7f", "\"plain / text \x7f\"" },
		{ "\"\\\b\f\n\r\t\x01\x1f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
			"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xe2\x80\xa8"
		  "b\xe2\x80\xa9",
			"\"a\\u2028b\\u2029\"" },
		{ "\xe2\x80\xa7\xe2\x80\xb0", "\"\xe2\x80\xa7\xe2\x80\xb0\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };
		jscan_append_string(&out, bytes_str(rows[i].text));
		assert_bytes_equal(buf_bytes(&out), rows[i].json);
		buf_fini(&out);
	}
}

// Encoding and decoding are inverses for every character, in every place of a word.
static void reads_back_what_it_wrote(void **state)
{
	(void)state;
	struct buf json = { 0 };
	struct buf scratch = { 0 };
	enum jscan_kind kind;
	for (unsigned first = 0; first < 128; first++) {
		for (size_t len = 1; len < 20; len++) {
			uint8_t text[20];
			memset(text, 'x', sizeof(text));
			text[len - 1] = (uint8_t)first;
			json.len = 0;
			scratch.len = 0;
			jscan_append_string(&json, bytes_make(text, len));
			assert_true(json_text_valid(buf_bytes(&json), &kind));
			struct bytes back = jscan_string_decode(buf_bytes(&json), &scratch);
			assert_true(bytes_equal(back, bytes_make(text, len)));
		}
	}
	buf_fini(&scratch);
	buf_fini(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_kind_of_value),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(refuses_a_nul_byte_that_is_not_escaped),
		cmocka_unit_test(finds_the_byte_that_ends_plain_text),
		cmocka_unit_test(refuses_depth_without_using_stack),
		cmocka_unit_test(hands_out_members_as_sent),
		cmocka_unit_test(walks_only_objects),
		cmocka_unit_test(reports_the_members_before_a_fault),
		cmocka_unit_test(counts_the_object_itself_as_a_level),
		cmocka_unit_test(finds_no_prefix_of_an_object_valid),
		cmocka_unit_test(decodes_strings),
		cmocka_unit_test(decodes_an_escaped_nul_to_a_byte),
		cmocka_unit_test(borrows_a_string_without_escapes),
		cmocka_unit_test(decodes_unsigned_integers_below_2_to_53),
		cmocka_unit_test(tells_integers_from_other_numbers),
		cmocka_unit_test(tells_names_that_decode_alike),
		cmocka_unit_test(finds_one_repeated_name_among_many),
		cmocka_unit_test(writes_strings),
		cmocka_unit_test(reads_back_what_it_wrote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
