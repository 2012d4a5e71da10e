// Scans one JSON text (RFC 8259) without building a tree: checks that it is valid and finds the
// members of its top-level object as spans of the sender's bytes. Allocates only where it says so;
// depth is bounded.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	JSCAN_DEPTH_MAX = 16
};

enum jscan_kind {
	JSCAN_NULL,
	JSCAN_BOOL,
	JSCAN_NUMBER,
	JSCAN_STRING,
	JSCAN_ARRAY,
	JSCAN_OBJECT,
};

struct jscan_member {
	struct bytes raw_name; // with quotes, as sent
	struct bytes raw_value; // as sent, without surrounding white space
	enum jscan_kind kind;
	bool name_escaped; // raw_name contains a backslash
};

// A walk over the members of the object `text`. The whole text (valid UTF-8 is the caller's to have
// checked) is validated as the walk proceeds; jscan_next() answers 1 with a member, 0 at the
// end of a valid text, -EBADMSG at the first fault: not an object, deeper than JSCAN_DEPTH_MAX (the
// object itself is level 1), trailing bytes, bad escapes, lone surrogates, bad numbers.
struct jscan {
	struct bytes text;
	size_t at;
	bool started;
};
void jscan_init(struct jscan *scan, struct bytes text);
MUST_CHECK int jscan_next(struct jscan *scan, struct jscan_member *member);

// True if no two members of `object`, a valid text, have names that decode alike. O(n log n)
// whatever the names; allocates, so a caller with few members rather compares them as it walks.
bool jscan_names_unique(struct bytes object);

// True and its kind if `text` is one valid value without members: a string, number or literal, and
// nothing around it.
MUST_CHECK bool jscan_scalar_valid(struct bytes text, enum jscan_kind *kind);

// The decoded text of a raw string (quotes included): borrowed from `raw` if it has no escapes,
// else appended to `scratch` (the span is good until `scratch` grows). It may contain zero bytes,
// since \u0000 is valid.
struct bytes jscan_string_decode(struct bytes raw, struct buf *scratch);
// A raw number without fraction and exponent ("1.0" and "1e2" have them).
bool jscan_is_integer(struct bytes raw);
// A raw number that is an integer in [0, 2^53): true and its value.
bool jscan_uint_decode(struct bytes raw, uint64_t *value);

// Writes `text` (valid UTF-8) as a JSON string with quotes; escapes what RFC 8259 demands, and
// U+2028/9, nothing else.
void jscan_append_string(struct buf *out, struct bytes text);
