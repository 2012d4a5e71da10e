// A codec turns a client's message into a command and an event into a client's message. Everything
// past it speaks one envelope: room, epoch, seq, time, type, sender, body bytes, flags. A table of
// functions per subprotocol; knows no connection and no link.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "proto/names.h"
#include "proto/policy/rights.h"

// See CLIENT_COMMANDS. Of COMMAND_DIRECT `room` is "user:<to>" and `type` is "direct"; of
// COMMAND_DISCONNECT, which only the HTTP API sends, `room` is the user.
#define X(NAME, ...) COMMAND_##NAME,
enum command_kind {
	CLIENT_COMMANDS(X) COMMAND_COUNT
};
#undef X

enum command_arg { // what a command says
	ARG_NONE,
	ARG_ROOM,
	ARG_PATTERN, // in place of a room
	ARG_SINCE,
	ARG_PRESENCE,
	ARG_BEFORE,
	ARG_LIMIT,
	ARG_TOKEN,
	ARG_TO,
	ARG_TYPE,
	ARG_BODY,
	ARG_KEY,
	ARG_NO_ECHO,
	ARG_EPHEMERAL,
	ARG_COUNT,
};

enum {
	COMMAND_ARGS_MAX = 6
};

struct command_row {
	enum known_type type; // TYPE_OTHER: it brings its own, or has none
	const char *name; // in records of what was refused
	uint32_t number; // in ClientMessage; 0: none
	enum right right; // that it needs on its room; 0: none
	bool admin; // only an administrator's
	uint8_t args[COMMAND_ARGS_MAX + 1]; // enum command_arg, by number - 1; ends with ARG_NONE
};
const struct command_row *command_row(enum command_kind kind);

// Codes and messages of protocol section 3; one table in codec.c.
enum client_error {
	ERROR_NONE,
	ERROR_INVALID_MESSAGE,
	ERROR_UNKNOWN_TYPE,
	ERROR_BAD_ROOM,
	ERROR_STARRED_ROOM, // the same code; the message names what takes a star
	ERROR_NOT_MEMBER,
	ERROR_FORBIDDEN,
	ERROR_LIMIT,
	ERROR_RATE_LIMITED,
	ERROR_UNAVAILABLE,
	ERROR_COUNT,
};
const char *client_error_code(enum client_error error);
const char *client_error_message(enum client_error error);

enum outcome { // of an ERROR_UNAVAILABLE
	OUTCOME_NOT_SAID,
	OUTCOME_NONE,
	OUTCOME_UNKNOWN,
	OUTCOME_COUNT,
};
const char *outcome_name(enum outcome outcome); // "" if it is not said

// ERROR_NONE if `room` is a room's name.
MUST_CHECK enum client_error codec_room_check(struct bytes room);

// One client message. Spans borrow from the message and from the scratch buffer given to decode.
struct command {
	enum command_kind kind;
	// As the codec has it (JSON: with quotes if a string), for an answer by the same codec;
	// empty: none.
	struct bytes id;
	struct bytes room; // decoded and valid; the lobby if a publish names none
	bool is_pattern; // COMMAND_JOIN, COMMAND_LEAVE: `room` is a pattern of rooms
	struct bytes type; // decoded
	struct bytes body; // the sender's own fields as one JSON object, values byte for byte
	struct bytes key;
	struct bytes trace; // what the sender calls the message, for who asks later; empty: nothing
	bool no_echo;
	bool ephemeral;
	bool want_presence;
	bool has_since;
	struct bytes since_epoch;
	uint64_t since_seq;
	bool has_before;
	uint64_t before;
	uint32_t limit; // 1-100
	struct bytes token;
};

// See CLIENT_EVENTS. EVENT_MESSAGE is also a broadcast: empty room. EVENT_DISCONNECTED is of the
// HTTP API: `members` connections were closed.
#define X(NAME, ...) EVENT_##NAME,
enum event_kind {
	CLIENT_EVENTS(X) EVENT_COUNT
};
#undef X

struct event_message { // one entry of a history
	struct bytes type, from, user, username, body;
	uint64_t seq;
	int64_t timestamp_ms;
};

struct event_user { // one entry of a presence list
	struct bytes user, username;
	uint32_t clients;
};

// One server message. What a kind does not use is ignored; empty optional spans are left out.
struct client_event {
	enum event_kind kind;
	struct bytes id; // as in command
	struct bytes room;
	bool is_pattern; // EVENT_JOINED, EVENT_LEFT, EVENT_ERROR: `room` is a pattern of rooms
	struct bytes type;
	struct bytes from; // clientId; EVENT_CONNECTED: one's own
	struct bytes user;
	struct bytes username;
	uint64_t epoch; // 0: leave epoch and seq out
	uint64_t seq; // EVENT_MESSAGE, EVENT_ACK: 0 (ephemeral) leaves both out, too
	int64_t timestamp_ms; // 0: leave out
	struct bytes body; // a JSON object
	uint32_t members;
	bool has_members;
	bool duplicate;
	bool has_recovered;
	bool recovered;
	struct bytes reason; // EVENT_LEFT, EVENT_GAP
	uint64_t from_seq, to_seq; // EVENT_GAP
	enum client_error error;
	enum outcome outcome;
	unsigned needs_right; // EVENT_ERROR: the enum right that `room` asks for; 0: leave out
	const char *needs_role; // EVENT_ERROR: the role that it takes; NULL: leave out
	struct bytes limit; // EVENT_ERROR: the option that was exceeded; empty: leave out
	uint64_t after_ms; // EVENT_ERROR: 0: leave out
	const char *const *roles; // EVENT_CONNECTED
	size_t n_roles;
	uint64_t heartbeat_interval_s, heartbeat_timeout_s;
	int64_t expires_s; // EVENT_CONNECTED: 0 = no `expires`; EVENT_TOKEN_EXPIRING: seconds left
	uint64_t max_message;
	const struct event_message *messages; // EVENT_HISTORY, EVENT_JOINED: if has_messages
	size_t n_messages;
	bool has_messages;
	uint32_t users, connections; // EVENT_PRESENCE
	const struct event_user *present;
	size_t n_present;
};

