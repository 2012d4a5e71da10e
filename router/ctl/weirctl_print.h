// Rows of an answer as text: a table that fits, name: value lines, or one JSON object a line.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin.pb-c.h"
#include "common/buf.h"

enum {
	PRINT_COLUMNS_MAX = 16
};

struct printer {
	bool json;
	size_t width; // columns of the terminal; 0: no limit
	bool head_done; // the table's first line is out
	size_t n_columns;
	size_t widths[PRINT_COLUMNS_MAX]; // of the columns; they only grow from page to page
};

// Appends all rows of one answer, each line ended.
void print_reply(struct printer *printer, const Weir__Admin__V1__Reply *reply, struct buf *out);
// Text for people: what could command a terminal is replaced.
void print_text(struct buf *out, ProtobufCBinaryData text);
