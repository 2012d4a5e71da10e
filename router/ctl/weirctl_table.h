// Rows that are alike as a table that fits a terminal.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "common/buf.h"

enum {
	PRINT_COLUMNS_MAX = 20
};

// Widths in characters.
struct print_column {
	size_t head; // of its name
	size_t data; // of its widest value so far; from page to page it only grows
	size_t width; // what it has in the line
	bool number;
	bool time;
};

struct print_table {
	size_t width; // of the terminal; 0: no limit
	int64_t now_ms; // what ages are counted from, Unix
	bool head_done; // the first line is out
	size_t n_columns;
	struct print_column columns[PRINT_COLUMNS_MAX];
};

// Appends the rows of one answer, of which there are some, and before the first ones the names. Up
// to 10 columns fit into 80 characters, whatever is in them.
void print_table_rows(struct print_table *table, const Weir__Admin__V1__Reply *reply,
	struct buf *out);
