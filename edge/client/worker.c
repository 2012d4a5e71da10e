// A turn: callbacks run (input, links, inbox, timers), then on_turn_end(): what a link has put into
// our own inbox and what else waited for the turn's end is done, the links get what was gathered,
// then the sockets. The links come first, since a message on its way to others should not wait for
// our own writes.
//
// A room of thousands is not to delay all others for as long as its sends take: of the bulk list
// (see stream.h) each turn flushes a part, and turns do not wait while a stream is in it.
//
// Draining has two steps. First no more commands are read, until what was asked of the routers is
// answered; then the clients are closed. So whoever got no answer knows that nothing was done.

#include "edge/client/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/watchdog.h"
#include "edge/client/accept.h"
#include "edge/client/answer.h"
#include "edge/client/api.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/client/conn_parts.h"
#include "edge/client/conn_upgrade.h"
#include "edge/client/drain.h"
#include "edge/client/fanout.h"
#include "edge/client/queue_report.h"
#include "edge/client/sse.h"
#include "edge/state/settings.h"
#include "edge/uplink/inbox.h"

struct worker {
	struct clients clients;
	struct loop *loop; // owned
	struct accept accept;
	pthread_t thread;
	bool started;
	struct loop_timer tick;
	struct watchdog_pulse pulse; // beats with each tick
	struct loop_wake *control; // owned; posted when `edge->stopping` or the settings changed
	struct inbox inbox;
	struct buf records; // taken from the inbox
	uint64_t report_ms; // see queue_report()
	struct drain drain;
	bool stopping; // takes nobody any more
	bool done; // and nobody is left
};

// ---- time

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
	while ((c = conn_table_walk(&w->clients.turn.conns, &cursor)) != NULL) {
		conn_rearm(c);
	}
}

static void review_all(struct worker *w)
{
	uint32_t cursor = 0;
	struct conn *c;
	while ((c = conn_table_walk(&w->clients.turn.conns, &cursor)) != NULL) {
		conn_review_input(c);
	}
}

static void expire_requests(struct worker *w, struct uplink *up)
{
	struct pending_entry *entry;
	while ((entry = pending_oldest(&up->pending)) != NULL &&
		entry->deadline_ms <= w->clients.turn.mono_ms) {
		bool sent = uplink_was_sent(up, entry);
		answer_unavailable(&w->clients, up, entry, sent ? OUTCOME_UNKNOWN : OUTCOME_NONE);
	}
}

static void look_at_links(struct worker *w)
{
	bool up = true;
	for (unsigned i = 0; i < w->clients.turn.edge->n_links; i++) {
		struct uplink *uplink = &w->clients.uplinks[i];
		expire_requests(w, uplink);
		if (!uplink_is_up(uplink)) {
			up = false;
			uplink_ask_all(uplink);
		}
		answer_close_gone(&w->clients, uplink);
		answer_go_on(&w->clients, uplink);
	}
	if (up != w->clients.turn.link_up) {
		w->clients.turn.link_up = up;
		review_all(w);
	}
}

// ---- the end of all

// One worker speaks for the edge.
static void tell_state(struct worker *w)
{
	for (unsigned i = 0; i < w->clients.turn.edge->n_links && w->clients.turn.index == 0; i++) {
		uplink_edge_state(&w->clients.uplinks[i], edge_is_draining(w->clients.turn.edge));
	}
}

static void begin_to_stop(struct worker *w)
{
	w->stopping = true;
	tell_state(w);
	accept_stop(&w->accept);
	// The other half is for closing handshakes.
	drain_begin(&w->drain, &w->clients, w->clients.turn.settings->conf.drain_timeout_ms / 2, 0);
}

static void look_whether_done(struct worker *w)
{
	if (w->stopping && !w->done && w->clients.turn.conns.n == 0) {
		w->done = true;
		edge_worker_done(w->clients.turn.edge);
	}
}

static void on_control(void *arg)
{
	struct worker *w = arg;
	turn_touch(&w->clients.turn);
	if (!w->stopping && atomic_load(&w->clients.turn.edge->stopping)) {
		begin_to_stop(w);
		look_whether_done(w);
	}
}

// What has waited for a key is tried again, with it or in vain.
static void look_at_keys(struct worker *w)
{
	struct key_wait *wait;
	while ((wait = key_wait_next_over(&w->clients.turn)) != NULL) {
		struct conn *c = wait->conn;
		// The set may have come after the tick began: its settings were offered before the
		// attempt was over.
		turn_touch(&w->clients.turn);
		if (conn_is_open(c)) {
			client_renew(c, buf_bytes(&wait->token), buf_bytes(&wait->id));
		}
		conn_resume_input(c);
		key_wait_free(wait);
	}
}

