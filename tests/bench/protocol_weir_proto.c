// Weir's client protocol in binary (proto/client.proto) as far as a load generator speaks it. What
// is said is what protocol_weir.c says, field by field, so that a run measures the codec alone.
//
// The number of a publish is the first of the sender's own fields, so its JSON is not walked.
#include <string.h>

#include "common/ascii.h"
#include "proto/pb_wire.h"
#include "tests/bench/protocol_weir.h"

// Numbers of fields in the schema.
enum {
	ID = 1, // of either message
	CLIENT_JOIN = 2,
	CLIENT_PUBLISH = 4,
	SERVER_JOINED = 3,
	SERVER_MESSAGE = 5,
	SERVER_ACK = 6,
	SERVER_GAP = 12,
	SERVER_ERROR = 14,
	JOINED_MESSAGES = 6,
};

static const char before_number[] = "{\"n\":";

static uint64_t number_of(struct bytes text)
{
	uint64_t value = 0;
	size_t len = 0;
	while (len < text.len && ascii_is_digit(text.data[len])) {
		len++;
	}
	return ascii_uint(bytes_make(text.data, len), &value) ? value : 0;
}

static void note_message(struct incoming *in, const struct pb_field *field)
{
	switch (field->number) {
	case 1:
		in->room = field->data;
		break;
	case 6:
		in->epoch = field->data;
		break;
	case 7:
		in->seq = field->value;
		break;
	case 9:
		if (bytes_has_prefix(field->data, before_number)) {
			in->number = number_of(bytes_from(field->data, strlen(before_number)));
		}
		break;
	default:
		break;
	}
}

static void note_joined(struct incoming *in, const struct pb_field *field)
{
	switch (field->number) {
	case 1:
		in->room = field->data;
		break;
	case 2:
		in->epoch = field->data;
		break;
	case 3:
		in->seq = field->value;
		break;
	case 4:
		in->recovered = field->value == 1;
		break;
	default:
		break;
	}
}

// An ack: its position stands where that of `joined` does.
static void note_ack(struct incoming *in, const struct pb_field *field)
{
	if (field->number <= 3) {
		note_joined(in, field);
	}
}

static void note_gap(struct incoming *in, const struct pb_field *field)
{
	if (field->number <= 2) {
		note_joined(in, field);
	} else if (field->number == 3) {
		in->from = field->value;
	} else if (field->number == 4) {
		in->to = field->value;
	}
}

static void note_error(struct incoming *in, const struct pb_field *field)
{
	if (field->number == 1) {
		in->code = field->data;
	} else if (field->number == 3) {
		in->room = field->data;
	} else if (field->number == 4) {
		in->outcome_unknown = bytes_equal_str(field->data, "unknown");
	}
}

typedef void note_fn(struct incoming *in, const struct pb_field *field);

static bool read_fields(struct bytes message, struct incoming *in, note_fn *note)
{
	struct pb_field field;
	int more;
	while ((more = pb_field_next(&message, &field)) > 0) {
		note(in, &field);
	}
	return more == 0;
}

static bool read_kind(struct incoming *in, const struct pb_field *field)
{
	static const struct {
		uint32_t number;
		enum incoming_kind kind;
		note_fn *note;
	} kinds[] = {
		{ SERVER_MESSAGE, INCOMING_DELIVERY, note_message },
		{ SERVER_ACK, INCOMING_ACK, note_ack },
		{ SERVER_JOINED, INCOMING_JOINED, note_joined },
		{ SERVER_ERROR, INCOMING_ERROR, note_error },
		{ SERVER_GAP, INCOMING_GAP, note_gap },
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (field->number == kinds[i].number) {
			in->kind = kinds[i].kind;
			in->messages = field->data;
			return read_fields(field->data, in, kinds[i].note);
		}
	}
	return true;
}

static void read_message(struct bytes message, struct incoming *in)
{
	struct pb_field field;
	bool good = message.len > 0;
	int more = 0;
	*in = (struct incoming){ .kind = INCOMING_OTHER };
	while (good && (more = pb_field_next(&message, &field)) > 0) {
		if (field.number == ID) {
			in->has_id = true;
			in->number = number_of(field.data);
		} else {
			good = read_kind(in, &field);
		}
	}
	if (!good || more < 0) {
		in->kind = INCOMING_BROKEN;
	} else if (in->kind == INCOMING_DELIVERY && in->seq == 0) {
		in->kind = INCOMING_OTHER; // typing, a broadcast
	}
}

// `messages` is what is left of a `joined`.
static bool next_missed(struct bytes *messages, struct incoming *in)
{
	struct pb_field field;
	while (pb_field_next(messages, &field) > 0) {
		if (field.number == JOINED_MESSAGES) {
			*in = (struct incoming){ .kind = INCOMING_DELIVERY };
			if (!read_fields(field.data, in, note_message)) {
				in->kind = INCOMING_BROKEN;
			}
			return true;
		}
	}
	return false;
}

static void append_id(struct buf *out, uint64_t number)
{
	struct buf text = { 0 };
	buf_append_uint(&text, number);
	pb_append_bytes(out, ID, buf_bytes(&text));
	buf_fini(&text);
}

static void append_join(struct buf *out, const char *room, struct position since)
{
	append_id(out, 0);
	size_t join = pb_begin(out, CLIENT_JOIN);
	pb_append_bytes(out, 1, bytes_str(room));
	if (since.epoch.len > 0) {
		size_t begun = pb_begin(out, 2);
		pb_append_bytes(out, 1, since.epoch);
		pb_append_uint(out, 2, since.seq);
		pb_end(out, begun);
	}
	pb_end(out, join);
}

static void append_publish(struct buf *out, const char *room, uint64_t number, size_t size)
{
	append_id(out, number);
	size_t publish = pb_begin(out, CLIENT_PUBLISH);
	pb_append_bytes(out, 1, bytes_str(room));
	pb_append_bytes(out, 2, bytes_str("chat"));
	size_t body = pb_begin(out, 3);
	buf_append_byte(out, '{');
	weir_append_own_fields(out, room, number, size);
	buf_append_byte(out, '}');
	pb_end(out, body);
	pb_end(out, publish);
}

const struct bench_protocol protocol_weir_proto = {
	.name = "weir-proto",
	.subprotocol = "weir.v1.proto",
	.binary = true,
	.sequenced = true,
	.target = weir_append_target,
	.join = append_join,
	.publish = append_publish,
	.read = read_message,
	.next_missed = next_missed,
	.read_close = weir_read_close,
};
