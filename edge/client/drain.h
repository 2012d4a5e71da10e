// How a worker's clients are sent elsewhere without all of them coming back at once: in batches,
// one each tick, each of which is first heard out. Belongs to one worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "edge/state/edge.h"

struct clients;

struct drain {
	bool active;
	uint64_t until_ms; // when the last batch should be closed
	uint64_t batch_size; // connections a tick; 0: what `until_ms` demands
	uint32_t cursor; // in the connection table
	struct buf batch; // handles of those that are heard out, uint64_t each
	uint64_t marked_ms; // since when they are
	uint64_t marks[EDGE_LINKS_MAX]; // by link: requests below this number may be theirs
};

// Begins, or changes the pace. Connections are closed (1012, `restart`) within `within_ms`, or
// with `rate` not 0 so many a second.
void drain_begin(struct drain *d, struct clients *cl, uint64_t within_ms, uint64_t rate);
// Connections that are not closed yet stay.
void drain_end(struct drain *d, struct clients *cl);
// At each tick.
void drain_step(struct drain *d, struct clients *cl);
void drain_fini(struct drain *d);
