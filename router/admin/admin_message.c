// One walk over the object: what means something to us is taken out, all else is copied byte for
// byte into the body. The edge's codec does the same with much more; it is not shared, because it
// answers with the client protocol's errors, knows commands, and must not be known here.
//
// The scratch buffer gets the body first, at most as long as the text, and decoded strings behind
// it, so it never grows while spans point into it.

#include "router/admin/admin_message.h"

#include "common/jscan.h"
#include "common/utf8.h"
#include "proto/names.h"
#include "proto/policy/message_fields.h"

static size_t put(struct buf *body, size_t at, struct bytes text)
{
	memcpy(body->data + at, text.data, text.len);
	return at + text.len;
}

static const char *take(struct admin_message *message, enum message_field field,
	const struct jscan_member *member, struct buf *scratch)
{
	if (field == FIELD_TYPE) {
		if (member->kind != JSCAN_STRING) {
			return "type is not a string";
		}
		message->type = jscan_string_decode(member->raw_value, scratch);
	} else if (field == FIELD_EPHEMERAL) {
		if (member->kind != JSCAN_BOOL) {
			return "ephemeral is neither true nor false";
		}
		message->ephemeral = member->raw_value.data[0] == 't';
	} else if (field == FIELD_TRACEPARENT && member->kind == JSCAN_STRING) {
		// Another form than a trace can have is the sender's own affair.
		struct bytes trace = jscan_string_decode(member->raw_value, scratch);
		message->trace = trace_valid(trace) ? trace : message->trace;
	}
	return NULL;
}

static const char *check_type(struct bytes type)
{
	if (type.len == 0 || type.len > TYPE_NAME_MAX) {
		return "no type of 1 to 64 bytes";
	}
	if (bytes_has_nul(type)) {
		return "the type holds U+0000";
	}
	return type_is_reserved(type) ? "this type is reserved" : NULL;
}

// A type that would not arrive must not look as if it did.
static const char *take_broadcast(struct admin_message *message, struct bytes type)
{
	if (message->type.data != NULL && !bytes_equal(message->type, type)) {
		return "a broadcast has the type admin:broadcast; leave type out, or publish";
	}
	message->type = type;
	return NULL;
}

const char *admin_message_parse(struct bytes text, struct bytes type, struct buf *scratch,
	struct admin_message *message)
{
	*message = (struct admin_message){ 0 };
	if (!utf8_valid(text)) {
		return "not UTF-8";
	}
	scratch->len = 0;
	buf_reserve(scratch, 2 * text.len + 2);
	scratch->len = text.len + 2;
	size_t body_len = put(scratch, 0, bytes_str("{"));
	struct jscan scan;
	struct jscan_member member;
	int more;
	jscan_init(&scan, text);
	while ((more = jscan_next(&scan, &member)) > 0) {
		struct bytes name = jscan_string_decode(member.raw_name, scratch);
		enum message_field field = message_field_find(name);
		if (bytes_has_nul(name)) {
			return "a name holds U+0000";
		}
		const char *why = take(message, field, &member, scratch);
		if (why != NULL) {
			return why;
		}
		if (message_field_travels(field)) {
			body_len = put(scratch, body_len, member.raw_name);
			body_len = put(scratch, body_len, bytes_str(":"));
			body_len = put(scratch, body_len, member.raw_value);
			body_len = put(scratch, body_len, bytes_str(","));
		}
	}
	if (more < 0) {
		return "not one JSON object";
	}
	if (!jscan_names_unique(text)) {
		return "a name occurs twice";
	}
	// The last comma becomes the closing brace.
	body_len += body_len == 1;
	scratch->data[body_len - 1] = '}';
	message->body = bytes_make(scratch->data, body_len);
	if (type.len > 0) {
		return take_broadcast(message, type);
	}
	message->ephemeral |= type_find(message->type) == TYPE_TYPING;
	return check_type(message->type);
}
