// The values of options: text to field and back, by type. Knows no sources.
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/conf/conf.h"

// Room for a value of any type. Zeroed memory is a valid value of every type.
union conf_value {
	char *string;
	struct conf_list list;
	bool boolean;
	uint64_t number;
	struct conf_rate rate;
	int choice;
	struct conf_bound bound;
};

// Sets the field from `text`; of a list, appends `text` as an item. Returns true, or false and what
// is wrong with it appended to `why`; the field is then unchanged.
MUST_CHECK bool conf_value_set(const struct conf_option *option, void *field, const char *text,
	struct buf *why);
// The same from the text of an environment variable or a default, where a list is split at commas.
MUST_CHECK bool conf_value_set_split(const struct conf_option *option, void *field,
	const char *text, struct buf *why);
// Frees what the field owns and zeroes it.
void conf_value_clear(const struct conf_option *option, void *field);

// How many texts it takes to say the value: 1, of a list the number of its items.
size_t conf_value_count(const struct conf_option *option, const void *field);
// Appends the `i`-th of these texts, in a form that depends on the value alone.
void conf_value_format(const struct conf_option *option, const void *field, size_t i,
	struct buf *out);
bool conf_value_equal(const struct conf_option *option, const void *a, const void *b);
// `to` must hold a valid value; gets a copy of its own.
void conf_value_copy(const struct conf_option *option, void *to, const void *from);

// For --help: what stands for the value behind the option's name, with a blank before it; and for a
// default that has no text.
void conf_value_placeholder(const struct conf_option *option, struct buf *out);
const char *conf_value_empty_text(const struct conf_option *option);
