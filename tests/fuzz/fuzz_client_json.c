// Whatever text a client sends: what decodes says the same to another parser (jansson, which
// fuzz_jscan.c holds ours against), and comes out again as one message with the sender's own
// fields as they were and ours as we set them. Its id is read as well where something is wrong
// behind it. The first byte chooses the options.

#include <stdlib.h>

#include <jansson.h>

#include "common/check.h"
#include "common/utf8.h"
#include "edge/codec/codec.h"
#include "proto/names.h"
#include "tests/fuzz/fuzz.h"

static const char *const message_types[] = { "chat", "note" };
static const char *const ephemeral_types[] = { "cursor" };

static struct codec_options choose_options(uint8_t choice)
{
	return (struct codec_options){
		.lobby = (choice & 1) != 0 ? bytes_str("lobby") : bytes_make(NULL, 0),
		.message_types = message_types,
		.n_message_types = (choice & 2) != 0 ? ARRAY_LEN(message_types) : 0,
		.ephemeral_types = ephemeral_types,
		.n_ephemeral_types = ARRAY_LEN(ephemeral_types),
	};
}

static json_t *load(struct bytes text, size_t flags)
{
	return json_loadb((const char *)text.data, text.len,
		flags | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
}

static bool inside(struct bytes span, struct bytes whole)
{
	return span.data >= whole.data && span.data + span.len <= whole.data + whole.len;
}

static void check_span(const struct buf *scratch, struct bytes message, struct bytes span)
{
	CHECK(span.len == 0 || inside(span, message) || inside(span, buf_bytes(scratch)));
}

static struct bytes member_text(const json_t *tree, const char *name)
{
	const json_t *value = json_object_get(tree, name);
	return bytes_make(json_string_value(value), json_string_length(value));
}

static void check_id(const json_t *tree, struct bytes id)
{
	json_t *value = load(id, JSON_DECODE_ANY);
	CHECK(value != NULL && json_equal(value, json_object_get(tree, "id")));
	json_decref(value);
}

// Of a message that was JSON the id stays what it was when it is none any more.
static void check_id_is_salvaged(const struct codec_options *options, struct bytes message,
	struct bytes id)
{
	struct buf broken = { 0 };
	struct buf scratch = { 0 };
	struct command command;
	buf_append_bytes(&broken, message);
	buf_append_byte(&broken, ',');
	CHECK(codec_json.decode(options, buf_bytes(&broken), &scratch, &command) ==
		ERROR_INVALID_MESSAGE);
	CHECK(bytes_equal(command.id, id));
	buf_fini(&scratch);
	buf_fini(&broken);
}

static bool is_ours(const struct command *command, const char *name)
{
	static const char *const names[] = { "id", "type", "room", "key", "echo", "ephemeral",
		"from", "user", "username", "seq", "epoch", "timestamp" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return command->kind == COMMAND_DIRECT && strcmp(name, "to") == 0;
}

// The sender's own fields are in `out`, and nothing else but what we set.
static void check_fields(const struct command *command, json_t *tree, const json_t *out)
{
	enum {
		N_SET = 3
	};
	const char *name;
	json_t *value;
	size_t n_own = 0;
	json_object_foreach(tree, name, value)
	{
		if (!is_ours(command, name)) {
			CHECK(json_equal(value, json_object_get(out, name)));
			n_own++;
		}
	}
	CHECK(json_object_size(out) == n_own + N_SET);
}

// What was rendered, decoded as if a client had sent it, is the same publish.
static void check_decoded_again(const struct codec_options *options, struct bytes text,
	const struct client_event *event)
{
	struct buf scratch = { 0 };
	struct command again;
	CHECK(codec_json.decode(options, text, &scratch, &again) == ERROR_NONE);
	CHECK(again.kind == COMMAND_PUBLISH && again.id.len == 0 && again.key.len == 0);
	CHECK(bytes_equal(again.type, event->type) && bytes_equal(again.room, event->room));
	CHECK(bytes_equal(again.body, event->body));
	buf_fini(&scratch);
}

static void check_rendered(const struct codec_options *options, const struct command *command,
	json_t *tree)
{
	const bool publish = command->kind == COMMAND_PUBLISH;
	const struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = command->room.len > 0 ? command->room : bytes_str("r"),
		.type = publish ? command->type : bytes_str("note"),
		.user = bytes_str("u\n\"1"),
		.body = command->body,
	};
	struct buf text = { 0 };
	codec_json.encode(&text, &event);
	check_decoded_again(options, buf_bytes(&text), &event);
	json_t *out = load(buf_bytes(&text), 0);
	CHECK(out != NULL);
	CHECK(bytes_equal(member_text(out, "type"), event.type));
	CHECK(bytes_equal(member_text(out, "room"), event.room));
	CHECK(bytes_equal(member_text(out, "user"), event.user));
	check_fields(command, tree, out);
	json_decref(out);
	buf_fini(&text);
}

static void check_command(const struct codec_options *options, const struct command *command,
	json_t *tree)
{
	CHECK(bytes_equal(member_text(tree, "type"), command->type));
	CHECK(command->room.len == 0 ||
		(command->is_pattern ? room_pattern_valid : room_name_valid)(command->room));
	CHECK(!command->is_pattern || command->kind == COMMAND_JOIN ||
		command->kind == COMMAND_LEAVE);
	CHECK(!command->is_pattern || (!command->has_since && !command->want_presence));
	CHECK(command->key.len <= KEY_MAX && !(command->ephemeral && command->key.len > 0));
	switch (command->kind) {
	case COMMAND_PUBLISH:
	case COMMAND_DIRECT:
	case COMMAND_BROADCAST:
		CHECK((command->room.len == 0) == (command->kind == COMMAND_BROADCAST));
		check_rendered(options, command, tree);
		break;
	case COMMAND_HISTORY:
		CHECK(command->limit >= 1 && command->limit <= 100);
		break;
	default:
		CHECK(command->body.len == 0);
		break;
	}
}

static void check_spans(const struct command *command, const struct buf *scratch,
	struct bytes message)
{
	check_span(scratch, message, command->id);
	check_span(scratch, message, command->type);
	check_span(scratch, message, command->body);
	check_span(scratch, message, command->key);
	check_span(scratch, message, command->token);
	check_span(scratch, message, command->since_epoch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes message = bytes_make(data, size);
	struct codec_options options = choose_options(fuzz_take_byte(&message));
	if (!utf8_valid(message)) {
		return 0; // no such message gets to a codec
	}
	struct buf scratch = { 0 };
	struct command command;
	enum client_error error = codec_json.decode(&options, message, &scratch, &command);
	CHECK(error == ERROR_NONE || error == ERROR_INVALID_MESSAGE ||
		error == ERROR_UNKNOWN_TYPE || error == ERROR_BAD_ROOM ||
		error == ERROR_STARRED_ROOM);
	check_spans(&command, &scratch, message);
	// NULL for numbers that do not fit a double, too: those we carry.
	json_t *tree = load(message, 0);
	if (tree != NULL && command.id.len > 0) {
		check_id(tree, command.id);
	}
	if (tree != NULL) {
		check_id_is_salvaged(&options, message, command.id);
	}
	if (tree != NULL && error == ERROR_NONE) {
		check_command(&options, &command, tree);
	}
	json_decref(tree);
	buf_fini(&scratch);
	return 0;
}
