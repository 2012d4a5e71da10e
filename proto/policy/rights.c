// Patterns and the rules around them.
//
// Rights are kept as the text they were given as: one block of pattern bytes and a row of 8 bytes
// per pattern. A token carries a handful of them, so a decision walks the rows; compiling them to
// an automaton would cost more memory per connection than it saves time. The block is reference-
// counted and frozen once shared, so the connections of a user and the defaults of an edge need one
// copy and no lock.
//
// Matching works on bytes: rooms that look alike but are not the same bytes are different rooms,
// and no normal form of anything is taken. `{user}` is substituted while matching, not before, so
// that a `*` or `{user}` in a user's name is never read as pattern; expanding into a scratch text
// would need escapes and a buffer. Only the last `*` is ever taken back, since an earlier one can
// do nothing that the last cannot: each place in the room is tried as its end once, which bounds
// the work by the square of the room's length plus the pattern's, whatever the number of stars. A
// recursive matcher is exponential in the stars, and both texts come from clients.
//
// A decision knows no connection, no room table and no time: edge, router and tools ask the same
// function and get the same answer.
#include "proto/policy/rights.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/names.h"

struct entry {
	uint32_t offset; // into `text`
	uint16_t len;
	uint16_t mask;
};

struct rights {
	atomic_uint refs;
	size_t n;
	struct entry *entries; // owned
	struct buf text; // the patterns, one behind the other
};

static const struct {
	enum right right;
	const char *name;
} names[] = {
	{ RIGHT_JOIN, "join" },
	{ RIGHT_PUBLISH, "publish" },
	{ RIGHT_PRESENCE, "presence" },
	{ RIGHT_HISTORY, "history" },
};

static const char *const reserved_prefixes[] = { PERSONAL_PREFIX, "admin:" };

static const char user_place[] = "{user}";

const char *right_name(enum right right)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].right == right) {
			return names[i].name;
		}
	}
	return "?";
}

unsigned right_parse(struct bytes text)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (bytes_equal_str(text, names[i].name)) {
			return names[i].right;
		}
	}
	return 0;
}

struct rights *rights_new(void)
{
	struct rights *r = xcalloc(1, sizeof(*r));
	atomic_init(&r->refs, 1);
	return r;
}

struct rights *rights_ref(struct rights *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void rights_unref(struct rights *r)
{
	if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1) {
		return;
	}
	free(r->entries);
	buf_fini(&r->text);
	free(r);
}

static struct bytes entry_pattern(const struct rights *r, const struct entry *e)
{
	return bytes_make(r->text.data + e->offset, e->len);
}

static struct entry *find_pattern(struct rights *r, struct bytes pattern)
{
	for (size_t i = 0; i < r->n; i++) {
		if (bytes_equal(entry_pattern(r, &r->entries[i]), pattern)) {
			return &r->entries[i];
		}
	}
	return NULL;
}

bool rights_add(struct rights *r, unsigned mask, struct bytes pattern)
{
	CHECK(atomic_load_explicit(&r->refs, memory_order_relaxed) == 1);
	if (pattern.len == 0 || pattern.len > RIGHTS_PATTERN_LEN_MAX || !utf8_printable(pattern)) {
		return false;
	}
	struct entry *e = find_pattern(r, pattern);
	if (e == NULL) {
		if (r->n == RIGHTS_PATTERNS_MAX) {
			return false;
		}
		r->entries = xrealloc(r->entries, (r->n + 1) * sizeof(*r->entries));
		e = &r->entries[r->n++];
		*e = (struct entry){
			.offset = (uint32_t)r->text.len,
			.len = (uint16_t)pattern.len,
		};
		buf_append_bytes(&r->text, pattern);
	}
	e->mask = (uint16_t)(e->mask | (mask & RIGHT_ALL));
	return true;
}

bool rights_add_option(struct rights *r, const char *text)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL) {
		return false;
	}
	unsigned mask = 0;
	for (const char *word = text; word <= equals;) {
		size_t len = strcspn(word, "+=");
		unsigned right = right_parse(bytes_make(word, len));
		if (right == 0) {
			return false;
		}
		mask |= right;
		word += len + 1;
	}
	return rights_add(r, mask, bytes_str(equals + 1));
}

size_t rights_count(const struct rights *r)
{
	return r->n;
}

struct bytes rights_at(const struct rights *r, size_t i, unsigned *mask)
{
	CHECK(i < r->n);
	*mask = r->entries[i].mask;
	return entry_pattern(r, &r->entries[i]);
}

// Where matching stands in a pattern.
struct place {
	struct bytes rest; // of the pattern
	struct bytes
		insert; // rest of the user's name that stands where `{user}` was; it comes first
};

