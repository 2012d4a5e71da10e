// Patterns are few (administrators join them), so they are a list that each message of a room is
// matched against, and nothing is kept of the rooms: a memory of matches would need a bound, and a
// reaction when it is full. Without patterns a message pays one comparison.

#include "edge/uplink/watches.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "proto/policy/rights.h"

static struct bytes text_of(const struct watched_pattern *pattern)
{
	return bytes_make(pattern->text, pattern->len);
}

static void drop_watcher(struct watched_pattern *pattern, struct watcher *watcher)
{
	LIST_REMOVE(watcher, in_pattern);
	free(watcher);
	if (--pattern->n_watchers == 0) {
		LIST_REMOVE(pattern, in_table);
		free(pattern);
	}
}

void watches_fini(struct watches *watches)
{
	struct watched_pattern *pattern = LIST_FIRST(&watches->patterns);
	while (pattern != NULL) {
		struct watched_pattern *next = LIST_NEXT(pattern, in_table);
		struct watcher *watcher = LIST_FIRST(&pattern->watchers);
		while (watcher != NULL) {
			struct watcher *after = LIST_NEXT(watcher, in_pattern);
			free(watcher);
			watcher = after;
		}
		free(pattern);
		pattern = next;
	}
	LIST_INIT(&watches->patterns);
}

static struct watched_pattern *find_pattern(const struct watches *watches, struct bytes text)
{
	struct watched_pattern *pattern;
	LIST_FOREACH (pattern, &watches->patterns, in_table) {
		if (bytes_equal(text_of(pattern), text)) {
			return pattern;
		}
	}
	return NULL;
}

static struct watcher *find_watcher(const struct watched_pattern *pattern, const void *conn)
{
	struct watcher *watcher;
	LIST_FOREACH (watcher, &pattern->watchers, in_pattern) {
		if (watcher->conn == conn) {
			return watcher;
		}
	}
	return NULL;
}

static struct watched_pattern *open_pattern(struct watches *watches, struct bytes text)
{
	struct watched_pattern *pattern = find_pattern(watches, text);
	if (pattern == NULL) {
		CHECK(text.len > 0 && text.len <= UINT16_MAX);
		pattern = xcalloc(1, sizeof(*pattern) + text.len);
		LIST_INIT(&pattern->watchers);
		pattern->len = (uint16_t)text.len;
		memcpy(pattern->text, text.data, text.len);
		LIST_INSERT_HEAD(&watches->patterns, pattern, in_table);
	}
	return pattern;
}

bool watches_add(struct watches *watches, void *conn, struct bytes text)
{
	struct watched_pattern *pattern = open_pattern(watches, text);
	if (find_watcher(pattern, conn) != NULL) {
		return false;
	}
	struct watcher *watcher = xmalloc(sizeof(*watcher));
	watcher->conn = conn;
	LIST_INSERT_HEAD(&pattern->watchers, watcher, in_pattern);
	pattern->n_watchers++;
	return true;
}

bool watches_drop(struct watches *watches, const void *conn, struct bytes text)
{
	struct watched_pattern *pattern = find_pattern(watches, text);
	struct watcher *watcher = pattern != NULL ? find_watcher(pattern, conn) : NULL;
	if (watcher != NULL) {
		drop_watcher(pattern, watcher);
	}
	return watcher != NULL;
}

void watches_drop_all(struct watches *watches, const void *conn)
{
	struct watched_pattern *pattern = LIST_FIRST(&watches->patterns);
	while (pattern != NULL) {
		struct watched_pattern *next = LIST_NEXT(pattern, in_table);
		struct watcher *watcher = find_watcher(pattern, conn);
		if (watcher != NULL) {
			drop_watcher(pattern, watcher);
		}
		pattern = next;
	}
}

size_t watches_of(const struct watches *watches, const void *conn, struct bytes out[WATCHES_MAX])
{
	const struct watched_pattern *pattern;
	size_t n = 0;
	LIST_FOREACH (pattern, &watches->patterns, in_table) {
		if (n < WATCHES_MAX && find_watcher(pattern, conn) != NULL) {
			out[n++] = text_of(pattern);
		}
	}
	return n;
}

const struct watched_pattern *watches_next(const struct watches *watches,
	const struct watched_pattern *last, struct bytes room)
{
	const struct watched_pattern *pattern =
		last == NULL ? LIST_FIRST(&watches->patterns) : LIST_NEXT(last, in_table);
	while (pattern != NULL && !rights_joined_match(text_of(pattern), room)) {
		pattern = LIST_NEXT(pattern, in_table);
	}
	return pattern;
}
