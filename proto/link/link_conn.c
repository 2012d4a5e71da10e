// The life of an NNG stream has traps (measured on 1.5.2), and this file is where they end:
//
// - An aio submitted after nng_stream_close() never completes. So nothing is submitted once `closed`
//   is set, and the flag and the submission are under one mutex.
// - A TLS stream can lose its close: the receive then never completes, whatever its timeout. So the
//   owner's watchdog calls link_conn_close(), and freeing cancels both aios.
// - nng_aio_wait() in a callback deadlocks. So callbacks only mark; the owner frees elsewhere.
// - A send completes when sendmsg() returned, maybe for a part. So the rest is sent again, and control
//   frames only come between whole writes, which end at frame boundaries.
//
// One read and one write are under way at most. What is gathered while a write runs leaves with the
// next one, so batches grow with load and an idle link sends at once; there is no timer.
//
// A plain TCP connection is `polled`: NNG made it and ends it, but the owner's loop moves its bytes.
// NNG hands what comes from its poller to one of its threads, which has to wake the owner's, and hands
// the end of each write to one too. With a message at a time that was 18 wake-ups from a publisher to
// the members on two edges, 35 us each on the machine where it was measured, and more than all the
// rest of the work; polled it is 3. TLS and ipc keep NNG's threads, and so does a stream whose socket
// is not found.

#include "proto/link/link_conn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <nng/nng.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "link.pb-c.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_window.h"

enum {
	RX_CAP_MIN = 64 << 10,
	CONTROL_MAX = 64 << 10,
};

struct link_conn {
	nng_stream *stream;
	nng_aio *rx_aio;
	nng_aio *tx_aio;
	struct loop *loop; // borrowed; its thread moves the bytes. NULL: NNG's do
	int fd; // the stream's; -1 unless polled
	struct loop_io readable;
	struct loop_io writable;
	pthread_mutex_t *lock; // borrowed
	const struct link_conn_ops *ops;
	void *arg;
	struct link_window *window; // borrowed; NULL until attached
	bool closed;
	bool tx_busy;
	bool rx_ended; // on_closed has been called; only the thread that reads touches it
	struct buf control; // waiting for the next write
	struct buf control_out; // in the write under way
	size_t control_sent; // of control_out
	uint8_t *rx; // owned
	size_t rx_len;
	size_t rx_cap;
	_Atomic size_t body_max;
	_Atomic uint64_t last_rx_ms;
};

static void on_rx(void *arg);
static void on_tx(void *arg);

struct link_conn *link_conn_new(struct nng_stream *stream, int fd, struct loop *loop,
	size_t body_max, pthread_mutex_t *lock, const struct link_conn_ops *ops, void *arg)
{
	struct link_conn *conn = xcalloc(1, sizeof(*conn));
	conn->stream = stream;
	conn->fd = fd;
	conn->loop = fd >= 0 ? loop : NULL;
	conn->body_max = body_max;
	conn->lock = lock;
	conn->ops = ops;
	conn->arg = arg;
	conn->rx_cap = RX_CAP_MIN;
	conn->rx = xmalloc(conn->rx_cap);
	conn->last_rx_ms = clock_mono_ms();
	conn->rx_aio = link_aio_new(on_rx, conn);
	conn->tx_aio = link_aio_new(on_tx, conn);
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
	if (!conn->rx_ended) {
		loop_io_stop(&conn->readable);
		loop_io_stop(&conn->writable);
	}
	nng_aio_stop(conn->rx_aio);
	nng_aio_stop(conn->tx_aio);
	nng_aio_free(conn->rx_aio);
	nng_aio_free(conn->tx_aio);
	nng_stream_free(conn->stream);
	buf_fini(&conn->control);
	buf_fini(&conn->control_out);
	free(conn->rx);
	free(conn);
}

// ---- receiving

// (locked)
static void submit_rx(struct link_conn *conn)
{
	nng_iov iov = {
		.iov_buf = conn->rx + conn->rx_len,
		.iov_len = conn->rx_cap - conn->rx_len,
	};
	nng_aio_set_iov(conn->rx_aio, 1, &iov);
	nng_stream_recv(conn->stream, conn->rx_aio);
}

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

// `len` bytes have come into the buffer.
static bool take_bytes(struct link_conn *conn, size_t len)
{
	conn->rx_len += len;
	atomic_store_explicit(&conn->last_rx_ms, clock_mono_ms(), memory_order_relaxed);
	return take_frames(conn);
}

// Nothing more will come. On the thread that reads; the owner may free a polled connection as soon as
// on_closed() has told it.
static void end_rx(struct link_conn *conn)
{
	loop_io_stop(&conn->readable);
	loop_io_stop(&conn->writable);
	if (!conn->rx_ended) {
		conn->rx_ended = true;
		conn->ops->on_closed(conn->arg, conn);
	}
}

static void on_rx(void *arg)
{
	struct link_conn *conn = arg;
	bool alive =
		nng_aio_result(conn->rx_aio) == 0 && take_bytes(conn, nng_aio_count(conn->rx_aio));
	pthread_mutex_lock(conn->lock);
	if (!alive) {
		link_conn_close(conn);
	}
	alive = !conn->closed;
	if (alive) {
		submit_rx(conn);
	}
	pthread_mutex_unlock(conn->lock);
	if (!alive) {
		end_rx(conn);
	}
}

