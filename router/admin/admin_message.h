// A message given to weirctl as JSON text, taken apart by the rules for clients' messages (client
// protocol, section 2).
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

struct admin_message {
	struct bytes type;
	struct bytes body; // the fields that travel on, as one JSON object
	struct bytes trace; // its `traceparent`, which travels too; empty: none
	bool ephemeral;
};

// `type` is that of a broadcast, which the text may name and need not; empty: a publish, of which
// the text must name the type. NULL and the message, good until `scratch` is used again; or what is
// wrong with the text (static).
MUST_CHECK const char *admin_message_parse(struct bytes text, struct bytes type,
	struct buf *scratch, struct admin_message *message);
