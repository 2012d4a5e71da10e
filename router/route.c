// The core of the router: every rule about rooms that a client can notice is in this file, or in the
// tables it moves. It refuses to know how an item travels: it is handed decoded items and appends
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
//
// One message is encoded once, and again only for the sender's edge if that must leave the sender
// out. A list of handles to leave out, the same for all edges, would save that second encoding and
// cost every other delivery its bytes.

#include "router/route.h"

#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"

enum {
	SCRATCH_KEEP = 256 << 10,
	SWEEP_MAX = 4096, // rooms a call
	PRESENCE_USERS_MAX = 1000, // listed in one answer
	PRESENCE_BYTES_MAX = 256 << 10, // of their names
	USERNAME_MAX = 8192, // a token is not longer
	ADDRESS_MAX = 128,
	CODEC_MAX = 64,
	RECOVERY_BYTES_MAX = 512 << 10, // of the messages in one answer
	REPLAY_BYTES_MAX = 1 << 20, // of what one snapshot brings back to an edge
	HISTORY_LIMIT_MAX = 100,
	MESSAGE_OVERHEAD = 64, // of one message in an answer, besides its texts
};

enum recovery {
	RECOVERY_NOT_ASKED,
	RECOVERY_COMPLETE,
	RECOVERY_IMPOSSIBLE,
};

// What a handler knows besides the message.
struct request {
	struct route *r;
	struct table_edge *edge;
	struct table_client *client;
	uint64_t req;
	uint64_t now_ms;
	int64_t wall_ms;
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
	buf_fini(&r->element);
}

// ---- kept messages

// Messages of a room as an answer carries them; they borrow from its log.
struct message_list {
	Weir__Link__V1__Message *items; // owned, free(3); the references lie in the same block
	Weir__Link__V1__Message **refs;
	size_t n;
};

static uint64_t message_size(const struct store_message *m)
{
	return MESSAGE_OVERHEAD + m->type.len + m->from.len + m->user.len + m->username.len +
		m->body.len;
}

// The messages `from` .. `to`, all of which are kept.
static void list_messages(struct message_list *list, const struct table_room *room, uint64_t from,
	uint64_t to)
{
	size_t n = from <= to ? (size_t)(to - from + 1) : 0;
	list->items = xcalloc(n, sizeof(*list->items) + sizeof(*list->refs));
	list->refs = (Weir__Link__V1__Message **)(void *)(list->items + n);
	for (list->n = 0; list->n < n; list->n++) {
		struct store_message message;
		Weir__Link__V1__Message *m = &list->items[list->n];
		CHECK(store_read(&room->log, from + list->n, &message));
		weir__link__v1__message__init(m);
		m->seq = message.seq;
		m->timestamp_ms = message.timestamp_ms;
		m->type = pb_data(message.type);
		m->from = pb_data(message.from);
		m->user = pb_data(message.user);
		m->username = pb_data(message.username);
		m->body = pb_data(message.body);
		list->refs[list->n] = m;
	}
}

// The last `limit` messages before `before`, as far back as they are kept and fit one answer.
static void list_page(struct message_list *list, const struct table_room *room,
	const Weir__Link__V1__HistoryRequest *request)
{
	uint64_t limit = request->limit;
	uint64_t end = request->has_before && request->before <= room->seq ? request->before
									   : room->seq + 1;
	uint64_t from = end;
	uint64_t bytes = 0;
	struct store_message message;
	limit = limit > HISTORY_LIMIT_MAX ? HISTORY_LIMIT_MAX : limit;
	while (from > 0 && end - from < limit && store_read(&room->log, from - 1, &message)) {
		bytes += message_size(&message);
		if (bytes > RECOVERY_BYTES_MAX) {
			break;
		}
		from--;
	}
	if (end > from) {
		list_messages(list, room, from, end - 1);
	}
}

// ---- out

static void encode(struct route *r, const link_item *item)
{
	buf_reset(&r->element, SCRATCH_KEEP);
	link_item_append(&r->element, item);
}

