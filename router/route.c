// The core of the router: every rule about rooms that a client can notice is in this file and its
// parts (route_room: who is in which and has seen what; route_message: what is said there), or in the
// tables they move. It refuses to know how an item travels: it is handed decoded items and appends
// encoded ones, so all of it is tested without a thread or a socket.
//
// Order is the point. All items of all edges pass here one after the other, so a room has one order,
// and whatever one item causes is appended before the next is looked at:
//  - a Delivery goes to each edge before the sender's Published on the same link;
//  - Joined goes out before the MemberEvent and before any later Delivery;
//  - a room's stamps follow its seq: the wall clock may jump back, a stamp does not.
//
// An edge is trusted for identity and for JSON, not for sense: what no honest edge sends (a name
// that cannot be, a body that is no object, an item of the other direction) ends its link. What may
// happen by a race between a client that goes and its last words is ignored and counted.

#include "router/route.h"

#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/link_hello.h"
#include "proto/names.h"
#include "router/route_parts.h"

enum {
	SCRATCH_KEEP = 256 << 10,
	SWEEP_MAX = 4096, // rooms a call
	USERNAME_MAX = 8192, // a token is not longer
	ADDRESS_MAX = 128,
	CODEC_MAX = 64,
};

static void forget_log(void *arg, struct table_room *room)
{
	struct route *r = arg;
	store_forget(&r->store, &room->log);
}

static struct store_limits store_limits_of(const struct route_options *options)
{
	return (struct store_limits){
		.messages = options->history_messages,
		.bytes = options->history_bytes,
		.age_ms = options->history_age_ms,
		.total_bytes = options->history_total,
	};
}

void route_init(struct route *r, const struct route_options *options, route_append_fn *append,
	void *arg)
{
	const struct store_limits limits = store_limits_of(options);
	*r = (struct route){ .options = *options, .append = append, .arg = arg };
	room_table_init(&r->table, options->max_rooms, options->max_members_per_room);
	r->table.forget = forget_log;
	r->table.forget_arg = r;
	store_init(&r->store, &limits);
	dedup_init(&r->dedup, options->dedup_total);
	revocations_init(&r->revocations);
	settling_init(&r->settling);
	absences_init(&r->absences);
}

void route_set_options(struct route *r, const struct route_options *options)
{
	r->options = *options;
	r->table.max_rooms = options->max_rooms;
	r->table.max_members_per_room = options->max_members_per_room;
	r->store.limits = store_limits_of(options);
	r->dedup.total_bytes = options->dedup_total;
}

void route_fini(struct route *r)
{
	room_table_fini(&r->table);
	store_fini(&r->store);
	dedup_fini(&r->dedup);
	revocations_fini(&r->revocations);
	settling_fini(&r->settling);
	absences_fini(&r->absences);
	buf_fini(&r->element);
}

// ---- out

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

void route_refuse(const struct route_request *rq, enum refusal code)
{
	counter_add(&rq->r->counters.rejected[code], 1);
	Weir__Link__V1__Refused refused = WEIR__LINK__V1__REFUSED__INIT;
	refused.client = rq->client->handle;
	refused.req = rq->req;
	refused.code = code;
	const link_item item = LINK_ITEM(REFUSED, refused, &refused);
	route_send(rq->r, rq->edge, &item);
}

void route_send_left(const struct route_request *rq, struct bytes room, const char *reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = rq->client->handle;
	left.req = rq->req;
	left.room = pb_data(room);
	left.reason = pb_data(bytes_str(reason));
	const link_item item = LINK_ITEM(LEFT, left, &left);
	route_send(rq->r, rq->edge, &item);
}

// ---- edges and clients

struct table_edge *route_edge_up(struct route *r, void *link, struct bytes name,
	const struct rights_policy *policy, uint32_t n_workers)
{
	struct table_edge *edge = room_table_edge_add(&r->table, name, policy, link);
	edge->snapshots_due = n_workers;
	return edge;
}