// A user without a name stands nowhere.
static void enter_user(struct place *at, struct bytes user)
{
	while (user.len > 0 && at->insert.len == 0 && bytes_has_prefix(at->rest, user_place)) {
		at->rest = bytes_from(at->rest, sizeof(user_place) - 1);
		at->insert = user;
	}
}

static bool at_end(const struct place *at)
{
	return at->insert.len == 0 && at->rest.len == 0;
}

static bool at_star(const struct place *at)
{
	return at->insert.len == 0 && at->rest.len > 0 && at->rest.data[0] == '*';
}

static bool at_byte(const struct place *at, uint8_t byte)
{
	const struct bytes *source = at->insert.len > 0 ? &at->insert : &at->rest;
	return source->len > 0 && source->data[0] == byte;
}

static void step(struct place *at, struct bytes user)
{
	struct bytes *source = at->insert.len > 0 ? &at->insert : &at->rest;
	*source = bytes_from(*source, 1);
	enter_user(at, user);
}

static bool glob_match(struct bytes pattern, struct bytes room, struct bytes user)
{
	struct place at = { .rest = pattern };
	struct place behind_star = { 0 };
	size_t star_end = 0; // where in the room the last star's run ends for now
	bool starred = false;
	enter_user(&at, user);
	for (size_t i = 0; i < room.len;) {
		if (at_star(&at)) {
			step(&at, user);
			behind_star = at;
			star_end = i;
			starred = true;
		} else if (at_byte(&at, room.data[i])) {
			step(&at, user);
			i++;
		} else if (starred) {
			at = behind_star;
			i = ++star_end;
		} else {
			return false;
		}
	}
	while (at_star(&at)) {
		step(&at, user);
	}
	return at_end(&at);
}

bool rights_pattern_match(struct bytes pattern, struct bytes room, struct bytes user)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved_prefixes); i++) {
		// As the pattern is written, not as it reads with the user's name put in: a user
		// called "admin:x" must not gain by it.
		if (bytes_has_prefix(room, reserved_prefixes[i]) &&
			!bytes_has_prefix(pattern, reserved_prefixes[i])) {
			return false;
		}
	}
	return glob_match(pattern, room, user);
}

static struct rights_decision decide_by_pattern(const struct rights *rights, enum right right,
	struct bytes room, struct bytes user)
{
	for (size_t i = 0; rights != NULL && i < rights->n; i++) {
		const struct entry *e = &rights->entries[i];
		struct bytes pattern = entry_pattern(rights, e);
		if ((e->mask & right) != 0 && rights_pattern_match(pattern, room, user)) {
			return (struct rights_decision){ true, "pattern", pattern };
		}
	}
	return (struct rights_decision){ .reason = "no pattern" };
}

static bool lobby_is_closed(const struct rights_policy *policy, bool admin, struct bytes room)
{
	if (policy->lobby.len == 0 || !bytes_equal(room, policy->lobby)) {
		return false;
	}
	return policy->lobby_publish == LOBBY_PUBLISH_NONE ||
		(policy->lobby_publish == LOBBY_PUBLISH_ADMIN && !admin);
}

struct rights_decision rights_decide(const struct rights_policy *policy,
	const struct rights_subject *subject, enum right right, struct bytes room)
{
	CHECK(__builtin_popcount(right) == 1);
	if (right == RIGHT_PUBLISH && lobby_is_closed(policy, subject->admin, room)) {
		return (struct rights_decision){ .reason = "lobby-publish" };
	}
	bool reads = right == RIGHT_JOIN || right == RIGHT_HISTORY;
	bool personal = bytes_has_prefix(room, PERSONAL_PREFIX);
	if (reads && room_is_personal(room, subject->user)) {
		return (struct rights_decision){ .allowed = true, .reason = "own room" };
	}
	if (subject->admin && !(reads && personal)) {
		return (struct rights_decision){ .allowed = true, .reason = "admin" };
	}
	const struct rights *rights = subject->rights != NULL ? subject->rights : policy->defaults;
	return decide_by_pattern(rights, right, room, subject->user);
}

// A pattern of the rights that matches the text of `pattern` covers all that this matches: each of
// its stars can only have been taken by a star there.
struct rights_decision rights_decide_joined(const struct rights_policy *policy,
	const struct rights_subject *subject, struct bytes pattern)
{
	if (!subject->admin) {
		return (struct rights_decision){ .reason = "not admin" };
	}
	if (!bytes_has_prefix(pattern, PERSONAL_PREFIX)) {
		return (struct rights_decision){ .allowed = true, .reason = "admin" };
	}
	const struct rights *rights = subject->rights != NULL ? subject->rights : policy->defaults;
	// The star of a user's name must not be taken for one of the pattern's: no pattern holds
	// U+0001.
	bool starred = memchr(subject->user.data, '*', subject->user.len) != NULL;
	return decide_by_pattern(rights, RIGHT_JOIN, pattern,
		starred ? bytes_str("\x01") : subject->user);
}