static void append_encoded(struct route *r, struct table_edge *edge)
{
	if (!edge->going) {
		r->append(r->arg, edge, buf_bytes(&r->element));
	}
}

static void send(struct route *r, struct table_edge *edge, const link_item *item)
{
	encode(r, item);
	append_encoded(r, edge);
}

static void refuse(const struct request *rq, enum refusal code)
{
	counter_add(&rq->r->counters.rejected[code], 1);
	Weir__Link__V1__Refused refused = WEIR__LINK__V1__REFUSED__INIT;
	refused.client = rq->client->handle;
	refused.req = rq->req;
	refused.code = code;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_REFUSED;
	item.refused = &refused;
	send(rq->r, rq->edge, &item);
}

// `seq` is where the client stands afterwards; what it has missed up to there is in `list`.
static void send_joined(const struct request *rq, const struct membership *m,
	enum recovery recovery, uint64_t seq, const struct message_list *list)
{
	const struct table_room *room = m->room;
	Weir__Link__V1__Joined joined = WEIR__LINK__V1__JOINED__INIT;
	joined.client = rq->client->handle;
	joined.req = rq->req;
	joined.room = pb_data(room_name(room));
	joined.epoch = room->epoch;
	joined.seq = seq;
	joined.n_messages = list->n;
	joined.messages = list->refs;
	joined.members = room->n_members;
	joined.recovery = recovery;
	joined.presence = m->presence;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_JOINED;
	item.joined = &joined;
	send(rq->r, rq->edge, &item);
}

static void send_left(const struct request *rq, struct bytes room, const char *reason)
{
	Weir__Link__V1__Left left = WEIR__LINK__V1__LEFT__INIT;
	left.client = rq->client->handle;
	left.req = rq->req;
	left.room = pb_data(room);
	left.reason = pb_data(bytes_str(reason));
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_LEFT;
	item.left = &left;
	send(rq->r, rq->edge, &item);
}

static void send_published(const struct request *rq, const struct route_result *result)
{
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	published.client = rq->client->handle;
	published.req = rq->req;
	published.epoch = result->epoch;
	published.seq = result->seq;
	published.timestamp_ms = result->timestamp_ms;
	published.members = result->members;
	published.duplicate = result->duplicate;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_PUBLISHED;
	item.published = &published;
	send(rq->r, rq->edge, &item);
}

// The members between two seqs of a room on this edge have missed what lies between.
static void send_gap(const struct request *rq, const struct table_room *room, uint64_t from,
	const char *reason)
{
	Weir__Link__V1__Gap gap = WEIR__LINK__V1__GAP__INIT;
	gap.room = pb_data(room_name(room));
	gap.epoch = room->epoch;
	gap.from = from;
	gap.to = room->seq;
	gap.reason = pb_data(bytes_str(reason));
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_GAP;
	item.gap = &gap;
	send(rq->r, rq->edge, &item);
}

static void encode_member_event(struct route *r, const struct table_room *room,
	const struct table_client *client, bool joined)
{
	Weir__Link__V1__MemberEvent event = WEIR__LINK__V1__MEMBER_EVENT__INIT;
	event.room = pb_data(room_name(room));
	event.joined = joined;
	event.user = pb_data(user_name(client->user));
	event.username = pb_data(bytes_str(client->username));
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT;
	item.member_event = &event;
	encode(r, &item);
}

// The first connection of the client's user came to the room, or the last one left it. `n_members`
// counts that one.
static void announce(struct route *r, const struct table_room *room,
	const struct table_client *client, bool joined, uint32_t n_members)
{
	uint64_t max = r->options.presence_events_max;
	if (max > 0 && n_members > max) {
		return;
	}
	bool encoded = false;
	for (uint32_t i = 0; i < room->n_edges; i++) {
		if (room->edges[i].n_presence == 0) {
			continue;
		}
		if (!encoded) {
			encode_member_event(r, room, client, joined);
			encoded = true;
		}
		append_encoded(r, room->edges[i].edge);
	}
}

