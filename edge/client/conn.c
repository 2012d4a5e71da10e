// One client's life. The state table below tells it in six rows: what input means in a state, what
// time does to it, and where it may go from there. conn_set_state() is the only writer of the
// state.
//
// Parsers never see the connection and the connection never parses: input goes to http_head and
// http_upgrade, then to ws_session, and their verdicts are obeyed. Reading stops, and what has been
// read is kept, while the client is owed more than half of what its queue may hold; so it cannot
// make us work faster than it takes the answers. What others send it has the whole queue, and past
// that the connection ends: a message is never left out silently.
//
// Ending takes three steps, because a Close frame that is followed by a TCP reset may never be
// read. CLOSING: the frame is queued and the peer's own is awaited. LINGER: what is left is
// written, our side of TCP is ended, and input is thrown away until the peer ends its side. DEAD:
// the descriptor is closed; memory goes when the turn is over, since callers up the stack still
// hold the pointer. The same holds for memberships: a connection may end in the middle of a
// delivery to its room, so it leaves the room's list at the end of the turn, not there and then.
//
// All deadlines are computed from times of the worker's clock, which stands still while the thread
// does. Output is gathered by a turn and written once at its end. The alternative for all of this,
// bufferevents, costs kilobytes a connection and has no idea of a shared frame.

#include "edge/client/conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/client/conn_deadline.h"
#include "edge/client/conn_parts.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/turn.h"
#include "edge/state/edge.h"
#include "edge/state/settings.h"
#include "edge/tls/transport.h"

enum {
	API_IDLE_MS = 75000, // a connection that has no request
	PINGS_PER_S = 20,
	PINGS_BURST = 100,
};

// ---- the state table

struct state_rule {
	const char *name;
	unsigned next; // states it may change to, as bits
	// Uses some of the input; returns how much. 0 and no change of state: what is there must
	// wait.
	size_t (*input)(struct conn *c, uint8_t *data, size_t len);
	uint64_t (*deadline)(const struct conn *c); // time of the worker's clock
	void (*on_timer)(struct conn *c);
};

static size_t upgrade_input(struct conn *c, uint8_t *data, size_t len);
static size_t api_input(struct conn *c, uint8_t *data, size_t len);
static size_t open_input(struct conn *c, uint8_t *data, size_t len);
static size_t closing_input(struct conn *c, uint8_t *data, size_t len);
static size_t ignore_input(struct conn *c, uint8_t *data, size_t len);
static void upgrade_timer(struct conn *c);
static void api_timer(struct conn *c);
static void open_timer(struct conn *c);

static const struct state_rule rules[CONN_STATE_COUNT] = {
	[CONN_PROXY] = {
		.name = "proxy",
		.next = 1 << CONN_UPGRADE | 1 << CONN_DEAD,
		.input = ignore_input, // reads by itself, see conn_ops.on_proxy_readable()
		.deadline = conn_request_deadline,
		.on_timer = upgrade_timer,
	},
	[CONN_UPGRADE] = {
		.name = "upgrade",
		.next = 1 << CONN_OPEN | 1 << CONN_API | 1 << CONN_LINGER | 1 << CONN_DEAD,
		.input = upgrade_input,
		.deadline = conn_request_deadline,
		.on_timer = upgrade_timer,
	},
	[CONN_API] = {
		.name = "api",
		.next = 1 << CONN_API | 1 << CONN_OPEN | 1 << CONN_LINGER | 1 << CONN_DEAD,
		.input = api_input,
		.deadline = conn_request_deadline,
		.on_timer = api_timer,
	},
	[CONN_OPEN] = {
		.name = "open",
		.next = 1 << CONN_CLOSING | 1 << CONN_DEAD,
		.input = open_input,
		.deadline = conn_open_deadline,
		.on_timer = open_timer,
	},
	[CONN_CLOSING] = {
		.name = "closing",
		.next = 1 << CONN_LINGER | 1 << CONN_DEAD,
		.input = closing_input,
		.deadline = conn_closing_deadline,
		.on_timer = conn_destroy,
	},
	[CONN_LINGER] = {
		.name = "linger",
		.next = 1 << CONN_DEAD,
		.input = ignore_input,
		.deadline = conn_linger_deadline,
		.on_timer = conn_destroy,
	},
	[CONN_DEAD] = { .name = "dead", .input = ignore_input },
};

