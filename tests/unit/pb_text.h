// A message of protobuf as one line of text, by what the library knows of it: `field { .. }` and
// `field=value`, what is zero or empty left out.
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/buf.h"
#include "common/check.h"

static inline void pb_describe(struct buf *out, const ProtobufCMessage *message);

static inline void pb_describe_value(struct buf *out, const ProtobufCFieldDescriptor *field,
	const void *value)
{
	uint64_t number = 0;
	struct bytes text = { 0 };
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(ProtobufCMessage *const *)value != NULL) {
			buf_printf(out, " %s {", field->name);
			pb_describe(out, *(ProtobufCMessage *const *)value);
			buf_append_str(out, " }");
		}
		return;
	case PROTOBUF_C_TYPE_STRING:
		text = bytes_str(*(const char *const *)value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		text = bytes_make(((const ProtobufCBinaryData *)value)->data,
			((const ProtobufCBinaryData *)value)->len);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		number = *(const uint64_t *)value;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		number = *(const protobuf_c_boolean *)value != 0;
		break;
	default:
		number = *(const uint32_t *)value;
		break;
	}
	if (text.len > 0) {
		buf_printf(out, " %s=%.*s", field->name, (int)text.len, (const char *)text.data);
	} else if (number != 0) {
		buf_printf(out, " %s=%lld", field->name, (long long)number);
	}
}

static inline void pb_describe(struct buf *out, const ProtobufCMessage *message)
{
	const uint8_t *base = (const uint8_t *)message;
	CHECK(message->n_unknown_fields == 0);
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const void *value = base + field->offset;
		uint32_t quantifier = *(const uint32_t *)(base + field->quantifier_offset);
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && quantifier != field->id) {
			continue;
		}
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			pb_describe_value(out, field, value);
			continue;
		}
		size_t n = *(const size_t *)(base + field->quantifier_offset);
		for (size_t k = 0; k < n; k++) { // texts and messages: pointers
			pb_describe_value(out, field, *(void *const *const *)value + k);
		}
	}
}
