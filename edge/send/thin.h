// Makes the queue of a slow client shorter where its rooms allow that: drops messages in whose
// place a later one stands, or the oldest ones. Each run of messages of a room that are missing
// then is reported by a frame in its place, before the next message of that room. All other frames
// stay, in their order; a frame of which a part is out always stays.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "edge/send/out_queue.h"

struct thin_ops {
	// A frame that tells of messages `from` to `to`, which are missing, in the place of `like`;
	// with an origin that says so.
	struct frame *(*make_gap)(void *arg, const struct origin *like, uint64_t from, uint64_t to);
	void (*on_dropped)(void *arg, const struct frame *f); // a message, not a gap
};

// Drops messages with a key of which the queue holds a later one, and then, if that was not enough,
// the oldest that may be dropped, until `want` bytes are gone.
void thin_queue(struct out_queue *q, size_t want, const struct thin_ops *ops, void *arg);

// For a client whose socket is full, when a message with an origin was queued: drops what has been
// replaced, but not each time. The queue has two parts. What is kept is to leave as it is; behind
// it gather later messages, one a key, and when the kept part has left they become the next. So
// every key gets through, as fast as the client reads, and in the room's order.
void thin_replaced(struct out_queue *q, const struct thin_ops *ops, void *arg);
