// The choice between the two ways, and what they share: the stream is NNG's in both, and so is its
// end.
//
// Which way it is was once asked by every operation of link_conn.c. Now it is asked once, here; so
// the traps of NNG's aios and those of its sockets stand in a file each, and the accounting of what
// left, with the frame boundaries in it, is the same code for both.

#include "proto/link/link_transport.h"

#include <nng/nng.h>

struct link_transport *link_transport_new(struct nng_stream *stream, int fd, struct loop *loop,
	pthread_mutex_t *lock, const struct link_transport_ops *ops, void *arg)
{
	struct link_transport *t = fd >= 0 ? link_transport_polled_new(stream, fd, loop)
					   : link_transport_nng_new(stream);
	t->lock = lock;
	t->ops = ops;
	t->arg = arg;
	return t;
}

void link_transport_start(struct link_transport *t)
{
	t->type->start(t);
}

ssize_t link_transport_write(struct link_transport *t, const struct iovec *iov, unsigned n)
{
	return t->type->write(t, iov, n);
}

void link_transport_wait_writable(struct link_transport *t)
{
	t->type->wait_writable(t);
}

void link_transport_poll(struct link_transport *t)
{
	t->type->poll(t);
}

bool link_transport_peer_has_closed(const struct link_transport *t)
{
	return t->type->peer_has_closed(t);
}

void link_transport_close(struct link_transport *t)
{
	if (!t->closed) {
		t->closed = true;
		nng_stream_close(t->stream);
	}
}

void link_transport_free(struct link_transport *t)
{
	t->type->free(t);
}