static void leave(struct route *r, struct membership *m, uint64_t now_ms)
{
	struct table_room *room = m->room;
	const struct table_client *client = m->client;
	uint32_t n_members = room->n_members;
	if (room_table_leave(&r->table, m, now_ms)) {
		announce(r, room, client, false, n_members);
	}
}

// ---- edges and clients

struct table_edge *route_edge_up(struct route *r, void *link, struct bytes name,
	const struct rights_policy *policy, uint32_t n_workers)
{
	struct table_edge *edge = room_table_edge_add(&r->table, name, policy, link);
	edge->snapshots_due = n_workers;
	return edge;
}

static void client_gone(struct route *r, struct table_client *client, uint64_t now_ms)
{
	struct membership *m;
	while ((m = LIST_FIRST(&client->rooms)) != NULL) {
		leave(r, m, now_ms);
	}
	room_table_client_remove(&r->table, client, now_ms);
}

void route_edge_down(struct route *r, struct table_edge *edge, uint64_t now_ms)
{
	edge->going = true;
	struct table_client *client = LIST_FIRST(&edge->list);
	while (client != NULL) {
		struct table_client *next = LIST_NEXT(client, in_edge);
		client_gone(r, client, now_ms);
		client = next;
	}
	room_table_edge_remove(&r->table, edge, now_ms);
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

static bool may(const struct table_client *client, enum right right, struct bytes room)
{
	return route_decide(client, right, room).allowed;
}

static bool may_join(const struct table_client *client, struct bytes room, bool presence)
{
	return may(client, RIGHT_JOIN, room) && (!presence || may(client, RIGHT_PRESENCE, room));
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
		text_ok(up->address, ADDRESS_MAX) && text_ok(up->codec, CODEC_MAX);
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
static void leave_forbidden_rooms(const struct request *rq)
{
	struct membership *m = LIST_FIRST(&rq->client->rooms);
	while (m != NULL) {
		struct membership *next = LIST_NEXT(m, in_client);
		if (!may(rq->client, RIGHT_JOIN, room_name(m->room))) {
			send_left(rq, room_name(m->room), "forbidden");
			leave(rq->r, m, rq->now_ms);
		}
		m = next;
	}
}

// A client announced again has renewed its token, or is part of a snapshot: what is known of it is
// replaced.
static int on_client_up(struct request *rq, const Weir__Link__V1__ClientUp *up)
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
	};
	if (!client_up_rights(up, &facts.rights)) {
		return -EPROTO;
	}
	struct bytes *roles = xcalloc(up->n_roles, sizeof(*roles));
	for (size_t i = 0; i < up->n_roles; i++) {
		roles[i] = pb_bytes(up->roles[i]);
	}
	facts.roles = roles;
	if (known == NULL) {
		room_table_client_add(&rq->r->table, rq->edge, &facts);
	} else {
		room_table_client_update(known, &facts);
		rq->client = known;
		leave_forbidden_rooms(rq);
	}
	free(roles);
	return 0;
}

static int on_client_down(struct request *rq)
{
	client_gone(rq->r, rq->client, rq->now_ms);
	return 0;
}

static int on_client_stats(struct request *rq, const Weir__Link__V1__ClientStats *stats)
{
	rq->client->queue_bytes = stats->queue_bytes;
	return 0;
}

// ---- rooms

// True if every message after `seq` is kept, and they come to at most `max` bytes.
static bool can_bring(const struct table_room *room, uint64_t seq, uint64_t max)
{
	struct store_message message;
	uint64_t bytes = 0;
	if (seq > room->seq || (seq < room->seq && !store_read(&room->log, seq + 1, &message))) {
		return false;
	}
	for (uint64_t at = seq + 1; at <= room->seq && bytes <= max; at++) {
		CHECK(store_read(&room->log, at, &message)); // a log has no hole
		bytes += message_size(&message);
	}
	return bytes <= max;
}

