// A turn: callbacks run (input, links, inbox, timers), then on_turn_end(): what a link has put into our
// own inbox and what else waited for the turn's end is done, the links get what was gathered, then the
// sockets. The links come first, since a message on its way to others should not wait for our own
// writes.
//
// A room of thousands is not to delay all others for as long as its sends take, so those who get nothing
// but a message for many wait in a list of their own, of which each turn takes a part, and turns do not
// wait while somebody is in it. Whatever else is sent to one of them takes it out of there, so nothing
// overtakes anything.
//
// The clock. Silence of a client is measured in time during which this thread could have heard it. A
// process that was stopped for a minute finds every client silent for a minute; closing them would
// turn a hiccup into an outage. So a gap between two callbacks that is far longer than the tick is
// counted as time that did not pass.
//
// Draining has two steps. First no more commands are read, until what was asked of the routers is
// answered; then the clients are closed. So whoever got no answer knows that nothing was done.

#include "edge/client/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/client/answer.h"
#include "edge/client/listener.h"
#include "edge/ws/ws_deflate.h"

enum {
	STALL_MS = 1000,
};

// ---- time

// The timers and queues of who is here are seen to by the next tick.
static void take_settings(struct worker *w)
{
	struct settings *fresh = atomic_exchange(&w->offered, NULL);
	settings_unref(w->settings);
	w->settings = fresh;
	w->renewed = true;
}

void worker_touch(struct worker *w)
{
	uint64_t now_ms = clock_mono_ms();
	uint64_t gap_ms = now_ms - w->touched_ms;
	if (gap_ms > STALL_MS) {
		w->stalled_ms += gap_ms - WHEEL_TICK_MS;
		w->stalled = true;
	}
	w->touched_ms = now_ms;
	if (atomic_load_explicit(&w->offered, memory_order_relaxed) != NULL) {
		take_settings(w);
	}
}

static void on_wheel(struct wheel_entry *entry, void *arg)
{
	(void)arg;
	conn_on_timer(CONTAINER_OF(entry, struct conn, timer));
}

// Wall-clock times are at other places of the worker's clock now.
static void rearm_all(struct worker *w)
{
	uint32_t cursor = 0;
	struct conn *c;
	while ((c = conn_table_walk(&w->conns, &cursor)) != NULL) {
		conn_rearm(c);
	}
}

static void review_all(struct worker *w)
{
	uint32_t cursor = 0;
	struct conn *c;
	while ((c = conn_table_walk(&w->conns, &cursor)) != NULL) {
		conn_review_input(c);
	}
}

static void expire_requests(struct worker *w, struct uplink *up)
{
	struct pending_entry *entry;
	while ((entry = pending_oldest(&up->pending)) != NULL &&
		entry->deadline_ms <= w->touched_ms) {
		bool sent = router_link_was_sent(up->link, w->index, entry->req);
		answer_unavailable(w, up, entry, sent ? OUTCOME_UNKNOWN : OUTCOME_NONE);
	}
}

static void look_at_links(struct worker *w)
{
	bool up = true;
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		expire_requests(w, &w->uplinks[i]);
		up = up && router_link_status(w->edge->links[i]).up;
	}
	if (up != w->link_up) {
		w->link_up = up;
		review_all(w);
	}
}

// ---- the end of all

// One worker speaks for the edge.
static void tell_state(struct worker *w)
{
	for (unsigned i = 0; i < w->edge->n_links && w->index == 0; i++) {
		uplink_edge_state(&w->uplinks[i], edge_is_draining(w->edge));
	}
}

static void begin_to_stop(struct worker *w)
{
	w->stopping = true;
	tell_state(w);
	for (unsigned i = 0; i < w->n_listeners; i++) {
		listener_free(w->listeners[i]);
	}
	w->n_listeners = 0;
	// The other half is for closing handshakes.
	drain_begin(w, w->settings->conf.drain_timeout_ms / 2, 0);
}

static void look_whether_done(struct worker *w)
{
	if (w->stopping && !w->done && w->conns.n == 0) {
		w->done = true;
		edge_worker_done(w->edge);
	}
}

static void on_control(void *arg)
{
	struct worker *w = arg;
	worker_touch(w);
	if (!w->stopping && atomic_load(&w->edge->stopping)) {
		begin_to_stop(w);
		look_whether_done(w);
	}
}

void worker_on_tick(struct worker *w)
{
	watchdog_beat(&w->pulse);
	worker_touch(w);
	if (w->stalled) {
		w->stalled = false;
		log_warn("worker_stalled", LOG_UINT("worker", w->index),
			LOG_UINT("total_ms", w->stalled_ms));
		rearm_all(w);
	}
	if (w->renewed) {
		w->renewed = false;
		review_all(w);
		rearm_all(w);
	}
	wheel_advance(&w->wheel, worker_now(w), on_wheel, w);
	look_at_links(w);
	backlog_report(w);
	drain_step(w);
	look_whether_done(w);
}