static void defer(struct conn *c)
{
	if (!c->is_deferred) {
		c->is_deferred = true;
		TAILQ_INSERT_TAIL(&turn_of(c)->deferred, c, in_deferred);
	}
}

void conn_set_state(struct conn *c, enum conn_state state)
{
	CHECK((rules[c->state].next >> state & 1) != 0);
	log_debug("state", LOG_UINT("conn", c->number), LOG_STR("from", rules[c->state].name),
		LOG_STR("to", rules[state].name));
	c->state = (uint8_t)state;
	if (c->awaits_key) {
		key_wait_end(c);
		defer(c); // to read again
	}
	stream_count(&c->stream, conn_is_open(c));
	c->state_ms = turn_client_ms(turn_of(c));
	conn_rearm(c);
}

void conn_rearm(struct conn *c)
{
	if (rules[c->state].deadline == NULL) {
		wheel_cancel(&c->timer);
	} else {
		wheel_set(&turn_of(c)->wheel, &c->timer, rules[c->state].deadline(c));
	}
}

void conn_on_timer(struct conn *c)
{
	if (rules[c->state].deadline(c) <= turn_client_ms(turn_of(c))) {
		rules[c->state].on_timer(c);
	}
	if (c->state != CONN_DEAD) {
		conn_rearm(c);
	}
}

// ---- small things

static const struct edge_conf *conf_of(const struct conn *c)
{
	return &turn_of(c)->settings->conf;
}

static bool is_upgrading(const struct conn *c)
{
	return c->state == CONN_PROXY || c->state == CONN_UPGRADE;
}

// ---- output

// Queues a frame of any kind in any state, taking over one reference.
static void push_control(struct conn *c, enum ws_opcode opcode, struct bytes payload)
{
	struct frame *f = frame_new(opcode, payload);
	f->type = FRAME_CONTROL;
	stream_push(&c->stream, f, false);
}

void conn_push_raw(struct conn *c, struct bytes bytes)
{
	struct frame *f = frame_new_raw(bytes);
	f->type = FRAME_CONTROL;
	stream_push(&c->stream, f, false);
}

static void queue_frame(struct conn *c, struct frame *f, bool bulk)
{
	if (!conn_is_open(c)) {
		frame_unref(f);
		return;
	}
	if (c->events || c->compressed) {
		f = conn_dress(c, f);
	}
	bool has_policy = f->origin != NULL;
	stream_push(&c->stream, f, bulk);
	if ((has_policy || c->stream.out.bytes > conf_of(c)->queue_limit) && !conn_make_room(c)) {
		conn_close(c, CLOSE_SLOW_CONSUMER);
	}
}

void conn_send(struct conn *c, struct frame *f)
{
	queue_frame(c, f, false);
}

void conn_send_bulk(struct conn *c, struct frame *f)
{
	queue_frame(c, f, true);
}

void conn_send_event(struct conn *c, const struct client_event *event)
{
	if (c->state == CONN_API) {
		turn_of(c)->conn_ops->on_api_event(c, event);
	} else if (conn_is_open(c)) {
		conn_send(c, turn_render(turn_of(c), (enum codec_id)c->codec, event));
	}
}

void conn_send_error(struct conn *c, enum client_error error, enum outcome outcome, struct bytes id,
	struct bytes room)
{
	conn_send_refusal(c,
		&(struct client_event){
			.error = error,
			.outcome = outcome,
			.id = id,
			.room = room,
		});
}

void conn_send_refusal(struct conn *c, const struct client_event *refusal)
{
	struct client_event event = *refusal;
	event.kind = EVENT_ERROR;
	counter_add(&turn_of(c)->metrics.rejected[event.error], 1);
	conn_send_event(c, &event);
}

void conn_push_pong(struct conn *c)
{
	if (c->pong != NULL && !c->pong_queued) {
		c->pong_queued = true;
		stream_push(&c->stream, c->pong, false);
		c->pong = NULL;
	}
}

void conn_step_ending(struct conn *c)
{
	if (stream_has_output(&c->stream)) {
		return;
	}
	if (c->state == CONN_CLOSING && c->close_seen) {
		conn_set_state(c, CONN_LINGER);
	}
	if (c->state == CONN_LINGER && !c->shut) {
		c->shut = stream_end(&c->stream) == 0;
		if (!c->shut) {
			return;
		}
	}
	if (c->state == CONN_LINGER && c->eof) {
		conn_destroy(c);
	}
}

