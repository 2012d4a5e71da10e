// What leaves route: items for edges. Shared by the files of route.
#pragma once

#include <stdint.h>

#include "proto/reasons.h"
#include "router/core/route.h"

struct route_request;

// Encodes an item once, for route_append_encoded() to as many edges as it is for.
void route_encode(struct route *r, const link_item *item);
// Nothing is appended for an edge that went down.
void route_append_encoded(struct route *r, struct table_edge *edge);
// Both, for one edge.
void route_send(struct route *r, struct table_edge *edge, const link_item *item);

// A message of the room as edges get it; borrows from both.
Weir__Link__V1__Delivery route_delivery(const struct table_room *room,
	const struct store_message *message);

// Answers the request, and counts the refusal.
void route_refuse(const struct route_request *rq, enum refusal code);
// The request's client is no longer a member.
void route_send_left(const struct route_request *rq, struct bytes room, enum left_reason reason);
// Asks the edge to close a client that the tables need not know.
void route_kick_handle(struct route *r, struct table_edge *edge, uint64_t handle,
	struct bytes reason);
