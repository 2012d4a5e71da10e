// Whether a text is JSON, by the scanner that the product uses: it walks objects, so the text is
// made the value of a member. That takes one of the levels that JSON_DEPTH_MAX allows.
#pragma once

#include "common/json_scan.h"

// True and the kind of the value if `text` is one valid JSON text.
static inline bool json_text_valid(struct bytes text, enum json_kind *kind)
{
	struct buf object = { 0 };
	struct json_scan scan;
	struct json_member member = { 0 };
	buf_append_str(&object, "{\"\":");
	buf_append_bytes(&object, text);
	buf_append_byte(&object, '}');
	json_scan_init(&scan, buf_bytes(&object));
	bool valid = json_scan_next(&scan, &member) == 1;
	*kind = member.kind;
	valid = valid && json_scan_next(&scan, &member) == 0;
	buf_fini(&object);
	return valid;
}
