// The way of items between edges and route: BATCHes of edges are routed, what route appends is
// queued for its edge, and an edge that feeds one that is behind is made to wait. Routing thread
// only. Knows edges and route; no connection, no handshake.
#pragma once

#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/metrics.h"
#include "proto/link_items.h"

struct edge_link;
struct route;

struct backpressure {
	struct route *route;
	struct edge_link *routing; // the edge whose BATCH is being routed; NULL: none
	struct link_arena arena;
	struct histogram route_seconds; // how long BATCHes took to route
};

// Becomes the sink of `route`, which is borrowed: what route appends is queued for its edge, and if
// that edge is behind now, the one whose BATCH is being routed is blocked by it.
void backpressure_init(struct backpressure *bp, struct route *route);
void backpressure_fini(struct backpressure *bp);

// Routes the BATCH of an edge that has a session, or parks what has to wait. False if it is
// malformed or more than the window allows.
MUST_CHECK bool backpressure_route(struct backpressure *bp, struct edge_link *edge,
	struct bytes batch);
// Routes what was parked, if what it waited for has happened. False if it is malformed.
MUST_CHECK bool backpressure_release(struct backpressure *bp, struct edge_link *edge,
	uint64_t now_ms);
// The turn is over. True if the edge has more to be routed in the next one, which must be soon.
bool backpressure_end_turn(struct edge_link *edge);
// Appends the next part of what the edge's members have missed, if most of the last one has left.
void backpressure_replay(const struct backpressure *bp, struct edge_link *edge, uint64_t now_ms);
