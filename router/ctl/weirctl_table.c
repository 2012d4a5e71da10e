// Rows say what they are: a table's rows are alike, so the first one gives the columns. Numbers go
// to the right, text to the left.
//
// Where a table is wider than the terminal its columns give width in steps, within each the widest
// first: names of columns, long text, dates, digits, all text. What is cut says so and keeps what
// tells it from others: text keeps both its ends, because names that begin alike are the rule
// ("qdhr~2217"), a date becomes an age ("3h", or "+3h" ahead), a number its size ("268M"). Leaving
// out columns was rejected: nobody would look for what is not there.
//
// A character counts as one column; East Asian wide ones may shift a line, which wcwidth(3) would
// cure at the price of depending on the locale.

#include "router/ctl/weirctl_table.h"

#include "router/ctl/weirctl_value.h"

enum {
	GAP = 2, // between columns
	DATE = 20,
	AGE = 5,
	SHORT_NUMBER = 4,
	ANY = 1000,
};

#define YEAR_S    INT64_C(31536000)
#define YEARS_MAX INT64_C(1000) // an age of more would not fit AGE

// What a column may be cut to in each step.
static const struct limits {
	size_t head, time, number, text;
} steps[] = {
	{ 6, DATE, ANY, ANY },
	{ 6, DATE, ANY, 24 },
	{ 6, AGE, ANY, 24 },
	{ 6, AGE, ANY, 12 },
	{ 4, AGE, SHORT_NUMBER, 12 },
	{ 4, AGE, SHORT_NUMBER, 6 },
};

// Characters of valid UTF-8.
static size_t width_of(struct bytes text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		n += (text.data[i] & 0xc0) != 0x80;
	}
	return n;
}

// Where in `text` its character `n` begins.
static size_t offset_of(struct bytes text, size_t n)
{
	size_t i = 0;
	for (; i < text.len; i++) {
		bool begins = (text.data[i] & 0xc0) != 0x80;
		if (begins && n-- == 0) {
			break;
		}
	}
	return i;
}

static size_t columns_of(const Weir__Admin__V1__Row *row)
{
	return row->n_fields < PRINT_COLUMNS_MAX ? row->n_fields : PRINT_COLUMNS_MAX;
}

// ---- widths

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void measure_cell(struct print_column *column, const Weir__Admin__V1__Field *field,
	struct buf *cell)
{
	cell->len = 0;
	print_text(cell, field->name);
	column->head = larger(column->head, width_of(buf_bytes(cell)));
	cell->len = 0;
	print_value(cell, field);
	column->data = larger(column->data, width_of(buf_bytes(cell)));
	column->number |= print_is_number(field);
	column->time |= field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_TIME;
}

static void measure(struct print_table *table, const Weir__Admin__V1__Reply *reply)
{
	struct buf cell = { 0 };
	for (size_t r = 0; r < reply->n_rows; r++) {
		const Weir__Admin__V1__Row *row = reply->rows[r];
		table->n_columns = larger(table->n_columns, columns_of(row));
		for (size_t i = 0; i < columns_of(row); i++) {
			measure_cell(&table->columns[i], row->fields[i], &cell);
		}
	}
	buf_fini(&cell);
}

static size_t floor_of(const struct print_column *column, const struct limits *limits)
{
	size_t limit = column->time ? limits->time : column->number ? limits->number : limits->text;
	return larger(smaller(column->data, limit), smaller(column->head, limits->head));
}

// The widest column that can give in this step, NULL if none can.
static struct print_column *find_giver(struct print_table *table, const struct limits *limits)
{
	struct print_column *giver = NULL;
	for (size_t i = 0; i < table->n_columns; i++) {
		struct print_column *column = &table->columns[i];
		if (column->width > floor_of(column, limits) &&
			(giver == NULL || column->width > giver->width)) {
			giver = column;
		}
	}
	return giver;
}

static void fit(struct print_table *table)
{
	size_t total = table->n_columns > 0 ? (table->n_columns - 1) * GAP : 0;
	for (size_t i = 0; i < table->n_columns; i++) {
		table->columns[i].width = larger(table->columns[i].head, table->columns[i].data);
		total += table->columns[i].width;
	}
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]) && table->width > 0; s++) {
		struct print_column *giver;
		while (total > table->width && (giver = find_giver(table, &steps[s])) != NULL) {
			// Of a date that is cut there is nothing to keep.
			size_t floor = floor_of(giver, &steps[s]);
			size_t given = giver->time ? giver->width - floor : 1;
			giver->width -= given;
			total -= given;
		}
	}
}

// ---- cells

