// Frames over a transport: bytes come in and become frames, control frames and the unsent part of a
// window go out. How the bytes move, and on which thread, is the transport's (link_transport.h).
//
// One write is under way at most, and it may end after a part. So the rest is sent again, and
// control frames only come between whole writes, which end at frame boundaries. What is gathered
// while a write runs leaves with the next one, so batches grow with load and an idle link sends at
// once; there is no timer.
//
// The receive buffer grows with the frame that is coming, within the owner's bound, and shrinks
// after it: an idle connection keeps RX_CAP_MIN.

#include "proto/link/link_conn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "link.pb-c.h"
#include "proto/link/link_transport.h"
#include "proto/link/link_window.h"

enum {
	RX_CAP_MIN = 64 << 10,
	CONTROL_MAX = 64 << 10,
};

struct link_conn {
	struct link_transport *transport; // owned
	const struct link_conn_ops *ops;
	void *arg;
	pthread_mutex_t *lock; // borrowed
	struct link_window *window; // borrowed; NULL until attached
	bool tx_busy; // a write is under way
	struct buf control; // waiting for the next write
	struct buf control_out; // in the write under way
	size_t control_sent; // of control_out
	uint8_t *rx; // owned
	size_t rx_len;
	size_t rx_cap;
	_Atomic size_t body_max;
	_Atomic uint64_t last_rx_ms;
};

static const struct link_transport_ops transport_ops;

// (locked)
static bool is_closed(const struct link_conn *conn)
{
	return conn->transport->closed;
}

static void set_room(struct link_conn *conn)
{
	conn->transport->room = conn->rx + conn->rx_len;
	conn->transport->room_len = conn->rx_cap - conn->rx_len;
}

struct link_conn *link_conn_new(struct nng_stream *stream, int fd, struct loop *loop,
	size_t body_max, pthread_mutex_t *lock, const struct link_conn_ops *ops, void *arg)
{
	struct link_conn *conn = xcalloc(1, sizeof(*conn));
	conn->transport = link_transport_new(stream, fd, loop, lock, &transport_ops, conn);
	conn->body_max = body_max;
	conn->lock = lock;
	conn->ops = ops;
	conn->arg = arg;
	conn->rx_cap = RX_CAP_MIN;
	conn->rx = xmalloc(conn->rx_cap);
	conn->last_rx_ms = clock_mono_ms();
	set_room(conn);
	return conn;
}

void link_conn_free(struct link_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	pthread_mutex_lock(conn->lock);
	link_conn_close(conn);
	pthread_mutex_unlock(conn->lock);
	link_transport_free(conn->transport);
	buf_fini(&conn->control);
	buf_fini(&conn->control_out);
	free(conn->rx);
	free(conn);
}

// ---- receiving

// Sizes the buffer for the frame whose first bytes are there; a large one is not kept longer than
// its frame.
static void resize_rx(struct link_conn *conn, size_t frame_len)
{
	size_t cap = frame_len > RX_CAP_MIN ? frame_len : RX_CAP_MIN;
	if (cap > conn->rx_cap || (cap < conn->rx_cap && conn->rx_len <= cap)) {
		conn->rx = xrealloc(conn->rx, cap);
		conn->rx_cap = cap;
	}
}

// Hands out all whole frames; false if the stream is no link or the owner has had enough.
static bool take_frames(struct link_conn *conn)
{
	size_t at = 0;
	for (;;) {
		struct link_frame frame;
		size_t used;
		int result = link_frame_parse(bytes_make(conn->rx + at, conn->rx_len - at), &frame,
			&used);
		size_t body_max = atomic_load_explicit(&conn->body_max, memory_order_relaxed);
		if (result < 0 || used > LINK_HEAD_LEN + body_max) {
			return false;
		}
		if (result > 0) {
			conn->rx_len -= at;
			memmove(conn->rx, conn->rx + at, conn->rx_len);
			resize_rx(conn, used);
			return true;
		}
		if (!conn->ops->on_frame(conn->arg, conn, &frame)) {
			return false;
		}
		at += used;
	}
}

static bool on_bytes(void *arg, size_t len)
{
	struct link_conn *conn = arg;
	conn->rx_len += len;
	atomic_store_explicit(&conn->last_rx_ms, clock_mono_ms(), memory_order_relaxed);
	bool going = take_frames(conn);
	set_room(conn);
	return going;
}

static void on_end(void *arg)
{
	struct link_conn *conn = arg;
	conn->ops->on_closed(conn->arg, conn);
}

// ---- sending

// (locked) The rest of the control frames under way first, then the window's unsent frames.
static unsigned unsent_bytes(struct link_conn *conn, struct iovec iov[LINK_TRANSPORT_IOV_MAX])
{
	unsigned n = 0;
	if (conn->control_out.len > conn->control_sent) {
		iov[n].iov_base = conn->control_out.data + conn->control_sent;
		iov[n].iov_len = conn->control_out.len - conn->control_sent;
		n++;
	}
	if (conn->window != NULL) {
		n += (unsigned)link_window_unsent(conn->window, iov + n);
	}
	return n;
}