// ---- the end

static void conn_free(void *arg)
{
	struct conn *c = arg;
	CHECK(!c->is_deferred);
	ws_session_fini(&c->ws);
	buf_fini(&c->in);
	turn_of(c)->conn_ops->api_free(c->api);
	frame_unref(c->pong);
	identity_fini(&c->identity);
	stream_fini(&c->stream);
	free(c);
}

void conn_destroy(struct conn *c)
{
	struct turn *t = turn_of(c);
	if (c->state == CONN_DEAD) {
		return;
	}
	if (c->state == CONN_API && c->was_open) {
		defer(c);
	}
	conn_set_state(c, CONN_DEAD);
	if (c->counted) {
		edge_release(t->edge, &c->address, t->mono_ms);
	}
	loop_io_stop(&c->read_io);
	stream_close(&c->stream);
	atomic_fetch_sub_explicit(&t->edge->n_sockets, 1, memory_order_relaxed);
	conn_table_remove(&t->conns, c->handle);
	loop_defer(t->loop, conn_free, c);
}

void conn_enter_open(struct conn *c)
{
	struct turn *t = turn_of(c);
	c->was_open = true;
	c->opened_ms = turn_client_ms(t);
	c->ping_ms = turn_client_ms(t) + conf_of(c)->heartbeat_interval_ms;
	counter_add(&t->metrics.connections, 1);
	atomic_fetch_add_explicit(&t->edge->n_open, 1, memory_order_relaxed);
	atomic_fetch_add(&t->edge->codec_use.n[c->codec], 1);
	conn_log_opened(c);
}

// Counts and reports the end of an open connection, once.
static void leave_open(struct conn *c)
{
	struct turn *t = turn_of(c);
	struct edge_metrics *m = &t->metrics;
	counter_add(&m->closes[c->reason], 1);
	if (!c->was_open) {
		return;
	}
	defer(c);
	counter_sub(&m->connections, 1);
	atomic_fetch_sub_explicit(&t->edge->n_open, 1, memory_order_relaxed);
	atomic_fetch_sub(&t->edge->codec_use.n[c->codec], 1);
	histogram_observe_ns(&m->duration, (turn_client_ms(t) - c->opened_ms) * 1000000U);
	conn_log_closed(c);
	record_closed(c);
}

// Ends an open connection with a Close frame of this payload.
static void close_open(struct conn *c, enum close_reason reason, struct bytes payload)
{
	c->reason = (uint8_t)reason;
	leave_open(c);
	if (reason == CLOSE_SLOW_CONSUMER) {
		stream_drop(&c->stream, true);
	}
	if (c->events) {
		turn_of(c)->conn_ops->push_event_close(c, reason);
		c->close_seen = true;
	} else {
		push_control(c, WS_CLOSE, payload);
	}
	conn_set_state(c, CONN_CLOSING);
}

static void close_with_cause(struct conn *c, enum close_reason reason, const char *cause)
{
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	size_t len = close_reason_payload(reason, cause, payload);
	close_open(c, reason, bytes_make(payload, len));
}

void conn_close(struct conn *c, enum close_reason reason)
{
	const struct close_rule *rule = close_reason_rule(reason);
	if (is_upgrading(c)) {
		turn_of(c)->conn_ops->on_abandoned(c, reason);
	} else if (c->state == CONN_API && rule->code != 0) {
		turn_of(c)->conn_ops->on_api_close(c);
	} else if (rule->code == 0) {
		if (conn_is_open(c)) {
			c->reason = (uint8_t)reason;
			leave_open(c);
		}
		conn_destroy(c);
	} else if (conn_is_open(c)) {
		close_with_cause(c, reason, NULL);
	}
}

void conn_close_saying(struct conn *c, enum close_reason reason, struct bytes text)
{
	if (!conn_is_open(c) || close_reason_rule(reason)->code == 0) {
		conn_close(c, reason);
		return;
	}
	uint8_t payload[CLOSE_PAYLOAD_MAX];
	size_t len = close_reason_payload_saying(reason, text, payload);
	close_open(c, reason, bytes_make(payload, len));
}

