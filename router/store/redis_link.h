// A connection to a Redis, and what a store asks of it: one question at a time, answered before the
// next. The only user of hiredis. For one thread at a time; whoever wants to end a question of
// another thread shuts its descriptor down.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "router/core/store_record.h"
#include "router/store/redis_url.h"
#include "router/store/slot_cut.h"

struct redis_link;

enum {
	REDIS_INCARNATION_MAX = 17, // with its NUL
	REDIS_OWNERS_MAX = 64
};

struct redis_target {
	const char *text; // the URL; borrowed
	struct redis_url url; // borrowed
	struct bytes password; // borrowed; empty: none
	uint64_t timeout_ms; // of every question
};

// Who writes.
struct redis_owner {
	char incarnation[REDIS_INCARNATION_MAX];
	const char *name; // borrowed
	uint64_t session; // the number of its attachments
	uint64_t generation; // of the store when it attached last; 0: never
};

enum redis_result {
	REDIS_LINK_OK,
	REDIS_LINK_REFUSED, // nothing was written: no memory, no disk, no replica
	REDIS_LINK_STALE, // nothing was written: the store is not as it was left
	REDIS_LINK_TAKEN, // it belongs to another router
	REDIS_LINK_BROKEN, // who knows; the link is of no use any more
};

enum redis_open_result {
	REDIS_OPEN,
	REDIS_AWAY, // it may come: unreachable, loading, a replica
	REDIS_UNFIT, // it will not do
};
// Connects, authenticates, looks whether it will do, and loads our functions. `why` says what is
// wrong if it is not REDIS_OPEN.
enum redis_open_result redis_link_open(const struct redis_target *target, struct redis_link **link,
	struct buf *why);
// Harmless for NULL.
void redis_link_close(struct redis_link *link);
int redis_link_fd(const struct redis_link *link);
// Why the last question was not answered with REDIS_LINK_OK; borrowed until the next.
const char *redis_link_why(const struct redis_link *link);

// ---- who is there

struct redis_other {
	char incarnation[REDIS_INCARNATION_MAX];
	char name[64];
	char beat[24];
	bool connected; // so far as Redis says
};
struct redis_others {
	size_t n;
	struct redis_other others[REDIS_OWNERS_MAX];
};
MUST_CHECK enum redis_result redis_link_others(struct redis_link *link,
	struct redis_others *others);
// The hash key of what is stored; REDIS_LINK_STALE if nothing is.
MUST_CHECK enum redis_result redis_link_hash_key(struct redis_link *link, uint64_t hash_key[2]);

// ---- writing

struct redis_attached {
	uint64_t generation;
	int64_t turn; // the last of this owner that is in the store; -1: it knows none
	uint64_t lengths[STORE_SLOTS];
};
// `dead`: whose slots may be taken when it attaches first.
MUST_CHECK enum redis_result redis_link_attach(struct redis_link *link,
	const struct redis_owner *owner, const uint64_t hash_key[2],
	const struct redis_others *dead, struct redis_attached *attached);
// The next one need not wait. Whether it came to pass is not said.
void redis_link_detach(struct redis_link *link, const struct redis_owner *owner);
MUST_CHECK enum redis_result redis_link_beat(struct redis_link *link,
	const struct redis_owner *owner, uint64_t n);
// All pieces or none; `lengths` are those of the logs before it.
MUST_CHECK enum redis_result redis_link_append(struct redis_link *link,
	const struct redis_owner *owner, uint64_t turn, const struct slot_cut *cut,
	const uint64_t lengths[STORE_SLOTS]);
// Replaces logs. `turn`: the last one that is in the images written so far, or 0 if more follow.
MUST_CHECK enum redis_result redis_link_image(struct redis_link *link,
	const struct redis_owner *owner, const uint64_t *turn, const struct slot_cut *cut,
	const uint64_t lengths[STORE_SLOTS]);
// Waits a while for replicas to have all that was written; `*n` of them have.
MUST_CHECK enum redis_result redis_link_replicas(struct redis_link *link, uint64_t wanted,
	uint64_t wait_ms, uint64_t *n);

// ---- reading

typedef void redis_log_fn(void *arg, uint32_t slot, struct bytes log);
// Every log that is not empty; borrowed while `each` runs.
MUST_CHECK enum redis_result redis_link_read(struct redis_link *link, redis_log_fn *each,
	void *arg);
