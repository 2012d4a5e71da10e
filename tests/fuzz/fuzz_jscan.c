// Our parser and another agree on what is JSON; a walk finds exactly the members of a valid object,
// each valid by itself; what is read and written again is read alike. What is found in a text that
// need not be valid is a valid value, and in a valid object the one that the walk has found.

#include <stdlib.h>

#include "common/check.h"
#include "common/jscan.h"
#include "common/json_loose.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_peer.h"
#include "tests/unit/json_text.h"

// Levels of a valid text.
static int depth_of(struct bytes text)
{
	int depth = 0;
	int max = 0;
	bool in_string = false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];
		if (in_string) {
			in_string = byte != '"';
			i += byte == '\\' ? 1 : 0;
		} else if (byte == '"') {
			in_string = true;
		} else if (byte == '{' || byte == '[') {
			depth++;
			max = depth > max ? depth : max;
		} else if (byte == '}' || byte == ']') {
			depth--;
		}
	}
	return max;
}

// The other parser accepts deeper texts, and refuses numbers and names that it cannot hold.
static void check_against_peer(struct bytes text, bool valid, int depth_max)
{
	switch (json_peer_judge(text)) {
	case JSON_PEER_ACCEPTS:
		CHECK(valid == (depth_of(text) <= depth_max));
		break;
	case JSON_PEER_REFUSES:
		CHECK(!valid);
		break;
	case JSON_PEER_CANNOT_SAY:
		break;
	}
}

static bool begins_an_object(struct bytes text)
{
	size_t at = 0;
	while (at < text.len && text.data[at] != '\0' && strchr(" \t\r\n", text.data[at]) != NULL) {
		at++;
	}
	return at < text.len && text.data[at] == '{';
}

static void check_string(struct bytes raw)
{
	struct buf decoded = { 0 };
	struct buf written = { 0 };
	struct buf again = { 0 };
	enum jscan_kind kind;
	struct bytes text = jscan_string_decode(raw, &decoded);
	CHECK(utf8_valid(text) && text.len <= raw.len - 2);
	jscan_append_string(&written, text);
	CHECK(json_text_valid(buf_bytes(&written), &kind) && kind == JSCAN_STRING);
	CHECK(bytes_equal(jscan_string_decode(buf_bytes(&written), &again), text));
	buf_fini(&again);
	buf_fini(&written);
	buf_fini(&decoded);
}

static void check_number(struct bytes raw)
{
	uint64_t value;
	if (jscan_uint_decode(raw, &value)) {
		struct buf text = { 0 };
		CHECK(jscan_is_integer(raw));
		buf_append_uint(&text, value);
		CHECK(bytes_equal(buf_bytes(&text), raw));
		buf_fini(&text);
	}
}

static bool inside(struct bytes span, struct bytes whole)
{
	return span.len > 0 && span.data >= whole.data &&
		span.data + span.len <= whole.data + whole.len;
}

static void check_member(const struct jscan_member *member, struct bytes text)
{
	enum jscan_kind kind;
	CHECK(inside(member->raw_name, text) && inside(member->raw_value, text));
	CHECK(json_text_valid(member->raw_value, &kind) && kind == member->kind);
	CHECK(member->name_escaped ==
		(memchr(member->raw_name.data, '\\', member->raw_name.len) != NULL));
	check_string(member->raw_name);
	if (kind == JSCAN_STRING) {
		check_string(member->raw_value);
	} else if (kind == JSCAN_NUMBER) {
		check_number(member->raw_value);
	}
}

// True if no name of an earlier member decodes as that of `last`, the `n`-th.
static bool is_new_name(struct bytes text, size_t n, const struct jscan_member *last)
{
	struct buf scratch = { 0 };
	struct buf earlier = { 0 };
	struct bytes name = jscan_string_decode(last->raw_name, &scratch);
	struct jscan scan;
	struct jscan_member member;
	bool is_new = true;
	jscan_init(&scan, text);
	for (size_t i = 0; i < n && jscan_next(&scan, &member) > 0; i++) {
		earlier.len = 0;
		is_new = is_new &&
			!bytes_equal(jscan_string_decode(member.raw_name, &earlier), name);
	}
	buf_fini(&earlier);
	buf_fini(&scratch);
	return is_new;
}

// The value of the only member called "id", if it has no members itself; the text is a valid
// object.
static struct bytes find_id(struct bytes text)
{
	struct jscan scan;
	struct jscan_member member;
	struct bytes value = bytes_make(NULL, 0);
	size_t n = 0;
	jscan_init(&scan, text);
	while (jscan_next(&scan, &member) > 0) {
		struct buf scratch = { 0 };
		if (bytes_equal_str(jscan_string_decode(member.raw_name, &scratch), "id")) {
			bool nests = member.kind == JSCAN_ARRAY || member.kind == JSCAN_OBJECT;
			value = nests ? bytes_make(NULL, 0) : member.raw_value;
			n++;
		}
		buf_fini(&scratch);
	}
	return n == 1 ? value : bytes_make(NULL, 0);
}

static void check_loose(struct bytes text, bool is_object)
{
	struct buf scratch = { 0 };
	struct bytes raw = bytes_make(NULL, 0);
	enum jscan_kind kind;
	enum jscan_kind again;
	if (json_loose_find(text, "id", &scratch, &raw, &kind)) {
		CHECK(inside(raw, text) && jscan_scalar_valid(raw, &again) && again == kind);
		CHECK(kind != JSCAN_OBJECT && kind != JSCAN_ARRAY);
	} else {
		raw = bytes_make(NULL, 0);
	}
	CHECK(scratch.len <= text.len);
	CHECK(!is_object || bytes_equal(raw, find_id(text)));
	buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_make(data, size);
	if (!utf8_valid(text)) {
		return 0; // checked by whoever receives a text
	}
	enum jscan_kind kind;
	check_against_peer(text, json_text_valid(text, &kind), JSCAN_DEPTH_MAX - 1);

	enum {
		NAMES_MAX = 64
	}; // compared with all others, or large inputs would take for ever
	struct jscan scan;
	struct jscan_member member;
	size_t n = 0;
	bool unique = true;
	int more;
	jscan_init(&scan, text);
	while ((more = jscan_next(&scan, &member)) > 0) {
		check_member(&member, text);
		unique = unique && (n >= NAMES_MAX || is_new_name(text, n, &member));
		n++;
	}
	if (begins_an_object(text)) {
		check_against_peer(text, more == 0, JSCAN_DEPTH_MAX);
	} else {
		CHECK(more < 0);
	}
	CHECK(more != 0 || n > NAMES_MAX || jscan_names_unique(text) == unique);
	check_loose(text, more == 0);
	return 0;
}
