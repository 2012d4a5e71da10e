// Scans one JSON text (RFC 8259) without building a tree: checks that it is valid and finds the
// members of its top-level object as spans of the sender's bytes. Allocates only where it says so;
// depth is bounded. Cannot be included beside jansson.h, which has enumerators of the same names.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	JSON_DEPTH_MAX = 16
};

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_member {
	struct bytes raw_name; // with quotes, as sent
	struct bytes raw_value; // as sent, without surrounding white space
	enum json_kind kind;
	bool name_escaped; // raw_name contains a backslash
};

// A walk over the members of the object `text`. The whole text (valid UTF-8 is the caller's to have
// checked) is validated as the walk proceeds; json_scan_next() answers 1 with a member, 0 at the
// end of a valid text, -EBADMSG at the first fault: not an object, deeper than JSON_DEPTH_MAX (the
// object itself is level 1), trailing bytes, bad escapes, lone surrogates, bad numbers.
struct json_scan {
	struct bytes text;
	size_t at;
	bool started;
};
void json_scan_init(struct json_scan *scan, struct bytes text);
MUST_CHECK int json_scan_next(struct json_scan *scan, struct json_member *member);

// True if no two members of `object`, a valid text, have names that decode alike. O(n log n)
// whatever the names; allocates, so a caller with few members rather compares them as it walks.
bool json_names_unique(struct bytes object);

// True and its kind if `text` is one valid value without members: a string, number or literal, and
// nothing around it.
MUST_CHECK bool json_scalar_valid(struct bytes text, enum json_kind *kind);

// The decoded text of a raw string (quotes included): borrowed from `raw` if it has no escapes,
// else appended to `scratch` (the span is good until `scratch` grows). It may contain zero bytes,
// since \u0000 is valid.
struct bytes json_string_decode(struct bytes raw, struct buf *scratch);
// A raw number without fraction and exponent ("1.0" and "1e2" have them).
bool json_is_integer(struct bytes raw);
// A raw number that is an integer in [0, 2^53): true and its value.
bool json_uint_decode(struct bytes raw, uint64_t *value);

// Writes `text` (valid UTF-8) as a JSON string with quotes; escapes what RFC 8259 demands, and
// U+2028/9, nothing else.
void json_append_string(struct buf *out, struct bytes text);
