// Two limits keep a slow client from holding memory: its own (queue-limit, in conn) and the one of all
// together, here. A share of it is each worker's, so that nothing is shared between threads on the way
// of a message; the kernel spreads connections evenly, and a worker that has more of them than others
// is a little stricter.
//
// Who is to go? Not whoever holds most: of a room that all are in, all hold the same. The one that
// has stood still for longest is the least likely to be there at all, and it costs nothing to find:
// the list is in that order, because whoever makes progress goes to its end. It is told 4008 as if
// its own queue were full. What it keeps until it has read that, the rest of the message that is under
// way, is not counted any more; otherwise many who hang would take with them whoever is next to them
// in the list. So what waits in all is bounded by the option and one message for each connection
// that is about to end, for as long as a closing handshake may take.
//
// Nothing is judged within a turn: a message to ten thousand members is queued ten thousand times
// before the first write, and is gone at the turn's end.
//
// Reports are facts on the link, so they are few: only what has changed, only of full sockets, and no
// more than a bound. Asking the edge when weirctl wants to know was rejected: the router's answer
// would have to wait for all edges.

#include "edge/client/backlog.h"

#include "edge/client/conn.h"
#include "edge/client/worker.h"
#include "edge/codec/close_reason.h"
#include "edge/uplink/uplink.h"

enum {
	ROUND_BYTES = 64 * BACKLOG_REPORTS_MAX, // on the link, an estimate
};

void backlog_init(struct backlog *b)
{
	*b = (struct backlog){ 0 };
	TAILQ_INIT(&b->blocked);
}

void backlog_enter(struct backlog *b, struct blocked *blocked, size_t bytes)
{
	b->bytes += bytes;
	if (blocked != NULL) {
		TAILQ_INSERT_TAIL(&b->blocked, blocked, in_backlog);
	}
}

void backlog_leave(struct backlog *b, struct blocked *blocked, size_t bytes)
{
	CHECK(bytes <= b->bytes);
	b->bytes -= bytes;
	if (blocked != NULL) {
		TAILQ_REMOVE(&b->blocked, blocked, in_backlog);
	}
}

void backlog_touch(struct backlog *b, struct blocked *blocked)
{
	TAILQ_REMOVE(&b->blocked, blocked, in_backlog);
	TAILQ_INSERT_TAIL(&b->blocked, blocked, in_backlog);
}

void backlog_relieve(struct worker *w)
{
	uint64_t total = w->settings->conf.queue_total;
	struct backlog *b = &w->backlog;
	struct blocked *first;
	while (total > 0 && b->bytes > total / w->edge->n_workers &&
		(first = TAILQ_FIRST(&b->blocked)) != NULL) {
		conn_close(first->conn, CLOSE_SLOW_CONSUMER);
	}
}

static void report(struct worker *w, const struct conn *c, size_t bytes)
{
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		uplink_client_stats(&w->uplinks[i], c->handle, bytes);
	}
}

static bool may_report(const struct worker *w)
{
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		if (!router_link_has_room(w->uplinks[i].link, ROUND_BYTES)) {
			return false;
		}
	}
	return w->link_up;
}

void backlog_report(struct worker *w)
{
	struct backlog *b = &w->backlog;
	if (worker_now(w) < b->report_ms || TAILQ_EMPTY(&b->blocked) || !may_report(w)) {
		return;
	}
	b->report_ms = worker_now(w) + BACKLOG_REPORT_MS;
	unsigned n = 0;
	for (struct blocked *one = TAILQ_FIRST(&b->blocked); one != NULL && n < BACKLOG_REPORTS_MAX;
		one = TAILQ_NEXT(one, in_backlog)) {
		size_t bytes = one->conn->out.bytes;
		if (one->conn->was_open && bytes != one->reported) {
			report(w, one->conn, bytes);
			one->reported = bytes;
			n++;
		}
	}
}

void backlog_report_anew(struct backlog *b)
{
	struct blocked *one;
	TAILQ_FOREACH (one, &b->blocked, in_backlog) {
		one->reported = 0;
	}
}

void backlog_forget(struct worker *w, const struct blocked *blocked)
{
	if (blocked->reported > 0) {
		report(w, blocked->conn, 0);
	}
}
