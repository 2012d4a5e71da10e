// A type is one row of a table: what its values look like, how they are read, written and kept.
// Most are plain: their bytes are their value. What owns memory has functions of its own for that.
//
// A value that does not parse is quoted in the error, one that a `check` refuses is not: the types
// that parse are numbers and words, while a string might be a secret that somebody wrote where the
// name of its file belongs.

#include "common/conf/conf_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

enum {
	QUOTED_MAX = 64
};

struct unit {
	const char *suffix;
	uint64_t factor;
};

// The first row is what a plain number counts, the others rise; a value is written in the highest
// unit that divides it.
static const struct unit size_units[] = {
	{ "", 1 },
	{ "KiB", 1024 },
	{ "MiB", 1U << 20 },
	{ "GiB", 1U << 30 },
	{ NULL, 0 },
};
static const struct unit duration_units[] = {
	{ "", 1000 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
	{ NULL, 0 },
};
static const struct unit plain_units[] = {
	{ "", 1 },
	{ NULL, 0 },
};

struct type {
	const char *placeholder; // in --help, behind the name; NULL: the choices
	const char
		*empty; // what --help shows for a default that has no text; NULL: the first choice
	size_t size; // of a field
	// True, or false and what is wrong appended to `why`, with the field unchanged.
	bool (*parse)(const struct conf_option *option, void *field, const char *text,
		struct buf *why);
	void (*format)(const struct conf_option *option, const void *field, struct buf *out);
	// Only of texts, which are owned by the field and have no `format`.
	void (*copy)(void *to, const void *from);
	void (*clear)(void *field);
	// Only of numbers.
	const struct unit *units;
	const char *fault;
};

static const struct type types[CONF_TYPE_COUNT];

static bool refuse(struct buf *why, const char *text, const char *what)
{
	buf_append_byte(why, '"');
	buf_append(why, text, strnlen(text, QUOTED_MAX));
	buf_append_str(why, strnlen(text, QUOTED_MAX + 1) > QUOTED_MAX ? "...\" " : "\" ");
	buf_append_str(why, what);
	return false;
}

enum scan {
	SCAN_OK,
	SCAN_NO_NUMBER,
	SCAN_TOO_LARGE,
};

// Digits and a unit, which must be all of the text.
static enum scan scan_number(const struct unit *units, const char *text, size_t len,
	uint64_t *value)
{
	uint64_t number = 0;
	bool too_large = false;
	size_t at = 0;
	for (; at < len && isdigit((unsigned char)text[at]); at++) {
		too_large |= __builtin_mul_overflow(number, (uint64_t)10, &number);
		too_large |= __builtin_add_overflow(number, (uint64_t)(text[at] - '0'), &number);
	}
	if (at == 0) {
		return SCAN_NO_NUMBER;
	}
	while (units->suffix != NULL &&
		!bytes_equal_str(bytes_make(text + at, len - at), units->suffix)) {
		units++;
	}
	if (units->suffix == NULL) {
		return SCAN_NO_NUMBER;
	}
	too_large |= __builtin_mul_overflow(number, units->factor, &number);
	*value = number;
	return too_large ? SCAN_TOO_LARGE : SCAN_OK;
}

static void format_number(const struct unit *units, uint64_t value, struct buf *out)
{
	const struct unit *best = NULL;
	for (const struct unit *unit = units; value > 0 && unit->suffix != NULL; unit++) {
		if (value % unit->factor == 0 && (best == NULL || unit->factor >= best->factor)) {
			best = unit;
		}
	}
	buf_append_uint(out, best != NULL ? value / best->factor : 0);
	buf_append_str(out, best != NULL ? best->suffix : "");
}

// ---- numbers

static bool number_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	const struct unit *units = types[option->type].units;
	uint64_t value;
	switch (scan_number(units, text, strlen(text), &value)) {
	case SCAN_NO_NUMBER:
		return refuse(why, text, types[option->type].fault);
	case SCAN_TOO_LARGE:
		return refuse(why, text, "is too large");
	case SCAN_OK:
		break;
	}
	if (value < option->min) {
		refuse(why, text, "is too small, at least ");
		format_number(units, option->min, why);
		return false;
	}
	if (option->max > 0 && value > option->max) {
		refuse(why, text, "is too large, at most ");
		format_number(units, option->max, why);
		return false;
	}
	*(uint64_t *)field = value;
	return true;
}

static void number_format(const struct conf_option *option, const void *field, struct buf *out)
{
	format_number(types[option->type].units, *(const uint64_t *)field, out);
}

// ---- rates

// "N", "N/s" or "N/s burst N".
static bool scan_rate(const char *text, struct conf_rate *rate, bool *too_large)
{
	static const char burst[] = "burst";
	const char *slash = strstr(text, "/s");
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	enum scan r = scan_number(size_units, text, len, &rate->per_s);
	rate->burst = rate->per_s;
	*too_large = r == SCAN_TOO_LARGE;
	if (r != SCAN_OK || slash == NULL || slash[2] == '\0') {
		return r == SCAN_OK;
	}
	const char *rest = slash + 2;
	rest += strspn(rest, " ");
	if (slash[2] != ' ' || strncmp(rest, burst, strlen(burst)) != 0) {
		return false;
	}
	rest += strlen(burst);
	if (*rest != ' ') {
		return false;
	}
	rest += strspn(rest, " ");
	r = scan_number(size_units, rest, strlen(rest), &rate->burst);
	*too_large = r == SCAN_TOO_LARGE;
	return r == SCAN_OK;
}

