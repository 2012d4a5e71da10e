// Which of a worker's connections have joined which patterns of rooms. Filled by the router's
// answers, like the forwarding table, beside which it stands: who is in that as a member of a room
// gets its messages as one. Pure data: knows no connection, sends nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"

struct watcher {
	LIST_ENTRY(watcher) in_pattern;
	void *conn; // borrowed
};

struct watched_pattern {
	LIST_ENTRY(watched_pattern) in_table;
	LIST_HEAD(watcher_list, watcher) watchers; // never empty
	uint32_t n_watchers;
	uint16_t len;
	uint8_t text[];
};

// Zeroed at first.
struct watches {
	LIST_HEAD(watched_patterns, watched_pattern) patterns;
};
void watches_fini(struct watches *watches);

enum {
	WATCHES_MAX = 16, // patterns of a connection; the router sees to it
};

// False if `conn` has joined it before.
bool watches_add(struct watches *watches, void *conn, struct bytes pattern);
// False if it had not.
bool watches_drop(struct watches *watches, const void *conn, struct bytes pattern);
void watches_drop_all(struct watches *watches, const void *conn);
// The patterns of `conn`: how many, and their texts, borrowed until one is dropped.
size_t watches_of(const struct watches *watches, const void *conn, struct bytes out[WATCHES_MAX]);
// The next pattern after `last` (NULL: the first) that matches `room`, or NULL.
const struct watched_pattern *watches_next(const struct watches *watches,
	const struct watched_pattern *last, struct bytes room);
static inline bool watches_is_empty(const struct watches *watches)
{
	return LIST_EMPTY(&watches->patterns);
}
