// What one connection still has to be sent: references to shared frames, oldest first, with the
// part of the first that is out already. Counts its bytes; the limit is the caller's to act on. A
// queue of no frame or one holds no memory of its own. Zeroed memory is an empty queue.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "edge/send/frame.h"

// The frames behind the first, and what is known of a queue that has any.
struct out_ring;

struct out_queue {
	struct frame *first; // the oldest; NULL if there is none
	struct out_ring *ring; // owned; the others, NULL if there are none
	uint32_t n; // frames, the first included
	uint32_t offset; // bytes of the first that are out
	size_t bytes; // still to be sent
};

void out_queue_fini(struct out_queue *q);
// Takes over one reference.
void out_queue_push(struct out_queue *q, struct frame *f);
// The frame with so many before it.
const struct frame *out_queue_at(const struct out_queue *q, uint32_t i);
// Fills `frames`, which has room for all `q->n`, oldest first.
void out_queue_list(const struct out_queue *q, struct frame **frames);
// Puts `n` frames in the place of those that are there, taking over a reference of each and giving
// those up that it had. A frame that is out in part must stay the first.
void out_queue_replace(struct out_queue *q, struct frame *const *frames, uint32_t n);
// Fills at most `max` entries from the front; returns how many.
int out_queue_iov(const struct out_queue *q, struct iovec *iov, int max);
// What became of a frame: it is out whole, or dropped.
typedef void out_queue_fn(void *arg, const struct frame *f, bool sent);
// Drops what is queued, calling `fn` for each frame; with `keep_begun` the rest of a frame that
// is out in part stays, because nothing else can be sent before it ends.
void out_queue_drop(struct out_queue *q, bool keep_begun, out_queue_fn *fn, void *arg);
// `len` bytes are out: drops what is finished, calling `fn` (may be NULL) for each frame done.
void out_queue_advance(struct out_queue *q, size_t len, out_queue_fn *fn, void *arg);
// Bytes of frames that must not be dropped, see origin.h.
size_t out_queue_firm_bytes(const struct out_queue *q);

// Notes for thin.h, which a queue of one frame does not keep: how many frames at the front are to
// leave as they are, and how many others may gather before they are looked at.
struct out_queue_notes {
	uint32_t kept; // fewer as frames leave
	uint32_t gather_max;
};
struct out_queue_notes *out_queue_notes(struct out_queue *q); // NULL if it keeps none