void route_send_edges(struct route *r)
{
	ProtobufCBinaryData names[LINK_EDGES_MAX];
	Weir__Link__V1__EdgeList list = WEIR__LINK__V1__EDGE_LIST__INIT;
	list.names = names;
	struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		if (list.n_names < LINK_EDGES_MAX) {
			names[list.n_names++] = pb_data(bytes_str(edge->name));
		}
	}
	const link_item item = LINK_ITEM(EDGE_LIST, edge_list, &list);
	route_encode(r, &item);
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		route_append_encoded(r, edge);
	}
}

static void client_gone(struct route *r, struct table_client *client, uint64_t now_ms)
{
	struct membership *m;
	while ((m = LIST_FIRST(&client->rooms)) != NULL) {
		route_leave(r, m, now_ms);
	}
	room_table_client_remove(&r->table, client, now_ms);
}

void route_edge_down(struct route *r, struct table_edge *edge)
{
	room_table_edge_retire(&r->table, edge);
	edge->link = NULL;
}

static void purge_step(struct route *r, struct table_edge *edge, uint64_t now_ms)
{
	struct table_client *client = LIST_FIRST(&edge->list);
	struct membership *m = client != NULL ? LIST_FIRST(&client->rooms) : NULL;
	if (m != NULL) {
		route_leave(r, m, now_ms);
	} else if (client != NULL) {
		room_table_client_remove(&r->table, client, now_ms);
	} else {
		room_table_edge_remove(&r->table, edge, now_ms);
	}
}

bool route_purge(struct route *r, size_t max, uint64_t now_ms)
{
	struct table_edge *edge = LIST_FIRST(&r->table.retired);
	for (size_t n = 0; n < max && edge != NULL; n++) {
		purge_step(r, edge, now_ms);
		edge = LIST_FIRST(&r->table.retired);
	}
	return edge != NULL;
}

bool route_is_purging(const struct route *r, struct bytes name)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.retired, in_table) {
		if (bytes_equal_str(name, edge->name)) {
			return true;
		}
	}
	return false;
}

struct rights_decision route_decide(const struct table_client *client, enum right right,
	struct bytes room)
{
	const struct rights_subject subject = {
		.user = user_name(client->user),
		.admin = client->admin,
		.rights = client->rights,
	};
	return rights_decide(&client->edge->policy, &subject, right, room);
}

bool route_may(const struct table_client *client, enum right right, struct bytes room)
{
	return route_decide(client, right, room).allowed;
}

// Of at most `max` bytes, none of them NUL: the tables keep C strings.
static bool text_ok(ProtobufCBinaryData text, size_t max)
{
	return text.len <= max && (text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
}

static bool client_up_ok(const Weir__Link__V1__ClientUp *up)
{
	for (size_t i = 0; i < up->n_roles; i++) {
		if (!text_ok(up->roles[i], USERNAME_MAX)) {
			return false;
		}
	}
	return up->client != 0 && up->id.len > 0 && text_ok(up->id, CLIENT_ID_MAX) &&
		user_name_valid(pb_bytes(up->user)) && text_ok(up->username, USERNAME_MAX) &&
		text_ok(up->address, ADDRESS_MAX) && text_ok(up->codec, CODEC_MAX) &&
		text_ok(up->jti, REVOCATION_JTI_MAX);
}

// The announced rights as a set of their own; `*rights` NULL if the client has the edge's defaults.
static bool client_up_rights(const Weir__Link__V1__ClientUp *up, struct rights **rights)
{
	*rights = up->has_rights ? rights_new() : NULL;
	for (size_t i = 0; up->has_rights && i < up->n_rights; i++) {
		const Weir__Link__V1__Right *right = up->rights[i];
		if (!rights_add(*rights, right->mask, pb_bytes(right->pattern))) {
			rights_unref(*rights);
			return false;
		}
	}
	return true;
}

// After its rights have changed.
static void leave_forbidden_rooms(const struct route_request *rq)
{
	struct membership *m = LIST_FIRST(&rq->client->rooms);
	while (m != NULL) {
		struct membership *next = LIST_NEXT(m, in_client);
		if (!route_may(rq->client, RIGHT_JOIN, room_name(m->room))) {
			route_send_left(rq, room_name(m->room), "forbidden");
			route_leave(rq->r, m, rq->now_ms);
		} else if (m->presence &&
			!route_may(rq->client, RIGHT_PRESENCE, room_name(m->room))) {
			membership_set_presence(m, false);
		}
		m = next;
	}
}

static void kick(struct route *r, struct table_edge *edge, uint64_t handle, struct bytes reason)
{
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = handle;
	kick.reason = pb_data(reason);
	const link_item item = LINK_ITEM(KICK, kick, &kick);
	route_send(r, edge, &item);
}

// Of those that are not going already: how many, and which has been here longest.
static uint64_t count_connections(const struct table_user *user, struct table_client **oldest)
{
	uint64_t n = 0;
	struct table_client *client;
	*oldest = NULL;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (client->replaced || client->edge->going) {
			continue;
		}
		n++;
		if (*oldest == NULL || client->since_ms < (*oldest)->since_ms) {
			*oldest = client;
		}
	}
	return n;
}