static void on_tick_timer(void *arg)
{
	struct worker *w = arg;
	loop_timer_start(&w->tick, WHEEL_TICK_MS);
	worker_on_tick(w);
}

// ---- what comes from the routers

struct snapshot {
	struct worker *worker;
	struct uplink *uplink;
	uint32_t cursor;
};

static struct conn *next_announced(void *arg)
{
	struct snapshot *snapshot = arg;
	struct conn *c;
	do {
		c = conn_table_walk(&snapshot->worker->conns, &snapshot->cursor);
	} while (c != NULL && !(conn_is_open(c) && c->was_open));
	return c;
}

static void on_lost_request(void *arg, struct pending_entry *entry)
{
	struct snapshot *snapshot = arg;
	answer_unavailable(snapshot->worker, snapshot->uplink, entry, OUTCOME_UNKNOWN);
}

static void on_session(struct worker *w, const struct inbox_record *record)
{
	struct snapshot snapshot = { .worker = w, .uplink = &w->uplinks[record->link] };
	uplink_snapshot(snapshot.uplink, record->seq, next_announced, on_lost_request, &snapshot);
	backlog_report_anew(&w->backlog);
	if (w->index == 0) {
		revoked_tell(&w->edge->revoked, &snapshot.uplink->outbox);
	}
	if (edge_is_draining(w->edge)) {
		tell_state(w);
	}
}

static void on_drain(struct worker *w, const struct inbox_record *record)
{
	bool active = record->epoch != 0;
	if (w->stopping) {
		return; // which is at least as much
	}
	if (atomic_exchange(&w->edge->draining, active) != active) {
		log_info(active ? "draining" : "undrained", LOG_UINT("rate", record->seq));
	}
	if (active) {
		drain_begin(w, w->settings->conf.drain_timeout_ms / 2, record->seq);
	} else {
		drain_end(w);
	}
	tell_state(w);
}

static void on_inbox(void *arg)
{
	struct worker *w = arg;
	struct inbox_record record;
	uint64_t marks[EDGE_LINKS_MAX] = { 0 };
	worker_touch(w);
	inbox_take(&w->inbox, &w->records);
	struct bytes rest = buf_bytes(&w->records);
	while (inbox_record_next(&rest, &record)) {
		if (record.kind == INBOX_MARK) {
			CHECK(record.link < EDGE_LINKS_MAX);
			marks[record.link] = record.seq;
		} else if (record.kind == INBOX_SESSION) {
			on_session(w, &record);
		} else if (record.kind == INBOX_DRAIN) {
			on_drain(w, &record);
		} else {
			answer_record(w, &record);
		}
	}
	for (unsigned i = 0; i < EDGE_LINKS_MAX; i++) {
		if (marks[i] != 0) {
			router_link_consumed(w->uplinks[i].link, w->index, marks[i]);
		}
	}
	buf_reset(&w->records, w->records.cap);
}

// ---- the turn

static void observe_delivery(struct worker *w)
{
	if (w->stamp_ms != 0) {
		int64_t took_ms = clock_wall_ms() - w->stamp_ms;
		w->stamp_ms = 0;
		histogram_observe_ns(&w->metrics.delivery,
			took_ms > 0 ? (uint64_t)took_ms * 1000000U : 0);
	}
}

// Flushes about `max` of a list, from its front.
static void flush_some(struct worker *w, struct conn_list *list, size_t max)
{
	struct conn *c;
	size_t n = 0;
	while (n < max && (c = TAILQ_FIRST(list)) != NULL) {
		while (w->sends != NULL && c != NULL && conn_offer(c, w->sends)) {
			c = TAILQ_FIRST(list);
			n++;
		}
		if (w->sends != NULL) {
			send_batch_run(w->sends, conn_on_sent);
		}
		// At its turn, unless one of the batch has brought its end.
		if (n < max && c != NULL && c == TAILQ_FIRST(list)) {
			conn_flush(c);
			n++;
		}
	}
}

static void go_on(void *arg)
{
	(void)arg; // that it was deferred keeps the next turn from waiting
}

