// The engine of `store = redis://…`: a log for each slot in a Redis or Valkey, written by a thread
// of its own. Opened and read before routing begins; from then on written, and read no more.
//
// One router at a time: who starts waits until the one before it is seen to be dead, and a router
// whose store was taken meanwhile must end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/fault.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "router/core/store_engine.h"
#include "router/core/store_record.h"

struct store_redis;

struct store_redis_options {
	const char *url; // borrowed
	struct bytes password; // borrowed; empty: none
	const char *name; // of this router; borrowed
	uint64_t timeout_ms; // behind which a store that does not answer is down
	uint64_t replicas; // that must have a turn before it is committed
};

// Called in the loop.
struct store_redis_events {
	void (*done)(void *arg, enum store_result result); // of a turn that nobody waits for
	void (*stall)(void *arg, bool stalled);
	// Appends images of some of the slots, as route_image_slots() does.
	void (*image)(void *arg, struct store_slot_set *slots, struct buf *out);
	void (*taken)(
		void *arg); // the store belongs to another router: nothing is committed any more
	void *arg;
};

// Connects and takes the store over. NULL and the fault if that cannot be done, or if a router that
// lives has it.
struct store_redis *store_redis_open(const struct store_redis_options *options,
	struct fault *fault);
// Leaves the store to the next one. Harmless for NULL.
void store_redis_close(struct store_redis *r);

const uint64_t *store_redis_hash_key(const struct store_redis *r);
typedef void store_slot_fn(void *arg, uint32_t slot, struct bytes log);
// Every log there is; borrowed while `each` runs. 0, or -1 and the fault.
MUST_CHECK int store_redis_read(struct store_redis *r, store_slot_fn *each, void *arg,
	struct fault *fault);

void store_redis_start(struct store_redis *r, struct loop *loop,
	const struct store_redis_events *events);
extern const struct store_engine_ops store_redis_ops; // the engine is the struct store_redis

struct store_redis_figures {
	const struct histogram *commit_seconds; // from a turn's write to its answer
	uint64_t bytes; // of all logs
	uint64_t reconnects;
	uint64_t repaired; // slots written anew, because the store came back with less
};
void store_redis_figures(struct store_redis *r, struct store_redis_figures *figures);
// What the last refused turn met; NULL: none was.
const char *store_redis_error(const struct store_redis *r);

// Reads every record of every log over a connection of its own, and changes nothing.
struct store_redis_check {
	uint64_t logs;
	uint64_t records;
	uint64_t damaged; // logs with a fault
};
MUST_CHECK int store_redis_check(const struct store_redis_options *options,
	struct store_redis_check *check, struct fault *fault);
