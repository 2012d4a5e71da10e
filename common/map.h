// A hash table of objects that embed their own node. Keys are bytes from unauthenticated peers, so
// the hash is SipHash-2-4 under a random key; growth is incremental, so that no single insert pays
// for moving a million entries. The table owns its buckets, never the objects.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

// The key of the object around `node`; it must not change while the object is in a table.
typedef struct bytes map_key_fn(const struct map_node *node);

struct map_buckets {
	struct map_node **heads;
	size_t n; // a power of two, or 0
};

struct map {
	map_key_fn *key_of;
	struct map_buckets now;
	struct map_buckets old; // being emptied into `now`, from `moved` on
	size_t moved;
	size_t n_entries;
	uint64_t seed[2];
};

void map_init(struct map *m, map_key_fn *key_of);
// The table must be empty of objects that the caller still means to reach.
void map_fini(struct map *m);

struct map_node *map_find(const struct map *m, struct bytes key);
// `node` must not be in a table, nor its key.
void map_insert(struct map *m, struct map_node *node);
// `node` must be in this table.
void map_remove(struct map *m, struct map_node *node);

// Walks all entries: start with NULL; returns NULL at the end. Removing the entry just returned is
// allowed; inserting ends the walk's validity. Amortised O(1) a step.
struct map_cursor {
	size_t bucket;
	struct map_node *next;
};
void map_walk(const struct map *m, struct map_cursor *cursor);
struct map_node *map_walk_next(const struct map *m, struct map_cursor *cursor);
