// Rows are packed one by one behind each other. An element of a repeated field may stand anywhere
// in a protobuf message, so the packed head and the packed rows, concatenated, are one Reply to any
// protobuf library. Building the Reply as protobuf-c's tree was rejected: a listing of ten thousand
// rows would be a hundred thousand allocations in the routing thread.
//
// Knows neither commands nor sockets. A row never says a name twice; that is the commands'
// business.

#include "router/admin/admin_reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/check.h"
#include "proto/pb_wire.h"

enum {
	ROWS_TAG = 3 << 3 | 2, // Reply.rows, length-delimited
	FULL_AT = ADMIN_REPLY_MAX - (64 << 10), // one row and the head fit behind it
};

void admin_reply_fini(struct admin_reply *reply)
{
	buf_fini(&reply->message);
	buf_fini(&reply->cursor);
	buf_fini(&reply->audit);
	buf_fini(&reply->rows);
}

static ProtobufCBinaryData span(struct bytes bytes)
{
	return (ProtobufCBinaryData){ .len = bytes.len, .data = (uint8_t *)bytes.data };
}

static Weir__Admin__V1__Field *add_field(struct admin_reply *reply, const char *name)
{
	CHECK(reply->n_fields < ADMIN_ROW_FIELDS_MAX);
	Weir__Admin__V1__Field *field = &reply->fields[reply->n_fields++];
	weir__admin__v1__field__init(field);
	field->name = span(bytes_str(name));
	return field;
}

void admin_reply_text(struct admin_reply *reply, const char *name, struct bytes value)
{
	Weir__Admin__V1__Field *field = add_field(reply, name);
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_TEXT;
	field->text = span(value);
}

void admin_reply_number(struct admin_reply *reply, const char *name, uint64_t value)
{
	Weir__Admin__V1__Field *field = add_field(reply, name);
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_NUMBER;
	field->number = value;
}

void admin_reply_flag(struct admin_reply *reply, const char *name, bool value)
{
	Weir__Admin__V1__Field *field = add_field(reply, name);
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_FLAG;
	field->flag = value;
}

void admin_reply_time(struct admin_reply *reply, const char *name, int64_t unix_ms)
{
	Weir__Admin__V1__Field *field = add_field(reply, name);
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_TIME;
	field->time = unix_ms;
}

void admin_reply_json(struct admin_reply *reply, const char *name, struct bytes json)
{
	Weir__Admin__V1__Field *field = add_field(reply, name);
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_JSON;
	field->json = span(json);
}

void admin_reply_null(struct admin_reply *reply, const char *name)
{
	add_field(reply, name);
}

void admin_reply_end_row(struct admin_reply *reply)
{
	Weir__Admin__V1__Field *fields[ADMIN_ROW_FIELDS_MAX];
	for (size_t i = 0; i < reply->n_fields; i++) {
		fields[i] = &reply->fields[i];
	}
	Weir__Admin__V1__Row row = WEIR__ADMIN__V1__ROW__INIT;
	row.n_fields = reply->n_fields;
	row.fields = fields;
	size_t size = weir__admin__v1__row__get_packed_size(&row);
	buf_append_byte(&reply->rows, ROWS_TAG);
	pb_append_varint(&reply->rows, size);
	weir__admin__v1__row__pack(&row, buf_reserve(&reply->rows, size));
	reply->rows.len += size;
	reply->n_rows++;
	reply->n_fields = 0;
}

bool admin_reply_is_full(const struct admin_reply *reply)
{
	return reply->rows.len > FULL_AT;
}

void admin_reply_fail(struct admin_reply *reply, Weir__Admin__V1__Status status, const char *format,
	...)
{
	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	reply->status = status;
	reply->table = false;
	reply->sentences = false;
	reply->live = false;
	reply->hold = false;
	reply->message.len = 0;
	buf_append_str(&reply->message, message);
	reply->cursor.len = 0;
	reply->rows.len = 0;
	reply->n_rows = 0;
	reply->n_fields = 0;
}

void admin_reply_pack(const struct admin_reply *reply, struct buf *out)
{
	Weir__Admin__V1__Reply head = WEIR__ADMIN__V1__REPLY__INIT;
	head.status = reply->status;
	head.message = span(buf_bytes(&reply->message));
	head.table = reply->table;
	head.more = reply->cursor.len > 0;
	head.cursor = span(buf_bytes(&reply->cursor));
	head.sentences = reply->sentences;
	head.live = reply->live;
	size_t size = weir__admin__v1__reply__get_packed_size(&head);
	weir__admin__v1__reply__pack(&head, buf_reserve(out, size));
	out->len += size;
	buf_append_bytes(out, buf_bytes(&reply->rows));
}
