// The binary messages of subprotocol weir.v1.proto (proto/client.proto): what clients are sent.
//
// The same facts as in JSON under the numbers of the schema; what is zero or empty is left out, so
// a field that is missing says what proto3 says: zero. `epoch` and `seq` come and go together. A
// message in a list has exactly the fields it had live. The sender's own fields are the JSON text
// they were, whoever sent them.
//
// Sizes are not added up first: see pb_wire.h.
#include "common/check.h"
#include "edge/codec/codec_proto.h"
#include "proto/pb_wire.h"

// As Recovery in the schema.
enum recovery {
	NOT_ASKED,
	RECOVERED,
	NOT_RECOVERED,
};

static void put_text(struct buf *out, uint32_t number, const char *text)
{
	pb_append_bytes(out, number, bytes_str(text));
}

// Their fields are number `number` and the next.
static void put_position(struct buf *out, uint32_t number, uint64_t epoch, uint64_t seq)
{
	if (epoch != 0) {
		char text[EPOCH_TEXT_MAX];
		pb_append_bytes(out, number, bytes_make(text, epoch_format(epoch, text)));
		pb_append_uint(out, number + 1, seq);
	}
}

// What was published has a number from 1 on; the rest has no position.
static void put_published_position(struct buf *out, uint32_t number, uint64_t epoch, uint64_t seq)
{
	put_position(out, number, seq > 0 ? epoch : 0, seq);
}

static void put_message(struct buf *out, struct bytes room, uint64_t epoch,
	const struct event_message *message)
{
	pb_append_bytes(out, 1, room);
	pb_append_bytes(out, 2, message->type);
	pb_append_bytes(out, 3, message->from);
	pb_append_bytes(out, 4, message->user);
	pb_append_bytes(out, 5, message->username);
	put_published_position(out, 6, epoch, message->seq);
	pb_append_int(out, 8, message->timestamp_ms);
	pb_append_bytes(out, 9, message->body);
}

static void put_messages(struct buf *out, uint32_t number, const struct client_event *event)
{
	for (size_t i = 0; event->has_messages && i < event->n_messages; i++) {
		size_t begun = pb_begin(out, number);
		put_message(out, event->room, event->epoch, &event->messages[i]);
		pb_end(out, begun);
	}
}

// The room is number 1, a pattern number `pattern`.
static void put_room(struct buf *out, const struct client_event *event, uint32_t pattern)
{
	pb_append_bytes(out, event->is_pattern ? pattern : 1, event->room);
}

static void encode_connected(struct buf *out, const struct client_event *event)
{
	pb_append_bytes(out, 1, event->from);
	pb_append_bytes(out, 2, event->user);
	pb_append_bytes(out, 3, event->username);
	for (size_t i = 0; i < event->n_roles; i++) {
		put_text(out, 4, event->roles[i]);
	}
	pb_append_int(out, 5, event->timestamp_ms);
	pb_append_uint(out, 6, event->heartbeat_interval_s);
	pb_append_uint(out, 7, event->heartbeat_timeout_s);
	pb_append_int(out, 8, event->expires_s);
	pb_append_uint(out, 9, event->max_message);
}

static void encode_joined(struct buf *out, const struct client_event *event)
{
	enum recovery recovery = event->recovered ? RECOVERED : NOT_RECOVERED;
	put_room(out, event, 7);
	put_position(out, 2, event->epoch, event->seq);
	pb_append_uint(out, 4, event->has_recovered ? recovery : NOT_ASKED);
	pb_append_uint(out, 5, event->has_members ? event->members : 0);
	put_messages(out, 6, event);
}

static void encode_left(struct buf *out, const struct client_event *event)
{
	put_room(out, event, 3);
	pb_append_bytes(out, 2, event->reason);
}

static void encode_message(struct buf *out, const struct client_event *event)
{
	const struct event_message message = {
		.type = event->type,
		.from = event->from,
		.user = event->user,
		.username = event->username,
		.body = event->body,
		.seq = event->seq,
		.timestamp_ms = event->timestamp_ms,
	};
	put_message(out, event->room, event->epoch, &message);
}

