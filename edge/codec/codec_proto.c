// The binary messages of subprotocol weir.v1.proto (proto/client.proto): what clients send. (What
// they are sent is in codec_proto_encode.c.)
//
// Decoding is two walks: over the message, for its id and its kind, and over the fields of that
// kind, which a table lists by their numbers. Every field is a span of the message, so nothing is
// copied but what has to be put together: the name of a personal room, and a body from which
// something is left out, in the scratch buffer, which is made large enough for that first. The
// library was rejected: it allocates for the message and for each of its
// fields, and takes what this protocol refuses (texts that are no UTF-8, a field twice).
//
// The sender's own fields come as the text of one JSON object. They are held to the rules of the
// JSON codec, since they reach its clients between members of our own: valid, no name twice, no
// U+0000 in a name. Names that would not travel there do not travel here. What travels is passed on
// as it was sent, with the white space within.
//
// Where the protocol leaves a choice: zero and empty mean absent, as proto3 has it; fields with
// numbers that are not in the schema are ignored; a known one of another wire type, one that comes
// twice and a second kind are invalid_message, because of two readers one would take the first and
// the other the last.
#include "edge/codec/codec_proto.h"

#include "common/ascii.h"
#include "common/jscan.h"
#include "common/utf8.h"
#include "edge/codec/member_names.h"
#include "proto/names.h"
#include "proto/pb_wire.h"
#include "proto/policy/message_fields.h"

enum {
	ID_MAX = 64,
	FIELD_NUMBER_ID = 1, // of ClientMessage; the kinds have 2 and on
	FIRST_KIND = 2,
	FIELDS_MAX = 6, // of a kind
};

// The fields of a message by their numbers; what did not come is zero or empty.
struct fields {
	uint64_t value[FIELDS_MAX + 1];
	struct bytes data[FIELDS_MAX + 1];
	bool present[FIELDS_MAX + 1];
};

// Takes the fields of `message` whose types are listed: u an integer or bool, s a text of UTF-8, m
// a message.
static bool take_fields(struct bytes message, const char *types, struct fields *fields)
{
	struct pb_field field;
	const size_t n = strlen(types);
	int more;
	memset(fields, 0, sizeof(*fields));
	while ((more = pb_field_next(&message, &field)) > 0) {
		if (field.number > n) {
			continue;
		}
		char type = types[field.number - 1];
		if (fields->present[field.number] ||
			field.type != (type == 'u' ? PB_VARINT : PB_LEN) ||
			(type == 's' && !utf8_valid(field.data))) {
			return false;
		}
		fields->present[field.number] = true;
		fields->value[field.number] = field.value;
		fields->data[field.number] = field.data;
	}
	return more == 0;
}

// ---- the sender's own fields

static bool travels(enum command_kind kind, enum message_field f)
{
	return message_field_travels(f) && !(f == FIELD_TO && kind == COMMAND_DIRECT);
}

static void append_member(struct buf *out, const struct jscan_member *member)
{
	buf_append_bytes(out, member->raw_name);
	buf_append_byte(out, ':');
	buf_append_bytes(out, member->raw_value);
	buf_append_byte(out, ',');
}

// Of a valid object, the members that travel. They are written to `scratch`; names that have to be
// decoded are put behind them and taken away again.
static struct bytes body_without(struct bytes object, enum command_kind kind, struct buf *scratch)
{
	struct jscan scan;
	struct jscan_member member;
	size_t start = scratch->len;
	jscan_init(&scan, object);
	buf_append_byte(scratch, '{');
	while (jscan_next(&scan, &member) > 0) {
		size_t end = scratch->len;
		struct bytes name = jscan_string_decode(member.raw_name, scratch);
		enum message_field f = message_field_find(name);
		scratch->len = end;
		if (travels(kind, f)) {
			append_member(scratch, &member);
		}
	}
	if (scratch->len > start + 1) {
		scratch->len--;
	}
	buf_append_byte(scratch, '}');
	return bytes_from(buf_bytes(scratch), start);
}

// The member travels too. Another form than a trace can have is the sender's own affair.
static void take_trace(const struct jscan_member *member, struct buf *scratch,
	struct command *command)
{
	if (member->kind == JSCAN_STRING && command->kind != COMMAND_BROADCAST) {
		struct bytes text = jscan_string_decode(member->raw_value, scratch);
		command->trace = trace_valid(text) ? text : command->trace;
	}
}

