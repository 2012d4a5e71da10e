// What of the link to a router outlives its connections: the session with its window, a lane for
// each worker, and how far each worker has worked off what came down. Pure: time is a parameter,
// and the lock is the link's, which holds it in every call but link_lanes_queued_bytes().
//
// A mark is a number that rises over sessions and names one BATCH that came down: a worker gets it
// after the items of that BATCH and gives it back when they are worked off.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "edge/uplink/link_lane.h"
#include "proto/link/link_resume.h"

struct link_lanes {
	struct link_session session;
	uint64_t n_sessions; // begun so far: the number of the present one
	unsigned n_workers;
	struct link_lane *lanes; // owned; one a worker
	struct lane_progress *progress; // owned; one a worker
	_Atomic size_t queued_bytes; // in all lanes
};

// Without a session.
void link_lanes_init(struct link_lanes *l, unsigned n_workers);
void link_lanes_fini(struct link_lanes *l);

// Follows the router's HELLO_ACK. If that does not resume, a new session begins: every lane is held
// until the worker's snapshot.
MUST_CHECK enum link_follow link_lanes_follow(struct link_lanes *l,
	const struct link_answer *answer);
// The router has forgotten the session, or will have.
void link_lanes_end_session(struct link_lanes *l);

// What `worker` has gathered in a turn. Facts are dropped while there is no session.
void link_lanes_take(struct link_lanes *l, unsigned worker, struct link_outbox *outbox);
// The snapshot of `worker` for session number `session`, and lets its lane go. False, and the
// outbox emptied, if that session is over.
bool link_lanes_release(struct link_lanes *l, unsigned worker, uint64_t session,
	struct link_outbox *outbox);
// Moves what waits into the window as far as it has room. Snapshots go first; link_lanes_close()
// follows.
void link_lanes_pump(struct link_lanes *l, uint64_t now_ms);
// Closes a BATCH with what is in the window.
void link_lanes_close(struct link_lanes *l);

// A BATCH of `len` bytes came down with number `seq`: 0 and its mark, 1 if it is a repeat, or a
// negative errno if no conforming router sends it now.
MUST_CHECK int link_lanes_accept(struct link_lanes *l, uint64_t seq, size_t len, uint64_t *mark);
// It had something for the workers in the set `workers`: it is taken in when they have given its
// mark back. Also an empty set is to be reported.
void link_lanes_delivered(struct link_lanes *l, uint64_t mark, uint64_t workers);
// `worker` has worked off all up to `mark`.
void link_lanes_consumed(struct link_lanes *l, unsigned worker, uint64_t mark);

// True if request `req` of `worker` was ever put into a window.
bool link_lanes_was_sent(const struct link_lanes *l, unsigned worker, uint64_t req);
// From any thread.
size_t link_lanes_queued_bytes(const struct link_lanes *l);
