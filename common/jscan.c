// JSON for those who only carry it. The gateway must know that a client's text is valid and where a
// handful of its members are; the rest it passes on as the sender wrote it, so that 1.10 stays 1.10
// and a 40-digit number survives. A tree (jansson's) would cost up to 79 bytes of heap for a byte
// of input and could not give the sender's bytes back.
//
// One walk over the text does all: skip_value() steps over one value, whatever is in it, and checks
// it against the grammar of RFC 8259 on the way. Nesting is a bit per level in one word, so there
// is neither recursion nor a stack that a sender could fill.
//
// Invariants: `at` never passes `len`; a cursor only moves over bytes that are part of a valid
// text, so what a member's spans hold needs no second check, and jscan_string_decode() may trust
// its input.
//
// What it refuses to know: UTF-8 (checked once, when the text arrived), which names matter, and
// what numbers are worth beyond unsigned integers. An escaped U+0000 is a character like any other
// here; a caller for whom it is not looks at the decoded text (bytes_has_nul()).
#include "common/jscan.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "common/mem.h"

struct cursor {
	const uint8_t *data;
	size_t at;
	size_t len;
};

// The byte at the cursor, or 0 at the end: a zero byte is nowhere part of a JSON text.
static uint8_t peek(const struct cursor *c)
{
	return c->at < c->len ? c->data[c->at] : 0;
}

static bool take(struct cursor *c, uint8_t byte)
{
	bool there = peek(c) == byte;
	c->at += there ? 1 : 0;
	return there;
}

static void skip_space(struct cursor *c)
{
	uint8_t byte = peek(c);
	while (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r') {
		c->at++;
		byte = peek(c);
	}
}

static bool skip_literal(struct cursor *c, const char *text)
{
	struct bytes rest = bytes_make(c->data + c->at, c->len - c->at);
	bool there = bytes_has_prefix(rest, text);
	c->at += there ? strlen(text) : 0;
	return there;
}

// One or more digits.
static bool skip_digits(struct cursor *c)
{
	size_t start = c->at;
	while (ascii_is_digit(peek(c))) {
		c->at++;
	}
	return c->at > start;
}

static bool skip_number(struct cursor *c)
{
	take(c, '-');
	// After a leading zero the next digit belongs to no number, and the caller trips over it.
	if (!take(c, '0') && !skip_digits(c)) {
		return false;
	}
	if (take(c, '.') && !skip_digits(c)) {
		return false;
	}
	if (take(c, 'e') || take(c, 'E')) {
		if (!take(c, '+')) {
			take(c, '-');
		}
		return skip_digits(c);
	}
	return true;
}

// The four digits of a \u escape, or -1.
static int32_t take_hex4(struct cursor *c)
{
	int32_t unit = 0;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex_value(peek(c));
		if (digit < 0) {
			return -1;
		}
		unit = unit * 16 + digit;
		c->at++;
	}
	return unit;
}

