// What is made of a worker's queued bytes: the option queue-total is kept, and routers learn whose
// queue is long.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clients;
struct conn;

enum {
	QUEUE_REPORT_MS = 1000,
	QUEUE_REPORTS_MAX = 100, // in one round, of one worker
};

// At the end of a turn, when what could be written has been: closes connections until the others
// hold no more than this worker's share of queue-total.
void queue_relieve(struct clients *cl);

// With each tick: tells routers, once in QUEUE_REPORT_MS, whose queue has another length.
// `*due_ms`, zero at first, is when the next round is due, by the clients' clock.
void queue_report(struct clients *cl, uint64_t *due_ms);
// A router knows nothing of what was reported.
void queue_report_anew(struct clients *cl);
// The connection's queue is empty; so that no router shows the length that was reported for ever.
void queue_forget(struct conn *c, size_t reported);
