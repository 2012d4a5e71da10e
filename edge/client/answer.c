// Two kinds of record. One is an item: it is unpacked here, because the `id` that a client gave its
// request lives in this worker's pending table, and because what is a gap depends on what was here
// before. The other is a rendered frame for a room: each member that is owed it gets a reference.
//
// Memberships follow the router's answers whether or not somebody still waits for them. A join that
// was answered after its deadline has made the client a member, so the client is told (`joined`
// without `id`) rather than left out of a room the router believes it is in.
//
// A room's position (epoch, last seq) makes messages arrive once: what a replay repeats is behind it
// and is dropped. A member's join_seq makes them start at the right place: up to it the client has
// had them with its `joined`. Lists are walked without copying them; sending never removes anybody
// (see conn.c), so the walk is safe.

#include "edge/client/answer.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"
#include "edge/client/conn.h"
#include "edge/client/worker.h"

// ---- the request an answer is for

static struct uplink *uplink_of(struct worker *w, const struct inbox_record *record)
{
	CHECK(record->link < w->edge->n_links);
	return &w->uplinks[record->link];
}

// The open connection with that handle, or NULL.
static struct conn *find_conn(const struct worker *w, uint64_t handle)
{
	struct conn *c = conn_table_find(&w->conns, handle);
	return c != NULL && conn_is_open(c) ? c : NULL;
}

static struct bytes entry_id(const struct pending_entry *entry)
{
	return entry != NULL ? bytes_make(entry->id, entry->id_len) : bytes_make(NULL, 0);
}

static struct bytes entry_room(const struct pending_entry *entry)
{
	return bytes_make(entry->room, entry->room_len);
}

// Takes the request off the client's counts and out of the table. NULL is fine.
static void settle(struct worker *w, struct uplink *up, struct pending_entry *entry)
{
	if (entry == NULL) {
		return;
	}
	struct conn *c = find_conn(w, entry->conn);
	if (c != NULL) {
		if (entry->kind == REQUEST_JOIN || entry->kind == REQUEST_AUTOJOIN) {
			c->n_joining--;
		}
		if (uplink_is_recovery(entry)) {
			c->n_recoveries--;
			conn_review_input(c);
		}
	}
	pending_close(&up->pending, entry);
}

void answer_unavailable(struct worker *w, struct uplink *up, struct pending_entry *entry,
	enum outcome outcome)
{
	struct conn *c = find_conn(w, entry->conn);
	if (c != NULL && entry->kind != REQUEST_AUTOJOIN) {
		conn_send_error(c, ERROR_UNAVAILABLE, outcome, entry_id(entry), entry_room(entry));
	}
	settle(w, up, entry);
}

// ---- answers

// The messages of an answer as the codec wants them: owned by the caller, free(3).
static struct event_message *messages_of(size_t n, Weir__Link__V1__Message *const *from)
{
	struct event_message *messages = xcalloc(n, sizeof(messages[0]));
	for (size_t i = 0; i < n; i++) {
		messages[i] = (struct event_message){
			.type = pb_bytes(from[i]->type),
			.from = pb_bytes(from[i]->from),
			.user = pb_bytes(from[i]->user),
			.username = pb_bytes(from[i]->username),
			.body = pb_bytes(from[i]->body),
			.seq = from[i]->seq,
			.timestamp_ms = from[i]->timestamp_ms,
		};
	}
	return messages;
}

static bool fits_queue(const struct conn *c, const struct frame *f)
{
	return c->out.bytes + f->len <= c->worker->settings->conf.queue_limit;
}

// Recovery is all or nothing: what does not fit the client's queue is not recovered.
static void send_joined(struct conn *c, struct client_event *event)
{
	struct frame *f = worker_render(c->worker, event);
	if (event->has_messages && !fits_queue(c, f)) {
		frame_unref(f);
		event->recovered = false;
		event->has_messages = false;
		f = worker_render(c->worker, event);
	}
	conn_send(c, f);
}

// Moves the room to where the router says it is, if that is another epoch. Who is a member already is
// owed what comes after it.
static void follow_epoch(struct fib_room *room, uint64_t epoch, uint64_t seq)
{
	if (room->epoch == epoch) {
		return;
	}
	room->epoch = epoch;
	room->last_seq = seq;
	struct fib_member *member;
	LIST_FOREACH (member, &room->members, in_room) {
		member->join_seq = seq;
	}
}