// Writing can bring up new things to do (a connection broke, or may be read from again) and doing them
// new things to write. It ends because none of it reads: what is kept of the input is finite.
static void on_turn_end(void *arg)
{
	struct worker *w = arg;
	struct conn *c;
	size_t crowd = WORKER_CROWD;
	if (w->inbox.unread) {
		on_inbox(w);
	}
	do {
		while ((c = TAILQ_FIRST(&w->agenda)) != NULL) {
			conn_agenda(c);
		}
		for (unsigned i = 0; i < w->edge->n_links; i++) {
			uplink_flush(&w->uplinks[i]);
		}
		flush_some(w, &w->dirty, SIZE_MAX);
		flush_some(w, &w->crowd, crowd);
		crowd = 0;
		backlog_relieve(w); // what is queued now waits for full sockets
	} while (!TAILQ_EMPTY(&w->agenda) || !TAILQ_EMPTY(&w->dirty));
	if (!TAILQ_EMPTY(&w->crowd)) {
		loop_defer(w->loop, go_on, NULL);
	}
	observe_delivery(w);
	w->tls_steps = 0;
}

bool worker_may_open_tls(struct worker *w)
{
	return w->tls_steps++ < WORKER_TLS_STEPS;
}

struct uplink *worker_link_for(struct worker *w, struct bytes room)
{
	(void)room; // one router owns all rooms
	return &w->uplinks[0];
}

struct frame *worker_render(struct worker *w, const struct client_event *event)
{
	// The protocol's own types are the first of the labels; a message brings its own.
	static const enum known_type types[] = {
		[EVENT_CONNECTED] = TYPE_CONNECTED,
		[EVENT_JOINED] = TYPE_JOINED,
		[EVENT_LEFT] = TYPE_LEFT,
		[EVENT_ACK] = TYPE_ACK,
		[EVENT_HISTORY] = TYPE_HISTORY,
		[EVENT_PRESENCE] = TYPE_PRESENCE,
		[EVENT_MEMBER_JOIN] = TYPE_MEMBER_JOIN,
		[EVENT_MEMBER_LEAVE] = TYPE_MEMBER_LEAVE,
		[EVENT_TOKEN_EXPIRING] = TYPE_TOKEN_EXPIRING,
		[EVENT_GAP] = TYPE_GAP,
		[EVENT_PONG] = TYPE_PONG,
		[EVENT_ERROR] = TYPE_ERROR,
	};
	CHECK(event->kind != EVENT_MESSAGE);
	buf_reset(&w->out, WORKER_KEEP);
	codec_json.encode(&w->out, event);
	struct frame *f = frame_new(codec_json.binary ? WS_BINARY : WS_TEXT, buf_bytes(&w->out));
	f->type = types[event->kind];
	return f;
}

// ---- life

void worker_refuse_proxy(struct worker *w, const struct net_ip *peer, enum handshake_result result,
	const char *why)
{
	uint32_t suppressed;
	counter_add(&w->metrics.handshakes[result], 1);
	if (log_limit_pass(&w->proxy_log, w->touched_ms, &suppressed)) {
		char address[NET_IP_TEXT_MAX];
		net_ip_format(peer, address);
		log_info("proxy_refused", LOG_STR("address", address), LOG_STR("reason", why),
			LOG_UINT("suppressed", suppressed));
	}
}

// NULL if there is no room; the descriptor is closed then.
static struct conn *take_in(struct worker *w, int fd, const struct net_addr *peer)
{
	worker_touch(w);
	size_t n = atomic_load_explicit(&w->edge->n_sockets, memory_order_relaxed);
	if (n >= edge_max_connections(w->edge, w->settings) + EDGE_SPARE_SOCKETS) {
		counter_add(&w->metrics.handshakes[HANDSHAKE_503], 1);
		close(fd);
		return NULL;
	}
	struct net_ip ip = net_ip_of(peer);
	if (w->settings->conf.proxy_protocol && !trusted_proxies_have(&w->edge->trusted, &ip)) {
		worker_refuse_proxy(w, &ip, HANDSHAKE_403, "not from trusted-proxies");
		close(fd);
		return NULL;
	}
	bool counted;
	enum admission admission = edge_admit(w->edge, w->settings, &ip, w->touched_ms, &counted);
	if (admission == ADMISSION_FLOOD) {
		counter_add(&w->metrics.handshakes[HANDSHAKE_503], 1);
		close(fd);
		return NULL;
	}
	return conn_new(w, fd, ip, admission, counted);
}

static void on_accepted(void *arg, int fd, const struct net_addr *peer)
{
	take_in(arg, fd, peer);
}

static void on_accepted_tls(void *arg, int fd, const struct net_addr *peer)
{
	struct worker *w = arg;
	struct conn *c = take_in(w, fd, peer);
	if (c == NULL) {
		return;
	}
	struct tls_stream *tls = tls_stream_new(w->settings->tls, fd);
	if (tls == NULL) {
		conn_close(c, CLOSE_PEER_GONE);
		return;
	}
	conn_start_tls(c, tls);
}

