// What all codecs share: codes and texts of errors, which of the protocol's types a client may send
// and what it means by them, the labels of the message counters. Tables, so that each word stands
// in the source once; the names of the types are the wire's (proto/names.h), since the router's
// admin plane must not publish them either.
#include "edge/codec/codec.h"

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

#define RIGHT(name) .right = RIGHT_##name
#define ADMIN       .admin = true
#define NOTHING     .right = 0
#define X(NAME, TYPE, text, n, need, item, ...)                                                    \
	[COMMAND_##NAME] = { TYPE_##TYPE, text, n, need, .args = { __VA_ARGS__ } },
const struct command_row *command_row(enum command_kind kind)
{
	static const struct command_row rows[COMMAND_COUNT] = { CLIENT_COMMANDS(X) };
	CHECK(kind < COMMAND_COUNT);
	return &rows[kind];
}
#undef X

#define P(name, number)                                                                            \
	{                                                                                          \
		PART_##name, number                                                                \
	}
#define X(NAME, TYPE, number, ...) [EVENT_##NAME] = { TYPE_##TYPE, number, { __VA_ARGS__ } },
const struct event_row *event_row(enum event_kind kind)
{
	static const struct event_row rows[EVENT_COUNT] = { CLIENT_EVENTS(X) };
	CHECK(kind < EVENT_COUNT);
	return &rows[kind];
}
#undef X

#define AT(field) offsetof(struct client_event, field)

const struct event_part_rule *event_part_rule(enum event_part part)
{
	static const struct event_part_rule rules[PART_COUNT] = {
		[PART_CLIENT_ID] = { FORM_TEXT, "clientId", AT(from) },
		[PART_USER] = { FORM_TEXT, "user", AT(user) },
		[PART_USERNAME] = { FORM_TEXT, "username", AT(username) },
		[PART_REASON] = { FORM_TEXT, "reason", AT(reason) },
		[PART_LIMIT] = { FORM_TEXT, "limit", AT(limit) },
		[PART_USERS] = { FORM_UINT32, "users", AT(users) },
		[PART_CONNECTIONS] = { FORM_UINT32, "connections", AT(connections) },
		[PART_CLOSED] = { FORM_UINT32, "closed", AT(members) },
		[PART_MAX_MESSAGE] = { FORM_UINT64, "maxMessage", AT(max_message) },
		[PART_FROM_SEQ] = { FORM_UINT64, "from", AT(from_seq) },
		[PART_TO_SEQ] = { FORM_UINT64, "to", AT(to_seq) },
	};
	CHECK(part < PART_COUNT);
	return &rules[part];
}

struct bytes event_text(const struct client_event *event, const struct event_part_rule *rule)
{
	struct bytes text;
	memcpy(&text, (const char *)event + rule->at, sizeof(text));
	return text;
}

uint64_t event_uint(const struct client_event *event, const struct event_part_rule *rule)
{
	const char *at = (const char *)event + rule->at;
	uint32_t small;
	uint64_t value;
	if (rule->form == FORM_UINT32) {
		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&value, at, sizeof(value));
	return value;
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

// COMMAND_COUNT if a client may not send it.
static enum command_kind kind_of(enum known_type type)
{
	enum command_kind kind = 0;
	if (type == TYPE_OTHER || type == TYPE_TYPING) {
		return COMMAND_PUBLISH;
	}
	while (kind < COMMAND_COUNT && command_row(kind)->type != type) {
		kind++;
	}
	return kind;
}

enum client_error codec_type_check(const struct codec_options *options, struct bytes type,
	enum command_kind *kind)
{
	enum known_type known = type_find(type);
	*kind = known < TYPE_COUNT ? kind_of(known) : COMMAND_PUBLISH;
	if (*kind == COMMAND_COUNT) {
		return ERROR_INVALID_MESSAGE;
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