// What decoding needs to know of the options.
struct codec_options {
	struct bytes lobby; // empty: none
	const char *const *message_types; // n_message_types; none: every type goes
	size_t n_message_types;
	const char *const *ephemeral_types;
	size_t n_ephemeral_types;
};

// What an event says; see event_part_rule().
enum event_part {
	PART_NONE,
	PART_ID,
	PART_ROOM,
	PART_PATTERN,
	PART_POSITION, // epoch and seq; of the binary form the number is that of the epoch
	PART_PUBLISHED_POSITION, // the same, if it has a seq
	PART_EPOCH,
	PART_FROM_SEQ,
	PART_TO_SEQ,
	PART_TIMESTAMP,
	PART_RECOVERED,
	PART_MEMBERS,
	PART_MESSAGES,
	PART_DUPLICATE,
	PART_CLIENT_ID,
	PART_USER,
	PART_USERNAME,
	PART_ROLES,
	PART_HEARTBEAT, // interval and timeout
	PART_SESSION,
	PART_MAX_MESSAGE,
	PART_REASON,
	PART_USERS,
	PART_CONNECTIONS,
	PART_PRESENT,
	PART_EXPIRES_IN,
	PART_CODE,
	PART_TEXT,
	PART_NEEDS,
	PART_OUTCOME,
	PART_LIMIT,
	PART_AFTER,
	PART_CLOSED,
	PART_PUBLISHED, // all that a published message says
	PART_COUNT,
};

// How a part is written that is a field of the event and nothing else. The others are written by a
// function of each codec.
enum part_form {
	FORM_OWN,
	FORM_TEXT, // struct bytes; left out if empty
	FORM_UINT32,
	FORM_UINT64,
};
struct event_part_rule {
	enum part_form form;
	const char *name; // in JSON
	size_t at; // offset in struct client_event
};
const struct event_part_rule *event_part_rule(enum event_part part);
// The field of a part of FORM_TEXT, and of one of the other two.
struct bytes event_text(const struct client_event *event, const struct event_part_rule *rule);
uint64_t event_uint(const struct client_event *event, const struct event_part_rule *rule);

enum {
	EVENT_PARTS_MAX = 9
};
struct event_row {
	// What `type` says of it: a published message brings its own, and what only the HTTP API is
	// sent has none (both TYPE_OTHER).
	enum known_type type;
	uint8_t number; // in ServerMessage; 0: none
	struct {
		uint8_t part; // enum event_part
		uint8_t number; // 0: not in the binary form
	} parts[EVENT_PARTS_MAX + 1]; // in the order of JSON; ends with PART_NONE
};
const struct event_row *event_row(enum event_kind kind);

enum codec_id {
	CODEC_JSON,
	CODEC_PROTO,
	CODEC_COUNT,
};

struct codec {
	const char *name; // "json"
	bool binary; // its messages come and go in binary frames, else in text frames
	// Returns ERROR_NONE and the command, or what is wrong with it; then only `id` is filled
	// in, if it was found. `message` is valid UTF-8 if it came as text. `scratch` is emptied
	// first; the command is good until it is used again.
	enum client_error (*decode)(const struct codec_options *options, struct bytes message,
		struct buf *scratch, struct command *command);
	// Appends one whole message.
	void (*encode)(struct buf *out, const struct client_event *event);
};

// Appends what would allow the request that an EVENT_ERROR refuses: "publish on user:bob", "role
// admin", or nothing.
void codec_put_needs(struct buf *out, const struct client_event *event);

extern const struct codec codec_json; // weir.v1.json
extern const struct codec codec_proto; // weir.v1.proto; all events but those of the HTTP API
const struct codec *codec_of(enum codec_id id);

// How many connections speak each codec, so that what goes to many is rendered for those alone.
// Whoever reads a count after a client has become a member of a room finds that client in it.
struct codec_use {
	_Atomic uint32_t n[CODEC_COUNT];
};

// What a client means by a message of `type`: its kind (COMMAND_PUBLISH for all names that are not
// reserved), ERROR_INVALID_MESSAGE for a type that is reserved and not a client's to send, or
// ERROR_UNKNOWN_TYPE for one that option message-types leaves out.
MUST_CHECK enum client_error codec_type_check(const struct codec_options *options,
	struct bytes type, enum command_kind *kind);
// True if a publish of `type` is never sequenced: `typing`, and what option ephemeral-types adds.
bool codec_type_is_ephemeral(const struct codec_options *options, struct bytes type);

// The labels of `websocket_messages_*_total{type}`, a fixed set: 0 is `other`, for what is in no
// list; then the names of the protocol; then option message-types, or `chat` without it. A label
// that an option repeats has the lower index; whoever writes the set out skips the i for which
// codec_type_index(codec_type_label(i)) is another.
size_t codec_type_count(const struct codec_options *options);
const char *codec_type_label(const struct codec_options *options, size_t i);
size_t codec_type_index(const struct codec_options *options, struct bytes type);
