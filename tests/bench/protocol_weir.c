// Weir's client protocol (proto/client.md) as far as a load generator speaks it.
//
// Incoming messages are walked member by member, without checking what is stepped over, only until
// all is known that a message of its kind can tell: the padding behind the publish number is never
// looked at. The walk is bounded by the message, a broken one is reported, never followed.
//
// Rejected: searching for `"seq":` with memmem(). It is no faster, since the member stands in the
// first 200 bytes, and it would find a field of that name inside somebody's nested object. Rejected
// as well: common/jscan.h, which validates every byte; the servers' tests do that.

#include "tests/bench/protocol_weir.h"

#include <string.h>

#include "common/ascii.h"
#include "common/jscan.h"

// The scanner

struct walk {
	const uint8_t *at;
	const uint8_t *end;
};

static uint8_t peek(const struct walk *w)
{
	return w->at < w->end ? *w->at : 0;
}

static void skip_space(struct walk *w)
{
	while (w->at < w->end &&
		(*w->at == ' ' || *w->at == '\n' || *w->at == '\t' || *w->at == '\r')) {
		w->at++;
	}
}

static bool take(struct walk *w, uint8_t byte)
{
	skip_space(w);
	if (peek(w) != byte) {
		return false;
	}
	w->at++;
	return true;
}

// A string, without its quotes and as it was sent.
static bool take_string(struct walk *w, struct bytes *text)
{
	if (!take(w, '"')) {
		return false;
	}
	const uint8_t *start = w->at;
	while (w->at < w->end && *w->at != '"') {
		size_t step = *w->at == '\\' ? 2 : 1;
		if (step > (size_t)(w->end - w->at)) {
			return false;
		}
		w->at += step;
	}
	if (w->at == w->end) {
		return false;
	}
	*text = bytes_make(start, (size_t)(w->at - start));
	w->at++;
	return true;
}

// An array or object, up to its closing bracket.
static bool skip_nested(struct walk *w)
{
	unsigned depth = 0;
	do {
		struct bytes ignored;
		uint8_t byte = peek(w);
		if (byte == '"') {
			if (!take_string(w, &ignored)) {
				return false;
			}
			continue;
		}
		depth += byte == '{' || byte == '[' ? 1 : 0;
		depth -= byte == '}' || byte == ']' ? 1 : 0;
		w->at++;
	} while (depth > 0 && w->at < w->end);
	return depth == 0;
}

// Any value; a string without its quotes.
static bool take_value(struct walk *w, struct bytes *value)
{
	skip_space(w);
	if (peek(w) == '"') {
		return take_string(w, value);
	}
	const uint8_t *start = w->at;
	if (peek(w) == '{' || peek(w) == '[') {
		if (!skip_nested(w)) {
			return false;
		}
	} else {
		while (w->at < w->end && *w->at != ',' && *w->at != '}' && *w->at != ']' &&
			*w->at > ' ') {
			w->at++;
		}
	}
	*value = bytes_make(start, (size_t)(w->at - start));
	return value->len > 0 && w->at < w->end; // no value ends a message
}

// 0 for what is no unsigned integer.
static uint64_t number_of(struct bytes text)
{
	uint64_t value;
	return ascii_uint(text, &value) ? value : 0;
}

// What the messages say

enum known {
	KNOWS_TYPE = 1 << 0,
	KNOWS_ROOM = 1 << 1,
	KNOWS_EPOCH = 1 << 2,
	KNOWS_SEQ = 1 << 3,
	KNOWS_NUMBER = 1 << 4,
	KNOWS_DELIVERY = 31,
};

