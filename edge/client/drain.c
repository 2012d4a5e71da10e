// A batch of connections is marked: nothing more is read from them, so they ask for nothing more. When
// all that was asked before is answered, or ANSWERS_MS have passed, they are told to go, and the next
// batch is marked. So acknowledgements reach whom they are for, and whoever is not marked yet goes on
// as if nothing happened.
//
// Requests are numbered in order, so "all that was asked before" is one number a link, not a count a
// connection. Timers of the connections were rejected: the pace is the worker's, and undrain would
// have to visit every one of them.

#include "edge/client/drain.h"

#include <string.h>

#include "edge/client/conn.h"
#include "edge/client/worker.h"

enum {
	ANSWERS_MS = 2000, // a batch waits so long for answers that are under way
	BATCH_MIN = 64, // so that few connections need not wait for the clock
	BATCH_KEEP = 4096,
};

static bool is_answered(const struct worker *w)
{
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		struct pending *pending = (struct pending *)&w->uplinks[i].pending;
		const struct pending_entry *oldest = pending_oldest(pending);
		if (oldest != NULL && oldest->req < w->drain.marks[i]) {
			return false;
		}
	}
	return true;
}

static uint64_t size_of_batch(const struct worker *w)
{
	const struct drain *d = &w->drain;
	if (d->batch_size > 0) {
		return d->batch_size;
	}
	uint64_t left_ms = d->until_ms > w->touched_ms ? d->until_ms - w->touched_ms : 0;
	uint64_t ticks = left_ms / WHEEL_TICK_MS + 1;
	uint64_t size = (w->conns.n + ticks - 1) / ticks;
	return size > BATCH_MIN ? size : BATCH_MIN;
}

static void mark_batch(struct worker *w)
{
	struct drain *d = &w->drain;
	uint64_t wanted = size_of_batch(w);
	struct conn *c;
	while (d->batch.len / sizeof(uint64_t) < wanted &&
		(c = conn_table_walk(&w->conns, &d->cursor)) != NULL) {
		// Requests for /health are answered by an edge that will take clients again.
		if (conn_is_open(c) || atomic_load(&w->edge->stopping)) {
			c->leaving = true;
			buf_append(&d->batch, &c->handle, sizeof(c->handle));
			conn_review_input(c);
		}
	}
	if (d->batch.len == 0) {
		d->cursor = 0; // for those who were upgrading, or came late
	}
	d->marked_ms = w->touched_ms;
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		d->marks[i] = w->uplinks[i].pending.next;
	}
}

static struct conn *in_batch(struct worker *w, size_t i)
{
	uint64_t handle;
	memcpy(&handle, w->drain.batch.data + i * sizeof(handle), sizeof(handle));
	return conn_table_find(&w->conns, handle);
}

static void close_batch(struct worker *w)
{
	struct drain *d = &w->drain;
	for (size_t i = 0; i < d->batch.len / sizeof(uint64_t); i++) {
		struct conn *c = in_batch(w, i);
		if (c != NULL) {
			conn_close(c, CLOSE_RESTART);
		}
	}
	buf_reset(&d->batch, BATCH_KEEP);
}

void drain_begin(struct worker *w, uint64_t within_ms, uint64_t rate)
{
	struct drain *d = &w->drain;
	uint64_t per_worker = rate / w->edge->n_workers;
	uint64_t per_tick = per_worker * WHEEL_TICK_MS / 1000;
	d->active = true;
	d->until_ms = w->touched_ms + within_ms;
	d->batch_size = rate == 0 ? 0 : per_tick > 0 ? per_tick : 1;
	drain_step(w);
}

void drain_end(struct worker *w)
{
	struct drain *d = &w->drain;
	d->active = false;
	d->cursor = 0;
	for (size_t i = 0; i < d->batch.len / sizeof(uint64_t); i++) {
		struct conn *c = in_batch(w, i);
		if (c != NULL) {
			c->leaving = false;
			conn_review_input(c);
		}
	}
	buf_reset(&d->batch, BATCH_KEEP);
}

void drain_step(struct worker *w)
{
	struct drain *d = &w->drain;
	if (!d->active) {
		return;
	}
	if (d->batch.len == 0) {
		mark_batch(w);
	}
	if (is_answered(w) || w->touched_ms - d->marked_ms >= ANSWERS_MS) {
		close_batch(w);
	}
}

void drain_fini(struct drain *d)
{
	buf_fini(&d->batch);
}