static enum recovery recovery_of(struct route *r, const Weir__Link__V1__Join *join,
	struct table_room *room, uint64_t now_ms)
{
	if (!join->has_since) {
		return RECOVERY_NOT_ASKED;
	}
	store_trim(&r->store, &room->log, now_ms);
	return join->since_epoch == room->epoch &&
			can_bring(room, join->since_seq, RECOVERY_BYTES_MAX)
		? RECOVERY_COMPLETE
		: RECOVERY_IMPOSSIBLE;
}

static enum refusal try_join(const struct request *rq, struct bytes room, bool presence,
	struct room_joining *joining)
{
	if (!room_name_valid(room)) {
		return REFUSAL_BAD_ROOM;
	}
	if (!may_join(rq->client, room, presence)) {
		return REFUSAL_FORBIDDEN;
	}
	enum room_result result =
		room_table_join(&rq->r->table, rq->client, room, presence, rq->now_ms, joining);
	return result == ROOM_JOINED || result == ROOM_ALREADY_IN ? REFUSAL_NONE : REFUSAL_LIMIT;
}

static int on_join(struct request *rq, const Weir__Link__V1__Join *join)
{
	struct room_joining joining;
	enum refusal refusal = try_join(rq, pb_bytes(join->room), join->presence, &joining);
	if (refusal != REFUSAL_NONE) {
		refuse(rq, join->automatic ? REFUSAL_SILENT : refusal);
		return 0;
	}
	struct table_room *room = joining.room;
	enum recovery recovery = recovery_of(rq->r, join, room, rq->now_ms);
	struct message_list list = { 0 };
	if (recovery == RECOVERY_COMPLETE) {
		list_messages(&list, room, join->since_seq + 1, room->seq);
	}
	send_joined(rq, joining.membership, recovery, room->seq, &list);
	free(list.items);
	if (joining.user_came) {
		announce(rq->r, joining.room, rq->client, true, joining.room->n_members);
	}
	return 0;
}

// The edge's members of the room have missed what begins at `from`. It is brought when all workers
// have named their places, so that a member is told of a new epoch before its first message; until
// then what is live waits too, in the log.
static void ask_replay(struct table_edge *edge, struct table_room *room, uint64_t from)
{
	struct room_edge *re = room_edge_find(room, edge);
	if (re->replay_from == 0) {
		buf_append_byte(&edge->replays, (uint8_t)room->name_len);
		buf_append_bytes(&edge->replays, room_name(room));
	}
	if (re->replay_from == 0 || from < re->replay_from) {
		re->replay_from = from;
	}
}

// The client was a member before this session and has seen the room up to (epoch, seq).
static void rejoin(struct request *rq, const Weir__Link__V1__Place *place)
{
	struct room_joining joining;
	enum refusal refusal = try_join(rq, pb_bytes(place->room), place->presence, &joining);
	if (refusal != REFUSAL_NONE) {
		counter_add(&rq->r->counters.rejected[refusal], 1);
		send_left(rq, pb_bytes(place->room),
			refusal == REFUSAL_FORBIDDEN ? "forbidden" : NULL);
		return;
	}
	struct table_room *room = joining.room;
	bool same = place->epoch == room->epoch && place->seq <= room->seq;
	uint64_t seen = same ? place->seq : 0;
	store_trim(&rq->r->store, &room->log, rq->now_ms);
	if (!same && !can_bring(room, 0, REPLAY_BYTES_MAX)) {
		seen = room->seq;
	}
	if (same) {
		joining.membership->join_seq = place->join_seq;
	} else {
		const struct message_list none = { 0 };
		send_joined(rq, joining.membership, RECOVERY_IMPOSSIBLE, seen, &none);
	}
	// Another worker may be further behind: what came live before it has said so would be a hole to
	// its members.
	if (seen < room->seq || rq->edge->snapshots_due > 0) {
		ask_replay(rq->edge, room, seen + 1);
	}
	if (joining.user_came) {
		announce(rq->r, room, rq->client, true, room->n_members);
	}
}

