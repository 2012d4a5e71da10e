// The rules for names, in one place, because edge and router must agree on them byte for byte: the
// edge refuses what the router would, and a personal room is a user's name behind "user:".
//
// Names are compared as bytes. They are not normalised: two spellings that look alike are two
// names, and rights are matched against the bytes as well, so likeness opens no door. What can make
// a name read as another one on a terminal is refused, though: control characters, and the
// characters that turn the direction of text around (U+202A-202E, U+2066-2069), controls in all but
// their Unicode category.
//
// Epochs are random 64-bit numbers inside. Outside they are opaque text, here the shortest
// hexadecimal form; parsing accepts exactly what formatting makes, so that two texts never mean one
// epoch and text that some other engine made is simply another epoch.
#include "proto/names.h"

#include "common/ascii.h"
#include "common/check.h"
#include "common/siphash.h"
#include "common/utf8.h"

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
	return name_valid(name, ROOM_NAME_MAX) && memchr(name.data, '*', name.len) == NULL;
}

bool room_pattern_valid(struct bytes pattern)
{
	return name_valid(pattern, ROOM_NAME_MAX);
}

bool user_name_valid(struct bytes name)
{
	return name_valid(name, USER_NAME_MAX);
}

bool display_name_valid(struct bytes name, size_t max)
{
	return name_valid(name, max);
}

bool room_is_personal(struct bytes room, struct bytes user)
{
	return bytes_has_prefix(room, PERSONAL_PREFIX) &&
		bytes_equal(bytes_from(room, strlen(PERSONAL_PREFIX)), user);
}

#define X(NAME, text) [TYPE_##NAME] = { (const uint8_t *)(text), sizeof(text) - 1 },
static const struct bytes type_names[TYPE_COUNT] = { CLIENT_TYPES(X) };
#undef X

const char *type_name(enum known_type type)
{
	CHECK(type < TYPE_COUNT);
	return (const char *)type_names[type].data;
}

enum known_type type_find(struct bytes name)
{
	enum known_type type = TYPE_OTHER;
	while (type < TYPE_COUNT && !bytes_equal(name, type_names[type])) {
		type++;
	}
	return type;
}

bool type_is_reserved(struct bytes name)
{
	enum known_type type = type_find(name);
	bool named = type < TYPE_COUNT && type != TYPE_OTHER && type != TYPE_TYPING;
	return named || bytes_has_prefix(name, "admin:") || bytes_has_prefix(name, "weir:");
}

void client_prefix(const uint8_t boot[16], char out[CLIENT_PREFIX_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	static const char what[] = "client ids";
	uint64_t key[2];
	memcpy(key, boot, sizeof(key));
	uint64_t word = siphash24(key, what, sizeof(what));
	for (size_t i = 0; i < CLIENT_PREFIX_LEN; i++) {
		out[i] = digits[word & 31];
		word >>= 5;
	}
	out[CLIENT_PREFIX_LEN] = '\0';
}

bool trace_valid(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~') {
			return false;
		}
	}
	return text.len > 0 && text.len <= TRACE_MAX;
}

size_t epoch_format(uint64_t epoch, char out[EPOCH_TEXT_MAX])
{
	size_t len = 1;
	while (len < EPOCH_TEXT_MAX && epoch >> 4 * len != 0) {
		len++;
	}
	for (size_t i = 0; i < len; i++) {
		out[i] = ascii_hex_digit(epoch >> 4 * (len - 1 - i));
	}
	return len;
}

uint64_t epoch_parse(struct bytes text)
{
	if (text.len == 0 || text.len > EPOCH_TEXT_MAX || text.data[0] == '0') {
		return 0;
	}
	uint64_t epoch = 0;
	for (size_t i = 0; i < text.len; i++) {
		int digit = ascii_hex_value(text.data[i]);
		if (digit < 0 || ascii_hex_digit((uint64_t)digit) != (char)text.data[i]) {
			return 0; // upper case is not what epoch_format() writes
		}
		epoch = epoch << 4 | (uint64_t)digit;
	}
	return epoch;
}