static enum incoming_kind kind_of(struct bytes type)
{
	static const struct {
		const char *type;
		enum incoming_kind kind;
	} kinds[] = {
		{ "chat", INCOMING_DELIVERY }, // ours, so nearly all
		{ "ack", INCOMING_ACK },
		{ "joined", INCOMING_JOINED },
		{ "error", INCOMING_ERROR },
		{ "gap", INCOMING_GAP },
		{ "connected", INCOMING_OTHER },
		{ "left", INCOMING_OTHER },
		{ "history", INCOMING_OTHER },
		{ "presence", INCOMING_OTHER },
		{ "member:join", INCOMING_OTHER },
		{ "member:leave", INCOMING_OTHER },
		{ "token:expiring", INCOMING_OTHER },
		{ "pong", INCOMING_OTHER },
	};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (bytes_equal_str(type, kinds[i].type)) {
			return kinds[i].kind;
		}
	}
	return INCOMING_DELIVERY;
}

static unsigned note(struct incoming *in, struct bytes name, struct bytes value)
{
	switch (name.len) {
	case 1:
		if (name.data[0] == 'n' && in->kind == INCOMING_DELIVERY) {
			in->number = number_of(value);
			return KNOWS_NUMBER;
		}
		return 0;
	case 2:
		if (memcmp(name.data, "id", 2) == 0) {
			in->has_id = true;
			in->number = number_of(value);
		} else if (memcmp(name.data, "to", 2) == 0) {
			in->to = number_of(value);
		}
		return 0;
	case 3:
		if (memcmp(name.data, "seq", 3) == 0) {
			in->seq = number_of(value);
			return KNOWS_SEQ;
		}
		return 0;
	case 4:
		if (memcmp(name.data, "room", 4) == 0) {
			in->room = value;
			return KNOWS_ROOM;
		}
		if (memcmp(name.data, "type", 4) == 0) {
			in->kind = kind_of(value);
			return KNOWS_TYPE;
		}
		if (memcmp(name.data, "from", 4) == 0) {
			in->from = number_of(value);
		} else if (memcmp(name.data, "code", 4) == 0) {
			in->code = value;
		}
		return 0;
	case 5:
		if (memcmp(name.data, "epoch", 5) == 0) {
			in->epoch = value;
			return KNOWS_EPOCH;
		}
		return 0;
	default:
		if (bytes_equal_str(name, "recovered")) {
			in->recovered = bytes_equal_str(value, "true");
		} else if (bytes_equal_str(name, "messages")) {
			in->messages = value;
		} else if (bytes_equal_str(name, "outcome")) {
			in->outcome_unknown = bytes_equal_str(value, "unknown");
		}
		return 0;
	}
}

// Reads an object up to its end, or to where a delivery has nothing more to tell. False if it is
// broken.
static bool read_object(struct walk *w, struct incoming *in, bool whole)
{
	unsigned known = 0;
	if (!take(w, '{')) {
		return false;
	}
	do {
		struct bytes name;
		struct bytes value;
		if (!take_string(w, &name) || !take(w, ':') || !take_value(w, &value)) {
			return false;
		}
		known |= note(in, name, value);
		if (known == KNOWS_DELIVERY && in->kind == INCOMING_DELIVERY && !whole) {
			return true;
		}
	} while (take(w, ','));
	return take(w, '}') && (known & KNOWS_TYPE) != 0;
}

static void read_one(struct walk *w, struct incoming *in, bool whole)
{
	*in = (struct incoming){ .kind = INCOMING_DELIVERY };
	if (!read_object(w, in, whole)) {
		in->kind = INCOMING_BROKEN;
	} else if (in->kind == INCOMING_DELIVERY && in->seq == 0) {
		in->kind = INCOMING_OTHER; // typing, a broadcast
	}
}

static void read_message(struct bytes message, struct incoming *in)
{
	struct walk w = { message.data, message.data + message.len };
	read_one(&w, in, false);
}

static bool next_missed(struct bytes *messages, struct incoming *in)
{
	struct walk w = { messages->data, messages->data + messages->len };
	if (!take(&w, '[') && !take(&w, ',')) {
		return false;
	}
	if (take(&w, ']')) {
		return false;
	}
	read_one(&w, in, true);
	*messages = in->kind == INCOMING_BROKEN ? bytes_make(NULL, 0)
						: bytes_make(w.at, (size_t)(w.end - w.at));
	return true;
}

