// What all codecs share: codes and texts of errors, which of the protocol's types a client may send
// and what it means by them, the labels of the message counters. Tables, so that each word stands
// in the source once; the names of the types are the wire's (proto/names.h), since the router's
// admin plane must not publish them either.
#include "edge/codec/codec.h"

#include "proto/policy/rights.h"

static const struct {
	const char *code;
	const char *message;
} errors[ERROR_COUNT] = {
	[ERROR_NONE] = { "", "" },
	[ERROR_INVALID_MESSAGE] = { "invalid_message", "Invalid message format" },
	[ERROR_UNKNOWN_TYPE] = { "unknown_type", "Unknown message type" },
	[ERROR_BAD_ROOM] = { "bad_room", "Invalid room name" },
	[ERROR_STARRED_ROOM] = { "bad_room", "Invalid room name: * is for pattern only" },
	[ERROR_NOT_MEMBER] = { "not_member", "Not a member of this room" },
	[ERROR_FORBIDDEN] = { "forbidden", "Insufficient permissions" },
	[ERROR_LIMIT] = { "limit", "Limit reached" },
	[ERROR_RATE_LIMITED] = { "rate_limited", "Too many messages" },
	[ERROR_UNAVAILABLE] = { "unavailable", "Service temporarily unavailable" },
};

const char *client_error_code(enum client_error error)
{
	CHECK(error < ERROR_COUNT);
	return errors[error].code;
}

const char *client_error_message(enum client_error error)
{
	CHECK(error < ERROR_COUNT);
	return errors[error].message;
}

enum client_error codec_room_check(struct bytes room)
{
	if (room_name_valid(room)) {
		return ERROR_NONE;
	}
	return room_pattern_valid(room) ? ERROR_STARRED_ROOM : ERROR_BAD_ROOM;
}

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[OUTCOME_COUNT] = {
		[OUTCOME_NOT_SAID] = "",
		[OUTCOME_NONE] = "none",
		[OUTCOME_UNKNOWN] = "unknown",
	};
	CHECK(outcome < OUTCOME_COUNT);
	return names[outcome];
}

// Types that mean something else than a publish, for those that a client may send.
static const struct {
	bool sendable;
	enum command_kind kind;
} types[TYPE_COUNT] = {
	[TYPE_OTHER] = { true, COMMAND_PUBLISH },
	[TYPE_TYPING] = { true, COMMAND_PUBLISH },
	[TYPE_JOIN] = { true, COMMAND_JOIN },
	[TYPE_LEAVE] = { true, COMMAND_LEAVE },
	[TYPE_DIRECT] = { true, COMMAND_DIRECT },
	[TYPE_HISTORY] = { true, COMMAND_HISTORY },
	[TYPE_PRESENCE] = { true, COMMAND_PRESENCE },
	[TYPE_AUTH] = { true, COMMAND_AUTH },
	[TYPE_PING] = { true, COMMAND_PING },
	[TYPE_ADMIN_BROADCAST] = { true, COMMAND_BROADCAST },
};

enum known_type event_type(enum event_kind kind)
{
	static const enum known_type event_types[EVENT_COUNT] = {
		[EVENT_CONNECTED] = TYPE_CONNECTED,
		[EVENT_JOINED] = TYPE_JOINED,
		[EVENT_LEFT] = TYPE_LEFT,
		[EVENT_ACK] = TYPE_ACK,
		[EVENT_HISTORY] = TYPE_HISTORY,
		[EVENT_PRESENCE] = TYPE_PRESENCE,
		[EVENT_MEMBER_JOIN] = TYPE_MEMBER_JOIN,
		[EVENT_MEMBER_LEAVE] = TYPE_MEMBER_LEAVE,
		[EVENT_TOKEN_EXPIRING] = TYPE_TOKEN_EXPIRING,
		[EVENT_GAP] = TYPE_GAP,
		[EVENT_PONG] = TYPE_PONG,
		[EVENT_ERROR] = TYPE_ERROR,
	};
	CHECK(kind < EVENT_COUNT);
	return event_types[kind];
}

static const char *const default_message_types[] = { "chat" };

// Where `name` is in the list, or `n`.
static size_t list_find(const char *const *list, size_t n, struct bytes name)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes_equal_str(name, list[i])) {
			return i;
		}
	}
	return n;
}

bool codec_type_is_ephemeral(const struct codec_options *options, struct bytes type)
{
	size_t n = options->n_ephemeral_types;
	return type_find(type) == TYPE_TYPING || list_find(options->ephemeral_types, n, type) < n;
}

static enum client_error check_publish(const struct codec_options *options, struct bytes type)
{
	if (type_is_reserved(type)) {
		return ERROR_INVALID_MESSAGE;
	}
	size_t n = options->n_message_types;
	bool known = n == 0 || list_find(options->message_types, n, type) < n ||
		codec_type_is_ephemeral(options, type);
	return known ? ERROR_NONE : ERROR_UNKNOWN_TYPE;
}

enum client_error codec_type_check(const struct codec_options *options, struct bytes type,
	enum command_kind *kind)
{
	*kind = COMMAND_PUBLISH;
	enum known_type known = type_find(type);
	if (known < TYPE_COUNT) {
		if (!types[known].sendable) {
			return ERROR_INVALID_MESSAGE;
		}
		*kind = types[known].kind;
	}
	return *kind == COMMAND_PUBLISH ? check_publish(options, type) : ERROR_NONE;
}

// The labels behind the protocol's own.
static const char *const *label_list(const struct codec_options *options, size_t *n)
{
	bool given = options->n_message_types > 0;
	*n = given ? options->n_message_types : ARRAY_LEN(default_message_types);
	return given ? options->message_types : default_message_types;
}

size_t codec_type_count(const struct codec_options *options)
{
	size_t n;
	label_list(options, &n);
	return TYPE_COUNT + n;
}

const char *codec_type_label(const struct codec_options *options, size_t i)
{
	size_t n;
	const char *const *list = label_list(options, &n);
	CHECK(i < TYPE_COUNT + n);
	return i < TYPE_COUNT ? type_name((enum known_type)i) : list[i - TYPE_COUNT];
}

size_t codec_type_index(const struct codec_options *options, struct bytes type)
{
	size_t i = type_find(type);
	if (i < TYPE_COUNT) {
		return i;
	}
	size_t n;
	const char *const *list = label_list(options, &n);
	size_t at = list_find(list, n, type);
	return at < n ? TYPE_COUNT + at : 0;
}

void codec_put_needs(struct buf *out, const struct client_event *event)
{
	if (event->needs_right != 0) {
		buf_append_str(out, right_name((enum right)event->needs_right));
		buf_append_str(out, " on ");
		buf_append_bytes(out, event->room);
	} else if (event->needs_role != NULL) {
		buf_append_str(out, "role ");
		buf_append_str(out, event->needs_role);
	}
}
