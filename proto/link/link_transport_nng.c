// NNG's threads move the bytes: of TLS and ipc, and of a TCP connection whose socket is not found.
// The life of an NNG stream has traps (measured on 1.5.2), and this file is where they end:
//
// - An aio submitted after nng_stream_close() never completes. So nothing is submitted once
//   `closed` is set, and the flag and the submission are under one mutex.
// - A TLS stream can lose its close: the receive then never completes, whatever its timeout. So
//   freeing cancels both aios, and the owner has a watchdog that does not wait for on_end().
// - nng_aio_wait() in a callback deadlocks. So callbacks only report; the owner frees elsewhere.
// - A send completes when sendmsg() returned, maybe for a part. So its length is reported, and the
//   user sends the rest.
//
// One receive and one send are under way at most.

#include <errno.h>
#include <stdlib.h>

#include <nng/nng.h>

#include "common/check.h"
#include "common/mem.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_transport.h"

struct nng_transport {
	struct link_transport base;
	nng_aio *rx_aio;
	nng_aio *tx_aio;
};

static struct nng_transport *of_base(struct link_transport *base)
{
	return CONTAINER_OF(base, struct nng_transport, base);
}

// (locked) False if the stream is closed.
static bool submit_rx(struct nng_transport *t)
{
	if (t->base.closed) {
		return false;
	}
	nng_iov iov = { .iov_buf = t->base.room, .iov_len = t->base.room_len };
	nng_aio_set_iov(t->rx_aio, 1, &iov);
	nng_stream_recv(t->base.stream, t->rx_aio);
	return true;
}

static void on_rx(void *arg)
{
	struct nng_transport *t = arg;
	bool alive = nng_aio_result(t->rx_aio) == 0 &&
		t->base.ops->on_bytes(t->base.arg, nng_aio_count(t->rx_aio));
	pthread_mutex_lock(t->base.lock);
	if (!alive) {
		link_transport_close(&t->base);
	}
	alive = submit_rx(t);
	pthread_mutex_unlock(t->base.lock);
	if (!alive) {
		t->base.ops->on_end(t->base.arg);
	}
}

static void on_tx(void *arg)
{
	struct nng_transport *t = arg;
	pthread_mutex_lock(t->base.lock);
	if (nng_aio_result(t->tx_aio) == 0) {
		t->base.ops->on_written(t->base.arg, nng_aio_count(t->tx_aio));
	} else {
		link_transport_close(&t->base);
	}
	pthread_mutex_unlock(t->base.lock);
}

static void aio_start(struct link_transport *base)
{
	pthread_mutex_lock(base->lock);
	bool alive = submit_rx(of_base(base));
	pthread_mutex_unlock(base->lock);
	if (!alive) {
		base->ops->on_end(base->arg);
	}
}

// (locked)
static ssize_t aio_write(struct link_transport *base, const struct iovec *iov, unsigned n)
{
	struct nng_transport *t = of_base(base);
	nng_iov pieces[LINK_TRANSPORT_IOV_MAX];
	CHECK(!base->closed && n <= ARRAY_LEN(pieces));
	for (unsigned i = 0; i < n; i++) {
		pieces[i].iov_buf = iov[i].iov_base;
		pieces[i].iov_len = iov[i].iov_len;
	}
	nng_aio_set_iov(t->tx_aio, n, pieces);
	nng_stream_send(base->stream, t->tx_aio);
	return -EINPROGRESS;
}

// NNG's threads wait for room and move bytes whether a loop runs or not.
static void do_nothing(struct link_transport *base)
{
	(void)base;
}

static bool aio_peer_has_closed(const struct link_transport *base)
{
	(void)base;
	return false;
}

static void aio_free(struct link_transport *base)
{
	struct nng_transport *t = of_base(base);
	nng_aio_stop(t->rx_aio);
	nng_aio_stop(t->tx_aio);
	nng_aio_free(t->rx_aio);
	nng_aio_free(t->tx_aio);
	nng_stream_free(base->stream);
	free(t);
}

static const struct link_transport_type type = {
	.is_polled = false,
	.start = aio_start,
	.write = aio_write,
	.wait_writable = do_nothing,
	.poll = do_nothing,
	.peer_has_closed = aio_peer_has_closed,
	.free = aio_free,
};

struct link_transport *link_transport_nng_new(struct nng_stream *stream)
{
	struct nng_transport *t = xcalloc(1, sizeof(*t));
	t->base.type = &type;
	t->base.stream = stream;
	t->rx_aio = link_aio_new(on_rx, t);
	t->tx_aio = link_aio_new(on_tx, t);
	return &t->base;
}
