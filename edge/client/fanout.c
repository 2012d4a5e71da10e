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

// Queues the frame for all who want it; uses up one reference. True if anybody did.
static bool send_to_room(const struct fib_room *room, const struct inbox_record *record,
	wanted_fn *wanted)
{
	struct frame *f = frame_ref(record->frame, room->n_members);
	uint32_t unused = room->n_members + 1;
	const struct fib_member *member;
	send_fn *send = sender_of(f, room->n_members);
	LIST_FOREACH (member, &room->members, in_room) {
		if (wanted(member, record)) {
			send(member->conn, f);
			unused--;
		}
	}
	bool any = unused <= room->n_members;
	while (unused-- > 0) {
		frame_unref(f);
	}
	return any;
}

// Moves the room's position on to the record's; false if it is past it already, or elsewhere.
static bool advance(struct fib_room *room, const struct inbox_record *record)
{
	// Of another epoch the members are told by a Joined first; what comes before that is
	// repeated.
	if (record->epoch != room->epoch || record->seq <= room->last_seq) {
		return false;
	}
	room->last_seq = record->seq;
	return true;
}

static void on_delivery(struct clients *cl, struct fib_room *room,
	const struct inbox_record *record)
{
	bool ephemeral = record->seq == 0;
	if (!ephemeral && !advance(room, record)) {
		frame_unref(record->frame);
	} else if (send_to_room(room, record, wants_message) && cl->stamp_ms == 0) {
		cl->stamp_ms = record->stamp_ms;
	}
}

void fanout_broadcast(struct clients *cl, const struct inbox_record *record)
{
	uint32_t cursor = 0;
	struct conn *c;
	send_fn *send = sender_of(record->frame, cl->turn.conns.n);
	while ((c = conn_table_walk(&cl->turn.conns, &cursor)) != NULL) {
		if (conn_is_open(c)) {
			send(c, frame_ref(record->frame, 1));
		}
	}
	frame_unref(record->frame);
}

void fanout_room(struct clients *cl, const struct inbox_record *record)
{
	struct fib_room *room = fib_find(&cl->fib, record->text);
	if (room == NULL) {
		frame_unref(record->frame);
	} else if (record->kind == INBOX_DELIVERY) {
		on_delivery(cl, room, record);
	} else {
		send_to_room(room, record, wants_member_event);
	}
}