void conn_close_for_token(struct conn *c, const char *cause)
{
	if (conn_is_open(c)) {
		close_with_cause(c, CLOSE_INVALID_TOKEN, cause);
	}
}

// ---- input

static bool input_is_held(const struct conn *c)
{
	return out_queue_firm_bytes(&c->stream.out) >= conf_of(c)->queue_limit / 2 || c->leaving ||
		(c->account.n_recoveries > 0 && turn_of(c)->link_up);
}

static bool wants_input(const struct conn *c)
{
	bool held = c->awaits_key || (conn_is_open(c) && input_is_held(c)) ||
		(c->state == CONN_API && turn_of(c)->conn_ops->api_is_busy(c));
	return c->state != CONN_DEAD && !c->eof && !held;
}

static void on_readable(evutil_socket_t fd, short what, void *arg);

static void set_reading(struct conn *c, bool on)
{
	if (c->reading == on) {
		return;
	}
	c->reading = on;
	if (on) {
		c->rx_ms = turn_client_ms(turn_of(c)); // silence counts from here
		loop_io_start(turn_of(c)->loop, &c->read_io, c->stream.fd, LOOP_READ, on_readable,
			c);
		conn_rearm(c);
	} else {
		loop_io_stop(&c->read_io);
	}
}

void conn_resume_input(struct conn *c)
{
	if (c->in.len > 0) {
		defer(c);
	} else {
		conn_review_input(c);
	}
}

void conn_review_input(struct conn *c)
{
	if (c->state == CONN_DEAD) {
		return;
	}
	bool wants = wants_input(c);
	if (wants && c->in.len > 0 && conn_is_open(c)) {
		defer(c); // what is kept comes first; elsewhere it is an incomplete request
	} else {
		set_reading(c, wants);
	}
}

// Hands input to the state's parser, step by step; returns how much was used.
static size_t feed(struct conn *c, uint8_t *data, size_t len)
{
	size_t at = 0;
	while (at < len) {
		uint8_t state = c->state;
		size_t used = rules[state].input(c, data + at, len - at);
		at += used;
		if (used == 0 && c->state == state) {
			break;
		}
	}
	if (!ws_session_mid_message(&c->ws)) {
		c->message_ms = 0;
	} else if (c->message_ms == 0) {
		c->message_ms = turn_client_ms(turn_of(c));
		conn_rearm(c);
	}
	return at;
}

static void feed_kept(struct conn *c)
{
	size_t used = feed(c, c->in.data, c->in.len);
	buf_consume(&c->in, used);
	if (c->in.len == 0) {
		buf_fini(&c->in);
	}
}

static void take_input(struct conn *c, uint8_t *data, size_t len)
{
	if (c->in.len > 0) {
		buf_append(&c->in, data, len);
		feed_kept(c);
		return;
	}
	size_t used = feed(c, data, len);
	buf_append(&c->in, data + used, len - used);
}

static void on_eof(struct conn *c)
{
	c->eof = true;
	if (c->state != CONN_LINGER) {
		conn_close(c, CLOSE_PEER_GONE);
	} else if (c->shut) {
		conn_destroy(c);
	}
	conn_review_input(c);
}

// TLS could not be agreed on, or what came was no TLS. The peer got an alert; it is left time
// to read it. A stream that breaks later is just broken.
static void on_tls_failure(struct conn *c, bool opening)
{
	char address[NET_IP_TEXT_MAX];
	log_debug("tls_failed", LOG_BYTES("address", conn_address(c, address)),
		LOG_STR("reason", transport_fault(c->stream.tls)));
	if (opening && c->state == CONN_UPGRADE) {
		counter_add(&turn_of(c)->metrics.handshakes[HANDSHAKE_TLS], 1);
		conn_set_state(c, CONN_LINGER);
		conn_step_ending(c);
	} else {
		on_eof(c);
	}
}

// What TLS makes of input beside data for us: things of its own to send, an end, a fault.
static void review_tls(struct conn *c, bool was_opening)
{
	if (c->state == CONN_DEAD) {
		return;
	}
	if (transport_owes(c->stream.tls)) {
		stream_wait_writable(&c->stream);
	}
	if (transport_fault(c->stream.tls) != NULL && c->state != CONN_LINGER) {
		on_tls_failure(c, was_opening);
	} else if (transport_at_end(c->stream.tls)) {
		on_eof(c);
	}
}

