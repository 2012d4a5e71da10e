// What a connection does about what its stream tells it.

#include "edge/client/conn.h"
#include "edge/client/conn_parts.h"
#include "edge/client/turn.h"

static struct conn *conn_of(struct stream *s)
{
	return CONTAINER_OF(s, struct conn, stream);
}

static void on_stream_turn(struct stream_group *group)
{
	turn_touch(CONTAINER_OF(group, struct turn, streams));
}

static void on_stream_frame(void *stream, const struct frame *f, bool sent)
{
	struct conn *c = conn_of(stream);
	struct edge_metrics *m = &turn_of(c)->metrics;
	if (f->type == FRAME_PONG) {
		c->pong_queued = false;
	} else if (f->type < m->n_types) {
		counter_add(sent ? &m->sent[f->type] : &m->dropped[c->reason], 1);
	}
}

static void on_stream_full(struct stream *s)
{
	conn_rearm(conn_of(s));
}

static void on_stream_free(struct stream *s, size_t reported)
{
	struct conn *c = conn_of(s);
	turn_of(c)->conn_ops->on_queue_empty(c, reported);
}

static void on_stream_flushed(struct stream *s)
{
	struct conn *c = conn_of(s);
	conn_push_pong(c);
	conn_step_ending(c);
	conn_review_input(c);
}

static void on_stream_broken(struct stream *s)
{
	conn_close(conn_of(s), CLOSE_PEER_GONE);
}

const struct stream_ops conn_stream_ops = {
	.on_turn = on_stream_turn,
	.on_frame = on_stream_frame,
	.on_full = on_stream_full,
	.on_free = on_stream_free,
	.on_flushed = on_stream_flushed,
	.on_broken = on_stream_broken,
};
