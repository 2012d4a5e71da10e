// Names that cross the wire: what a room, user, type, key may be (client protocol, sections 1-3).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "proto/client_messages.h"

enum {
	ROOM_NAME_MAX = 128,
	TRACE_MAX = 64, // what a sender calls a message, for who asks later
	USER_NAME_MAX = 123, // so that PERSONAL_PREFIX + user is a room name
	TYPE_NAME_MAX = 64,
	MESSAGE_MAX = 512 << 10, // the most that max-message may be, so of a message's body
	KEY_MAX = 64,
	CLIENT_ID_MAX = 40,
	HISTORY_LIMIT_DEFAULT = 50, // messages of one page
	HISTORY_LIMIT_MAX = 100,
};

// A user's own room is called so and like the user.
#define PERSONAL_PREFIX "user:"

// 1-128 bytes of UTF-8 without control characters and `*`.
bool room_name_valid(struct bytes name);
// What stands for the names of rooms: the same, and `*` for any run of bytes. So was every name of
// a room once; a peer of an earlier version still has them.
bool room_pattern_valid(struct bytes pattern);
// 1-123 bytes of UTF-8 without control characters. If there is a `*` in it, the user has no
// personal room.
bool user_name_valid(struct bytes name);
// What a user or a role is called to be read: 1 to `max` bytes with the same characters.
bool display_name_valid(struct bytes name, size_t max);
// True if `room` is PERSONAL_PREFIX + `user`.
bool room_is_personal(struct bytes room, struct bytes user);

// The types of messages that the client protocol names. Their order is that of the metric labels.
#define X(NAME, text) TYPE_##NAME,
enum known_type {
	CLIENT_TYPES(X) TYPE_COUNT
};
#undef X
const char *type_name(enum known_type type);
// TYPE_COUNT if the protocol does not name it.
enum known_type type_find(struct bytes name);
// True if no publish may have this type: it means something else to a client or to a server.
bool type_is_reserved(struct bytes name);

// The id of a client begins with a word that its edge has for as long as it runs. It follows from
// the boot id of the edge (16 bytes), which does not follow from it: so a router knows whose
// client an id is, and clients cannot tell the boot id.
enum {
	CLIENT_PREFIX_LEN = 13
};
void client_prefix(const uint8_t boot[16], char out[CLIENT_PREFIX_LEN + 1]);

// 1 to TRACE_MAX characters of printable ASCII, none of them a space.
bool trace_valid(struct bytes text);

// Epochs are 64-bit numbers inside and opaque text outside.
enum {
	EPOCH_TEXT_MAX = 16
};
size_t epoch_format(uint64_t epoch, char out[EPOCH_TEXT_MAX]);
// 0 (which no room ever has) for text that epoch_format() did not make.
uint64_t epoch_parse(struct bytes text);
