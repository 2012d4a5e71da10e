// The body of a message is the sender's bytes, which every receiving edge writes into its own
// object: a body that is no object, or closes the object early, would forge all that follows it.
// So the whole text is walked here once more, though the edge has done it: once a message, not once
// a delivery.
//
// Rejected: checking only at edges, on the way out. Each would do the same work for each message,
// and clients of older edges would have no protection. Two fields of one name are not looked for:
// they are the sender's own, and say nothing in the gateway's place.

#include "router/core/distrust.h"

#include "common/buf.h"
#include "common/jscan.h"
#include "common/utf8.h"
#include "proto/names.h"
#include "proto/policy/message_fields.h"

static const char *const names[DISTRUST_COUNT] = {
	[DISTRUST_NONE] = "none",
	[DISTRUST_TYPE] = "type",
	[DISTRUST_UTF8] = "utf8",
	[DISTRUST_JSON] = "json",
	[DISTRUST_FIELD] = "field",
	[DISTRUST_CLIENT_ID] = "client_id",
	[DISTRUST_NAME] = "name",
	[DISTRUST_USER] = "user",
	[DISTRUST_ADMIN] = "admin",
	[DISTRUST_REVOCATION] = "revocation",
};

const char *distrust_name(enum distrust distrust)
{
	CHECK(distrust < DISTRUST_COUNT);
	return names[distrust];
}

static bool type_may_pass(struct bytes room, struct bytes type)
{
	if (room.len == 0) {
		return bytes_equal_str(type, type_name(TYPE_ADMIN_BROADCAST));
	}
	if (bytes_equal_str(type, type_name(TYPE_DIRECT))) {
		return bytes_has_prefix(room, PERSONAL_PREFIX);
	}
	return !type_is_reserved(type) && utf8_valid(type) && !bytes_has_nul(type);
}

static bool name_may_pass(struct bytes name)
{
	enum message_field f = message_field_find(name);
	return f < FIELD_COUNT ? message_field_travels(f)
			       : !bytes_has_nul(name) && !message_field_mimics(name);
}

static bool member_may_pass(const struct jscan_member *member)
{
	struct bytes raw = member->raw_name;
	if (!member->name_escaped) {
		return name_may_pass(bytes_make(raw.data + 1, raw.len - 2));
	}
	struct buf decoded = { 0 };
	bool may_pass = name_may_pass(jscan_string_decode(raw, &decoded));
	buf_fini(&decoded);
	return may_pass;
}

enum distrust distrust_message(struct bytes room, struct bytes type, struct bytes body)
{
	struct jscan scan;
	struct jscan_member member;
	int more;
	if (!type_may_pass(room, type)) {
		return DISTRUST_TYPE;
	}
	if (!utf8_valid(body)) {
		return DISTRUST_UTF8;
	}
	jscan_init(&scan, body);
	while ((more = jscan_next(&scan, &member)) > 0) {
		if (!member_may_pass(&member)) {
			return DISTRUST_FIELD;
		}
	}
	return more == 0 ? DISTRUST_NONE : DISTRUST_JSON;
}