void worker_on_tick(struct worker *w)
{
	watchdog_beat(&w->pulse);
	turn_touch(&w->clients.turn);
	if (w->clients.turn.stalled) {
		w->clients.turn.stalled = false;
		log_warn("worker_stalled", LOG_UINT("worker", w->clients.turn.index),
			LOG_UINT("total_ms", w->clients.turn.stalled_ms));
		rearm_all(w);
	}
	if (w->clients.turn.renewed) {
		w->clients.turn.renewed = false;
		review_all(w);
		rearm_all(w);
	}
	wheel_advance(&w->clients.turn.wheel, turn_client_ms(&w->clients.turn), on_wheel, w);
	look_at_keys(w);
	look_at_links(w);
	queue_report(&w->clients, &w->report_ms);
	drain_step(&w->drain, &w->clients);
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
	char id[CLIENT_ID_MAX]; // of the connection at hand
	char address[NET_IP_TEXT_MAX];
};

static bool next_announced(void *arg, struct announcement *facts)
{
	struct snapshot *snapshot = arg;
	struct conn *c;
	do {
		c = conn_table_walk(&snapshot->worker->clients.turn.conns, &snapshot->cursor);
	} while (c != NULL && !(conn_takes_answers(c) && c->was_open));
	if (c != NULL) {
		const struct watches *watches = &snapshot->worker->clients.watches;
		*facts = client_announcement(c, snapshot->id, snapshot->address);
		facts->n_patterns = c->watches ? watches_of(watches, c, facts->patterns) : 0;
	}
	return c != NULL;
}

static void on_lost_request(void *arg, struct pending_entry *entry)
{
	struct snapshot *snapshot = arg;
	answer_unavailable(&snapshot->worker->clients, snapshot->uplink, entry, OUTCOME_UNKNOWN);
}

static void on_session(struct worker *w, const struct inbox_record *record)
{
	struct snapshot snapshot = { .worker = w, .uplink = &w->clients.uplinks[record->link] };
	uplink_snapshot(snapshot.uplink, record->seq, next_announced, on_lost_request, &snapshot);
	queue_report_anew(&w->clients);
	if (w->clients.turn.index == 0) {
		revoked_tell(&w->clients.turn.edge->revoked, &snapshot.uplink->outbox);
	}
	if (edge_is_draining(w->clients.turn.edge)) {
		tell_state(w);
	}
}

static void on_drain(struct worker *w, const struct inbox_record *record)
{
	bool active = record->epoch != 0;
	if (w->stopping) {
		return; // which is at least as much
	}
	if (atomic_exchange(&w->clients.turn.edge->draining, active) != active) {
		log_info(active ? "draining" : "undrained", LOG_UINT("rate", record->seq));
	}
	if (active) {
		drain_begin(&w->drain, &w->clients,
			w->clients.turn.settings->conf.drain_timeout_ms / 2, record->seq);
	} else {
		drain_end(&w->drain, &w->clients);
	}
	tell_state(w);
}

static void on_record(struct worker *w, const struct inbox_record *record)
{
	CHECK(record->link < w->clients.turn.edge->n_links);
	if (record->kind == INBOX_ITEM) {
		answer_item(&w->clients, record);
	} else if (record->kind == INBOX_BROADCAST) {
		fanout_broadcast(&w->clients, record);
	} else {
		fanout_room(&w->clients, record);
	}
}

static void on_inbox(void *arg)
{
	struct worker *w = arg;
	struct inbox_record record;
	uint64_t marks[EDGE_LINKS_MAX] = { 0 };
	turn_touch(&w->clients.turn);
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
			on_record(w, &record);
		}
	}
	for (unsigned i = 0; i < EDGE_LINKS_MAX; i++) {
		if (marks[i] != 0) {
			uplink_consumed(&w->clients.uplinks[i], marks[i]);
		}
	}
	buf_reset(&w->records, w->records.cap);
}

// ---- the turn

static void observe_delivery(struct worker *w)
{
	if (w->clients.stamp_ms != 0) {
		int64_t took_ms = clock_wall_ms() - w->clients.stamp_ms;
		w->clients.stamp_ms = 0;
		histogram_observe_ns(&w->clients.turn.metrics.delivery,
			took_ms > 0 ? (uint64_t)took_ms * 1000000U : 0);
	}
}

