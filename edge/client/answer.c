// Each item is unpacked here, because the `id` that a client gave its request lives in this
// worker's pending table, and because what is a gap depends on what was here before.
//
// Memberships follow the router's answers whether or not somebody still waits for them. A join that
// was answered after its deadline has made the client a member, so the client is notified (`joined`
// without `id`) rather than left out of a room the router believes it is in.

#include "edge/client/answer.h"

#include <stdlib.h>

#include "common/mem.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/testimony.h"
#include "edge/state/settings.h"

// ---- the request an answer is for

static struct uplink *uplink_of(struct clients *cl, const struct inbox_record *record)
{
	CHECK(record->link < cl->turn.edge->n_links);
	return &cl->uplinks[record->link];
}

// The open connection with that handle, or NULL.
static struct conn *find_conn(const struct clients *cl, uint64_t handle)
{
	struct conn *c = conn_table_find(&cl->turn.conns, handle);
	return c != NULL && conn_takes_answers(c) ? c : NULL;
}

static struct bytes entry_id(const struct pending_entry *entry)
{
	return entry != NULL ? bytes_make(entry->id, entry->id_len) : bytes_make(NULL, 0);
}

static struct bytes entry_room(const struct pending_entry *entry)
{
	return bytes_make(entry->room, entry->room_len);
}

// Takes the request off the client's counts and out of the table. NULL is fine. `bytes`: of the
// router's answer, 0: it gave none.
static void settle(struct clients *cl, struct uplink *up, struct pending_entry *entry, size_t bytes)
{
	if (entry == NULL) {
		return;
	}
	struct conn *c = find_conn(cl, entry->conn);
	if (c != NULL) {
		bool recovery = uplink_is_recovery(entry);
		client_count_requests(c, (enum command_kind)entry->kind, recovery, -1);
		if (recovery) {
			conn_review_input(c);
		}
	}
	uplink_close(up, entry, bytes);
}

static bool is_there(void *arg, uint64_t conn)
{
	return find_conn(arg, conn) != NULL;
}

void answer_close_gone(struct clients *cl, struct uplink *up)
{
	uplink_close_gone(up, is_there, cl);
}

void answer_go_on(struct clients *cl, struct uplink *up)
{
	struct pending_entry *entry;
	while ((entry = uplink_next_turn(up)) != NULL) {
		if (find_conn(cl, entry->conn) != NULL) {
			uplink_ask_waiting(up, entry);
		} else {
			uplink_close(up, entry, 0); // the router would not answer
		}
	}
}

void answer_unavailable(struct clients *cl, struct uplink *up, struct pending_entry *entry,
	enum outcome outcome)
{
	struct conn *c = find_conn(cl, entry->conn);
	if (c != NULL && !uplink_is_automatic(entry)) {
		conn_send_refusal(c,
			&(struct client_event){
				.error = ERROR_UNAVAILABLE,
				.outcome = outcome,
				.id = entry_id(entry),
				.room = entry_room(entry),
				.is_pattern = uplink_is_pattern(entry),
			});
	}
	settle(cl, up, entry, 0);
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
	return out_queue_firm_bytes(&c->stream.out) + f->len <=
		turn_of(c)->settings->conf.queue_limit;
}

// Recovery is all or nothing: what does not fit the client's queue is not recovered.
static void send_joined(struct conn *c, struct client_event *event)
{
	struct frame *f = turn_render(turn_of(c), (enum codec_id)c->codec, event);
	if (event->has_messages && !fits_queue(c, f)) {
		frame_unref(f);
		record_not_recovered(c, event->room, event->epoch, event->seq);
		event->recovered = false;
		event->has_messages = false;
		f = turn_render(turn_of(c), (enum codec_id)c->codec, event);
	}
	if (event->has_messages && event->n_messages > 0) {
		f->epoch = event->epoch;
		f->seq = event->messages[0].seq;
	}
	conn_send(c, f);
}

