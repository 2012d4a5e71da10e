// The native JSON messages of subprotocol weir.v1.json: what clients are sent.
//
// Members stand in a fixed order, `type` first, so that a transcript reads alike everywhere; what
// is empty and optional is left out. `epoch` and `seq` come and go together. A message in a list,
// of `history` or `joined`, has exactly the members it had live, so a client needs one function for
// both. Ids and bodies are JSON already and are copied as they are; all other text is escaped here.
//
// A message is rendered once, however many receive it, so clarity comes before speed here. There is
// no second form of anything: no pretty printing, no short names.
#include "common/ascii.h"
#include "common/check.h"
#include "common/jscan.h"
#include "edge/codec/codec_json.h"

static void put_name(struct buf *out, const char *name)
{
	buf_append(out, ",\"", 2);
	buf_append_str(out, name);
	buf_append(out, "\":", 2);
}

static void put_string(struct buf *out, const char *name, struct bytes text)
{
	put_name(out, name);
	jscan_append_string(out, text);
}

static void put_string_if_any(struct buf *out, const char *name, struct bytes text)
{
	if (text.len > 0) {
		put_string(out, name, text);
	}
}

static void put_uint(struct buf *out, const char *name, uint64_t value)
{
	put_name(out, name);
	buf_append_uint(out, value);
}

static void put_int(struct buf *out, const char *name, int64_t value)
{
	put_name(out, name);
	buf_append_int(out, value);
}

static void put_bool(struct buf *out, const char *name, bool value)
{
	put_name(out, name);
	buf_append_str(out, value ? "true" : "false");
}

static void put_epoch(struct buf *out, uint64_t epoch)
{
	char text[EPOCH_TEXT_MAX];
	put_string(out, "epoch", bytes_make(text, epoch_format(epoch, text)));
}

static void put_position(struct buf *out, uint64_t epoch, uint64_t seq)
{
	if (epoch != 0) {
		put_epoch(out, epoch);
		put_uint(out, "seq", seq);
	}
}

// What was published has a number from 1 on; the rest has no position.
static void put_published_position(struct buf *out, uint64_t epoch, uint64_t seq)
{
	put_position(out, seq > 0 ? epoch : 0, seq);
}

static void put_timestamp_if_any(struct buf *out, int64_t timestamp_ms)
{
	if (timestamp_ms != 0) {
		put_int(out, "timestamp", timestamp_ms);
	}
}

// The id is JSON already: as it was sent.
static void put_id_if_any(struct buf *out, struct bytes id)
{
	if (id.len > 0) {
		put_name(out, "id");
		buf_append_bytes(out, id);
	}
}

static void put_members_if_any(struct buf *out, const struct client_event *event)
{
	if (event->has_members) {
		put_uint(out, "members", event->members);
	}
}

// The members of the object `body`, as they are.
static void put_body(struct buf *out, struct bytes body)
{
	static const char blanks[] = " \n\t\r"; // RFC 8259 section 2
	body = ascii_trim(body, blanks);
	if (body.len < 2) {
		return;
	}
	struct bytes members = ascii_trim(bytes_make(body.data + 1, body.len - 2), blanks);
	if (members.len > 0) {
		buf_append_byte(out, ',');
		buf_append_bytes(out, members);
	}
}

static void begin(struct buf *out, struct bytes type)
{
	buf_append_str(out, "{\"type\":");
	jscan_append_string(out, type);
}

static void put_message(struct buf *out, struct bytes room, uint64_t epoch,
	const struct event_message *message)
{
	begin(out, message->type);
	put_string_if_any(out, "room", room);
	put_string_if_any(out, "from", message->from);
	put_string_if_any(out, "user", message->user);
	put_string_if_any(out, "username", message->username);
	put_published_position(out, epoch, message->seq);
	put_timestamp_if_any(out, message->timestamp_ms);
	put_body(out, message->body);
	buf_append_byte(out, '}');
}

static void put_messages(struct buf *out, const struct client_event *event)
{
	put_name(out, "messages");
	buf_append_byte(out, '[');
	for (size_t i = 0; i < event->n_messages; i++) {
		if (i > 0) {
			buf_append_byte(out, ',');
		}
		put_message(out, event->room, event->epoch, &event->messages[i]);
	}
	buf_append_byte(out, ']');
}

static void put_room(struct buf *out, const struct client_event *event)
{
	put_string_if_any(out, event->is_pattern ? "pattern" : "room", event->room);
}

static void put_roles(struct buf *out, const struct client_event *event)
{
	put_name(out, "roles");
	buf_append_byte(out, '[');
	for (size_t i = 0; i < event->n_roles; i++) {
		if (i > 0) {
			buf_append_byte(out, ',');
		}
		jscan_append_string(out, bytes_str(event->roles[i]));
	}
	buf_append_byte(out, ']');
}

static void encode_connected(struct buf *out, const struct client_event *event)
{
	put_string(out, "clientId", event->from);
	put_string(out, "user", event->user);
	put_string_if_any(out, "username", event->username);
	put_roles(out, event);
	put_timestamp_if_any(out, event->timestamp_ms);
	buf_append_str(out, ",\"heartbeat\":{\"interval\":");
	buf_append_uint(out, event->heartbeat_interval_s);
	put_uint(out, "timeout", event->heartbeat_timeout_s);
	buf_append_str(out, "},\"session\":{");
	if (event->expires_s != 0) {
		buf_append_str(out, "\"expires\":");
		buf_append_int(out, event->expires_s);
	}
	buf_append_byte(out, '}');
	put_uint(out, "maxMessage", event->max_message);
}

