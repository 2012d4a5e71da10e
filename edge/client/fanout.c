// Hands out what comes to rooms: to their members, and to those whose patterns match.
//
// A room's position (epoch, last seq) makes messages arrive once: what a replay repeats is behind
// it and is dropped. A member's join_seq makes them start at the right place: up to it the client
// has had them with its `joined`. Lists are walked without copying them; sending never removes
// anybody (see conn.c), so the walk is safe.

#include "edge/client/fanout.h"

#include "edge/client/clients.h"

typedef void send_fn(struct conn *c, struct frame *f);

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

// What goes to many, or is much in all, may wait; see stream.h.
static send_fn *sender_of(const struct frame *f, size_t n)
{
	bool bulk = n > STREAM_BULK_MIN || n * f->len > STREAM_BULK_BATCH_BYTES;
	return bulk ? conn_send_bulk : conn_send;
}

// One codec's rendering of a record, while it is handed out.
struct share {
	struct frame *frame; // NULL: nobody spoke that codec when it was rendered
	send_fn *send;
	uint32_t unused; // references
};

// So many references as members could use are taken at once, not one by one.
static struct share share_make(struct frame *f, uint32_t n_members)
{
	if (f == NULL) {
		return (struct share){ 0 };
	}
	return (struct share){
		.frame = frame_ref(f, n_members),
		.send = sender_of(f, n_members),
		.unused = n_members + 1,
	};
}

// False for a connection that is ending, and was not counted as speaking its codec any more.
static bool share_send(struct share *share, struct conn *c)
{
	if (share->frame == NULL) {
		CHECK(!conn_is_open(c));
		return false;
	}
	share->send(c, share->frame);
	share->unused--;
	return true;
}

// Queues a frame for all who want it; uses up the record's references. True if anybody did.
static bool send_to_room(const struct fib_room *room, const struct inbox_record *record,
	wanted_fn *wanted)
{
	struct share shares[CODEC_COUNT];
	bool any = false;
	const struct fib_member *member;
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		shares[i] = share_make(record->frames[i], room->n_members);
	}
	LIST_FOREACH (member, &room->members, in_room) {
		struct conn *c = member->conn;
		if (wanted(member, record)) {
			any |= share_send(&shares[c->codec], c);
		}
	}
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		frame_unref_many(shares[i].frame, shares[i].unused);
	}
	return any;
}

static void on_delivery(struct clients *cl, struct fib_room *room,
	const struct inbox_record *record)
{
	bool ephemeral = record->seq == 0;
	if (record->audience == AUDIENCE_WATCHERS ||
		(!ephemeral && !fib_advance(room, record->epoch, record->seq))) {
		inbox_record_drop(record);
	} else if (send_to_room(room, record, wants_message) && cl->stamp_ms == 0) {
		cl->stamp_ms = record->stamp_ms;
	}
}

// ---- patterns

static bool is_member(const struct clients *cl, const struct conn *c, struct bytes room)
{
	return fib_member_find(&cl->fib, &c->account.rooms, c, room) != NULL;
}

static void send_to_pattern(struct clients *cl, const struct watched_pattern *pattern,
	const struct inbox_record *record)
{
	const struct watcher *watcher;
	LIST_FOREACH (watcher, &pattern->watchers, in_pattern) {
		struct conn *c = watcher->conn;
		struct frame *f = record->frames[c->codec];
		if (f == NULL || c->handed || c->handle == record->except ||
			is_member(cl, c, record->text)) {
			continue;
		}
		c->handed = true;
		sender_of(f, pattern->n_watchers)(c, frame_ref(f, 1));
	}
}

// A live message: the router sends them in the room's order and once in a session, so no place is
// kept. Who is a member gets it as one.
static void on_watched(struct clients *cl, const struct inbox_record *record)
{
	const struct watched_pattern *pattern = NULL;
	const struct watcher *watcher;
	while ((pattern = watches_next(&cl->watches, pattern, record->text)) != NULL) {
		send_to_pattern(cl, pattern, record);
	}
	LIST_FOREACH (pattern, &cl->watches.patterns, in_table) {
		LIST_FOREACH (watcher, &pattern->watchers, in_pattern) {
			((struct conn *)watcher->conn)->handed = false;
		}
	}
}

// Not for who has come since it was rendered, as the first to speak its codec.
void fanout_broadcast(struct clients *cl, const struct inbox_record *record)
{
	uint32_t cursor = 0;
	struct conn *c;
	while ((c = conn_table_walk(&cl->turn.conns, &cursor)) != NULL) {
		struct frame *f = record->frames[c->codec];
		if (conn_is_open(c) && f != NULL) {
			sender_of(f, cl->turn.conns.n)(c, frame_ref(f, 1));
		}
	}
	inbox_record_drop(record);
}

void fanout_room(struct clients *cl, const struct inbox_record *record)
{
	struct fib_room *room = fib_find(&cl->fib, record->text);
	if (record->kind == INBOX_DELIVERY && record->audience != AUDIENCE_MEMBERS &&
		!watches_is_empty(&cl->watches)) {
		on_watched(cl, record);
	}
	if (room == NULL) {
		inbox_record_drop(record);
	} else if (record->kind == INBOX_DELIVERY) {
		on_delivery(cl, room, record);
	} else {
		send_to_room(room, record, wants_member_event);
	}
}
