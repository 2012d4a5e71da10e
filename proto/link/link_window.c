// The ring is both the transmit buffer and the retention buffer: a frame is written to the socket
// from where it is kept, so holding it for a resend costs no copy. A frame may wrap around the end;
// its header is patched in, byte by byte position, when the BATCH is closed. Frames are indexed by
// seq, so an acknowledgement is one look-up however many frames it covers.
//
// Whenever the ring is empty it begins again at its start, so a quiet link keeps touching one page
// and not a megabyte of them, and after a burst its memory can be given back.
//
// Rejected: one allocation a frame in a list (an allocation for each BATCH at low load, when a
// BATCH is one message), and a doubly mapped ring (contiguous, but a mapping that forks and
// sanitizers trip over).

#include "proto/link/link_window.h"

#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"

_Static_assert((LINK_WINDOW_BYTES & (LINK_WINDOW_BYTES - 1)) == 0, "the ring wraps by masking");
_Static_assert((LINK_WINDOW_FRAMES & (LINK_WINDOW_FRAMES - 1)) == 0, "seqs index by masking");
_Static_assert(LINK_WINDOW_BYTES >= LINK_HEAD_LEN + LINK_BODY_MAX, "the largest frame fits");

void link_window_init(struct link_window *w)
{
	*w = (struct link_window){ 0 };
	link_window_reset(w, LINK_WINDOW_BYTES);
}

void link_window_fini(struct link_window *w)
{
	free(w->ring);
	w->ring = NULL;
}

void link_window_reset(struct link_window *w, uint64_t peer_window)
{
	w->acked_pos = 0;
	w->sent_pos = 0;
	w->writing_pos = 0;
	w->head_pos = 0;
	w->open = false;
	w->tx_acked = 1;
	w->tx_next = 1;
	w->peer_window = peer_window < LINK_WINDOW_BYTES ? peer_window : LINK_WINDOW_BYTES;
	w->rx_next = 1;
	w->rx_consumed = 1;
	w->rx_told = 1;
	w->rx_bytes = 0;
}

// The bytes [pos, pos + len) of the ring as one or two pieces.
static void ring_pieces(const struct link_window *w, uint64_t pos, size_t len, struct bytes out[2])
{
	size_t at = pos & (LINK_WINDOW_BYTES - 1);
	size_t first = LINK_WINDOW_BYTES - at < len ? LINK_WINDOW_BYTES - at : len;
	out[0] = bytes_make(w->ring + at, first);
	out[1] = bytes_make(w->ring, len - first);
}

static void ring_write(struct link_window *w, uint64_t pos, struct bytes data)
{
	struct bytes pieces[2];
	ring_pieces(w, pos, data.len, pieces);
	memcpy((uint8_t *)pieces[0].data, data.data, pieces[0].len);
	if (pieces[1].len > 0) {
		memcpy(w->ring, data.data + pieces[0].len, pieces[1].len);
	}
}

// Where closed frames end.
static uint64_t closed_pos(const struct link_window *w)
{
	return w->open ? w->open_pos : w->head_pos;
}

// What is acknowledged before its write is known to have ended stays until then: the socket may
// still be reading it, and a peer may acknowledge what it has not been sent.
static bool has_room(const struct link_window *w, size_t len)
{
	uint64_t tail = w->acked_pos < w->sent_pos ? w->acked_pos : w->sent_pos;
	return w->head_pos - tail + len <= w->peer_window;
}

// True if nothing is held, and no write reads from the ring.
static bool is_empty(const struct link_window *w)
{
	return w->acked_pos == w->head_pos && w->sent_pos == w->head_pos &&
		w->writing_pos == w->head_pos;
}

static void begin_ring(struct link_window *w)
{
	w->acked_pos = 0;
	w->sent_pos = 0;
	w->writing_pos = 0;
	w->head_pos = 0;
	if (w->ring == NULL) {
		w->ring = xmalloc(LINK_WINDOW_BYTES);
	}
}

void link_window_trim(struct link_window *w)
{
	if (is_empty(w)) {
		link_window_fini(w);
	}
}

static bool open_batch(struct link_window *w, size_t element_len)
{
	if (is_empty(w)) {
		begin_ring(w);
	}
	if (!has_room(w, LINK_HEAD_LEN + element_len) ||
		w->tx_next - w->tx_acked >= LINK_WINDOW_FRAMES) {
		return false;
	}
	w->open = true;
	w->open_pos = w->head_pos;
	w->head_pos += LINK_HEAD_LEN;
	return true;
}

