// One write path for two ways out. A stream alone writes until its queue is empty or the socket is
// full. In a batch the first frames of many streams go to the kernel in one call; what a socket did
// not take of them, or how it failed, is then found by the first way. With TLS the bytes are
// counted as sent when they are sealed: from then on the record, not the queue, holds them.
//
// While a socket is full its stream has a write event and is on no list: nothing is tried before
// the kernel says that it makes sense.
//
// The owner is called through a table of functions and never by name, so that what a
// connection is can be read without this file, and this file without it.

#include "edge/send/stream.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/net.h"

enum {
	WRITE_IOV_MAX = 64,
	NS_PER_US = 1000,
	UNSENT_MAX = 16 * 1024,
};

// ---- lists

static struct stream_list *dirty_list(struct stream *s)
{
	return s->dirty == STREAM_IN_BULK ? &s->group->bulk : &s->group->dirty;
}

static void leave_dirty(struct stream *s)
{
	if (s->dirty != STREAM_CLEAN) {
		TAILQ_REMOVE(dirty_list(s), s, in_dirty);
		s->dirty = STREAM_CLEAN;
	}
}

// A stream that also has a frame of its own leaves the bulk list.
static void become_dirty(struct stream *s, bool bulk)
{
	if (s->dirty == STREAM_DIRTY || (s->dirty == STREAM_IN_BULK && bulk)) {
		return;
	}
	leave_dirty(s);
	s->dirty = bulk ? STREAM_IN_BULK : STREAM_DIRTY;
	TAILQ_INSERT_TAIL(dirty_list(s), s, in_dirty);
}

// ---- accounts

static void note_progress(struct stream *s)
{
	s->progress_ms = s->group->client_ms;
	if (s->blocked != NULL && s->counted) {
		queued_touch(&s->group->queued, s->blocked);
	}
}

static void note_come(struct stream *s, size_t len)
{
	counter_add(s->group->queue_bytes, len);
	if (s->counted) {
		s->group->queued.bytes += len;
	}
}

// Accounts for `len` bytes removed from the queue.
static void note_gone(struct stream *s, size_t len)
{
	counter_sub(s->group->queue_bytes, len);
	if (s->counted) {
		s->group->queued.bytes -= len;
	}
}

void stream_count(struct stream *s, bool counted)
{
	if (s->counted == counted) {
		return;
	}
	s->counted = counted;
	if (counted) {
		queued_enter(&s->group->queued, s->blocked, s->out.bytes);
	} else {
		queued_leave(&s->group->queued, s->blocked, s->out.bytes);
	}
}

// ---- the socket

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	(void)fd;
	(void)what;
	s->group->ops->on_turn(s->group);
	stream_flush(s);
}

void stream_wait_writable(struct stream *s)
{
	if (s->blocked != NULL) {
		return;
	}
	s->blocked = xcalloc(1, sizeof(*s->blocked));
	s->blocked->stream = s;
	loop_io_start(s->group->loop, &s->blocked->io, s->fd, LOOP_WRITE, on_writable, s);
	if (s->counted) {
		queued_enter(&s->group->queued, s->blocked, 0);
	}
	s->group->ops->on_full(s);
}

static void stop_waiting(struct stream *s)
{
	struct blocked *blocked = s->blocked;
	if (blocked == NULL) {
		return;
	}
	if (s->counted) {
		queued_leave(&s->group->queued, blocked, 0);
		s->group->ops->on_free(s, blocked->reported);
	}
	loop_io_stop(&blocked->io);
	free(blocked);
	s->blocked = NULL;
}

// ---- frames

void stream_push(struct stream *s, struct frame *f, bool bulk)
{
	if (s->out.n == 0) {
		note_progress(s);
	}
	note_come(s, f->len);
	out_queue_push(&s->out, f);
	if (s->blocked == NULL) {
		become_dirty(s, bulk);
	}
}

void stream_drop(struct stream *s, bool keep_begun)
{
	size_t before = s->out.bytes;
	out_queue_drop(&s->out, keep_begun, s->group->ops->on_frame, s);
	note_gone(s, before - s->out.bytes);
}

// What the kernel holds is not replaced any more, and by default it is a second's worth of a slow
// client or more.
static void limit_unsent(struct stream *s)
{
	if (!s->limits_unsent) {
		s->limits_unsent = true;
		net_limit_unsent(s->fd, UNSENT_MAX);
	}
}

void stream_thin(struct stream *s, size_t want, const struct thin_ops *ops)
{
	size_t before = s->out.bytes;
	if (want > 0) {
		thin_queue(&s->out, want, ops, s);
	} else if (s->blocked != NULL) {
		limit_unsent(s);
		thin_replaced(&s->out, ops, s);
	}
	if (s->out.bytes <= before) {
		note_gone(s, before - s->out.bytes);
	} else {
		note_come(s, s->out.bytes - before); // gaps may be longer than what they tell of
	}
}

bool stream_has_output(const struct stream *s)
{
	return s->out.n > 0 || transport_owes(s->tls);
}

static void count_sent(struct stream *s, size_t sent)
{
	note_progress(s);
	note_gone(s, sent);
	counter_add(s->group->bytes_out, sent);
	out_queue_advance(&s->out, sent, s->group->ops->on_frame, s);
}

// Writes until nothing is left or the socket is full. False if the connection broke.
static bool write_queue(struct stream *s)
{
	struct iovec iov[WRITE_IOV_MAX];
	while (stream_has_output(s)) {
		int n = out_queue_iov(&s->out, iov, WRITE_IOV_MAX);
		ssize_t sent = transport_write(s->fd, s->tls, &s->group->buffers, iov, n);
		if (sent == -EAGAIN) {
			stream_wait_writable(s);
			return true;
		}
		if (sent < 0) {
			return false;
		}
		count_sent(s, (size_t)sent);
	}
	stop_waiting(s);
	return true;
}

