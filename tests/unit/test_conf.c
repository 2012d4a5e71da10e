#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "tests/unit/conf_args.h"
#include "tests/unit/folder.h"

struct sample {
	char *string;
	char *checked;
	struct conf_list list;
	struct conf_list listen;
	bool yes;
	uint64_t number;
	uint64_t size;
	uint64_t duration_ms;
	struct conf_rate rate;
	struct conf_bound bound;
	int choice;
	uint64_t later;
	uint64_t fixed;
	uint64_t computed;
};

static const char *const choices[] = { "red", "green", "blue", NULL };

static const char *check_no_x(const char *value)
{
	return strchr(value, 'x') != NULL ? "has an x" : NULL;
}

#define FIELD(name) .offset = offsetof(struct sample, name)
#define RELOADABLE  .flags = CONF_RELOADABLE

static const struct conf_option options[] = {
	{ "string", CONF_STRING, FIELD(string), RELOADABLE, .def = "abc", .help = "a text" },
	{ "checked", CONF_STRING, FIELD(checked), RELOADABLE, .check = check_no_x, .help = "no x" },
	{ "list", CONF_LIST, FIELD(list), RELOADABLE, .check = check_no_x, .help = "texts" },
	{ "listen", CONF_LIST, FIELD(listen), .def = "one,two", .help = "more texts" },
	{ "yes", CONF_BOOL, FIELD(yes), RELOADABLE, .help = "whether" },
	{ "number", CONF_UINT, FIELD(number), RELOADABLE, .def = "7", .min = 2, .max = 100,
		.help = "a number" },
	{ "size", CONF_SIZE, FIELD(size), RELOADABLE, .def = "64KiB", .max = 1U << 20,
		.help = "bytes" },
	{ "duration", CONF_DURATION, FIELD(duration_ms), RELOADABLE, .def = "30s", .help = "time" },
	{ "rate", CONF_RATE, FIELD(rate), RELOADABLE, .def = "50/s burst 100", .help = "a rate" },
	{ "bound", CONF_BOUND, FIELD(bound), RELOADABLE, .choices = choices, .help = "a bound" },
	{ "choice", CONF_ENUM, FIELD(choice), RELOADABLE, .def = "green", .choices = choices,
		.help = "a colour" },
	{ "later", CONF_UINT, FIELD(later), .flags = CONF_NOT_YET, .def = "3", .help = "to come" },
	{ "fixed-one", CONF_UINT, FIELD(fixed), .help = "until a restart" },
	{ "computed", CONF_UINT, FIELD(computed), .shown = "as it comes", .help = "derived" },
};

static const char *complete(void *conf, const char **what)
{
	struct sample *s = conf;
	if (s->computed == 0) {
		s->computed = 42;
	}
	if (s->fixed == s->number) {
		*what = "must differ from number";
		return "fixed-one";
	}
	return NULL;
}

static const struct conf_spec spec = {
	.program = "sample",
	.env_prefix = "SAMPLE_TEST_",
	.summary = "A sample.",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.size = sizeof(struct sample),
	.complete = complete,
};

static void assert_list(const struct conf_list *list, const char *const *items)
{
	size_t n = 0;
	for (; items[n] != NULL; n++) {
		assert_true(n < list->n);
		assert_string_equal(list->items[n], items[n]);
	}
	assert_int_equal(list->n, n);
}

static void says_nothing_and_has_the_defaults(void **state)
{
	(void)state;
	struct sample s;
	assert_loads(&spec, &s, NO_ARGS);
	assert_string_equal(s.string, "abc");
	assert_string_equal(s.checked, "");
	assert_list(&s.list, NO_ARGS);
	assert_list(&s.listen, ARGS("one", "two"));
	assert_false(s.yes);
	assert_int_equal(s.number, 7);
	assert_int_equal(s.size, 65536);
	assert_int_equal(s.duration_ms, 30000);
	assert_int_equal(s.rate.per_s, 50);
	assert_int_equal(s.rate.burst, 100);
	assert_int_equal(s.choice, 1);
	assert_int_equal(s.computed, 42);
	conf_fini(&spec, &s);
}

