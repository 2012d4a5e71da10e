#include <string.h>

#include "common/check.h"
#include "common/conf/conf_line.h"
#include "tests/unit/test.h"

static struct buf buf_of(const char *text, size_t len)
{
	struct buf b = { 0 };
	buf_append(&b, text, len);
	return b;
}

static void cuts_a_text_into_lines(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
		const char *lines[4];
	} rows[] = {
		{ "", 0, { NULL } },
		{ "\n", 1, { "" } },
		{ "a", 1, { "a" } },
		{ "a\n", 2, { "a" } },
		{ "a\n\nb", 4, { "a", "", "b" } },
		{ "a\r\n\r\nb\r", 7, { "a", "", "b" } },
		{ "a\rb\r\r\n", 6, { "a\rb\r" } },
		{ "\xef\xbb\xbf"
		  "a\n\xef\xbb\xbf",
			8, { "a", "\xef\xbb\xbf" } },
		{ "\xef\xbb\xbf", 3, { NULL } },
		{ "a\0b\nc", 5,
			{ "a\x01"
			  "b",
				"c" } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = buf_of(rows[i].text, rows[i].len);
		struct conf_lines lines;
		conf_lines_init(&lines, &text);
		unsigned n = 0;
		for (; rows[i].lines[n] != NULL; n++) {
			char *line = conf_lines_next(&lines);
			assert_non_null(line);
			assert_string_equal(line, rows[i].lines[n]);
			assert_int_equal(lines.number, n + 1);
		}
		assert_null(conf_lines_next(&lines));
		buf_fini(&text);
	}
}

static void parses_names_and_values(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *name; // "": an empty line
		const char *value;
	} rows[] = {
		{ "", "", NULL },
		{ " \t ", "", NULL },
		{ "# a = b", "", NULL },
		{ "  # a", "", NULL },
		{ "a=b", "a", "b" },
		{ " \ta \t=\t b \t", "a", "b" },
		{ "a = b c", "a", "b c" },
		{ "a = b=c", "a", "b=c" },
		{ "a = b#c", "a", "b#c" },
		{ "a = b #c", "a", "b" },
		{ "a = #c", "a", "" },
		{ "a =", "a", "" },
		{ "a", "a", NULL },
		{ "a # b = c", "a", NULL },
		{ "a#b", "a", NULL },
		{ "a = \"\"", "a", "" },
		{ "a = \" b # c \" # d", "a", " b # c " },
		{ "a = \"\\\"\\\\\\n\"", "a", "\"\\\\n" },
		{ "a = b\"c\"", "a", "b\"c\"" },
		{ "a = b\\\\c", "a", "b\\\\c" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = buf_of(rows[i].text, strlen(rows[i].text) + 1);
		struct conf_line line;
		assert_null(conf_line_parse((char *)text.data, &line));
		assert_bytes_equal(line.name, rows[i].name);
		if (rows[i].value == NULL) {
			assert_null(line.value);
		} else {
			assert_string_equal(line.value, rows[i].value);
		}
		buf_fini(&text);
	}
}

static void refuses_what_is_no_line(void **state)
{
	(void)state;
	static const char no_line[] = "not `name = value`";
	static const char quotes[] = "quotes do not match";
	static const struct {
		const char *text;
		const char *fault;
	} rows[] = {
		{ "= b", no_line },
		{ "a b", no_line },
		{ "a b = c", no_line },
		{ "a = \"", quotes },
		{ "a = \"b", quotes },
		{ "a = \"b\\\"", quotes },
		{ "a = \"b\\", quotes },
		{ "a = \"b\" c", quotes },
		{ "a = \"b\"\"c\"", quotes },
		{ "a = \xff", "not UTF-8" },
		{ "# \xc3", "not UTF-8" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = buf_of(rows[i].text, strlen(rows[i].text) + 1);
		struct conf_line line;
		assert_string_equal(conf_line_parse((char *)text.data, &line), rows[i].fault);
		buf_fini(&text);
	}
}

static void what_it_writes_it_parses_again(void **state)
{
	(void)state;
	static const char *const values[] = {
		"",
		"a",
		"a b",
		" a",
		"a ",
		"\ta",
		"#a",
		"a#",
		"a # b",
		"\"a\"",
		"a\"b",
		"\\",
		"\\\"",
		"\"\\",
		"#\\",
		"= b",
		"\" # \"",
		"\\# \\\\",
		"\xe2\x82\xac #",
	};
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct buf text = { 0 };
		struct conf_lines lines;
		struct conf_line line;
		conf_line_format(&text, "name", bytes_str(values[i]));
		conf_lines_init(&lines, &text);
		assert_null(conf_line_parse(conf_lines_next(&lines), &line));
		assert_bytes_equal(line.name, "name");
		assert_string_equal(line.value, values[i]);
		assert_null(conf_lines_next(&lines));
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_a_text_into_lines),
		cmocka_unit_test(parses_names_and_values),
		cmocka_unit_test(refuses_what_is_no_line),
		cmocka_unit_test(what_it_writes_it_parses_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
