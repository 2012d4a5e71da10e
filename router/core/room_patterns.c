// A list, not a trie of prefixes: a pattern may begin with a star, and a room is matched once for
// each change of the set, not once for each message. A change is seen by the set's generation, so
// joining a pattern costs the same whether there are ten rooms or a million, and a room pays for
// it with its next message.

#include "router/core/room_patterns.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "proto/policy/rights.h"

static struct room_pattern *find(const struct room_patterns *set, const struct table_edge *edge,
	struct bytes text)
{
	struct room_pattern *pattern;
	LIST_FOREACH (pattern, &set->list, in_set) {
		if (pattern->edge == edge && bytes_equal(room_pattern_text(pattern), text)) {
			return pattern;
		}
	}
	return NULL;
}

// NULL if there are too many.
static struct room_pattern *open_pattern(struct room_patterns *set, struct table_edge *edge,
	struct bytes text)
{
	struct room_pattern *pattern = find(set, edge, text);
	if (pattern != NULL || set->n == ROOM_PATTERNS_MAX) {
		return pattern;
	}
	CHECK(text.len > 0 && text.len <= UINT16_MAX);
	pattern = xcalloc(1, sizeof(*pattern) + text.len);
	pattern->edge = edge;
	pattern->len = (uint16_t)text.len;
	memcpy(pattern->text, text.data, text.len);
	LIST_INSERT_HEAD(&set->list, pattern, in_set);
	set->n++;
	set->generation++;
	return pattern;
}

struct pattern_watch *pattern_watch_find(const struct pattern_watches *watches, struct bytes text)
{
	struct pattern_watch *watch;
	LIST_FOREACH (watch, watches, in_client) {
		if (bytes_equal(room_pattern_text(watch->pattern), text)) {
			return watch;
		}
	}
	return NULL;
}

static size_t count(const struct pattern_watches *watches)
{
	const struct pattern_watch *watch;
	size_t n = 0;
	LIST_FOREACH (watch, watches, in_client) {
		n++;
	}
	return n;
}

enum watch_result room_patterns_watch(struct room_patterns *set, struct pattern_watches *watches,
	struct table_edge *edge, struct bytes text)
{
	if (pattern_watch_find(watches, text) != NULL) {
		return WATCH_ALREADY;
	}
	struct room_pattern *pattern =
		count(watches) < CLIENT_PATTERNS_MAX ? open_pattern(set, edge, text) : NULL;
	if (pattern == NULL) {
		return WATCH_TOO_MANY;
	}
	struct pattern_watch *watch = xmalloc(sizeof(*watch));
	watch->pattern = pattern;
	pattern->n_watches++;
	LIST_INSERT_HEAD(watches, watch, in_client);
	return WATCH_ADDED;
}

void room_patterns_unwatch(struct room_patterns *set, struct pattern_watch *watch)
{
	struct room_pattern *pattern = watch->pattern;
	LIST_REMOVE(watch, in_client);
	free(watch);
	if (--pattern->n_watches == 0) {
		LIST_REMOVE(pattern, in_set);
		free(pattern);
		set->n--;
		set->generation++;
	}
}

void room_patterns_unwatch_all(struct room_patterns *set, struct pattern_watches *watches)
{
	struct pattern_watch *watch = LIST_FIRST(watches);
	while (watch != NULL) {
		struct pattern_watch *next = LIST_NEXT(watch, in_client);
		room_patterns_unwatch(set, watch);
		watch = next;
	}
}

const struct room_pattern *room_patterns_next(const struct room_patterns *set,
	const struct room_pattern *pattern, struct bytes room)
{
	pattern = pattern == NULL ? LIST_FIRST(&set->list) : LIST_NEXT(pattern, in_set);
	while (pattern != NULL && !rights_joined_match(room_pattern_text(pattern), room)) {
		pattern = LIST_NEXT(pattern, in_set);
	}
	return pattern;
}
