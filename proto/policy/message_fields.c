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
	[FIELD_TRACEPARENT] = { NAME("traceparent"), true },
};

enum message_field message_field_find(struct bytes name)
{
	enum message_field f = 0;
	// The first letter spares most calls of memcmp(): one for each name of a message.
	while (f < FIELD_COUNT &&
		(name.len != fields[f].len || name.data[0] != (uint8_t)fields[f].name[0] ||
			memcmp(name.data, fields[f].name, name.len) != 0)) {
		f++;
	}
	return f;
}

bool message_field_travels(enum message_field field)
{
	return field == FIELD_COUNT || fields[field].travels;
}

const char *message_field_name(enum message_field field)
{
	CHECK(field < FIELD_COUNT);
	return fields[field].name;
}