// The token may have been renewed since the join was asked for.
static bool may_see(const struct conn *c, struct bytes room)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide(&turn_of(c)->edge->policy, &subject, RIGHT_PRESENCE, room).allowed;
}

static void become_member(struct conn *c, const Weir__Link__V1__Joined *m)
{
	bool added;
	struct fib_member *member = fib_join(&clients_of(c)->fib, &c->account.rooms, c,
		pb_bytes(m->room), m->epoch, m->seq, &added);
	fib_follow(member->room, m->epoch, m->seq);
	member->join_seq = m->seq;
	member->presence = m->presence && may_see(c, pb_bytes(m->room));
	c->account.n_rooms += added ? 1 : 0;
}

static bool may_join(const struct conn *c, struct bytes room)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide(&turn_of(c)->edge->policy, &subject, RIGHT_JOIN, room).allowed;
}

// What an answer meets here.
struct answer {
	struct clients *cl;
	struct uplink *up; // that it came by
	struct pending_entry *entry; // the request; NULL: nobody waits for it any more
	struct conn *c; // its client; NULL: gone
};

// Refuses what was asked for a right or a role that a renewed token does not give any more.
static void refuse_forbidden(const struct answer *a, struct bytes room)
{
	bool is_pattern = uplink_is_pattern(a->entry);
	bool is_role = is_pattern && !a->c->identity.admin;
	conn_send_refusal(a->c,
		&(struct client_event){
			.error = ERROR_FORBIDDEN,
			.id = entry_id(a->entry),
			.room = room,
			.is_pattern = is_pattern,
			.needs_right = is_role ? 0 : RIGHT_JOIN,
			.needs_role = is_role ? turn_of(a->c)->settings->conf.admin_role : NULL,
		});
}

static bool may_watch(const struct conn *c, struct bytes pattern)
{
	struct rights_subject subject = conn_subject(c);
	return rights_decide_joined(&turn_of(c)->edge->policy, &subject, pattern).allowed;
}

// Without a request it is a new session's, and tells the client that messages may be missing.
static void on_joined_pattern(const struct answer *a, struct bytes pattern)
{
	if (!may_watch(a->c, pattern)) {
		if (a->entry != NULL) {
			refuse_forbidden(a, pattern);
		}
		return;
	}
	a->c->watches = true;
	watches_add(&a->cl->watches, a->c, pattern);
	conn_send_event(a->c,
		&(struct client_event){
			.kind = EVENT_JOINED,
			.id = entry_id(a->entry),
			.room = pattern,
			.is_pattern = true,
		});
}

static void on_joined(const struct answer *a, const link_item *item)
{
	enum {
		NOT_ASKED,
		RECOVERED
	};
	const Weir__Link__V1__Joined *m = item->joined;
	struct bytes room = pb_bytes(m->room);
	if (a->c == NULL) {
		return;
	}
	if (m->pattern.len > 0) {
		on_joined_pattern(a, pb_bytes(m->pattern));
		return;
	}
	if (!may_join(a->c, room)) {
		// The token was renewed meanwhile; the router has been notified and takes it out as
		// well.
		if (a->entry != NULL && !uplink_is_automatic(a->entry)) {
			refuse_forbidden(a, room);
		}
		return;
	}
	become_member(a->c, m);
	struct event_message *messages = messages_of(m->n_messages, m->messages);
	struct client_event event = {
		.kind = EVENT_JOINED,
		.id = entry_id(a->entry),
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
	send_joined(a->c, &event);
	free(messages);
}

static void on_left_pattern(const struct answer *a, const Weir__Link__V1__Left *m)
{
	if (a->c != NULL &&
		(watches_drop(&a->cl->watches, a->c, pb_bytes(m->pattern)) || a->entry != NULL)) {
		conn_send_event(a->c,
			&(struct client_event){
				.kind = EVENT_LEFT,
				.id = entry_id(a->entry),
				.room = pb_bytes(m->pattern),
				.is_pattern = true,
				.reason = pb_bytes(m->reason),
			});
	}
}

static void on_left(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__Left *m = item->left;
	struct conn *c = a->c;
	if (m->pattern.len > 0) {
		on_left_pattern(a, m);
		return;
	}
	struct fib_member *member = NULL;
	if (c != NULL) {
		member = fib_member_find(&a->cl->fib, &c->account.rooms, c, pb_bytes(m->room));
	}
	if (member != NULL) {
		c->account.n_rooms--;
		fib_leave(&a->cl->fib, member);
	}
	if (c != NULL && (member != NULL || a->entry != NULL)) {
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_LEFT,
				.id = entry_id(a->entry),
				.room = pb_bytes(m->room),
				.reason = pb_bytes(m->reason),
			});
	}
}

