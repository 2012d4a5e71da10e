// Only here is it known who feeds whom: route appends an element for an edge while the BATCH of
// another is being routed, or while it applies what that one has published before. If the receiver
// is behind, what comes next from the sender is parked, unacknowledged, until the receiver has
// caught up; so the sender's window closes, and with it the queues of its clients. Items of other
// edges are routed meanwhile.
//
// An item can ask for far more than its own size (history), so a whole BATCH is too long a step: a
// sender is blocked between two items, and the rest of the BATCH is parked.
//
// Nor may one edge have the thread for long: after SLICE_NS a turn the rest of what it sent is
// parked too, and all edges that were stopped so go on in the next turn, one after the other.
//
// A replay is not to make an edge lag, nor to delay for long what is live in its other rooms. So it
// goes in steps of REPLAY_STEP, one a turn, each when most of what went before has left.

#include "router/link/backpressure.h"

#include <errno.h>

#include "common/clock.h"
#include "router/core/route.h"
#include "router/link/edge_link.h"

enum {
	SLICE_NS = 2000000, // a turn and edge
	LOOK_EVERY = 4, // publishes between two looks at the clock; other items may take longer
	REPLAY_STEP = 256 << 10, // bytes a turn and edge
	REPLAY_QUEUE_MAX = 256 << 10, // bytes waiting for an edge, below which a step follows
};

static const double route_bounds[] = { 10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 25e-3, 100e-3 };

static void append(void *arg, struct table_edge *table, struct bytes element)
{
	const struct backpressure *bp = arg;
	struct edge_link *edge = table->link;
	const struct table_edge *cause = bp->route->cause;
	struct edge_link *sender = cause != NULL ? cause->link : bp->routing;
	edge->touched = true;
	edge_link_append(edge, element);
	if (sender != NULL && edge_link_is_behind(edge, false, clock_mono_ms())) {
		sender->blocked = true;
		sender->blocked_by = edge;
	}
}

void backpressure_init(struct backpressure *bp, struct route *route)
{
	*bp = (struct backpressure){ .route = route };
	route_set_sink(route, append, bp);
	histogram_init(&bp->route_seconds, route_bounds, ARRAY_LEN(route_bounds));
}

void backpressure_fini(struct backpressure *bp)
{
	link_arena_fini(&bp->arena);
}

// After an item: the edge has had its part of this turn.
static void watch_slice(struct edge_link *edge, const link_item *item, uint64_t begun_ns,
	unsigned n_routed)
{
	bool is_short = item->kind_case == WEIR__LINK__V1__ITEM__KIND_PUBLISH;
	if ((!is_short || n_routed % LOOK_EVERY == 0) && !edge->blocked &&
		edge->slice_ns + (clock_mono_ns() - begun_ns) >= SLICE_NS) {
		edge->blocked = true;
		edge->sliced = true;
	}
}

// Routes the items of `*batch` until one has fed an edge that is behind, or has to wait, or the
// edge's time is over; what is left stays there.
static bool route_items(struct backpressure *bp, struct edge_link *edge, struct bytes *batch)
{
	uint64_t begun_ns = clock_mono_ns();
	int64_t wall_ms = clock_wall_ms();
	struct bytes rest = *batch;
	struct bytes packed;
	unsigned n_routed = 0;
	int result = 0;
	bp->routing = edge;
	while (!edge->blocked && (result = link_batch_next(&rest, &packed)) > 0) {
		const link_item *item = link_item_unpack(&bp->arena, packed);
		result = item == NULL
			? -EPROTO
			: route_item(bp->route, edge->table, item, begun_ns / 1000000, wall_ms);
		if (result < 0) {
			break;
		}
		if (result == ROUTE_LATER) {
			edge->blocked = true;
			break;
		}
		*batch = rest;
		watch_slice(edge, item, begun_ns, ++n_routed);
	}
	bp->routing = NULL;
	uint64_t took_ns = clock_mono_ns() - begun_ns;
	edge->slice_ns += took_ns;
	histogram_observe_ns(&bp->route_seconds, took_ns);
	return result >= 0;
}

bool backpressure_route(struct backpressure *bp, struct edge_link *edge, struct bytes batch)
{
	if (!edge->blocked && !route_items(bp, edge, &batch)) {
		return false;
	}
	return batch.len == 0 || edge_link_park(edge, batch);
}

// What blocked the edge lasts: its time is over, somebody is behind, or its requests have to wait.
static bool is_blocked(const struct backpressure *bp, const struct edge_link *edge, uint64_t now_ms)
{
	if (edge->sliced) {
		return edge->slice_ns >= SLICE_NS;
	}
	return edge->blocked_by != NULL ? edge_link_is_behind(edge->blocked_by, true, now_ms)
					: route_must_wait(bp->route, edge->table);
}

bool backpressure_release(struct backpressure *bp, struct edge_link *edge, uint64_t now_ms)
{
	struct bytes batch;
	if (!edge->blocked || is_blocked(bp, edge, now_ms)) {
		return true;
	}
	edge->blocked = false;
	edge->blocked_by = NULL;
	edge->sliced = false;
	while (!edge->blocked && edge_link_parked(edge, &batch)) {
		size_t len = batch.len;
		if (!route_items(bp, edge, &batch)) {
			return false;
		}
		edge_link_unpark(edge, len - batch.len);
	}
	return true;
}

bool backpressure_end_turn(struct edge_link *edge)
{
	edge->slice_ns = 0;
	return edge->sliced;
}

void backpressure_replay(const struct backpressure *bp, struct edge_link *edge, uint64_t now_ms)
{
	if (edge->table != NULL && edge->conn != NULL && !edge->lagged &&
		route_has_replays(edge->table) && edge_link_queue_bytes(edge) < REPLAY_QUEUE_MAX) {
		route_replay(bp->route, edge->table, REPLAY_STEP, now_ms);
	}
}
