// Rows that are alike as a table that fits a terminal.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin.pb-c.h"
#include "common/buf.h"

enum {
	PRINT_COLUMNS_MAX = 16
};

struct print_table {
	size_t width; // columns of the terminal; 0: no limit
	bool head_done; // the first line is out
	size_t n_columns;
	size_t widths[PRINT_COLUMNS_MAX]; // of the columns; they only grow from page to page
};

// Appends the rows of one answer, of which there are some, and before the first ones the names.
void print_table_rows(struct print_table *table, const Weir__Admin__V1__Reply *reply,
	struct buf *out);