static void encode_ack(struct buf *out, const struct client_event *event)
{
	pb_append_bytes(out, 1, event->room);
	put_published_position(out, 2, event->epoch, event->seq);
	pb_append_int(out, 4, event->timestamp_ms);
	pb_append_uint(out, 5, event->has_members ? event->members : 0);
	pb_append_uint(out, 6, event->duplicate);
}

static void encode_history(struct buf *out, const struct client_event *event)
{
	pb_append_bytes(out, 1, event->room);
	put_position(out, 2, event->epoch, event->seq);
	put_messages(out, 4, event);
}

static void encode_presence(struct buf *out, const struct client_event *event)
{
	pb_append_bytes(out, 1, event->room);
	pb_append_uint(out, 2, event->users);
	pb_append_uint(out, 3, event->connections);
	for (size_t i = 0; i < event->n_present; i++) {
		size_t begun = pb_begin(out, 4);
		pb_append_bytes(out, 1, event->present[i].user);
		pb_append_bytes(out, 2, event->present[i].username);
		pb_append_uint(out, 3, event->present[i].clients);
		pb_end(out, begun);
	}
}

static void encode_member(struct buf *out, const struct client_event *event)
{
	pb_append_bytes(out, 1, event->room);
	pb_append_bytes(out, 2, event->user);
	pb_append_bytes(out, 3, event->username);
}

static void encode_expiring(struct buf *out, const struct client_event *event)
{
	pb_append_int(out, 1, event->expires_s);
}

static void encode_gap(struct buf *out, const struct client_event *event)
{
	char epoch[EPOCH_TEXT_MAX];
	pb_append_bytes(out, 1, event->room);
	pb_append_bytes(out, 2, bytes_make(epoch, epoch_format(event->epoch, epoch)));
	pb_append_uint(out, 3, event->from_seq);
	pb_append_uint(out, 4, event->to_seq);
	pb_append_bytes(out, 5, event->reason);
}

static void encode_pong(struct buf *out, const struct client_event *event)
{
	pb_append_int(out, 1, event->timestamp_ms);
}

static void encode_error(struct buf *out, const struct client_event *event)
{
	put_text(out, 1, client_error_code(event->error));
	put_text(out, 2, client_error_message(event->error));
	pb_append_bytes(out, event->is_pattern ? 8 : 3, event->room);
	put_text(out, 4, outcome_name(event->outcome));
	pb_append_bytes(out, 5, event->limit);
	pb_append_uint(out, 6, event->after_ms);
	struct buf needs = { 0 };
	codec_put_needs(&needs, event);
	pb_append_bytes(out, 7, buf_bytes(&needs));
	buf_fini(&needs);
}

// By kind, with the number in ServerMessage.
static const struct {
	uint32_t number;
	void (*encode)(struct buf *out, const struct client_event *event);
} encoders[EVENT_COUNT] = {
	[EVENT_CONNECTED] = { 2, encode_connected },
	[EVENT_JOINED] = { 3, encode_joined },
	[EVENT_LEFT] = { 4, encode_left },
	[EVENT_MESSAGE] = { 5, encode_message },
	[EVENT_ACK] = { 6, encode_ack },
	[EVENT_HISTORY] = { 7, encode_history },
	[EVENT_PRESENCE] = { 8, encode_presence },
	[EVENT_MEMBER_JOIN] = { 9, encode_member },
	[EVENT_MEMBER_LEAVE] = { 10, encode_member },
	[EVENT_TOKEN_EXPIRING] = { 11, encode_expiring },
	[EVENT_GAP] = { 12, encode_gap },
	[EVENT_PONG] = { 13, encode_pong },
	[EVENT_ERROR] = { 14, encode_error },
};

void codec_proto_encode(struct buf *out, const struct client_event *event)
{
	CHECK(event->kind < EVENT_COUNT && encoders[event->kind].encode != NULL);
	if (event->kind != EVENT_MESSAGE) {
		pb_append_bytes(out, 1, event->id);
	}
	size_t begun = pb_begin(out, encoders[event->kind].number);
	encoders[event->kind].encode(out, event);
	pb_end(out, begun);
}