static void read_some(struct conn *c)
{
	struct turn *t = turn_of(c);
	uint8_t *data;
	ssize_t got = transport_read(c->stream.fd, c->stream.tls, &t->streams.buffers, &data);
	if (got > 0) {
		c->rx_ms = turn_client_ms(t);
		counter_add(&t->metrics.bytes_in, (uint64_t)got);
		take_input(c, data, (size_t)got);
	} else if (got != -EAGAIN) {
		on_eof(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	bool opening = transport_is_opening(c->stream.tls);
	(void)fd;
	(void)what;
	turn_touch(turn_of(c));
	if (c->state == CONN_PROXY) {
		turn_of(c)->conn_ops->on_proxy_readable(c);
		return;
	}
	// What is not read now makes the socket ready in the next turn as well.
	if (opening && !turn_may_open_tls(turn_of(c))) {
		return;
	}
	read_some(c);
	if (c->stream.tls != NULL) {
		review_tls(c, opening);
	}
	conn_review_input(c);
}

void conn_run_deferred(struct conn *c)
{
	c->is_deferred = false;
	TAILQ_REMOVE(&turn_of(c)->deferred, c, in_deferred);
	if (c->was_open && !conn_takes_answers(c)) {
		c->was_open = false;
		turn_of(c)->conn_ops->on_left(c);
	}
	if (wants_input(c) && c->in.len > 0) {
		feed_kept(c);
	}
	conn_review_input(c);
}

static size_t ignore_input(struct conn *c, uint8_t *data, size_t len)
{
	(void)c;
	(void)data;
	return len;
}

// ---- before the WebSocket

static size_t upgrade_input(struct conn *c, uint8_t *data, size_t len)
{
	return turn_of(c)->conn_ops->on_request(c, data, len);
}

static void upgrade_timer(struct conn *c)
{
	conn_close(c, CLOSE_HANDSHAKE_TIMEOUT);
}

// ---- the HTTP API

static size_t api_input(struct conn *c, uint8_t *data, size_t len)
{
	size_t used = turn_of(c)->conn_ops->on_api_input(c, data, len);
	if (used == 0 && c->in.len == 0 && c->state == CONN_API) {
		c->state_ms = turn_client_ms(turn_of(c)); // a request begins to arrive
		conn_rearm(c);
	}
	return used;
}

// A request has its time to arrive; a connection without one may stay for a while, and one whose
// request is being answered for as long as that takes.
static void api_timer(struct conn *c)
{
	uint64_t now = turn_client_ms(turn_of(c));
	bool busy = turn_of(c)->conn_ops->api_is_busy(c);
	if (!busy && (c->in.len > 0 || c->rx_ms + API_IDLE_MS <= now)) {
		turn_of(c)->conn_ops->on_api_timeout(c);
	} else {
		c->state_ms = now;
	}
}

// ---- the WebSocket

static void on_ping(struct conn *c, struct bytes payload)
{
	if (!rate_take(&c->ping_rate, PINGS_PER_S, PINGS_BURST, 1, turn_client_ms(turn_of(c)))) {
		conn_close(c, CLOSE_POLICY);
		return;
	}
	if (c->pong_queued) {
		stream_flush(&c->stream);
	}
	if (!conn_is_open(c)) {
		return;
	}
	// RFC 6455 section 5.5.3: of several pings not answered yet the last one is enough.
	frame_unref(c->pong);
	c->pong = frame_new(WS_PONG, payload);
	c->pong->type = FRAME_PONG;
	conn_push_pong(c);
}

// The peer ends the connection: its code is echoed.
static void on_peer_close(struct conn *c, unsigned code)
{
	const uint8_t echo[2] = { (uint8_t)(code >> 8), (uint8_t)(code & 0xff) };
	c->close_seen = true;
	close_open(c, code == WS_CLOSE_GOING_AWAY ? CLOSE_GOING_AWAY : CLOSE_NORMAL,
		bytes_make(echo, code == WS_CLOSE_NO_STATUS ? 0 : sizeof(echo)));
}

static void on_message(struct conn *c, const struct ws_event *event)
{
	c->message_ms = 0;
	if (event->opcode == (conn_codec(c)->binary ? WS_BINARY : WS_TEXT)) {
		turn_of(c)->conn_ops->on_message(c, event->payload);
	} else {
		conn_close(c, CLOSE_UNSUPPORTED_DATA);
	}
}

static const struct ws_limits *limits_of(const struct conn *c)
{
	const struct turn *t = turn_of(c);
	return c->compressed ? &t->packed_limits : &t->edge->ws_limits;
}

static size_t open_input(struct conn *c, uint8_t *data, size_t len)
{
	if (c->events) {
		return len; // it has nothing to say
	}
	if (c->awaits_key || input_is_held(c)) {
		return 0;
	}
	size_t used;
	struct ws_event event = ws_session_next(&c->ws, limits_of(c), data, len, &used);
	switch (event.kind) {
	case WS_EVENT_NONE:
	case WS_EVENT_PONG:
		break;
	case WS_EVENT_MESSAGE:
		on_message(c, &event);
		break;
	case WS_EVENT_PING:
		on_ping(c, event.payload);
		break;
	case WS_EVENT_CLOSE:
		on_peer_close(c, event.code);
		break;
	case WS_EVENT_FAIL:
		c->close_seen = true; // no Close can be found in what follows
		conn_close(c, close_reason_of_failure(event.code));
		break;
	}
	return used;
}

// All that still matters is the peer's Close, or that there will be none.
static size_t closing_input(struct conn *c, uint8_t *data, size_t len)
{
	if (c->close_seen) {
		return len;
	}
	size_t used;
	struct ws_event event = ws_session_next(&c->ws, limits_of(c), data, len, &used);
	if (event.kind == WS_EVENT_CLOSE || event.kind == WS_EVENT_FAIL) {
		c->close_seen = true;
		conn_step_ending(c);
	}
	return used;
}

// ---- time

static void tell_expiry(struct conn *c)
{
	int64_t left_ms = c->identity.expires_s * 1000 - clock_wall_ms();
	c->expiry_told = true;
	conn_send_event(c,
		&(struct client_event){
			.kind = EVENT_TOKEN_EXPIRING,
			.expires_s = left_ms > 0 ? (left_ms + 999) / 1000 : 0,
		});
}

static void open_timer(struct conn *c)
{
	const struct edge_conf *conf = conf_of(c);
	uint64_t now = turn_client_ms(turn_of(c));
	bool expires = c->identity.expires_s != 0 && conn_expiry_deadline(c) <= now;
	if (expires && c->expiry_told) {
		conn_close(c, CLOSE_TOKEN_EXPIRED);
	} else if (c->reading && !c->events && c->rx_ms + conf->heartbeat_timeout_ms <= now) {
		conn_close(c, CLOSE_HEARTBEAT);
	} else if (c->message_ms != 0 && c->message_ms + MESSAGE_TIMEOUT_MS <= now) {
		conn_close(c, CLOSE_POLICY);
	} else if (c->stream.blocked != NULL &&
		c->stream.progress_ms + conf->slow_timeout_ms <= now) {
		conn_close(c, CLOSE_SLOW_CONSUMER);
	} else if (expires) {
		tell_expiry(c);
	}
	if (conn_is_open(c) && c->ping_ms <= now) {
		c->ping_ms = now + conf->heartbeat_interval_ms;
		if (c->events) {
			turn_of(c)->conn_ops->push_event_ping(c);
		} else {
			push_control(c, WS_PING, bytes_make(NULL, 0));
		}
	}
}

// ---- the beginning

struct conn *conn_new(struct turn *turn, int fd, struct net_ip peer, enum admission admission,
	bool counted)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	stream_init(&c->stream, &turn->streams, fd);
	c->address = peer;
	c->admission = (uint8_t)admission;
	c->counted = counted;
	c->state = turn->settings->conf.proxy_protocol ? CONN_PROXY : CONN_UPGRADE;
	c->state_ms = turn_client_ms(turn);
	c->number = turn->next_number;
	turn->next_number += turn->edge->n_workers;
	c->handle = conn_table_add(&turn->conns, c);
	ws_session_init(&c->ws);
	LIST_INIT(&c->account.rooms);
	atomic_fetch_add_explicit(&turn->edge->n_sockets, 1, memory_order_relaxed);
	set_reading(c, true);
	return c;
}

void conn_start_tls(struct conn *c, struct tls_stream *tls)
{
	CHECK(is_upgrading(c));
	stream_start_tls(&c->stream, tls);
}
