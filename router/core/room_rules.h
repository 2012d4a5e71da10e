// What an operator has said of rooms by their names: options `room-options` and `room-slow-policy`
// of the router. The first rule whose pattern matches a room decides; keys that it does not name
// have the values of the router's other options. Pure data: who keeps to it is route and its
// tables.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "proto/link_items.h"
#include "proto/policy/rights.h"
#include "router/core/store.h"

// What holds in one room. `kept.total_bytes` is not used: that limit is of all rooms together.
struct room_options {
	const char *pattern; // of the rule; NULL: none matched. Borrowed from the rules
	struct store_limits kept; // its history
	uint64_t max_members; // 0: no limit
	int slow; // enum slow_policy
	int publish; // enum lobby_publish
	bool presence; // false: nobody has the right `presence` there
	bool ephemeral; // nothing that is said there is numbered or kept
};

struct room_rule;

struct room_rules {
	struct room_rule *rules; // owned; of room-options, in their order
	size_t n_rules;
	struct room_rule *slow; // owned; of room-slow-policy
	size_t n_slow;
	// Owned; a row for each rule and one for rooms that none matches, a column for each policy
	// that room-slow-policy may add.
	struct room_options (*resolved)[SLOW_POLICY_COUNT];
	struct room_options defaults; // what holds where nothing is said
};

// For the table of options: NULL, or what is wrong with one value, a static text.
const char *room_rules_check(const char *value);
const char *room_rules_check_slow(const char *value);

// No rules, and limits of 0: call room_rules_set_defaults().
void room_rules_init(struct room_rules *rules);
// Takes values that were checked; replaces the rules that are there, but keeps the defaults. Every
// pointer that room_rules_find() returned is invalid then.
void room_rules_load(struct room_rules *rules, const struct conf_list *options,
	const struct conf_list *slow);
void room_rules_fini(struct room_rules *rules);

// True if load() with the same lists would change nothing.
bool room_rules_are(const struct room_rules *rules, const struct conf_list *options,
	const struct conf_list *slow);
// Other values where rules say nothing; what room_rules_find() returned stays valid and follows.
void room_rules_set_defaults(struct room_rules *rules, const struct store_limits *kept,
	uint64_t max_members);

// Whether an admin, or others, may publish where this holds, whatever their rights.
static inline bool room_options_let(const struct room_options *options, bool admin)
{
	return options->publish == LOBBY_PUBLISH_ALL ||
		(options->publish == LOBBY_PUBLISH_ADMIN && admin);
}

// What holds in a room of that name. Borrowed until the rules are loaded anew.
const struct room_options *room_rules_find(const struct room_rules *rules, struct bytes room);
// How values of `slow` and `lobby-publish` are written.
const char *room_slow_name(int slow);
const char *room_publish_name(int publish);
// The shortest of all ages that history may have; 0: nothing gets too old.
uint64_t room_rules_min_age_ms(const struct room_rules *rules);
