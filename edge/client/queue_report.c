// Two limits keep a slow client from holding memory: its own (queue-limit, in conn) and the one of
// all together, here. A share of it is each worker's, so that nothing is shared between threads on
// the way of a message; the kernel spreads connections evenly, and a worker that has more of them
// than others is a little stricter.
//
// Which connection is to go? Not the one that holds most: of a room that all are in, all hold the
// same. The one that has stood still for longest is the least likely to be there at all, and it is
// the first of the list. It is closed with 4008 as if its own queue were full, unless its rooms
// have messages dropped rather than clients closed, and that gains something. What it keeps until
// it has read that, the rest of the message that is under way, is not counted any more; otherwise
// many that hang would take with them whoever is next to them in the list. So what waits in all is
// bounded by the option and one message for each connection that is about to end, for as long as a
// closing handshake may take.
//
// Nothing is judged within a turn: a message to ten thousand members is queued ten thousand times
// before the first write, and is gone at the turn's end.
//
// Reports are facts on the link, so they are few: only what has changed, only of full sockets, and
// no more than a bound. Asking the edge when weirctl wants to know was rejected: the router's
// answer would have to wait for all edges.

#include "edge/client/queue_report.h"

#include "edge/client/clients.h"
#include "edge/codec/close_reason.h"
#include "edge/state/settings.h"

enum {
	ROUND_BYTES = 64 * QUEUE_REPORTS_MAX, // on the link, an estimate
};

static struct conn *conn_of(const struct blocked *blocked)
{
	return CONTAINER_OF(blocked->stream, struct conn, stream);
}

void queue_relieve(struct clients *cl)
{
	uint64_t total = cl->turn.settings->conf.queue_total;
	struct queued *q = &cl->turn.streams.queued;
	struct blocked *first;
	while (total > 0 && q->bytes > total / cl->turn.edge->n_workers &&
		(first = TAILQ_FIRST(&q->blocked)) != NULL) {
		if (!conn_give_way(conn_of(first))) {
			conn_close(conn_of(first), CLOSE_SLOW_CONSUMER);
		}
	}
}

static void report(struct clients *cl, const struct conn *c, size_t bytes)
{
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		uplink_client_stats(&cl->uplinks[i], c->handle, bytes);
	}
}

static bool may_report(const struct clients *cl)
{
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		if (!uplink_has_room(&cl->uplinks[i], ROUND_BYTES)) {
			return false;
		}
	}
	return cl->turn.link_up;
}

void queue_report(struct clients *cl, uint64_t *due_ms)
{
	struct queued *q = &cl->turn.streams.queued;
	if (turn_client_ms(&cl->turn) < *due_ms || TAILQ_EMPTY(&q->blocked) || !may_report(cl)) {
		return;
	}
	*due_ms = turn_client_ms(&cl->turn) + QUEUE_REPORT_MS;
	unsigned n = 0;
	for (struct blocked *one = TAILQ_FIRST(&q->blocked); one != NULL && n < QUEUE_REPORTS_MAX;
		one = TAILQ_NEXT(one, in_queued)) {
		const struct conn *c = conn_of(one);
		if (c->was_open && c->stream.out.bytes != one->reported) {
			report(cl, c, c->stream.out.bytes);
			one->reported = c->stream.out.bytes;
			n++;
		}
	}
}

void queue_report_anew(struct clients *cl)
{
	struct blocked *one;
	TAILQ_FOREACH (one, &cl->turn.streams.queued.blocked, in_queued) {
		one->reported = 0;
	}
}

void queue_forget(struct conn *c, size_t reported)
{
	if (reported > 0) {
		report(clients_of(c), c, 0);
	}
}
