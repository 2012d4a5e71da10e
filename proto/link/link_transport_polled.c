// The owner's loop moves the bytes of a plain TCP connection that NNG dialled or accepted and will
// end. NNG hands what comes from its poller to one of its threads, which has to wake the owner's,
// and hands the end of each write to one too. With a message at a time that was 18 wake-ups from a
// publisher to the members on two edges, 35 us each on the machine where it was measured, and more
// than all the rest of the work; polled it is 3.
//
// NNG does not offer this. It is sound while six things hold. They were read in posix_tcpconn.c and
// posix_pollq_epoll.c of NNG, which are the same from 1.5.2 to 1.11; link_socket_of() finds no
// socket with any other:
//
// 1. No aio is ever submitted on the stream. With one, NNG would read or write as well, and two
//    readers would share the bytes at random.
// 2. NNG adds every socket to its own epoll set, with no events asked for, so it reads nothing.
//    Errors are reported there all the same, after a reset for example, and NNG's poller then calls
//    shutdown() on the socket from its own thread. So the socket may be shut down at any moment;
//    that looks like any other end of the connection, and nothing here assumes who caused it.
// 3. nng_stream_close() only shuts the socket down. The descriptor is closed by nng_stream_free(),
//    so until then its number cannot become somebody else's, whichever thread closes the stream.
// 4. The loop has let go of the descriptor before nng_stream_free(): end() does that, or the free.
// 5. The descriptor is the stream's. It is found by its two addresses, which only one TCP socket of
//    this process can have (link_socket.c).
// 6. A hang-up without an error is reported in NNG's epoll set too, where NNG masks it and waits
//    again at once: its poller spins until the socket leaves the set, which nng_stream_close()
//    does. So the end of the connection closes the stream in the very call that sees it. (Inferred,
//    not seen.)
//
// An NNG that reads ahead, that closes the descriptor in nng_stream_close(), or that does its I/O
// by other means than epoll breaks this.
//
// Rejected: sockets of our own for tcp://, which would be a second way to dial, listen, accept and
// resolve beside the one that TLS needs.

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <nng/nng.h>

#include "common/check.h"
#include "common/loop.h"
#include "common/mem.h"
#include "proto/link/link_transport.h"

struct polled_transport {
	struct link_transport base;
	int fd; // the stream's
	struct loop *loop; // borrowed
	struct loop_io readable;
	struct loop_io writable;
	bool full; // (locked) the socket took no more
	bool ended; // the reader's; on_end() has been called
};

static struct polled_transport *of_base(struct link_transport *base)
{
	return CONTAINER_OF(base, struct polled_transport, base);
}

static void end(struct polled_transport *t)
{
	loop_io_stop(&t->readable);
	loop_io_stop(&t->writable);
	if (!t->ended) {
		t->ended = true;
		t->base.ops->on_end(t->base.arg);
	}
}

static void read_socket(struct polled_transport *t)
{
	ssize_t len = recv(t->fd, t->base.room, t->base.room_len, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	bool alive = len > 0 && t->base.ops->on_bytes(t->base.arg, (size_t)len);
	pthread_mutex_lock(t->base.lock);
	if (!alive) {
		link_transport_close(&t->base);
	}
	alive = !t->base.closed;
	pthread_mutex_unlock(t->base.lock);
	if (!alive) {
		end(t);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_socket(arg);
}

// (locked) There may be room again. True if the socket is full once more.
static bool write_again(struct polled_transport *t)
{
	t->full = false;
	t->base.ops->on_written(t->base.arg, 0);
	return t->full;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct polled_transport *t = arg;
	(void)fd;
	(void)what;
	pthread_mutex_lock(t->base.lock);
	bool full = write_again(t);
	pthread_mutex_unlock(t->base.lock);
	if (!full) {
		loop_io_stop(&t->writable);
	}
}

static void polled_start(struct link_transport *base)
{
	struct polled_transport *t = of_base(base);
	pthread_mutex_lock(base->lock);
	bool closed = base->closed;
	if (!closed) {
		loop_io_start(t->loop, &t->readable, t->fd, LOOP_READ, on_readable, t);
	}
	pthread_mutex_unlock(base->lock);
	if (closed) {
		end(t);
	}
}

// (locked)
static ssize_t polled_write(struct link_transport *base, const struct iovec *iov, unsigned n)
{
	struct polled_transport *t = of_base(base);
	struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };
	ssize_t len;
	do {
		len = sendmsg(t->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (len < 0 && errno == EINTR);
	t->full = len < 0 && errno == EAGAIN;
	return len < 0 ? -errno : len;
}

// (locked)
static void polled_wait_writable(struct link_transport *base)
{
	struct polled_transport *t = of_base(base);
	if (t->full && !base->closed) {
		loop_io_stop(&t->writable);
		loop_io_start(t->loop, &t->writable, t->fd, LOOP_WRITE, on_writable, t);
	}
}

static void polled_poll(struct link_transport *base)
{
	struct polled_transport *t = of_base(base);
	read_socket(t);
	pthread_mutex_lock(base->lock);
	if (t->full) {
		write_again(t);
	}
	pthread_mutex_unlock(base->lock);
}

// (locked) Also with bytes before the end that are not read yet.
static bool polled_peer_has_closed(const struct link_transport *base)
{
	const struct polled_transport *t = CONTAINER_OF(base, const struct polled_transport, base);
	struct pollfd p = { .fd = t->fd, .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0;
}

static void polled_free(struct link_transport *base)
{
	struct polled_transport *t = of_base(base);
	if (!t->ended) {
		loop_io_stop(&t->readable);
		loop_io_stop(&t->writable);
	}
	nng_stream_free(base->stream);
	free(t);
}

static const struct link_transport_type type = {
	.is_polled = true,
	.start = polled_start,
	.write = polled_write,
	.wait_writable = polled_wait_writable,
	.poll = polled_poll,
	.peer_has_closed = polled_peer_has_closed,
	.free = polled_free,
};

struct link_transport *link_transport_polled_new(struct nng_stream *stream, int fd,
	struct loop *loop)
{
	struct polled_transport *t = xcalloc(1, sizeof(*t));
	t->base.type = &type;
	t->base.stream = stream;
	t->fd = fd;
	t->loop = loop;
	return &t->base;
}
