// What a worker's clients have not taken yet: the bytes queued for all that are open, and, of those
// whose socket is full, the order in which they last got rid of something. From it the option
// queue-total is kept, and routers learn whose queue is long. The entries lie in memory that only
// a connection with a full socket has; the others pay nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/loop.h"

struct conn;
struct worker;

enum {
	BACKLOG_REPORT_MS = 1000,
	BACKLOG_REPORTS_MAX = 100, // in one round, of one worker
};

// What a connection holds while its socket is full.
struct blocked {
	struct loop_io io; // active
	struct conn *conn; // borrowed; it owns this
	TAILQ_ENTRY(blocked) in_backlog; // while it is open
	size_t reported; // bytes, as routers were told last
};

struct backlog {
	TAILQ_HEAD(, blocked) blocked; // who stands still longest comes first
	size_t bytes; // queued for open connections, blocked or not
	uint64_t report_ms; // time of the worker's clock of the next round
};

void backlog_init(struct backlog *b);
// A connection with so many bytes becomes open, or stops being so; `blocked` is NULL if its socket is
// not full. With 0 bytes: the socket of an open one becomes full, or free again.
void backlog_enter(struct backlog *b, struct blocked *blocked, size_t bytes);
void backlog_leave(struct backlog *b, struct blocked *blocked, size_t bytes);
// It got rid of something.
void backlog_touch(struct backlog *b, struct blocked *blocked);

// At the end of a turn, when what could be written has been: closes connections until the others hold
// no more than this worker's share of queue-total.
void backlog_relieve(struct worker *w);

// With each tick: tells routers, once a second, whose queue has another length.
void backlog_report(struct worker *w);
// A router knows nothing of what was reported.
void backlog_report_anew(struct backlog *b);
// The connection's queue is empty; so that no router shows its old length for ever.
void backlog_forget(struct worker *w, const struct blocked *blocked);
