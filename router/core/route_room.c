// Who is in which room and what it has seen of it: joins with their recovery, leaves, snapshots of
// edges and the replay of what their members have missed, presence and history.
//
// Recovery is all or nothing: a join whose `since` cannot be met in whole is answered so. A replay
// to an edge is not: its members stay in the room, so they get a gap for what is no longer kept and
// then all that is. A replay has no bound in bytes but a pace: the link asks for the next part when
// the last one has left. Every answer that holds messages is bounded, far below a frame.

#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

enum {
	PRESENCE_USERS_MAX = 1000, // listed in one answer
	PRESENCE_BYTES_MAX = 256 << 10, // of their names
	RECOVERY_BYTES_MAX = 512 << 10, // of the messages in one answer
	PRESENT_OVERHEAD = 128, // bytes of one user in it, with names as they mostly are
	MESSAGE_OVERHEAD = 64, // of one message in an answer, besides its texts
};

enum recovery {
	RECOVERY_NOT_ASKED,
	RECOVERY_COMPLETE,
	RECOVERY_IMPOSSIBLE,
};

// ---- kept messages

// Messages of a room as an answer carries them; they borrow from its log.
struct message_list {
	Weir__Link__V1__Message *items; // owned, free(3); the references lie in the same block
	Weir__Link__V1__Message **refs;
	size_t n;
	uint64_t bytes; // about
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
		list->bytes += message_size(&message);
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

// `seq` is where the client stands afterwards; what it has missed up to there is in `list`.
static void send_joined(const struct route_request *rq, const struct membership *m,
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
	route_send(rq->r, rq->edge, &LINK_ITEM(JOINED, joined, &joined));
}

struct seq_range { // both inclusive
	uint64_t from;
	uint64_t to;
};

// The members of a room on this edge have missed these messages.
static void send_gap(struct route *r, struct table_edge *edge, const struct table_room *room,
	const struct seq_range *missed, enum gap_reason reason)
{
	Weir__Link__V1__Gap gap = WEIR__LINK__V1__GAP__INIT;
	gap.room = pb_data(room_name(room));
	gap.epoch = room->epoch;
	gap.from = missed->from;
	gap.to = missed->to;
	gap.reason = pb_data(bytes_str(gap_reason_name(reason)));
	recorder_add(&r->recorder,
		&(struct record){
			.kind = RECORD_GAP,
			.edge = edge->number,
			.room = room_name(room),
			.epoch = room->epoch,
			.from = missed->from,
			.seq = missed->to,
			.detail = bytes_str(gap_reason_name(reason)),
		});
	route_send(r, edge, &LINK_ITEM(GAP, gap, &gap));
}

static void encode_member_event(struct route *r, const struct table_room *room, struct bytes user,
	struct bytes username, bool joined)
{
	Weir__Link__V1__MemberEvent event = WEIR__LINK__V1__MEMBER_EVENT__INIT;
	event.room = pb_data(room_name(room));
	event.joined = joined;
	event.user = pb_data(user);
	event.username = pb_data(username);
	route_encode(r, &LINK_ITEM(MEMBER_EVENT, member_event, &event));
}

// The first connection of a user came to the room, or the last one left it. `n_members` counts that
// one.
static void announce(struct route *r, const struct table_room *room, struct bytes user,
	struct bytes username, bool joined, uint32_t n_members)
{
	uint64_t max = r->options.presence_events_max;
	if ((max > 0 && n_members > max) || !room->options->presence) {
		return;
	}
	bool encoded = false;
	for (uint32_t i = 0; i < room->n_edges; i++) {
		if (room->edges[i].n_presence == 0) {
			continue;
		}
		if (!encoded) {
			encode_member_event(r, room, user, username, joined);
			encoded = true;
		}
		route_append_encoded(r, room->edges[i].edge);
	}
}

static void user_came(struct route *r, const struct table_room *room,
	const struct table_client *client)
{
	struct bytes user = user_name(client->user);
	if (!absences_take(&r->absences, room_name(room), user)) {
		announce(r, room, user, bytes_str(client->username), true, room->n_members);
	}
}

static void user_went(struct route *r, const struct table_room *room,
	const struct table_client *client, uint32_t n_members, uint64_t now_ms)
{
	uint64_t linger_ms = r->options.presence_linger_ms;
	route_charge_event(r, room, client, now_ms);
	const struct absent who = {
		.room = room_name(room),
		.user = user_name(client->user),
		.username = bytes_str(client->username),
	};
	if (linger_ms == 0 || !absences_add(&r->absences, &who, now_ms + linger_ms)) {
		announce(r, room, who.user, who.username, false, n_members);
	}
}

void route_tell_gone(struct route *r, uint64_t now_ms)
{
	struct absent who;
	while (absences_due(&r->absences, now_ms, &who)) {
		const struct table_room *room = room_table_find(&r->table, who.room);
		if (room != NULL) {
			announce(r, room, who.user, who.username, false, room->n_members + 1);
		}
		absences_drop(&r->absences);
	}
}

void route_leave(struct route *r, struct membership *m, enum record_cause cause, uint64_t now_ms)
{
	struct table_room *room = m->room;
	const struct table_client *client = m->client;
	uint32_t n_members = room->n_members;
	struct record record = record_of_room(RECORD_LEFT, client, room);
	record.reason = (uint8_t)cause;
	recorder_add(&r->recorder, &record);
	if (room_table_leave(&r->table, m, now_ms)) {
		route_tell_went(r, room, client, bytes_str(record_cause_name(cause)));
		user_went(r, room, client, n_members, now_ms);
	}
}

// Where the room's options say so, nobody has the right.
static bool may_see(const struct route_request *rq, struct bytes room)
{
	return route_may(rq->client, RIGHT_PRESENCE, room) &&
		room_table_options(&rq->r->table, room)->presence;
}

static bool may_join(const struct route_request *rq, struct bytes room, bool presence)
{
	return route_may(rq->client, RIGHT_JOIN, room) && (!presence || may_see(rq, room));
}

// ---- joins

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

// `payer` is charged for a room that is new; NULL: nobody is.
static enum refusal try_join(const struct route_request *rq, const struct table_client *payer,
	struct bytes room, bool presence, struct room_joining *joining)
{
	if (!room_name_valid(room)) {
		return REFUSAL_BAD_ROOM;
	}
	if (!may_join(rq, room, presence)) {
		return REFUSAL_FORBIDDEN;
	}
	struct room_table *t = &rq->r->table;
	struct table_room *at = room_table_find(t, room);
	if (at == NULL) {
		enum refusal refusal = route_may_open(rq->r, payer, rq->now_ms);
		if (refusal != REFUSAL_NONE) {
			return refusal;
		}
		at = room_table_add(t, room, rq->now_ms);
	}
	enum room_result result = room_table_join_room(t, rq->client, at, presence, joining);
	if (result == ROOM_FULL) {
		rq->r->excess = (struct budget_excess){ .limit = "max-members-per-room" };
		return REFUSAL_LIMIT;
	}
	return REFUSAL_NONE;
}

static void record_join(const struct route_request *rq, const Weir__Link__V1__Join *join,
	const struct table_room *room, enum recovery recovery)
{
	struct record record = record_of_room(RECORD_JOINED, rq->client, room);
	record.reason = (uint8_t)recovery;
	record.from = join->has_since ? join->since_seq + 1 : 0;
	record.count = recovery == RECOVERY_COMPLETE ? (uint32_t)(room->seq - join->since_seq) : 0;
	recorder_add(&rq->r->recorder, &record);
}

// A connection comes into its first rooms whatever its user has used up.
static bool join_is_paid(const struct route_request *rq, const Weir__Link__V1__Join *join)
{
	return join->automatic || (route_may_come(rq) && (!join->has_since || route_may_ask(rq)));
}

int route_on_join(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__Join *join = item->join;
	struct room_joining joining;
	if (join->pattern.len > 0) {
		return route_join_pattern(rq, pb_bytes(join->pattern));
	}
	if (!join_is_paid(rq, join)) {
		route_refuse(rq, REFUSAL_RATE_LIMITED);
		return 0;
	}
	enum refusal refusal = try_join(rq, join->automatic ? NULL : rq->client,
		pb_bytes(join->room), join->presence, &joining);
	if (refusal != REFUSAL_NONE) {
		route_refuse(rq, join->automatic ? REFUSAL_SILENT : refusal);
		return 0;
	}
	struct table_room *room = joining.room;
	enum recovery recovery = recovery_of(rq->r, join, room, rq->now_ms);
	struct message_list list = { 0 };
	if (recovery == RECOVERY_COMPLETE) {
		list_messages(&list, room, join->since_seq + 1, room->seq);
	}
	send_joined(rq, joining.membership, recovery, room->seq, &list);
	record_join(rq, join, room, recovery);
	route_charge_answer(rq, list.bytes);
	free(list.items);
	if (joining.user_came) {
		route_tell_came(rq->r, room, rq->client);
		route_charge_event(rq->r, room, rq->client, rq->now_ms);
		user_came(rq->r, joining.room, rq->client);
	}
	return 0;
}

// ---- snapshots: an edge's members are in their rooms already

// The edge's members of the room have missed what begins at `from`. It is brought when all workers
// have named their places, so that a member is notified of a new epoch before its first message;
// until then what is live waits too, in the log.
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

// Where a member stands that is to get all that is kept.
static uint64_t seq_before_kept(const struct table_room *room)
{
	uint64_t first = store_first(&room->log);
	return first > 0 ? first - 1 : room->seq;
}

static void record_rejoin(const struct route_request *rq, const struct table_room *room,
	uint64_t seen, bool same)
{
	if (!same || seen < room->seq) {
		struct record record = record_of_room(RECORD_REJOINED, rq->client, room);
		record.from = seen + 1;
		record.reason = same ? RECORD_NOT_ASKED : RECORD_NOT_RECOVERED;
		recorder_add(&rq->r->recorder, &record);
	}
}

// A store has lost the end of its log: members have seen what it does not know. Its next messages
// would be numbered as those were, so the room begins anew, and its members are notified.
static void begin_anew(struct route_request *rq, struct table_room *room)
{
	struct membership *m;
	const struct message_list none = { 0 };
	room_table_new_epoch(&rq->r->table, room);
	for (uint32_t i = 0; i < room->n_edges; i++) {
		room->edges[i].replay_from = room->edges[i].replay_from > 0 ? 1 : 0;
	}
	TAILQ_FOREACH (m, &room->members, in_room) {
		const struct route_request to = {
			.r = rq->r,
			.edge = m->client->edge,
			.client = m->client,
		};
		if (m->client != rq->client) { // which hears of it as of any other epoch
			send_joined(&to, m, RECOVERY_IMPOSSIBLE, 0, &none);
			membership_set_join_seq(m, 0);
		}
	}
}

// What the place says of a room that the router knows less of.
static void learn_epoch(struct route_request *rq, struct table_room *room,
	const Weir__Link__V1__Place *place)
{
	bool ahead = place->epoch == room->epoch && place->seq > room->seq;
	if (ahead && room->n_proposed == 0) {
		begin_anew(rq, room);
	} else if (journal_is_on(&rq->r->journal) && room->seq == 0 && place->seq == 0 &&
		room->n_members == 1 && room->n_proposed == 0) {
		room->epoch = place->epoch; // nothing was said in it yet, so it is in no log
	}
}

// The client was a member before this session and has seen the room up to (epoch, seq).
static void rejoin(struct route_request *rq, const Weir__Link__V1__Place *place)
{
	struct room_joining joining;
	enum refusal refusal = try_join(rq, NULL, pb_bytes(place->room), place->presence, &joining);
	if (refusal != REFUSAL_NONE) {
		counter_add(&rq->r->counters.rejected[refusal], 1);
		route_send_left(rq, pb_bytes(place->room),
			refusal == REFUSAL_FORBIDDEN ? LEFT_FORBIDDEN : LEFT_UNSAID);
		return;
	}
	struct table_room *room = joining.room;
	learn_epoch(rq, room, place);
	bool same = place->epoch == room->epoch && place->seq <= room->seq;
	store_trim(&rq->r->store, &room->log, rq->now_ms);
	uint64_t seen = same ? place->seq : seq_before_kept(room);
	if (same) {
		membership_set_join_seq(joining.membership, place->join_seq);
	} else {
		const struct message_list none = { 0 };
		send_joined(rq, joining.membership, RECOVERY_IMPOSSIBLE, seen, &none);
	}
	record_rejoin(rq, room, seen, same);
	// Another worker may be further behind: what came live before it has said so would be a
	// hole to its members.
	if (seen < room->seq || rq->edge->snapshots_due > 0) {
		ask_replay(rq->edge, room, seen + 1);
	}
	if (joining.user_came) {
		route_tell_came(rq->r, room, rq->client);
		user_came(rq->r, room, rq->client);
	}
}

static void send_kept(struct route *r, struct table_edge *edge, struct table_room *room,
	const struct store_message *message)
{
	Weir__Link__V1__Delivery delivery = route_delivery(room, message);
	if (room_table_watched(&r->table, room)) {
		delivery.manner = delivery_manner(room->options->slow, AUDIENCE_MEMBERS);
	}
	route_send(r, edge, &LINK_ITEM(DELIVERY, delivery, &delivery));
}

// Sends a gap for what is no longer kept of what the edge's members have missed.
static void skip_trimmed(struct route *r, const struct table_room *room, struct room_edge *re)
{
	uint64_t first = store_first(&room->log);
	uint64_t resume = first > 0 ? first : room->seq + 1;
	if (re->replay_from < resume) {
		send_gap(r, re->edge, room,
			&(struct seq_range){ .from = re->replay_from, .to = resume - 1 },
			first > 0 ? GAP_TRIMMED : GAP_LINK);
		re->replay_from = resume;
	}
}

static void record_replay(struct route *r, const struct table_room *room,
	const struct room_edge *re)
{
	recorder_add(&r->recorder,
		&(struct record){
			.kind = RECORD_REPLAYED,
			.edge = re->edge->number,
			.room = room_name(room),
			.epoch = room->epoch,
			.seq = room->seq,
		});
}

// Replays a room to an edge until `*left` bytes are used up. True when what is live may follow.
static bool replay_room(struct route *r, struct table_room *room, struct room_edge *re,
	size_t *left, uint64_t now_ms)
{
	store_trim(&r->store, &room->log, now_ms);
	skip_trimmed(r, room, re);
	while (re->replay_from <= room->seq && *left > 0) {
		struct store_message message;
		CHECK(store_read(&room->log, re->replay_from, &message)); // a log has no hole
		send_kept(r, re->edge, room, &message);
		size_t size = message_size(&message);
		*left -= size < *left ? size : *left;
		re->replay_from++;
	}
	if (re->replay_from <= room->seq) {
		return false;
	}
	re->replay_from = 0;
	record_replay(r, room, re);
	return true;
}

// The room whose name lies at `*at` among those to be replayed, and the edge's place in it; moves
// `*at` on. NULL if no member of the edge is left there, or nothing waits.
static struct room_edge *next_replay(struct route *r, struct table_edge *edge, size_t *at,
	struct table_room **room)
{
	const uint8_t *entry = edge->replays.data + *at;
	struct bytes name = bytes_make(entry + 1, entry[0]);
	*at += 1 + name.len;
	*room = room_table_find(&r->table, name);
	struct room_edge *re = *room != NULL ? room_edge_find(*room, edge) : NULL;
	return re != NULL && re->replay_from > 0 ? re : NULL;
}

// Where nothing was missed, what is live need not wait for the replay of other rooms.
static void resume_quiet_rooms(struct route *r, struct table_edge *edge)
{
	for (size_t at = 0; at < edge->replays.len;) {
		struct table_room *room;
		struct room_edge *re = next_replay(r, edge, &at, &room);
		if (re != NULL && re->replay_from > room->seq) {
			re->replay_from = 0;
		}
	}
}

void route_replay(struct route *r, struct table_edge *edge, size_t max_bytes, uint64_t now_ms)
{
	struct buf *names = &edge->replays;
	size_t left = max_bytes;
	while (route_has_replays(edge) && left > 0) {
		size_t next = edge->replays_at;
		struct table_room *room;
		struct room_edge *re = next_replay(r, edge, &next, &room);
		if (re != NULL && !replay_room(r, room, re, &left, now_ms)) {
			return;
		}
		edge->replays_at = next;
	}
	if (edge->replays_at == names->len) {
		buf_reset(names, 0);
		edge->replays_at = 0;
	}
}

// A worker of the edge has named all its places. After the last one route_replay() may begin.
int route_on_snapshot_end(struct route_request *rq, const link_item *item)
{
	(void)item;
	struct table_edge *edge = rq->edge;
	if (edge->snapshots_due > 0 && --edge->snapshots_due > 0) {
		return 0;
	}
	edge->is_announced = true;
	resume_quiet_rooms(rq->r, edge);
	settling_arrive(&rq->r->settling, bytes_str(edge->name));
	return 0;
}

int route_on_rejoin(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__Rejoin *message = item->rejoin;
	for (size_t i = 0; i < message->n_places; i++) {
		// An edge of an earlier version may have rooms with a star: they are left.
		if (!room_pattern_valid(pb_bytes(message->places[i]->room))) {
			return -EPROTO;
		}
		rejoin(rq, message->places[i]);
	}
	int result = 0;
	for (size_t i = 0; i < message->n_patterns && result == 0; i++) {
		result = route_rejoin_pattern(rq, pb_bytes(message->patterns[i]));
	}
	return result;
}

// ---- leaves

int route_on_leave(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__Leave *message = item->leave;
	struct bytes name = pb_bytes(message->room);
	if (message->pattern.len > 0) {
		return route_leave_pattern(rq, pb_bytes(message->pattern));
	}
	if (!room_name_valid(name)) {
		route_refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	const struct table_room *room = room_table_find(&rq->r->table, name);
	struct membership *m = room != NULL ? membership_find(room, rq->client) : NULL;
	if (m == NULL) {
		route_refuse(rq, REFUSAL_NOT_MEMBER);
		return 0;
	}
	route_send_left(rq, name, LEFT_UNSAID);
	route_leave(rq->r, m, CAUSE_ASKED, rq->now_ms);
	return 0;
}

// ---- questions

struct user_list {
	Weir__Link__V1__PresentUser users[PRESENCE_USERS_MAX];
	Weir__Link__V1__PresentUser *members[PRESENCE_USERS_MAX];
};

// Lists the first users by their joining, within bounds that keep the answer far below a frame.
// Their connections are counted from the user's side, so that a question about a large room does
// not walk it all.
static void list_users(struct route *r, const struct table_room *room, struct user_list *list,
	Weir__Link__V1__Presence *presence)
{
	presence->members = list->members;
	size_t bytes = 0;
	const struct membership *m = room_first_user(room);
	for (; m != NULL; m = room_next_user(&r->table, m)) {
		size_t n = presence->n_members;
		if (n == PRESENCE_USERS_MAX || bytes > PRESENCE_BYTES_MAX) {
			break;
		}
		Weir__Link__V1__PresentUser *user = &list->users[n];
		weir__link__v1__present_user__init(user);
		user->user = pb_data(user_name(m->client->user));
		user->username = pb_data(bytes_str(m->client->username));
		user->clients = room_user_count(&r->table, room, m->client->user);
		list->members[n] = user;
		presence->n_members++;
		bytes += user->user.len + user->username.len;
	}
}

int route_on_presence_request(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__PresenceRequest *message = item->presence_request;
	struct bytes name = pb_bytes(message->room);
	if (!room_name_valid(name)) {
		route_refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	if (!may_see(rq, name)) {
		route_refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	if (!route_may_ask(rq)) {
		route_refuse(rq, REFUSAL_RATE_LIMITED);
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
	route_send(rq->r, rq->edge, &LINK_ITEM(PRESENCE, presence, &presence));
	route_charge_answer(rq, presence.n_members * PRESENT_OVERHEAD);
	free(list);
	return 0;
}

int route_on_history_request(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__HistoryRequest *message = item->history_request;
	struct bytes name = pb_bytes(message->room);
	if (!room_name_valid(name)) {
		route_refuse(rq, REFUSAL_BAD_ROOM);
		return 0;
	}
	if (!route_may(rq->client, RIGHT_HISTORY, name)) {
		route_refuse(rq, REFUSAL_FORBIDDEN);
		return 0;
	}
	if (!route_may_ask(rq)) {
		route_refuse(rq, REFUSAL_RATE_LIMITED);
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
	route_send(rq->r, rq->edge, &LINK_ITEM(HISTORY, history, &history));
	route_charge_answer(rq, list.bytes);
	free(list.items);
	return 0;
}
