#include <stdio.h>
#include <stdlib.h>

#include "client.pb-c.h"
#include "common/mem.h"
#include "edge/codec/codec.h"
#include "proto/names.h"
#include "proto/pb_wire.h"
#include "proto/policy/rights.h"
#include "tests/unit/command_text.h"
#include "tests/unit/pb_text.h"
#include "tests/unit/test.h"

static const struct codec_options with_lobby = {
	.lobby = { .data = (const uint8_t *)"lobby", .len = 5 },
};
static const struct codec_options without_lobby = { 0 };

static const char *const some_types[] = { "note" };
static const char *const some_ephemeral[] = { "cursor" };
static const struct codec_options restricted = {
	.message_types = some_types,
	.n_message_types = 1,
	.ephemeral_types = some_ephemeral,
	.n_ephemeral_types = 1,
};

// ---- what clients send

// Decodes a copy in a block of its own size, so that a sanitizer sees a read past the end.
static void check_wire(const struct codec_options *options, struct bytes message,
	const char *expected)
{
	uint8_t *copy = xmemdup(message.data, message.len);
	struct buf scratch = { 0 };
	struct buf got = { 0 };
	struct command command;
	enum client_error error =
		codec_proto.decode(options, bytes_make(copy, message.len), &scratch, &command);
	if (error == ERROR_NONE) {
		command_describe(&got, &command);
	} else {
		buf_append_str(&got, client_error_code(error));
		describe_span(&got, "id", command.id);
		assert_true(command.room.data == NULL && command.type.data == NULL &&
			command.body.data == NULL && command.key.data == NULL &&
			command.token.data == NULL && !command.has_since);
	}
	buf_append_byte(&got, '\0');
	assert_string_equal((const char *)got.data, expected);
	buf_fini(&got);
	buf_fini(&scratch);
	free(copy);
}

static void check_message(const struct codec_options *options,
	const Weir__Client__V1__ClientMessage *message, const char *expected)
{
	uint8_t wire[1024];
	size_t len = weir__client__v1__client_message__get_packed_size(message);
	assert_true(len <= sizeof(wire));
	weir__client__v1__client_message__pack(message, wire);
	check_wire(options, bytes_make(wire, len), expected);
}

