#include <stdio.h>

#include "proto/policy/rights.h"
#include "tests/unit/test.h"

static bool match(const char *pattern, const char *room, const char *user)
{
	return rights_pattern_match(bytes_str(pattern), bytes_str(room), bytes_str(user));
}

static struct rights *rights_of(const char *const *options)
{
	struct rights *r = rights_new();
	for (size_t i = 0; options[i] != NULL; i++) {
		assert_true(rights_add_option(r, options[i]));
	}
	return r;
}

static void names_and_parses_each_right(void **state)
{
	(void)state;
	static const struct {
		enum right right;
		const char *name;
	} rows[] = {
		{ RIGHT_JOIN, "join" },
		{ RIGHT_PUBLISH, "publish" },
		{ RIGHT_PRESENCE, "presence" },
		{ RIGHT_HISTORY, "history" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(right_name(rows[i].right), rows[i].name);
		assert_int_equal(right_parse(bytes_str(rows[i].name)), rows[i].right);
	}
	assert_int_equal(right_parse(bytes_str("")), 0);
	assert_int_equal(right_parse(bytes_str("Join")), 0);
	assert_int_equal(right_parse(bytes_str("joi")), 0);
	assert_int_equal(right_parse(bytes_str("joins")), 0);
}

static void matches_patterns_as_documented(void **state)
{
	(void)state;
	static const struct {
		const char *pattern;
		const char *room;
		const char *user;
		bool matches;
	} rows[] = {
		{ "room", "room", "u", true },
		{ "room", "room1", "u", false },
		{ "room1", "room", "u", false },
		{ "*", "room", "u", true },
		{ "**", "room", "u", true },
		{ "room*", "room", "u", true },
		{ "room*", "room-1", "u", true },
		{ "room*", "roo", "u", false },
		{ "*room", "my room", "u", true },
		{ "*room", "my rooms", "u", false },
		{ "a*c", "abc", "u", true },
		{ "a*c", "ac", "u", true },
		{ "a*c", "abcb", "u", false },
		{ "a*b*c", "a-b-b-c", "u", true },
		{ "a*b*c", "a-c-b", "u", false },
		{ "*ab*ab*", "abab", "u", true },
		{ "*ab*ab*", "aab", "u", false },
		{ "*aab", "aaab", "u", true },
		// `?`, `[` and `\` mean themselves.
		{ "r?", "r1", "u", false },
		{ "r[12]", "r1", "u", false },
		{ "r\\*", "r*", "u", false },
		{ "r\\*", "r\\x", "u", true },
		// {user}
		{ "dm-{user}", "dm-ann", "ann", true },
		{ "dm-{user}", "dm-{user}", "ann", false },
		{ "dm-{user}", "dm-anna", "ann", false },
		{ "dm-{user}*", "dm-anna", "ann", true },
		{ "{user}-{user}", "ann-ann", "ann", true },
		{ "{user}{user}", "annann", "ann", true },
		{ "{user}{user}", "ann", "ann", false },
		{ "*{user}", "an-ann", "ann", true },
		{ "{user", "{user", "ann", true },
		{ "{User}", "ann", "ann", false },
		{ "{{user}}", "{ann}", "ann", true },
		// A name is never a pattern.
		{ "dm-{user}", "dm-anything", "*", false },
		{ "dm-{user}", "dm-*", "*", true },
		{ "dm-{user}", "dm-a*b", "a*b", true },
		{ "dm-{user}", "dm-a-b", "a*b", false },
		{ "dm-{user}", "dm-{user}", "{user}", true },
		// Bytes, not looks: case, normal forms (e acute in two ways), dots, slashes.
		{ "Room", "room", "u", false },
		{ "caf\xc3\xa9", "cafe\xcc\x81", "u", false },
		{ "room", "room.", "u", false },
		{ "b", "a/../b", "u", false },
		{ "a/*", "a/../b", "u", true },
		// Reserved prefixes
		{ "*", "user:ann", "ann", false },
		{ "*", "admin:log", "ann", false },
		{ "u*", "user:ann", "ann", false },
		{ "user*", "user:ann", "ann", false },
		{ "*:ann", "user:ann", "ann", false },
		{ "user:*", "user:ann", "bob", true },
		{ "user:*", "user:", "bob", true },
		{ "user:{user}", "user:ann", "ann", true },
		{ "user:{user}", "user:bob", "ann", false },
		{ "admin:*", "admin:log", "ann", true },
		{ "admin:*", "user:ann", "ann", false },
		{ "{user}", "user:x", "user:x", false },
		{ "{user}*", "admin:x", "admin:", false },
		{ "*", "user", "u", true },
		{ "*", "users:ann", "u", true },
		{ "*", "USER:ann", "u", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (match(rows[i].pattern, rows[i].room, rows[i].user) != rows[i].matches) {
			fail_msg("pattern %s room %s user %s", rows[i].pattern, rows[i].room,
				rows[i].user);
		}
	}
}

// The same language by the shortest program: an array of tokens and recursion.
enum {
	STAR = 256
};

static size_t expand(const char *pattern, const char *user, uint16_t *tokens)
{
	size_t n = 0;
	for (const char *p = pattern; *p != '\0';) {
		if (strncmp(p, "{user}", 6) == 0) {
			for (const char *u = user; *u != '\0'; u++) {
				tokens[n++] = (uint8_t)*u;
			}
			p += 6;
		} else {
			tokens[n++] = *p == '*' ? STAR : (uint8_t)*p;
			p++;
		}
	}
	return n;
}

// NOLINTNEXTLINE(misc-no-recursion): being simple is its whole point
static bool naive(const uint16_t *tokens, size_t n, const char *room)
{
	if (n == 0) {
		return *room == '\0';
	}
	if (tokens[0] == STAR) {
		return naive(tokens + 1, n - 1, room) ||
			(*room != '\0' && naive(tokens, n, room + 1));
	}
	return *room != '\0' && tokens[0] == (uint8_t)*room && naive(tokens + 1, n - 1, room + 1);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static void random_text(uint32_t *seed, const char *const *parts, size_t n_parts, size_t most,
	char out[64])
{
	size_t len = 0;
	for (size_t n = next_random(seed) % (most + 1); n > 0; n--) {
		const char *part = parts[next_random(seed) % n_parts];
		len += (size_t)snprintf(out + len, 64 - len, "%s", part);
	}
	out[len] = '\0';
}

static void agrees_with_a_naive_matcher(void **state)
{
	(void)state;
	static const char *const pattern_parts[] = { "a", "b", "ab", "*", "*", "{user}", "{user" };
	static const char *const room_parts[] = { "a", "b", "ab", "*", "{user}", "{user" };
	static const char *const users[] = { "a", "ab", "*", "a*b", "{user}", "b{user" };
	uint32_t seed = 20240607;
	unsigned matched = 0;
	for (unsigned i = 0; i < 40000; i++) {
		char pattern[64];
		char room[64];
		uint16_t tokens[64] = { 0 };
		const char *user = users[next_random(&seed) % ARRAY_LEN(users)];
		random_text(&seed, pattern_parts, ARRAY_LEN(pattern_parts), 7, pattern);
		random_text(&seed, room_parts, ARRAY_LEN(room_parts), 6, room);
		bool expected = naive(tokens, expand(pattern, user, tokens), room);
		if (match(pattern, room, user) != expected) {
			fail_msg("pattern %s room %s user %s", pattern, room, user);
		}
		matched += expected;
	}
	assert_in_range(matched, 3000, 30000); // neither side is starved
}

static void many_stars_cost_no_more_than_one(void **state)
{
	(void)state;
	char room[129];
	memset(room, 'a', 127);
	room[127] = 'b';
	room[128] = '\0';
	char pattern[RIGHTS_PATTERN_LEN_MAX + 1];
	for (size_t i = 0; i < RIGHTS_PATTERN_LEN_MAX; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[200] = '\0';
	// A matcher that goes back to every star would still be at it after the sun is gone.
	for (unsigned i = 0; i < 100; i++) {
		assert_false(match(pattern, room, "u"));
	}
	char name[124];
	memset(name, 'a', 123);
	name[123] = '\0';
	for (size_t i = 0; i + 7 < RIGHTS_PATTERN_LEN_MAX; i += 7) {
		memcpy(pattern + i, "*{user}", 8);
	}
	assert_false(match(pattern, room, name));
}

static void refuses_patterns_it_cannot_hold(void **state)
{
	(void)state;
	char text[RIGHTS_PATTERN_LEN_MAX + 1];
	memset(text, 'x', sizeof(text));
	struct rights *r = rights_new();
	assert_false(rights_add(r, RIGHT_JOIN, bytes_make(NULL, 0)));
	assert_false(rights_add(r, RIGHT_JOIN, bytes_make(text, RIGHTS_PATTERN_LEN_MAX + 1)));
	assert_true(rights_add(r, RIGHT_JOIN, bytes_make(text, RIGHTS_PATTERN_LEN_MAX)));
	assert_false(rights_add(r, RIGHT_JOIN, bytes_make("a\0b", 3)));
	assert_false(rights_add(r, RIGHT_JOIN, bytes_str("a\nb")));
	assert_false(rights_add(r, RIGHT_JOIN, bytes_str("a\xc2\x80")));
	assert_false(rights_add(r, RIGHT_JOIN, bytes_str("a\xff")));
	assert_int_equal(rights_count(r), 1);
	for (unsigned i = 1; i < RIGHTS_PATTERNS_MAX; i++) {
		char pattern[16];
		snprintf(pattern, sizeof(pattern), "room-%u", i);
		assert_true(rights_add(r, RIGHT_JOIN, bytes_str(pattern)));
	}
	assert_false(rights_add(r, RIGHT_JOIN, bytes_str("one-too-many")));
	assert_true(rights_add(r, RIGHT_PUBLISH, bytes_str("room-7"))); // not a new one
	assert_int_equal(rights_count(r), RIGHTS_PATTERNS_MAX);
	rights_unref(r);
}

static void keeps_what_was_added_in_order_and_merges_equal_patterns(void **state)
{
	(void)state;
	struct rights *r = rights_new();
	assert_true(rights_add(r, RIGHT_JOIN, bytes_str("a*")));
	assert_true(rights_add(r, RIGHT_PUBLISH | 1 << 12, bytes_str("b")));
	assert_true(rights_add(r, RIGHT_HISTORY, bytes_str("a*")));
	struct rights *same = rights_ref(r);
	rights_unref(r);
	unsigned mask = 0;
	assert_int_equal(rights_count(same), 2);
	assert_bytes_equal(rights_at(same, 0, &mask), "a*");
	assert_int_equal(mask, RIGHT_JOIN | RIGHT_HISTORY);
	assert_bytes_equal(rights_at(same, 1, &mask), "b");
	assert_int_equal(mask, RIGHT_PUBLISH); // a bit nobody knows is dropped
	rights_unref(same);
	rights_unref(NULL);
}

static void reads_the_option_form(void **state)
{
	(void)state;
	struct rights *r = rights_new();
	unsigned mask = 0;
	assert_true(rights_add_option(r, "join+publish+presence+history=*"));
	assert_bytes_equal(rights_at(r, 0, &mask), "*");
	assert_int_equal(mask, RIGHT_ALL);
	assert_true(rights_add_option(r, "join=a=b+c"));
	assert_bytes_equal(rights_at(r, 1, &mask), "a=b+c");
	assert_int_equal(mask, RIGHT_JOIN);
	static const char *const wrong[] = {
		"",
		"*",
		"join",
		"join=",
		"=*",
		"join+=*",
		"+join=*",
		"join++publish=*",
		"join publish=*",
		"JOIN=*",
		"leave=*",
		"join+leave=*",
		"join=a\tb",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (rights_add_option(r, wrong[i])) {
			fail_msg("took %s", wrong[i]);
		}
	}
	assert_int_equal(rights_count(r), 2);
	rights_unref(r);
}

struct decision_row {
	const char *room;
	enum right right;
	bool admin;
	bool allowed;
	const char *reason;
	const char *pattern; // NULL: none
};

static void check_decisions(const struct rights_policy *policy, const struct rights *own,
	const struct decision_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct decision_row *row = &rows[i];
		struct rights_subject subject = { bytes_str("ann"), row->admin, own };
		struct rights_decision d =
			rights_decide(policy, &subject, row->right, bytes_str(row->room));
		if (d.allowed != row->allowed || strcmp(d.reason, row->reason) != 0 ||
			!bytes_equal(d.pattern, bytes_str(row->pattern))) {
			fail_msg("row %zu: %s %s: %d %s", i, right_name(row->right), row->room,
				d.allowed, d.reason);
		}
	}
}

static void decides_by_the_token_and_the_standing_rules(void **state)
{
	(void)state;
	struct rights *defaults = rights_of((const char *const[]){ "join+publish=*", NULL });
	struct rights *own = rights_of((const char *const[]){
		"join=a-*",
		"join+publish+history=b",
		"presence=user:*",
		"join=admin:log",
		NULL,
	});
	struct rights_policy policy = { .defaults = defaults, .lobby = bytes_str("lobby") };
	static const struct decision_row rows[] = {
		{ "a-1", RIGHT_JOIN, false, true, "pattern", "a-*" },
		{ "b", RIGHT_JOIN, false, true, "pattern", "b" },
		{ "a-1", RIGHT_PUBLISH, false, false, "no pattern", NULL },
		{ "b", RIGHT_PUBLISH, false, true, "pattern", "b" },
		{ "b", RIGHT_HISTORY, false, true, "pattern", "b" },
		{ "b", RIGHT_PRESENCE, false, false, "no pattern", NULL },
		// The token's own rights replace the defaults, for the lobby as well.
		{ "c", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "lobby", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "lobby", RIGHT_PUBLISH, false, false, "no pattern", NULL },
		// One's own room
		{ "user:ann", RIGHT_JOIN, false, true, "own room", NULL },
		{ "user:ann", RIGHT_HISTORY, false, true, "own room", NULL },
		{ "user:ann", RIGHT_PUBLISH, false, false, "no pattern", NULL },
		{ "user:ann", RIGHT_PRESENCE, false, true, "pattern", "user:*" },
		{ "user:anna", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "user:an", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "user:Ann", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "user:", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "admin:log", RIGHT_JOIN, false, true, "pattern", "admin:log" },
		// Admins
		{ "c", RIGHT_JOIN, true, true, "admin", NULL },
		{ "c", RIGHT_PUBLISH, true, true, "admin", NULL },
		{ "c", RIGHT_PRESENCE, true, true, "admin", NULL },
		{ "c", RIGHT_HISTORY, true, true, "admin", NULL },
		{ "admin:other", RIGHT_JOIN, true, true, "admin", NULL },
		{ "user:bob", RIGHT_PUBLISH, true, true, "admin", NULL },
		{ "user:bob", RIGHT_PRESENCE, true, true, "admin", NULL },
		{ "user:bob", RIGHT_JOIN, true, false, "no pattern", NULL },
		{ "user:bob", RIGHT_HISTORY, true, false, "no pattern", NULL },
		{ "user:ann", RIGHT_JOIN, true, true, "own room", NULL },
	};
	check_decisions(&policy, own, rows, ARRAY_LEN(rows));
	rights_unref(own);
	rights_unref(defaults);
}

static void falls_back_to_the_defaults_without_a_claim(void **state)
{
	(void)state;
	struct rights *defaults = rights_of(
		(const char *const[]){ "join=*", "publish=dm-{user}-*", "join=user:bob", NULL });
	struct rights_policy policy = { .defaults = defaults };
	static const struct decision_row rows[] = {
		{ "x", RIGHT_JOIN, false, true, "pattern", "*" },
		{ "dm-ann-1", RIGHT_PUBLISH, false, true, "pattern", "dm-{user}-*" },
		{ "dm-bob-1", RIGHT_PUBLISH, false, false, "no pattern", NULL },
		{ "user:cat", RIGHT_JOIN, false, false, "no pattern", NULL },
		{ "user:bob", RIGHT_JOIN, true, true, "pattern", "user:bob" },
	};
	check_decisions(&policy, NULL, rows, ARRAY_LEN(rows));
	rights_unref(defaults);

	static const struct decision_row nothing[] = {
		{ "x", RIGHT_JOIN, false, false, "no pattern", NULL },
	};
	struct rights *empty = rights_new();
	check_decisions(&policy, empty, nothing, 1); // an empty claim is no missing one
	rights_unref(empty);
	check_decisions(&(struct rights_policy){ 0 }, NULL, nothing, 1);
}

static void closes_the_lobby_to_publishers_as_told(void **state)
{
	(void)state;
	struct rights *defaults = rights_of((const char *const[]){ "join+publish=*", NULL });
	struct rights_policy policy = { .defaults = defaults, .lobby = bytes_str("lobby") };
	static const struct decision_row all[] = {
		{ "lobby", RIGHT_PUBLISH, false, true, "pattern", "*" },
		{ "lobby", RIGHT_PUBLISH, true, true, "admin", NULL },
	};
	check_decisions(&policy, NULL, all, ARRAY_LEN(all));
	policy.lobby_publish = LOBBY_PUBLISH_ADMIN;
	static const struct decision_row admin[] = {
		{ "lobby", RIGHT_PUBLISH, false, false, "lobby-publish", NULL },
		{ "lobby", RIGHT_PUBLISH, true, true, "admin", NULL },
		{ "lobby2", RIGHT_PUBLISH, false, true, "pattern", "*" },
		{ "lobby", RIGHT_JOIN, false, true, "pattern", "*" },
	};
	check_decisions(&policy, NULL, admin, ARRAY_LEN(admin));
	policy.lobby_publish = LOBBY_PUBLISH_NONE;
	static const struct decision_row none[] = {
		{ "lobby", RIGHT_PUBLISH, false, false, "lobby-publish", NULL },
		{ "lobby", RIGHT_PUBLISH, true, false, "lobby-publish", NULL },
		{ "lobby", RIGHT_JOIN, false, true, "pattern", "*" },
	};
	check_decisions(&policy, NULL, none, ARRAY_LEN(none));
	policy.lobby = bytes_make(NULL, 0); // no lobby: nothing is closed
	static const struct decision_row no_lobby[] = {
		{ "lobby", RIGHT_PUBLISH, false, true, "pattern", "*" },
	};
	check_decisions(&policy, NULL, no_lobby, ARRAY_LEN(no_lobby));
	rights_unref(defaults);
}

static void a_joined_pattern_has_no_user_in_it(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *room;
		bool matches;
	} rows[] = {
		{ "chat:*", "chat:1", true },
		{ "chat:*", "chat:", true },
		{ "chat:*", "news:1", false },
		{ "*", "anything", true },
		{ "*", "user:ann", false },
		{ "u*", "user:ann", false },
		{ "user:*", "user:ann", true },
		{ "admin:*", "admin:log", true },
		{ "{user}:*", "ann:1", false },
		{ "{user}:*", "{user}:1", true },
		{ "chat", "chat", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
			rights_joined_match(bytes_str(rows[i].pattern), bytes_str(rows[i].room)),
			rows[i].matches);
	}
}

static void a_pattern_is_an_administrators_and_of_personal_rooms_takes_a_right(void **state)
{
	(void)state;
	static const struct {
		const char *right, *user, *pattern;
		bool admin, allowed;
	} rows[] = {
		{ "*", "ann", "chat:*", false, false },
		{ "chat:*", "ann", "chat:*", false, false },
		{ "x", "ann", "chat:*", true, true },
		{ "*", "ann", "admin:*", true, true },
		{ "*", "ann", "user:*", true, false },
		{ "*", "*", "user:*", true, false },
		{ "*", "ann", "user:ann", true, false },
		{ "user:a*", "ann", "user:*", true, false },
		{ "user:a*", "ann", "user:ab*", true, true },
		{ "user:*", "ann", "user:*x*", true, true },
		{ "user:{user}*", "*", "user:*", true, false },
	};
	const struct rights_policy policy = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rights *rights = rights_new();
		assert_true(rights_add(rights, RIGHT_JOIN, bytes_str(rows[i].right)));
		const struct rights_subject subject = {
			.user = bytes_str(rows[i].user),
			.admin = rows[i].admin,
			.rights = rights,
		};
		assert_int_equal(
			rights_decide_joined(&policy, &subject, bytes_str(rows[i].pattern)).allowed,
			rows[i].allowed);
		rights_unref(rights);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_parses_each_right),
		cmocka_unit_test(matches_patterns_as_documented),
		cmocka_unit_test(agrees_with_a_naive_matcher),
		cmocka_unit_test(many_stars_cost_no_more_than_one),
		cmocka_unit_test(refuses_patterns_it_cannot_hold),
		cmocka_unit_test(keeps_what_was_added_in_order_and_merges_equal_patterns),
		cmocka_unit_test(reads_the_option_form),
		cmocka_unit_test(decides_by_the_token_and_the_standing_rules),
		cmocka_unit_test(falls_back_to_the_defaults_without_a_claim),
		cmocka_unit_test(closes_the_lobby_to_publishers_as_told),
		cmocka_unit_test(a_joined_pattern_has_no_user_in_it),
		cmocka_unit_test(
			a_pattern_is_an_administrators_and_of_personal_rooms_takes_a_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
