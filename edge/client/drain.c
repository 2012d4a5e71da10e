// A batch of connections is marked: nothing more is read from them, so they ask for nothing more.
// When all that was asked before is answered, or ANSWERS_MS have passed, they are closed with 1012,
// and the next batch is marked. So acknowledgements reach whom they are for, and whoever is not
// marked yet goes on as if nothing happened.
//
// Requests are numbered in order, so "all that was asked before" is one number a link, not a count
// a connection. Timers of the connections were rejected: the pace is the worker's, and undrain
// would have to visit every one of them.

#include "edge/client/drain.h"

#include <string.h>

#include "edge/client/clients.h"

enum {
	ANSWERS_MS = 2000, // a batch waits so long for answers that are under way
	BATCH_MIN = 64, // so that few connections need not wait for the clock
	BATCH_KEEP = 4096,
};

static bool is_answered(const struct drain *d, struct clients *cl)
{
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		const struct pending_entry *oldest = pending_oldest(&cl->uplinks[i].pending);
		if (oldest != NULL && oldest->req < d->marks[i]) {
			return false;
		}
	}
	return true;
}

static uint64_t size_of_batch(const struct drain *d, const struct clients *cl)
{
	if (d->batch_size > 0) {
		return d->batch_size;
	}
	uint64_t left_ms = d->until_ms > cl->turn.mono_ms ? d->until_ms - cl->turn.mono_ms : 0;
	uint64_t ticks = left_ms / WHEEL_TICK_MS + 1;
	uint64_t size = (cl->turn.conns.n + ticks - 1) / ticks;
	return size > BATCH_MIN ? size : BATCH_MIN;
}

static void mark_batch(struct drain *d, struct clients *cl)
{
	uint64_t wanted = size_of_batch(d, cl);
	struct conn *c;
	while (d->batch.len / sizeof(uint64_t) < wanted &&
		(c = conn_table_walk(&cl->turn.conns, &d->cursor)) != NULL) {
		// Requests for /health are answered by an edge that will take clients again.
		if (conn_is_open(c) || atomic_load(&cl->turn.edge->stopping)) {
			c->leaving = true;
			buf_append(&d->batch, &c->handle, sizeof(c->handle));
			conn_review_input(c);
		}
	}
	if (d->batch.len == 0) {
		d->cursor = 0; // for those who were upgrading, or came late
	}
	d->marked_ms = cl->turn.mono_ms;
	for (unsigned i = 0; i < cl->turn.edge->n_links; i++) {
		d->marks[i] = cl->uplinks[i].pending.next;
	}
}

static struct conn *in_batch(struct drain *d, struct clients *cl, size_t i)
{
	uint64_t handle;
	memcpy(&handle, d->batch.data + i * sizeof(handle), sizeof(handle));
	return conn_table_find(&cl->turn.conns, handle);
}

static void close_batch(struct drain *d, struct clients *cl)
{
	for (size_t i = 0; i < d->batch.len / sizeof(uint64_t); i++) {
		struct conn *c = in_batch(d, cl, i);
		if (c != NULL) {
			conn_close(c, CLOSE_RESTART);
		}
	}
	buf_reset(&d->batch, BATCH_KEEP);
}

void drain_begin(struct drain *d, struct clients *cl, uint64_t within_ms, uint64_t rate)
{
	uint64_t per_worker = rate / cl->turn.edge->n_workers;
	uint64_t per_tick = per_worker * WHEEL_TICK_MS / 1000;
	d->active = true;
	d->until_ms = cl->turn.mono_ms + within_ms;
	d->batch_size = rate == 0 ? 0 : per_tick > 0 ? per_tick : 1;
	drain_step(d, cl);
}

void drain_end(struct drain *d, struct clients *cl)
{
	d->active = false;
	d->cursor = 0;
	for (size_t i = 0; i < d->batch.len / sizeof(uint64_t); i++) {
		struct conn *c = in_batch(d, cl, i);
		if (c != NULL) {
			c->leaving = false;
			conn_review_input(c);
		}
	}
	buf_reset(&d->batch, BATCH_KEEP);
}

void drain_step(struct drain *d, struct clients *cl)
{
	if (!d->active) {
		return;
	}
	if (d->batch.len == 0) {
		mark_batch(d, cl);
	}
	if (is_answered(d, cl) || cl->turn.mono_ms - d->marked_ms >= ANSWERS_MS) {
		close_batch(d, cl);
	}
}

void drain_fini(struct drain *d)
{
	buf_fini(&d->batch);
}