static void cut_middle(struct buf *out, struct bytes text, size_t width)
{
	size_t tail = (width - 1) / 2;
	size_t head = width - 1 - tail;
	buf_append(out, text.data, offset_of(text, head));
	buf_append_byte(out, '~');
	buf_append_bytes(out, bytes_from(text, offset_of(text, width_of(text) - tail)));
}

static void cut_end(struct buf *out, struct bytes text, size_t width)
{
	buf_append(out, text.data, offset_of(text, width - 1));
	buf_append_byte(out, '~');
}

// How long ago `unix_ms` was, or how far ahead it is. False if that is more than any time we speak
// of.
static bool print_age(struct buf *out, int64_t now_ms, int64_t unix_ms)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = { { YEAR_S, "y" }, { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	int64_t age_ms;
	if (__builtin_sub_overflow(now_ms, unix_ms, &age_ms) ||
		age_ms / 1000 >= YEARS_MAX * YEAR_S || age_ms / 1000 <= -YEARS_MAX * YEAR_S) {
		return false;
	}
	int64_t seconds = (age_ms < 0 ? -age_ms : age_ms) / 1000;
	size_t i = 0;
	while (seconds < units[i].seconds && units[i].seconds > 1) {
		i++;
	}
	buf_append_str(out, age_ms < 0 ? "+" : "");
	buf_append_int(out, seconds / units[i].seconds);
	buf_append_str(out, units[i].unit);
	return true;
}

// The digits of `text` before its point, in thousands, millions … until they fit. False if there
// are other characters in it, or too many digits.
static bool print_size(struct buf *out, struct bytes text, size_t width)
{
	static const char units[] = "kMGTPE";
	struct bytes whole;
	struct bytes fraction;
	bytes_cut(text, '.', &whole, &fraction);
	for (size_t i = 0; i < whole.len; i++) {
		if (whole.data[i] < '0' || whole.data[i] > '9') {
			return false;
		}
	}
	size_t unit = 0;
	size_t len = whole.len;
	while (len + (unit > 0) > width) {
		if (len <= 3 || units[unit] == '\0') {
			return false;
		}
		len -= 3;
		unit++;
	}
	buf_append(out, whole.data, len);
	buf_append(out, &units[unit > 0 ? unit - 1 : 0], unit > 0);
	return true;
}

// What stands for a value that is too wide for its column.
static void print_shorter(struct buf *out, const Weir__Admin__V1__Field *field, struct bytes whole,
	const struct print_column *column, int64_t now_ms)
{
	bool done = false;
	if (field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_TIME) {
		done = print_age(out, now_ms, field->time);
	} else if (print_is_number(field)) {
		done = print_size(out, whole, column->width);
	}
	if (!done) {
		cut_middle(out, whole, column->width);
	}
}

static void print_padded(struct buf *out, struct bytes text, const struct print_column *column,
	bool last)
{
	size_t space = column->width - smaller(width_of(text), column->width);
	print_space(out, column->number ? space : 0);
	buf_append_bytes(out, text);
	if (!last) {
		print_space(out, (column->number ? 0 : space) + GAP);
	}
}

static void print_head(const struct print_table *table, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	struct buf name = { 0 };
	struct buf cell = { 0 };
	for (size_t i = 0; i < columns_of(row); i++) {
		const struct print_column *column = &table->columns[i];
		name.len = 0;
		cell.len = 0;
		print_text(&name, row->fields[i]->name);
		if (width_of(buf_bytes(&name)) > column->width) {
			cut_end(&cell, buf_bytes(&name), column->width);
		} else {
			buf_append_bytes(&cell, buf_bytes(&name));
		}
		print_padded(out, buf_bytes(&cell), column, i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
	buf_fini(&cell);
	buf_fini(&name);
}

static void print_row(const struct print_table *table, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	struct buf whole = { 0 };
	struct buf cell = { 0 };
	for (size_t i = 0; i < columns_of(row); i++) {
		const struct print_column *column = &table->columns[i];
		const Weir__Admin__V1__Field *field = row->fields[i];
		whole.len = 0;
		cell.len = 0;
		print_value(&whole, field);
		if (width_of(buf_bytes(&whole)) > column->width) {
			print_shorter(&cell, field, buf_bytes(&whole), column, table->now_ms);
		} else {
			buf_append_bytes(&cell, buf_bytes(&whole));
		}
		print_padded(out, buf_bytes(&cell), column, i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
	buf_fini(&cell);
	buf_fini(&whole);
}

void print_table_rows(struct print_table *table, const Weir__Admin__V1__Reply *reply,
	struct buf *out)
{
	measure(table, reply);
	fit(table);
	if (!table->head_done) {
		print_head(table, reply->rows[0], out);
		table->head_done = true;
	}
	for (size_t i = 0; i < reply->n_rows; i++) {
		print_row(table, reply->rows[i], out);
	}
}
