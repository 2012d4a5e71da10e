// Idempotency keys: what a user has published in a room under a key, for five minutes. Pure;
// bounded in bytes, the oldest leave first. Time is a parameter and does not run backwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aged_map.h"
#include "common/buf.h"
#include "common/bytes.h"

enum {
	DEDUP_AGE_MS = 5 * 60 * 1000
};

struct dedup_key {
	struct bytes user, room, key; // none holds a NUL
};

struct dedup_result { // what the first publish was answered
	uint64_t epoch;
	uint64_t seq;
	int64_t timestamp_ms;
};

struct dedup {
	struct aged_map entries;
	struct buf scratch;
	uint64_t bytes;
	uint64_t total_bytes; // 0: no bound
};

void dedup_init(struct dedup *d, uint64_t total_bytes);
void dedup_fini(struct dedup *d);
// True and the first result if the key was used in the last five minutes.
bool dedup_find(struct dedup *d, const struct dedup_key *key, uint64_t now_ms,
	struct dedup_result *result);
// The key must not be known.
void dedup_add(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms);
