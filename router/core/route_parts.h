// What the files of route share: a request in hand and who handles which item.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "router/core/route.h"

// What a handler knows besides the message.
struct route_request {
	struct route *r;
	struct table_edge *edge;
	struct table_client *client;
	uint64_t req;
	const link_item *item;
	size_t room_at; // where the message names its room; 0: nowhere
	uint64_t now_ms;
	int64_t wall_ms;
};

bool route_may(const struct table_client *client, enum right right, struct bytes room);
// Ends a membership and tells the room, if the user has no other in it.
void route_leave(struct route *r, struct membership *m, enum record_cause cause, uint64_t now_ms);

// Tells rooms of users who went and did not come back in time.
void route_tell_gone(struct route *r, uint64_t now_ms);

// Closes the client if its token is revoked.
void route_check_revoked(struct route *r, const struct table_client *client);

// Handlers, one a row of the table in route.c: 0, or -EPROTO for what no conforming edge sends.
int route_on_client_up(struct route_request *rq, const link_item *item);
int route_on_client_down(struct route_request *rq, const link_item *item);
int route_on_client_stats(struct route_request *rq, const link_item *item);
int route_on_disconnect(struct route_request *rq, const link_item *item);
int route_on_edge_state(struct route_request *rq, const link_item *item);
int route_on_join(struct route_request *rq, const link_item *item);
int route_on_leave(struct route_request *rq, const link_item *item);
int route_on_rejoin(struct route_request *rq, const link_item *item);
int route_on_snapshot_end(struct route_request *rq, const link_item *item);
int route_on_presence(struct route_request *rq, const link_item *item);
int route_on_history(struct route_request *rq, const link_item *item);
int route_on_publish(struct route_request *rq, const link_item *item);
int route_on_broadcast(struct route_request *rq, const link_item *item);
int route_on_revocations(struct route_request *rq, const link_item *item);