static void on_published(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__Published *m = item->published;
	struct conn *c = a->c;
	if (a->entry != NULL && c != NULL && a->entry->id != NULL) {
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_ACK,
				.id = entry_id(a->entry),
				.room = entry_room(a->entry),
				.epoch = m->epoch,
				.seq = m->seq,
				.timestamp_ms = m->timestamp_ms,
				.members = m->members,
				.has_members = true,
				.duplicate = m->duplicate,
			});
	}
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

static unsigned right_of(const struct pending_entry *entry)
{
	return command_row((enum command_kind)entry->kind)->right;
}

static void on_refused(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__Refused *m = item->refused;
	struct conn *c = a->c;
	enum client_error error = error_of(m->code);
	bool is_pattern = a->entry != NULL && uplink_is_pattern(a->entry);
	if (a->entry != NULL && c != NULL && !uplink_is_automatic(a->entry) &&
		error != ERROR_NONE) {
		conn_send_refusal(c,
			&(struct client_event){
				.error = error,
				.outcome = error == ERROR_UNAVAILABLE ? OUTCOME_NONE
								      : OUTCOME_NOT_SAID,
				.id = entry_id(a->entry),
				.room = entry_room(a->entry),
				.is_pattern = is_pattern,
				.needs_right = error == ERROR_FORBIDDEN ? right_of(a->entry) : 0,
				.limit = pb_bytes(m->limit),
				.after_ms = m->after_ms,
			});
	}
}

static void on_presence(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__Presence *m = item->presence;
	struct conn *c = a->c;
	if (a->entry != NULL && c != NULL) {
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
				.id = entry_id(a->entry),
				.room = pb_bytes(m->room),
				.users = m->users,
				.connections = m->connections,
				.present = users,
				.n_present = m->n_members,
			});
		free(users);
	}
}

// If the answer does not fit the client's queue, an error is sent instead of closing the client.
static void send_history(struct conn *c, const struct client_event *event)
{
	if (!conn_is_open(c)) {
		conn_send_event(c, event); // one of the API reads its own answer or nobody does
		return;
	}
	struct frame *f = turn_render(turn_of(c), (enum codec_id)c->codec, event);
	if (fits_queue(c, f)) {
		conn_send(c, f);
	} else {
		frame_unref(f);
		conn_send_error(c, ERROR_LIMIT, OUTCOME_NOT_SAID, event->id, event->room);
	}
}

static void on_history(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__History *m = item->history;
	struct conn *c = a->c;
	if (a->entry != NULL && c != NULL) {
		struct event_message *messages = messages_of(m->n_messages, m->messages);
		send_history(c,
			&(struct client_event){
				.kind = EVENT_HISTORY,
				.id = entry_id(a->entry),
				.room = pb_bytes(m->room),
				.epoch = m->epoch,
				.seq = m->seq,
				.messages = messages,
				.n_messages = m->n_messages,
				.has_messages = true,
			});
		free(messages);
	}
}

static void on_disconnected(const struct answer *a, const link_item *item)
{
	const Weir__Link__V1__Disconnected *m = item->disconnected;
	struct conn *c = a->c;
	if (a->entry != NULL && c != NULL) {
		conn_send_event(c,
			&(struct client_event){
				.kind = EVENT_DISCONNECTED,
				.id = entry_id(a->entry),
				.members = m->closed,
			});
	}
}

