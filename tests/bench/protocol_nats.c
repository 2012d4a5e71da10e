// NATS as a further server: its text protocol, in frames of its WebSocket listener. A room is a
// subject, joining is a subscription and a PING whose PONG says that it is in force.
//
// Plain NATS gives a message no place in an order and does not answer a publish, so of what the
// clients judge only this is left: has each message come to each member. The server's own PINGs are
// not answered; they come every two minutes, and no run is so long.

#include <stdio.h>
#include <string.h>

#include "tests/bench/protocol.h"

static void append_target(struct buf *out, struct bytes token)
{
	(void)token;
	buf_append_byte(out, '/');
}

static void append_join(struct buf *out, const char *room, struct position since)
{
	(void)since;
	buf_printf(out,
		"CONNECT "
		"{\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"1\"}\r\n"
		"SUB %s 1\r\nPING\r\n",
		room);
}

static void append_publish(struct buf *out, const char *room, uint64_t number, size_t size)
{
	static const char before_pad[] = ",\"pad\":\"";
	char start[64];
	size_t len = (size_t)snprintf(start, sizeof(start), "{\"n\":%llu%s",
		(unsigned long long)number, before_pad);
	size_t pad = size > len + 2 ? size - len - 2 : 0;
	buf_printf(out, "PUB %s %zu\r\n%s", room, len + pad + 2, start);
	memset(buf_reserve(out, pad), 'x', pad);
	out->len += pad;
	buf_append_str(out, "\"}\r\n");
}

// A line without its end, or all of `text` if it has none.
static struct bytes line_of(struct bytes text)
{
	const uint8_t *end = text.len > 0 ? memmem(text.data, text.len, "\r\n", 2) : NULL;
	return bytes_make(text.data, end != NULL ? (size_t)(end - text.data) : text.len);
}

static bool starts_with(struct bytes text, const char *word)
{
	size_t len = strlen(word);
	return text.len >= len && memcmp(text.data, word, len) == 0;
}

static uint64_t number_at(struct bytes text, size_t at)
{
	uint64_t value = 0;
	while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' &&
		value < UINT64_MAX / 20) {
		value = value * 10 + (text.data[at++] - '0');
	}
	return value;
}

// Where the last word of a line begins.
static size_t last_word(struct bytes line)
{
	size_t at = line.len;
	while (at > 0 && line.data[at - 1] != ' ') {
		at--;
	}
	return at;
}

static bool take_message(struct bytes *frame, struct bytes *message)
{
	struct bytes line = line_of(*frame);
	size_t len = line.len + 2;
	if (starts_with(line, "MSG ")) {
		uint64_t payload = number_at(line, last_word(line));
		len = payload < frame->len ? len + (size_t)payload + 2 : frame->len;
	}
	len = len < frame->len ? len : frame->len;
	*message = bytes_make(frame->data, len);
	*frame = bytes_from(*frame, len);
	return len > 0;
}

// `MSG subject sid size\r\n{"n":N,...`
static void read_delivery(struct bytes message, struct bytes line, struct incoming *in)
{
	static const char start[] = "{\"n\":";
	struct bytes subject = bytes_from(line, 4);
	const uint8_t *end = subject.len > 0 ? memchr(subject.data, ' ', subject.len) : NULL;
	size_t size = (size_t)number_at(line, last_word(line));
	if (end == NULL || message.len != line.len + 4 + size) {
		return;
	}
	struct bytes payload = bytes_make(message.data + line.len + 2, size);
	if (starts_with(payload, start)) {
		in->kind = INCOMING_DELIVERY;
		in->room = bytes_make(subject.data, (size_t)(end - subject.data));
		in->number = number_at(payload, sizeof(start) - 1);
	}
}

static void read_message(struct bytes message, struct incoming *in)
{
	*in = (struct incoming){ .kind = INCOMING_BROKEN };
	struct bytes line = line_of(message);
	if (starts_with(line, "MSG ")) {
		read_delivery(message, line, in);
	} else if (starts_with(line, "PONG")) {
		in->kind = INCOMING_JOINED;
	} else if (starts_with(line, "-ERR")) {
		in->kind = INCOMING_ERROR;
		in->code = bytes_from(line, 4);
	} else if (starts_with(line, "INFO") || starts_with(line, "PING")) {
		in->kind = INCOMING_OTHER;
	}
}

static bool next_missed(struct bytes *messages, struct incoming *in)
{
	(void)messages;
	(void)in;
	return false;
}

static void read_close(unsigned code, struct bytes reason, struct advice *advice)
{
	(void)code;
	*advice = (struct advice){ .reason = reason };
}

const struct bench_protocol protocol_nats = {
	.name = "nats",
	.target = append_target,
	.join = append_join,
	.publish = append_publish,
	.take = take_message,
	.read = read_message,
	.next_missed = next_missed,
	.read_close = read_close,
};
