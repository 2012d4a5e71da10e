// The native JSON messages of subprotocol weir.v1.json: what clients send. (What they are sent is
// in codec_json_encode.c.)
//
// Decoding is one walk over the text. It sorts the members it meets into a slot for each name that
// means something and copies all others, raw, into the body that travels on: the sender's own
// fields stay byte for byte what he wrote. What a member means depends on the type, which may come
// last, so nothing is judged before the walk is over; that is also why an error can repeat the id.
// Where the walk fails because the text is no JSON, the id is looked for by looser rules. Building
// a tree and printing it again was rejected: it would change numbers, spacing and order, and cost
// many times the time.
//
// The scratch buffer is laid out before the walk: the body first, at most as long as the message,
// then room for each string of the message to be decoded once, then for a "user:" room. So it never
// grows while spans point into it; a CHECK holds that.
//
// Where the protocol leaves a choice: a member of the wrong JSON type is invalid_message, also
// `room`; a string that is no room name is bad_room; a `to` that is no user name is
// invalid_message. An escaped U+0000 travels in values, but not in `type` and in the names of
// fields: a receiver that keeps them as C strings would read "user\u0000" as the field that only we
// set.
//
// This file refuses to know rights, limits, connections, and whether a token or an epoch is any
// good. That the text is UTF-8 was checked when it arrived.
#include "edge/codec/codec_json.h"

#include "common/jscan.h"
#include "common/json_loose.h"
#include "edge/codec/member_names.h"
#include "proto/names.h"
#include "proto/policy/message_fields.h"

enum {
	ID_MAX = 64,
};

struct slot {
	struct bytes raw; // empty: no such member
	enum jscan_kind kind;
};

// A message after the walk.
struct parts {
	struct slot slots[FIELD_COUNT];
	struct member_names own; // of the members that have no slot
	bool nul_in_name;
	struct buf *scratch;
	size_t body_len;
	size_t to_start, to_end; // where `to` lies in the body
};

static void parts_init(struct parts *p, struct bytes message, struct buf *scratch)
{
	memset(p, 0, sizeof(*p));
	p->scratch = scratch;
	scratch->len = 0;
	size_t body_max = message.len + 2;
	buf_reserve(scratch, body_max + message.len + strlen(PERSONAL_PREFIX) + USER_NAME_MAX);
	scratch->data[0] = '{';
	p->body_len = 1;
	scratch->len = body_max;
}

static void body_append(struct parts *p, struct bytes text, uint8_t end)
{
	uint8_t *body = p->scratch->data;
	memcpy(body + p->body_len, text.data, text.len);
	body[p->body_len + text.len] = end;
	p->body_len += text.len + 1;
}

// Each member is followed by a comma; body_finish() makes the last one the closing brace.
static void body_add(struct parts *p, const struct jscan_member *member)
{
	body_append(p, member->raw_name, ':');
	body_append(p, member->raw_value, ',');
}

// `to` of a direct message is consumed.
static void body_drop_to(struct parts *p)
{
	uint8_t *body = p->scratch->data;
	memmove(body + p->to_start, body + p->to_end, p->body_len - p->to_end);
	p->body_len -= p->to_end - p->to_start;
}

static struct bytes body_finish(struct parts *p)
{
	uint8_t *body = p->scratch->data;
	if (p->body_len == 1) {
		p->body_len++;
	}
	body[p->body_len - 1] = '}';
	return bytes_make(body, p->body_len);
}

static void note_field(struct parts *p, enum message_field f, const struct jscan_member *member)
{
	struct slot *slot = &p->slots[f];
	if (slot->raw.len > 0) {
		p->own.repeated = true;
		slot->kind = JSCAN_NULL; // of two ids neither is the id
		return;
	}
	slot->raw = member->raw_value;
	slot->kind = member->kind;
}

static void take_member(struct parts *p, const struct jscan_member *member)
{
	struct bytes name = jscan_string_decode(member->raw_name, p->scratch);
	enum message_field f = message_field_find(name);
	p->nul_in_name |= member_has_nul(member->raw_name, name);
	if (f == FIELD_COUNT) {
		member_names_add(&p->own, name);
		body_add(p, member);
		return;
	}
	note_field(p, f, member);
	if (message_field_travels(f)) {
		size_t start = p->body_len;
		body_add(p, member);
		if (f == FIELD_TO) {
			p->to_start = start;
			p->to_end = p->body_len;
		}
	}
}

