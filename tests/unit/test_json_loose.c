#include <stdlib.h>

#include "common/json_loose.h"
#include "common/mem.h"
#include "tests/unit/test.h"

// What is found as `name`, "" if nothing.
static void check(struct bytes text, const char *name, const char *expected)
{
	struct buf scratch = { 0 };
	struct bytes raw = bytes_make(NULL, 0);
	enum jscan_kind kind;
	uint8_t *copy =
		xmemdup(text.data, text.len); // so that a sanitizer sees a read past its end
	if (!json_loose_find(bytes_make(copy, text.len), name, &scratch, &raw, &kind)) {
		raw = bytes_make(NULL, 0);
	}
	if (!bytes_equal_str(raw, expected)) {
		fail_msg("%.*s: %s is %.*s, should be %s", (int)text.len, (const char *)text.data,
			name, (int)raw.len, (const char *)raw.data, expected);
	}
	free(copy);
	buf_fini(&scratch);
}

struct row {
	const char *text;
	const char *expected; // of "id"
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check(bytes_str(rows[i].text), "id", rows[i].expected);
	}
}

static void finds_what_a_valid_object_has(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{\"id\":1}", "1" },
		{ " {\n\"a\":{\"id\":2} ,\t\"id\" : \"\\u0061\\\"\" }\r\n", "\"\\u0061\\\"\"" },
		{ "{\"a\":[\"id\",{\"id\":1}],\"i\\u0064\":-2.5e3,\"b\":\"id\"}", "-2.5e3" },
		{ "{\"id\":null}", "null" },
		{ "{\"id\":true,\"Id\":1,\"id \":2,\"id\\u0000\":3}", "true" },
		{ "{}", "" },
		{ "{\"a\":\"id\",\"b\":\":\"}", "" },
		{ "{\"id\":1,\"id\":1}", "" },
		{ "{\"id\":{}}", "" },
		{ "{\"id\":[1]}", "" },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

static void reads_by_quotes_brackets_and_colons_alone(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "{id:0 \"id\":1 'id':2", "1" },
		{ "{,,\"id\"\n:\n1\n", "1" },
		{ "{\"a\":\"id\":2,\"id\":1}", "1" },
		{ "{{}[][}(\"id\":1", "1" },
		{ "{\"a\":{\"id\":2,\"id\":1}", "" },
		{ "{]\"id\":1}", "" },
		{ "{}\"id\":1}", "" },
		{ "{\"id\" \"a\":1}", "" },
		{ "{\"id\"=1}", "" },
		{ "{\"a\\\",\"id\":1}", "" },
		{ "{\"a\\\\\",\"id\":1}", "1" },
		{ "{\"id\\ud800\":2,\"id\":1}", "1" },
		{ "{\"id\":\"a", "" },
		{ "{\"id\":\"a\\", "" },
		{ "{\"id\":-", "" },
		{ "{\"id\":12", "12" },
		{ "{\"id\":1:\"a\":2}", "" },
		{ "", "" },
		{ " ", "" },
		{ "{", "" },
		{ "\"", "" },
		{ "[\"id\":1]", "" },
	};
	check_rows(rows, ARRAY_LEN(rows));
}

static void reads_no_further_than_the_text(void **state)
{
	(void)state;
	const char *text = "{\"a\\\"\\\\\":[tru,{\"b\":\"\\\\\"}],\"\\u0069d\"  :  -12.5 ,x";
	const size_t whole = strlen(text) - strlen(" ,x");
	for (size_t len = 0; len <= strlen(text); len++) {
		const char *expected = len >= whole ? "-12.5" : "";
		expected = len == whole - 2 ? "-12" : len == whole - 3 ? "-1" : expected;
		check(bytes_make(text, len), "id", expected);
	}
}

// Each would outlast the time limit of a test if anything were read again for each byte.
static void takes_linear_time(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "[", "" },
		{ "\"", "" },
		{ "\\", "" },
		{ "\"id\"", "" },
		{ "\"id\":", "\"id\"" },
		{ "\"\\u0069d\":[", "" },
		{ "\"id\":1,", "" },
		{ "\"id\":x", "" },
		{ "\"a\":{", "" },
		{ "{\"id\":1}", "" },
	};
	struct buf text = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text.len = 0;
		buf_append_byte(&text, '{');
		while (text.len < (1U << 20)) {
			buf_append_str(&text, rows[i].text);
		}
		check(buf_bytes(&text), "id", rows[i].expected);
	}
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_a_valid_object_has),
		cmocka_unit_test(reads_by_quotes_brackets_and_colons_alone),
		cmocka_unit_test(reads_no_further_than_the_text),
		cmocka_unit_test(takes_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
