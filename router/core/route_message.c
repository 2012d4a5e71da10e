// What is said in a room: numbered, stamped, kept, and appended for each edge with a member; and
// what is said to everybody.
//
// One message is encoded once, and again only for the sender's edge if that must leave the sender
// out. A list of handles to leave out, the same for all edges, would save that second encoding and
// cost every other delivery its bytes.

#include <errno.h>

#include "proto/names.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

enum {
	DELIVERY_OVERHEAD = 192, // bytes of a message to a receiver, besides its texts
};

void route_send_published(const struct route_request *rq, const struct route_result *result)
{
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	published.client = rq->client->handle;
	published.req = rq->req;
	published.epoch = result->epoch;
	published.seq = result->seq;
	published.timestamp_ms = result->timestamp_ms;
	published.members = result->members;
	published.duplicate = result->duplicate;
	route_send(rq->r, rq->edge, &LINK_ITEM(PUBLISHED, published, &published));
}

// What a message says of where it came from.
static struct bytes sender_of(const struct table_client *client)
{
	return client->no_sender ? bytes_make(NULL, 0) : bytes_str(client->id);
}

// Appends the delivery for those edges that only patterns lead to, or whose members get it by a
// replay. What has been encoded is the delivery to all.
static void deliver_to_watchers(struct route *r, const struct table_room *room,
	Weir__Link__V1__Delivery *delivery, const struct table_client *except)
{
	const struct table_edge *own = except != NULL ? except->edge : NULL;
	for (uint32_t i = 0; i < room->n_watching; i++) {
		if (room->watching[i] != own && room_edge_find(room, room->watching[i]) == NULL) {
			route_append_encoded(r, room->watching[i]);
		}
	}
	for (uint32_t i = 0; i < room->n_watching; i++) {
		struct table_edge *edge = room->watching[i];
		const struct room_edge *re = room_edge_find(room, edge);
		if (re != NULL ? re->replay_from > 0 : edge == own) {
			delivery->manner = delivery_manner(room->options->slow, AUDIENCE_WATCHERS);
			delivery->except = except != NULL && edge == own ? except->handle : 0;
			route_send(r, edge, &LINK_ITEM(DELIVERY, delivery, delivery));
		}
	}
}

// Appends the delivery to each edge with members; returns how many connections it reaches, not
// counting those that it reaches by a pattern.
static uint32_t deliver(struct route *r, struct table_room *room,
	const struct store_message *message, const struct table_client *except)
{
	Weir__Link__V1__Delivery delivery = route_delivery(room, message);
	const link_item item = LINK_ITEM(DELIVERY, delivery, &delivery);

	bool leave_out = except != NULL && membership_find(room, except) != NULL;
	bool is_watched = room_table_watched(&r->table, room);
	const struct room_edge *apart = leave_out || (except != NULL && is_watched)
		? room_edge_find(room, except->edge)
		: NULL;
	route_encode(r, &item);
	for (uint32_t i = 0; i < room->n_edges; i++) {
		if (&room->edges[i] != apart && room->edges[i].replay_from == 0) {
			route_append_encoded(r, room->edges[i].edge);
		}
	}
	if (is_watched) {
		deliver_to_watchers(r, room, &delivery, except);
		delivery.manner = delivery_manner(room->options->slow, AUDIENCE_ALL);
	}
	if (apart != NULL && (apart->n_members > leave_out || is_watched) &&
		apart->replay_from == 0) {
		delivery.except = except->handle;
		route_send(r, apart->edge, &item);
	}
	return room->n_members - leave_out;
}

uint32_t route_say(struct route *r, struct table_room *room, const struct store_message *message,
	const struct table_client *except, uint64_t now_ms)
{
	uint32_t reached = 0;
	if (message->seq > 0) {
		store_append(&r->store, &room->log, message, now_ms);
		route_tell_published(r, room, message);
	}
	room_table_count_message(&r->table, room, now_ms);
	counter_add(&r->counters.published, 1);
	if (room->n_members > 0 || room_table_watched(&r->table, room)) {
		reached = deliver(r, room, message, except);
		counter_add(&r->counters.deliveries, reached);
	}
	return reached;
}

static struct dedup_key dedup_key_of(const struct route_message *message)
{
	return (struct dedup_key){
		.user = message->from != NULL ? user_name(message->from->user)
					      : bytes_make(NULL, 0),
		.room = message->room,
		.key = message->key,
	};
}

// `*same`: it is this very request, which has come before.
static bool find_first(struct route *r, const struct route_message *message, uint64_t now_ms,
	struct dedup_result *first, bool *same)
{
	const struct dedup_key key = dedup_key_of(message);
	const struct dedup_key origin = { .room = message->room, .key = message->origin };
	*same = message->resent && dedup_find(&r->origins, &origin, now_ms, first);
	return *same || (key.key.len > 0 && dedup_find(&r->dedup, &key, now_ms, first));
}

