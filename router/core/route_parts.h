// What the files of route share: a request in hand and who handles which item.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/client_messages.h"
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

// False, counted and reported with the edge's name, unless it is DISTRUST_NONE.
bool route_trusts(const struct route_request *rq, enum distrust distrust);
bool route_may(const struct table_client *client, enum right right, struct bytes room);
// Ends a membership and tells the room, if the user has no other in it.
void route_leave(struct route *r, struct membership *m, enum record_cause cause, uint64_t now_ms);

// Takes `n` units of what the client's user may use; false: r->excess says why not.
bool route_spend(struct route *r, const struct table_client *client, enum budget_kind kind,
	uint64_t n, uint64_t now_ms);
// Whether the client may be answered once more, and what the answer came to.
bool route_may_ask(const struct route_request *rq);
void route_charge_answer(const struct route_request *rq, uint64_t bytes);
// Whether the client may make one more room; NULL: nobody is charged for it.
enum refusal route_may_open(struct route *r, const struct table_client *client, uint64_t now_ms);
// Whether the client may cause others to be notified that it is in a room, and that they are.
bool route_may_come(const struct route_request *rq);
void route_charge_event(struct route *r, const struct table_room *room,
	const struct table_client *client, uint64_t now_ms);

// Tells rooms of users who went and did not come back in time.
void route_tell_gone(struct route *r, uint64_t now_ms);

// Closes the client if its token is revoked.
void route_check_revoked(struct route *r, const struct table_client *client);

// ---- patterns

// Decides on a join of a pattern, or a leave, and answers it. -EPROTO for a text that is none.
int route_join_pattern(struct route_request *rq, struct bytes pattern);
int route_leave_pattern(struct route_request *rq, struct bytes pattern);
// The client had joined it in an earlier session: it is notified that there is a new one.
int route_rejoin_pattern(struct route_request *rq, struct bytes pattern);
// After its rights have changed.
void route_leave_forbidden_patterns(const struct route_request *rq);

// ---- notices

void route_tell_client(const struct route *r, enum notice_kind kind,
	const struct table_client *client, struct bytes reason);
void route_tell_connected(const struct route *r, const struct table_client *client);
// After the first connection of its user came into the room, or the last one left it.
void route_tell_came(const struct route *r, const struct table_room *room,
	const struct table_client *client);
void route_tell_went(const struct route *r, const struct table_room *room,
	const struct table_client *client, struct bytes reason);
void route_tell_refused(const struct route *r, const struct table_client *client, struct bytes room,
	struct bytes reason);
void route_tell_published(const struct route *r, const struct table_room *room,
	const struct store_message *message);

// ---- messages

void route_send_published(const struct route_request *rq, const struct route_result *result);
// Publishes if that can be done at once; with a store it is `proposed` then, or `pending`.
MUST_CHECK enum refusal route_take(struct route *r, const struct route_message *message,
	uint64_t now_ms, int64_t wall_ms, struct route_result *result);
// The message has its place: it is kept, counted and sent to the members but for `except` (NULL:
// to all). Returns how many connections it reaches.
uint32_t route_say(struct route *r, struct table_room *room, const struct store_message *message,
	const struct table_client *except, uint64_t now_ms);

void route_record_message(struct route *r, const struct table_room *room,
	const struct route_message *message, uint32_t reached);

// ---- a durable store

// The same request of the same edge has the same origin, when it comes again too.
void route_origin(const struct route_request *rq, uint8_t origin[STORE_ORIGIN_LEN]);
// Writes the message, which has its seq, into the turn that is gathered.
void route_propose(struct route *r, struct table_room *room, const struct route_message *message,
	const struct store_message *said, uint64_t now_ms);
// The request is answered when what was proposed last is committed.
void route_await(const struct route_request *rq, const struct route_message *message);
// What the record was published under; `proposed`: it is not committed yet.
void route_set_keys(struct route *r, const struct store_record *record, bool proposed,
	uint64_t now_ms);
void route_remove_keys(struct route *r, const struct store_record *record);
// Nobody is to be answered at that edge any more.
void route_forget_edge(struct route *r, const struct table_edge *edge);
// Appends images of slots to the turn that is gathered, as many as it pays for.
void route_add_images(struct route *r);
// One item. ROUTE_AFTER if it has to wait for what rq->client has under way; `after`: it has waited
// already, and is the first that does.
MUST_CHECK int route_run(struct route_request *rq, const link_item *item, bool after);

// Handlers, one a row of the table in route.c: 0, ROUTE_AFTER, or -EPROTO for what no conforming
// edge sends.
#define X(KIND, Message, name, room_at)                                                            \
	int route_on_##name(struct route_request *rq, const link_item *item);
LINK_REQUESTS(X)
#undef X
int route_on_client_up(struct route_request *rq, const link_item *item);
int route_on_client_down(struct route_request *rq, const link_item *item);
int route_on_client_stats(struct route_request *rq, const link_item *item);
int route_on_edge_state(struct route_request *rq, const link_item *item);
int route_on_testimony(struct route_request *rq, const link_item *item);
int route_on_rejoin(struct route_request *rq, const link_item *item);
int route_on_snapshot_end(struct route_request *rq, const link_item *item);
int route_on_revocations(struct route_request *rq, const link_item *item);