static void reads_numbers_with_their_units(void **state)
{
	(void)state;
	static const struct {
		const char *size;
		uint64_t bytes;
		const char *duration;
		uint64_t ms;
	} rows[] = {
		{ "0", 0, "0", 0 },
		{ "1", 1, "1", 1000 },
		{ "1000", 1000, "500ms", 500 },
		{ "1KiB", 1024, "30s", 30000 },
		{ "64KiB", 65536, "5m", 300000 },
		{ "1MiB", 1048576, "2h", 7200000 },
		{ "2KiB", 2048, "365d", UINT64_C(31536000000) },
		{ "0GiB", 0, "18446744073709551615ms", UINT64_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample s;
		assert_loads(&spec, &s,
			ARGS("--size", rows[i].size, "--duration", rows[i].duration));
		assert_true(s.size == rows[i].bytes);
		assert_true(s.duration_ms == rows[i].ms);
		conf_fini(&spec, &s);
	}
}

static void reads_rates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t per_s;
		uint64_t burst;
	} rows[] = {
		{ "0", 0, 0 },
		{ "50", 50, 50 },
		{ "50/s", 50, 50 },
		{ "50/s burst 100", 50, 100 },
		{ "50/s  burst   1", 50, 1 },
		{ "64KiB/s burst 1MiB", 65536, 1048576 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample s;
		assert_loads(&spec, &s, ARGS("--rate", rows[i].text));
		assert_int_equal(s.rate.per_s, rows[i].per_s);
		assert_int_equal(s.rate.burst, rows[i].burst);
		conf_fini(&spec, &s);
	}
}

static void reads_bounds(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t n, choice;
	} rows[] = {
		{ "0", 0, 0 },
		{ "0 blue", 0, 0 },
		{ "1 red", 1, 0 },
		{ "18446744073709551615 blue", UINT64_MAX, 2 },
	};
	struct sample s;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_loads(&spec, &s, ARGS("--bound", rows[i].text));
		assert_int_equal(s.bound.n, rows[i].n);
		assert_int_equal(s.bound.choice, rows[i].choice);
		conf_fini(&spec, &s);
	}
}

