// Joining a pattern: messages of all rooms that match, now and later. Such a client is a member of
// none of them: it is not counted or announced, no room lives longer for it, and it
// recovers nothing. Its edge gets that by a Joined of each new session, and passes that on,
// because what was said between two sessions is not brought.

#include <errno.h>

#include "proto/names.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

static bool may_join(const struct table_client *client, struct bytes pattern)
{
	const struct rights_subject subject = {
		.user = user_name(client->user),
		.admin = client->admin,
		.rights = client->rights,
	};
	return edge_rule_lets_room(client->edge->rule, pattern) &&
		rights_decide_joined(&client->edge->policy, &subject, pattern).allowed;
}

static void send_joined(const struct route_request *rq, struct bytes pattern)
{
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = rq->client->handle;
	joined.req = rq->req;
	joined.pattern = pb_data(pattern);
	route_send(rq->r, rq->edge, &LINK_ITEM(JOINED, joined, &joined));
}

static void send_left(const struct route_request *rq, struct bytes pattern, enum left_reason reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = rq->client->handle;
	left.req = rq->req;
	left.pattern = pb_data(pattern);
	left.reason = pb_data(bytes_str(left_reason_name(reason)));
	route_send(rq->r, rq->edge, &LINK_ITEM(LEFT, left, &left));
}

static enum refusal try_join(const struct route_request *rq, struct bytes pattern)
{
	if (!may_join(rq->client, pattern)) {
		return REFUSAL_FORBIDDEN;
	}
	if (room_table_watch(&rq->r->table, rq->client, pattern) == WATCH_TOO_MANY) {
		rq->r->excess = (struct budget_excess){ 0 };
		return REFUSAL_LIMIT;
	}
	return REFUSAL_NONE;
}

int route_join_pattern(struct route_request *rq, struct bytes pattern)
{
	if (!room_pattern_valid(pattern)) {
		return -EPROTO;
	}
	enum refusal refusal = try_join(rq, pattern);
	if (refusal == REFUSAL_NONE) {
		send_joined(rq, pattern);
	} else {
		route_refuse(rq, refusal);
	}
	return 0;
}

int route_leave_pattern(struct route_request *rq, struct bytes pattern)
{
	struct pattern_watch *watch = pattern_watch_find(&rq->client->watches, pattern);
	if (watch == NULL) {
		route_refuse(rq, REFUSAL_NOT_MEMBER);
	} else {
		room_table_unwatch(&rq->r->table, watch);
		send_left(rq, pattern, LEFT_UNSAID);
	}
	return 0;
}

int route_rejoin_pattern(struct route_request *rq, struct bytes pattern)
{
	if (!room_pattern_valid(pattern)) {
		return -EPROTO;
	}
	enum refusal refusal = try_join(rq, pattern);
	if (refusal == REFUSAL_NONE) {
		send_joined(rq, pattern);
	} else {
		counter_add(&rq->r->counters.rejected[refusal], 1);
		send_left(rq, pattern, refusal == REFUSAL_FORBIDDEN ? LEFT_FORBIDDEN : LEFT_UNSAID);
	}
	return 0;
}

void route_leave_forbidden_patterns(const struct route_request *rq)
{
	struct pattern_watch *watch = LIST_FIRST(&rq->client->watches);
	while (watch != NULL) {
		struct pattern_watch *next = LIST_NEXT(watch, in_client);
		struct bytes pattern = room_pattern_text(watch->pattern);
		if (!may_join(rq->client, pattern)) {
			send_left(rq, pattern, LEFT_FORBIDDEN);
			room_table_unwatch(&rq->r->table, watch);
		}
		watch = next;
	}
}
