// One worker's clients, seen from the rooms: who of them is in which room, and what has been asked
// of the routers for them. What a client's message does and what a router's answer does both work
// on this.
#pragma once

#include "common/check.h"
#include "edge/client/conn.h"
#include "edge/client/turn.h"
#include "edge/state/edge.h"
#include "edge/uplink/fib.h"
#include "edge/uplink/uplink.h"

struct clients {
	struct turn turn;
	struct fib fib;
	struct watches watches;
	struct uplink uplinks[EDGE_LINKS_MAX];
	struct link_arena arena; // of the item at hand
	int64_t stamp_ms; // of the first delivery of this turn that reached somebody; 0: none
};

static inline struct clients *clients_of(const struct conn *c)
{
	return CONTAINER_OF(turn_of(c), struct clients, turn);
}
// The link to the router that owns `room`.
static inline struct uplink *clients_link_for(struct clients *cl, struct bytes room)
{
	(void)room; // one router owns all rooms
	return &cl->uplinks[0];
}
