// The answer to a message that is not JSON should say which message it was, and the `id` may stand
// behind what is wrong with it. So the text is read once more by rules so few that hardly a mistake
// breaks them: strings, brackets and colons are seen, all else is passed over. What is found is
// checked by the rules of jscan, because it is repeated to the client as part of a valid text.
//
// Two names that decode alike are no name: neither value is more likely meant than the other.
// Levels are only counted, of any kind and to any number, so that nesting too deep, or closed by
// the wrong bracket, hides nothing behind it.
//
// Making jscan itself go on after a fault was rejected: each of its rules would need a way to
// continue, and every valid message would pay for that.
#include "common/json_loose.h"

struct loose {
	struct bytes text;
	size_t at;
	size_t level; // brackets that are open
	bool behind_colon; // what comes is a value
};

static uint8_t peek(const struct loose *l)
{
	return l->at < l->text.len ? l->text.data[l->at] : 0;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

static void skip_space(struct loose *l)
{
	while (is_space(peek(l))) {
		l->at++;
	}
}

// Steps over the string at `at`, or to the end of the text if it does not end.
static struct bytes take_string(struct loose *l)
{
	size_t start = l->at++;
	while (l->at < l->text.len && l->text.data[l->at] != '"') {
		l->at += l->text.data[l->at] == '\\' ? 2 : 1;
	}
	l->at = l->at < l->text.len ? l->at + 1 : l->text.len;
	return bytes_make(l->text.data + start, l->at - start);
}

static bool ends_scalar(uint8_t byte)
{
	return is_space(byte) || byte == ',' || byte == '}' || byte == ']';
}

// The value at `at`, if it is none with members. Does not move.
static struct bytes look_at_scalar(const struct loose *l)
{
	struct loose ahead = *l;
	if (peek(l) == '"') {
		return take_string(&ahead);
	}
	while (ahead.at < ahead.text.len && !ends_scalar(peek(&ahead))) {
		ahead.at++;
	}
	return bytes_make(l->text.data + l->at, ahead.at - l->at);
}

static bool name_is(struct bytes raw, const char *name, struct buf *scratch)
{
	enum jscan_kind kind;
	return jscan_scalar_valid(raw, &kind) &&
		bytes_equal_str(jscan_string_decode(raw, scratch), name);
}

// Takes the string at `at`. True if it is a member's name; then its value is at `at`.
static bool take_name(struct loose *l, struct bytes *raw)
{
	bool is_value = l->behind_colon;
	l->behind_colon = false;
	*raw = take_string(l);
	skip_space(l);
	return l->level == 1 && !is_value && peek(l) == ':';
}

// Steps over one byte that begins no string.
static void take_byte(struct loose *l)
{
	uint8_t byte = peek(l);
	l->level += byte == '{' || byte == '[' ? 1 : 0;
	l->level -= byte == '}' || byte == ']' ? 1 : 0;
	l->behind_colon = byte == ':';
	l->at++;
	skip_space(l);
}

bool json_loose_find(struct bytes text, const char *name, struct buf *scratch, struct bytes *raw,
	enum jscan_kind *kind)
{
	struct loose l = { .text = text };
	size_t n = 0;
	struct bytes found;
	skip_space(&l);
	if (peek(&l) != '{') {
		return false;
	}
	do {
		if (peek(&l) != '"') {
			take_byte(&l);
		} else if (take_name(&l, &found) && name_is(found, name, scratch)) {
			take_byte(&l);
			if (++n == 1) { // of many, each could reach to the end of the text
				*raw = look_at_scalar(&l);
			}
		}
	} while (l.level > 0 && l.at < text.len);
	return n == 1 && jscan_scalar_valid(*raw, kind);
}
