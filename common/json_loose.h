// Finds one member of an object in a text that need not be valid JSON, so that an error can name
// the message it is about. Linear time, no stack; see jscan.h for texts that are valid.
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/jscan.h"

// Reads `text` as the client protocol says (proto/client.md, "Sending"): it begins with a brace, a
// string ends at the next quote that is not escaped, any bracket opens or closes a level, and a
// string of the first level is a name if a colon follows it and none precedes it. What is read ends
// where the first level is closed, or with the text.
//
// True if exactly one name decodes to `name` and its value is a valid string, number, or literal:
// `*raw` is that value, borrowed from `text`. In a valid object that is what jscan finds. Names
// with escapes are decoded to the end of `scratch`, each at most once.
bool json_loose_find(struct bytes text, const char *name, struct buf *scratch, struct bytes *raw,
	enum jscan_kind *kind);
