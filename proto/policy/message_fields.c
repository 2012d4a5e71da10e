// What does not travel is either consumed on the way or set by the gateway, and a client must not
// be able to say it in the gateway's place. The rest means something in other messages than a
// publish only, where it is the sender's own.

#include "proto/policy/message_fields.h"

#include "common/check.h"

#define NAME(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	size_t len;
	bool travels;
} fields[FIELD_COUNT] = {
	[FIELD_TYPE] = { NAME("type"), false },
	[FIELD_ID] = { NAME("id"), false },
	[FIELD_ROOM] = { NAME("room"), false },
	[FIELD_KEY] = { NAME("key"), false },
	[FIELD_ECHO] = { NAME("echo"), false },
	[FIELD_EPHEMERAL] = { NAME("ephemeral"), false },
	[FIELD_FROM] = { NAME("from"), false },
	[FIELD_USER] = { NAME("user"), false },
	[FIELD_USERNAME] = { NAME("username"), false },
	[FIELD_SEQ] = { NAME("seq"), false },
	[FIELD_EPOCH] = { NAME("epoch"), false },
	[FIELD_TIMESTAMP] = { NAME("timestamp"), false },
	[FIELD_TO] = { NAME("to"), true },
	[FIELD_SINCE] = { NAME("since"), true },
	[FIELD_PRESENCE] = { NAME("presence"), true },
	[FIELD_BEFORE] = { NAME("before"), true },
	[FIELD_LIMIT] = { NAME("limit"), true },
	[FIELD_TOKEN] = { NAME("token"), true },
	[FIELD_PATTERN] = { NAME("pattern"), true },
	[FIELD_TRACEPARENT] = { NAME("traceparent"), true },
};

// A field's name is looked for among those of its length: one call for each name of a message.
enum {
	SAME_LEN_MAX = 5
};
static const uint8_t by_len[][SAME_LEN_MAX] = {
	[2] = { FIELD_ID + 1, FIELD_TO + 1 },
	[3] = { FIELD_KEY + 1, FIELD_SEQ + 1 },
	[4] = { FIELD_TYPE + 1, FIELD_ROOM + 1, FIELD_ECHO + 1, FIELD_FROM + 1, FIELD_USER + 1 },
	[5] = { FIELD_EPOCH + 1, FIELD_SINCE + 1, FIELD_LIMIT + 1, FIELD_TOKEN + 1 },
	[6] = { FIELD_BEFORE + 1 },
	[7] = { FIELD_PATTERN + 1 },
	[8] = { FIELD_USERNAME + 1, FIELD_PRESENCE + 1 },
	[9] = { FIELD_TIMESTAMP + 1, FIELD_EPHEMERAL + 1 },
	[11] = { FIELD_TRACEPARENT + 1 },
};

enum message_field message_field_find(struct bytes name)
{
	for (size_t i = 0; name.len < ARRAY_LEN(by_len) && i < SAME_LEN_MAX; i++) {
		unsigned f = by_len[name.len][i];
		if (f == 0) {
			break;
		}
		// The first letter spares most calls of memcmp().
		if (name.data[0] == (uint8_t)fields[f - 1].name[0] &&
			memcmp(name.data, fields[f - 1].name, name.len) == 0) {
			return (enum message_field)(f - 1);
		}
	}
	return FIELD_COUNT;
}

bool message_field_travels(enum message_field field)
{
	return field == FIELD_COUNT || fields[field].travels;
}

static bool is_set_by_gateway(enum message_field field)
{
	switch (field) {
	case FIELD_TYPE:
	case FIELD_ROOM:
	case FIELD_FROM:
	case FIELD_USER:
	case FIELD_USERNAME:
	case FIELD_SEQ:
	case FIELD_EPOCH:
	case FIELD_TIMESTAMP:
		return true;
	default:
		return false;
	}
}

// The letter at the front of `*rest`, folded, and moves on: ASCII, and the characters whose fold,
// or that of their upper case, is a letter of ASCII: long s, dotless i, dotted I, the Kelvin sign.
// 0x80 for others.
static uint8_t next_folded(struct bytes *rest)
{
	static const struct {
		const char *utf8;
		size_t len;
		uint8_t fold;
	} rows[] = {
		{ NAME("\xc5\xbf"), 's' },
		{ NAME("\xc4\xb1"), 'i' },
		{ NAME("\xc4\xb0"), 'i' },
		{ NAME("\xe2\x84\xaa"), 'k' },
	};
	uint8_t byte = rest->data[0];
	if (byte < 0x80) {
		*rest = bytes_from(*rest, 1);
		return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rest->len >= rows[i].len &&
			memcmp(rest->data, rows[i].utf8, rows[i].len) == 0) {
			*rest = bytes_from(*rest, rows[i].len);
			return rows[i].fold;
		}
	}
	*rest = bytes_from(*rest, 1);
	return 0x80;
}

bool message_field_mimics(struct bytes name)
{
	uint8_t folded[sizeof("timestamp")];
	size_t len = 0;
	bool differs = false;
	for (size_t i = 0; i < name.len; i++) {
		differs |= name.data[i] >= 0x80 || (name.data[i] >= 'A' && name.data[i] <= 'Z');
	}
	while (differs && name.len > 0 && len < sizeof(folded)) {
		folded[len++] = next_folded(&name);
	}
	return differs && is_set_by_gateway(message_field_find(bytes_make(folded, len)));
}

const char *message_field_name(enum message_field field)
{
	CHECK(field < FIELD_COUNT);
	return fields[field].name;
}
