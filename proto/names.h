// Names that cross the wire: what a room, user, type, key may be (client protocol, sections 1-3).
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

enum {
	ROOM_NAME_MAX = 128,
	USER_NAME_MAX = 123, // so that "user:" + user is a room name
	TYPE_NAME_MAX = 64,
	KEY_MAX = 64,
	CLIENT_ID_MAX = 40,
};

// 1-128 bytes of UTF-8 without control characters.
bool room_name_valid(struct bytes name);
// 1-123 bytes of UTF-8 without control characters.
bool user_name_valid(struct bytes name);
// True if `room` is "user:" + `user`.
bool room_is_personal(struct bytes room, struct bytes user);
