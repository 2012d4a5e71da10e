// A process that was stopped for a minute finds every client silent for a minute; closing them
// would turn a hiccup into an outage. So a gap between two callbacks that is far longer than the
// tick is counted as time that did not pass for the clients' deadlines.

#include "edge/client/turn.h"

#include "common/clock.h"
#include "edge/state/edge.h"
#include "edge/state/settings.h"
#include "edge/ws/ws_deflate.h"

enum {
	STALL_MS = 1000,
	CONNECTION_LINES_PER_S = 50, // of a worker, about who comes and goes
};

static void init_compression(struct turn *t)
{
	const struct edge_conf *conf = &t->edge->startup->conf;
	if (conf->compression == EDGE_COMPRESSION_SHARED) {
		const struct packer_options options = {
			.level = (int)conf->compression_level,
			.mem_level = (int)conf->compression_mem_level,
			.threshold = conf->compression_threshold,
		};
		packer_init(&t->packer, &options, &t->edge->pack_locks);
		t->packed_limits = t->edge->ws_limits;
		t->packed_limits.ratio_max = EDGE_INFLATE_RATIO_MAX;
		t->packed_limits.inflater = ws_inflater_new();
	}
}

void turn_init(struct turn *t, struct edge *edge, unsigned index, struct loop *loop,
	const struct stream_ops *stream_ops, const struct conn_ops *conn_ops)
{
	t->edge = edge;
	t->settings = settings_ref(edge->startup);
	t->index = index;
	t->loop = loop;
	t->conn_ops = conn_ops;
	t->next_number = index + 1;
	t->mono_ms = clock_mono_ms();
	t->connection_log.per_s = CONNECTION_LINES_PER_S;
	edge_metrics_init(&t->metrics, codec_type_count(&edge->codec));
	conn_table_init(&t->conns, (uint8_t)index);
	TAILQ_INIT(&t->deferred);
	TAILQ_INIT(&t->key_waits);
	stream_group_init(&t->streams, loop, stream_ops, &t->metrics.queue_bytes,
		&t->metrics.bytes_out);
	t->streams.client_ms = t->mono_ms;
	wheel_init(&t->wheel, t->mono_ms);
	init_compression(t);
	record_ring_init(&t->recorder.ring,
		edge->startup->conf.recorder_bytes / (edge->n_workers > 0 ? edge->n_workers : 1));
}

void turn_fini(struct turn *t)
{
	conn_table_fini(&t->conns);
	stream_group_fini(&t->streams);
	packer_fini(&t->packer);
	record_ring_fini(&t->recorder.ring);
	ws_inflater_free(t->packed_limits.inflater);
	frame_unref(t->event_of);
	frame_unref(t->event);
	buf_fini(&t->out);
	buf_fini(&t->decoded);
	edge_metrics_fini(&t->metrics);
	settings_unref(t->settings);
	settings_unref(atomic_load(&t->offered));
}

// The timers and queues of who is here are seen to by the next tick.
static void take_settings(struct turn *t)
{
	struct settings *fresh = atomic_exchange(&t->offered, NULL);
	settings_unref(t->settings);
	t->settings = fresh;
	t->renewed = true;
}

void turn_touch(struct turn *t)
{
	uint64_t now_ms = clock_mono_ms();
	uint64_t gap_ms = now_ms - t->mono_ms;
	if (gap_ms > STALL_MS) {
		t->stalled_ms += gap_ms - WHEEL_TICK_MS;
		t->stalled = true;
	}
	t->mono_ms = now_ms;
	t->streams.client_ms = now_ms - t->stalled_ms;
	if (atomic_load_explicit(&t->offered, memory_order_relaxed) != NULL) {
		take_settings(t);
	}
}

struct frame *turn_render(struct turn *t, enum codec_id id, const struct client_event *event)
{
	CHECK(event->kind != EVENT_MESSAGE);
	const struct codec *codec = codec_of(id);
	buf_reset(&t->out, TURN_KEEP);
	codec->encode(&t->out, event);
	struct frame *f = frame_new(codec->binary ? WS_BINARY : WS_TEXT, buf_bytes(&t->out));
	f->type = event_row(event->kind)->type; // the protocol's own are the first of the labels
	return f;
}

bool turn_may_open_tls(struct turn *t)
{
	return t->tls_steps++ < TURN_TLS_STEPS;
}

void turn_refuse_proxy(struct turn *t, const struct net_ip *peer, enum handshake_result result,
	const char *why)
{
	uint32_t suppressed;
	counter_add(&t->metrics.handshakes[result], 1);
	if (log_limit_pass(&t->proxy_log, t->mono_ms, &suppressed)) {
		char address[NET_IP_TEXT_MAX];
		net_ip_format(peer, address);
		log_info("proxy_refused", LOG_STR("address", address), LOG_STR("reason", why),
			LOG_UINT("suppressed", suppressed));
	}
}
