// Rows say what they are: a table's rows are alike, so the first one gives the columns. Numbers go to
// the right, text to the left. A table wider than the terminal loses width where its columns are
// widest; text that is cut ends in "~". In a pipe nothing is cut.
//
// Names and addresses come from strangers and go to a terminal: control characters and what is not
// UTF-8 become "?". A character counts as one column; East Asian wide ones may shift a line, which
// wcwidth(3) would cure at the price of depending on the locale.

#include "router/ctl/weirctl_print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/json_scan.h"
#include "common/utf8.h"

enum {
	GAP = 2, // between columns
	NARROWEST = 6, // a column is not cut below this
};

// ---- values

static bool is_number(const Weir__Admin__V1__Field *field)
{
	return field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_NUMBER ||
		(field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_JSON && field->json.len > 0 &&
			field->json.data[0] >= '0' && field->json.data[0] <= '9');
}

void print_text(struct buf *out, ProtobufCBinaryData text)
{
	struct bytes rest = bytes_make(text.data, text.len);
	while (rest.len > 0) {
		size_t len = utf8_first(rest);
		struct bytes character = bytes_make(rest.data, len);
		bool clean = len > 0 && utf8_printable(character);
		buf_append_bytes(out, clean ? character : bytes_str("?"));
		rest = bytes_from(rest, len > 0 ? len : 1);
	}
}

static void print_time(struct buf *out, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char text[32];
	if (gmtime_r(&seconds, &tm) != NULL &&
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
		buf_append_str(out, text);
	} else {
		buf_append_int(out, unix_ms);
	}
}

static void print_value(struct buf *out, const Weir__Admin__V1__Field *field)
{
	switch (field->value_case) {
	case WEIR__ADMIN__V1__FIELD__VALUE_TEXT:
		print_text(out, field->text);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_NUMBER:
		buf_append_uint(out, field->number);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_FLAG:
		buf_append_str(out, field->flag ? "yes" : "no");
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_JSON:
		print_text(out, field->json);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_TIME:
		print_time(out, field->time);
		break;
	default: // none, or a kind that a newer router knows
		buf_append_byte(out, '-');
		break;
	}
}

// ---- JSON

static void json_text(struct buf *out, ProtobufCBinaryData text)
{
	struct bytes bytes = bytes_make(text.data, text.len);
	if (utf8_valid(bytes)) {
		json_append_string(out, bytes);
		return;
	}
	struct buf clean = { 0 };
	print_text(&clean, text);
	json_append_string(out, buf_bytes(&clean));
	buf_fini(&clean);
}

static void json_value(struct buf *out, const Weir__Admin__V1__Field *field)
{
	switch (field->value_case) {
	case WEIR__ADMIN__V1__FIELD__VALUE_TEXT:
		json_text(out, field->text);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_NUMBER:
		buf_append_uint(out, field->number);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_FLAG:
		buf_append_str(out, field->flag ? "true" : "false");
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_JSON:
		buf_append(out, field->json.data, field->json.len);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_TIME:
		buf_append_int(out, field->time);
		break;
	default:
		buf_append_str(out, "null");
		break;
	}
}

static void json_row(struct buf *out, const Weir__Admin__V1__Row *row)
{
	buf_append_byte(out, '{');
	for (size_t i = 0; i < row->n_fields; i++) {
		if (i > 0) {
			buf_append_byte(out, ',');
		}
		json_text(out, row->fields[i]->name);
		buf_append_byte(out, ':');
		json_value(out, row->fields[i]);
	}
	buf_append_str(out, "}\n");
}

// ---- for people

// Characters of valid UTF-8.
static size_t width_of(struct bytes text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		n += (text.data[i] & 0xc0) != 0x80;
	}
	return n;
}

static void pad(struct buf *out, size_t n)
{
	for (; n > 0; n--) {
		buf_append_byte(out, ' ');
	}
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
		pad(out, right ? width - own : 0);
		buf_append_bytes(out, text);
		pad(out, right || last ? 0 : width - own);
	}
	if (!last) {
		pad(out, GAP);
	}
}