bool link_window_add(struct link_window *w, struct bytes element)
{
	CHECK(element.len <= LINK_BODY_MAX);
	if (w->open) {
		size_t body_len = (size_t)(w->head_pos - w->open_pos) - LINK_HEAD_LEN;
		if (body_len + element.len > LINK_BATCH_TARGET) {
			link_window_close(w);
		}
	}
	if (w->open ? !has_room(w, element.len) : !open_batch(w, element.len)) {
		return false;
	}
	ring_write(w, w->head_pos, element);
	w->head_pos += element.len;
	return true;
}

void link_window_close(struct link_window *w)
{
	if (!w->open) {
		return;
	}
	struct bytes body[2];
	uint8_t head[LINK_HEAD_LEN];
	uint64_t body_pos = w->open_pos + LINK_HEAD_LEN;
	ring_pieces(w, body_pos, (size_t)(w->head_pos - body_pos), body);
	link_frame_head(head, LINK_BATCH, w->tx_next, link_window_ack(w), body[0], body[1]);
	ring_write(w, w->open_pos, bytes_make(head, sizeof(head)));
	w->frame_pos[w->tx_next % LINK_WINDOW_FRAMES] = w->open_pos;
	w->tx_next++;
	w->open = false;
}

int link_window_unsent(struct link_window *w, struct iovec iov[2])
{
	struct bytes pieces[2];
	w->writing_pos = closed_pos(w);
	if (w->sent_pos == w->writing_pos) {
		return 0;
	}
	ring_pieces(w, w->sent_pos, (size_t)(w->writing_pos - w->sent_pos), pieces);
	int n = 0;
	for (int i = 0; i < 2; i++) {
		if (pieces[i].len > 0) {
			iov[n].iov_base = (uint8_t *)pieces[i].data;
			iov[n].iov_len = pieces[i].len;
			n++;
		}
	}
	return n;
}

void link_window_wrote(struct link_window *w, size_t len)
{
	CHECK(len <= w->writing_pos - w->sent_pos);
	w->sent_pos += len;
}

// Drops all frames below `next`, which is in [tx_acked, tx_next].
static void drop_below(struct link_window *w, uint64_t next)
{
	w->tx_acked = next;
	w->acked_pos = next == w->tx_next ? closed_pos(w) : w->frame_pos[next % LINK_WINDOW_FRAMES];
}

int link_window_acked(struct link_window *w, uint64_t ack)
{
	if (ack <= w->tx_acked) {
		return 0; // late: a later frame has acknowledged more
	}
	if (ack > w->tx_next) {
		return -EPROTO;
	}
	uint64_t end = ack == w->tx_next ? closed_pos(w) : w->frame_pos[ack % LINK_WINDOW_FRAMES];
	if (end > w->writing_pos) {
		return -EPROTO; // of bytes that cannot have left
	}
	drop_below(w, ack);
	return 0;
}

bool link_window_resume(struct link_window *w, uint64_t next)
{
	if (next < w->tx_acked || next > w->tx_next) {
		return false;
	}
	drop_below(w, next);
	w->sent_pos = w->acked_pos;
	w->writing_pos = w->acked_pos;
	return true;
}

int link_window_accept(struct link_window *w, uint64_t seq, size_t len)
{
	if (seq == 0 || seq > w->rx_next) {
		return -EPROTO;
	}
	if (seq < w->rx_next) {
		return 1;
	}
	w->rx_next++;
	w->rx_bytes += len;
	return 0;
}

void link_window_consumed(struct link_window *w, uint64_t next)
{
	CHECK(next <= w->rx_next);
	if (next > w->rx_consumed) {
		w->rx_consumed = next;
	}
}

uint64_t link_window_ack(struct link_window *w)
{
	w->rx_told = w->rx_consumed;
	w->rx_bytes = 0;
	return w->rx_consumed;
}

bool link_window_owes_ack(const struct link_window *w, bool *urgent)
{
	uint64_t frames = w->rx_consumed - w->rx_told;
	*urgent = frames >= LINK_WINDOW_FRAMES / 4 ||
		(frames > 0 && w->rx_bytes >= LINK_WINDOW_BYTES / 4);
	return frames > 0;
}