static void init_compression(struct worker *w)
{
	const struct edge_conf *conf = &w->edge->startup->conf;
	if (conf->compression == EDGE_COMPRESSION_SHARED) {
		const struct packer_options options = {
			.level = (int)conf->compression_level,
			.mem_level = (int)conf->compression_mem_level,
			.threshold = conf->compression_threshold,
		};
		packer_init(&w->packer, &options, &w->edge->pack_locks);
		w->packed_limits = w->edge->ws_limits;
		w->packed_limits.ratio_max = EDGE_INFLATE_RATIO_MAX;
		w->packed_limits.inflater = ws_inflater_new();
	}
}

struct worker *worker_new(struct edge *edge, unsigned index)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	w->edge = edge;
	w->settings = settings_ref(edge->startup);
	w->index = index;
	w->next_number = index + 1;
	w->touched_ms = clock_mono_ms();
	w->loop = loop_new();
	TAILQ_INIT(&w->dirty);
	TAILQ_INIT(&w->crowd);
	TAILQ_INIT(&w->agenda);
	backlog_init(&w->backlog);
	conn_table_init(&w->conns, (uint8_t)index);
	wheel_init(&w->wheel, worker_now(w));
	init_compression(w);
	fib_init(&w->fib);
	inbox_init(&w->inbox, w->loop, on_inbox, w);
	edge_metrics_init(&w->metrics, codec_type_count(&edge->codec));
	w->control = loop_wake_new(w->loop, on_control, w);
	loop_timer_init(w->loop, &w->tick, on_tick_timer, w);
	loop_timer_start(&w->tick, WHEEL_TICK_MS);
	loop_at_turn_end(w->loop, on_turn_end, w);
	return w;
}

static int add_listener(struct worker *w, struct net_addr *addr, bool exclusive, listener_fn *fn)
{
	CHECK(w->n_listeners < WORKER_LISTENERS_MAX);
	int error;
	struct listener *l = listener_new(w->loop, addr, exclusive, fn, w, &error);
	if (l == NULL) {
		return error;
	}
	w->listeners[w->n_listeners++] = l;
	return 0;
}

int worker_listen(struct worker *w, struct net_addr *addr, bool exclusive)
{
	return add_listener(w, addr, exclusive, on_accepted);
}

int worker_listen_tls(struct worker *w, struct net_addr *addr, bool exclusive)
{
	transport_buffers_need_tls(&w->buffers);
	return add_listener(w, addr, exclusive, on_accepted_tls);
}

void worker_attach(struct worker *w, unsigned i, struct router_link *link)
{
	CHECK(i < EDGE_LINKS_MAX);
	uplink_init(&w->uplinks[i], link, w->index);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	inbox_own(&w->inbox);
	w->sends = send_batch_new();
	loop_run(w->loop);
	return NULL;
}

void worker_start(struct worker *w)
{
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		mem_exhausted(); // for its stack
	}
	w->started = true;
}

void worker_offer(struct worker *w, struct settings *settings)
{
	settings_unref(atomic_exchange(&w->offered, settings_ref(settings)));
	worker_post(w);
}

void worker_post(struct worker *w)
{
	loop_wake_post(w->control);
}

void worker_stop(struct worker *w)
{
	if (w->started) {
		loop_stop(w->loop);
		CHECK(pthread_join(w->thread, NULL) == 0);
	}
	uint32_t cursor = 0;
	struct conn *c;
	while ((c = conn_table_walk(&w->conns, &cursor)) != NULL) {
		conn_close(c, CLOSE_PEER_GONE);
	}
	loop_stop(w->loop);
	loop_run(w->loop); // one turn, for what was put off to its end
}

void worker_free(struct worker *w)
{
	if (w == NULL) {
		return;
	}
	for (unsigned i = 0; i < w->n_listeners; i++) {
		listener_free(w->listeners[i]);
	}
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		uplink_fini(&w->uplinks[i]);
	}
	inbox_fini(&w->inbox);
	loop_timer_stop(&w->tick);
	loop_wake_free(w->control);
	loop_free(w->loop);
	fib_fini(&w->fib);
	conn_table_fini(&w->conns);
	link_arena_fini(&w->arena);
	buf_fini(&w->records);
	buf_fini(&w->out);
	buf_fini(&w->decoded);
	drain_fini(&w->drain);
	settings_unref(w->settings);
	settings_unref(atomic_load(&w->offered));
	transport_buffers_fini(&w->buffers);
	send_batch_free(w->sends);
	packer_fini(&w->packer);
	ws_inflater_free(w->packed_limits.inflater);
	edge_metrics_fini(&w->metrics);
	free(w);
}