// What one room's members on the edge have missed, or that it is gone.
static void replay(struct request *rq, struct table_room *room, uint64_t from)
{
	uint64_t left = REPLAY_BYTES_MAX - rq->edge->replay_bytes;
	store_trim(&rq->r->store, &room->log, rq->now_ms);
	if (!can_bring(room, from - 1, left)) {
		send_gap(rq, room, from, store_first(&room->log) > from ? "trimmed" : "link");
		return;
	}
	for (uint64_t seq = from; seq <= room->seq; seq++) {
		struct store_message message;
		Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
		CHECK(store_read(&room->log, seq, &message));
		rq->edge->replay_bytes += message_size(&message);
		delivery.room = pb_data(room_name(room));
		delivery.epoch = room->epoch;
		delivery.seq = seq;
		delivery.timestamp_ms = message.timestamp_ms;
		delivery.type = pb_data(message.type);
		delivery.from = pb_data(message.from);
		delivery.user = pb_data(message.user);
		delivery.username = pb_data(message.username);
		delivery.body = pb_data(message.body);
		link_item item = WEIR__LINK__V1__ITEM__INIT;
		item.kind_case = WEIR__LINK__V1__ITEM__KIND_DELIVERY;
		item.delivery = &delivery;
		send(rq->r, rq->edge, &item);
	}
}

// A worker of the edge has named all its places. After the last one what they have missed follows,
// then what is live.
static int on_snapshot_end(struct request *rq)
{
	if (rq->edge->snapshots_due > 0 && --rq->edge->snapshots_due > 0) {
		return 0;
	}
	const struct buf *names = &rq->edge->replays;
	for (size_t at = 0; at < names->len;) {
		struct bytes name = bytes_make(names->data + at + 1, names->data[at]);
		struct table_room *room = room_table_find(&rq->r->table, name);
		struct room_edge *re = room != NULL ? room_edge_find(room, rq->edge) : NULL;
		at += 1 + name.len;
		if (re != NULL && re->replay_from > 0) {
			uint64_t from = re->replay_from;
			re->replay_from = 0;
			replay(rq, room, from);
		}
	}
	buf_reset(&rq->edge->replays, 0);
	return 0;
}

static int on_rejoin(struct request *rq, const Weir__Link__V1__Rejoin *message)
{
	for (size_t i = 0; i < message->n_places; i++) {
		rejoin(rq, message->places[i]);
	}
	return 0;
}