// Writing can bring up new things to do (a connection broke, or may be read from again) and doing
// them new things to write. It ends because none of it reads: what is kept of the input is finite.
static void on_turn_end(void *arg)
{
	struct worker *w = arg;
	struct turn *t = &w->clients.turn;
	struct conn *c;
	bool bulk = true; // is still to be done
	if (w->inbox.unread) {
		on_inbox(w);
	}
	do {
		while ((c = TAILQ_FIRST(&t->deferred)) != NULL) {
			conn_run_deferred(c);
		}
		for (unsigned i = 0; i < t->edge->n_links; i++) {
			uplink_flush(&w->clients.uplinks[i]);
		}
		stream_group_flush_dirty(&t->streams);
		if (bulk) {
			stream_group_flush_bulk(&t->streams);
			bulk = false;
		}
		queue_relieve(&w->clients); // what is queued now waits for full sockets
	} while (!TAILQ_EMPTY(&t->deferred) || !TAILQ_EMPTY(&t->streams.dirty));
	if (!TAILQ_EMPTY(&t->streams.bulk)) {
		loop_skip_wait(t->loop);
	}
	observe_delivery(w);
	t->tls_steps = 0;
}

// ---- life

static const struct conn_ops conn_ops = {
	.on_proxy_readable = conn_on_proxy_readable,
	.on_request = conn_on_request,
	.on_abandoned = conn_on_abandoned,
	.on_message = conn_command,
	.on_api_input = api_on_input,
	.on_api_event = api_on_event,
	.on_api_timeout = api_on_timeout,
	.on_api_close = api_on_close,
	.api_is_busy = api_is_busy,
	.api_free = api_free,
	.to_event = sse_frame,
	.push_event_ping = sse_push_ping,
	.push_event_close = sse_push_close,
	.on_left = client_on_left,
	.on_queue_empty = queue_forget,
};

struct worker *worker_new(struct edge *edge, unsigned index)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	struct loop *loop = loop_new();
	w->loop = loop;
	turn_init(&w->clients.turn, edge, index, loop, &conn_stream_ops, &conn_ops);
	fib_init(&w->clients.fib);
	accept_init(&w->accept, &w->clients.turn);
	inbox_init(&w->inbox, loop, on_inbox, w);
	w->control = loop_wake_new(loop, on_control, w);
	loop_timer_init(loop, &w->tick, on_tick_timer, w);
	loop_at_turn_end(loop, on_turn_end, w);
	return w;
}

int worker_listen(struct worker *w, struct net_addr *addr, bool exclusive)
{
	return accept_listen(&w->accept, addr, exclusive);
}

int worker_listen_tls(struct worker *w, struct net_addr *addr, bool exclusive)
{
	return accept_listen_tls(&w->accept, addr, exclusive);
}

void worker_attach(struct worker *w, unsigned i, const struct uplink_ops *ops, void *link)
{
	CHECK(i < EDGE_LINKS_MAX);
	uplink_init(&w->clients.uplinks[i], ops, link, w->clients.turn.index);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	inbox_own(&w->inbox);
	w->clients.turn.streams.batch = send_batch_new();
	loop_run(w->loop);
	return NULL;
}

void worker_start(struct worker *w)
{
	loop_timer_start(&w->tick, WHEEL_TICK_MS);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		mem_exhausted(); // for its stack
	}
	w->started = true;
}

void worker_offer(struct worker *w, struct settings *settings)
{
	settings_unref(atomic_exchange(&w->clients.turn.offered, settings_ref(settings)));
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
	while ((c = conn_table_walk(&w->clients.turn.conns, &cursor)) != NULL) {
		conn_close(c, CLOSE_GOING_AWAY); // no effect on a client that a drain has closed
		stream_flush(&c->stream);
		conn_close(c, CLOSE_PEER_GONE); // with what its socket has taken of that
	}
	loop_stop(w->loop);
	loop_run(w->loop); // one turn, for what was put off to its end
}

void worker_free(struct worker *w)
{
	if (w == NULL) {
		return;
	}
	accept_stop(&w->accept);
	for (unsigned i = 0; i < w->clients.turn.edge->n_links; i++) {
		uplink_fini(&w->clients.uplinks[i]);
	}
	inbox_fini(&w->inbox);
	loop_timer_stop(&w->tick);
	loop_wake_free(w->control);
	loop_free(w->loop);
	watches_fini(&w->clients.watches);
	fib_fini(&w->clients.fib);
	link_arena_fini(&w->clients.arena);
	buf_fini(&w->records);
	drain_fini(&w->drain);
	turn_fini(&w->clients.turn);
	free(w);
}

struct loop *worker_loop(struct worker *w)
{
	return w->loop;
}

struct inbox *worker_inbox(struct worker *w)
{
	return &w->inbox;
}

struct watchdog_pulse *worker_pulse(struct worker *w)
{
	return &w->pulse;
}

const struct edge_metrics *worker_metrics(const struct worker *w)
{
	return &w->clients.turn.metrics;
}

struct clients *worker_clients(struct worker *w)
{
	return &w->clients;
}
