// The event is made of the frame that WebSocket clients get: its JSON text is the data, and its
// first members say the type and the place. It is made once a worker and message and shared by all
// readers of one room; a reader of several rooms gets its own, because the id tells where it stands
// in each of them.
//
// A reader sends nothing, so silence proves nothing; what proves that it is there is that it takes
// what it is sent. A stream has no code for its end: it says so by a last event.

#include "edge/client/sse.h"

#include <stdlib.h>

#include "common/ascii.h"
#include "common/jscan.h"
#include "common/mem.h"
#include "common/random.h"
#include "edge/client/clients.h"
#include "edge/client/conn_parts.h"

// ---- events

// What the id of an event needs of its JSON text.
struct place {
	struct bytes type; // decoded
	struct bytes epoch;
	struct bytes seq; // as digits
};

static struct place place_of(struct bytes json, struct buf *scratch)
{
	struct place place = { 0 };
	struct jscan scan;
	struct jscan_member member;
	jscan_init(&scan, json);
	// The codec puts these before anything that a client wrote.
	for (unsigned i = 0; i < 8 && jscan_next(&scan, &member) > 0; i++) {
		if (bytes_equal_str(member.raw_name, "\"type\"")) {
			place.type = jscan_string_decode(member.raw_value, scratch);
		} else if (bytes_equal_str(member.raw_name, "\"epoch\"")) {
			place.epoch = jscan_string_decode(member.raw_value, scratch);
		} else if (bytes_equal_str(member.raw_name, "\"seq\"")) {
			place.seq = member.raw_value;
			break;
		}
	}
	return place;
}

static void append_escaped(struct buf *out, struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t byte = name.data[i];
		if (ascii_is_alnum(byte) || ascii_is_one_of(byte, "-._~")) {
			buf_append_byte(out, byte);
		} else {
			buf_printf(out, "%%%02X", byte);
		}
	}
}

// Where the reader stands in all of its rooms: ROOM=EPOCH:SEQ,...
static void append_places(struct buf *out, const struct conn *c)
{
	const struct fib_member *member;
	bool first = true;
	LIST_FOREACH (member, &c->account.rooms, in_conn) {
		char epoch[EPOCH_TEXT_MAX];
		uint64_t seq = member->room->last_seq > member->join_seq ? member->room->last_seq
									 : member->join_seq;
		buf_append_str(out, first ? "" : ",");
		append_escaped(out, fib_room_name(member->room));
		buf_append_byte(out, '=');
		buf_append(out, epoch, epoch_format(member->room->epoch, epoch));
		buf_printf(out, ":%llu", (unsigned long long)seq);
		first = false;
	}
}

// A line break is white space of a sender's JSON, or part of a type; here it would end the field.
static void append_line(struct buf *out, struct bytes text)
{
	size_t start = out->len;
	buf_append_bytes(out, text);
	for (size_t i = start; i < out->len; i++) {
		bool is_break = out->data[i] == '\n' || out->data[i] == '\r';
		out->data[i] = is_break ? ' ' : out->data[i];
	}
}

static struct frame *make_event(const struct conn *c, const struct frame *f)
{
	struct buf out = { 0 };
	struct buf scratch = { 0 };
	struct bytes json = frame_payload(f);
	buf_reserve(&scratch, json.len); // spans into it must not move
	struct place place = place_of(json, &scratch);
	if (place.seq.len > 0 && !(c->many_rooms && LIST_EMPTY(&c->account.rooms))) {
		buf_append_str(&out, "id: ");
		if (c->many_rooms) {
			append_places(&out, c);
		} else {
			buf_append_bytes(&out, place.epoch);
			buf_append_byte(&out, ':');
			buf_append_bytes(&out, place.seq);
		}
		buf_append_byte(&out, '\n');
	}
	buf_append_str(&out, "event: ");
	append_line(&out, place.type);
	buf_append_str(&out, "\ndata: ");
	append_line(&out, json);
	buf_append_str(&out, "\n\n");
	struct frame *event = frame_new_raw(buf_bytes(&out));
	event->type = f->type;
	event->epoch = f->epoch;
	event->seq = f->seq;
	frame_set_origin(event, origin_ref(f->origin));
	buf_fini(&scratch);
	buf_fini(&out);
	return event;
}

struct frame *sse_frame(struct conn *c, struct frame *f)
{
	struct turn *t = turn_of(c);
	if (c->many_rooms) {
		struct frame *own = make_event(c, f);
		frame_unref(f);
		return own;
	}
	if (t->event_of != f) {
		frame_unref(t->event_of);
		frame_unref(t->event);
		t->event_of = frame_ref(f, 1);
		t->event = make_event(c, f);
	}
	frame_unref(f);
	return frame_ref(t->event, 1);
}

void sse_push_close(struct conn *c, enum close_reason reason)
{
	const struct close_rule *rule = close_reason_rule(reason);
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	size_t len = close_reason_payload(reason, NULL, payload);
	struct buf out = { 0 };
	if (rule->reconnect && rule->after_max_ms > 0) {
		uint32_t spread = rule->after_max_ms - rule->after_min_ms;
		uint32_t random = (uint32_t)random_u64();
		buf_printf(&out, "retry: %u\n", rule->after_min_ms + random % (spread + 1));
	}
	buf_append_str(&out, "event: close\ndata: ");
	buf_append(&out, payload + 2, len - 2);
	buf_append_str(&out, "\n\n");
	conn_push_raw(c, buf_bytes(&out));
	buf_fini(&out);
}

void sse_push_ping(struct conn *c)
{
	conn_push_raw(c, bytes_str(":\n\n"));
}