static int on_leave(struct request *rq, const Weir__Link__V1__Leave *message)
{
	struct bytes name = pb_bytes(message->room);
	if (!room_name_valid(name)) {
		refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	const struct table_room *room = room_table_find(&rq->r->table, name);
	struct membership *m = room != NULL ? membership_find(room, rq->client) : NULL;
	if (m == NULL) {
		refuse(rq, REFUSAL_NOT_MEMBER);
		return 0;
	}
	send_left(rq, name, NULL);
	leave(rq->r, m, rq->now_ms);
	return 0;
}

struct user_list {
	Weir__Link__V1__PresentUser users[PRESENCE_USERS_MAX];
	Weir__Link__V1__PresentUser *members[PRESENCE_USERS_MAX];
};

// Lists the first users by their joining, within bounds that keep the answer far below a frame.
// Their connections are counted from the user's side, so that a question about a large room does not
// walk it all.
static void list_users(struct route *r, const struct table_room *room, struct user_list *list,
	Weir__Link__V1__Presence *presence)
{
	presence->members = list->members;
	room_table_begin_sight(&r->table);
	size_t bytes = 0;
	const struct membership *m;
	TAILQ_FOREACH (m, &room->members, in_room) {
		size_t n = presence->n_members;
		if (n == PRESENCE_USERS_MAX || bytes > PRESENCE_BYTES_MAX) {
			break;
		}
		if (!room_table_first_sight(&r->table, m->client->user)) {
			continue;
		}
		Weir__Link__V1__PresentUser *user = &list->users[n];
		weir__link__v1__present_user__init(user);
		user->user = pb_data(user_name(m->client->user));
		user->username = pb_data(bytes_str(m->client->username));
		user->clients = room_user_count(room, m->client->user);
		list->members[n] = user;
		presence->n_members++;
		bytes += user->user.len + user->username.len;
	}
}

static int on_presence(struct request *rq, const Weir__Link__V1__PresenceRequest *message)
{
	struct bytes name = pb_bytes(message->room);
	if (!room_name_valid(name)) {
		refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	if (!may(rq->client, RIGHT_PRESENCE, name)) {
		refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	Weir__Link__V1__Presence presence = WEIR__LINK__V1__PRESENCE__INIT;
	presence.client = rq->client->handle;
	presence.req = rq->req;
	presence.room = message->room;
	const struct table_room *room = room_table_find(&rq->r->table, name);
	struct user_list *list = NULL;
	if (room != NULL) {
		presence.users = room->n_users;
		presence.connections = room->n_members;
		list = xmalloc(sizeof(*list));
		list_users(rq->r, room, list, &presence);
	}
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_PRESENCE;
	item.presence = &presence;
	send(rq->r, rq->edge, &item);
	free(list);
	return 0;
}

static int on_history(struct request *rq, const Weir__Link__V1__HistoryRequest *message)
{
	struct bytes name = pb_bytes(message->room);
	if (!room_name_valid(name)) {
		refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	if (!may(rq->client, RIGHT_HISTORY, name)) {
		refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	Weir__Link__V1__History history = WEIR__LINK__V1__HISTORY__INIT;
	history.client = rq->client->handle;
	history.req = rq->req;
	history.room = message->room;
	struct message_list list = { 0 };
	struct table_room *room = room_table_find(&rq->r->table, name);
	if (room != NULL) {
		store_trim(&rq->r->store, &room->log, rq->now_ms);
		history.epoch = room->epoch;
		history.seq = room->seq;
		list_page(&list, room, message);
	}
	history.n_messages = list.n;
	history.messages = list.refs;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_HISTORY;
	item.history = &history;
	send(rq->r, rq->edge, &item);
	free(list.items);
	return 0;
}

// ---- messages

// Appends the delivery to each edge with members; returns how many connections it reaches.
static uint32_t deliver(struct route *r, struct table_room *room,
	const struct route_message *message, const struct route_result *result)
{
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(room_name(room));
	delivery.epoch = result->epoch;
	delivery.seq = result->seq;
	delivery.timestamp_ms = result->timestamp_ms;
	delivery.type = pb_data(message->type);
	delivery.body = pb_data(message->body);
	const struct table_client *from = message->from;
	if (from != NULL) {
		delivery.from = pb_data(bytes_str(from->id));
		delivery.user = pb_data(user_name(from->user));
		delivery.username = pb_data(bytes_str(from->username));
	}
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_DELIVERY;
	item.delivery = &delivery;

	bool leave_out = from != NULL && (message->no_echo || message->ephemeral) &&
		membership_find(room, from) != NULL;
	const struct room_edge *apart = leave_out ? room_edge_find(room, from->edge) : NULL;
	encode(r, &item);
	for (uint32_t i = 0; i < room->n_edges; i++) {
		if (&room->edges[i] != apart && room->edges[i].replay_from == 0) {
			append_encoded(r, room->edges[i].edge);
		}
	}
	if (apart != NULL && apart->n_members > 1 && apart->replay_from == 0) {
		delivery.except = from->handle;
		send(r, apart->edge, &item);
	}
	return room->n_members - leave_out;
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

// True, with the first result, if this was published before.
static bool is_repeat(struct route *r, const struct route_message *message, uint64_t now_ms,
	struct route_result *result)
{
	struct dedup_result first;
	struct dedup_key key = dedup_key_of(message);
	if (key.key.len == 0 || !dedup_find(&r->dedup, &key, now_ms, &first)) {
		return false;
	}
	const struct table_room *room = room_table_find(&r->table, message->room);
	*result = (struct route_result){
		.epoch = first.epoch,
		.seq = first.seq,
		.timestamp_ms = first.timestamp_ms,
		.members = room != NULL ? room->n_members : 0,
		.duplicate = true,
	};
	return true;
}

// Remembers what was published: the message, and its key if it has one.
static void keep(struct route *r, struct table_room *room, const struct route_message *message,
	const struct route_result *result, uint64_t now_ms)
{
	const struct table_client *from = message->from;
	struct store_message kept = {
		.seq = result->seq,
		.timestamp_ms = result->timestamp_ms,
		.type = message->type,
		.body = message->body,
	};
	if (from != NULL) {
		kept.from = bytes_str(from->id);
		kept.user = user_name(from->user);
		kept.username = bytes_str(from->username);
	}
	store_append(&r->store, &room->log, &kept, now_ms);
	if (message->key.len > 0) {
		const struct dedup_key key = dedup_key_of(message);
		const struct dedup_result first = {
			.epoch = result->epoch,
			.seq = result->seq,
			.timestamp_ms = result->timestamp_ms,
		};
		dedup_add(&r->dedup, &key, &first, now_ms);
	}
}

enum refusal route_publish(struct route *r, const struct route_message *message, uint64_t now_ms,
	int64_t wall_ms, struct route_result *result)
{
	if (is_repeat(r, message, now_ms, result)) {
		return REFUSAL_NONE;
	}
	struct table_room *room = room_table_open(&r->table, message->room, now_ms);
	if (room == NULL) {
		return REFUSAL_LIMIT;
	}
	if (room->last_ms < wall_ms) {
		room->last_ms = wall_ms;
	}
	if (!message->ephemeral) {
		room->seq++;
	}
	*result = (struct route_result){
		.epoch = room->epoch,
		.seq = message->ephemeral ? 0 : room->seq,
		.timestamp_ms = room->last_ms,
		.members = room->n_members,
	};
	if (!message->ephemeral) {
		keep(r, room, message, result, now_ms);
	}
	room_table_count_message(&r->table, room, now_ms);
	counter_add(&r->counters.published, 1);
	if (room->n_members > 0) {
		counter_add(&r->counters.deliveries, deliver(r, room, message, result));
	}
	return REFUSAL_NONE;
}

static bool message_ok(struct bytes type, struct bytes body)
{
	return type.len >= 1 && type.len <= TYPE_NAME_MAX && body.len >= 2 && body.data[0] == '{' &&
		body.data[body.len - 1] == '}';
}

static int on_publish(struct request *rq, const Weir__Link__V1__Publish *publish)
{
	const struct route_message message = {
		.room = pb_bytes(publish->room),
		.type = pb_bytes(publish->type),
		.body = pb_bytes(publish->body),
		.from = rq->client,
		.key = pb_bytes(publish->key),
		.no_echo = publish->no_echo,
		.ephemeral = publish->ephemeral,
	};
	if (!message_ok(message.type, message.body) || publish->key.len > KEY_MAX) {
		return -EPROTO;
	}
	struct route_result result;
	enum refusal refusal = REFUSAL_NONE;
	if (!room_name_valid(message.room)) {
		refusal = REFUSAL_BAD_ROOM;
	} else if (!may(rq->client, RIGHT_PUBLISH, message.room)) {
		refusal = REFUSAL_FORBIDDEN;
	} else {
		refusal = route_publish(rq->r, &message, rq->now_ms, rq->wall_ms, &result);
	}
	if (refusal != REFUSAL_NONE) {
		refuse(rq, refusal);
	} else {
		send_published(rq, &result);
	}
	return 0;
}

void route_broadcast(struct route *r, const struct route_message *message, int64_t wall_ms,
	struct route_result *result)
{
	Weir__Link__V1__BroadcastDelivery delivery = WEIR__LINK__V1__BROADCAST_DELIVERY__INIT;
	delivery.timestamp_ms = wall_ms;
	delivery.type = pb_data(message->type);
	delivery.body = pb_data(message->body);
	if (message->from != NULL) {
		delivery.from = pb_data(bytes_str(message->from->id));
		delivery.user = pb_data(user_name(message->from->user));
		delivery.username = pb_data(bytes_str(message->from->username));
	}
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_BROADCAST_DELIVERY;
	item.broadcast_delivery = &delivery;
	encode(r, &item);
	struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		append_encoded(r, edge);
	}
	counter_add(&r->counters.published, 1);
	counter_add(&r->counters.deliveries, r->table.n_clients);
	*result = (struct route_result){
		.timestamp_ms = wall_ms,
		.members = (uint32_t)r->table.n_clients,
	};
}

static int on_broadcast(struct request *rq, const Weir__Link__V1__Broadcast *broadcast)
{
	const struct route_message message = {
		.type = pb_bytes(broadcast->type),
		.body = pb_bytes(broadcast->body),
		.from = rq->client,
	};
	if (!message_ok(message.type, message.body)) {
		return -EPROTO;
	}
	if (!rq->client->admin) {
		refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	struct route_result result;
	route_broadcast(rq->r, &message, rq->wall_ms, &result);
	send_published(rq, &result);
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

static int dispatch(struct request *rq, const link_item *item)
{
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_UP:
		return on_client_up(rq, item->client_up);
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN:
		return on_client_down(rq);
	case WEIR__LINK__V1__ITEM__KIND_JOIN:
		return on_join(rq, item->join);
	case WEIR__LINK__V1__ITEM__KIND_LEAVE:
		return on_leave(rq, item->leave);
	case WEIR__LINK__V1__ITEM__KIND_PUBLISH:
		return on_publish(rq, item->publish);
	case WEIR__LINK__V1__ITEM__KIND_BROADCAST:
		return on_broadcast(rq, item->broadcast);
	case WEIR__LINK__V1__ITEM__KIND_PRESENCE_REQUEST:
		return on_presence(rq, item->presence_request);
	case WEIR__LINK__V1__ITEM__KIND_HISTORY_REQUEST:
		return on_history(rq, item->history_request);
	case WEIR__LINK__V1__ITEM__KIND_REJOIN:
		return on_rejoin(rq, item->rejoin);
	case WEIR__LINK__V1__ITEM__KIND_SNAPSHOT_END:
		return on_snapshot_end(rq);
	case WEIR__LINK__V1__ITEM__KIND_CLIENT_STATS:
		return on_client_stats(rq, item->client_stats);
	case WEIR__LINK__V1__ITEM__KIND_EDGE_STATE:
		rq->edge->draining = item->edge_state->draining;
		return 0;
	default:
		return -EPROTO;
	}
}

int route_item(struct route *r, struct table_edge *edge, const link_item *item, uint64_t now_ms,
	int64_t wall_ms)
{
	struct request rq = { .r = r, .edge = edge, .now_ms = now_ms, .wall_ms = wall_ms };
	uint64_t handle;
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
	if (r->options.history_age_ms > 0) {
		room_table_sweep(&r->table, now_ms, r->options.history_age_ms, SWEEP_MAX);
	}
}

void route_drain(struct route *r, struct table_edge *edge, bool active, uint32_t rate)
{
	Weir__Link__V1__Drain drain = WEIR__LINK__V1__DRAIN__INIT;
	drain.active = active;
	drain.rate = rate;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_DRAIN;
	item.drain = &drain;
	send(r, edge, &item);
}

void route_kick(struct route *r, const struct table_client *client, struct bytes reason)
{
	Weir__Link__V1__Kick kick = WEIR__LINK__V1__KICK__INIT;
	kick.client = client->handle;
	kick.reason = pb_data(reason);
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_KICK;
	item.kick = &kick;
	send(r, client->edge, &item);
}
