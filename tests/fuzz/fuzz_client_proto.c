// Whatever bytes a client of the binary codec sends: what decodes says the same to the library, and
// comes out again as one message of either codec, with the sender's own fields in the text of one
// object that is good for JSON clients. The first byte chooses the options.

#include <stdlib.h>

#include "client.pb-c.h"
#include "common/check.h"
#include "common/jscan.h"
#include "common/utf8.h"
#include "edge/codec/codec.h"
#include "proto/names.h"
#include "proto/policy/message_fields.h"
#include "tests/fuzz/fuzz.h"

typedef Weir__Client__V1__ClientMessage client_message;
typedef Weir__Client__V1__ServerMessage server_message;

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

static bool inside(struct bytes span, struct bytes whole)
{
	return span.data >= whole.data && span.data + span.len <= whole.data + whole.len;
}

static void check_span(const struct buf *scratch, struct bytes message, struct bytes span)
{
	CHECK(span.len == 0 || inside(span, message) || inside(span, buf_bytes(scratch)));
}

// The library ends a text at U+0000.
static bool same(struct bytes span, const char *text)
{
	const char *own = span.data != NULL ? (const char *)span.data : "";
	size_t len = strlen(text);
	return strnlen(own, span.len) == len && memcmp(own, text, len) == 0;
}

// ---- what a publish becomes

// One valid object in which no name is ours.
static void check_body(struct bytes body)
{
	struct jscan scan;
	struct jscan_member member;
	struct buf name = { 0 };
	int more;
	CHECK(utf8_valid(body) && body.data[0] == '{' && body.data[body.len - 1] == '}');
	CHECK(jscan_names_unique(body));
	jscan_init(&scan, body);
	while ((more = jscan_next(&scan, &member)) > 0) {
		name.len = 0;
		struct bytes decoded = jscan_string_decode(member.raw_name, &name);
		CHECK(message_field_travels(message_field_find(decoded)));
		CHECK(!bytes_has_nul(decoded));
	}
	CHECK(more == 0);
	buf_fini(&name);
}

// What JSON clients get is, as if one had sent it, the same publish.
static void check_json(const struct codec_options *options, const struct client_event *event)
{
	struct buf text = { 0 };
	struct buf scratch = { 0 };
	struct command again;
	codec_json.encode(&text, event);
	CHECK(codec_json.decode(options, buf_bytes(&text), &scratch, &again) == ERROR_NONE);
	CHECK(again.kind == COMMAND_PUBLISH && again.id.len == 0 && again.key.len == 0);
	CHECK(bytes_equal(again.type, event->type) && bytes_equal(again.room, event->room));
	check_body(again.body);
	buf_fini(&scratch);
	buf_fini(&text);
}

static void check_proto(const struct client_event *event)
{
	struct buf wire = { 0 };
	codec_proto.encode(&wire, event);
	server_message *read = weir__client__v1__server_message__unpack(NULL, wire.len, wire.data);
	CHECK(read != NULL && read->kind_case == WEIR__CLIENT__V1__SERVER_MESSAGE__KIND_MESSAGE);
	CHECK(same(event->room, read->message->room) && same(event->type, read->message->type));
	CHECK(bytes_equal(event->body,
		bytes_make(read->message->body.data, read->message->body.len)));
	weir__client__v1__server_message__free_unpacked(read, NULL);
	buf_fini(&wire);
}

static void check_published(const struct codec_options *options, const struct command *command)
{
	const bool publish = command->kind == COMMAND_PUBLISH;
	const struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = command->room.len > 0 ? command->room : bytes_str("r"),
		.type = publish ? command->type : bytes_str("note"),
		.user = bytes_str("u\n\"1"),
		.epoch = 1,
		.seq = 1,
		.body = command->body,
	};
	check_body(command->body);
	check_json(options, &event);
	check_proto(&event);
}

// ---- the same by the library

static void check_publish(const struct command *command, const client_message *m)
{
	CHECK(m->kind_case == WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_PUBLISH);
	CHECK(same(command->type, m->publish->type) && same(command->key, m->publish->key));
	CHECK(m->publish->room[0] == '\0' || same(command->room, m->publish->room));
	CHECK(command->no_echo == (m->publish->no_echo != 0));
	CHECK(command->ephemeral || m->publish->ephemeral == 0);
	CHECK(!(command->ephemeral && command->key.len > 0) && command->key.len <= KEY_MAX);
}

static void check_kind(const struct command *command, const client_message *m)
{
	switch (command->kind) {
	case COMMAND_JOIN:
		CHECK(m->kind_case == WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_JOIN);
		CHECK(same(command->room, command->is_pattern ? m->join->pattern : m->join->room));
		CHECK(command->has_since == (m->join->since != NULL));
		CHECK(!command->has_since || command->since_seq == m->join->since->seq);
		CHECK(command->want_presence == (m->join->presence != 0));
		break;
	case COMMAND_PUBLISH:
		check_publish(command, m);
		break;
	case COMMAND_DIRECT:
		CHECK(m->kind_case == WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_DIRECT);
		CHECK(room_is_personal(command->room, bytes_str(m->direct->to)));
		break;
	case COMMAND_HISTORY:
		CHECK(m->kind_case == WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_HISTORY);
		CHECK(command->limit >= 1 && command->limit <= HISTORY_LIMIT_MAX);
		CHECK(command->before == m->history->before);
		break;
	case COMMAND_AUTH:
		CHECK(m->kind_case == WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_AUTH);
		CHECK(same(command->token, m->auth->token));
		break;
	default:
		break;
	}
}

static void check_command(const struct codec_options *options, const struct command *command,
	struct bytes message)
{
	client_message *m =
		weir__client__v1__client_message__unpack(NULL, message.len, message.data);
	CHECK(m != NULL && same(command->id, m->id));
	CHECK(command->room.len == 0 ||
		(command->is_pattern ? room_pattern_valid : room_name_valid)(command->room));
	CHECK(!command->is_pattern || command->kind == COMMAND_JOIN ||
		command->kind == COMMAND_LEAVE);
	CHECK(!command->is_pattern || (!command->has_since && !command->want_presence));
	check_kind(command, m);
	weir__client__v1__client_message__free_unpacked(m, NULL);
	if (command->kind == COMMAND_PUBLISH || command->kind == COMMAND_DIRECT ||
		command->kind == COMMAND_BROADCAST) {
		check_published(options, command);
	} else {
		CHECK(command->body.len == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes message = bytes_make(data, size);
	struct codec_options options = choose_options(fuzz_take_byte(&message));
	struct buf scratch = { 0 };
	struct command command;
	enum client_error error = codec_proto.decode(&options, message, &scratch, &command);
	CHECK(error == ERROR_NONE || error == ERROR_INVALID_MESSAGE ||
		error == ERROR_UNKNOWN_TYPE || error == ERROR_BAD_ROOM ||
		error == ERROR_STARRED_ROOM);
	check_span(&scratch, message, command.id);
	check_span(&scratch, message, command.key);
	check_span(&scratch, message, command.token);
	check_span(&scratch, message, command.since_epoch);
	CHECK(command.id.len <= 64 && utf8_valid(command.id));
	if (error == ERROR_NONE) {
		check_command(&options, &command, message);
	}
	buf_fini(&scratch);
	return 0;
}
