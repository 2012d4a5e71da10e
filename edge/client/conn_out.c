// How frames take the form that a connection gets, and what becomes of its queue when it is slow. A
// full queue ends the connection, unless the rooms of what is in it have another policy: then
// messages are dropped and the client is notified which.

#include "edge/client/conn_parts.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/turn.h"
#include "edge/state/settings.h"
#include "proto/reasons.h"

enum {
	QUEUE_PARTS = 8, // one of them is dropped at once, so that it is not done for each message
};

struct frame *conn_dress(struct conn *c, struct frame *f)
{
	if (c->events) {
		return turn_of(c)->conn_ops->to_event(c, f);
	}
	if (c->compressed) {
		struct frame *deflated = packer_run(&turn_of(c)->packer, f);
		frame_unref(f);
		return deflated;
	}
	return f;
}

static struct conn *conn_of(struct stream *s)
{
	return CONTAINER_OF(s, struct conn, stream);
}

static struct frame *make_gap(void *stream, const struct origin *like, uint64_t from, uint64_t to)
{
	struct conn *c = conn_of(stream);
	const struct client_event event = {
		.kind = EVENT_GAP,
		.room = origin_room(like),
		.epoch = like->epoch,
		.from_seq = from,
		.to_seq = to,
		.reason = bytes_str(gap_reason_name(GAP_SLOW)),
	};
	const struct origin_facts facts = {
		.is_gap = true,
		.epoch = like->epoch,
		.from = from,
		.to = to,
		.room = event.room,
	};
	record_dropped(c, event.room, like->epoch, from, to);
	struct frame *f = turn_render(turn_of(c), (enum codec_id)c->codec, &event);
	frame_set_origin(f, origin_new(&facts));
	return conn_dress(c, f);
}

static void on_dropped(void *stream, const struct frame *f)
{
	(void)f;
	counter_add(&turn_of(conn_of(stream))->metrics.dropped_slow, 1);
}

static const struct thin_ops ops = { .make_gap = make_gap, .on_dropped = on_dropped };

bool conn_give_way(struct conn *c)
{
	size_t before = c->stream.out.bytes;
	size_t loose = before - out_queue_firm_bytes(&c->stream.out);
	stream_thin(&c->stream, loose, &ops);
	return c->stream.out.bytes < before;
}

bool conn_make_room(struct conn *c)
{
	uint64_t limit = turn_of(c)->settings->conf.queue_limit;
	size_t bytes = c->stream.out.bytes;
	stream_thin(&c->stream, bytes > limit ? bytes - limit + limit / QUEUE_PARTS : 0, &ops);
	return c->stream.out.bytes <= limit;
}