static bool rate_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	(void)option;
	struct conf_rate rate = { 0 };
	bool too_large;
	if (!scan_rate(text, &rate, &too_large)) {
		return refuse(why, text,
			too_large ? "is too large" : "is not a rate (as 50/s, or 50/s burst 100)");
	}
	if (rate.per_s > 0 && rate.burst == 0) {
		return refuse(why, text, "has a burst of 0, which refuses everything");
	}
	*(struct conf_rate *)field = rate;
	return true;
}

static void rate_format(const struct conf_option *option, const void *field, struct buf *out)
{
	const struct conf_rate *rate = field;
	(void)option;
	buf_append_uint(out, rate->per_s);
	if (rate->per_s > 0) {
		buf_append_str(out, "/s");
	}
	if (rate->burst != rate->per_s) {
		buf_append_str(out, " burst ");
		buf_append_uint(out, rate->burst);
	}
}

// ---- words

static bool bool_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	(void)option;
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*(bool *)field = i % 2 == 1;
			return true;
		}
	}
	return refuse(why, text, "is neither yes nor no");
}

static void bool_format(const struct conf_option *option, const void *field, struct buf *out)
{
	(void)option;
	buf_append_str(out, *(const bool *)field ? "yes" : "no");
}

static bool choice_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	for (int i = 0; option->choices[i] != NULL; i++) {
		if (strcmp(text, option->choices[i]) == 0) {
			*(int *)field = i;
			return true;
		}
	}
	refuse(why, text, "is none of ");
	for (size_t i = 0; option->choices[i] != NULL; i++) {
		buf_append_str(why, i > 0 ? ", " : "");
		buf_append_str(why, option->choices[i]);
	}
	return false;
}

static void choice_format(const struct conf_option *option, const void *field, struct buf *out)
{
	buf_append_str(out, option->choices[*(const int *)field]);
}

// ---- bounds

static void append_bounds(const struct conf_option *option, struct buf *out)
{
	buf_append_str(out, "0");
	for (size_t i = 0; option->choices[i] != NULL; i++) {
		buf_append_str(out, option->choices[i + 1] != NULL ? ", N " : " or N ");
		buf_append_str(out, option->choices[i]);
	}
}

static bool bound_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	struct conf_bound bound = { 0 };
	size_t len = strcspn(text, " ");
	enum scan r = scan_number(plain_units, text, len, &bound.n);
	if (r == SCAN_TOO_LARGE) {
		return refuse(why, text, "is too large");
	}
	const char *word = text[len] == ' ' ? text + len + 1 : NULL;
	while (word != NULL && option->choices[bound.choice] != NULL &&
		strcmp(word, option->choices[bound.choice]) != 0) {
		bound.choice++;
	}
	bool known = word != NULL ? option->choices[bound.choice] != NULL : bound.n == 0;
	if (r != SCAN_OK || !known) {
		refuse(why, text, "is not ");
		append_bounds(option, why);
		return false;
	}
	*(struct conf_bound *)field = bound.n > 0 ? bound : (struct conf_bound){ 0 };
	return true;
}

static void bound_format(const struct conf_option *option, const void *field, struct buf *out)
{
	const struct conf_bound *bound = field;
	buf_append_uint(out, bound->n);
	if (bound->n > 0) {
		buf_append_byte(out, ' ');
		buf_append_str(out, option->choices[bound->choice]);
	}
}

// ---- texts

static void string_copy(void *to, const void *from)
{
	char **field = to;
	free(*field);
	*field = xstrdup(*(char *const *)from);
}

static bool string_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	(void)option;
	(void)why;
	string_copy(field, &text);
	return true;
}

static void string_clear(void *field)
{
	free(*(char **)field);
	*(char **)field = NULL;
}

static void list_append(struct conf_list *list, const char *text)
{
	if (text[0] != '\0') {
		list->items = xrealloc(list->items, (list->n + 1) * sizeof(char *));
		list->items[list->n++] = xstrdup(text);
	}
}

static bool list_parse(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	(void)option;
	(void)why;
	list_append(field, text);
	return true;
}

static void list_clear(void *field)
{
	struct conf_list *list = field;
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i]);
	}
	free(list->items);
	*list = (struct conf_list){ 0 };
}

static void list_copy(void *to, const void *from)
{
	const struct conf_list *list = from;
	list_clear(to);
	for (size_t i = 0; i < list->n; i++) {
		list_append(to, list->items[i]);
	}
}

// ---- the types

#define NUMBER                                                                                     \
	.empty = "0", .size = sizeof(uint64_t), .parse = number_parse, .format = number_format