// What we say

void weir_append_target(struct buf *out, struct bytes token)
{
	buf_append_str(out, "/?autojoin=0");
	if (token.len > 0) {
		buf_append_str(out, "&token=");
		buf_append_bytes(out, token);
	}
}

static void append_join(struct buf *out, const char *room, struct position since)
{
	buf_printf(out, "{\"type\":\"join\",\"id\":0,\"room\":\"%s\"", room);
	if (since.epoch.len > 0) {
		// As it was sent, so it needs no escaping.
		buf_append_str(out, ",\"since\":{\"epoch\":\"");
		buf_append_bytes(out, since.epoch);
		buf_append_str(out, "\",\"seq\":");
		buf_append_uint(out, since.seq);
		buf_append_byte(out, '}');
	}
	buf_append_byte(out, '}');
}

void weir_append_own_fields(struct buf *out, const char *room, uint64_t number, size_t size)
{
	static const char around[] = "{\"type\":\"chat\",\"room\":\"\",\"id\":,}";
	static const char before_pad[] = ",\"pad\":\"";
	size_t start = out->len;
	buf_append_str(out, "\"n\":");
	buf_append_uint(out, number);
	size_t digits = out->len - start - strlen("\"n\":");
	size_t fixed = sizeof(around) - 1 + strlen(room) + digits + out->len - start +
		sizeof(before_pad) - 1 + 1;
	if (size >= fixed) {
		buf_append_str(out, before_pad);
		memset(buf_reserve(out, size - fixed), 'x', size - fixed);
		out->len += size - fixed;
		buf_append_byte(out, '"');
	}
}

static void append_publish(struct buf *out, const char *room, uint64_t number, size_t size)
{
	buf_append_str(out, "{\"type\":\"chat\",\"room\":\"");
	buf_append_str(out, room);
	buf_append_str(out, "\",\"id\":");
	buf_append_uint(out, number);
	buf_append_byte(out, ',');
	weir_append_own_fields(out, room, number, size);
	buf_append_byte(out, '}');
}

// How it ends

// `[500,20000]`
static bool read_delays(struct bytes value, struct advice *advice)
{
	struct walk w = { value.data, value.data + value.len };
	struct bytes min;
	struct bytes max;
	if (!take(&w, '[') || !take_value(&w, &min) || !take(&w, ',') || !take_value(&w, &max)) {
		return false;
	}
	uint64_t low = number_of(min);
	uint64_t high = number_of(max);
	if (low > high || high > UINT32_MAX) {
		return false;
	}
	advice->delay_min_ms = (uint32_t)low;
	advice->delay_max_ms = (uint32_t)high;
	return true;
}

void weir_read_close(unsigned code, struct bytes reason, struct advice *advice)
{
	// Without advice: what section 7.4.1 of RFC 6455 says is the client's fault stays.
	bool faulty = code == 1002 || code == 1003 || (code >= 1007 && code <= 1010);
	*advice = (struct advice){ .reconnect = !faulty };
	struct jscan scan;
	struct jscan_member member;
	jscan_init(&scan, reason);
	while (jscan_next(&scan, &member) == 1) {
		struct bytes value = member.raw_value;
		if (bytes_equal_str(member.raw_name, "\"reason\"") && member.kind == JSCAN_STRING) {
			advice->reason = bytes_make(value.data + 1, value.len - 2);
		} else if (bytes_equal_str(member.raw_name, "\"reconnect\"")) {
			advice->reconnect = bytes_equal_str(value, "true");
		} else if (bytes_equal_str(member.raw_name, "\"after\"")) {
			advice->has_delay = read_delays(value, advice);
		}
	}
}

const struct bench_protocol protocol_weir = {
	.name = "weir",
	.sequenced = true,
	.target = weir_append_target,
	.join = append_join,
	.publish = append_publish,
	.read = read_message,
	.next_missed = next_missed,
	.read_close = weir_read_close,
};
