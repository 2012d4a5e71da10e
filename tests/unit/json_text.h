// Whether a text is JSON, by the scanner that the product uses: it walks objects, so the text is
// made the value of a member. That takes one of the levels that JSCAN_DEPTH_MAX allows.
#pragma once

#include "common/jscan.h"

// True and the kind of the value if `text` is one valid JSON text.
static inline bool json_text_valid(struct bytes text, enum jscan_kind *kind)
{
	struct buf object = { 0 };
	struct jscan scan;
	struct jscan_member member = { 0 };
	buf_append_str(&object, "{\"\":");
	buf_append_bytes(&object, text);
	buf_append_byte(&object, '}');
	jscan_init(&scan, buf_bytes(&object));
	bool valid = jscan_next(&scan, &member) == 1;
	*kind = member.kind;
	valid = valid && jscan_next(&scan, &member) == 0;
	buf_fini(&object);
	return valid;
}
