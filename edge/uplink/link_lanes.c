// An acknowledgement says that everything below it is taken in, also by the slowest worker: so it
// is the lowest of what the workers have left to do. Marks hold the session's number above the
// BATCH's, so a worker that still works on an earlier session holds up nothing but the beginning.

#include "edge/uplink/link_lanes.h"

#include <stdlib.h>

#include "common/mem.h"

enum {
	MARK_SEQ_BITS = 44, // a mark is (session << 44 | seq)
};

// How far a worker has got with what came down.
struct lane_progress {
	uint64_t queued; // mark of the last batch that had something for it
	uint64_t done; // mark of the last one it worked off
};

static void update_queued(struct link_lanes *l)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < l->n_workers; i++) {
		bytes += link_lane_bytes(&l->lanes[i]);
	}
	atomic_store_explicit(&l->queued_bytes, bytes, memory_order_relaxed);
}

// What is queued as facts is worthless, and nothing is sent before every worker has said what it
// has.
static void hold_lanes(struct link_lanes *l)
{
	for (unsigned i = 0; i < l->n_workers; i++) {
		link_lane_hold(&l->lanes[i]);
	}
	update_queued(l);
}

void link_lanes_init(struct link_lanes *l, unsigned n_workers)
{
	*l = (struct link_lanes){ .n_workers = n_workers };
	l->lanes = xcalloc(n_workers, sizeof(l->lanes[0]));
	l->progress = xcalloc(n_workers, sizeof(l->progress[0]));
	link_session_init(&l->session);
	hold_lanes(l);
}

void link_lanes_fini(struct link_lanes *l)
{
	for (unsigned i = 0; i < l->n_workers; i++) {
		link_lane_fini(&l->lanes[i]);
	}
	free(l->lanes);
	free(l->progress);
	link_session_fini(&l->session);
}

enum link_follow link_lanes_follow(struct link_lanes *l, const struct link_answer *answer)
{
	enum link_follow follow = link_answer_follow(&l->session, answer);
	if (follow != LINK_RESUMED) {
		hold_lanes(l);
		l->n_sessions++;
	}
	return follow;
}

void link_lanes_end_session(struct link_lanes *l)
{
	l->session.id = 0;
	hold_lanes(l);
}

void link_lanes_take(struct link_lanes *l, unsigned worker, struct link_outbox *outbox)
{
	link_lane_take(&l->lanes[worker], outbox, l->session.id != 0);
	update_queued(l);
}

bool link_lanes_release(struct link_lanes *l, unsigned worker, uint64_t session,
	struct link_outbox *outbox)
{
	if (l->session.id == 0 || session != l->n_sessions) {
		buf_reset(&outbox->entries, 0);
		return false;
	}
	link_lane_release(&l->lanes[worker], outbox);
	update_queued(l);
	return true;
}

// Requests wait until every worker's snapshot has gone ahead: one that reached the router between
// two of them would act on a room of which it does not know all members yet.
void link_lanes_pump(struct link_lanes *l, uint64_t now_ms)
{
	struct link_window *window = &l->session.window;
	bool going = true;
	for (unsigned i = 0; i < l->n_workers; i++) {
		going = link_lane_tell(&l->lanes[i], window) && going;
	}
	for (unsigned i = 0; i < l->n_workers && going; i++) {
		going = link_lane_pump(&l->lanes[i], window, now_ms);
	}
}

void link_lanes_close(struct link_lanes *l)
{
	link_window_close(&l->session.window);
	update_queued(l);
}

// What every worker has worked off is taken in.
static void advance_consumed(struct link_lanes *l)
{
	uint64_t base = l->n_sessions << MARK_SEQ_BITS;
	uint64_t next = l->session.window.rx_next;
	for (unsigned i = 0; i < l->n_workers; i++) {
		const struct lane_progress *p = &l->progress[i];
		if (p->done < p->queued) {
			uint64_t worker_next = p->done > base ? p->done - base + 1 : 1;
			next = worker_next < next ? worker_next : next;
		}
	}
	link_window_consumed(&l->session.window, next);
}

int link_lanes_accept(struct link_lanes *l, uint64_t seq, size_t len, uint64_t *mark)
{
	*mark = l->n_sessions << MARK_SEQ_BITS | seq;
	return link_window_accept(&l->session.window, seq, len);
}

void link_lanes_delivered(struct link_lanes *l, uint64_t mark, uint64_t workers)
{
	for (unsigned i = 0; i < l->n_workers; i++) {
		if ((workers >> i & 1) != 0) {
			l->progress[i].queued = mark;
		}
	}
	advance_consumed(l);
}

void link_lanes_consumed(struct link_lanes *l, unsigned worker, uint64_t mark)
{
	if (mark > l->progress[worker].done) {
		l->progress[worker].done = mark;
		advance_consumed(l);
	}
}

bool link_lanes_was_sent(const struct link_lanes *l, unsigned worker, uint64_t req)
{
	return req <= l->lanes[worker].sent_req;
}

size_t link_lanes_queued_bytes(const struct link_lanes *l)
{
	return atomic_load_explicit(&l->queued_bytes, memory_order_relaxed);
}