// The id of a text that is not valid, if it can be read. The rest of the message is of no use any
// more, nor is what was decoded of it.
static void salvage_id(struct parts *p, struct bytes message, size_t decoded)
{
	struct slot *slot = &p->slots[FIELD_ID];
	p->scratch->len = decoded;
	*slot = (struct slot){ 0 };
	if (!json_loose_find(message, message_field_name(FIELD_ID), p->scratch, &slot->raw,
		    &slot->kind)) {
		*slot = (struct slot){ 0 };
	}
}

// False if the text is no message, whatever its type.
static bool take_message(struct parts *p, struct bytes message)
{
	struct jscan scan;
	struct jscan_member member;
	const size_t decoded = p->scratch->len;
	int more;
	jscan_init(&scan, message);
	while ((more = jscan_next(&scan, &member)) > 0) {
		take_member(p, &member);
	}
	if (more < 0) {
		salvage_id(p, message, decoded);
	}
	return more == 0 && !p->nul_in_name && member_names_unique(&p->own, message);
}

static bool has(const struct parts *p, enum message_field f)
{
	return p->slots[f].raw.len > 0;
}

// A string of 1 to `max` bytes. Each string is decoded at most once; see the top.
static bool take_string(const struct parts *p, enum message_field f, size_t max, struct bytes *text)
{
	const struct slot *slot = &p->slots[f];
	if (slot->kind != JSCAN_STRING) {
		return false;
	}
	*text = jscan_string_decode(slot->raw, p->scratch);
	return text->len > 0 && text->len <= max;
}

// A boolean or absent.
static bool take_bool(const struct parts *p, enum message_field f, bool *value)
{
	if (!has(p, f)) {
		return true;
	}
	*value = p->slots[f].raw.data[0] == 't';
	return p->slots[f].kind == JSCAN_BOOL;
}

// An id is repeated as it was sent.
static bool take_id(const struct parts *p, struct bytes *id)
{
	const struct slot *slot = &p->slots[FIELD_ID];
	bool valid = !has(p, FIELD_ID);
	if (slot->kind == JSCAN_STRING) {
		struct bytes text;
		valid = take_string(p, FIELD_ID, ID_MAX, &text);
	} else if (slot->kind == JSCAN_NUMBER) {
		valid = jscan_is_integer(slot->raw) && slot->raw.len <= ID_MAX;
	}
	*id = valid ? slot->raw : bytes_make(NULL, 0);
	return valid;
}

static enum client_error take_room(const struct parts *p, struct bytes *room)
{
	if (!has(p, FIELD_ROOM)) {
		return ERROR_BAD_ROOM;
	}
	if (p->slots[FIELD_ROOM].kind != JSCAN_STRING) {
		return ERROR_INVALID_MESSAGE;
	}
	bool fits = take_string(p, FIELD_ROOM, ROOM_NAME_MAX, room);
	return fits ? codec_room_check(*room) : ERROR_BAD_ROOM;
}

// What a join or a leave names in place of a room.
static enum client_error take_pattern(const struct parts *p, struct command *command)
{
	if (has(p, FIELD_ROOM) || p->slots[FIELD_PATTERN].kind != JSCAN_STRING) {
		return ERROR_INVALID_MESSAGE;
	}
	command->is_pattern = true;
	bool fits = take_string(p, FIELD_PATTERN, ROOM_NAME_MAX, &command->room);
	return fits && room_pattern_valid(command->room) ? ERROR_NONE : ERROR_BAD_ROOM;
}

