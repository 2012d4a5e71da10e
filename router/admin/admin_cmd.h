// The commands of weirctl. They read the routing tables and change them by the same functions that
// items from edges do; they know no socket and no link. Called in the routing thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "router/admin/admin_reply.h"
#include "router/core/route.h"

enum {
	ADMIN_HOLD_LOOK_MS = 10, // between two runs of a command that holds its answer
};

struct admin_edge_figures {
	uint64_t queue_bytes; // waiting to be sent to it
	uint64_t inflight_bytes; // sent and not acknowledged
	uint64_t rtt_us; // 0: not known yet
	int64_t since_ms; // Unix time
	const char *version; // borrowed; may be NULL
	bool silent; // nothing shows that it lives; it is forgotten after link-timeout
};

enum admin_rest {
	ADMIN_REST_NOT_YET,
	ADMIN_REST_REACHED,
	ADMIN_REST_GIVEN_UP, // all goes on as before
};

enum admin_job {
	ADMIN_JOB_NOT_YET,
	ADMIN_JOB_DONE,
	ADMIN_JOB_FAILED,
};
struct admin_store_job {
	uint64_t turns, records, damaged; // of a check
	const char *why; // it failed, or there is one already; static
};

// What a durable store does for weirctl.
struct admin_store_ops {
	bool by_slot; // it has logs of slots instead of a file of turns
	const char *compact_refusal; // NULL: it can be compacted
	uint64_t (*file_bytes)(void *arg); // or of all logs
	// Begins a check, or a backup into that folder; `again`: goes on with it.
	enum admin_job (
		*job)(void *arg, const char *backup_to, bool again, struct admin_store_job *job);
};

struct admin_context {
	struct route *route;
	const char *name; // of the router
	const char *store; // as its option says
	const struct admin_store_ops *store_ops; // NULL: rooms are kept in memory
	void *store_arg; // of these
	int64_t started_ms; // Unix time
	uint64_t base_bytes; // of memory, before the first edge came
	// Fills in what the links know of an edge.
	void (*edge_figures)(void *arg, const struct table_edge *edge,
		struct admin_edge_figures *figures);
	// Begins, or goes on, to bring all links to rest before a restart.
	enum admin_rest (*rest)(void *arg);
	void *arg;
};

struct admin_request {
	// The command and its words, the last of which may be the cursor of an earlier answer.
	const struct bytes *argv;
	size_t argc;
	const Weir__Admin__V1__Subject *subject; // of an unverified token; NULL: none given
	// The command's between its runs, 0 at first: an answer with `hold` has it run again. NULL:
	// it must answer now.
	uint64_t *state;
	uint64_t now_ms;
	int64_t wall_ms;
};

// Runs one command. The empty `reply` gets the answer.
void admin_run(const struct admin_context *ctx, const struct admin_request *request,
	struct admin_reply *reply);

// True if the command changes something, so must not run twice.
bool admin_changes(struct bytes command);
