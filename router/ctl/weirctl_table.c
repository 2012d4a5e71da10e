// Rows say what they are: a table's rows are alike, so the first one gives the columns. Numbers go
// to the right, text to the left. A table wider than the terminal loses width where its columns are
// widest; text that is cut ends in "~". In a pipe nothing is cut.
//
// A character counts as one column; East Asian wide ones may shift a line, which wcwidth(3) would
// cure at the price of depending on the locale.

#include "router/ctl/weirctl_table.h"

#include "router/ctl/weirctl_value.h"

enum {
	GAP = 2, // between columns
	NARROWEST = 6, // a column is not cut below this
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

// The first `width` characters.
static struct bytes cut(struct bytes text, size_t width)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		n += (text.data[i] & 0xc0) != 0x80;
		if (n > width) {
			return bytes_make(text.data, i);
		}
	}
	return text;
}

static void print_cell(struct buf *out, struct bytes text, size_t width, bool right, bool last)
{
	size_t own = width_of(text);
	if (own > width) {
		buf_append_bytes(out, cut(text, width - 1));
		buf_append_byte(out, '~');
	} else {
		print_space(out, right ? width - own : 0);
		buf_append_bytes(out, text);
		print_space(out, right || last ? 0 : width - own);
	}
	if (!last) {
		print_space(out, GAP);
	}
}

static size_t columns_of(const Weir__Admin__V1__Row *row)
{
	return row->n_fields < PRINT_COLUMNS_MAX ? row->n_fields : PRINT_COLUMNS_MAX;
}

static void widen(struct print_table *table, size_t column, struct bytes text)
{
	size_t width = width_of(text);
	if (table->widths[column] < width) {
		table->widths[column] = width;
	}
}

static void measure(struct print_table *table, const Weir__Admin__V1__Reply *reply)
{
	table->n_columns = columns_of(reply->rows[0]);
	struct buf cell = { 0 };
	for (size_t r = 0; r < reply->n_rows; r++) {
		const Weir__Admin__V1__Row *row = reply->rows[r];
		for (size_t i = 0; i < columns_of(row); i++) {
			const Weir__Admin__V1__Field *field = row->fields[i];
			widen(table, i, bytes_make(field->name.data, field->name.len));
			cell.len = 0;
			print_value(&cell, field);
			widen(table, i, buf_bytes(&cell));
		}
	}
	buf_fini(&cell);
}

// Takes from the widest column until the line fits, or no column can give.
static void fit(struct print_table *table)
{
	size_t total = 0;
	for (size_t i = 0; i < table->n_columns; i++) {
		total += table->widths[i] + (i > 0 ? GAP : 0);
	}
	while (table->width > 0 && total > table->width) {
		size_t widest = 0;
		for (size_t i = 1; i < table->n_columns; i++) {
			if (table->widths[i] > table->widths[widest]) {
				widest = i;
			}
		}
		if (table->widths[widest] <= NARROWEST) {
			return;
		}
		table->widths[widest]--;
		total--;
	}
}

static void table_head(const struct print_table *table, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	for (size_t i = 0; i < columns_of(row); i++) {
		const Weir__Admin__V1__Field *field = row->fields[i];
		print_cell(out, bytes_make(field->name.data, field->name.len), table->widths[i],
			print_is_number(field), i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
}

static void table_row(const struct print_table *table, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	struct buf cell = { 0 };
	for (size_t i = 0; i < columns_of(row); i++) {
		cell.len = 0;
		print_value(&cell, row->fields[i]);
		print_cell(out, buf_bytes(&cell), table->widths[i], print_is_number(row->fields[i]),
			i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
	buf_fini(&cell);
}

void print_table_rows(struct print_table *table, const Weir__Admin__V1__Reply *reply,
	struct buf *out)
{
	measure(table, reply);
	fit(table);
	if (!table->head_done) {
		table_head(table, reply->rows[0], out);
		table->head_done = true;
	}
	for (size_t i = 0; i < reply->n_rows; i++) {
		table_row(table, reply->rows[i], out);
	}
}