// One more connection of that user comes. False if it has been told to go; it is not known then, and
// what it still says is ignored.
static bool make_room(struct route_request *rq, uint64_t handle, struct bytes name)
{
	const struct route_options *options = &rq->r->options;
	const struct table_user *user = room_table_user_find(&rq->r->table, name);
	struct table_client *oldest;
	if (options->max_connections_per_user == 0 || user == NULL ||
		count_connections(user, &oldest) < options->max_connections_per_user) {
		return true;
	}
	if (!options->newest_wins) {
		counter_add(&rq->r->counters.rejected[REFUSAL_LIMIT], 1);
		kick(rq->r, rq->edge, handle, bytes_str("overloaded"));
		return false;
	}
	oldest->replaced = true;
	kick(rq->r, oldest->edge, oldest->handle, bytes_str("replaced"));
	return true;
}

// A client announced again has renewed its token, or is part of a snapshot: what is known of it is
// replaced.
static int on_client_up(struct route_request *rq, const Weir__Link__V1__ClientUp *up)
{
	if (!client_up_ok(up)) {
		return -EPROTO;
	}
	struct table_client *known = room_table_client_find(rq->edge, up->client);
	if (known != NULL && !bytes_equal(user_name(known->user), pb_bytes(up->user))) {
		return -EPROTO;
	}
	struct client_facts facts = {
		.handle = up->client,
		.id = pb_bytes(up->id),
		.user = pb_bytes(up->user),
		.username = pb_bytes(up->username),
		.address = pb_bytes(up->address),
		.codec = pb_bytes(up->codec),
		.n_roles = up->n_roles,
		.admin = up->admin,
		.compressed = up->compressed,
		.since_ms = up->since_ms,
		.jti = pb_bytes(up->jti),
		.issued_s = up->issued_s,
	};
	if (known == NULL && !make_room(rq, up->client, facts.user)) {
		return 0;
	}
	if (!client_up_rights(up, &facts.rights)) {
		return -EPROTO;
	}
	struct bytes *roles = xcalloc(up->n_roles, sizeof(*roles));
	for (size_t i = 0; i < up->n_roles; i++) {
		roles[i] = pb_bytes(up->roles[i]);
	}
	facts.roles = roles;
	if (known == NULL) {
		known = room_table_client_add(&rq->r->table, rq->edge, &facts);
	} else {
		room_table_client_update(known, &facts);
		rq->client = known;
		leave_forbidden_rooms(rq);
	}
	free(roles);
	route_check_revoked(rq->r, known);
	return 0;
}

static int on_client_down(struct route_request *rq)
{
	client_gone(rq->r, rq->client, rq->now_ms);
	return 0;
}

static int on_client_stats(struct route_request *rq, const Weir__Link__V1__ClientStats *stats)
{
	rq->client->queue_bytes = stats->queue_bytes;
	return 0;
}

// ---- in

