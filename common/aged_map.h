// A table of objects that are remembered for a while, in the order in which they came, so that the
// next one whose time is over, or that has to make place, is always the first of the order. An
// object can also be held: it is found, and stands in no order until it is released to the end of
// it (by releasing what is used again, the order becomes that of the last use). No bound of its
// own: the caller drops the oldest, or adds no more.
//
// Objects embed their node and are owned by the table, which gives them back through `drop`.
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#include "common/map.h"

struct aged_node {
	struct map_node node;
	TAILQ_ENTRY(aged_node) in_order; // unless held
	uint64_t due_ms; // when its time is over
};

TAILQ_HEAD(aged_list, aged_node);

struct aged_map;
// Frees the object around `node`, which is in `m` no more.
typedef void aged_drop_fn(struct aged_map *m, struct aged_node *node);

struct aged_map {
	struct map entries;
	struct aged_list order; // oldest first
	size_t n_ordered;
	aged_drop_fn *drop;
};

// `key_of` gets the map_node in the object's aged_node.
void aged_map_init(struct aged_map *m, map_key_fn *key_of, aged_drop_fn *drop);
// Drops all; none may be held.
void aged_map_fini(struct aged_map *m);

struct aged_node *aged_map_find(const struct aged_map *m, struct bytes key);
// To the end of the order. Its key must not be in the table. Times that run backwards make no
// disorder: an object is due when all before it are, at the earliest.
void aged_map_add(struct aged_map *m, struct aged_node *node, uint64_t due_ms);
void aged_map_add_held(struct aged_map *m, struct aged_node *node);
// Out of the order, in which it must be, and back to its end.
void aged_map_hold(struct aged_map *m, struct aged_node *node);
void aged_map_release(struct aged_map *m, struct aged_node *node, uint64_t due_ms);

// The first in the order; NULL if there is none.
struct aged_node *aged_map_oldest(const struct aged_map *m);
// The same if its time is over.
struct aged_node *aged_map_due(const struct aged_map *m, uint64_t now_ms);
// `node` must not be held.
void aged_map_drop(struct aged_map *m, struct aged_node *node);
void aged_map_drop_due(struct aged_map *m, uint64_t now_ms);