static void read_socket(struct link_conn *conn)
{
	ssize_t len =
		recv(conn->fd, conn->rx + conn->rx_len, conn->rx_cap - conn->rx_len, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	bool alive = len > 0 && take_bytes(conn, (size_t)len);
	pthread_mutex_lock(conn->lock);
	if (!alive) {
		link_conn_close(conn);
	}
	alive = !conn->closed;
	pthread_mutex_unlock(conn->lock);
	if (!alive) {
		end_rx(conn);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_socket(arg);
}

// ---- sending

enum {
	TX_IOV_MAX = 3
};

// (locked) The rest of the control frames under way first, then the window's unsent frames.
static unsigned unsent_bytes(struct link_conn *conn, struct iovec iov[TX_IOV_MAX])
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

// (locked) Hands what is unsent to NNG.
static void submit_tx(struct link_conn *conn)
{
	struct iovec unsent[TX_IOV_MAX];
	nng_iov iov[TX_IOV_MAX];
	unsigned n = unsent_bytes(conn, unsent);
	for (unsigned i = 0; i < n; i++) {
		iov[i].iov_buf = unsent[i].iov_base;
		iov[i].iov_len = unsent[i].iov_len;
	}
	conn->tx_busy = n > 0;
	if (n > 0) {
		nng_aio_set_iov(conn->tx_aio, n, iov);
		nng_stream_send(conn->stream, conn->tx_aio);
	}
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

static void on_tx(void *arg)
{
	struct link_conn *conn = arg;
	pthread_mutex_lock(conn->lock);
	bool complete = false;
	if (nng_aio_result(conn->tx_aio) == 0) {
		complete = account_tx(conn, nng_aio_count(conn->tx_aio));
	} else {
		link_conn_close(conn);
	}
	conn->tx_busy = false;
	if (!conn->closed && complete) {
		conn->ops->on_drained(conn->arg, conn);
		link_conn_kick(conn);
	} else if (!conn->closed) {
		submit_tx(conn);
	}
	pthread_mutex_unlock(conn->lock);
}

// (locked) Writes until all is sent or the socket is full.
static void write_socket(struct link_conn *conn)
{
	struct iovec iov[TX_IOV_MAX];
	struct msghdr message = { .msg_iov = iov };
	while (!conn->closed && (message.msg_iovlen = unsent_bytes(conn, iov)) > 0) {
		ssize_t len = sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len < 0 && errno == EINTR) {
			continue;
		}
		conn->tx_busy = len < 0 && errno == EAGAIN;
		if (conn->tx_busy) {
			conn->ops->on_full(conn->arg, conn);
			return;
		}
		if (len < 0) {
			link_conn_close(conn);
		} else if (account_tx(conn, (size_t)len)) {
			conn->ops->on_drained(conn->arg, conn);
			next_write(conn);
		}
	}
	conn->tx_busy = false;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link_conn *conn = arg;
	(void)fd;
	(void)what;
	pthread_mutex_lock(conn->lock);
	write_socket(conn);
	bool busy = conn->tx_busy;
	pthread_mutex_unlock(conn->lock);
	if (!busy) {
		loop_io_stop(&conn->writable);
	}
}

void link_conn_kick(struct link_conn *conn)
{
	if (conn->tx_busy || conn->closed) {
		return;
	}
	next_write(conn);
	if (conn->loop != NULL) {
		write_socket(conn);
	} else {
		submit_tx(conn);
	}
}

// ---- starting

void link_conn_start(struct link_conn *conn)
{
	pthread_mutex_lock(conn->lock);
	bool closed = conn->closed;
	if (!closed && conn->loop != NULL) {
		loop_io_start(conn->loop, &conn->readable, conn->fd, LOOP_READ, on_readable, conn);
	} else if (!closed) {
		submit_rx(conn);
	}
	pthread_mutex_unlock(conn->lock);
	if (closed) {
		end_rx(conn);
	}
}

void link_conn_wait_writable(struct link_conn *conn)
{
	if (conn->tx_busy && !conn->closed) {
		loop_io_stop(&conn->writable);
		loop_io_start(conn->loop, &conn->writable, conn->fd, LOOP_WRITE, on_writable, conn);
	}
}

void link_conn_poll(struct link_conn *conn)
{
	if (conn->loop == NULL) {
		return;
	}
	read_socket(conn);
	pthread_mutex_lock(conn->lock);
	if (conn->tx_busy) {
		write_socket(conn);
	}
	pthread_mutex_unlock(conn->lock);
}

bool link_conn_is_polled(const struct link_conn *conn)
{
	return conn->loop != NULL;
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

bool link_conn_goaway(struct link_conn *conn, const char *reason)
{
	Weir__Link__V1__Goaway goaway = WEIR__LINK__V1__GOAWAY__INIT;
	struct buf body = { 0 };
	goaway.reason.len = strlen(reason);
	goaway.reason.data = (uint8_t *)reason;
	uint8_t *at = buf_reserve(&body, weir__link__v1__goaway__get_packed_size(&goaway));
	body.len += weir__link__v1__goaway__pack(&goaway, at);
	bool queued = link_conn_control(conn, LINK_GOAWAY, 0, buf_bytes(&body));
	buf_fini(&body);
	return queued;
}

void link_conn_close(struct link_conn *conn)
{
	if (!conn->closed) {
		conn->closed = true;
		nng_stream_close(conn->stream);
	}
}

bool link_conn_is_writing(const struct link_conn *conn)
{
	return conn->tx_busy && !conn->closed;
}

uint64_t link_conn_last_rx_ms(const struct link_conn *conn)
{
	return atomic_load_explicit(&conn->last_rx_ms, memory_order_relaxed);
}