// The token may have been renewed since the join was asked for.
static bool may_see(const struct conn *c, struct bytes room)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide(&c->worker->edge->policy, &subject, RIGHT_PRESENCE, room).allowed;
}

static void become_member(struct conn *c, const Weir__Link__V1__Joined *m)
{
	bool added;
	struct fib_member *member = fib_join(&c->worker->fib, &c->rooms, c, pb_bytes(m->room),
		m->epoch, m->seq, &added);
	follow_epoch(member->room, m->epoch, m->seq);
	member->join_seq = m->seq;
	member->presence = m->presence && may_see(c, pb_bytes(m->room));
	c->n_rooms += added ? 1 : 0;
}

static bool may_join(const struct conn *c, struct bytes room)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide(&c->worker->edge->policy, &subject, RIGHT_JOIN, room).allowed;
}

static void on_joined(struct worker *w, struct uplink *up, const Weir__Link__V1__Joined *m)
{
	enum {
		NOT_ASKED,
		RECOVERED
	};
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	struct bytes room = pb_bytes(m->room);
	if (c == NULL) {
		settle(w, up, entry);
		return;
	}
	if (!may_join(c, room)) {
		// The token was renewed meanwhile; the router has been told and takes it out as well.
		if (entry != NULL && entry->kind == REQUEST_JOIN) {
			conn_send_error(c, ERROR_FORBIDDEN, OUTCOME_NOT_SAID, entry_id(entry),
				room);
		}
		settle(w, up, entry);
		return;
	}
	become_member(c, m);
	struct event_message *messages = messages_of(m->n_messages, m->messages);
	struct client_event event = {
		.kind = EVENT_JOINED,
		.id = entry_id(entry),
		.room = room,
		.epoch = m->epoch,
		.seq = m->seq,
		.members = m->members,
		.has_members = true,
		.has_recovered = m->recovery != NOT_ASKED,
		.recovered = m->recovery == RECOVERED,
		.messages = messages,
		.n_messages = m->n_messages,
		.has_messages = m->recovery == RECOVERED,
	};
	send_joined(c, &event);
	free(messages);
	settle(w, up, entry);
}

static void on_left(struct worker *w, struct uplink *up, const Weir__Link__V1__Left *m)
{
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	struct fib_member *member = NULL;
	if (c != NULL) {
		member = fib_member_find(&w->fib, &c->rooms, c, pb_bytes(m->room));
	}
	if (member != NULL) {
		c->n_rooms--;
		fib_leave(&w->fib, member);
	}
	if (c != NULL && (member != NULL || entry != NULL)) {
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_LEFT,
				.id = entry_id(entry),
				.room = pb_bytes(m->room),
				.reason = pb_bytes(m->reason),
			});
	}
	settle(w, up, entry);
}

static void on_published(struct worker *w, struct uplink *up, const Weir__Link__V1__Published *m)
{
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	if (entry != NULL && c != NULL && entry->id != NULL) {
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_ACK,
				.id = entry_id(entry),
				.room = entry_room(entry),
				.epoch = m->epoch,
				.seq = m->seq,
				.timestamp_ms = m->timestamp_ms,
				.members = m->members,
				.has_members = true,
				.duplicate = m->duplicate,
			});
	}
	settle(w, up, entry);
}

static enum client_error error_of(uint32_t refusal)
{
	static const enum client_error errors[REFUSAL_COUNT] = {
		[REFUSAL_NONE] = ERROR_UNAVAILABLE,
		[REFUSAL_BAD_ROOM] = ERROR_BAD_ROOM,
		[REFUSAL_FORBIDDEN] = ERROR_FORBIDDEN,
		[REFUSAL_NOT_MEMBER] = ERROR_NOT_MEMBER,
		[REFUSAL_LIMIT] = ERROR_LIMIT,
		[REFUSAL_RATE_LIMITED] = ERROR_RATE_LIMITED,
		[REFUSAL_UNAVAILABLE] = ERROR_UNAVAILABLE,
		[REFUSAL_SILENT] = ERROR_NONE,
	};
	return refusal < REFUSAL_COUNT ? errors[refusal] : ERROR_UNAVAILABLE;
}