static size_t columns_of(const Weir__Admin__V1__Row *row)
{
	return row->n_fields < PRINT_COLUMNS_MAX ? row->n_fields : PRINT_COLUMNS_MAX;
}

static void widen(struct printer *printer, size_t column, struct bytes text)
{
	size_t width = width_of(text);
	if (printer->widths[column] < width) {
		printer->widths[column] = width;
	}
}

static void measure(struct printer *printer, const Weir__Admin__V1__Reply *reply)
{
	printer->n_columns = columns_of(reply->rows[0]);
	struct buf cell = { 0 };
	for (size_t r = 0; r < reply->n_rows; r++) {
		const Weir__Admin__V1__Row *row = reply->rows[r];
		for (size_t i = 0; i < columns_of(row); i++) {
			const Weir__Admin__V1__Field *field = row->fields[i];
			widen(printer, i, bytes_make(field->name.data, field->name.len));
			cell.len = 0;
			print_value(&cell, field);
			widen(printer, i, buf_bytes(&cell));
		}
	}
	buf_fini(&cell);
}

// Takes from the widest column until the line fits, or no column can give.
static void fit(struct printer *printer)
{
	size_t total = 0;
	for (size_t i = 0; i < printer->n_columns; i++) {
		total += printer->widths[i] + (i > 0 ? GAP : 0);
	}
	while (printer->width > 0 && total > printer->width) {
		size_t widest = 0;
		for (size_t i = 1; i < printer->n_columns; i++) {
			if (printer->widths[i] > printer->widths[widest]) {
				widest = i;
			}
		}
		if (printer->widths[widest] <= NARROWEST) {
			return;
		}
		printer->widths[widest]--;
		total--;
	}
}

static void table_head(const struct printer *printer, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	for (size_t i = 0; i < columns_of(row); i++) {
		const Weir__Admin__V1__Field *field = row->fields[i];
		print_cell(out, bytes_make(field->name.data, field->name.len), printer->widths[i],
			is_number(field), i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
}

static void table_row(const struct printer *printer, const Weir__Admin__V1__Row *row,
	struct buf *out)
{
	struct buf cell = { 0 };
	for (size_t i = 0; i < columns_of(row); i++) {
		cell.len = 0;
		print_value(&cell, row->fields[i]);
		print_cell(out, buf_bytes(&cell), printer->widths[i], is_number(row->fields[i]),
			i + 1 == columns_of(row));
	}
	buf_append_byte(out, '\n');
	buf_fini(&cell);
}

static void print_table(struct printer *printer, const Weir__Admin__V1__Reply *reply,
	struct buf *out)
{
	measure(printer, reply);
	fit(printer);
	if (!printer->head_done) {
		table_head(printer, reply->rows[0], out);
		printer->head_done = true;
	}
	for (size_t i = 0; i < reply->n_rows; i++) {
		table_row(printer, reply->rows[i], out);
	}
}

static void print_lines(const Weir__Admin__V1__Row *row, struct buf *out)
{
	size_t width = 0;
	for (size_t i = 0; i < row->n_fields; i++) {
		width = row->fields[i]->name.len > width ? row->fields[i]->name.len : width;
	}
	for (size_t i = 0; i < row->n_fields; i++) {
		const Weir__Admin__V1__Field *field = row->fields[i];
		print_text(out, field->name);
		buf_append_byte(out, ':');
		pad(out, width - field->name.len + 1);
		print_value(out, field);
		buf_append_byte(out, '\n');
	}
}

void print_reply(struct printer *printer, const Weir__Admin__V1__Reply *reply, struct buf *out)
{
	if (reply->n_rows == 0) {
		return;
	}
	if (printer->json) {
		for (size_t i = 0; i < reply->n_rows; i++) {
			json_row(out, reply->rows[i]);
		}
	} else if (reply->table) {
		print_table(printer, reply, out);
	} else {
		for (size_t i = 0; i < reply->n_rows; i++) {
			print_lines(reply->rows[i], out);
		}
	}
}