// True, with the first result, if this was published before.
static bool is_repeat(struct route *r, const struct route_message *message, uint64_t now_ms,
	struct route_result *result)
{
	struct dedup_result first;
	bool same;
	if ((message->key.len == 0 && !message->resent) ||
		!find_first(r, message, now_ms, &first, &same)) {
		return false;
	}
	const struct table_room *room = room_table_find(&r->table, message->room);
	*result = (struct route_result){
		.epoch = first.epoch,
		.seq = first.seq,
		.timestamp_ms = first.timestamp_ms,
		.members = room != NULL ? room->n_members : 0,
		.duplicate = !same,
		.pending = first.proposed,
	};
	return true;
}

static void remember_key(struct route *r, const struct route_message *message,
	const struct route_result *result, uint64_t now_ms)
{
	const struct dedup_key key = dedup_key_of(message);
	const struct dedup_result first = {
		.epoch = result->epoch,
		.seq = result->seq,
		.timestamp_ms = result->timestamp_ms,
	};
	if (key.key.len > 0) {
		dedup_add(&r->dedup, &key, &first, now_ms, NULL);
	}
}

// As a receiver gets it, about.
static uint64_t size_of(const struct route_message *m)
{
	return DELIVERY_OVERHEAD + m->room.len + m->type.len + m->body.len;
}

void route_record_message(struct route *r, const struct table_room *room,
	const struct route_message *message, uint32_t reached)
{
	recorder_add_message(&r->recorder,
		&(struct record_message){
			.room = room,
			.from = message->from,
			.trace = message->trace,
			.reached = reached,
			.no_echo = message->no_echo,
		});
}

// What reaches more connections than its user may ever save up for passes when nothing was used.
static bool within_budget(struct route *r, const struct route_message *m, uint64_t reached,
	uint64_t now_ms)
{
	const uint64_t costs[] = {
		[BUDGET_MESSAGES] = 1,
		[BUDGET_BYTES] = size_of(m),
		[BUDGET_DELIVERIES] = reached,
		[BUDGET_FANOUT_BYTES] = size_of(m) * reached,
	};
	for (unsigned kind = 0; kind < ARRAY_LEN(costs); kind++) {
		if (!route_spend(r, m->from, kind, costs[kind], now_ms)) {
			return false;
		}
	}
	return true;
}

// True if nobody is to get it later either, nor by a pattern: then it makes no room. One that is
// numbered does, since its place has to stay known for a while.
static bool leaves_no_trace(const struct route *r, const struct route_message *message)
{
	const struct room_options *options = room_rules_find(&r->table.rules, message->room);
	return (message->ephemeral || options->ephemeral) &&
		room_patterns_next(&r->table.patterns, NULL, message->room) == NULL;
}

// What a message to an empty room comes to: the room might end the moment after.
static enum refusal say_to_nobody(struct route *r, const struct route_message *message,
	uint64_t now_ms, int64_t wall_ms, struct route_result *result)
{
	const struct room_options *options = room_rules_find(&r->table.rules, message->room);
	const struct table_client *from = message->from;
	if (from != NULL && !room_options_let(options, from->admin)) {
		return REFUSAL_FORBIDDEN;
	}
	if (from != NULL && !within_budget(r, message, 0, now_ms)) {
		return REFUSAL_RATE_LIMITED;
	}
	*result = (struct route_result){
		.epoch = room_table_next_epoch(&r->table),
		.timestamp_ms = wall_ms,
	};
	counter_add(&r->counters.published, 1);
	return REFUSAL_NONE;
}

enum refusal route_take(struct route *r, const struct route_message *message, uint64_t now_ms,
	int64_t wall_ms, struct route_result *result)
{
	if (is_repeat(r, message, now_ms, result)) {
		return REFUSAL_NONE;
	}
	const struct table_client *from = message->from;
	struct table_room *room = room_table_find(&r->table, message->room);
	if (room == NULL && leaves_no_trace(r, message)) {
		return say_to_nobody(r, message, now_ms, wall_ms, result);
	}
	if (r->journal.stalled && !leaves_no_trace(r, message)) {
		return REFUSAL_UNAVAILABLE;
	}
	if (room == NULL) {
		enum refusal refusal = route_may_open(r, from, now_ms);
		if (refusal != REFUSAL_NONE) {
			return refusal;
		}
		room = room_table_add(&r->table, message->room, now_ms);
	}
	if (from != NULL && !room_options_let(room->options, from->admin)) {
		return REFUSAL_FORBIDDEN;
	}
	if (from != NULL && !within_budget(r, message, room->n_members, now_ms)) {
		return REFUSAL_RATE_LIMITED;
	}
	if (room->last_ms < wall_ms) {
		room->last_ms = wall_ms;
	}
	struct store_message said = {
		.timestamp_ms = room->last_ms,
		.type = message->type,
		.body = message->body,
	};
	if (from != NULL) {
		said.from = sender_of(from);
		said.user = user_name(from->user);
		said.username = bytes_str(from->username);
	}
	*result = (struct route_result){
		.epoch = room->epoch,
		.timestamp_ms = room->last_ms,
		.members = room->n_members,
	};
	bool ephemeral = message->ephemeral || room->options->ephemeral;
	if (ephemeral && message->resent) {
		return REFUSAL_NONE; // nobody knows whether it was said: once at most
	}
	if (!ephemeral && journal_is_on(&r->journal)) {
		said.seq = room->seq + room->n_proposed + 1;
		route_propose(r, room, message, &said, now_ms);
		result->proposed = true;
		return REFUSAL_NONE;
	}
	if (!ephemeral) {
		said.seq = ++room->seq;
		result->seq = said.seq;
	}
	remember_key(r, message, result, now_ms);
	uint32_t reached =
		route_say(r, room, &said, message->no_echo || ephemeral ? from : NULL, now_ms);
	if (!ephemeral) {
		route_record_message(r, room, message, reached);
	}
	return REFUSAL_NONE;
}

