// What workers want to say to a router, on its way from their turn into the link's window. An
// outbox gathers one worker's items of one turn; a lane is that worker's queue within the link.
// Pure: time is a parameter, the lock is the link's.
//
// An item is a request, which has a number and a deadline and is answered by the router, or a fact
// (a client came or went), which needs no answer and is not worth sending once a snapshot says it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "proto/link/link_window.h"
#include "proto/link_items.h"

// Embedded in the worker, zeroed.
struct link_outbox {
	struct buf entries;
};
void link_outbox_fini(struct link_outbox *outbox);
void link_outbox_add_fact(struct link_outbox *outbox, const link_item *item);
// Request number `req` (above 0; numbers rise per worker and link). After `deadline_ms` (monotonic)
// it is no longer sent if it has not been.
void link_outbox_add_request(struct link_outbox *outbox, const link_item *item, uint64_t req,
	uint64_t deadline_ms);

struct link_entry {
	uint64_t req; // 0: a fact
	uint64_t deadline_ms;
	struct bytes element; // of a BATCH; borrowed from the outbox
};
// The entry at `*at`, 0 at first, which is moved on; false at the end.
bool link_outbox_next(const struct link_outbox *outbox, size_t *at, struct link_entry *entry);

struct link_queue {
	struct buf entries;
	size_t at; // of the first entry not yet moved on
};

struct link_lane {
	struct link_queue snapshot; // goes before the queue
	struct link_queue queue;
	bool held; // a new session waits for this worker's snapshot: the queue stands still
	uint64_t sent_req; // the highest request number that was put into a window
};

void link_lane_fini(struct link_lane *lane);
// Takes over the outbox's entries. Facts are left out if `facts` is false.
void link_lane_take(struct link_lane *lane, struct link_outbox *outbox, bool facts);
// The session is over: drops what is left of its snapshot and all queued facts, and holds the lane.
void link_lane_hold(struct link_lane *lane);
// The worker's snapshot for the new session: takes over the entries and lets the lane go.
void link_lane_release(struct link_lane *lane, struct link_outbox *snapshot);
// Moves the facts of the snapshot into the window. False while they are not all there: the worker
// has not reported them, or the window is full.
bool link_lane_tell(struct link_lane *lane, struct link_window *window);
// Then: moves all entries into the window while it has room, leaving out requests whose deadline
// has passed. False if the window is full.
bool link_lane_pump(struct link_lane *lane, struct link_window *window, uint64_t now_ms);
// Bytes of entries waiting.
size_t link_lane_bytes(const struct link_lane *lane);