static const struct type types[CONF_TYPE_COUNT] = {
	[CONF_STRING] = { " TEXT", "none", sizeof(char *), string_parse, NULL, string_copy,
		string_clear },
	[CONF_LIST] = { " TEXT (list)", "none", sizeof(struct conf_list), list_parse, NULL,
		list_copy, list_clear },
	[CONF_BOOL] = { "", "no", sizeof(bool), bool_parse, bool_format },
	[CONF_UINT] = { " N", NUMBER, .units = plain_units, .fault = "is not a whole number" },
	[CONF_SIZE] = { " SIZE", NUMBER, .units = size_units,
		.fault = "is not a size (bytes, or with KiB, MiB or GiB)" },
	[CONF_DURATION] = { " TIME", NUMBER, .units = duration_units,
		.fault = "is not a duration (seconds, or with ms, s, m, h or d)" },
	[CONF_RATE] = { " RATE", "0", sizeof(struct conf_rate), rate_parse, rate_format },
	[CONF_ENUM] = { NULL, NULL, sizeof(int), choice_parse, choice_format },
	[CONF_BOUND] = { " N WORD", "0", sizeof(struct conf_bound), bound_parse, bound_format },
};

static bool is_text(const struct type *type)
{
	return type->format == NULL;
}

void conf_value_placeholder(const struct conf_option *option, struct buf *out)
{
	if (types[option->type].placeholder != NULL) {
		buf_append_str(out, types[option->type].placeholder);
		return;
	}
	for (size_t i = 0; option->choices[i] != NULL; i++) {
		buf_append_byte(out, i > 0 ? '|' : ' ');
		buf_append_str(out, option->choices[i]);
	}
}

const char *conf_value_empty_text(const struct conf_option *option)
{
	const char *text = types[option->type].empty;
	return text != NULL ? text : option->choices[0];
}

static bool text_is_clean(const char *text, struct buf *why)
{
	if (!utf8_valid(bytes_str(text))) {
		buf_append_str(why, "not UTF-8");
		return false;
	}
	if (!utf8_printable(bytes_str(text))) {
		buf_append_str(why, "contains a control character");
		return false;
	}
	return true;
}

bool conf_value_set(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	if (!text_is_clean(text, why)) {
		return false;
	}
	if (text[0] == '\0' && !is_text(&types[option->type])) {
		buf_append_str(why, "empty value");
		return false;
	}
	const char *fault = NULL;
	if (option->check != NULL && text[0] != '\0') {
		fault = option->check(text);
	}
	if (fault != NULL) {
		buf_append_str(why, fault);
		return false;
	}
	return types[option->type].parse(option, field, text, why);
}

bool conf_value_set_split(const struct conf_option *option, void *field, const char *text,
	struct buf *why)
{
	if (option->type != CONF_LIST) {
		return conf_value_set(option, field, text, why);
	}
	bool ok = true;
	for (const char *end; ok; text = end + 1) {
		end = text + strcspn(text, ",");
		size_t skip = strspn(text, " ");
		const char *item = text + skip < end ? text + skip : end;
		const char *item_end = end;
		while (item_end > item && item_end[-1] == ' ') {
			item_end--;
		}
		char *copy = xstrndup(item, (size_t)(item_end - item));
		ok = conf_value_set(option, field, copy, why);
		free(copy);
		if (*end == '\0') {
			break;
		}
	}
	return ok;
}

void conf_value_clear(const struct conf_option *option, void *field)
{
	const struct type *type = &types[option->type];
	if (is_text(type)) {
		type->clear(field);
	} else {
		memset(field, 0, type->size);
	}
}

size_t conf_value_count(const struct conf_option *option, const void *field)
{
	return option->type == CONF_LIST ? ((const struct conf_list *)field)->n : 1;
}

static struct bytes text_at(const struct conf_option *option, const void *field, size_t i)
{
	CHECK(i < conf_value_count(option, field));
	return bytes_str(option->type == CONF_LIST ? ((const struct conf_list *)field)->items[i]
						   : *(char *const *)field);
}

void conf_value_format(const struct conf_option *option, const void *field, size_t i,
	struct buf *out)
{
	const struct type *type = &types[option->type];
	if (is_text(type)) {
		buf_append_bytes(out, text_at(option, field, i));
	} else {
		type->format(option, field, out);
	}
}

bool conf_value_equal(const struct conf_option *option, const void *a, const void *b)
{
	const struct type *type = &types[option->type];
	if (!is_text(type)) {
		return memcmp(a, b, type->size) == 0;
	}
	size_t n = conf_value_count(option, a);
	bool equal = n == conf_value_count(option, b);
	for (size_t i = 0; equal && i < n; i++) {
		equal = bytes_equal(text_at(option, a, i), text_at(option, b, i));
	}
	return equal;
}

void conf_value_copy(const struct conf_option *option, void *to, const void *from)
{
	const struct type *type = &types[option->type];
	if (is_text(type)) {
		type->copy(to, from);
	} else {
		memcpy(to, from, type->size);
	}
}