static bool is_high_surrogate(int32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

// What a \u escape stands for, its second half included; the cursor is behind the "\u". -1 for
// half a pair, which is not allowed.
static int32_t take_code_point(struct cursor *c)
{
	int32_t unit = take_hex4(c);
	if (!is_high_surrogate(unit)) {
		return is_low_surrogate(unit) ? -1 : unit;
	}
	if (!take(c, '\\') || !take(c, 'u')) {
		return -1;
	}
	int32_t low = take_hex4(c);
	return is_low_surrogate(low) ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : -1;
}

// The byte that a backslash and `letter` stand for, or 0.
static uint8_t short_escape(uint8_t letter)
{
	switch (letter) {
	case '"':
	case '\\':
	case '/':
		return letter;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return 0;
	}
}

// The cursor is behind the backslash.
static bool skip_escape(struct cursor *c)
{
	if (take(c, 'u')) {
		return take_code_point(c) >= 0;
	}
	bool known = short_escape(peek(c)) != 0;
	c->at += known ? 1 : 0;
	return known;
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte != '"' && byte != '\\';
}

// The compiler's vectors: what the machine lacks it does in parts.
typedef uint8_t lanes __attribute__((vector_size(16)));

// How many of the 16 bytes come before the first one that is not plain.
static size_t count_plain(const uint8_t *at)
{
	lanes text;
	uint64_t hits[2];
	memcpy(&text, at, sizeof(text));
	lanes special = (lanes)(text < 0x20) | (lanes)(text == '"') | (lanes)(text == '\\');
	memcpy(hits, &special, sizeof(hits));
	if ((hits[0] | hits[1]) == 0) {
		return sizeof(lanes);
	}
	return hits[0] != 0 ? (size_t)__builtin_ctzll(le64toh(hits[0])) / 8
			    : sizeof(hits[0]) + (size_t)__builtin_ctzll(le64toh(hits[1])) / 8;
}

// Most of a message is text; it is stepped over by many bytes at a time.
static void skip_plain(struct cursor *c)
{
	size_t at = c->at;
	while (c->len - at >= sizeof(lanes)) {
		size_t n = count_plain(c->data + at);
		at += n;
		if (n < sizeof(lanes)) {
			c->at = at;
			return;
		}
	}
	while (at < c->len && is_plain(c->data[at])) {
		at++;
	}
	c->at = at;
}

static bool skip_string(struct cursor *c, bool *escaped)
{
	*escaped = false;
	if (!take(c, '"')) {
		return false;
	}
	for (;;) {
		skip_plain(c);
		if (take(c, '"')) {
			return true;
		}
		if (!take(c, '\\') || !skip_escape(c)) {
			return false;
		}
		*escaped = true;
	}
}

// A member's name, the colon, and the space around it, up to the value.
static bool skip_name(struct cursor *c, struct bytes *raw, bool *escaped)
{
	size_t start = c->at;
	if (!skip_string(c, escaped)) {
		return false;
	}
	*raw = bytes_make(c->data + start, c->at - start);
	skip_space(c);
	if (!take(c, ':')) {
		return false;
	}
	skip_space(c);
	return true;
}

static enum jscan_kind kind_of(uint8_t first)
{
	switch (first) {
	case '{':
		return JSCAN_OBJECT;
	case '[':
		return JSCAN_ARRAY;
	case '"':
		return JSCAN_STRING;
	case 't':
	case 'f':
		return JSCAN_BOOL;
	case 'n':
		return JSCAN_NULL;
	default:
		return JSCAN_NUMBER;
	}
}

static bool skip_scalar(struct cursor *c)
{
	bool escaped;
	switch (peek(c)) {
	case '"':
		return skip_string(c, &escaped);
	case 't':
		return skip_literal(c, "true");
	case 'f':
		return skip_literal(c, "false");
	case 'n':
		return skip_literal(c, "null");
	default:
		return skip_number(c);
	}
}

struct nesting {
	unsigned depth;
	uint32_t objects; // bit d: what is open at level d is an object, else an array
};

static bool in_object(const struct nesting *n)
{
	return (n->objects >> n->depth & 1) != 0;
}

static uint8_t closing_byte(const struct nesting *n)
{
	return in_object(n) ? '}' : ']';
}

// In an object a name comes before every value.
static bool skip_to_value(struct cursor *c, const struct nesting *n)
{
	struct bytes name;
	bool escaped;
	skip_space(c);
	return !in_object(n) || skip_name(c, &name, &escaped);
}

// Enters the container at the cursor. Afterwards a value stands there, or `*empty` is true and the
// closing byte does.
static bool open_container(struct cursor *c, struct nesting *n, bool *empty)
{
	if (n->depth == JSCAN_DEPTH_MAX) {
		return false;
	}
	n->depth++;
	uint32_t level = UINT32_C(1) << n->depth;
	n->objects = take(c, '{') ? n->objects | level : n->objects & ~level;
	if (!in_object(n)) {
		take(c, '[');
	}
	skip_space(c);
	*empty = peek(c) == closing_byte(n);
	return *empty || skip_to_value(c, n);
}

// A value has ended: closes what closes there below the walked object, or steps to the next value.
static bool close_or_step(struct cursor *c, struct nesting *n)
{
	while (n->depth > 1) {
		skip_space(c);
		if (take(c, ',')) {
			return skip_to_value(c, n);
		}
		if (!take(c, closing_byte(n))) {
			return false;
		}
		n->depth--;
	}
	return true;
}

// Steps over the value at the cursor, which is a member's of the walked object.
static bool skip_value(struct cursor *c)
{
	struct nesting n = { .depth = 1 };
	do {
		enum jscan_kind kind = kind_of(peek(c));
		bool empty = true;
		if (kind == JSCAN_OBJECT || kind == JSCAN_ARRAY) {
			if (!open_container(c, &n, &empty)) {
				return false;
			}
		} else if (!skip_scalar(c)) {
			return false;
		}
		if (empty && !close_or_step(c, &n)) {
			return false;
		}
	} while (n.depth > 1);
	return true;
}

static bool only_space_left(struct cursor *c)
{
	skip_space(c);
	return c->at == c->len;
}

void jscan_init(struct jscan *scan, struct bytes text)
{
	*scan = (struct jscan){ .text = text };
}

// Up to the next member's name: 1, or 0 where the object ends.
static int step_to_name(struct cursor *c, bool first)
{
	skip_space(c);
	if (first && !take(c, '{')) {
		return -EBADMSG;
	}
	skip_space(c);
	if (take(c, '}')) {
		return only_space_left(c) ? 0 : -EBADMSG;
	}
	if (!first && !take(c, ',')) {
		return -EBADMSG;
	}
	skip_space(c);
	return 1;
}

int jscan_next(struct jscan *scan, struct jscan_member *member)
{
	struct cursor c = { .data = scan->text.data, .at = scan->at, .len = scan->text.len };
	int result = step_to_name(&c, !scan->started);
	if (result <= 0) {
		return result;
	}
	if (!skip_name(&c, &member->raw_name, &member->name_escaped)) {
		return -EBADMSG;
	}
	size_t start = c.at;
	member->kind = kind_of(peek(&c));
	if (!skip_value(&c)) {
		return -EBADMSG;
	}
	member->raw_value = bytes_make(c.data + start, c.at - start);
	scan->at = c.at;
	scan->started = true;
	return 1;
}

bool jscan_scalar_valid(struct bytes text, enum jscan_kind *kind)
{
	struct cursor c = { .data = text.data, .len = text.len };
	*kind = kind_of(peek(&c));
	return skip_scalar(&c) && c.at == c.len;
}

static uint8_t *put_utf8(uint8_t *out, int32_t code_point)
{
	uint32_t u = (uint32_t)code_point;
	if (u < 0x80) {
		*out++ = (uint8_t)u;
	} else if (u < 0x800) {
		*out++ = (uint8_t)(0xc0 | u >> 6);
		*out++ = (uint8_t)(0x80 | (u & 0x3f));
	} else if (u < 0x10000) {
		*out++ = (uint8_t)(0xe0 | u >> 12);
		*out++ = (uint8_t)(0x80 | (u >> 6 & 0x3f));
		*out++ = (uint8_t)(0x80 | (u & 0x3f));
	} else {
		*out++ = (uint8_t)(0xf0 | u >> 18);
		*out++ = (uint8_t)(0x80 | (u >> 12 & 0x3f));
		*out++ = (uint8_t)(0x80 | (u >> 6 & 0x3f));
		*out++ = (uint8_t)(0x80 | (u & 0x3f));
	}
	return out;
}

struct bytes jscan_string_decode(struct bytes raw, struct buf *scratch)
{
	CHECK(raw.len >= 2);
	struct bytes inner = bytes_make(raw.data + 1, raw.len - 2);
	if (inner.len == 0 || memchr(inner.data, '\\', inner.len) == NULL) {
		return inner;
	}
	// No escape is shorter than what it stands for.
	uint8_t *start = buf_reserve(scratch, inner.len);
	uint8_t *out = start;
	struct cursor c = { .data = inner.data, .len = inner.len };
	while (c.at < c.len) {
		size_t run = c.at;
		skip_plain(&c);
		memcpy(out, inner.data + run, c.at - run);
		out += c.at - run;
		if (!take(&c, '\\')) {
			break;
		}
		if (take(&c, 'u')) {
			out = put_utf8(out, take_code_point(&c));
		} else {
			*out++ = short_escape(peek(&c));
			c.at++;
		}
	}
	CHECK(c.at == c.len);
	size_t len = (size_t)(out - start);
	scratch->len += len;
	return bytes_make(start, len);
}

bool jscan_is_integer(struct bytes raw)
{
	size_t sign = raw.len > 0 && raw.data[0] == '-' ? 1 : 0;
	for (size_t i = sign; i < raw.len; i++) {
		if (!ascii_is_digit(raw.data[i])) {
			return false;
		}
	}
	return raw.len > sign;
}

bool jscan_uint_decode(struct bytes raw, uint64_t *value)
{
	uint64_t number;
	if (!ascii_uint(raw, &number) || number >= UINT64_C(1) << 53) {
		return false;
	}
	*value = number;
	return true;
}

// By length first, so that most comparisons look at no text.
static int compare_names(const void *a, const void *b)
{
	const struct bytes *x = a;
	const struct bytes *y = b;
	if (x->len != y->len) {
		return x->len < y->len ? -1 : 1;
	}
	return x->len > 0 ? memcmp(x->data, y->data, x->len) : 0;
}

static size_t count_members(struct bytes object)
{
	struct jscan scan;
	struct jscan_member member;
	size_t n = 0;
	jscan_init(&scan, object);
	while (jscan_next(&scan, &member) > 0) {
		n++;
	}
	return n;
}

bool jscan_names_unique(struct bytes object)
{
	size_t n = count_members(object);
	struct bytes *names = xcalloc(n, sizeof(*names));
	struct buf decoded = { 0 };
	buf_reserve(&decoded, object.len); // never grows again: spans into it stay good
	struct jscan scan;
	struct jscan_member member;
	jscan_init(&scan, object);
	for (size_t i = 0; i < n && jscan_next(&scan, &member) > 0; i++) {
		names[i] = jscan_string_decode(member.raw_name, &decoded);
	}
	qsort(names, n, sizeof(*names), compare_names);
	bool unique = true;
	for (size_t i = 1; i < n && unique; i++) {
		unique = !bytes_equal(names[i - 1], names[i]);
	}
	buf_fini(&decoded);
	free(names);
	return unique;
}

static void append_escape(struct buf *out, uint32_t unit)
{
	buf_append(out, "\\u", 2);
	for (int shift = 12; shift >= 0; shift -= 4) {
		buf_append_byte(out, (uint8_t)ascii_hex_digit(unit >> shift));
	}
}

// The letter of the two-byte escape of `byte`, or 0 if it has none or needs none.
static uint8_t escape_letter(uint8_t byte)
{
	switch (byte) {
	case '"':
	case '\\':
		return byte;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

// U+2028 or U+2029 at `text`, or 0. They end a line in JavaScript before ES2019, where a JSON text
// may have been pasted.
static uint32_t line_separator(struct bytes text)
{
	if (text.len < 3 || text.data[0] != 0xe2 || text.data[1] != 0x80) {
		return 0;
	}
	return text.data[2] == 0xa8 || text.data[2] == 0xa9 ? 0x2000 | (text.data[2] & 0x3f) : 0;
}

void jscan_append_string(struct buf *out, struct bytes text)
{
	buf_reserve(out, text.len + 2);
	buf_append_byte(out, '"');
	size_t done = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];
		if (is_plain(byte) && byte != 0xe2) {
			continue;
		}
		uint32_t separator = line_separator(bytes_from(text, i));
		if (is_plain(byte) && separator == 0) {
			continue;
		}
		buf_append(out, text.data + done, i - done);
		if (escape_letter(byte) != 0) {
			buf_append_byte(out, '\\');
			buf_append_byte(out, escape_letter(byte));
		} else {
			append_escape(out, separator != 0 ? separator : byte);
		}
		i += separator != 0 ? 2 : 0;
		done = i + 1;
	}
	buf_append_bytes(out, bytes_from(text, done));
	buf_append_byte(out, '"');
}