static void on_refused(struct worker *w, struct uplink *up, const Weir__Link__V1__Refused *m)
{
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	enum client_error error = error_of(m->code);
	if (entry != NULL && c != NULL && entry->kind != REQUEST_AUTOJOIN && error != ERROR_NONE) {
		conn_send_error(c, error,
			error == ERROR_UNAVAILABLE ? OUTCOME_NONE : OUTCOME_NOT_SAID,
			entry_id(entry), entry_room(entry));
	}
	settle(w, up, entry);
}

static void on_presence(struct worker *w, struct uplink *up, const Weir__Link__V1__Presence *m)
{
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	if (entry != NULL && c != NULL) {
		struct event_user *users = xcalloc(m->n_members, sizeof(users[0]));
		for (size_t i = 0; i < m->n_members; i++) {
			users[i] = (struct event_user){
				.user = pb_bytes(m->members[i]->user),
				.username = pb_bytes(m->members[i]->username),
				.clients = m->members[i]->clients,
			};
		}
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_PRESENCE,
				.id = entry_id(entry),
				.room = pb_bytes(m->room),
				.users = m->users,
				.connections = m->connections,
				.present = users,
				.n_present = m->n_members,
			});
		free(users);
	}
	settle(w, up, entry);
}

// An answer that would not fit the client's queue is refused rather than the death of the client.
static void send_history(struct conn *c, const struct client_event *event)
{
	struct frame *f = worker_render(c->worker, event);
	if (fits_queue(c, f)) {
		conn_send(c, f);
	} else {
		frame_unref(f);
		conn_send_error(c, ERROR_LIMIT, OUTCOME_NOT_SAID, event->id, event->room);
	}
}

static void on_history(struct worker *w, struct uplink *up, const Weir__Link__V1__History *m)
{
	struct pending_entry *entry = pending_find(&up->pending, m->req);
	struct conn *c = find_conn(w, m->client);
	if (entry != NULL && c != NULL) {
		struct event_message *messages = messages_of(m->n_messages, m->messages);
		send_history(c,
			&(struct client_event){
				.kind = EVENT_HISTORY,
				.id = entry_id(entry),
				.room = pb_bytes(m->room),
				.epoch = m->epoch,
				.seq = m->seq,
				.messages = messages,
				.n_messages = m->n_messages,
				.has_messages = true,
			});
		free(messages);
	}
	settle(w, up, entry);
}

static void on_kick(struct worker *w, const Weir__Link__V1__Kick *m)
{
	struct conn *c = find_conn(w, m->client);
	if (c != NULL) {
		conn_close(c, close_reason_parse(pb_bytes(m->reason), CLOSE_REVOKED));
	}
}

// Moves the room past what is lost. Workers stand at different places and members have joined at
// different ones, so each is told of its own part: what it has had is not lost.
static void on_gap(struct worker *w, const Weir__Link__V1__Gap *m)
{
	struct fib_room *room = fib_find(&w->fib, pb_bytes(m->room));
	if (room == NULL || m->epoch != room->epoch || m->to <= room->last_seq) {
		return;
	}
	struct client_event event = {
		.kind = EVENT_GAP,
		.room = fib_room_name(room),
		.epoch = m->epoch,
		.to_seq = m->to,
		.reason = pb_bytes(m->reason),
	};
	uint64_t first = m->from > room->last_seq ? m->from : room->last_seq + 1;
	struct frame *f = NULL; // for as long as members need the same
	const struct fib_member *member;
	room->last_seq = m->to;
	LIST_FOREACH (member, &room->members, in_room) {
		uint64_t from = member->join_seq < first ? first : member->join_seq + 1;
		if (from > m->to) {
			continue;
		}
		if (f == NULL || from != event.from_seq) {
			frame_unref(f);
			event.from_seq = from;
			f = worker_render(w, &event);
		}
		conn_send(member->conn, frame_ref(f, 1));
	}
	frame_unref(f);
}