void stream_flush(struct stream *s)
{
	leave_dirty(s);
	if (stream_is_closed(s)) {
		return;
	}
	if (write_queue(s)) {
		s->group->ops->on_flushed(s);
	} else {
		s->group->ops->on_broken(s);
	}
}

// ---- in batches

// Leaves the queue's first frames to the batch. False if this stream is one for stream_flush(), or
// the batch is full.
static bool offer(struct stream *s, struct send_batch *batch)
{
	// A longer queue is one call for many frames already.
	if (stream_is_closed(s) || s->blocked != NULL || s->out.n == 0 ||
		s->out.n > SEND_BATCH_FRAMES_MAX || transport_owes(s->tls) ||
		send_batch_is_full(batch)) {
		return false;
	}
	struct iovec iov[SEND_BATCH_FRAMES_MAX];
	int n = out_queue_iov(&s->out, iov, SEND_BATCH_FRAMES_MAX);
	if (s->tls != NULL) {
		struct bytes sealed;
		ssize_t taken = tls_stream_seal(s->tls, iov, n, s->group->buffers.record, &sealed);
		if (taken < 0) {
			return false;
		}
		count_sent(s, (size_t)taken);
		iov[0] = (struct iovec){ (uint8_t *)sealed.data, sealed.len };
		n = 1;
	}
	send_batch_add(batch, s->fd, iov, n, s);
	leave_dirty(s);
	return true;
}

static void on_batch_sent(void *arg, ssize_t sent)
{
	struct stream *s = arg;
	if (stream_is_closed(s)) {
		return; // another one's end was its end too
	}
	if (sent > 0 && s->tls != NULL) {
		tls_stream_sent(s->tls, (size_t)sent);
	} else if (sent > 0) {
		count_sent(s, (size_t)sent);
	}
	stream_flush(s); // what is left, or how it failed
}

// Flushes streams from the front of a list, which is not empty: one batch of them, at most `max`
// and none after `max_bytes` are reached; or, if the first is not one for a batch, that one.
static void flush_front(struct stream_group *g, struct stream_list *list, size_t max,
	size_t max_bytes)
{
	struct stream *s = TAILQ_FIRST(list);
	size_t n = 0;
	size_t bytes = 0;
	while (g->batch != NULL && s != NULL && n < max && bytes < max_bytes) {
		size_t len = s->out.bytes;
		if (!offer(s, g->batch)) {
			break;
		}
		n++;
		bytes += len;
		s = TAILQ_FIRST(list);
	}
	if (n > 0) {
		send_batch_run(g->batch, on_batch_sent);
	} else {
		stream_flush(s);
	}
}

void stream_group_flush_dirty(struct stream_group *g)
{
	while (!TAILQ_EMPTY(&g->dirty)) {
		flush_front(g, &g->dirty, SEND_BATCH_MAX, SIZE_MAX);
	}
}

// The time for bulk in a turn of which the rest took so long.
static uint64_t bulk_ns(uint64_t rest_ns)
{
	const uint64_t min_ns = (uint64_t)STREAM_BULK_US * NS_PER_US;
	return rest_ns > min_ns ? rest_ns : min_ns;
}

void stream_group_flush_bulk(struct stream_group *g)
{
	uint64_t last_end_ns = g->bulk_end_ns;
	g->bulk_end_ns = 0;
	if (TAILQ_EMPTY(&g->bulk)) {
		return;
	}
	uint64_t now_ns = clock_mono_ns();
	uint64_t until_ns = now_ns + bulk_ns(last_end_ns > 0 ? now_ns - last_end_ns : 0);
	do {
		flush_front(g, &g->bulk, STREAM_BULK_BATCH, STREAM_BULK_BATCH_BYTES);
	} while (!TAILQ_EMPTY(&g->bulk) && clock_mono_ns() < until_ns);
	if (!TAILQ_EMPTY(&g->bulk)) {
		sched_yield(); // clients that share this core with the edge are to read meanwhile
		g->bulk_end_ns = clock_mono_ns(); // after what the others took
	}
}

// ---- life

void stream_group_init(struct stream_group *g, struct loop *loop, const struct stream_ops *ops,
	struct counter *queue_bytes, struct counter *bytes_out)
{
	g->loop = loop;
	g->ops = ops;
	g->queue_bytes = queue_bytes;
	g->bytes_out = bytes_out;
	TAILQ_INIT(&g->dirty);
	TAILQ_INIT(&g->bulk);
	queued_init(&g->queued);
}

void stream_group_fini(struct stream_group *g)
{
	transport_buffers_fini(&g->buffers);
	send_batch_free(g->batch);
}

void stream_init(struct stream *s, struct stream_group *group, int fd)
{
	s->group = group;
	s->fd = fd;
}

void stream_start_tls(struct stream *s, struct tls_stream *tls)
{
	CHECK(s->tls == NULL);
	s->tls = tls;
}

int stream_end(struct stream *s)
{
	int result = transport_end(s->fd, s->tls);
	if (result != 0) {
		stream_wait_writable(s);
	}
	return result;
}

void stream_close(struct stream *s)
{
	stop_waiting(s);
	stream_drop(s, false);
	leave_dirty(s);
	if (s->tls != NULL) {
		tls_stream_end(s->tls); // as far as the socket takes it
	}
	close(s->fd);
	s->fd = -1;
}

void stream_fini(struct stream *s)
{
	CHECK(stream_is_closed(s) && s->dirty == STREAM_CLEAN);
	tls_stream_free(s->tls);
}