static void refuses_values_and_says_why(void **state)
{
	(void)state;
	static const char not_size[] = " is not a size (bytes, or with KiB, MiB or GiB)";
	static const char not_duration[] = " is not a duration (seconds, or with ms, s, m, h or d)";
	static const char not_rate[] = " is not a rate (as 50/s, or 50/s burst 100)";
	static const struct {
		const char *option;
		const char *value;
		const char *fault;
	} rows[] = {
		{ "number", "", "empty value" },
		{ "number", "x", "\"x\" is not a whole number" },
		{ "number", "-1", "\"-1\" is not a whole number" },
		{ "number", "+7", "\"+7\" is not a whole number" },
		{ "number", "7.5", "\"7.5\" is not a whole number" },
		{ "number", "7 ", "\"7 \" is not a whole number" },
		{ "number", "0x10", "\"0x10\" is not a whole number" },
		{ "number", "7KiB", "\"7KiB\" is not a whole number" },
		{ "number", "18446744073709551616", "\"18446744073709551616\" is too large" },
		{ "number", "99999999999999999999999", "\"99999999999999999999999\" is too large" },
		{ "number", "1", "\"1\" is too small, at least 2" },
		{ "number", "101", "\"101\" is too large, at most 100" },
		{ "size", "64kib", NULL },
		{ "size", "64 KiB", NULL },
		{ "size", "64KB", NULL },
		{ "size", "KiB", NULL },
		{ "size", "1GiB", "\"1GiB\" is too large, at most 1MiB" },
		{ "size", "17179869184GiB", "\"17179869184GiB\" is too large" },
		{ "duration", "5sec", NULL },
		{ "duration", "5M", NULL },
		{ "duration", "1m30s", NULL },
		{ "duration", "18446744073709552", "\"18446744073709552\" is too large" },
		{ "rate", "", "empty value" },
		{ "rate", "50/m", NULL },
		{ "rate", "/s", NULL },
		{ "rate", "50/sburst 3", NULL },
		{ "rate", "50/s burst", NULL },
		{ "rate", "50/s burst100", NULL },
		{ "rate", "50/s burst 1x", NULL },
		{ "rate", "50 burst 100", NULL },
		{ "rate", "50/s burst 0",
			"\"50/s burst 0\" has a burst of 0, which refuses everything" },
		{ "rate", "99999999999999999999/s", "\"99999999999999999999/s\" is too large" },
		{ "bound", "5", "\"5\" is not 0, N red, N green or N blue" },
		{ "bound", "x red", "\"x red\" is not 0, N red, N green or N blue" },
		{ "bound", "5 yellow", "\"5 yellow\" is not 0, N red, N green or N blue" },
		{ "bound", "0 yellow", "\"0 yellow\" is not 0, N red, N green or N blue" },
		{ "bound", "5  red", "\"5  red\" is not 0, N red, N green or N blue" },
		{ "bound", "5 red ", "\"5 red \" is not 0, N red, N green or N blue" },
		{ "bound", "18446744073709551616 red",
			"\"18446744073709551616 red\" is too large" },
		{ "choice", "yellow", "\"yellow\" is none of red, green, blue" },
		{ "choice", "Red", "\"Red\" is none of red, green, blue" },
		{ "yes", "", "empty value" },
		{ "string", "a\nb", "contains a control character" },
		{ "string", "a\xff", "not UTF-8" },
		{ "checked", "axe", "has an x" },
		{ "list", "axe", "has an x" },
		{ "later", "x", "\"x\" is not a whole number" },
		{ "later", "4", "not available yet" },
		{ "fixed-one", "7", "must differ from number" },
		{ "number",
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbb",
			"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" "
			"is not a whole number" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char arg[128];
		char expected[256];
		const char *fault = rows[i].fault;
		snprintf(arg, sizeof(arg), "--%s=%s", rows[i].option, rows[i].value);
		if (fault == NULL) {
			const char *rest = rows[i].option[0] == 's' ? not_size
				: rows[i].option[0] == 'd'          ? not_duration
								    : not_rate;
			snprintf(expected, sizeof(expected), "command line: %s: \"%s\"%s",
				rows[i].option, rows[i].value, rest);
		} else {
			snprintf(expected, sizeof(expected), "command line: %s: %s", rows[i].option,
				fault);
		}
		assert_fails(&spec, ARGS(arg), expected);
	}
}

static void what_is_not_available_may_be_set_to_its_default(void **state)
{
	(void)state;
	struct sample s;
	assert_loads(&spec, &s, ARGS("--later", "3"));
	conf_fini(&spec, &s);
}

static void the_command_line_takes_values_in_both_forms(void **state)
{
	(void)state;
	struct sample s;
	assert_loads(&spec, &s,
		ARGS("--string", "-x", "--checked=--b=c", "--string=", "--number=9"));
	assert_string_equal(s.string, "");
	assert_string_equal(s.checked, "--b=c");
	assert_int_equal(s.number, 9);
	conf_fini(&spec, &s);
}

static void a_yes_or_no_option_may_stand_alone(void **state)
{
	(void)state;
	static const struct {
		const char *args[4];
		bool yes;
	} rows[] = {
		{ { "--yes" }, true },
		{ { "--yes", "--number", "9" }, true },
		{ { "--yes", "yes" }, true },
		{ { "--yes", "no" }, false },
		{ { "--yes=false" }, false },
		{ { "--yes=on" }, true },
		{ { "--yes=1" }, true },
		{ { "--yes", "--yes=off" }, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample s;
		assert_loads(&spec, &s, rows[i].args);
		assert_int_equal(s.yes, rows[i].yes);
		conf_fini(&spec, &s);
	}
	assert_fails(&spec, ARGS("--yes", "maybe"),
		"command line: yes: \"maybe\" is neither yes nor no");
	assert_fails(&spec, ARGS("--yes=maybe"),
		"command line: yes: \"maybe\" is neither yes nor no");
}

static void refuses_what_is_no_option_and_names_the_nearest(void **state)
{
	(void)state;
	static const struct {
		const char *args[3];
		const char *fault;
	} rows[] = {
		{ { "--numbr", "1" }, "numbr: unknown option, did you mean number?" },
		{ { "--lisen=x" }, "lisen: unknown option, did you mean listen?" },
		{ { "--fixed_one=1" }, "fixed_one: unknown option, did you mean fixed-one?" },
		{ { "--check-confg" }, "check-confg: unknown option, did you mean check-config?" },
		{ { "--zebra=1" }, "zebra: unknown option" },
		{ { "--string" }, "string: value missing" },
		{ { "--string", "--yes" }, "string: value missing" },
		{ { "--config" }, "config: value missing" },
		{ { "--config=" }, "config: value missing" },
		{ { "--print-config=x" }, "print-config: takes no value" },
		{ { "word" }, "argument: not an option" },
		{ { "-string", "x" }, "argument: not an option" },
		{ { "--" }, "argument: not an option" },
		{ { "--=x" }, "argument: not an option" },
		{ { "--a-name-that-might-be-a-secret-key" }, "argument: not an option" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char expected[128];
		snprintf(expected, sizeof(expected), "command line: %s", rows[i].fault);
		assert_fails(&spec, rows[i].args, expected);
	}
}

static void a_higher_source_wins_and_replaces_a_whole_list(void **state)
{
	struct folder *f = *state;
	struct sample s;
	folder_write_text(f,
		"string = file\nnumber = 8\nsize = 1\nlist = f1\nlist = f2\n"
		"listen = f3\nlisten = f4\n");
	assert_loads(&spec, &s, ARGS("--config", f->file));
	assert_string_equal(s.string, "file");
	assert_list(&s.list, ARGS("f1", "f2"));
	assert_list(&s.listen, ARGS("f3", "f4"));
	conf_fini(&spec, &s);

	setenv("SAMPLE_TEST_STRING", "env", 1);
	setenv("SAMPLE_TEST_NUMBER", "9", 1);
	setenv("SAMPLE_TEST_LIST", " e1, e2 ,,e3", 1);
	setenv("SAMPLE_TEST_FIXED_ONE", "5", 1);
	setenv("SAMPLE_TEST_NUMBR", "unknown variables are none of ours", 1);
	assert_loads(&spec, &s, ARGS("--config", f->file));
	assert_string_equal(s.string, "env");
	assert_int_equal(s.number, 9);
	assert_int_equal(s.size, 1);
	assert_int_equal(s.fixed, 5);
	assert_list(&s.list, ARGS("e1", "e2", "e3"));
	assert_list(&s.listen, ARGS("f3", "f4"));
	conf_fini(&spec, &s);

	assert_loads(&spec, &s,
		ARGS("--list", "a,b", "--config", f->file, "--list=c", "--string", "arg"));
	assert_string_equal(s.string, "arg");
	assert_int_equal(s.number, 9);
	assert_list(&s.list, ARGS("a,b", "c"));
	conf_fini(&spec, &s);
	unsetenv("SAMPLE_TEST_STRING");
	unsetenv("SAMPLE_TEST_NUMBER");
	unsetenv("SAMPLE_TEST_LIST");
	unsetenv("SAMPLE_TEST_FIXED_ONE");
	unsetenv("SAMPLE_TEST_NUMBR");
}

static void an_empty_value_empties_a_list(void **state)
{
	struct folder *f = *state;
	struct sample s;
	assert_loads(&spec, &s, ARGS("--listen="));
	assert_list(&s.listen, NO_ARGS);
	conf_fini(&spec, &s);
	folder_write_text(f, "listen =\n");
	assert_loads(&spec, &s, ARGS("--config", f->file));
	assert_list(&s.listen, NO_ARGS);
	conf_fini(&spec, &s);
	setenv("SAMPLE_TEST_LISTEN", "", 1);
	assert_loads(&spec, &s, NO_ARGS);
	assert_list(&s.listen, NO_ARGS);
	conf_fini(&spec, &s);
	unsetenv("SAMPLE_TEST_LISTEN");
}

static void the_environment_is_named_in_its_errors(void **state)
{
	(void)state;
	setenv("SAMPLE_TEST_FIXED_ONE", "x", 1);
	assert_fails(&spec, NO_ARGS, "environment: fixed-one: \"x\" is not a whole number");
	setenv("SAMPLE_TEST_FIXED_ONE", "7", 1);
	assert_fails(&spec, NO_ARGS, "environment: fixed-one: must differ from number");
	unsetenv("SAMPLE_TEST_FIXED_ONE");
	setenv("SAMPLE_TEST_CONFIG", "/nonexistent/sample.conf", 1);
	assert_fails(&spec, NO_ARGS,
		"environment: config: /nonexistent/sample.conf: "
		"No such file or directory");
	unsetenv("SAMPLE_TEST_CONFIG");
}

static void reads_a_file_as_people_write_them(void **state)
{
	struct folder *f = *state;
	static const char text[] = "\xef\xbb\xbf# a comment\r\n"
				   "\r\n"
				   "  string=a b  # and another\r\n"
				   "checked = \" # a \\\"b\\\\ \" # third\n"
				   "\tyes\t# alone\n"
				   "list = a#b\n"
				   "list = \n"
				   "list = \"\"\n"
				   "list = \"c\"\n"
				   "  # indented\n"
				   "number\t=\t9";
	struct sample s;
	folder_write_text(f, text);
	assert_loads(&spec, &s, ARGS("--config", f->file));
	assert_string_equal(s.string, "a b");
	assert_string_equal(s.checked, " # a \"b\\ ");
	assert_true(s.yes);
	assert_list(&s.list, ARGS("a#b", "c"));
	assert_int_equal(s.number, 9);
	conf_fini(&spec, &s);
}

static void refuses_lines_and_says_where(void **state)
{
	struct folder *f = *state;
	static const struct {
		const char *text;
		const char *fault;
	} rows[] = {
		{ "\n\nnumbr = 1\n", ":3: numbr: unknown option, did you mean number?" },
		{ "config = x\n", ":1: config: unknown option" },
		{ "number = 8\nnumber = 9\n", ":2: number: given twice, first on line 1" },
		{ "number = x\r\n", ":1: number: \"x\" is not a whole number" },
		{ "number\n", ":1: number: value missing" },
		{ "number # 9\n", ":1: number: value missing" },
		{ "number =\n", ":1: number: empty value" },
		{ "number 9\n", ":1: number: not `name = value`" },
		{ "= 9\n", ":1: line: not `name = value`" },
		{ "{ \"number\": 9 }\n", ":1: line: not `name = value`" },
		{ "-----BEGIN PRIVATE KEY-----\n", ":1: line: not `name = value`" },
		{ "0123456789abcdef0123456789abcdef\n", ":1: line: not `name = value`" },
		{ "string = \"a\n", ":1: string: quotes do not match" },
		{ "string = \"a\\\n", ":1: string: quotes do not match" },
		{ "string = \"a\" b\n", ":1: string: quotes do not match" },
		{ "string = a\tb\n", ":1: string: contains a control character" },
		{ "number = 9\n# caf\xe9\n", ":2: line: not UTF-8" },
		{ "fixed-one = 7\n", ":1: fixed-one: must differ from number" },
		{ "later = 4\n", ":1: later: not available yet" },
		{ "number = 8\nfixed-one = 8\n", ":2: fixed-one: must differ from number" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char expected[256];
		folder_write_text(f, rows[i].text);
		snprintf(expected, sizeof(expected), "%s%s", f->file, rows[i].fault);
		assert_fails(&spec, ARGS("--config", f->file), expected);
	}
	char expected[256];
	folder_write(f, "number = 9\0\n", 12);
	snprintf(expected, sizeof(expected), "%s:1: number: contains a control character", f->file);
	assert_fails(&spec, ARGS("--config", f->file), expected);
	// A fault of what was left at its default is told of the file, where it could be mended.
	folder_write_text(f, "string = x\n");
	struct sample s;
	struct buf error = { 0 };
	struct conf_result result = args_load(&spec, &s, ARGS("--config", f->file), &error);
	conf_fault(&spec, &result, "listen", "Address already in use", &error);
	buf_append_byte(&error, '\0');
	snprintf(expected, sizeof(expected), "error: %s: listen: Address already in use", f->file);
	assert_string_equal((const char *)error.data, expected);
	buf_fini(&error);
	conf_fini(&spec, &s);
}

static void refuses_what_is_no_file_to_read(void **state)
{
	struct folder *f = *state;
	char expected[256];
	snprintf(expected, sizeof(expected), "command line: config: %s: No such file or directory",
		f->file);
	assert_fails(&spec, ARGS("--config", f->file), expected);
	snprintf(expected, sizeof(expected), "command line: config: %s: is a directory", f->path);
	assert_fails(&spec, ARGS("--config", f->path), expected);
	assert_fails(&spec, ARGS("--config", "/dev/zero"),
		"command line: config: /dev/zero: not a regular file");
	folder_write_text(f, "");
	assert_int_equal(truncate(f->file, 1024 * 1024 + 1), 0);
	snprintf(expected, sizeof(expected), "command line: config: %s: too large", f->file);
	assert_fails(&spec, ARGS("--config", f->file), expected);
	if (geteuid() != 0) {
		assert_int_equal(chmod(f->file, 0), 0);
		snprintf(expected, sizeof(expected), "command line: config: %s: Permission denied",
			f->file);
		assert_fails(&spec, ARGS("--config", f->file), expected);
	}
}

static void takes_a_file_of_just_the_largest_size(void **state)
{
	struct folder *f = *state;
	struct sample s;
	enum {
		LARGEST = 1024 * 1024
	};
	char *text = test_malloc(LARGEST);
	memset(text, '\n', LARGEST);
	snprintf(text + LARGEST - sizeof("number=9"), sizeof("number=9"), "number=9");
	text[LARGEST - 1] = '\n';
	folder_write(f, text, LARGEST);
	test_free(text);
	assert_loads(&spec, &s, ARGS("--config", f->file));
	assert_int_equal(s.number, 9);
	conf_fini(&spec, &s);
}

static void print_to(const struct folder *f, const struct sample *s)
{
	FILE *out = fopen(f->file, "w");
	assert_non_null(out);
	assert_non_null(out);
	conf_print(&spec, s, out);
	fclose(out);
}

static void what_it_prints_it_reads_again(void **state)
{
	struct folder *f = *state;
	struct sample s;
	struct sample again;
	assert_loads(&spec, &s,
		ARGS("--string= \"#1\" \\", "--list=a", "--list=# b", "--listen=", "--yes",
			"--size=1025", "--duration=90", "--rate=2048/s burst 5000",
			"--bound=7 blue"));
	print_to(f, &s);
	assert_loads(&spec, &again, ARGS("--config", f->file));
	assert_string_equal(again.string, s.string);
	assert_string_equal(again.checked, "");
	assert_list(&again.list, ARGS("a", "# b"));
	assert_list(&again.listen, NO_ARGS);
	assert_true(again.yes);
	assert_int_equal(again.size, 1025);
	assert_int_equal(again.duration_ms, 90000);
	assert_int_equal(again.rate.per_s, 2048);
	assert_int_equal(again.rate.burst, 5000);
	assert_int_equal(again.bound.n, 7);
	assert_int_equal(again.bound.choice, 2);
	assert_int_equal(again.choice, s.choice);
	assert_int_equal(again.computed, 42);
	conf_fini(&spec, &s);
	conf_fini(&spec, &again);
}

static void prints_values_in_their_largest_unit(void **state)
{
	struct folder *f = *state;
	struct sample s;
	char text[1024] = { 0 };
	assert_loads(&spec, &s, ARGS("--size=0", "--duration=7200"));
	print_to(f, &s);
	int fd = open(f->file, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text,
		"string = abc\n"
		"checked =\n"
		"list =\n"
		"listen = one\n"
		"listen = two\n"
		"yes = no\n"
		"number = 7\n"
		"size = 0\n"
		"duration = 2h\n"
		"rate = 50/s burst 100\n"
		"bound = 0\n"
		"choice = green\n"
		"later = 3\n"
		"fixed-one = 0\n"
		"computed = 42\n");
	conf_fini(&spec, &s);
}

static void helps_with_a_line_for_each_option(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	conf_help(&spec, out);
	fclose(out);
	static const char *const lines[] = {
		"Usage: sample [OPTION]...\nA sample.\n",
		"\n  --config FILE ",
		"a text (default: abc)\n",
		"\n  --list TEXT (list) ",
		"more texts (default: one,two)\n",
		"whether (default: no)\n",
		"a rate (default: 50/s burst 100)\n",
		"\n  --choice red|green|blue ",
		"to come; not available yet (default: 3)\n",
		"derived (default: as it comes)\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_non_null(strstr(text, lines[i]));
	}
	free(text);
}

static void tells_the_caller_what_is_asked_for(void **state)
{
	(void)state;
	struct sample s;
	struct buf error = { 0 };
	assert_int_equal(args_load(&spec, &s, ARGS("--check-config"), &error).action, CONF_CHECK);
	conf_fini(&spec, &s);
	struct conf_result result =
		args_load(&spec, &s, ARGS("--probe", "http://127.0.0.1:1/health"), &error);
	assert_int_equal(result.action, CONF_PROBE);
	assert_string_equal(result.probe_url, "http://127.0.0.1:1/health");
	assert_int_equal(error.len, 0);
	assert_fails(&spec, ARGS("--check-config", "--number=x"),
		"command line: number: \"x\" is not a whole number");
}

static int reload(const struct folder *f, const struct sample *current, struct sample *fresh,
	struct buf *error, struct buf *ignored)
{
	char program[] = "sample";
	char config[] = "--config";
	char *argv[] = { program, config, (char *)f->file, NULL };
	*fresh = (struct sample){ 0 };
	return conf_reload(&spec, current, fresh, 3, argv, error, ignored);
}

static void a_reload_takes_what_may_change_and_names_the_rest(void **state)
{
	struct folder *f = *state;
	struct sample s;
	struct sample fresh;
	struct buf error = { 0 };
	struct buf ignored = { 0 };
	folder_write_text(f, "string = old\nlist = a\nlisten = a\nfixed-one = 1\n");
	assert_loads(&spec, &s, ARGS("--config", f->file));
	folder_write_text(f, "string = new\nlist = b\nlist = c\nlisten = b\nfixed-one = 2\n");
	assert_int_equal(reload(f, &s, &fresh, &error, &ignored), 0);
	assert_string_equal(fresh.string, "new");
	assert_list(&fresh.list, ARGS("b", "c"));
	assert_list(&fresh.listen, ARGS("a"));
	assert_int_equal(fresh.fixed, 1);
	assert_bytes_equal(buf_bytes(&ignored), "listen fixed-one");
	assert_string_equal(s.string, "old");
	conf_fini(&spec, &s);
	assert_list(&fresh.listen, ARGS("a"));
	conf_fini(&spec, &fresh);
	buf_fini(&ignored);
	buf_fini(&error);
}

static void a_bad_reload_keeps_the_old(void **state)
{
	struct folder *f = *state;
	static const struct {
		const char *text;
		const char *fault;
	} rows[] = {
		{ "number = x\nfixed-one = 9\n", "number: \"x\" is not a whole number" },
		// The new number does not go together with the old fixed-one.
		{ "number = 9\nfixed-one = 10\n", "fixed-one: must differ from number" },
	};
	struct sample s;
	folder_write_text(f, "fixed-one = 9\n");
	assert_loads(&spec, &s, ARGS("--config", f->file));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sample fresh;
		struct buf error = { 0 };
		struct buf ignored = { 0 };
		static const struct sample zero;
		folder_write_text(f, rows[i].text);
		assert_int_equal(reload(f, &s, &fresh, &error, &ignored), -1);
		assert_memory_equal(&fresh, &zero, sizeof(zero));
		buf_append_byte(&error, '\0');
		assert_non_null(strstr((const char *)error.data, rows[i].fault));
		assert_int_equal(s.number, 7);
		assert_int_equal(s.fixed, 9);
		buf_fini(&error);
		buf_fini(&ignored);
	}
	conf_fini(&spec, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_nothing_and_has_the_defaults),
		cmocka_unit_test(reads_numbers_with_their_units),
		cmocka_unit_test(reads_rates),
		cmocka_unit_test(reads_bounds),
		cmocka_unit_test(refuses_values_and_says_why),
		cmocka_unit_test(what_is_not_available_may_be_set_to_its_default),
		cmocka_unit_test(the_command_line_takes_values_in_both_forms),
		cmocka_unit_test(a_yes_or_no_option_may_stand_alone),
		cmocka_unit_test(refuses_what_is_no_option_and_names_the_nearest),
		IN_FOLDER(a_higher_source_wins_and_replaces_a_whole_list),
		IN_FOLDER(an_empty_value_empties_a_list),
		cmocka_unit_test(the_environment_is_named_in_its_errors),
		IN_FOLDER(reads_a_file_as_people_write_them),
		IN_FOLDER(refuses_lines_and_says_where),
		IN_FOLDER(refuses_what_is_no_file_to_read),
		IN_FOLDER(takes_a_file_of_just_the_largest_size),
		IN_FOLDER(what_it_prints_it_reads_again),
		IN_FOLDER(prints_values_in_their_largest_unit),
		cmocka_unit_test(helps_with_a_line_for_each_option),
		cmocka_unit_test(tells_the_caller_what_is_asked_for),
		IN_FOLDER(a_reload_takes_what_may_change_and_names_the_rest),
		IN_FOLDER(a_bad_reload_keeps_the_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