// False if `text` is no object that may travel. `scratch` must have room for twice its length.
static bool take_body(struct bytes text, struct buf *scratch, struct command *command)
{
	struct member_names names = { 0 };
	struct jscan scan;
	struct jscan_member member;
	bool all_travel = true;
	bool has_nul = false;
	int more;
	// White space as in RFC 8259 section 2.
	command->body = text.len > 0 ? ascii_trim(text, " \n\t\r") : bytes_str("{}");
	jscan_init(&scan, command->body);
	while ((more = jscan_next(&scan, &member)) > 0) {
		struct bytes name = jscan_string_decode(member.raw_name, scratch);
		member_names_add(&names, name);
		has_nul |= member_has_nul(member.raw_name, name);
		enum message_field f = message_field_find(name);
		all_travel = all_travel && travels(command->kind, f);
		if (f == FIELD_TRACEPARENT) {
			take_trace(&member, scratch, command);
		}
	}
	if (more < 0 || has_nul || !member_names_unique(&names, command->body)) {
		return false;
	}
	if (!all_travel) {
		command->body = body_without(command->body, command->kind, scratch);
	}
	return true;
}

// ---- the kinds

static enum client_error take_room(struct bytes room, struct command *command)
{
	command->room = room;
	return codec_room_check(room);
}

static enum client_error take_pattern(struct bytes pattern, struct command *command)
{
	command->room = pattern;
	command->is_pattern = true;
	return room_pattern_valid(pattern) ? ERROR_NONE : ERROR_BAD_ROOM;
}

static bool take_key(struct bytes key, struct command *command)
{
	command->key = key;
	return key.len <= KEY_MAX;
}

static enum client_error take_join(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	command->want_presence = f->value[3] != 0;
	command->has_since = f->present[2];
	if (command->has_since) {
		struct fields since;
		if (!take_fields(f->data[2], "su", &since)) {
			return ERROR_INVALID_MESSAGE;
		}
		command->since_epoch = since.data[1];
		command->since_seq = since.value[2];
	}
	if (f->data[4].len == 0) {
		return take_room(f->data[1], command);
	}
	bool asks_more = f->data[1].len > 0 || command->want_presence || command->has_since;
	return asks_more ? ERROR_INVALID_MESSAGE : take_pattern(f->data[4], command);
}

static enum client_error take_leave(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	if (f->data[2].len == 0) {
		return take_room(f->data[1], command);
	}
	return f->data[1].len > 0 ? ERROR_INVALID_MESSAGE : take_pattern(f->data[2], command);
}

// A question who is there.
static enum client_error take_room_only(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	return take_room(f->data[1], command);
}

static enum client_error take_publish(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	enum command_kind kind;
	command->type = f->data[2];
	if (command->type.len == 0 || command->type.len > TYPE_NAME_MAX ||
		bytes_has_nul(command->type)) {
		return ERROR_INVALID_MESSAGE;
	}
	enum client_error error = codec_type_check(options, command->type, &kind);
	if (error != ERROR_NONE) {
		return error;
	}
	command->no_echo = f->value[5] != 0;
	command->ephemeral = f->value[6] != 0 || codec_type_is_ephemeral(options, command->type);
	if (kind != COMMAND_PUBLISH || !take_key(f->data[4], command) ||
		(command->ephemeral && command->key.len > 0) ||
		!take_body(f->data[3], scratch, command)) {
		return ERROR_INVALID_MESSAGE;
	}
	bool to_lobby = f->data[1].len == 0 && options->lobby.len > 0;
	return take_room(to_lobby ? options->lobby : f->data[1], command);
}

static enum client_error take_direct(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	if (!user_name_valid(f->data[1]) || !take_key(f->data[3], command) ||
		!take_body(f->data[2], scratch, command)) {
		return ERROR_INVALID_MESSAGE;
	}
	size_t start = scratch->len;
	buf_append_str(scratch, PERSONAL_PREFIX);
	buf_append_bytes(scratch, f->data[1]);
	command->room = bytes_from(buf_bytes(scratch), start);
	return codec_room_check(command->room);
}

static enum client_error take_history(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	command->has_before = f->value[2] != 0;
	command->before = f->value[2];
	command->limit = HISTORY_LIMIT_DEFAULT;
	if (f->value[3] != 0) {
		command->limit =
			f->value[3] < HISTORY_LIMIT_MAX ? (uint32_t)f->value[3] : HISTORY_LIMIT_MAX;
	}
	return take_room(f->data[1], command);
}

