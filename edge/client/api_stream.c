// A stream of events begins with a request of the HTTP API and is then a client like any other.
// Where it goes on from is said by the field that a browser sends by itself when it connects again,
// or in the query.

#include <string.h>

#include "common/ascii.h"
#include "edge/client/api_parts.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/http/http_upgrade.h"

enum {
	ROOMS_MAX = 100, // of one stream
};

enum {
	SEQ_DIGITS_MAX = 16
};

struct since {
	struct bytes room; // decoded
	struct bytes epoch;
	uint64_t seq;
};

// EPOCH:SEQ
static bool take_place(struct bytes text, struct since *since)
{
	struct bytes digits;
	return bytes_cut(text, ':', &since->epoch, &digits) && since->epoch.len > 0 &&
		digits.len <= SEQ_DIGITS_MAX && ascii_uint(digits, &since->seq);
}

// The place of `room` in ROOM=EPOCH:SEQ,...
static bool find_place(struct bytes list, struct bytes room, struct since *since)
{
	while (list.len > 0) {
		struct bytes entry;
		struct bytes name;
		struct bytes place;
		struct buf decoded = { 0 };
		bytes_cut(list, ',', &entry, &list);
		bool same = bytes_cut(entry, '=', &name, &place) &&
			http_percent_decode(name, &decoded) &&
			bytes_equal(buf_bytes(&decoded), room);
		buf_fini(&decoded);
		if (same) {
			return take_place(place, since);
		}
	}
	return false;
}

struct stream_request {
	struct bytes rooms[ROOMS_MAX]; // decoded, in `names`
	size_t n_rooms;
	struct bytes last; // Last-Event-ID, or `since`; empty: none
	struct bytes token;
	struct buf names;
};

static bool take_rooms(struct stream_request *r, const struct http_head *head,
	const struct api_target *target)
{
	if (target->route == API_EVENTS) {
		r->rooms[r->n_rooms++] = target->name;
		return room_name_valid(target->name);
	}
	struct bytes rest = head->query;
	struct bytes room;
	int found;
	while ((found = api_query_find(rest, "room", &rest, &r->names, &room)) == 1) {
		if (r->n_rooms == ROOMS_MAX || !room_name_valid(room)) {
			return false;
		}
		r->rooms[r->n_rooms++] = room;
	}
	return found == 0 && r->n_rooms > 0;
}

static bool take_query(struct stream_request *r, const struct http_head *head)
{
	struct bytes value;
	int found = api_query_find(head->query, "since", NULL, &r->names, &r->last);
	if (http_head_find(head, "last-event-id", &value) == 1) {
		r->last = value;
	}
	return found >= 0 && api_query_find(head->query, "token", NULL, &r->names, &r->token) >= 0;
}

static void join(struct conn *c, struct bytes room, struct bytes last)
{
	struct since since = { 0 };
	struct command command = { .kind = COMMAND_JOIN, .room = room };
	command.has_since = last.len > 0 &&
		(c->many_rooms ? find_place(last, room, &since) : take_place(last, &since));
	command.since_epoch = since.epoch;
	command.since_seq = since.seq;
	conn_run_command(c, &command);
}

// False if one of the rooms is not allowed; that one is `*room`.
static bool may_join_all(const struct conn *c, const struct stream_request *r, struct bytes *room)
{
	const struct rights_subject subject = conn_subject(c);
	for (size_t i = 0; i < r->n_rooms; i++) {
		*room = r->rooms[i];
		if (!rights_decide(&turn_of(c)->edge->policy, &subject, RIGHT_JOIN, *room)
				.allowed) {
			return false;
		}
	}
	return true;
}

static void begin(struct conn *c, const struct stream_request *r)
{
	c->many_rooms = r->n_rooms > 1;
	api_become_events(c);
	for (size_t i = 0; i < r->n_rooms && conn_is_open(c); i++) {
		join(c, r->rooms[i], r->last);
	}
}

void api_run_stream(struct conn *c, const struct http_head *head, const struct api_target *target)
{
	struct stream_request r = { 0 };
	// A text that moves would take the spans into it along; none is longer than the query.
	buf_reserve(&r.names, head->query.len + 1);
	if (!take_rooms(&r, head, target) || !take_query(&r, head)) {
		api_refuse(c, &(struct client_event){ .error = ERROR_BAD_ROOM });
	} else if (api_identify(c, head, r.token)) {
		struct client_event refusal = {
			.error = ERROR_FORBIDDEN,
			.needs_right = RIGHT_JOIN,
		};
		if (may_join_all(c, &r, &refusal.room)) {
			begin(c, &r);
		} else {
			api_refuse(c, &refusal);
		}
	}
	buf_fini(&r.names);
}
