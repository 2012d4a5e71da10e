// Idempotency keys: what a user has published in a room under a key, for a while. A durable store
// remembers requests of edges in the same way, by their origin. Pure; bounded in bytes: the oldest
// leave first, but one user cannot push out those of others. Time is a parameter and does not run
// backwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/aged_map.h"
#include "common/buf.h"
#include "common/bytes.h"

enum {
	DEDUP_AGE_MS = 5 * 60 * 1000,
	DEDUP_SHARE = 16, // a user with more than this part of the bytes loses its own oldest first
};

struct dedup_key {
	struct bytes user, room, key; // neither user nor room holds a NUL
};

struct dedup_result { // what the first publish was answered
	uint64_t epoch;
	uint64_t seq;
	int64_t timestamp_ms;
	bool proposed; // not committed yet: the others mean nothing
};

// Entries that are stored together, see dedup_next(). Zeroed.
struct dedup_entry;
LIST_HEAD(dedup_group, dedup_entry);

struct dedup {
	struct aged_map entries;
	struct map users; // who has entries
	struct buf scratch;
	uint64_t bytes;
	uint64_t total_bytes; // 0: no bound
	uint64_t age_ms;
};

void dedup_init(struct dedup *d, uint64_t total_bytes, uint64_t age_ms);
void dedup_fini(struct dedup *d);
// True and the first result if the key was used within the age.
bool dedup_find(struct dedup *d, const struct dedup_key *key, uint64_t now_ms,
	struct dedup_result *result);
// The key must not be known. `group` may be NULL; it must live as long as the entry.
void dedup_add(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms, struct dedup_group *group);
// A result for a key that may be known: what was proposed is committed.
void dedup_set(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms, struct dedup_group *group);
// Drops what is older than the age.
void dedup_expire(struct dedup *d, uint64_t now_ms);
// Harmless if it is not known.
void dedup_remove(struct dedup *d, const struct dedup_key *key);
void dedup_remove_group(struct dedup *d, struct dedup_group *group);
// The entry of the group behind `entry`, or its first for NULL; NULL at the end. The texts are
// borrowed until the entry goes.
const struct dedup_entry *dedup_next(const struct dedup_group *group,
	const struct dedup_entry *entry, struct dedup_key *key, struct dedup_result *result);
