// The binary messages of subprotocol weir.v1.proto (proto/client.proto): what clients send. (What
// they are sent is in codec_proto_encode.c.)
//
// Decoding is two walks: over the message, for its id and its kind, and over the fields of that
// kind, which its row of CLIENT_COMMANDS lists by their numbers. Every field is a span of the
// message, so nothing is copied but what has to be put together: the name of a personal room, and a
// body from which something is left out, in the scratch buffer, which is made large enough for that
// first. The library was rejected: it allocates for the message and for each of its fields, and
// takes what this protocol refuses (texts that are no UTF-8, a field twice).
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
	FIELDS_MAX = COMMAND_ARGS_MAX,
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

static bool take_since(const struct fields *f, size_t number, struct command *command)
{
	struct fields since;
	command->has_since = f->present[number];
	if (!command->has_since) {
		return true;
	}
	if (!take_fields(f->data[number], "su", &since)) {
		return false;
	}
	command->since_epoch = since.data[1];
	command->since_seq = since.value[2];
	return true;
}

static bool take_presence(const struct fields *f, size_t number, struct command *command)
{
	command->want_presence = f->value[number] != 0;
	return true;
}

static bool take_before(const struct fields *f, size_t number, struct command *command)
{
	command->has_before = f->value[number] != 0;
	command->before = f->value[number];
	return true;
}

static bool take_limit(const struct fields *f, size_t number, struct command *command)
{
	uint64_t value = f->value[number] != 0 ? f->value[number] : HISTORY_LIMIT_DEFAULT;
	command->limit = value < HISTORY_LIMIT_MAX ? (uint32_t)value : HISTORY_LIMIT_MAX;
	return true;
}

static bool take_token(const struct fields *f, size_t number, struct command *command)
{
	command->token = f->data[number];
	return command->token.len > 0;
}

// The type of each argument's field, as take_fields() wants it, and how it is taken if that depends
// on nothing else of the command.
static const struct {
	char type;
	bool (*take)(const struct fields *f, size_t number, struct command *command);
} args[ARG_COUNT] = {
	[ARG_ROOM] = { 's' },
	[ARG_PATTERN] = { 's' },
	[ARG_SINCE] = { 'm', take_since },
	[ARG_PRESENCE] = { 'u', take_presence },
	[ARG_BEFORE] = { 'u', take_before },
	[ARG_LIMIT] = { 'u', take_limit },
	[ARG_TOKEN] = { 's', take_token },
	[ARG_TO] = { 's' },
	[ARG_TYPE] = { 's' },
	[ARG_BODY] = { 's' },
	[ARG_KEY] = { 's' },
	[ARG_NO_ECHO] = { 'u' },
	[ARG_EPHEMERAL] = { 'u' },
};

// A pattern stands in place of a room and of what else one asks of a room.
static enum client_error take_place(struct bytes room, struct bytes pattern,
	struct command *command)
{
	if (pattern.len == 0) {
		return take_room(room, command);
	}
	bool asks_more = room.len > 0 || command->want_presence || command->has_since;
	return asks_more ? ERROR_INVALID_MESSAGE : take_pattern(pattern, command);
}

// What a command says by the arguments of its row alone. The room comes last: what else is wrong is
// reported before it.
static enum client_error take_args(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	(void)scratch;
	const uint8_t *row = command_row(command->kind)->args;
	struct bytes room = { 0 };
	struct bytes pattern = { 0 };
	bool has_place = false;
	for (size_t number = 1; row[number - 1] != ARG_NONE; number++) {
		enum command_arg arg = row[number - 1];
		if (arg == ARG_ROOM) {
			has_place = true;
			room = f->data[number];
		} else if (arg == ARG_PATTERN) {
			pattern = f->data[number];
		} else if (!args[arg].take(f, number, command)) {
			return ERROR_INVALID_MESSAGE;
		}
	}
	return has_place ? take_place(room, pattern, command) : ERROR_NONE;
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

static enum client_error take_broadcast(const struct codec_options *options, const struct fields *f,
	struct buf *scratch, struct command *command)
{
	(void)options;
	return take_body(f->data[1], scratch, command) ? ERROR_NONE : ERROR_INVALID_MESSAGE;
}

// Commands whose arguments depend on each other.
static enum client_error (*const takers[COMMAND_COUNT])(const struct codec_options *options,
	const struct fields *f, struct buf *scratch, struct command *command) = {
	[COMMAND_PUBLISH] = take_publish,
	[COMMAND_DIRECT] = take_direct,
	[COMMAND_BROADCAST] = take_broadcast,
};

#define X(NAME, TYPE, text, number, ...) [number] = COMMAND_##NAME,
static const uint8_t kinds[] = { CLIENT_COMMANDS(X) }; // by number, from FIRST_KIND on
#undef X

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
		} else if (field.number < ARRAY_LEN(kinds)) {
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
	enum command_kind kind = kinds[envelope->kind];
	const struct command_row *row = command_row(kind);
	char types[COMMAND_ARGS_MAX + 1] = "";
	struct fields fields;
	for (size_t i = 0; row->args[i] != ARG_NONE; i++) {
		types[i] = args[row->args[i]].type;
	}
	if (!take_fields(envelope->fields, types, &fields)) {
		return ERROR_INVALID_MESSAGE;
	}
	command->kind = kind;
	command->type = bytes_str(type_name(row->type));
	return (takers[kind] != NULL ? takers[kind] : take_args)(options, &fields, scratch,
		command);
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