static void on_kick(const struct answer *a, const link_item *item)
{
	if (a->c != NULL) {
		conn_close_saying(a->c,
			close_reason_parse(pb_bytes(item->kick->reason), CLOSE_REVOKED),
			pb_bytes(item->kick->text));
	}
}

static void drop_frames(struct frame *frames[CODEC_COUNT])
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		frame_unref(frames[i]);
		frames[i] = NULL;
	}
}

// Moves the room past what is lost. Workers stand at different places and members have joined at
// different ones, so each gets a gap of its own part: what it has had is not lost.
static void on_gap(const struct answer *a, const link_item *item)
{
	struct clients *cl = a->cl;
	const Weir__Link__V1__Gap *m = item->gap;
	struct fib_room *room = fib_find(&cl->fib, pb_bytes(m->room));
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
	struct frame *frames[CODEC_COUNT] = { 0 }; // for as long as members need the same
	const struct fib_member *member;
	room->last_seq = m->to;
	LIST_FOREACH (member, &room->members, in_room) {
		uint64_t from = member->join_seq < first ? first : member->join_seq + 1;
		if (from > m->to) {
			continue;
		}
		if (from != event.from_seq) {
			drop_frames(frames);
			event.from_seq = from;
		}
		struct conn *c = member->conn;
		if (frames[c->codec] == NULL) {
			frames[c->codec] = turn_render(&cl->turn, (enum codec_id)c->codec, &event);
		}
		conn_send(c, frame_ref(frames[c->codec], 1));
	}
	drop_frames(frames);
}

static void on_inquiry(const struct answer *a, const link_item *item)
{
	testify(a->cl, a->up, item->inquiry);
}

// What a kind of item does, and where the number of the request that it answers lies in its
// message; 0: it answers none. (The first field of each is the library's.)
#define ANSWER(KIND, Type, fn)                                                                     \
	[WEIR__LINK__V1__ITEM__KIND_##KIND] = { fn, offsetof(Weir__Link__V1__##Type, req) }
#define NOTICE(KIND, fn) [WEIR__LINK__V1__ITEM__KIND_##KIND] = { fn, 0 }

static const struct answer_row {
	void (*fn)(const struct answer *a, const link_item *item);
	size_t req;
} rows[] = {
	ANSWER(JOINED, Joined, on_joined),
	ANSWER(LEFT, Left, on_left),
	ANSWER(PUBLISHED, Published, on_published),
	ANSWER(REFUSED, Refused, on_refused),
	ANSWER(PRESENCE, Presence, on_presence),
	ANSWER(HISTORY, History, on_history),
	ANSWER(DISCONNECTED, Disconnected, on_disconnected),
	NOTICE(KICK, on_kick),
	NOTICE(GAP, on_gap),
	NOTICE(INQUIRY, on_inquiry),
};

static uint64_t req_of(const link_item *item, const struct answer_row *row)
{
	uint64_t req;
	const void *message = item->joined; // of any kind: the union holds a pointer to it
	memcpy(&req, (const char *)message + row->req, sizeof(req));
	return row->req != 0 ? req : 0;
}

void answer_item(struct clients *cl, const struct inbox_record *record)
{
	struct uplink *up = uplink_of(cl, record);
	const link_item *item = link_item_unpack(&cl->arena, record->text);
	CHECK(item != NULL); // dispatch has unpacked the same bytes
	if (item->kind_case >= ARRAY_LEN(rows) || rows[item->kind_case].fn == NULL) {
		return; // no conforming router sends it
	}
	const struct answer_row *row = &rows[item->kind_case];
	struct answer answer = {
		.cl = cl,
		.up = up,
		.entry = pending_find(&up->pending, req_of(item, row)),
		.c = find_conn(cl, link_item_client(item)),
	};
	row->fn(&answer, item);
	settle(cl, up, answer.entry, record->text.len);
	answer_go_on(cl, up);
}
