// How route's output leaves: an item is encoded once, into one scratch buffer, and appended for as
// many edges as it is for. Also the items that more than one rule sends. It decides nothing.

#include "router/core/route_out.h"

#include "proto/link_hello.h"
#include "router/core/route_parts.h"

enum {
	SCRATCH_KEEP = 256 << 10
};

void route_encode(struct route *r, const link_item *item)
{
	buf_reset(&r->element, SCRATCH_KEEP);
	link_item_append(&r->element, item);
}

void route_append_encoded(struct route *r, struct table_edge *edge)
{
	if (!edge->going) {
		r->append(r->arg, edge, buf_bytes(&r->element));
	}
}

void route_send(struct route *r, struct table_edge *edge, const link_item *item)
{
	route_encode(r, item);
	route_append_encoded(r, edge);
}

Weir__Link__V1__Delivery route_delivery(const struct table_room *room,
	const struct store_message *message)
{
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(room_name(room));
	delivery.epoch = room->epoch;
	delivery.seq = message->seq;
	delivery.timestamp_ms = message->timestamp_ms;
	delivery.type = pb_data(message->type);
	delivery.body = pb_data(message->body);
	delivery.from = pb_data(message->from);
	delivery.user = pb_data(message->user);
	delivery.username = pb_data(message->username);
	delivery.manner = delivery_manner(room->options->slow, AUDIENCE_ALL);
	return delivery;
}

static struct bytes asked_of(const struct route_request *rq)
{
	static const char *const words[] = {
		[WEIR__LINK__V1__ITEM__KIND_JOIN] = "join",
		[WEIR__LINK__V1__ITEM__KIND_LEAVE] = "leave",
		[WEIR__LINK__V1__ITEM__KIND_PUBLISH] = "publish",
		[WEIR__LINK__V1__ITEM__KIND_BROADCAST] = "broadcast",
		[WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST] = "presence",
		[WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST] = "history",
		[WEIR__LINK__V1__ITEM__KIND_DISCONNECT] = "disconnect",
	};
	size_t kind = (size_t)rq->item->kind_case;
	return bytes_str(kind < ARRAY_LEN(words) ? words[kind] : NULL);
}

// Or the pattern, which may contain what no room's name does.
static struct bytes room_asked_of(const struct route_request *rq)
{
	ProtobufCBinaryData room = { 0 };
	if (rq->item->kind_case == WEIR__LINK__V1__ITEM__KIND_JOIN &&
		rq->item->join->pattern.len > 0) {
		return pb_bytes(rq->item->join->pattern);
	}
	if (rq->room_at > 0) {
		memcpy(&room, (const char *)(const void *)rq->item->join + rq->room_at,
			sizeof(room));
	}
	return pb_bytes(room);
}

static void record_refusal(const struct route_request *rq, enum refusal code)
{
	struct record record = record_of_client(RECORD_REFUSED, rq->client);
	record.room = room_asked_of(rq);
	record.reason = (uint8_t)code;
	record.detail = asked_of(rq);
	recorder_add(&rq->r->recorder, &record);
}

void route_refuse(const struct route_request *rq, enum refusal code)
{
	counter_add(&rq->r->counters.rejected[code], 1);
	record_refusal(rq, code);
	if (code != REFUSAL_SILENT) {
		route_tell_refused(rq->r, rq->client, room_asked_of(rq),
			bytes_str(refusal_name(code)));
	}
	Weir__Link__V1__Refused refused = WEIR__LINK__V1__REFUSED__INIT;
	refused.client = rq->client->handle;
	refused.req = rq->req;
	refused.code = code;
	if (code == REFUSAL_RATE_LIMITED || code == REFUSAL_LIMIT) {
		const struct budget_excess *excess = &rq->r->excess;
		refused.limit = pb_data(bytes_str(excess->limit));
		refused.after_ms = excess->after_ms;
	}
	route_send(rq->r, rq->edge, &LINK_ITEM(REFUSED, refused, &refused));
}

void route_send_left(const struct route_request *rq, struct bytes room, enum left_reason reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = rq->client->handle;
	left.req = rq->req;
	left.room = pb_data(room);
	left.reason = pb_data(bytes_str(left_reason_name(reason)));
	route_send(rq->r, rq->edge, &LINK_ITEM(LEFT, left, &left));
}

void route_kick_handle(struct route *r, struct table_edge *edge, uint64_t handle,
	struct bytes reason)
{
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = handle;
	kick.reason = pb_data(reason);
	route_send(r, edge, &LINK_ITEM(KICK, kick, &kick));
}

void route_kick_saying(struct route *r, const struct table_client *client, struct bytes reason,
	struct bytes text)
{
	struct record record = record_of_client(RECORD_KICKED, client);
	record.detail = text.len > 0 ? text : reason;
	recorder_add(&r->recorder, &record);
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = client->handle;
	kick.reason = pb_data(reason);
	kick.text = pb_data(text);
	route_send(r, client->edge, &LINK_ITEM(KICK, kick, &kick));
}

void route_kick(struct route *r, const struct table_client *client, struct bytes reason)
{
	route_kick_saying(r, client, reason, bytes_make(NULL, 0));
}

void route_drain(struct route *r, struct table_edge *edge, bool active, uint32_t rate)
{
	Weir__Link__V1__Drain drain = WEIR__LINK__V1__DRAIN__INIT;
	drain.active = active;
	drain.rate = rate;
	route_send(r, edge, &LINK_ITEM(DRAIN, drain, &drain));
}

void route_send_edges(struct route *r, const struct bytes *names, size_t n)
{
	ProtobufCBinaryData copies[LINK_EDGES_MAX];
	Weir__Link__V1__EdgeList list = WEIR__LINK__V1__EDGE_LIST__INIT;
	struct table_edge *edge;
	CHECK(n <= LINK_EDGES_MAX);
	for (size_t i = 0; i < n; i++) {
		copies[i] = pb_data(names[i]);
	}
	list.names = copies;
	list.n_names = n;
	route_encode(r, &LINK_ITEM(EDGE_LIST, edge_list, &list));
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		route_append_encoded(r, edge);
	}
}
