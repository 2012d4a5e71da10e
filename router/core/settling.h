// Which edges of the last router have not announced their clients to this one yet. While one is
// missing the router routes no request: what it published would have left its room's history before
// the members at the missing edge could be sent it. Pure: time is the caller's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"

struct settling_edge;

enum {
	SETTLING_EDGES_MAX = 1024 // reported ones beyond are not awaited
};

struct settling {
	LIST_HEAD(settling_edges, settling_edge) edges; // awaited ones and ones that have arrived
	uint32_t n;
	uint32_t n_awaited; // of them
	bool over;
};

void settling_init(struct settling *s);
void settling_fini(struct settling *s);

// An edge that is awaited, unless it has arrived already or the time for that is over.
void settling_await(struct settling *s, struct bytes name);
// All workers of that edge have announced their clients and their places in rooms.
void settling_arrive(struct settling *s, struct bytes name);
// The time is over: nobody is awaited any more, and nobody will be.
void settling_end(struct settling *s);

static inline bool settling_is_on(const struct settling *s)
{
	return s->n_awaited > 0;
}
// The `i`th edge that is awaited; NULL if there are not so many. Borrowed until the next change.
const char *settling_missing(const struct settling *s, size_t i);
