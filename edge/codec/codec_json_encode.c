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

// ---- the parts that are more than a field

static void put_id(struct buf *out, const struct client_event *event)
{
	if (event->id.len > 0) {
		put_name(out, "id");
		buf_append_bytes(out, event->id); // JSON already: as it was sent
	}
}

static void put_room(struct buf *out, const struct client_event *event)
{
	put_string_if_any(out, "room", event->is_pattern ? bytes_make(NULL, 0) : event->room);
}

static void put_pattern(struct buf *out, const struct client_event *event)
{
	put_string_if_any(out, "pattern", event->is_pattern ? event->room : bytes_make(NULL, 0));
}

static void put_event_position(struct buf *out, const struct client_event *event)
{
	put_position(out, event->epoch, event->seq);
}

static void put_event_published(struct buf *out, const struct client_event *event)
{
	put_published_position(out, event->epoch, event->seq);
}

static void put_event_epoch(struct buf *out, const struct client_event *event)
{
	put_epoch(out, event->epoch);
}

static void put_timestamp(struct buf *out, const struct client_event *event)
{
	put_timestamp_if_any(out, event->timestamp_ms);
}

static void put_recovered(struct buf *out, const struct client_event *event)
{
	if (event->has_recovered) {
		put_bool(out, "recovered", event->recovered);
	}
}

static void put_members(struct buf *out, const struct client_event *event)
{
	if (event->has_members) {
		put_uint(out, "members", event->members);
	}
}

static void put_messages(struct buf *out, const struct client_event *event)
{
	if (!event->has_messages) {
		return;
	}
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

static void put_duplicate(struct buf *out, const struct client_event *event)
{
	if (event->duplicate) {
		put_bool(out, "duplicate", true);
	}
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

static void put_heartbeat(struct buf *out, const struct client_event *event)
{
	buf_append_str(out, ",\"heartbeat\":{\"interval\":");
	buf_append_uint(out, event->heartbeat_interval_s);
	put_uint(out, "timeout", event->heartbeat_timeout_s);
	buf_append_byte(out, '}');
}

static void put_session(struct buf *out, const struct client_event *event)
{
	buf_append_str(out, ",\"session\":{");
	if (event->expires_s != 0) {
		buf_append_str(out, "\"expires\":");
		buf_append_int(out, event->expires_s);
	}
	buf_append_byte(out, '}');
}

static void put_present(struct buf *out, const struct client_event *event)
{
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
}

static void put_expires_in(struct buf *out, const struct client_event *event)
{
	put_int(out, "in", event->expires_s);
}

static void put_code(struct buf *out, const struct client_event *event)
{
	put_string(out, "code", bytes_str(client_error_code(event->error)));
}

static void put_text(struct buf *out, const struct client_event *event)
{
	put_string(out, "message", bytes_str(client_error_message(event->error)));
}

static void put_needs(struct buf *out, const struct client_event *event)
{
	struct buf text = { 0 };
	codec_put_needs(&text, event);
	put_string_if_any(out, "needs", buf_bytes(&text));
	buf_fini(&text);
}

static void put_outcome(struct buf *out, const struct client_event *event)
{
	put_string_if_any(out, "outcome", bytes_str(outcome_name(event->outcome)));
}

static void put_after(struct buf *out, const struct client_event *event)
{
	if (event->after_ms > 0) {
		put_uint(out, "after", event->after_ms);
	}
}

static void (*const own_parts[PART_COUNT])(struct buf *out, const struct client_event *event) = {
	[PART_ID] = put_id,
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
	[PART_SESSION] = put_session,
	[PART_PRESENT] = put_present,
	[PART_EXPIRES_IN] = put_expires_in,
	[PART_CODE] = put_code,
	[PART_TEXT] = put_text,
	[PART_NEEDS] = put_needs,
	[PART_OUTCOME] = put_outcome,
	[PART_AFTER] = put_after,
};

static void put_part(struct buf *out, enum event_part part, const struct client_event *event)
{
	const struct event_part_rule *rule = event_part_rule(part);
	if (rule->form == FORM_TEXT) {
		put_string_if_any(out, rule->name, event_text(event, rule));
	} else if (rule->form != FORM_OWN) {
		put_uint(out, rule->name, event_uint(event, rule));
	} else {
		own_parts[part](out, event);
	}
}

static struct bytes type_of(enum event_kind kind)
{
	return bytes_str(
		kind == EVENT_DISCONNECTED ? "disconnected" : type_name(event_row(kind)->type));
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
	const struct event_row *row = event_row(event->kind);
	begin(out, type_of(event->kind));
	for (size_t i = 0; row->parts[i].part != PART_NONE; i++) {
		put_part(out, row->parts[i].part, event);
	}
	buf_append_byte(out, '}');
}
