// The routing thread is woken only by the first event after it took: an eventfd write costs more
// than the copy of a small frame. How much may lie here is bounded by the putters: a link's window
// says how many bytes of frames it may have unacknowledged, and link_server counts them.

#include "router/link/ingress.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"

enum {
	KEEP_CAP = 1 << 20
};

struct ingress {
	pthread_mutex_t lock;
	struct buf incoming;
	struct buf taken; // the routing thread's
	size_t at;
	struct loop_wake *wake;
};

struct ingress *ingress_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct ingress *in = xcalloc(1, sizeof(*in));
	pthread_mutex_init(&in->lock, NULL);
	in->wake = loop_wake_new(loop, fn, arg);
	return in;
}

void ingress_free(struct ingress *in)
{
	if (in == NULL) {
		return;
	}
	loop_wake_free(in->wake);
	buf_fini(&in->incoming);
	buf_fini(&in->taken);
	pthread_mutex_destroy(&in->lock);
	free(in);
}

void ingress_put(struct ingress *in, const struct ingress_event *event)
{
	pthread_mutex_lock(&in->lock);
	bool first = in->incoming.len == 0;
	buf_append(&in->incoming, event, sizeof(*event));
	buf_append_bytes(&in->incoming, event->frame.body);
	pthread_mutex_unlock(&in->lock);
	if (first) {
		loop_wake_post(in->wake);
	}
}

void ingress_take(struct ingress *in)
{
	CHECK(in->taken.len == 0);
	pthread_mutex_lock(&in->lock);
	struct buf swap = in->taken;
	in->taken = in->incoming;
	in->incoming = swap;
	pthread_mutex_unlock(&in->lock);
}

bool ingress_next(struct ingress *in, struct ingress_event *event)
{
	if (in->at == in->taken.len) {
		buf_reset(&in->taken, KEEP_CAP);
		in->at = 0;
		return false;
	}
	memcpy(event, in->taken.data + in->at, sizeof(*event));
	in->at += sizeof(*event);
	event->frame.body = bytes_make(in->taken.data + in->at, event->frame.body.len);
	in->at += event->frame.body.len;
	return true;
}
