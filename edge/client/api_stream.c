// A stream of events begins with a request of the HTTP API and is then a client like any other.
// Where it goes on from is said by the field that a browser sends by itself when it connects again,
// or in the query.

#include <string.h>

#include "common/ascii.h"
#include "edge/client/api_parts.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/http/http_upgrade.h"
#include "edge/state/settings.h"

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
	struct bytes patterns[WATCHES_MAX]; // likewise
	size_t n_patterns;
	struct bytes last; // Last-Event-ID, or `since`; empty: none
	struct bytes token;
	struct buf names;
};

static enum client_error check_pattern(struct bytes pattern)
{
	return room_pattern_valid(pattern) ? ERROR_NONE : ERROR_BAD_ROOM;
}

// Takes all values of `name` in the query.
static enum client_error take_names(struct stream_request *r, struct bytes query, const char *name,
	enum client_error (*check)(struct bytes), struct bytes *list, size_t max, size_t *n)
{
	enum client_error error = ERROR_NONE;
	struct bytes value;
	int found = 0;
	while (error == ERROR_NONE &&
		(found = api_query_find(query, name, &query, &r->names, &value)) == 1) {
		error = *n < max ? check(value) : ERROR_BAD_ROOM;
		if (error == ERROR_NONE) {
			list[(*n)++] = value;
		}
	}
	return found < 0 ? ERROR_BAD_ROOM : error;
}

static enum client_error take_rooms(struct stream_request *r, const struct http_head *head,
	const struct api_target *target)
{
	if (target->route == API_EVENTS) {
		r->rooms[r->n_rooms++] = target->name;
		return codec_room_check(target->name);
	}
	enum client_error error = take_names(r, head->query, "room", codec_room_check, r->rooms,
		ROOMS_MAX, &r->n_rooms);
	if (error == ERROR_NONE) {
		error = take_names(r, head->query, "pattern", check_pattern, r->patterns,
			WATCHES_MAX, &r->n_patterns);
	}
	return error == ERROR_NONE && r->n_rooms + r->n_patterns == 0 ? ERROR_BAD_ROOM : error;
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

// False if one of the rooms or patterns is not allowed; then `*refusal` says what is missing.
static bool may_join_all(const struct conn *c, const struct stream_request *r,
	struct client_event *refusal)
{
	const struct rights_subject subject = conn_subject(c);
	const struct rights_policy *policy = &turn_of(c)->edge->policy;
	bool allowed = true;
	for (size_t i = 0; i < r->n_rooms && allowed; i++) {
		refusal->room = r->rooms[i];
		allowed = rights_decide(policy, &subject, RIGHT_JOIN, refusal->room).allowed;
	}
	for (size_t i = 0; i < r->n_patterns && allowed; i++) {
		refusal->room = r->patterns[i];
		allowed = rights_decide_joined(policy, &subject, refusal->room).allowed;
		if (!allowed && !subject.admin) {
			refusal->needs_right = 0;
			refusal->needs_role = turn_of(c)->settings->conf.admin_role;
		}
	}
	return allowed;
}

static void begin(struct conn *c, const struct stream_request *r)
{
	c->many_rooms = r->n_rooms > 1 || r->n_patterns > 0;
	api_become_events(c);
	for (size_t i = 0; i < r->n_rooms && conn_is_open(c); i++) {
		join(c, r->rooms[i], r->last);
	}
	for (size_t i = 0; i < r->n_patterns && conn_is_open(c); i++) {
		conn_run_command(c,
			&(struct command){
				.kind = COMMAND_JOIN,
				.room = r->patterns[i],
				.is_pattern = true,
			});
	}
}

void api_run_stream(struct conn *c, const struct http_head *head, const struct api_target *target)
{
	struct stream_request r = { 0 };
	// A text that moves would take the spans into it along; none is longer than the query.
	buf_reserve(&r.names, head->query.len + 1);
	enum client_error error = take_rooms(&r, head, target);
	if (error == ERROR_NONE && !take_query(&r, head)) {
		error = ERROR_BAD_ROOM;
	}
	if (error != ERROR_NONE) {
		api_refuse(c, &(struct client_event){ .error = error });
	} else if (api_identify(c, head, r.token)) {
		struct client_event refusal = {
			.error = ERROR_FORBIDDEN,
			.needs_right = RIGHT_JOIN,
		};
		if (may_join_all(c, &r, &refusal)) {
			begin(c, &r);
		} else {
			api_refuse(c, &refusal);
		}
	}
	buf_fini(&r.names);
}