static void on_item(struct worker *w, const struct inbox_record *record)
{
	struct uplink *up = uplink_of(w, record);
	const link_item *item = link_item_unpack(&w->arena, record->text);
	CHECK(item != NULL); // dispatch has unpacked the same bytes
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_JOINED:
		on_joined(w, up, item->joined);
		break;
	case WEIR__LINK__V1__ITEM__KIND_LEFT:
		on_left(w, up, item->left);
		break;
	case WEIR__LINK__V1__ITEM__KIND_PUBLISHED:
		on_published(w, up, item->published);
		break;
	case WEIR__LINK__V1__ITEM__KIND_REFUSED:
		on_refused(w, up, item->refused);
		break;
	case WEIR__LINK__V1__ITEM__KIND_PRESENCE:
		on_presence(w, up, item->presence);
		break;
	case WEIR__LINK__V1__ITEM__KIND_HISTORY:
		on_history(w, up, item->history);
		break;
	case WEIR__LINK__V1__ITEM__KIND_KICK:
		on_kick(w, item->kick);
		break;
	case WEIR__LINK__V1__ITEM__KIND_GAP:
		on_gap(w, item->gap);
		break;
	default:
		break;
	}
}

// ---- messages for rooms

// Which members of a room a record is for.
typedef bool wanted_fn(const struct fib_member *member, const struct inbox_record *record);

static bool wants_message(const struct fib_member *member, const struct inbox_record *record)
{
	const struct conn *c = member->conn;
	return c->handle != record->except && (record->seq == 0 || member->join_seq < record->seq);
}

static bool wants_member_event(const struct fib_member *member, const struct inbox_record *record)
{
	const struct conn *c = member->conn;
	return member->presence && !bytes_equal_str(record->user, c->identity.user);
}

// Queues the frame for all who want it; uses up one reference. True if anybody did.
static bool send_to_room(struct worker *w, const struct fib_room *room,
	const struct inbox_record *record, wanted_fn *wanted)
{
	struct frame *f = frame_ref(record->frame, room->n_members);
	uint32_t unused = room->n_members + 1;
	const struct fib_member *member;
	w->to_crowd = room->n_members > WORKER_CROWD;
	LIST_FOREACH (member, &room->members, in_room) {
		if (wanted(member, record)) {
			conn_send(member->conn, f);
			unused--;
		}
	}
	w->to_crowd = false;
	bool any = unused <= room->n_members;
	while (unused-- > 0) {
		frame_unref(f);
	}
	return any;
}

// Moves the room's position on to the record's; false if it is past it already, or elsewhere.
static bool advance(struct fib_room *room, const struct inbox_record *record)
{
	// Of another epoch the members are told by a Joined first; what comes before that is repeated.
	if (record->epoch != room->epoch || record->seq <= room->last_seq) {
		return false;
	}
	room->last_seq = record->seq;
	return true;
}

static void on_delivery(struct worker *w, struct fib_room *room, const struct inbox_record *record)
{
	bool ephemeral = record->seq == 0;
	if (!ephemeral && !advance(room, record)) {
		frame_unref(record->frame);
	} else if (send_to_room(w, room, record, wants_message) && w->stamp_ms == 0) {
		w->stamp_ms = record->stamp_ms;
	}
}

static void on_broadcast(struct worker *w, const struct inbox_record *record)
{
	uint32_t cursor = 0;
	struct conn *c;
	w->to_crowd = w->conns.n > WORKER_CROWD;
	while ((c = conn_table_walk(&w->conns, &cursor)) != NULL) {
		if (conn_is_open(c)) {
			conn_send(c, frame_ref(record->frame, 1));
		}
	}
	w->to_crowd = false;
	frame_unref(record->frame);
}

static void on_room_record(struct worker *w, const struct inbox_record *record)
{
	struct fib_room *room = fib_find(&w->fib, record->text);
	if (room == NULL) {
		frame_unref(record->frame);
	} else if (record->kind == INBOX_DELIVERY) {
		on_delivery(w, room, record);
	} else {
		send_to_room(w, room, record, wants_member_event);
	}
}

void answer_record(struct worker *w, const struct inbox_record *record)
{
	switch (record->kind) {
	case INBOX_ITEM:
		on_item(w, record);
		break;
	case INBOX_DELIVERY:
	case INBOX_MEMBER:
		on_room_record(w, record);
		break;
	case INBOX_BROADCAST:
		on_broadcast(w, record);
		break;
	case INBOX_MARK:
	case INBOX_SESSION:
	case INBOX_DRAIN:
		CHECK(false); // these are for the worker itself
	}
}
