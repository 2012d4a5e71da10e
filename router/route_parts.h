// What the files of route share: a request in hand, how its answer leaves, and who handles which item.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "router/route.h"

// What a handler knows besides the message.
struct route_request {
	struct route *r;
	struct table_edge *edge;
	struct table_client *client;
	uint64_t req;
	uint64_t now_ms;
	int64_t wall_ms;
};

// Encodes an item once, for route_append_encoded() to as many edges as it is for.
void route_encode(struct route *r, const link_item *item);
void route_append_encoded(struct route *r, struct table_edge *edge);
// Both, for one edge.
void route_send(struct route *r, struct table_edge *edge, const link_item *item);
void route_refuse(const struct route_request *rq, enum refusal code);
void route_send_left(const struct route_request *rq, struct bytes room, const char *reason);

bool route_may(const struct table_client *client, enum right right, struct bytes room);
// Ends a membership and tells the room, if the user has no other in it.
void route_leave(struct route *r, struct membership *m, uint64_t now_ms);

// Tells rooms of users who went and did not come back in time.
void route_tell_gone(struct route *r, uint64_t now_ms);

// Closes the client if its token is revoked.
void route_check_revoked(struct route *r, const struct table_client *client);

// Handlers: 0, or -EPROTO for what no honest edge sends.
int route_on_join(struct route_request *rq, const Weir__Link__V1__Join *join);
int route_on_leave(struct route_request *rq, const Weir__Link__V1__Leave *message);
int route_on_rejoin(struct route_request *rq, const Weir__Link__V1__Rejoin *message);
int route_on_snapshot_end(struct route_request *rq);
int route_on_presence(struct route_request *rq, const Weir__Link__V1__PresenceRequest *message);
int route_on_history(struct route_request *rq, const Weir__Link__V1__HistoryRequest *message);
int route_on_publish(struct route_request *rq, const Weir__Link__V1__Publish *publish);
int route_on_revocations(struct route_request *rq,
	const Weir__Link__V1__RevocationSnapshot *snapshot);
int route_on_broadcast(struct route_request *rq, const Weir__Link__V1__Broadcast *broadcast);