// What else is in `since` is ignored, but not twice.
static bool take_since(const struct parts *p, struct command *command)
{
	const struct slot *slot = &p->slots[FIELD_SINCE];
	if (!has(p, FIELD_SINCE) || slot->kind != JSCAN_OBJECT) {
		return !has(p, FIELD_SINCE);
	}
	struct member_names names = { 0 };
	struct jscan scan;
	struct jscan_member member;
	bool has_epoch = false;
	bool has_seq = false;
	jscan_init(&scan, slot->raw);
	while (jscan_next(&scan, &member) > 0) {
		struct bytes name = jscan_string_decode(member.raw_name, p->scratch);
		member_names_add(&names, name);
		if (bytes_equal_str(name, "epoch") && member.kind == JSCAN_STRING) {
			command->since_epoch = jscan_string_decode(member.raw_value, p->scratch);
			has_epoch = true;
		} else if (bytes_equal_str(name, "seq") && member.kind == JSCAN_NUMBER) {
			has_seq = jscan_uint_decode(member.raw_value, &command->since_seq);
		}
	}
	command->has_since = has_epoch && has_seq && member_names_unique(&names, slot->raw);
	return command->has_since;
}

// Above HISTORY_LIMIT_MAX it counts as that, however many digits it has.
static bool take_limit(const struct parts *p, struct command *command)
{
	command->limit = HISTORY_LIMIT_DEFAULT;
	if (!has(p, FIELD_LIMIT)) {
		return true;
	}
	struct bytes raw = p->slots[FIELD_LIMIT].raw;
	uint64_t value = HISTORY_LIMIT_MAX;
	if (p->slots[FIELD_LIMIT].kind != JSCAN_NUMBER || !jscan_is_integer(raw) ||
		raw.data[0] == '-' || (jscan_uint_decode(raw, &value) && value < 1)) {
		return false;
	}
	command->limit = value < HISTORY_LIMIT_MAX ? (uint32_t)value : HISTORY_LIMIT_MAX;
	return true;
}

static bool take_before(const struct parts *p, struct command *command)
{
	const struct slot *before = &p->slots[FIELD_BEFORE];
	command->has_before = has(p, FIELD_BEFORE);
	return !command->has_before ||
		(before->kind == JSCAN_NUMBER && jscan_uint_decode(before->raw, &command->before));
}

static bool take_presence(const struct parts *p, struct command *command)
{
	return take_bool(p, FIELD_PRESENCE, &command->want_presence);
}

static bool take_token(const struct parts *p, struct command *command)
{
	return take_string(p, FIELD_TOKEN, SIZE_MAX, &command->token);
}

// Arguments that depend on nothing else of the command.
static bool (*const args[ARG_COUNT])(const struct parts *p, struct command *command) = {
	[ARG_SINCE] = take_since,
	[ARG_PRESENCE] = take_presence,
	[ARG_BEFORE] = take_before,
	[ARG_LIMIT] = take_limit,
	[ARG_TOKEN] = take_token,
};

// A pattern stands in place of a room and of what else one asks of a room.
static enum client_error take_place(const struct parts *p, bool by_pattern, struct command *command)
{
	if (!by_pattern) {
		return take_room(p, &command->room);
	}
	bool asks_more = command->want_presence || command->has_since;
	return asks_more ? ERROR_INVALID_MESSAGE : take_pattern(p, command);
}

// What a command says by the arguments of its row alone. The room comes last: what else is wrong is
// reported before it.
static enum client_error take_args(const struct codec_options *options, struct parts *p,
	struct command *command)
{
	(void)options;
	bool has_place = false;
	bool by_pattern = false;
	for (const uint8_t *arg = command_row(command->kind)->args; *arg != ARG_NONE; arg++) {
		if (*arg == ARG_ROOM) {
			has_place = true;
		} else if (*arg == ARG_PATTERN) {
			by_pattern = has(p, FIELD_PATTERN);
		} else if (!args[*arg](p, command)) {
			return ERROR_INVALID_MESSAGE;
		}
	}
	return has_place ? take_place(p, by_pattern, command) : ERROR_NONE;
}

// Another form than a trace can have is the sender's own affair.
static void take_trace(const struct parts *p, struct bytes *trace)
{
	struct bytes text;
	if (has(p, FIELD_TRACEPARENT) && take_string(p, FIELD_TRACEPARENT, TRACE_MAX, &text) &&
		trace_valid(text)) {
		*trace = text;
	}
}