static bool message_ok(struct bytes type, struct bytes body)
{
	return type.len >= 1 && type.len <= TYPE_NAME_MAX && body.len >= 2 &&
		body.len <= MESSAGE_MAX && body.data[0] == '{' && body.data[body.len - 1] == '}';
}

static enum refusal may_publish(const struct route_request *rq, const struct route_message *message)
{
	if (!room_name_valid(message->room)) {
		return REFUSAL_BAD_ROOM;
	}
	if (!route_trusts(rq, distrust_message(message->room, message->type, message->body))) {
		return REFUSAL_FORBIDDEN;
	}
	return route_may(rq->client, RIGHT_PUBLISH, message->room) ? REFUSAL_NONE
								   : REFUSAL_FORBIDDEN;
}

int route_on_publish(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__Publish *publish = item->publish;
	struct route_message message = {
		.room = pb_bytes(publish->room),
		.type = pb_bytes(publish->type),
		.body = pb_bytes(publish->body),
		.from = rq->client,
		.key = pb_bytes(publish->key),
		.trace = pb_bytes(publish->trace),
		.no_echo = publish->no_echo,
		.ephemeral = publish->ephemeral,
		.resent = publish->resent && journal_is_on(&rq->r->journal),
	};
	if (!message_ok(message.type, message.body) || publish->key.len > KEY_MAX ||
		(publish->trace.len > 0 && !trace_valid(message.trace))) {
		return -EPROTO;
	}
	if (journal_is_on(&rq->r->journal)) { // then it matters what is asked before it is done
		message.ephemeral |= room_table_options(&rq->r->table, message.room)->ephemeral;
	}
	uint8_t origin[STORE_ORIGIN_LEN];
	if (journal_is_on(&rq->r->journal) && !message.ephemeral) {
		route_origin(rq, origin);
		message.origin = bytes_make(origin, sizeof(origin));
	}
	bool follows = rq->client->n_proposed > 0;
	if (follows && message.ephemeral) {
		return ROUTE_AFTER;
	}
	struct route_result result = { 0 };
	enum refusal refusal = may_publish(rq, &message);
	if (refusal == REFUSAL_NONE) {
		refusal = route_take(rq->r, &message, rq->now_ms, rq->wall_ms, &result);
	}
	if (result.proposed) {
		route_await(rq, &message);
		return ROUTE_DONE;
	}
	if (follows || result.pending) {
		return ROUTE_AFTER; // answers keep the order of what was asked
	}
	if (refusal != REFUSAL_NONE) {
		route_refuse(rq, refusal);
	} else {
		route_send_published(rq, &result);
	}
	return ROUTE_DONE;
}

void route_broadcast(struct route *r, const struct route_message *message, int64_t wall_ms,
	struct route_result *result)
{
	Weir__Link__V1__BroadcastDelivery delivery = WEIR__LINK__V1__BROADCAST_DELIVERY__INIT;
	delivery.timestamp_ms = wall_ms;
	delivery.type = pb_data(message->type);
	delivery.body = pb_data(message->body);
	if (message->from != NULL) {
		delivery.from = pb_data(sender_of(message->from));
		delivery.user = pb_data(user_name(message->from->user));
		delivery.username = pb_data(bytes_str(message->from->username));
	}
	route_encode(r, &LINK_ITEM(BROADCAST_DELIVERY, broadcast_delivery, &delivery));
	struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		route_append_encoded(r, edge);
	}
	counter_add(&r->counters.published, 1);
	counter_add(&r->counters.deliveries, r->table.n_clients);
	*result = (struct route_result){
		.timestamp_ms = wall_ms,
		.members = (uint32_t)r->table.n_clients,
	};
}

int route_on_broadcast(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__Broadcast *broadcast = item->broadcast;
	const struct route_message message = {
		.type = pb_bytes(broadcast->type),
		.body = pb_bytes(broadcast->body),
		.from = rq->client,
	};
	if (!message_ok(message.type, message.body)) {
		return -EPROTO;
	}
	if (!rq->client->admin ||
		!route_trusts(rq, distrust_message(message.room, message.type, message.body))) {
		route_refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	if (!within_budget(rq->r, &message, rq->r->table.n_clients, rq->now_ms)) {
		route_refuse(rq, REFUSAL_RATE_LIMITED);
		return 0;
	}
	struct route_result result;
	route_broadcast(rq->r, &message, rq->wall_ms, &result);
	route_send_published(rq, &result);
	return 0;
}
