// A rule is "PATTERN key=value ...". The keys are a table of options of their own, so a value has
// the syntax that the router's options of the same name have.
//
// Matching costs as much as there are rules, so it is done once for a room, when its record is
// made, and again for all rooms if a reload brings other rules. The record then points to what
// holds: one entry for each rule and slow policy, shared by all its rooms, since a copy in each
// record would cost every room for what few use. Without rules all point to one entry.
//
// room-slow-policy is a second list of the same kind with one key. It decides where the rule of
// room-options does not name `slow`.

#include "router/core/room_rules.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf/conf_value.h"
#include "common/mem.h"

enum {
	PATTERN_MAX = 256,
};

struct room_rule {
	char *text; // owned, as it was given
	char *pattern; // owned
	unsigned set; // bit i: keys[i] is given
	struct room_options options; // as far as given
};

static const char *const slow_choices[] = { "disconnect", "drop-oldest", "conflate", NULL };
static const char *const publish_choices[] = { "all", "admin", "none", NULL };

#define FIELD(name) .offset = offsetof(struct room_options, name)

static const struct conf_option keys[] = {
	{ "history-messages", CONF_UINT, FIELD(kept.messages) },
	{ "history-bytes", CONF_SIZE, FIELD(kept.bytes), .min = 1 },
	{ "history-age", CONF_DURATION, FIELD(kept.age_ms) },
	{ "presence", CONF_BOOL, FIELD(presence) },
	{ "slow", CONF_ENUM, FIELD(slow), .choices = slow_choices },
	{ "max-members", CONF_UINT, FIELD(max_members) },
	{ "ephemeral", CONF_BOOL, FIELD(ephemeral) },
	{ "lobby-publish", CONF_ENUM, FIELD(publish), .choices = publish_choices },
};

enum {
	KEY_HISTORY_MESSAGES,
	KEY_HISTORY_BYTES,
	KEY_HISTORY_AGE,
	KEY_PRESENCE,
	KEY_SLOW,
	KEY_MAX_MEMBERS,
	KEY_EPHEMERAL,
	KEY_LOBBY_PUBLISH,
	KEY_COUNT,
};
_Static_assert(KEY_COUNT == ARRAY_LEN(keys), "one name a key");

// What a value of each key looks like.
static const char *const faults[KEY_COUNT] = {
	[KEY_HISTORY_MESSAGES] = "history-messages is not a number",
	[KEY_HISTORY_BYTES] = "history-bytes is not a size of at least 1 byte",
	[KEY_HISTORY_AGE] = "history-age is not a duration",
	[KEY_PRESENCE] = "presence is neither yes nor no",
	[KEY_SLOW] = "slow is not disconnect, drop-oldest or conflate",
	[KEY_MAX_MEMBERS] = "max-members is not a number",
	[KEY_EPHEMERAL] = "ephemeral is neither yes nor no",
	[KEY_LOBBY_PUBLISH] = "lobby-publish is not all, admin or none",
};

static void *field_of(struct room_options *options, size_t key)
{
	return (char *)options + keys[key].offset;
}

static const void *field_of_const(const struct room_options *options, size_t key)
{
	return (const char *)options + keys[key].offset;
}

static size_t find_key(struct bytes name)
{
	size_t i = 0;
	while (i < KEY_COUNT && !bytes_equal_str(name, keys[i].name)) {
		i++;
	}
	return i;
}

// ---- text to rule

static const char *set_key(struct room_rule *rule, size_t key, struct bytes value)
{
	struct buf why = { 0 };
	char *text = xstrndup(value.data, value.len);
	bool good = value.len > 0 &&
		conf_value_set(&keys[key], field_of(&rule->options, key), text, &why);
	rule->set |= 1U << key;
	free(text);
	buf_fini(&why);
	return good ? NULL : faults[key];
}

static const char *take_word(struct room_rule *rule, struct bytes word)
{
	struct bytes name;
	struct bytes value;
	if (!bytes_cut(word, '=', &name, &value)) {
		return "not PATTERN key=value ...";
	}
	size_t key = find_key(name);
	if (key == KEY_COUNT) {
		return "a key is none of history-messages, history-bytes, history-age, presence, "
		       "slow, max-members, ephemeral and lobby-publish";
	}
	if ((rule->set >> key & 1) != 0) {
		return "a key is given twice";
	}
	return set_key(rule, key, value);
}

static const char *set_pattern(struct room_rule *rule, struct bytes pattern)
{
	if (pattern.len == 0 || pattern.len > PATTERN_MAX) {
		return "the pattern is empty or longer than 256 bytes";
	}
	rule->pattern = xstrndup(pattern.data, pattern.len);
	return NULL;
}

// The next word of `*rest`, which moves on; empty at the end.
static struct bytes next_word(struct bytes *rest)
{
	while (rest->len > 0 && rest->data[0] == ' ') {
		*rest = bytes_from(*rest, 1);
	}
	size_t len = 0;
	while (len < rest->len && rest->data[len] != ' ') {
		len++;
	}
	struct bytes word = bytes_make(rest->data, len);
	*rest = bytes_from(*rest, len);
	return word;
}

// Returns NULL or what is wrong; `rule` is to be freed in any case.
static const char *parse_rule(struct room_rule *rule, const char *text)
{
	struct bytes rest = bytes_str(text);
	*rule = (struct room_rule){ .text = xstrdup(text) };
	const char *fault = set_pattern(rule, next_word(&rest));
	struct bytes word;
	while (fault == NULL && (word = next_word(&rest)).len > 0) {
		fault = take_word(rule, word);
	}
	return fault == NULL && rule->set == 0 ? "not PATTERN key=value ..." : fault;
}

