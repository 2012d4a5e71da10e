// One switch over the types for each thing that can be done with a value: parse, clear, format, copy.
// They have no `default`, so the compiler names every place that a new type must be written into.
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
	{ NULL, 0 },
};
static const struct unit plain_units[] = {
	{ "", 1 },
	{ NULL, 0 },
};

static const struct unit *units_of(enum conf_type type)
{
	switch (type) {
	case CONF_SIZE:
		return size_units;
	case CONF_DURATION:
		return duration_units;
	default:
		return plain_units;
	}
}

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

static const char *number_fault(enum conf_type type)
{
	switch (type) {
	case CONF_SIZE:
		return "is not a size (bytes, or with KiB, MiB or GiB)";
	case CONF_DURATION:
		return "is not a duration (seconds, or with ms, s, m or h)";
	default:
		return "is not a whole number";
	}
}

static bool set_number(const struct conf_option *option, uint64_t *field, const char *text,
	struct buf *why)
{
	const struct unit *units = units_of(option->type);
	uint64_t value;
	switch (scan_number(units, text, strlen(text), &value)) {
	case SCAN_NO_NUMBER:
		return refuse(why, text, number_fault(option->type));
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
	*field = value;
	return true;
}

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

static bool set_rate(struct conf_rate *field, const char *text, struct buf *why)
{
	struct conf_rate rate;
	bool too_large;
	if (!scan_rate(text, &rate, &too_large)) {
		return refuse(why, text,
			too_large ? "is too large" : "is not a rate (as 50/s, or 50/s burst 100)");
	}
	if (rate.per_s > 0 && rate.burst == 0) {
		return refuse(why, text, "has a burst of 0, which lets nothing through");
	}
	*field = rate;
	return true;
}

static bool set_bool(bool *field, const char *text, struct buf *why)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*field = i % 2 == 1;
			return true;
		}
	}
	return refuse(why, text, "is neither yes nor no");
}

static bool set_choice(const struct conf_option *option, int *field, const char *text,
	struct buf *why)
{
	for (int i = 0; option->choices[i] != NULL; i++) {
		if (strcmp(text, option->choices[i]) == 0) {
			*field = i;
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

static void set_string(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text);
}

static void list_append(struct conf_list *list, const char *text)
{
	if (text[0] != '\0') {
		list->items = xrealloc(list->items, (list->n + 1) * sizeof(char *));
		list->items[list->n++] = xstrdup(text);
	}
}

static bool parse(const struct conf_option *option, void *field, const char *text, struct buf *why)
{
	switch (option->type) {
	case CONF_STRING:
		set_string(field, text);
		return true;
	case CONF_LIST:
		list_append(field, text);
		return true;
	case CONF_BOOL:
		return set_bool(field, text, why);
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_DURATION:
		return set_number(option, field, text, why);
	case CONF_RATE:
		return set_rate(field, text, why);
	case CONF_ENUM:
		return set_choice(option, field, text, why);
	}
	CHECK(false);
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
	bool may_be_empty = option->type == CONF_STRING || option->type == CONF_LIST;
	if (text[0] == '\0' && !may_be_empty) {
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
	return parse(option, field, text, why);
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

static void list_clear(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i]);
	}
	free(list->items);
	*list = (struct conf_list){ 0 };
}

void conf_value_clear(const struct conf_option *option, void *field)
{
	switch (option->type) {
	case CONF_STRING:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case CONF_LIST:
		list_clear(field);
		break;
	case CONF_BOOL:
		*(bool *)field = false;
		break;
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_DURATION:
		*(uint64_t *)field = 0;
		break;
	case CONF_RATE:
		*(struct conf_rate *)field = (struct conf_rate){ 0 };
		break;
	case CONF_ENUM:
		*(int *)field = 0;
		break;
	}
}

size_t conf_value_count(const struct conf_option *option, const void *field)
{
	return option->type == CONF_LIST ? ((const struct conf_list *)field)->n : 1;
}

static void format_rate(const struct conf_rate *rate, struct buf *out)
{
	buf_append_uint(out, rate->per_s);
	if (rate->per_s > 0) {
		buf_append_str(out, "/s");
	}
	if (rate->burst != rate->per_s) {
		buf_append_str(out, " burst ");
		buf_append_uint(out, rate->burst);
	}
}

void conf_value_format(const struct conf_option *option, const void *field, size_t i,
	struct buf *out)
{
	switch (option->type) {
	case CONF_STRING:
		buf_append_bytes(out, bytes_str(*(char *const *)field));
		break;
	case CONF_LIST:
		CHECK(i < conf_value_count(option, field));
		buf_append_str(out, ((const struct conf_list *)field)->items[i]);
		break;
	case CONF_BOOL:
		buf_append_str(out, *(const bool *)field ? "yes" : "no");
		break;
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_DURATION:
		format_number(units_of(option->type), *(const uint64_t *)field, out);
		break;
	case CONF_RATE:
		format_rate(field, out);
		break;
	case CONF_ENUM:
		buf_append_str(out, option->choices[*(const int *)field]);
		break;
	}
}

bool conf_value_equal(const struct conf_option *option, const void *a, const void *b)
{
	size_t n = conf_value_count(option, a);
	bool equal = n == conf_value_count(option, b);
	for (size_t i = 0; equal && i < n; i++) {
		struct buf text_a = { 0 };
		struct buf text_b = { 0 };
		conf_value_format(option, a, i, &text_a);
		conf_value_format(option, b, i, &text_b);
		equal = bytes_equal(buf_bytes(&text_a), buf_bytes(&text_b));
		buf_fini(&text_a);
		buf_fini(&text_b);
	}
	return equal;
}

static void list_copy(struct conf_list *to, const struct conf_list *from)
{
	list_clear(to);
	for (size_t i = 0; i < from->n; i++) {
		list_append(to, from->items[i]);
	}
}

void conf_value_copy(const struct conf_option *option, void *to, const void *from)
{
	switch (option->type) {
	case CONF_STRING:
		set_string(to, *(char *const *)from);
		break;
	case CONF_LIST:
		list_copy(to, from);
		break;
	case CONF_BOOL:
		*(bool *)to = *(const bool *)from;
		break;
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_DURATION:
		*(uint64_t *)to = *(const uint64_t *)from;
		break;
	case CONF_RATE:
		*(struct conf_rate *)to = *(const struct conf_rate *)from;
		break;
	case CONF_ENUM:
		*(int *)to = *(const int *)from;
		break;
	}
}
