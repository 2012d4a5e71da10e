// The names of one object's members, as a walk meets them, and whether two are alike: a message in
// which they are means one thing to one reader and another to the next. So does one whose names
// differ from the gateway's in letter case only.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "common/jscan.h"
#include "proto/policy/message_fields.h"

enum {
	MEMBER_NAMES_MAX = 16, // compared in place; an object with more takes the slow way
	MEMBERS_MAX = 256, // beyond it a message costs far more than its bytes
};

struct member_names {
	struct bytes seen[MEMBER_NAMES_MAX]; // decoded; borrowed
	size_t n;
	bool repeated;
	bool mimics; // one would be the gateway's to a reader that ignores case
};

// True if `text`, decoded from `raw`, holds U+0000: only an escape, which makes it shorter, can say
// so.
static inline bool member_has_nul(struct bytes raw, struct bytes text)
{
	return raw.len > text.len + 2 && bytes_has_nul(text);
}

static inline void member_names_add(struct member_names *names, struct bytes name)
{
	if (names->n < MEMBER_NAMES_MAX) {
		for (size_t i = 0; i < names->n; i++) {
			names->repeated |= bytes_equal(names->seen[i], name);
		}
		names->seen[names->n] = name;
	}
	names->mimics |= message_field_mimics(name);
	names->n++;
}

// True if no two names of `object` are alike, nor too many, nor like the gateway's; all of those
// that are in `names` are its.
static inline bool member_names_unique(const struct member_names *names, struct bytes object)
{
	return !names->repeated && !names->mimics && names->n <= MEMBERS_MAX &&
		(names->n <= MEMBER_NAMES_MAX || jscan_names_unique(object));
}
