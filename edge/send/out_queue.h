// What one connection still has to be sent: references to shared frames, oldest first, with the
// part of the first that is out already. Counts its bytes; the limit is the caller's to act on. A
// queue of no frame or one holds no memory of its own. Zeroed memory is an empty queue.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "edge/send/frame.h"

struct out_queue {
	struct frame *first; // the oldest; NULL if there is none
	struct frame **ring; // owned; the others, if any; cap is a power of two
	uint32_t head; // index of the ring's oldest
	uint32_t n; // frames, the first included
	uint32_t cap;
	uint32_t offset; // bytes of the first that are out
	size_t bytes; // still to be sent
};

void out_queue_fini(struct out_queue *q);
// Takes over one reference.
void out_queue_push(struct out_queue *q, struct frame *f);
// The frame with so many before it.
static inline const struct frame *out_queue_at(const struct out_queue *q, uint32_t i)
{
	return i == 0 ? q->first : q->ring[(q->head + i - 1) & (q->cap - 1)];
}
// Fills at most `max` entries from the front; returns how many.
int out_queue_iov(const struct out_queue *q, struct iovec *iov, int max);
// What became of a frame: it is out whole, or dropped.
typedef void out_queue_fn(void *arg, const struct frame *f, bool sent);
// Drops what is queued, calling `fn` for each frame; with `keep_begun` the rest of a frame that
// is out in part stays, because nothing else can be sent before it ends.
void out_queue_drop(struct out_queue *q, bool keep_begun, out_queue_fn *fn, void *arg);
// `len` bytes are out: drops what is finished, calling `fn` (may be NULL) for each frame done.
void out_queue_advance(struct out_queue *q, size_t len, out_queue_fn *fn, void *arg);
