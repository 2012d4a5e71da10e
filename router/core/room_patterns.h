// The patterns that clients have joined: of each edge every text once, with a count, so that rooms
// are matched against few of them however many clients there are. Pure data: knows neither rooms
// nor clients.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/check.h"

struct table_edge;

struct room_pattern {
	LIST_ENTRY(room_pattern) in_set;
	struct table_edge *edge; // borrowed; it must outlive its clients' watches
	uint32_t n_watches;
	uint16_t len;
	uint8_t text[];
};

// That one client has joined it.
struct pattern_watch {
	LIST_ENTRY(pattern_watch) in_client;
	struct room_pattern *pattern;
};
LIST_HEAD(pattern_watches, pattern_watch);

enum {
	CLIENT_PATTERNS_MAX = 16,
	ROOM_PATTERNS_MAX = 1024, // texts, of all edges together
};

// Zeroed at first.
struct room_patterns {
	LIST_HEAD(room_pattern_list, room_pattern) list;
	uint32_t n;
	uint32_t generation; // counts the texts that came and went
};

enum watch_result {
	WATCH_ADDED = 1,
	WATCH_ALREADY,
	WATCH_TOO_MANY, // of this client, or in all
};
// `watches` are the client's, on `edge`.
MUST_CHECK enum watch_result room_patterns_watch(struct room_patterns *set,
	struct pattern_watches *watches, struct table_edge *edge, struct bytes text);
void room_patterns_unwatch(struct room_patterns *set, struct pattern_watch *watch);
void room_patterns_unwatch_all(struct room_patterns *set, struct pattern_watches *watches);
// The client's, or NULL.
struct pattern_watch *pattern_watch_find(const struct pattern_watches *watches, struct bytes text);

static inline struct bytes room_pattern_text(const struct room_pattern *pattern)
{
	return bytes_make(pattern->text, pattern->len);
}
// The next one after `pattern` (NULL: the first) that matches `room`, or NULL.
const struct room_pattern *room_patterns_next(const struct room_patterns *set,
	const struct room_pattern *pattern, struct bytes room);
