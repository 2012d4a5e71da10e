// Shared by weirctl and the operators' page, so that both say the same. Names come from clients:
// JSON escapes control characters, and what is not UTF-8 becomes "?".

#include "proto/admin_json.h"

#include "common/jscan.h"
#include "common/utf8.h"

void admin_json_text(struct buf *out, ProtobufCBinaryData text)
{
	struct bytes bytes = bytes_make(text.data, text.len);
	if (utf8_valid(bytes)) {
		jscan_append_string(out, bytes);
		return;
	}
	struct buf clean = { 0 };
	while (bytes.len > 0) {
		size_t len = utf8_first(bytes);
		buf_append_bytes(&clean, len > 0 ? bytes_make(bytes.data, len) : bytes_str("?"));
		bytes = bytes_from(bytes, len > 0 ? len : 1);
	}
	jscan_append_string(out, buf_bytes(&clean));
	buf_fini(&clean);
}

static void append_value(struct buf *out, const Weir__Admin__V1__Field *field)
{
	switch (field->value_case) {
	case WEIR__ADMIN__V1__FIELD__VALUE_TEXT:
		admin_json_text(out, field->text);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_NUMBER:
		buf_append_uint(out, field->number);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_FLAG:
		buf_append_str(out, field->flag ? "true" : "false");
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_JSON:
		buf_append(out, field->json.data, field->json.len);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_TIME:
		buf_append_int(out, field->time);
		break;
	default:
		buf_append_str(out, "null");
		break;
	}
}

void admin_json_row(struct buf *out, const Weir__Admin__V1__Row *row)
{
	buf_append_byte(out, '{');
	for (size_t i = 0; i < row->n_fields; i++) {
		if (i > 0) {
			buf_append_byte(out, ',');
		}
		admin_json_text(out, row->fields[i]->name);
		buf_append_byte(out, ':');
		append_value(out, row->fields[i]);
	}
	buf_append_byte(out, '}');
}