// The options of a publish, in whatever form it comes.
static bool take_publish_options(const struct parts *p, struct command *command)
{
	bool echo = true;
	if (!take_bool(p, FIELD_ECHO, &echo) ||
		!take_bool(p, FIELD_EPHEMERAL, &command->ephemeral) ||
		(has(p, FIELD_KEY) && !take_string(p, FIELD_KEY, KEY_MAX, &command->key))) {
		return false;
	}
	command->no_echo = !echo;
	take_trace(p, &command->trace);
	return true;
}

static enum client_error take_publish(const struct codec_options *options, struct parts *p,
	struct command *command)
{
	if (!take_publish_options(p, command)) {
		return ERROR_INVALID_MESSAGE;
	}
	command->ephemeral |= codec_type_is_ephemeral(options, command->type);
	if (command->ephemeral && command->key.len > 0) {
		return ERROR_INVALID_MESSAGE;
	}
	command->body = body_finish(p);
	command->room = options->lobby;
	if (!has(p, FIELD_ROOM) && options->lobby.len > 0) {
		return ERROR_NONE;
	}
	return take_room(p, &command->room);
}

// A user's name, or the integer that a token has for one.
static bool take_to(const struct parts *p, struct bytes *to)
{
	const struct slot *slot = &p->slots[FIELD_TO];
	if (slot->kind == JSCAN_NUMBER) {
		*to = slot->raw;
		return jscan_is_integer(slot->raw) && slot->raw.len <= USER_NAME_MAX;
	}
	return take_string(p, FIELD_TO, USER_NAME_MAX, to) && user_name_valid(*to);
}

static enum client_error take_direct(const struct codec_options *options, struct parts *p,
	struct command *command)
{
	(void)options;
	struct bytes to;
	if (!take_publish_options(p, command) || (command->ephemeral && command->key.len > 0) ||
		!take_to(p, &to)) {
		return ERROR_INVALID_MESSAGE;
	}
	size_t start = p->scratch->len;
	buf_append_str(p->scratch, PERSONAL_PREFIX);
	buf_append_bytes(p->scratch, to);
	command->room = bytes_from(buf_bytes(p->scratch), start);
	body_drop_to(p);
	command->body = body_finish(p);
	return codec_room_check(command->room);
}

// Its options are checked like those of a publish, so that nobody takes a typing error for a
// success; they have no effect.
static enum client_error take_broadcast(const struct codec_options *options, struct parts *p,
	struct command *command)
{
	(void)options;
	struct command unused = { 0 };
	if (!take_publish_options(p, &unused)) {
		return ERROR_INVALID_MESSAGE;
	}
	command->body = body_finish(p);
	return ERROR_NONE;
}

// Commands whose arguments depend on each other.
static enum client_error (*const takers[COMMAND_COUNT])(const struct codec_options *options,
	struct parts *p, struct command *command) = {
	[COMMAND_PUBLISH] = take_publish,
	[COMMAND_DIRECT] = take_direct,
	[COMMAND_BROADCAST] = take_broadcast,
};

static enum client_error take_command(const struct codec_options *options, struct parts *p,
	struct command *command)
{
	if (!take_string(p, FIELD_TYPE, TYPE_NAME_MAX, &command->type) ||
		member_has_nul(p->slots[FIELD_TYPE].raw, command->type)) {
		return ERROR_INVALID_MESSAGE;
	}
	enum client_error error = codec_type_check(options, command->type, &command->kind);
	if (error != ERROR_NONE) {
		return error;
	}
	enum command_kind kind = command->kind;
	return (takers[kind] != NULL ? takers[kind] : take_args)(options, p, command);
}

static enum client_error decode(const struct codec_options *options, struct bytes message,
	struct buf *scratch, struct command *command)
{
	struct parts p;
	parts_init(&p, message, scratch);
	const uint8_t *base = scratch->data;
	bool valid = take_message(&p, message);
	struct bytes id;
	valid = take_id(&p, &id) && valid;
	*command = (struct command){ .id = id };
	enum client_error error =
		valid ? take_command(options, &p, command) : ERROR_INVALID_MESSAGE;
	CHECK(scratch->data == base);
	if (error != ERROR_NONE) {
		*command = (struct command){ .id = id };
	}
	return error;
}

const struct codec codec_json = {
	.name = "json",
	.binary = false,
	.decode = decode,
	.encode = codec_json_encode,
};
