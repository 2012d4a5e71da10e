// A long listing in pages: from all there is, the next rows behind a cursor, in order. Stable
// without memory between pages: what exists throughout is listed once, whatever else comes and
// goes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	ADMIN_PAGE_ROWS = 4096
};

struct page_entry {
	uint64_t rank; // the highest comes first
	struct bytes key; // then by key; unique; borrowed
	const void *object;
};

struct admin_page {
	struct page_entry *entries; // owned; 2 * ADMIN_PAGE_ROWS
	size_t n;
	bool pruned; // the first ADMIN_PAGE_ROWS are in order, and there were more
	bool has_cursor;
	struct page_entry cursor; // the last one listed before
	uint64_t left; // rows to list in all pages to come
};

// `limit` rows in all. `cursor` is empty or what admin_page_cursor() made, and is borrowed; false
// if it is neither.
MUST_CHECK bool admin_page_init(struct admin_page *page, uint64_t limit, struct bytes cursor);
void admin_page_fini(struct admin_page *page);
void admin_page_offer(struct admin_page *page, uint64_t rank, struct bytes key, const void *object);
// Puts entries[0..n) in order; call once, after all is offered.
void admin_page_close(struct admin_page *page);
// True if rows are left to list behind the first `n` entries.
bool admin_page_has_more(const struct admin_page *page, size_t n);
// Appends the cursor behind the first `n` (> 0) entries.
void admin_page_cursor(const struct admin_page *page, size_t n, struct buf *out);