// The handle and request number of an item about a client that was announced before; false for all
// other kinds.
static bool subject_of(const link_item *item, uint64_t *handle, uint64_t *req)
{
	*req = 0;
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN:
		*handle = item->client_down->client;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_JOIN:
		*handle = item->join->client;
		*req = item->join->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_LEAVE:
		*handle = item->leave->client;
		*req = item->leave->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_PUBLISH:
		*handle = item->publish->client;
		*req = item->publish->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_BROADCAST:
		*handle = item->broadcast->client;
		*req = item->broadcast->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST:
		*handle = item->presence_request->client;
		*req = item->presence_request->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST:
		*handle = item->history_request->client;
		*req = item->history_request->req;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_REJOIN:
		*handle = item->rejoin->client;
		return true;
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_STATS:
		*handle = item->client_stats->client;
		return true;
	default:
		return false;
	}
}

static int dispatch(struct route_request *rq, const link_item *item)
{
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_UP:
		return on_client_up(rq, item->client_up);
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN:
		return on_client_down(rq);
	case WEIR__LINK__V1__ITEM__KIND_JOIN:
		return route_on_join(rq, item->join);
	case WEIR__LINK__V1__ITEM__KIND_LEAVE:
		return route_on_leave(rq, item->leave);
	case WEIR__LINK__V1__ITEM__KIND_PUBLISH:
		return route_on_publish(rq, item->publish);
	case WEIR__LINK__V1__ITEM__KIND_BROADCAST:
		return route_on_broadcast(rq, item->broadcast);
	case WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST:
		return route_on_presence(rq, item->presence_request);
	case WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST:
		return route_on_history(rq, item->history_request);
	case WEIR__LINK__V1__ITEM__KIND_REJOIN:
		return route_on_rejoin(rq, item->rejoin);
	case WEIR__LINK__V1__ITEM__KIND_SNAPSHOT_END:
		return route_on_snapshot_end(rq);
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_STATS:
		return on_client_stats(rq, item->client_stats);
	case WEIR__LINK__V1__ITEM__KIND_REVOCATION_SNAPSHOT:
		return route_on_revocations(rq, item->revocation_snapshot);
	case WEIR__LINK__V1__ITEM__KIND_EDGE_STATE:
		rq->edge->draining = item->edge_state->draining;
		return 0;
	case WEIR__LINK__V1__ITEM__KIND__NOT_SET:
		counter_add(&rq->r->counters.unknown, 1);
		return 0;
	default:
		return -EPROTO;
	}
}

// What an edge asks for its clients; the rest of what it says are facts.
static bool is_request(const link_item *item)
{
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_JOIN:
	case WEIR__LINK__V1__ITEM__KIND_LEAVE:
	case WEIR__LINK__V1__ITEM__KIND_PUBLISH:
	case WEIR__LINK__V1__ITEM__KIND_BROADCAST:
	case WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST:
	case WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST:
		return true;
	default:
		return false;
	}
}

int route_item(struct route *r, struct table_edge *edge, const link_item *item, uint64_t now_ms,
	int64_t wall_ms)
{
	struct route_request rq = { .r = r, .edge = edge, .now_ms = now_ms, .wall_ms = wall_ms };
	uint64_t handle;
	if (settling_is_on(&r->settling) && is_request(item)) {
		return ROUTE_LATER;
	}
	if (subject_of(item, &handle, &rq.req)) {
		if (handle == 0) {
			return -EPROTO;
		}
		rq.client = room_table_client_find(edge, handle);
		if (rq.client == NULL) {
			counter_add(&r->counters.ignored, 1);
			return 0;
		}
	}
	return dispatch(&rq, item);
}

void route_sweep(struct route *r, uint64_t now_ms)
{
	store_sweep(&r->store, now_ms);
	route_tell_gone(r, now_ms);
	if (r->options.history_age_ms > 0) {
		room_table_sweep(&r->table, now_ms, r->options.history_age_ms, SWEEP_MAX);
	}
}

void route_drain(struct route *r, struct table_edge *edge, bool active, uint32_t rate)
{
	Weir__Link__V1__Drain drain = WEIR__LINK__V1__DRAIN__INIT;
	drain.active = active;
	drain.rate = rate;
	const link_item item = LINK_ITEM(DRAIN, drain, &drain);
	route_send(r, edge, &item);
}

void route_kick(struct route *r, const struct table_client *client, struct bytes reason)
{
	kick(r, client->edge, client->handle, reason);
}
