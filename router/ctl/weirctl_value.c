// Names and addresses come from clients and go to a terminal: control characters and what is not
// UTF-8 become "?".

#include "router/ctl/weirctl_value.h"

#include <time.h>

#include "common/utf8.h"

bool print_is_number(const Weir__Admin__V1__Field *field)
{
	return field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_NUMBER ||
		(field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_JSON && field->json.len > 0 &&
			field->json.data[0] >= '0' && field->json.data[0] <= '9');
}

void print_text(struct buf *out, ProtobufCBinaryData text)
{
	struct bytes rest = bytes_make(text.data, text.len);
	while (rest.len > 0) {
		size_t len = utf8_first(rest);
		struct bytes character = bytes_make(rest.data, len);
		bool clean = len > 0 && utf8_printable(character);
		buf_append_bytes(out, clean ? character : bytes_str("?"));
		rest = bytes_from(rest, len > 0 ? len : 1);
	}
}

static void print_time(struct buf *out, int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char text[32];
	if (gmtime_r(&seconds, &tm) != NULL &&
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
		buf_append_str(out, text);
	} else {
		buf_append_int(out, unix_ms);
	}
}

void print_value(struct buf *out, const Weir__Admin__V1__Field *field)
{
	switch (field->value_case) {
	case WEIR__ADMIN__V1__FIELD__VALUE_TEXT:
		print_text(out, field->text);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_NUMBER:
		buf_append_uint(out, field->number);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_FLAG:
		buf_append_str(out, field->flag ? "yes" : "no");
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_JSON:
		print_text(out, field->json);
		break;
	case WEIR__ADMIN__V1__FIELD__VALUE_TIME:
		print_time(out, field->time);
		break;
	default: // none, or a kind that a newer router knows
		buf_append_byte(out, '-');
		break;
	}
}

void print_space(struct buf *out, size_t n)
{
	for (; n > 0; n--) {
		buf_append_byte(out, ' ');
	}
}