// A message of one kind: KIND(JOIN, Join, join, "id", .room = "tea").
#define MESSAGE(KIND, Name, name, field_, id_, ...)                                                \
	&(Weir__Client__V1__ClientMessage)                                                         \
	{                                                                                          \
		.base = PROTOBUF_C_MESSAGE_INIT(&weir__client__v1__client_message__descriptor),    \
		.id = (char *)(id_), .kind_case = WEIR__CLIENT__V1__CLIENT_MESSAGE__KIND_##KIND,   \
		.field_ = &(Weir__Client__V1__ClientMessage__##Name)                               \
		{                                                                                  \
			.base = PROTOBUF_C_MESSAGE_INIT(                                           \
				&weir__client__v1__client_message__##name##__descriptor),          \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define NO_TEXT (char *)protobuf_c_empty_string
#define BYTES(text)                                                                                \
	{                                                                                          \
		.data = (uint8_t *)(text), .len = sizeof(text) - 1                                 \
	}
#define JOIN(id, ...)    MESSAGE(JOIN, Join, join, join, id, __VA_ARGS__)
#define LEAVE(id, ...)   MESSAGE(LEAVE, Leave, leave, leave, id, __VA_ARGS__)
#define PUBLISH(id, ...) MESSAGE(PUBLISH, Publish, publish, publish, id, __VA_ARGS__)
#define DIRECT(id, ...)  MESSAGE(DIRECT, Direct, direct, direct, id, __VA_ARGS__)
#define HISTORY(id, ...) MESSAGE(HISTORY, HistoryRequest, history_request, history, id, __VA_ARGS__)
#define PRESENCE(id, ...)                                                                          \
	MESSAGE(PRESENCE, PresenceRequest, presence_request, presence, id, __VA_ARGS__)
#define AUTH(id, ...)      MESSAGE(AUTH, Auth, auth, auth, id, __VA_ARGS__)
#define BROADCAST(id, ...) MESSAGE(BROADCAST, Broadcast, broadcast, broadcast, id, __VA_ARGS__)

static void decodes_joins_and_questions(void **state)
{
	(void)state;
	Weir__Client__V1__Since since = WEIR__CLIENT__V1__SINCE__INIT;
	check_message(&with_lobby, JOIN("j", .room = "tea"), "join id=j room=tea type=join");
	check_message(&with_lobby, JOIN("j", .pattern = "a*"), "join id=j pattern=a* type=join");
	check_message(&with_lobby, JOIN("j", .room = "a*"), "bad_room id=j");
	check_message(&with_lobby, JOIN("j", .room = "a", .pattern = "a*"), "invalid_message id=j");
	check_message(&with_lobby, JOIN("j", .presence = true, .pattern = "a*"),
		"invalid_message id=j");
	check_message(&with_lobby, JOIN(NO_TEXT, .room = "tea", .presence = 1),
		"join room=tea type=join presence");
	check_message(&with_lobby, JOIN(NO_TEXT, .room = "tea", .since = &since),
		"join room=tea type=join seq=0");
	since.epoch = "abc";
	since.seq = UINT64_MAX;
	check_message(&with_lobby, JOIN(NO_TEXT, .room = "tea", .since = &since),
		"join room=tea type=join epoch=abc seq=18446744073709551615");
	check_message(&with_lobby, LEAVE("1", .room = "a"), "leave id=1 room=a type=leave");
	check_message(&with_lobby, PRESENCE("1", .room = "a"),
		"presence id=1 room=a type=presence");
	check_message(&with_lobby, AUTH("1", .token = "a.b.c"), "auth id=1 type=auth token=a.b.c");
	check_message(&with_lobby, AUTH("1", .token = NO_TEXT), "invalid_message id=1");
	check_message(&with_lobby, MESSAGE(PING, Ping, ping, ping, "1", ), "ping id=1 type=ping");
}

static void zero_and_empty_are_absent(void **state)
{
	(void)state;
	check_message(&with_lobby, HISTORY(NO_TEXT, .room = "a"),
		"history room=a type=history limit=50");
	check_message(&with_lobby, HISTORY(NO_TEXT, .room = "a", .before = 7, .limit = 1),
		"history room=a type=history before=7 limit=1");
	check_message(&with_lobby, HISTORY(NO_TEXT, .room = "a", .limit = UINT32_MAX),
		"history room=a type=history limit=100");
	check_message(&with_lobby, PUBLISH(NO_TEXT, .type = "chat"),
		"publish room=lobby type=chat body={}");
	check_message(&without_lobby, PUBLISH(NO_TEXT, .type = "chat"), "bad_room");
}

static void decodes_what_is_published(void **state)
{
	(void)state;
	check_message(&with_lobby,
		PUBLISH("p", .room = "tea", .type = "chat", .body = BYTES("{\"text\":\"hi\"}"),
			.key = "k", .no_echo = 1),
		"publish id=p room=tea type=chat body={\"text\":\"hi\"} key=k no_echo");
	check_message(&with_lobby, PUBLISH(NO_TEXT, .type = "x", .ephemeral = 1),
		"publish room=lobby type=x body={} ephemeral");
	check_message(&with_lobby, PUBLISH(NO_TEXT, .type = "typing"),
		"publish room=lobby type=typing body={} ephemeral");
	check_message(&with_lobby,
		DIRECT("d", .to = "bob", .body = BYTES("{\"a\":1,\"to\":2}"), .key = "k"),
		"direct id=d room=user:bob type=direct body={\"a\":1} key=k");
	check_message(&with_lobby, BROADCAST("b", .body = BYTES("{\"a\":1}")),
		"broadcast id=b type=admin:broadcast body={\"a\":1}");
}

static void applies_the_limits_of_types_keys_and_names(void **state)
{
	(void)state;
	char long_name[ROOM_NAME_MAX + 2];
	memset(long_name, 'x', sizeof(long_name));
	long_name[ROOM_NAME_MAX + 1] = '\0';
	check_message(&with_lobby, JOIN("1", .room = long_name), "bad_room id=1");
	check_message(&with_lobby, JOIN("1", .room = NO_TEXT), "bad_room id=1");
	check_message(&with_lobby, JOIN("1", .room = "a\nb"), "bad_room id=1");
	check_message(&with_lobby, DIRECT("1", .to = long_name), "invalid_message id=1");
	check_message(&with_lobby, DIRECT("1", .to = NO_TEXT), "invalid_message id=1");
	long_name[TYPE_NAME_MAX + 1] = '\0';
	check_message(&with_lobby, PUBLISH("1", .type = long_name), "invalid_message id=1");
	check_message(&with_lobby, PUBLISH("1", .type = "a", .key = long_name),
		"invalid_message id=1");
	check_message(&with_lobby, DIRECT("1", .to = "bob", .key = long_name),
		"invalid_message id=1");
	check_message(&with_lobby, PUBLISH(long_name, .type = "a"), "invalid_message");
	check_message(&with_lobby, PUBLISH("1", .type = "typing", .key = "k"),
		"invalid_message id=1");
	check_message(&with_lobby, PUBLISH("1", .type = "ack"), "invalid_message id=1");
	check_message(&with_lobby, PUBLISH("1", .type = "join"), "invalid_message id=1");
	check_message(&with_lobby, PUBLISH("1", .type = "admin:broadcast"), "invalid_message id=1");
	check_message(&with_lobby, PUBLISH("1", .type = NO_TEXT), "invalid_message id=1");
	check_message(&restricted, PUBLISH("1", .type = "chat", .room = "a"), "unknown_type id=1");
	check_message(&restricted, PUBLISH("1", .type = "cursor", .room = "a"),
		"publish id=1 room=a type=cursor body={} ephemeral");
}

// What a sender says in a body, and what becomes of it; NULL: it is refused.
static void holds_bodies_to_the_rules_of_json_messages(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *becomes;
	} rows[] = {
		{ "{}", "{}" },
		{ " \t\r\n{ }\n", "{ }" },
		{ "{ \"a\" : 1.50 ,\n\"b\":[ 1]}", "{ \"a\" : 1.50 ,\n\"b\":[ 1]}" },
		{ "{\"to\":1,\"limit\":2}", "{\"to\":1,\"limit\":2}" },
		{ "{\"a\":1, \"room\":2, \"b\" : 3}", "{\"a\":1,\"b\":3}" },
		{ "{\"room\":2}", "{}" },
		{ "{\"r\\u006fom\":2,\"\\u0061\":3}", "{\"\\u0061\":3}" },
		{ "{\"a\":\"\\u0000\"}", "{\"a\":\"\\u0000\"}" },
		{ "{\"a\\u0000\":1}", NULL },
		{ "{\"a\":1,\"a\":1}", NULL },
		{ "{\"a\":1,\"\\u0061\":1}", NULL },
		{ "{\"room\":1,\"room\":1}", NULL },
		{ "{\"a\":1", NULL },
		{ "{\"a\":1}}", NULL },
		{ "{\"a\":01}", NULL },
		{ "[]", NULL },
		{ " ", NULL },
		{ "{\"a\":\"\xff\"}", NULL },
		{ "{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}",
			"{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}" },
		{ "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char expected[256] = "invalid_message id=1";
		if (rows[i].becomes != NULL) {
			snprintf(expected, sizeof(expected), "publish id=1 room=r type=t body=%s",
				rows[i].becomes);
		}
		ProtobufCBinaryData body = { strlen(rows[i].body), (uint8_t *)rows[i].body };
		check_message(&with_lobby, PUBLISH("1", .room = "r", .type = "t", .body = body),
			expected);
	}
}

// More names than are compared in place.
static void compares_the_names_of_a_large_body(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		struct buf message = { 0 };
		size_t kind = pb_begin(&message, 4);
		pb_append_bytes(&message, 2, bytes_str("t"));
		size_t body = pb_begin(&message, 3);
		buf_append_str(&message, "{\"user\":1");
		for (unsigned i = 0; i < 40; i++) {
			buf_printf(&message, ",\"n%u\":1", i < 39 || !twice ? i : 7);
		}
		buf_append_byte(&message, '}');
		pb_end(&message, body);
		pb_end(&message, kind);
		struct buf scratch = { 0 };
		struct command command;
		assert_int_equal(
			codec_proto.decode(&with_lobby, buf_bytes(&message), &scratch, &command),
			twice ? ERROR_INVALID_MESSAGE : ERROR_NONE);
		assert_true(twice || bytes_has_prefix(command.body, "{\"n0\":1,"));
		buf_fini(&scratch);
		buf_fini(&message);
	}
}

// Bytes that the library does not write.
static void refuses_what_is_no_message(void **state)
{
	(void)state;
	static const struct {
		const char *wire;
		size_t len;
		const char *expected;
	} rows[] = {
#define WIRE(text) text, sizeof(text) - 1
		{ WIRE(""), "invalid_message" }, { WIRE("{}"), "invalid_message" },
		{ WIRE("\x0a\x01i"), "invalid_message id=i" },
		{ WIRE("\x0a\x01i\x4a\x00"), "ping id=i type=ping" },
		{ WIRE("\x4a\x00\x0a\x01i"), "ping id=i type=ping" },
		{ WIRE("\x0a\x02\xc3\xa4\x4a\x00"), "ping id=\xc3\xa4 type=ping" },
		{ WIRE("\x0a\x01\xc3\x4a\x00"), "invalid_message" }, // half a character
		{ WIRE("\x0a\x01i\x0a\x01i\x4a\x00"), "invalid_message" }, // two ids
		{ WIRE("\x08\x01\x4a\x00"), "invalid_message" }, // an id that is a number
		{ WIRE("\x0a\x01i\x4a\x00\x4a\x00"), "invalid_message id=i" }, // two kinds
		{ WIRE("\x0a\x01i\x48\x00"), "invalid_message id=i" }, // a kind that is a number
		{ WIRE("\x0a\x01i\x4a\x05"), "invalid_message id=i" }, // cut off
		{ WIRE("\x4a\x05\x0a\x01i"), "invalid_message" }, // before its id
		{ WIRE("\x0a\x01i\x1a\x02\x08\x01"), "invalid_message id=i" }, // room is a number
		{ WIRE("\x1a\x06\x0a\x01"
		       "a\x0a\x01"
		       "b"),
			"invalid_message" }, // two rooms
		{ WIRE("\x1a\x03\x0a\x01\xff"), "invalid_message" }, // no UTF-8
		{ WIRE("\x12\x05\x0a\x01"
		       "a\x12\x01\x0a"),
			"invalid_message" }, // since is cut off
		{ WIRE("\x22\x05\x12\x03"
		       "a\x00"
		       "b"),
			"invalid_message" }, // U+0000 in a type
		{ WIRE("\xa2\x06\x01x\x4a\x00"), "ping type=ping" }, // of a later schema
		{ WIRE("\x0a\x01i\xa2\x06\x01x"), "invalid_message id=i" }, // a later kind
		{ WIRE("\x1a\x06\x0a\x01"
		       "a\xa0\x06\x01"),
			"leave room=a type=leave" },
		{ WIRE("\x12\x05\x0a\x01"
		       "a\x18\x02"),
			"join room=a type=join presence" }, // true is any number but 0
		{ WIRE("\x4b\x4c"), "invalid_message" }, // a group
#undef WIRE
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_wire(&with_lobby, bytes_make(rows[i].wire, rows[i].len), rows[i].expected);
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	static const uint8_t whole[] = "\x22\x17\x0a\x03tea\x12\x04"
				       "chat\x1a\x07{\"a\":1}\x22\x01k";
	check_wire(&with_lobby, bytes_make(whole, sizeof(whole) - 1),
		"publish room=tea type=chat body={\"a\":1} key=k");
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		check_wire(&with_lobby, bytes_make(whole, len), "invalid_message");
	}
}

// ---- what clients are sent

static void check_event(const struct client_event *event, const char *expected)
{
	struct buf wire = { 0 };
	struct buf got = { 0 };
	codec_proto.encode(&wire, event);
	Weir__Client__V1__ServerMessage *read =
		weir__client__v1__server_message__unpack(NULL, wire.len, wire.data);
	assert_non_null(read);
	pb_describe(&got, &read->base);
	buf_append_byte(&got, '\0');
	assert_string_equal((const char *)got.data + 1, expected);
	// The library writes the same bytes.
	uint8_t again[2048];
	assert_true(wire.len <= sizeof(again));
	assert_int_equal(weir__client__v1__server_message__pack(read, again), wire.len);
	assert_memory_equal(again, wire.data, wire.len);
	weir__client__v1__server_message__free_unpacked(read, NULL);
	buf_fini(&got);
	buf_fini(&wire);
}

#define S(text)                                                                                    \
	{                                                                                          \
		.data = (const uint8_t *)(text), .len = sizeof(text) - 1                           \
	}

static const struct event_message two_messages[] = {
	{ .type = S("chat"),
		.from = S("c1"),
		.user = S("u"),
		.username = S("U"),
		.body = S("{\"n\":1}"),
		.seq = 6,
		.timestamp_ms = 5 },
	{ .type = S("note"), .body = S("{}"), .seq = 7, .timestamp_ms = 6 },
};
#define TWO_MESSAGES                                                                               \
	" messages { room=tea type=chat from=c1 user=u username=U epoch=abc seq=6 timestamp_ms=5 " \
	"body={\"n\":1} } messages { room=tea type=note epoch=abc seq=7 timestamp_ms=6 body={} }"

static void encodes_what_is_published(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_MESSAGE,
		.room = S("tea"),
		.type = S("chat"),
		.from = S("c1"),
		.user = S("u\"1"),
		.username = S("\xc3\x84nna"),
		.epoch = 0xabc,
		.seq = 1ULL << 52,
		.timestamp_ms = 1700000000000,
		.body = S("{\"text\":\"hi\",\"n\":1.10}"),
	};
	check_event(&event,
		"message { room=tea type=chat from=c1 user=u\"1 username=\xc3\x84nna epoch=abc "
		"seq=4503599627370496 timestamp_ms=1700000000000 "
		"body={\"text\":\"hi\",\"n\":1.10} }");
	event.seq = 0; // ephemeral
	event.from = event.username = (struct bytes){ 0 };
	check_event(&event,
		"message { room=tea type=chat user=u\"1 timestamp_ms=1700000000000 "
		"body={\"text\":\"hi\",\"n\":1.10} }");
	event.room = event.user = (struct bytes){ 0 };
	event.type = (struct bytes)S("admin:broadcast");
	event.epoch = 0;
	check_event(&event,
		"message { type=admin:broadcast timestamp_ms=1700000000000 "
		"body={\"text\":\"hi\",\"n\":1.10} }");
}

static void encodes_connected(void **state)
{
	(void)state;
	static const char *const roles[] = { "admin", "ops" };
	struct client_event event = {
		.kind = EVENT_CONNECTED,
		.from = S("c1"),
		.user = S("u"),
		.username = S("U"),
		.roles = roles,
		.n_roles = 2,
		.timestamp_ms = 5,
		.heartbeat_interval_s = 30,
		.heartbeat_timeout_s = 35,
		.expires_s = 4000000000,
		.max_message = 102400,
	};
	check_event(&event,
		"connected { client_id=c1 user=u username=U roles=admin roles=ops timestamp_ms=5 "
		"heartbeat_interval_s=30 heartbeat_timeout_s=35 session_expires_s=4000000000 "
		"max_message=102400 }");
}

static void encodes_joined_and_history(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_JOINED,
		.id = S("j"),
		.room = S("tea"),
		.epoch = 0xabc,
		.seq = 7,
		.members = 3,
		.has_members = true,
	};
	check_event(&event, "id=j joined { room=tea epoch=abc seq=7 members=3 }");
	event.has_recovered = true;
	check_event(&event, "id=j joined { room=tea epoch=abc seq=7 recovery=2 members=3 }");
	event.recovered = event.has_messages = true;
	event.messages = two_messages;
	event.n_messages = 2;
	check_event(&event,
		"id=j joined { room=tea epoch=abc seq=7 recovery=1 members=3" TWO_MESSAGES " }");
	event.kind = EVENT_HISTORY;
	check_event(&event, "id=j history { room=tea epoch=abc seq=7" TWO_MESSAGES " }");
	event.n_messages = 0;
	event.id = (struct bytes){ 0 };
	check_event(&event, "history { room=tea epoch=abc seq=7 }");
}

static void encodes_answers(void **state)
{
	(void)state;
	struct client_event event = { .kind = EVENT_ACK, .id = S("a") };
	check_event(&event, "id=a ack { }"); // to a token, or a broadcast
	event = (struct client_event){
		.kind = EVENT_ACK,
		.room = S("tea"),
		.epoch = 0xabc,
		.seq = 7,
		.timestamp_ms = 5,
		.members = 2,
		.has_members = true,
		.duplicate = true,
	};
	check_event(&event,
		"ack { room=tea epoch=abc seq=7 timestamp_ms=5 members=2 duplicate=1 }");
	event.seq = 0; // ephemeral
	event.duplicate = false;
	check_event(&event, "ack { room=tea timestamp_ms=5 members=2 }");
	event = (struct client_event){ .kind = EVENT_PONG, .id = S("p"), .timestamp_ms = 5 };
	check_event(&event, "id=p pong { timestamp_ms=5 }");
	event = (struct client_event){ .kind = EVENT_LEFT, .room = S("tea") };
	check_event(&event, "left { room=tea }");
	event.reason = (struct bytes)S("forbidden");
	check_event(&event, "left { room=tea reason=forbidden }");
}

static void encodes_who_is_there(void **state)
{
	(void)state;
	static const struct event_user users[] = {
		{ S("u"), S("U"), 2 },
		{ S("v"), S("v"), 1 },
	};
	struct client_event event = {
		.kind = EVENT_PRESENCE,
		.id = S("p"),
		.room = S("tea"),
		.user = S("u"),
		.username = S("U"),
		.users = 2,
		.connections = 3,
		.present = users,
		.n_present = 2,
	};
	check_event(&event,
		"id=p presence { room=tea users=2 connections=3 "
		"members { user=u username=U clients=2 } "
		"members { user=v username=v clients=1 } }");
	event.id = (struct bytes){ 0 };
	event.kind = EVENT_MEMBER_JOIN;
	check_event(&event, "member_join { room=tea user=u username=U }");
	event.kind = EVENT_MEMBER_LEAVE;
	check_event(&event, "member_leave { room=tea user=u username=U }");
}

static void encodes_what_went_wrong(void **state)
{
	(void)state;
	struct client_event event = {
		.kind = EVENT_GAP,
		.room = S("tea"),
		.epoch = 0xabc,
		.from_seq = 3,
		.to_seq = 9,
		.reason = S("trimmed"),
	};
	check_event(&event, "gap { room=tea epoch=abc from=3 to=9 reason=trimmed }");
	event = (struct client_event){ .kind = EVENT_TOKEN_EXPIRING, .expires_s = 30 };
	check_event(&event, "token_expiring { in_s=30 }");
	event.expires_s = 0;
	check_event(&event, "token_expiring { }");
	event = (struct client_event){
		.kind = EVENT_ERROR,
		.id = S("e"),
		.room = S("tea"),
		.error = ERROR_UNAVAILABLE,
		.outcome = OUTCOME_UNKNOWN,
		.limit = S("rate-user"),
		.after_ms = 1500,
	};
	check_event(&event,
		"id=e error { code=unavailable message=Service temporarily unavailable room=tea "
		"outcome=unknown limit=rate-user after_ms=1500 }");
	event = (struct client_event){
		.kind = EVENT_ERROR,
		.room = S("tea"),
		.error = ERROR_FORBIDDEN,
		.needs_right = RIGHT_PUBLISH,
	};
	check_event(&event,
		"error { code=forbidden message=Insufficient permissions room=tea "
		"needs=publish on tea }");
	event = (struct client_event){ .kind = EVENT_ERROR, .error = ERROR_INVALID_MESSAGE };
	check_event(&event, "error { code=invalid_message message=Invalid message format }");
}

// Each kind that the edge makes is one that the schema has, whatever its members are.
static void has_every_kind_but_those_of_the_http_api(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < EVENT_COUNT; kind++) {
		const struct client_event event = { .kind = (enum event_kind)kind };
		struct buf wire = { 0 };
		if (kind == EVENT_DISCONNECTED) {
			continue;
		}
		codec_proto.encode(&wire, &event);
		Weir__Client__V1__ServerMessage *read =
			weir__client__v1__server_message__unpack(NULL, wire.len, wire.data);
		assert_non_null(read);
		assert_int_not_equal(read->kind_case,
			WEIR__CLIENT__V1__SERVER_MESSAGE__KIND__NOT_SET);
		weir__client__v1__server_message__free_unpacked(read, NULL);
		buf_fini(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_joins_and_questions),
		cmocka_unit_test(zero_and_empty_are_absent),
		cmocka_unit_test(decodes_what_is_published),
		cmocka_unit_test(applies_the_limits_of_types_keys_and_names),
		cmocka_unit_test(holds_bodies_to_the_rules_of_json_messages),
		cmocka_unit_test(compares_the_names_of_a_large_body),
		cmocka_unit_test(refuses_what_is_no_message),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(encodes_what_is_published),
		cmocka_unit_test(encodes_connected),
		cmocka_unit_test(encodes_joined_and_history),
		cmocka_unit_test(encodes_answers),
		cmocka_unit_test(encodes_who_is_there),
		cmocka_unit_test(encodes_what_went_wrong),
		cmocka_unit_test(has_every_kind_but_those_of_the_http_api),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
