// A value is "NAME key=value ...": `users` and `rooms` are patterns, each may be given several
// times, `admin` is yes or no. NAME is an edge with a key of its own, since any holder of a common
// key may call itself as it likes; `*` stands for all edges without a value of their own.
//
// A key that is not given forbids nothing, so an operator says only what is narrower. Patterns are
// those of rights: a personal room must be named by its prefix.

#include "router/core/edge_rules.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "proto/link_hello.h"
#include "proto/names.h"
#include "proto/policy/rights.h"

enum {
	PATTERNS_MAX = 32, // of each key
};

struct patterns {
	struct bytes items[PATTERNS_MAX]; // of the rule's text
	size_t n; // 0: whatever there is
};

struct edge_rule {
	char *text; // owned
	struct bytes name;
	struct patterns users;
	struct patterns rooms;
	bool no_admins;
};

static const char *add_pattern(struct patterns *patterns, struct bytes pattern)
{
	if (!room_pattern_valid(pattern)) {
		return "no such pattern";
	}
	if (patterns->n == PATTERNS_MAX) {
		return "more than 32 patterns";
	}
	patterns->items[patterns->n++] = pattern;
	return NULL;
}

static const char *take_word(struct edge_rule *rule, struct bytes word)
{
	struct bytes key;
	struct bytes value;
	if (!bytes_cut(word, '=', &key, &value)) {
		return "not NAME key=value ...";
	}
	if (bytes_equal_str(key, "users")) {
		return add_pattern(&rule->users, value);
	}
	if (bytes_equal_str(key, "rooms")) {
		return add_pattern(&rule->rooms, value);
	}
	if (!bytes_equal_str(key, "admin")) {
		return "no such key; there are users, rooms and admin";
	}
	rule->no_admins = bytes_equal_str(value, "no");
	return rule->no_admins || bytes_equal_str(value, "yes") ? NULL : "admin is yes or no";
}

// The next word of `*text`, without the space around it; empty at the end.
static struct bytes next_word(struct bytes *text)
{
	while (text->len > 0 && text->data[0] == ' ') {
		*text = bytes_from(*text, 1);
	}
	struct bytes word = *text;
	struct bytes rest;
	if (bytes_cut(*text, ' ', &word, &rest)) {
		*text = rest;
	} else {
		*text = bytes_from(*text, text->len);
	}
	return word;
}

// `*rule` borrows from `value`.
static const char *parse(const char *value, struct edge_rule *rule)
{
	struct bytes rest = bytes_str(value);
	*rule = (struct edge_rule){ .name = next_word(&rest) };
	if (!bytes_equal_str(rule->name, "*") && !link_name_valid(rule->name)) {
		return "no such edge name";
	}
	struct bytes word;
	const char *why = NULL;
	while (why == NULL && (word = next_word(&rest)).len > 0) {
		why = take_word(rule, word);
	}
	return why;
}

const char *edge_rules_check(const char *value)
{
	struct edge_rule rule;
	return parse(value, &rule);
}

static bool has_key(const struct conf_list *keys, struct bytes name)
{
	for (size_t i = 0; i < keys->n; i++) {
		struct bytes edge;
		struct bytes file;
		if (bytes_cut(bytes_str(keys->items[i]), '=', &edge, &file) &&
			bytes_equal(edge, name)) {
			return true;
		}
	}
	return false;
}

const char *edge_rules_check_keys(const struct conf_list *options, const struct conf_list *keys)
{
	for (size_t i = 0; i < options->n; i++) {
		struct edge_rule rule;
		const char *why = parse(options->items[i], &rule);
		if (why == NULL && !bytes_equal_str(rule.name, "*") && !has_key(keys, rule.name)) {
			why = "names an edge without a key of its own in link-key-file";
		}
		if (why != NULL) {
			return why;
		}
	}
	return NULL;
}

void edge_rules_init(struct edge_rules *rules, const struct conf_list *options)
{
	*rules = (struct edge_rules){ .n = options->n };
	rules->rules = xcalloc(options->n, sizeof(*rules->rules));
	for (size_t i = 0; i < options->n; i++) {
		char *text = xstrdup(options->items[i]);
		const char *why = parse(text, &rules->rules[i]);
		CHECK(why == NULL);
		rules->rules[i].text = text;
	}
}

void edge_rules_fini(struct edge_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		free(rules->rules[i].text);
	}
	free(rules->rules);
	*rules = (struct edge_rules){ 0 };
}

const struct edge_rule *edge_rules_find(const struct edge_rules *rules, struct bytes edge)
{
	const struct edge_rule *others = NULL;
	for (size_t i = 0; i < rules->n; i++) {
		const struct edge_rule *rule = &rules->rules[i];
		if (bytes_equal(rule->name, edge)) {
			return rule;
		}
		if (bytes_equal_str(rule->name, "*")) {
			others = rule;
		}
	}
	return others;
}

static bool matches(const struct patterns *patterns, struct bytes text)
{
	bool any = patterns->n == 0;
	for (size_t i = 0; i < patterns->n && !any; i++) {
		any = rights_joined_match(patterns->items[i], text);
	}
	return any;
}

bool edge_rule_lets_user(const struct edge_rule *rule, struct bytes user)
{
	return rule == NULL || matches(&rule->users, user);
}

bool edge_rule_lets_admins(const struct edge_rule *rule)
{
	return rule == NULL || !rule->no_admins;
}

bool edge_rule_lets_room(const struct edge_rule *rule, struct bytes room)
{
	return rule == NULL || matches(&rule->rooms, room);
}
