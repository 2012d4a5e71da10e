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

// ---- the parts that are more than a field

static void put_room(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_bytes(out, number, event->is_pattern ? bytes_make(NULL, 0) : event->room);
}

static void put_pattern(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_bytes(out, number, event->is_pattern ? event->room : bytes_make(NULL, 0));
}

static void put_event_position(struct buf *out, uint32_t number, const struct client_event *event)
{
	put_position(out, number, event->epoch, event->seq);
}

static void put_event_published(struct buf *out, uint32_t number, const struct client_event *event)
{
	put_published_position(out, number, event->epoch, event->seq);
}

static void put_event_epoch(struct buf *out, uint32_t number, const struct client_event *event)
{
	char text[EPOCH_TEXT_MAX];
	pb_append_bytes(out, number, bytes_make(text, epoch_format(event->epoch, text)));
}

static void put_timestamp(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_int(out, number, event->timestamp_ms);
}

static void put_recovered(struct buf *out, uint32_t number, const struct client_event *event)
{
	enum recovery recovery = event->recovered ? RECOVERED : NOT_RECOVERED;
	pb_append_uint(out, number, event->has_recovered ? recovery : NOT_ASKED);
}

static void put_members(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_uint(out, number, event->has_members ? event->members : 0);
}

static void put_messages(struct buf *out, uint32_t number, const struct client_event *event)
{
	for (size_t i = 0; event->has_messages && i < event->n_messages; i++) {
		size_t begun = pb_begin(out, number);
		put_message(out, event->room, event->epoch, &event->messages[i]);
		pb_end(out, begun);
	}
}

static void put_duplicate(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_uint(out, number, event->duplicate);
}

static void put_roles(struct buf *out, uint32_t number, const struct client_event *event)
{
	for (size_t i = 0; i < event->n_roles; i++) {
		put_text(out, number, event->roles[i]);
	}
}

static void put_heartbeat(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_uint(out, number, event->heartbeat_interval_s);
	pb_append_uint(out, number + 1, event->heartbeat_timeout_s);
}

// When it ends, or in how many seconds.
static void put_expires(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_int(out, number, event->expires_s);
}

static void put_present(struct buf *out, uint32_t number, const struct client_event *event)
{
	for (size_t i = 0; i < event->n_present; i++) {
		size_t begun = pb_begin(out, number);
		pb_append_bytes(out, 1, event->present[i].user);
		pb_append_bytes(out, 2, event->present[i].username);
		pb_append_uint(out, 3, event->present[i].clients);
		pb_end(out, begun);
	}
}

static void put_code(struct buf *out, uint32_t number, const struct client_event *event)
{
	put_text(out, number, client_error_code(event->error));
}

static void put_error_text(struct buf *out, uint32_t number, const struct client_event *event)
{
	put_text(out, number, client_error_message(event->error));
}

static void put_needs(struct buf *out, uint32_t number, const struct client_event *event)
{
	struct buf needs = { 0 };
	codec_put_needs(&needs, event);
	pb_append_bytes(out, number, buf_bytes(&needs));
	buf_fini(&needs);
}

static void put_outcome(struct buf *out, uint32_t number, const struct client_event *event)
{
	put_text(out, number, outcome_name(event->outcome));
}

static void put_after(struct buf *out, uint32_t number, const struct client_event *event)
{
	pb_append_uint(out, number, event->after_ms);
}

static void put_published(struct buf *out, uint32_t number, const struct client_event *event)
{
	(void)number; // its fields are those of Message
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

static void (*const own_parts[PART_COUNT])(struct buf *out, uint32_t number,
	const struct client_event *event) = {
	[PART_ROOM] = put_room,
	[PART_PATTERN] = put_pattern,
	[PART_POSITION] = put_event_position,
	[PART_PUBLISHED_POSITION] = put_event_published,
	[PART_EPOCH] = put_event_epoch,
	[PART_TIMESTAMP] = put_timestamp,
	[PART_RECOVERED] = put_recovered,
	[PART_MEMBERS] = put_members,
	[PART_MESSAGES] = put_messages,
	[PART_DUPLICATE] = put_duplicate,
	[PART_ROLES] = put_roles,
	[PART_HEARTBEAT] = put_heartbeat,
	[PART_SESSION] = put_expires,
	[PART_PRESENT] = put_present,
	[PART_EXPIRES_IN] = put_expires,
	[PART_CODE] = put_code,
	[PART_TEXT] = put_error_text,
	[PART_NEEDS] = put_needs,
	[PART_OUTCOME] = put_outcome,
	[PART_AFTER] = put_after,
	[PART_PUBLISHED] = put_published,
};

static void put_part(struct buf *out, enum event_part part, uint32_t number,
	const struct client_event *event)
{
	const struct event_part_rule *rule = event_part_rule(part);
	if (rule->form == FORM_TEXT) {
		pb_append_bytes(out, number, event_text(event, rule));
	} else if (rule->form != FORM_OWN) {
		pb_append_uint(out, number, event_uint(event, rule));
	} else {
		own_parts[part](out, number, event);
	}
}

void codec_proto_encode(struct buf *out, const struct client_event *event)
{
	const struct event_row *row = event_row(event->kind);
	CHECK(row->number != 0);
	if (event->kind != EVENT_MESSAGE) {
		pb_append_bytes(out, 1, event->id);
	}
	size_t begun = pb_begin(out, row->number);
	for (size_t i = 0; row->parts[i].part != PART_NONE; i++) {
		if (row->parts[i].number != 0) {
			put_part(out, row->parts[i].part, row->parts[i].number, event);
		}
	}
	pb_end(out, begun);
}
