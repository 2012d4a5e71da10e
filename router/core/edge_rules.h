// What an operator lets an edge say: option `edge-options` of the router. An edge that no value
// names may say everything. Pure data, read once.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"

struct edge_rule;

struct edge_rules {
	struct edge_rule *rules; // owned
	size_t n;
};

// For the table of options: NULL, or what is wrong with one value, a static text.
const char *edge_rules_check(const char *value);
// Whether each value names an edge that has a key of its own among `keys` (values of
// link-key-file), or all others. NULL, or what is wrong.
const char *edge_rules_check_keys(const struct conf_list *options, const struct conf_list *keys);

// Takes values that were checked.
void edge_rules_init(struct edge_rules *rules, const struct conf_list *options);
void edge_rules_fini(struct edge_rules *rules);

// Borrowed from `rules`; NULL: the edge may say everything. NULL is a rule for the functions below.
const struct edge_rule *edge_rules_find(const struct edge_rules *rules, struct bytes edge);
bool edge_rule_lets_user(const struct edge_rule *rule, struct bytes user);
bool edge_rule_lets_admins(const struct edge_rule *rule);
// A room, or what a client joins as a pattern: then all that matches it.
bool edge_rule_lets_room(const struct edge_rule *rule, struct bytes room);
