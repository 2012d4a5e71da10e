// The way out of one connection: its descriptor, TLS, the queue of frames and the write event. It
// knows no state of a connection and no protocol; what happens to it is its owner's to act on
// (stream_ops).
//
// All streams of a worker form a group. What is pushed leaves at the end of the turn, when the
// group is flushed, many sockets in one system call where that is possible. A stream that gets
// nothing but frames for many waits in the bulk list, of which each turn takes a part; a frame of
// its own takes it out of there, so nothing overtakes anything.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "edge/send/frame.h"
#include "edge/send/out_queue.h"
#include "edge/send/queued.h"
#include "edge/send/send_batch.h"
#include "edge/send/thin.h"
#include "edge/tls/transport.h"

struct stream;
struct stream_group;

// The part of the bulk list that a turn flushes: batch after batch, until a time is over.
enum {
	STREAM_BULK_MIN = 256, // what goes to more streams is bulk; or is more than a batch
	STREAM_BULK_BATCH = 32, // streams
	STREAM_BULK_BATCH_BYTES = 256 * 1024,
	// Then no further batch is begun; or after as long as the rest of the turn took, if that is
	// longer: a worker that is busy with others gives bulk half of its time.
	STREAM_BULK_US = 100,
};

// Called by the loop, or within stream_flush() and the flushes of a group. on_flushed() and
// on_broken() may close the stream; the others must not.
struct stream_ops {
	void (*on_turn)(struct stream_group *group); // first in a callback of the loop
	out_queue_fn *on_frame; // its argument is the stream
	void (*on_full)(struct stream *s); // the socket takes no more for now
	void (*on_free)(struct stream *s, size_t reported); // it does again; see struct blocked
	void (*on_flushed)(struct stream *s); // all that the socket takes has been written
	void (*on_broken)(struct stream *s); // writing failed
};

// Which of the group's lists of streams with something to send a stream is on.
enum stream_dirty {
	STREAM_CLEAN, // none
	STREAM_DIRTY,
	STREAM_IN_BULK,
};

struct stream {
	struct stream_group *group; // borrowed
	struct blocked *blocked; // owned; NULL unless the socket is full
	struct tls_stream *tls; // owned; NULL for plain TCP
	TAILQ_ENTRY(stream) in_dirty;
	struct out_queue out;
	uint64_t progress_ms; // client clock; last output that left, or found the queue empty
	int fd; // -1: closed
	uint8_t dirty; // enum stream_dirty
	bool limits_unsent; // messages in it may be replaced, so the kernel is to hold few
	bool counted; // its queue is part of the group's `queued`
};
TAILQ_HEAD(stream_list, stream);

struct stream_group {
	struct loop *loop; // borrowed
	const struct stream_ops *ops; // borrowed
	struct transport_buffers buffers;
	struct send_batch *batch; // owned; NULL: one by one
	struct stream_list dirty;
	struct stream_list bulk;
	uint64_t bulk_end_ns; // monotonic; when the last turn left some of it; 0: none is left
	struct queued queued;
	struct counter *queue_bytes; // borrowed; waiting in all streams
	struct counter *bytes_out; // borrowed
	uint64_t client_ms; // the clock that progress is measured by; the owner's to set
};

void stream_group_init(struct stream_group *g, struct loop *loop, const struct stream_ops *ops,
	struct counter *queue_bytes, struct counter *bytes_out);
void stream_group_fini(struct stream_group *g);
// Flushes all streams of the dirty list.
void stream_group_flush_dirty(struct stream_group *g);
// Flushes a part of the bulk list, from its front. For each turn to call once, also if it is empty.
// If some is left, the next turn should not wait.
void stream_group_flush_bulk(struct stream_group *g);

// Embedded, zeroed before. Takes over `fd`.
void stream_init(struct stream *s, struct stream_group *group, int fd);
// Before anything is read or pushed: TLS it is. Takes over the stream.
void stream_start_tls(struct stream *s, struct tls_stream *tls);
// What is queued counts among the group's from now on, or no longer.
void stream_count(struct stream *s, bool counted);

// Queues a frame, taking over one reference. `bulk`: it goes to many, see the top.
void stream_push(struct stream *s, struct frame *f, bool bulk);
// Drops what is queued; with `keep_begun` the rest of a frame that is out in part stays, because
// nothing else can be sent before it ends.
void stream_drop(struct stream *s, bool keep_begun);
// Makes the queue shorter by so many bytes or more, as far as its rooms allow that; 0: by what has
// been replaced, if the socket is full. See thin.h, whose argument is the stream. Not within a
// flush: what a batch holds must stay.
void stream_thin(struct stream *s, size_t want, const struct thin_ops *ops);
// True while something has to leave, be it of TLS's own.
bool stream_has_output(const struct stream *s);
// Writes what the socket takes, then on_flushed() or on_broken().
void stream_flush(struct stream *s);
// Flushes when the socket takes something: TLS has something of its own to send.
void stream_wait_writable(struct stream *s);
// Ends our side of the connection when all has left; 0 when that is done, else it waits for the
// socket.
MUST_CHECK int stream_end(struct stream *s);

// Drops everything and closes the descriptor. stream_fini() frees the rest, at the end of the turn.
void stream_close(struct stream *s);
void stream_fini(struct stream *s);
static inline bool stream_is_closed(const struct stream *s)
{
	return s->fd < 0;
}
