// The queue is made for the two states that connections are nearly always in: nothing to send, or
// one frame between two turns of the loop. The oldest frame lies in the struct itself, so neither
// state holds further memory nor costs an allocation; only a backlog has a ring, and it goes with
// the backlog. A ten-thousandth of the connections being slow must not cost the others a byte.
//
// Invariants: `first` is NULL exactly if `n` is 0; the other n - 1 frames lie in the ring from
// `head` on; no ring without a frame in it; `offset` < first->len; `bytes` is the sum of all
// lengths less `offset`.
//
// It refuses to know limits, sockets and what is in a frame. The alternative, copying into one
// buffer a connection, would keep a message once per slow receiver instead of once.
#include "edge/send/out_queue.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

enum {
	RING_MIN = 4,
	RING_MAX = 1 << 30,
};

struct out_ring {
	uint32_t head; // index of the oldest
	uint32_t cap; // a power of two
	struct out_queue_notes notes;
	size_t loose; // bytes of frames in it that may be dropped
	struct frame *slots[];
};

// The `i`-th frame of the ring, counted from its oldest.
static struct frame **ring_slot(const struct out_queue *q, uint32_t i)
{
	return &q->ring->slots[(q->ring->head + i) & (q->ring->cap - 1)];
}

static uint32_t ring_count(const struct out_queue *q)
{
	return q->n > 0 ? q->n - 1 : 0;
}

static void ring_free(struct out_queue *q)
{
	free(q->ring);
	q->ring = NULL;
}

static void ring_grow(struct out_queue *q)
{
	struct out_ring *old = q->ring;
	CHECK(old == NULL || old->cap < RING_MAX);
	uint32_t cap = old != NULL ? old->cap * 2 : RING_MIN;
	struct out_ring *ring = xmalloc(sizeof(*ring) + cap * sizeof(struct frame *));
	*ring = (struct out_ring){ .cap = cap };
	if (old != NULL) {
		ring->notes = old->notes;
		ring->loose = old->loose;
		for (uint32_t i = 0; i < ring_count(q); i++) {
			ring->slots[i] = *ring_slot(q, i);
		}
		free(old);
	}
	q->ring = ring;
}

static size_t loose_len(const struct frame *f)
{
	return f->origin != NULL && f->origin->may_drop ? f->len : 0;
}

static struct frame *ring_pop(struct out_queue *q)
{
	struct out_ring *ring = q->ring;
	struct frame *f = ring->slots[ring->head];
	ring->head = (ring->head + 1) & (ring->cap - 1);
	ring->loose -= loose_len(f);
	ring->notes.kept -= ring->notes.kept > 0;
	return f;
}

void out_queue_fini(struct out_queue *q)
{
	frame_unref(q->first);
	for (uint32_t i = 0; i < ring_count(q); i++) {
		frame_unref(*ring_slot(q, i));
	}
	ring_free(q);
	*q = (struct out_queue){ 0 };
}

void out_queue_push(struct out_queue *q, struct frame *f)
{
	CHECK(f->len > 0 && f->len <= UINT32_MAX);
	if (q->n == 0) {
		q->first = f;
	} else {
		if (q->ring == NULL || ring_count(q) == q->ring->cap) {
			ring_grow(q);
		}
		*ring_slot(q, ring_count(q)) = f;
		q->ring->loose += loose_len(f);
	}
	q->n++;
	q->bytes += f->len;
}

const struct frame *out_queue_at(const struct out_queue *q, uint32_t i)
{
	return i == 0 ? q->first : *ring_slot(q, i - 1);
}

void out_queue_list(const struct out_queue *q, struct frame **frames)
{
	if (q->n > 0) {
		frames[0] = q->first;
	}
	for (uint32_t i = 0; i < ring_count(q); i++) {
		frames[i + 1] = *ring_slot(q, i);
	}
}

void out_queue_replace(struct out_queue *q, struct frame *const *frames, uint32_t n)
{
	CHECK(q->offset == 0 || (n > 0 && frames[0] == q->first));
	ring_free(q);
	q->first = NULL;
	q->n = 0;
	q->bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		out_queue_push(q, frames[i]);
	}
	q->bytes -= q->offset;
}

int out_queue_iov(const struct out_queue *q, struct iovec *iov, int max)
{
	int filled = 0;
	if (q->n > 0 && max > 0) {
		iov[filled++] = (struct iovec){ .iov_base = q->first->data + q->offset,
			.iov_len = q->first->len - q->offset };
	}
	for (uint32_t i = 0; i < ring_count(q) && filled < max; i++) {
		struct frame *f = *ring_slot(q, i);
		iov[filled++] = (struct iovec){ .iov_base = f->data, .iov_len = f->len };
	}
	return filled;
}

static void drop_first(struct out_queue *q)
{
	frame_unref(q->first);
	q->first = q->n > 1 ? ring_pop(q) : NULL;
	q->n--;
	q->offset = 0;
	if (q->n == 1) {
		ring_free(q);
	}
}

void out_queue_advance(struct out_queue *q, size_t len, out_queue_fn *fn, void *arg)
{
	CHECK(len <= q->bytes);
	q->bytes -= len;
	while (len > 0) {
		CHECK(q->first != NULL);
		size_t left = q->first->len - q->offset;
		if (len < left) {
			q->offset += (uint32_t)len;
			return;
		}
		len -= left;
		if (fn != NULL) {
			fn(arg, q->first, true);
		}
		drop_first(q);
	}
}

void out_queue_drop(struct out_queue *q, bool keep_begun, out_queue_fn *fn, void *arg)
{
	struct frame *begun = NULL;
	uint32_t offset = q->offset;
	if (keep_begun && offset > 0) {
		begun = frame_ref(q->first, 1);
	}
	while (q->n > 0) {
		if (q->first != begun) {
			fn(arg, q->first, false);
		}
		drop_first(q);
	}
	q->bytes = 0;
	if (begun != NULL) {
		out_queue_push(q, begun);
		q->offset = offset;
		q->bytes -= offset;
	}
}

size_t out_queue_firm_bytes(const struct out_queue *q)
{
	size_t first = q->first != NULL ? loose_len(q->first) : 0;
	size_t loose = (first > q->offset ? first - q->offset : 0) +
		(q->ring != NULL ? q->ring->loose : 0);
	return q->bytes - loose;
}

struct out_queue_notes *out_queue_notes(struct out_queue *q)
{
	return q->ring != NULL ? &q->ring->notes : NULL;
}
