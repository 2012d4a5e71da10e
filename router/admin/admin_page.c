// A page is found by looking at everything there is and keeping the best, so a million rooms cost a
// million comparisons a page, not a sorted index that routing would have to maintain. The
// candidates are sorted whenever twice a page has gathered, and from then on the worst of the page
// turns most others away at once.
//
// The cursor is the last row's place in the order, as text: "RANK,LEFT,KEY". Where ranks change
// between two pages (members, rates) a row may be listed twice or not at all; with one rank for all
// it cannot. A cursor into a kept snapshot was rejected: it is memory that weirctl, killed, leaves
// behind.

#include "router/admin/admin_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/mem.h"

static bool take_number(struct bytes *text, uint64_t *value)
{
	struct bytes digits;
	return bytes_cut(*text, ',', &digits, text) && ascii_uint(digits, value);
}

bool admin_page_init(struct admin_page *page, uint64_t limit, struct bytes cursor)
{
	*page = (struct admin_page){ .left = limit };
	if (cursor.len > 0) {
		page->has_cursor = true;
		if (!take_number(&cursor, &page->cursor.rank) ||
			!take_number(&cursor, &page->left)) {
			return false;
		}
		page->cursor.key = cursor;
	}
	page->entries = xcalloc(2 * (size_t)ADMIN_PAGE_ROWS, sizeof(*page->entries));
	return true;
}

void admin_page_fini(struct admin_page *page)
{
	free(page->entries);
}

static int compare(const void *left, const void *right)
{
	const struct page_entry *a = left;
	const struct page_entry *b = right;
	if (a->rank != b->rank) {
		return a->rank > b->rank ? -1 : 1;
	}
	size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
	int order = len > 0 ? memcmp(a->key.data, b->key.data, len) : 0;
	if (order != 0) {
		return order;
	}
	return (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

static void prune(struct admin_page *page)
{
	qsort(page->entries, page->n, sizeof(page->entries[0]), compare);
	if (page->n > ADMIN_PAGE_ROWS) {
		page->n = ADMIN_PAGE_ROWS;
		page->pruned = true;
	}
}

void admin_page_offer(struct admin_page *page, uint64_t rank, struct bytes key, const void *object)
{
	const struct page_entry entry = { .rank = rank, .key = key, .object = object };
	if ((page->has_cursor && compare(&entry, &page->cursor) <= 0) ||
		(page->pruned && compare(&entry, &page->entries[ADMIN_PAGE_ROWS - 1]) > 0)) {
		return;
	}
	page->entries[page->n++] = entry;
	if (page->n == 2 * (size_t)ADMIN_PAGE_ROWS) {
		prune(page);
	}
}

void admin_page_close(struct admin_page *page)
{
	prune(page);
	if (page->n > page->left) {
		page->n = (size_t)page->left;
	}
}

bool admin_page_has_more(const struct admin_page *page, size_t n)
{
	return page->left > n && (n < page->n || page->pruned);
}

void admin_page_cursor(const struct admin_page *page, size_t n, struct buf *out)
{
	CHECK(n > 0 && n <= page->n);
	const struct page_entry *last = &page->entries[n - 1];
	buf_append_uint(out, last->rank);
	buf_append_byte(out, ',');
	buf_append_uint(out, page->left - n);
	buf_append_byte(out, ',');
	buf_append_bytes(out, last->key);
}
