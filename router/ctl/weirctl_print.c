// How an answer is printed: JSON if it was asked for, a table if its rows are alike, else each
// field on a line of its own. How values look is in weirctl_value.c, what fits a terminal in
// weirctl_table.c.

#include "router/ctl/weirctl_print.h"

#include "proto/admin_json.h"
#include "router/ctl/weirctl_value.h"

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
		print_space(out, width - field->name.len + 1);
		print_value(out, field);
		buf_append_byte(out, '\n');
	}
}

static const Weir__Admin__V1__Field *find(const Weir__Admin__V1__Row *row, const char *name)
{
	for (size_t i = 0; i < row->n_fields; i++) {
		struct bytes field =
			bytes_make(row->fields[i]->name.data, row->fields[i]->name.len);
		if (bytes_equal_str(field, name)) {
			return row->fields[i];
		}
	}
	return NULL;
}

static void print_sentence(const Weir__Admin__V1__Row *row, struct buf *out)
{
	const Weir__Admin__V1__Field *at = find(row, "at");
	const Weir__Admin__V1__Field *text = find(row, "text");
	if (at != NULL && at->value_case == WEIR__ADMIN__V1__FIELD__VALUE_TIME) {
		print_value(out, at);
		print_space(out, 1);
	}
	if (text != NULL) {
		print_value(out, text);
	}
	buf_append_byte(out, '\n');
}

// ---- progress

enum {
	BAR_CELLS = 24,
	BAR_MIN_WIDTH = 60, // of the terminal; a narrower one gets lines
};

// What is left to do, as rebalance (left) and drain (connections) say it. False for other rows.
static bool take_progress(struct print_bar *bar, const Weir__Admin__V1__Row *row, uint64_t *left)
{
	const Weir__Admin__V1__Field *moved = find(row, "moved");
	const Weir__Admin__V1__Field *rest = find(row,
		moved != NULL                           ? "left"
			: find(row, "draining") != NULL ? "connections"
							: "");
	if (rest == NULL || rest->value_case != WEIR__ADMIN__V1__FIELD__VALUE_NUMBER) {
		return false;
	}
	*left = rest->number;
	uint64_t total = *left + (moved != NULL ? moved->number : 0);
	bar->total = total > bar->total ? total : bar->total;
	return true;
}

// Writes over the line of before (ECMA-48: EL), and ends it when nothing is left.
static bool print_bar(struct printer *printer, const Weir__Admin__V1__Row *row, struct buf *out)
{
	struct print_bar *bar = &printer->bar;
	const Weir__Admin__V1__Field *text = find(row, "text");
	uint64_t left;
	if (!bar->wanted || printer->table.width < BAR_MIN_WIDTH || text == NULL ||
		!take_progress(bar, row, &left)) {
		return false;
	}
	uint64_t done = bar->total - left;
	size_t full = bar->total > 0 ? (size_t)(done * BAR_CELLS / bar->total) : BAR_CELLS;
	unsigned percent = bar->total > 0 ? (unsigned)(done * 100 / bar->total) : 100;
	buf_append_str(out, "\r\x1b[K[");
	for (size_t i = 0; i < BAR_CELLS; i++) {
		buf_append_byte(out, i < full ? '#' : '-');
	}
	buf_printf(out, "] %3u %%  ", percent);
	print_value(out, text);
	bar->open = left > 0;
	buf_append_str(out, bar->open ? "" : "\n");
	return true;
}

void print_reply(struct printer *printer, const Weir__Admin__V1__Reply *reply, struct buf *out)
{
	if (reply->n_rows == 0) {
		return;
	}
	if (printer->json) {
		for (size_t i = 0; i < reply->n_rows; i++) {
			admin_json_row(out, reply->rows[i]);
			buf_append_byte(out, '\n');
		}
	} else if (reply->sentences) {
		for (size_t i = 0; i < reply->n_rows; i++) {
			if (reply->live && print_bar(printer, reply->rows[i], out)) {
				continue;
			}
			print_sentence(reply->rows[i], out);
		}
	} else if (reply->table) {
		print_table_rows(&printer->table, reply, out);
	} else {
		for (size_t i = 0; i < reply->n_rows; i++) {
			print_lines(reply->rows[i], out);
		}
	}
}

void print_lines_of(struct buf *out, const char *prefix, ProtobufCBinaryData message)
{
	if (message.len == 0) {
		return;
	}
	// Line by line, as a line end is the one control character to keep.
	struct bytes rest = bytes_make(message.data, message.len);
	bool more = true;
	buf_append_str(out, prefix);
	while (more) {
		struct bytes part;
		more = bytes_cut(rest, '\n', &part, &rest);
		print_text(out, (ProtobufCBinaryData){ part.len, (uint8_t *)part.data });
		buf_append_byte(out, '\n');
	}
}
