// The rules for names, in one place, because edge and router must agree on them byte for byte: the
// edge refuses what the router would, and a personal room is a user's name behind "user:".
//
// Names are compared as bytes. They are not normalised: two spellings that look alike are two names,
// and rights are matched against the bytes as well, so likeness opens no door. What can make a name
// read as another one on a terminal is refused, though: control characters, and the characters that
// turn the direction of text around (U+202A-202E, U+2066-2069), controls in all but their Unicode
// category.
#include "proto/names.h"

#include "common/utf8.h"

static const char personal_prefix[] = "user:";

// U+202A-202E are E2 80 AA-AE, U+2066-2069 are E2 81 A6-A9.
static bool turns_direction(const uint8_t *at)
{
	return (at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
		(at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

static bool name_valid(struct bytes name, size_t max)
{
	if (name.len == 0 || name.len > max || !utf8_printable(name)) {
		return false;
	}
	for (size_t i = 0; i + 2 < name.len; i++) {
		if (name.data[i] == 0xe2 && turns_direction(name.data + i)) {
			return false;
		}
	}
	return true;
}

bool room_name_valid(struct bytes name)
{
	return name_valid(name, ROOM_NAME_MAX);
}

bool user_name_valid(struct bytes name)
{
	return name_valid(name, USER_NAME_MAX);
}

bool room_is_personal(struct bytes room, struct bytes user)
{
	return bytes_has_prefix(room, personal_prefix) &&
		bytes_equal(bytes_from(room, sizeof(personal_prefix) - 1), user);
}