// (locked) Accounts for `len` bytes that left; true if the write under way is complete. A frame
// boundary lies there, unless the window's part was cut, so only then may control frames follow.
static bool account_tx(struct link_conn *conn, size_t len)
{
	size_t control_left = conn->control_out.len - conn->control_sent;
	size_t control = len < control_left ? len : control_left;
	conn->control_sent += control;
	if (len > control && conn->window != NULL) {
		link_window_wrote(conn->window, len - control);
	}
	bool window_done = conn->window == NULL || link_window_written(conn->window);
	return conn->control_sent == conn->control_out.len && window_done;
}

// (locked) Between two writes: the control frames that wait go first.
static void next_write(struct link_conn *conn)
{
	struct buf swap = conn->control_out;
	conn->control_out = conn->control;
	conn->control = swap;
	conn->control.len = 0;
	conn->control_sent = 0;
}

// (locked) `len` bytes have left. If that completes a write, the owner adds what has gathered.
static void progress_tx(struct link_conn *conn, size_t len)
{
	if (account_tx(conn, len) && !is_closed(conn)) {
		conn->ops->on_drained(conn->arg, conn);
		next_write(conn);
	}
}

// (locked) Writes until all is sent or the transport takes no more for now.
static void write_unsent(struct link_conn *conn)
{
	struct iovec iov[LINK_TRANSPORT_IOV_MAX];
	unsigned n;
	while (!conn->tx_busy && !is_closed(conn) && (n = unsent_bytes(conn, iov)) > 0) {
		ssize_t len = link_transport_write(conn->transport, iov, n);
		conn->tx_busy = len == -EINPROGRESS || len == -EAGAIN;
		if (len == -EAGAIN) {
			conn->ops->on_full(conn->arg, conn);
		} else if (len >= 0) {
			progress_tx(conn, (size_t)len);
		} else if (!conn->tx_busy) {
			link_conn_close(conn);
		}
	}
}

// (locked)
static void on_written(void *arg, size_t len)
{
	struct link_conn *conn = arg;
	conn->tx_busy = false;
	if (len > 0) {
		progress_tx(conn, len);
	}
	write_unsent(conn);
}

static const struct link_transport_ops transport_ops = {
	.on_bytes = on_bytes,
	.on_written = on_written,
	.on_end = on_end,
};

void link_conn_kick(struct link_conn *conn)
{
	if (!conn->tx_busy && !is_closed(conn)) {
		next_write(conn);
		write_unsent(conn);
	}
}

// ---- starting

void link_conn_start(struct link_conn *conn)
{
	link_transport_start(conn->transport);
}

void link_conn_wait_writable(struct link_conn *conn)
{
	link_transport_wait_writable(conn->transport);
}

void link_conn_poll(struct link_conn *conn)
{
	link_transport_poll(conn->transport);
}

bool link_conn_is_polled(const struct link_conn *conn)
{
	return conn->transport->type->is_polled;
}

void link_conn_set_body_max(struct link_conn *conn, size_t body_max)
{
	atomic_store_explicit(&conn->body_max, body_max, memory_order_relaxed);
}

void link_conn_attach(struct link_conn *conn, struct link_window *window)
{
	conn->window = window;
}

bool link_conn_control(struct link_conn *conn, enum link_frame_type type, uint64_t ack,
	struct bytes body)
{
	if (conn->control.len > CONTROL_MAX) {
		return false;
	}
	uint8_t head[LINK_HEAD_LEN];
	link_frame_head(head, type, 0, ack, body, bytes_make(NULL, 0));
	buf_append(&conn->control, head, sizeof(head));
	buf_append_bytes(&conn->control, body);
	link_conn_kick(conn);
	return true;
}

bool link_conn_goaway(struct link_conn *conn, enum goaway_reason reason)
{
	Weir__Link__V1__Goaway goaway = WEIR__LINK__V1__GOAWAY__INIT;
	struct buf body = { 0 };
	goaway.reason.len = strlen(goaway_reason_name(reason));
	goaway.reason.data = (uint8_t *)goaway_reason_name(reason);
	uint8_t *at = buf_reserve(&body, weir__link__v1__goaway__get_packed_size(&goaway));
	body.len += weir__link__v1__goaway__pack(&goaway, at);
	bool queued = link_conn_control(conn, LINK_GOAWAY, 0, buf_bytes(&body));
	buf_fini(&body);
	return queued;
}

void link_conn_close(struct link_conn *conn)
{
	link_transport_close(conn->transport);
}

bool link_conn_peer_has_closed(const struct link_conn *conn)
{
	return link_transport_peer_has_closed(conn->transport);
}

bool link_conn_is_writing(const struct link_conn *conn)
{
	return conn->tx_busy && !is_closed(conn);
}

uint64_t link_conn_last_rx_ms(const struct link_conn *conn)
{
	return atomic_load_explicit(&conn->last_rx_ms, memory_order_relaxed);
}