static enum client_error take_auth(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	command->token = f->data[1];
	return command->token.len > 0 ? ERROR_NONE : ERROR_INVALID_MESSAGE;
}

static enum client_error take_ping(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)f;
	(void)scratch;
	(void)command;
	return ERROR_NONE;
}

static enum client_error take_broadcast(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	return take_body(f->data[1], scratch, command) ? ERROR_NONE : ERROR_INVALID_MESSAGE;
}

// In the order of their numbers. The types of their fields are as take_fields() wants them; a
// publish brings its own type.
static const struct {
	const char *fields;
	enum command_kind kind;
	enum known_type type;
	enum client_error (*take)(const struct codec_options *options, const struct fields *f,
		struct buf *scratch, struct command *command);
} kinds[] = {
	{ "smus", COMMAND_JOIN, TYPE_JOIN, take_join },
	{ "ss", COMMAND_LEAVE, TYPE_LEAVE, take_leave },
	{ "ssssuu", COMMAND_PUBLISH, TYPE_OTHER, take_publish },
	{ "sss", COMMAND_DIRECT, TYPE_DIRECT, take_direct },
	{ "suu", COMMAND_HISTORY, TYPE_HISTORY, take_history },
	{ "s", COMMAND_PRESENCE, TYPE_PRESENCE, take_room_only },
	{ "s", COMMAND_AUTH, TYPE_AUTH, take_auth },
	{ "", COMMAND_PING, TYPE_PING, take_ping },
	{ "s", COMMAND_BROADCAST, TYPE_ADMIN_BROADCAST, take_broadcast },
};

// ---- the message

struct envelope {
	struct bytes id;
	uint32_t kind; // its number; 0: none
	struct bytes fields;
};

static bool take_id(const struct pb_field *field, struct bytes *id)
{
	if (field->type != PB_LEN || field->data.len > ID_MAX || !utf8_valid(field->data)) {
		return false;
	}
	*id = field->data;
	return true;
}

// False if it is no message. Of two ids neither is the id.
static bool take_envelope(struct bytes message, struct envelope *envelope)
{
	struct pb_field field;
	unsigned n_ids = 0;
	bool valid = true;
	int more;
	*envelope = (struct envelope){ 0 };
	while ((more = pb_field_next(&message, &field)) > 0) {
		if (field.number == FIELD_NUMBER_ID) {
			n_ids++;
			valid = take_id(&field, &envelope->id) && valid;
		} else if (field.number < FIRST_KIND + ARRAY_LEN(kinds)) {
			valid = valid && envelope->kind == 0 && field.type == PB_LEN;
			envelope->kind = field.number;
			envelope->fields = field.data;
		}
	}
	if (n_ids > 1) {
		envelope->id = bytes_make(NULL, 0);
	}
	return valid && more == 0 && n_ids <= 1 && envelope->kind != 0;
}

static enum client_error take_command(const struct codec_options *options,
	const struct envelope *envelope, struct buf *scratch, struct command *command)
{
	size_t i = envelope->kind - FIRST_KIND;
	struct fields fields;
	if (!take_fields(envelope->fields, kinds[i].fields, &fields)) {
		return ERROR_INVALID_MESSAGE;
	}
	command->kind = kinds[i].kind;
	command->type = bytes_str(type_name(kinds[i].type));
	return kinds[i].take(options, &fields, scratch, command);
}

static enum client_error decode(const struct codec_options *options, struct bytes message,
	struct buf *scratch, struct command *command)
{
	struct envelope envelope;
	bool valid = take_envelope(message, &envelope);
	enum client_error error = ERROR_INVALID_MESSAGE;
	*command = (struct command){ .id = envelope.id };
	scratch->len = 0;
	buf_reserve(scratch, 2 * message.len + strlen(PERSONAL_PREFIX) + USER_NAME_MAX);
	const uint8_t *base = scratch->data;
	if (valid) {
		error = take_command(options, &envelope, scratch, command);
	}
	CHECK(scratch->data == base); // spans point into it
	if (error != ERROR_NONE) {
		*command = (struct command){ .id = envelope.id };
	}
	return error;
}

const struct codec codec_proto = {
	.name = "proto",
	.binary = true,
	.decode = decode,
	.encode = codec_proto_encode,
};
