// Tokens that are no longer good though nothing in them says so: by user or by token id (jti).
// Edges hold a set to refuse who comes, routers one to close who is there and to tell edges that
// come. Pure: no clock, no lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/map.h"

enum {
	REVOCATIONS_MAX = 10000, // that weirctl may make
	// What edges of a router that was restarted bring it may be more; nobody holds more than
	// this.
	REVOCATIONS_HARD_MAX = 2 * REVOCATIONS_MAX,
	REVOCATION_JTI_MAX = 256,
	REVOCATION_SEAL_LEN = 32,
};

#define REVOCATION_ANY_TIME INT64_MAX

struct revocation {
	struct bytes user; // exactly one of the two is not empty
	struct bytes jti;
	int64_t before_s; // tokens issued earlier; REVOCATION_ANY_TIME: whenever. 0: a lift
	int64_t since_ms; // Unix time at which it was made, or lifted
	struct bytes seal; // see revocation_seal.h; empty: none
};
// It ends what was revoked of its user or jti before it, and is kept so that nobody who has not
// heard of it brings that back.
static inline bool revocation_is_lift(const struct revocation *rev)
{
	return rev->before_s == 0;
}
// False for what cannot be one: texts of no user or jti, times before 1970. A lift can.
bool revocation_valid(const struct revocation *rev);

struct revocations {
	struct map entries;
};

void revocations_init(struct revocations *set);
void revocations_fini(struct revocations *set);

enum revocations_result {
	REVOCATIONS_KNOWN, // it is covered already
	REVOCATIONS_NEWS,
	REVOCATIONS_FULL, // `max` entries
};
// Adds a valid one, or widens the entry of its user or jti, or lifts that; copies its texts. Its
// seal is kept if the entry then says the same.
MUST_CHECK enum revocations_result revocations_add(struct revocations *set,
	const struct revocation *rev, size_t max);
// What the set holds of the user or jti of `rev`, which was added; spans are the set's.
struct revocation revocations_get(const struct revocations *set, const struct revocation *rev);
// True if a token is revoked that names `user`, `jti` (empty: none) and was issued at `issued_s`
// (0: it does not say, so it counts as older than all).
bool revocations_hit(const struct revocations *set, struct bytes user, struct bytes jti,
	int64_t issued_s);
// Forgets those whose tokens have all expired, if none is good for more than `token_life_ms` after
// it was issued; 0: no such limit, nothing is forgotten.
void revocations_expire(struct revocations *set, int64_t now_ms, uint64_t token_life_ms);
// Unix time at which revocations_expire() forgets it; 0: never.
int64_t revocation_expires_ms(const struct revocation *rev, uint64_t token_life_ms);

// Walks all: map_walk(&set->entries, &cursor) starts. False at the end. Spans are the set's.
bool revocations_next(const struct revocations *set, struct map_cursor *cursor,
	struct revocation *rev);
