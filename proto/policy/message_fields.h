// The names that mean something in a client's message, and which of them travel on when it is
// published (client protocol, section 3). All other fields are the sender's own, and travel.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"

enum message_field {
	FIELD_TYPE,
	FIELD_ID,
	FIELD_ROOM,
	FIELD_KEY,
	FIELD_ECHO,
	FIELD_EPHEMERAL,
	FIELD_FROM,
	FIELD_USER,
	FIELD_USERNAME,
	FIELD_SEQ,
	FIELD_EPOCH,
	FIELD_TIMESTAMP,
	FIELD_TO,
	FIELD_SINCE,
	FIELD_PRESENCE,
	FIELD_BEFORE,
	FIELD_LIMIT,
	FIELD_TOKEN,
	FIELD_PATTERN,
	FIELD_TRACEPARENT, // W3C Trace Context: kept with what is recorded of the message
	FIELD_COUNT,
};

// FIELD_COUNT for one of the sender's own.
enum message_field message_field_find(struct bytes name);
bool message_field_travels(enum message_field field);
// True if a reader that ignores letter case would take `name`, which is one of the sender's own,
// for a field that the gateway sets in what it sends: "From", or "user" with a long s. Case is
// folded as Unicode folds the letters of these names (CaseFolding.txt, C and T).
bool message_field_mimics(struct bytes name);
const char *message_field_name(enum message_field field);
