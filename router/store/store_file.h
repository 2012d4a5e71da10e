// The engine of `store = file:DIR`: turns in an LMDB database, one value each, committed by a
// thread of its own. Opened and read before routing begins; from then on only written.
//
// One process at a time: the folder is locked. Not for network file systems.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/fault.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "router/core/store_engine.h"

struct store_file;

// Opens the folder, makes it if only its last part is missing. `sync`: a turn is on the disk when
// it is committed; else it survives the process, and the machine only if that ends in order. NULL
// and the fault if it cannot be opened, is in use, or was written by another schema.
struct store_file *store_file_open(const char *dir, bool sync, struct fault *fault);
// Waits for the turn under way; marks that all is on the disk. Harmless for NULL.
void store_file_close(struct store_file *f);

// True if what it held was given up: written without sync, and the machine has been down since.
bool store_file_is_lost(const struct store_file *f);
const uint64_t *store_file_hash_key(const struct store_file *f);

typedef void store_turn_fn(void *arg, uint64_t number, struct bytes turn);
// All turns, in order; borrowed while `each` runs. 0, or -1 and the fault.
MUST_CHECK int store_file_read(struct store_file *f, store_turn_fn *each, void *arg,
	struct fault *fault);

typedef void store_done_fn(void *arg, enum store_result result);
// Begins to commit: `done` is called in the loop for each turn that nobody waits for.
void store_file_start(struct store_file *f, struct loop *loop, store_done_fn *done, void *arg);
extern const struct store_engine_ops store_file_ops; // the engine is the struct store_file

// Seconds from a turn's write to its answer, on the routing thread.
const struct histogram *store_file_commit_seconds(const struct store_file *f);
// Bytes of the database file in use.
uint64_t store_file_bytes(struct store_file *f);
// Work on all that the log holds, by a thread of its own, while turns are committed as ever.
enum store_job_state {
	STORE_JOB_NONE, // none was begun, or its end has been reported
	STORE_JOB_RUNS,
	STORE_JOB_DONE,
	STORE_JOB_FAILED,
};
struct store_job {
	uint64_t turns;
	uint64_t records;
	uint64_t damaged; // turns with a fault
	const char *why; // it failed; static
};
// Begins to read every record, or, with `backup_to`, to copy the store as it is now into a new
// folder of that name. False if there is a job.
MUST_CHECK bool store_file_begin_job(struct store_file *f, const char *backup_to);
// `*job` is filled at the end, which is reported once.
enum store_job_state store_file_job(struct store_file *f, struct store_job *job);

// Reads every record of a folder that no process uses, and changes nothing. 0, or -1 and the fault
// if it cannot be read, or would be given up at a start.
MUST_CHECK int store_file_check(const char *dir, struct store_job *job, struct fault *fault);

// What the last refused turn met; NULL: none was.
const char *store_file_error(const struct store_file *f);