static void encode_joined(struct buf *out, const struct client_event *event)
{
	put_room(out, event);
	put_position(out, event->epoch, event->seq);
	if (event->has_recovered) {
		put_bool(out, "recovered", event->recovered);
	}
	put_members_if_any(out, event);
	if (event->has_messages) {
		put_messages(out, event);
	}
	put_id_if_any(out, event->id);
}

static void encode_left(struct buf *out, const struct client_event *event)
{
	put_room(out, event);
	put_string_if_any(out, "reason", event->reason);
	put_id_if_any(out, event->id);
}

static void encode_ack(struct buf *out, const struct client_event *event)
{
	put_id_if_any(out, event->id);
	put_string_if_any(out, "room", event->room);
	put_published_position(out, event->epoch, event->seq);
	put_timestamp_if_any(out, event->timestamp_ms);
	put_members_if_any(out, event);
	if (event->duplicate) {
		put_bool(out, "duplicate", true);
	}
}

static void encode_history(struct buf *out, const struct client_event *event)
{
	put_string(out, "room", event->room);
	put_position(out, event->epoch, event->seq);
	put_messages(out, event);
	put_id_if_any(out, event->id);
}

static void encode_presence(struct buf *out, const struct client_event *event)
{
	put_string(out, "room", event->room);
	put_uint(out, "users", event->users);
	put_uint(out, "connections", event->connections);
	put_name(out, "members");
	buf_append_byte(out, '[');
	for (size_t i = 0; i < event->n_present; i++) {
		const struct event_user *present = &event->present[i];
		buf_append_str(out, i > 0 ? ",{\"user\":" : "{\"user\":");
		jscan_append_string(out, present->user);
		put_string(out, "username", present->username);
		put_uint(out, "clients", present->clients);
		buf_append_byte(out, '}');
	}
	buf_append_byte(out, ']');
	put_id_if_any(out, event->id);
}

static void encode_member(struct buf *out, const struct client_event *event)
{
	put_string(out, "room", event->room);
	put_string(out, "user", event->user);
	put_string_if_any(out, "username", event->username);
}

static void encode_expiring(struct buf *out, const struct client_event *event)
{
	put_int(out, "in", event->expires_s);
}

static void encode_gap(struct buf *out, const struct client_event *event)
{
	put_string(out, "room", event->room);
	put_epoch(out, event->epoch);
	put_uint(out, "from", event->from_seq);
	put_uint(out, "to", event->to_seq);
	put_string(out, "reason", event->reason);
}

static void encode_pong(struct buf *out, const struct client_event *event)
{
	put_timestamp_if_any(out, event->timestamp_ms);
	put_id_if_any(out, event->id);
}

static void put_needs_if_any(struct buf *out, const struct client_event *event)
{
	struct buf text = { 0 };
	codec_put_needs(&text, event);
	put_string_if_any(out, "needs", buf_bytes(&text));
	buf_fini(&text);
}

static void encode_error(struct buf *out, const struct client_event *event)
{
	put_string(out, "code", bytes_str(client_error_code(event->error)));
	put_string(out, "message", bytes_str(client_error_message(event->error)));
	put_id_if_any(out, event->id);
	put_room(out, event);
	put_needs_if_any(out, event);
	put_string_if_any(out, "outcome", bytes_str(outcome_name(event->outcome)));
	put_string_if_any(out, "limit", event->limit);
	if (event->after_ms > 0) {
		put_uint(out, "after", event->after_ms);
	}
}

static void encode_disconnected(struct buf *out, const struct client_event *event)
{
	put_uint(out, "closed", event->members);
}

typedef void encode_fn(struct buf *out, const struct client_event *event);

static encode_fn *const encoders[EVENT_COUNT] = {
	[EVENT_CONNECTED] = encode_connected,
	[EVENT_JOINED] = encode_joined,
	[EVENT_LEFT] = encode_left,
	[EVENT_ACK] = encode_ack,
	[EVENT_HISTORY] = encode_history,
	[EVENT_PRESENCE] = encode_presence,
	[EVENT_MEMBER_JOIN] = encode_member,
	[EVENT_MEMBER_LEAVE] = encode_member,
	[EVENT_TOKEN_EXPIRING] = encode_expiring,
	[EVENT_GAP] = encode_gap,
	[EVENT_PONG] = encode_pong,
	[EVENT_ERROR] = encode_error,
	[EVENT_DISCONNECTED] = encode_disconnected,
};

static struct bytes type_of(enum event_kind kind)
{
	return bytes_str(kind == EVENT_DISCONNECTED ? "disconnected" : type_name(event_type(kind)));
}

void codec_json_encode(struct buf *out, const struct client_event *event)
{
	if (event->kind == EVENT_MESSAGE) {
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
		return;
	}
	CHECK(event->kind < EVENT_COUNT && encoders[event->kind] != NULL);
	begin(out, type_of(event->kind));
	encoders[event->kind](out, event);
	buf_append_byte(out, '}');
}