static const char *parse_slow(struct room_rule *rule, const char *text)
{
	const char *equals = strrchr(text, '=');
	const char *fault = "not PATTERN=disconnect, PATTERN=drop-oldest or PATTERN=conflate";
	*rule = (struct room_rule){ .text = xstrdup(text) };
	if (equals == NULL || set_key(rule, KEY_SLOW, bytes_str(equals + 1)) != NULL ||
		set_pattern(rule, bytes_make(text, (size_t)(equals - text))) != NULL) {
		return fault;
	}
	return NULL;
}

static void rule_fini(struct room_rule *rule)
{
	free(rule->text);
	free(rule->pattern);
}

typedef const char *parse_fn(struct room_rule *rule, const char *text);

static const char *check(parse_fn *parse, const char *value)
{
	struct room_rule rule;
	const char *fault = parse(&rule, value);
	rule_fini(&rule);
	return fault;
}

const char *room_rules_check(const char *value)
{
	return check(parse_rule, value);
}

const char *room_rules_check_slow(const char *value)
{
	return check(parse_slow, value);
}

// ---- rules to what holds

static void override(struct room_options *options, const struct room_rule *rule)
{
	for (size_t key = 0; key < KEY_COUNT; key++) {
		if ((rule->set >> key & 1) != 0) {
			conf_value_copy(&keys[key], field_of(options, key),
				field_of_const(&rule->options, key));
		}
	}
	if ((rule->set >> KEY_HISTORY_MESSAGES & 1) != 0) {
		options->kept.messages = conf_limit(options->kept.messages);
	}
	options->pattern = rule->pattern;
}

static void resolve(struct room_rules *rules)
{
	for (size_t i = 0; i <= rules->n_rules; i++) {
		for (int slow = 0; slow < SLOW_POLICY_COUNT; slow++) {
			struct room_options *options = &rules->resolved[i][slow];
			*options = rules->defaults;
			options->slow = slow;
			if (i < rules->n_rules) {
				override(options, &rules->rules[i]);
			}
		}
	}
}

static struct room_rule *load_list(const struct conf_list *list, parse_fn *parse, size_t *n)
{
	struct room_rule *rules = xcalloc(list->n, sizeof(*rules));
	for (*n = 0; *n < list->n; ++*n) {
		CHECK(parse(&rules[*n], list->items[*n]) == NULL);
	}
	return rules;
}

static void free_list(struct room_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		rule_fini(&rules[i]);
	}
	free(rules);
}

void room_rules_init(struct room_rules *rules)
{
	static const struct conf_list none = { 0 };
	*rules = (struct room_rules){ .defaults = { .presence = true } };
	room_rules_load(rules, &none, &none);
}

void room_rules_load(struct room_rules *rules, const struct conf_list *options,
	const struct conf_list *slow)
{
	struct room_options defaults = rules->defaults;
	room_rules_fini(rules);
	rules->defaults = defaults;
	rules->rules = load_list(options, parse_rule, &rules->n_rules);
	rules->slow = load_list(slow, parse_slow, &rules->n_slow);
	rules->resolved = xcalloc(rules->n_rules + 1, sizeof(*rules->resolved));
	resolve(rules);
}

void room_rules_fini(struct room_rules *rules)
{
	free_list(rules->rules, rules->n_rules);
	free_list(rules->slow, rules->n_slow);
	free(rules->resolved);
	*rules = (struct room_rules){ 0 };
}

static bool list_is(const struct room_rule *rules, size_t n, const struct conf_list *list)
{
	bool same = n == list->n;
	for (size_t i = 0; same && i < n; i++) {
		same = strcmp(rules[i].text, list->items[i]) == 0;
	}
	return same;
}

bool room_rules_are(const struct room_rules *rules, const struct conf_list *options,
	const struct conf_list *slow)
{
	return list_is(rules->rules, rules->n_rules, options) &&
		list_is(rules->slow, rules->n_slow, slow);
}

void room_rules_set_defaults(struct room_rules *rules, const struct store_limits *kept,
	uint64_t max_members)
{
	rules->defaults.kept = *kept;
	rules->defaults.max_members = max_members;
	resolve(rules);
}

// ---- looking up

// The index of the first rule that matches; `n` if none does.
static size_t first_match(const struct room_rule *rules, size_t n, struct bytes room)
{
	size_t i = 0;
	while (i < n &&
		!rights_pattern_match(bytes_str(rules[i].pattern), room, bytes_make(NULL, 0))) {
		i++;
	}
	return i;
}

const struct room_options *room_rules_find(const struct room_rules *rules, struct bytes room)
{
	size_t i = first_match(rules->rules, rules->n_rules, room);
	size_t j = first_match(rules->slow, rules->n_slow, room);
	int slow = j < rules->n_slow ? rules->slow[j].options.slow : SLOW_DISCONNECT;
	return &rules->resolved[i][slow];
}

const char *room_slow_name(int slow)
{
	return slow_choices[slow];
}

const char *room_publish_name(int publish)
{
	return publish_choices[publish];
}

uint64_t room_rules_min_age_ms(const struct room_rules *rules)
{
	uint64_t min = 0;
	for (size_t i = 0; i <= rules->n_rules; i++) {
		uint64_t age_ms = rules->resolved[i][0].kept.age_ms;
		if (age_ms > 0 && (min == 0 || age_ms < min)) {
			min = age_ms;
		}
	}
	return min;
}
