// Sequence numbers, acknowledgements and what is held for resending: the memory of one end of a
// link session. Pure: no socket, no clock, no lock.
//
// Sending. BATCH frames are built in place in a ring of bytes and stay there until the peer has
// acknowledged them. Three positions walk the ring: acked <= sent <= head. Losing a connection
// moves `sent` back to what the peer says it has; nothing is rebuilt. Two limits close the window:
// bytes and frames not yet acknowledged.
//
// Receiving. Frames come in order or are repeats of what was seen. An acknowledgement says "taken
// in", not "received": the owner decides when, with link_window_consumed().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/bytes.h"
#include "common/check.h"
#include "proto/link_frame.h"

enum {
	LINK_WINDOW_FRAMES = 1024
};

struct link_window {
	uint8_t *ring; // owned; LINK_WINDOW_BYTES; NULL while nothing is held
	uint64_t acked_pos;
	uint64_t sent_pos;
	uint64_t writing_pos; // end of what has been handed out to be written
	uint64_t head_pos;
	uint64_t open_pos; // start of the BATCH being built, if `open`
	bool open;
	uint64_t tx_acked; // seq of the oldest BATCH held
	uint64_t tx_next; // seq of the next BATCH
	uint64_t peer_window; // bytes the peer accepts unacknowledged
	uint64_t frame_pos[LINK_WINDOW_FRAMES]; // where BATCH seq begins, by seq modulo

	uint64_t rx_next; // seq of the next BATCH to come
	uint64_t rx_consumed; // every BATCH below is taken in
	uint64_t rx_told; // the ack last put on a frame
	uint64_t rx_bytes; // received since then
};

void link_window_init(struct link_window *w);
void link_window_fini(struct link_window *w);
// Gives back the ring's memory if nothing is held.
void link_window_trim(struct link_window *w);
// A new session: nothing held, both directions begin at seq 1.
void link_window_reset(struct link_window *w, uint64_t peer_window);

// ---- sending

// Adds one element to the BATCH being built, beginning one if need be; a BATCH is closed when it
// has reached its target size. False if the window has no room: nothing was added.
MUST_CHECK bool link_window_add(struct link_window *w, struct bytes element);
// Closes the BATCH being built, if any: it may be sent from now on.
void link_window_close(struct link_window *w);
// Hands out the closed frames' bytes that have not been written: up to two pieces. Returns how
// many.
int link_window_unsent(struct link_window *w, struct iovec iov[2]);
// `len` of these bytes have been written. An acknowledgement may come before this is called.
void link_window_wrote(struct link_window *w, size_t len);
// True if all that was handed out has been written: the stream is at a frame boundary.
static inline bool link_window_written(const struct link_window *w)
{
	return w->sent_pos == w->writing_pos;
}
// The peer has taken in every BATCH below `ack`. 0, or -EPROTO for one never handed
// out.
MUST_CHECK int link_window_acked(struct link_window *w, uint64_t ack);
// The peer expects BATCH `next`: everything from there on is to be written again. False if it is
// not held any more (or never was): the session cannot be resumed.
MUST_CHECK bool link_window_resume(struct link_window *w, uint64_t next);
static inline uint64_t link_window_inflight(const struct link_window *w)
{
	return w->head_pos - w->acked_pos;
}

// ---- receiving

// A BATCH of `len` bytes with `seq` came: 0 to take it, 1 for a repeat to be ignored, -EPROTO for
// one that leaves a gap.
MUST_CHECK int link_window_accept(struct link_window *w, uint64_t seq, size_t len);
// Every BATCH below `next` is taken in.
void link_window_consumed(struct link_window *w, uint64_t next);
// The ack to put on the next frame; remembers that it was sent.
uint64_t link_window_ack(struct link_window *w);
// True if something taken in was not acknowledged yet; `urgent`: and it is time to, without waiting
// for a frame to carry it.
bool link_window_owes_ack(const struct link_window *w, bool *urgent);
