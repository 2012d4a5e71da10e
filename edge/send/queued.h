// What a worker's clients have not taken yet: the bytes queued for all that are open, and, of those
// whose socket is full, the order in which they last got rid of something. The entries lie in
// memory that only a stream with a full socket has; the others pay nothing. Pure but for the write
// event that an entry holds for its stream.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/loop.h"

struct stream;

// What a stream holds while its socket is full.
struct blocked {
	struct loop_io io; // active
	struct stream *stream; // borrowed; it owns this
	TAILQ_ENTRY(blocked) in_queued; // while the stream is counted
	size_t reported; // bytes, as reported to routers last
};
TAILQ_HEAD(blocked_list, blocked);

struct queued {
	struct blocked_list blocked; // the one that stands still longest comes first
	size_t bytes; // queued for streams that are counted, blocked or not
};

void queued_init(struct queued *q);
// A stream with so many bytes is counted from now on, or no longer; `blocked` is NULL if its socket
// is not full. With 0 bytes: the socket of a counted one becomes full, or free again.
void queued_enter(struct queued *q, struct blocked *blocked, size_t bytes);
void queued_leave(struct queued *q, struct blocked *blocked, size_t bytes);
// It got rid of something.
void queued_touch(struct queued *q, struct blocked *blocked);
