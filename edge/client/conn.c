// One client's life. The state table below tells it in six rows: what input means in a state, what
// time does to it, and where it may go from there. conn_set_state() is the only writer of the state.
//
// Parsers never see the connection and the connection never parses: input goes to http_head and
// http_upgrade, then to ws_session, and their verdicts are obeyed. Reading stops, and what has been
// read is kept, while the client is owed more than half of what its queue may hold; so it cannot make
// us work faster than it takes the answers. What others send it has the whole queue, and past that
// the connection ends: a message is never left out silently.
//
// Ending takes three steps, because a Close frame that is followed by a TCP reset may never be read.
// CLOSING: the frame is queued and the peer's own is awaited. LINGER: what is left is written, our
// side of TCP is ended, and input is thrown away until the peer ends its side. DEAD: the descriptor
// is closed; memory goes when the turn is over, since callers up the stack still hold the pointer.
// The same holds for memberships: a connection may end in the middle of a delivery to its room, so it
// leaves the room's list at the end of the turn, not there and then.
//
// All deadlines are computed from times of the worker's clock, which stands still while the thread
// does. Output is gathered by a turn and written once at its end. The alternative for all of this,
// bufferevents, costs kilobytes a connection and has no idea of a shared frame.

#include "edge/client/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/client/conn_command.h"
#include "edge/client/worker.h"
#include "edge/http/http_page.h"
#include "edge/http/proxy_header.h"
#include "edge/tls/transport.h"

enum {
	CLOSE_TIMEOUT_MS = 5000,
	LINGER_TIMEOUT_MS = 2000,
	MESSAGE_TIMEOUT_MS = 30000, // for all fragments of one message
	EXPIRY_NOTICE_MS = 30000,
	PINGS_PER_S = 20,
	PINGS_BURST = 100,
	RETRY_AFTER_S = 5,
	WRITE_IOV_MAX = 64,
	// Beside the message types, for frames that no counter is for.
	FRAME_CONTROL = UINT32_MAX,
	FRAME_PONG = UINT32_MAX - 1,
};

// ---- the state table

struct state_rule {
	const char *name;
	unsigned next; // states it may change to, as bits
	// Uses some of the input; returns how much. 0 and no change of state: what is there must wait.
	size_t (*input)(struct conn *c, uint8_t *data, size_t len);
	uint64_t (*deadline)(const struct conn *c); // time of the worker's clock
	void (*on_timer)(struct conn *c);
};

static size_t upgrade_input(struct conn *c, uint8_t *data, size_t len);
static size_t open_input(struct conn *c, uint8_t *data, size_t len);
static size_t closing_input(struct conn *c, uint8_t *data, size_t len);
static size_t ignore_input(struct conn *c, uint8_t *data, size_t len);
static uint64_t upgrade_deadline(const struct conn *c);
static uint64_t open_deadline(const struct conn *c);
static uint64_t closing_deadline(const struct conn *c);
static uint64_t linger_deadline(const struct conn *c);
static void upgrade_timer(struct conn *c);
static void open_timer(struct conn *c);
static void die(struct conn *c);

static const struct state_rule rules[CONN_STATE_COUNT] = {
	[CONN_PROXY] = {
		.name = "proxy",
		.next = 1 << CONN_UPGRADE | 1 << CONN_DEAD,
		.input = ignore_input, // reads by itself, see read_proxy_header()
		.deadline = upgrade_deadline,
		.on_timer = upgrade_timer,
	},
	[CONN_UPGRADE] = {
		.name = "upgrade",
		.next = 1 << CONN_OPEN | 1 << CONN_LINGER | 1 << CONN_DEAD,
		.input = upgrade_input,
		.deadline = upgrade_deadline,
		.on_timer = upgrade_timer,
	},
	[CONN_OPEN] = {
		.name = "open",
		.next = 1 << CONN_CLOSING | 1 << CONN_DEAD,
		.input = open_input,
		.deadline = open_deadline,
		.on_timer = open_timer,
	},
	[CONN_CLOSING] = {
		.name = "closing",
		.next = 1 << CONN_LINGER | 1 << CONN_DEAD,
		.input = closing_input,
		.deadline = closing_deadline,
		.on_timer = die,
	},
	[CONN_LINGER] = {
		.name = "linger",
		.next = 1 << CONN_DEAD,
		.input = ignore_input,
		.deadline = linger_deadline,
		.on_timer = die,
	},
	[CONN_DEAD] = { .name = "dead", .input = ignore_input },
};

const char *conn_state_name(enum conn_state state)
{
	CHECK(state < CONN_STATE_COUNT);
	return rules[state].name;
}

static void conn_log(const struct conn *c, enum log_level level, const char *event)
{
	char id[CLIENT_ID_MAX];
	char address[NET_IP_TEXT_MAX];
	LOG_AT(level, event, LOG_BYTES("conn", conn_client_id(c, id)),
		LOG_BYTES("address", conn_address(c, address)), LOG_STR("user", c->identity.user),
		LOG_STR("reason", close_reason_rule((enum close_reason)c->reason)->name),
		LOG_UINT("queued", c->out.bytes));
}

static void conn_set_state(struct conn *c, enum conn_state state)
{
	struct backlog *backlog = &c->worker->backlog;
	CHECK((rules[c->state].next >> state & 1) != 0);
	log_debug("state", LOG_UINT("conn", c->number), LOG_STR("from", rules[c->state].name),
		LOG_STR("to", rules[state].name));
	if (conn_is_open(c)) {
		backlog_leave(backlog, c->blocked, c->out.bytes);
	}
	c->state = (uint8_t)state;
	if (conn_is_open(c)) {
		backlog_enter(backlog, c->blocked, c->out.bytes);
	}
	c->state_ms = worker_now(c->worker);
	conn_rearm(c);
}

void conn_rearm(struct conn *c)
{
	if (rules[c->state].deadline == NULL) {
		wheel_cancel(&c->timer);
	} else {
		wheel_set(&c->worker->wheel, &c->timer, rules[c->state].deadline(c));
	}
}

void conn_on_timer(struct conn *c)
{
	if (rules[c->state].deadline(c) <= worker_now(c->worker)) {
		rules[c->state].on_timer(c);
	}
	if (c->state != CONN_DEAD) {
		conn_rearm(c);
	}
}

// ---- small things

static const struct edge_conf *conf_of(const struct conn *c)
{
	return &c->worker->settings->conf;
}

struct bytes conn_client_id(const struct conn *c, char out[CLIENT_ID_MAX])
{
	int len = snprintf(out, CLIENT_ID_MAX, "%s-%llu", c->worker->edge->instance,
		(unsigned long long)c->number);
	CHECK(len > 0 && len < CLIENT_ID_MAX);
	return bytes_make(out, (size_t)len);
}

struct bytes conn_address(const struct conn *c, char out[NET_IP_TEXT_MAX])
{
	net_ip_format(&c->address, out);
	return bytes_str(out);
}

// Not kept but reckoned: whoever sets the clock means the past as well.
int64_t conn_since_wall_ms(const struct conn *c)
{
	return clock_wall_ms() - (int64_t)(worker_now(c->worker) - c->opened_ms);
}

struct rights_subject conn_subject(const struct conn *c)
{
	return (struct rights_subject){
		.user = bytes_str(c->identity.user),
		.admin = c->identity.admin,
		.rights = c->identity.rights,
	};
}

static bool is_upgrading(const struct conn *c)
{
	return c->state == CONN_PROXY || c->state == CONN_UPGRADE;
}

static void put_on_agenda(struct conn *c)
{
	if (!c->on_agenda) {
		c->on_agenda = true;
		TAILQ_INSERT_TAIL(&c->worker->agenda, c, in_agenda);
	}
}

// ---- output

static void note_progress(struct conn *c)
{
	c->progress_ms = worker_now(c->worker);
	if (c->blocked != NULL && conn_is_open(c)) {
		backlog_touch(&c->worker->backlog, c->blocked);
	}
}

// The queue holds so much less.
static void note_gone(struct conn *c, size_t len)
{
	counter_sub(&c->worker->metrics.queue_bytes, len);
	if (conn_is_open(c)) {
		c->worker->backlog.bytes -= len;
	}
}

static struct conn_list *dirty_list(struct conn *c)
{
	return c->dirty == CONN_IN_CROWD ? &c->worker->crowd : &c->worker->dirty;
}

static void leave_dirty(struct conn *c)
{
	if (c->dirty != CONN_CLEAN) {
		TAILQ_REMOVE(dirty_list(c), c, in_dirty);
		c->dirty = CONN_CLEAN;
	}
}

// Who also gets something of its own does not wait with the crowd.
static void become_dirty(struct conn *c, bool with_crowd)
{
	if (c->dirty == CONN_DIRTY || (c->dirty == CONN_IN_CROWD && with_crowd)) {
		return;
	}
	leave_dirty(c);
	c->dirty = with_crowd ? CONN_IN_CROWD : CONN_DIRTY;
	TAILQ_INSERT_TAIL(dirty_list(c), c, in_dirty);
}

// Queues a frame of any kind in any state, taking over one reference.
static void push(struct conn *c, struct frame *f)
{
	struct worker *w = c->worker;
	if (c->out.n == 0) {
		note_progress(c);
	}
	counter_add(&w->metrics.queue_bytes, f->len);
	if (conn_is_open(c)) {
		w->backlog.bytes += f->len;
	}
	out_queue_push(&c->out, f);
	// While the socket is full the write event carries on; nothing is to be tried before.
	if (c->blocked == NULL) {
		become_dirty(c, w->to_crowd);
	}
}

static void push_control(struct conn *c, enum ws_opcode opcode, struct bytes payload)
{
	struct frame *f = frame_new(opcode, payload);
	f->type = FRAME_CONTROL;
	push(c, f);
}

void conn_send(struct conn *c, struct frame *f)
{
	if (!conn_is_open(c)) {
		frame_unref(f);
		return;
	}
	if (c->compressed) {
		struct frame *packed = packer_run(&c->worker->packer, f);
		frame_unref(f);
		f = packed;
	}
	push(c, f);
	if (c->out.bytes > conf_of(c)->queue_limit) {
		conn_close(c, CLOSE_SLOW_CONSUMER);
	}
}

void conn_send_event(struct conn *c, const struct client_event *event)
{
	if (conn_is_open(c)) {
		conn_send(c, worker_render(c->worker, event));
	}
}

void conn_send_error(struct conn *c, enum client_error error, enum outcome outcome, struct bytes id,
	struct bytes room)
{
	counter_add(&c->worker->metrics.rejected[error], 1);
	conn_send_event(c,
		&(struct client_event){
			.kind = EVENT_ERROR,
			.error = error,
			.outcome = outcome,
			.id = id,
			.room = room,
		});
}

static void push_waiting_pong(struct conn *c)
{
	if (c->pong != NULL && !c->pong_queued) {
		c->pong_queued = true;
		push(c, c->pong);
		c->pong = NULL;
	}
}

static void on_frame_sent(const struct frame *f, void *arg)
{
	struct conn *c = arg;
	struct edge_metrics *m = &c->worker->metrics;
	if (f->type == FRAME_PONG) {
		c->pong_queued = false;
	} else if (f->type < m->n_types) {
		counter_add(&m->sent[f->type], 1);
	}
}

static void on_frame_dropped(const struct frame *f, void *arg)
{
	struct conn *c = arg;
	struct edge_metrics *m = &c->worker->metrics;
	if (f->type == FRAME_PONG) {
		c->pong_queued = false;
	} else if (f->type < m->n_types) {
		counter_add(&m->dropped[c->reason], 1);
	}
}

// Drops what is queued; with `keep_begun` the rest of a frame that is out in part stays, because
// nothing else can be sent before it ends.
static void drop_queue(struct conn *c, bool keep_begun)
{
	size_t before = c->out.bytes;
	out_queue_drop(&c->out, keep_begun, on_frame_dropped, c);
	note_gone(c, before - c->out.bytes);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	(void)fd;
	(void)what;
	worker_touch(c->worker);
	conn_flush(c);
}

static void wait_for_socket(struct conn *c)
{
	if (c->blocked != NULL) {
		return;
	}
	c->blocked = xcalloc(1, sizeof(*c->blocked));
	c->blocked->conn = c;
	loop_io_start(c->worker->loop, &c->blocked->io, c->fd, LOOP_WRITE, on_writable, c);
	if (conn_is_open(c)) {
		backlog_enter(&c->worker->backlog, c->blocked, 0);
	}
	conn_rearm(c);
}

static void stop_waiting_for_socket(struct conn *c)
{
	if (c->blocked == NULL) {
		return;
	}
	if (conn_is_open(c)) {
		backlog_leave(&c->worker->backlog, c->blocked, 0);
		backlog_forget(c->worker, c->blocked);
	}
	loop_io_stop(&c->blocked->io);
	free(c->blocked);
	c->blocked = NULL;
}

static bool has_output(const struct conn *c)
{
	return c->out.n > 0 || transport_owes(c->tls);
}

static void count_sent(struct conn *c, size_t sent)
{
	struct edge_metrics *m = &c->worker->metrics;
	note_progress(c);
	note_gone(c, sent);
	counter_add(&m->bytes_out, sent);
	out_queue_advance(&c->out, sent, on_frame_sent, c);
	push_waiting_pong(c);
}

// Writes until nothing is left or the socket is full. False if the connection broke.
static bool write_queue(struct conn *c)
{
	struct iovec iov[WRITE_IOV_MAX];
	while (has_output(c)) {
		int n = out_queue_iov(&c->out, iov, WRITE_IOV_MAX);
		ssize_t sent = transport_write(c->fd, c->tls, &c->worker->buffers, iov, n);
		if (sent == -EAGAIN) {
			wait_for_socket(c);
			return true;
		}
		if (sent < 0) {
			return false;
		}
		count_sent(c, (size_t)sent);
	}
	stop_waiting_for_socket(c);
	return true;
}

// Goes on with an end that waited for the queue to empty.
static void step_ending(struct conn *c)
{
	if (has_output(c)) {
		return;
	}
	if (c->state == CONN_CLOSING && c->close_seen) {
		conn_set_state(c, CONN_LINGER);
	}
	if (c->state == CONN_LINGER && !c->shut) {
		c->shut = transport_end(c->fd, c->tls) == 0;
		if (!c->shut) {
			wait_for_socket(c);
			return;
		}
	}
	if (c->state == CONN_LINGER && c->eof) {
		die(c);
	}
}

void conn_flush(struct conn *c)
{
	leave_dirty(c);
	if (c->state == CONN_DEAD) {
		return;
	}
	if (!write_queue(c)) {
		conn_close(c, CLOSE_PEER_GONE);
		return;
	}
	step_ending(c);
	conn_review_input(c);
}

bool conn_offer(struct conn *c, struct send_batch *batch)
{
	// A longer queue is one call for many frames already.
	if (c->state == CONN_DEAD || c->blocked != NULL || c->out.n == 0 ||
		c->out.n > SEND_BATCH_FRAMES_MAX || transport_owes(c->tls) ||
		send_batch_is_full(batch)) {
		return false;
	}
	struct iovec iov[SEND_BATCH_FRAMES_MAX];
	int n = out_queue_iov(&c->out, iov, SEND_BATCH_FRAMES_MAX);
	if (c->tls != NULL) {
		struct bytes sealed;
		ssize_t taken = tls_stream_seal(c->tls, iov, n, c->worker->buffers.record, &sealed);
		if (taken < 0) {
			return false;
		}
		count_sent(c, (size_t)taken);
		iov[0] = (struct iovec){ (uint8_t *)sealed.data, sealed.len };
		n = 1;
	}
	send_batch_add(batch, c->fd, iov, n, c);
	leave_dirty(c);
	return true;
}

void conn_on_sent(void *arg, ssize_t sent)
{
	struct conn *c = arg;
	if (c->state == CONN_DEAD) {
		return; // another one's end was its end too
	}
	if (sent > 0 && c->tls != NULL) {
		tls_stream_sent(c->tls, (size_t)sent);
	} else if (sent > 0) {
		count_sent(c, (size_t)sent);
	}
	conn_flush(c); // what is left, or how it failed
}

// ---- the end

static void conn_free(void *arg)
{
	struct conn *c = arg;
	CHECK(c->dirty == CONN_CLEAN && !c->on_agenda);
	ws_session_fini(&c->ws);
	buf_fini(&c->in);
	frame_unref(c->pong);
	identity_fini(&c->identity);
	tls_stream_free(c->tls);
	free(c);
}

// Closes the descriptor; the rest goes when the turn is over.
static void die(struct conn *c)
{
	struct worker *w = c->worker;
	if (c->state == CONN_DEAD) {
		return;
	}
	conn_set_state(c, CONN_DEAD);
	if (c->counted) {
		edge_release(w->edge, &c->address, w->touched_ms);
	}
	loop_io_stop(&c->read_io);
	stop_waiting_for_socket(c);
	drop_queue(c, false);
	leave_dirty(c);
	if (c->tls != NULL) {
		tls_stream_end(c->tls); // as far as the socket takes it
	}
	close(c->fd);
	c->fd = -1;
	atomic_fetch_sub_explicit(&w->edge->n_sockets, 1, memory_order_relaxed);
	conn_table_remove(&w->conns, c->handle);
	loop_defer(w->loop, conn_free, c);
}

// Counts and tells the end of an open connection, once.
static void leave_open(struct conn *c)
{
	struct worker *w = c->worker;
	struct edge_metrics *m = &w->metrics;
	counter_add(&m->closes[c->reason], 1);
	if (!c->was_open) {
		return;
	}
	put_on_agenda(c);
	counter_sub(&m->connections, 1);
	atomic_fetch_sub_explicit(&w->edge->n_open, 1, memory_order_relaxed);
	histogram_observe_ns(&m->duration, (worker_now(w) - c->opened_ms) * 1000000U);
	bool ours = c->reason == CLOSE_SLOW_CONSUMER || c->reason == CLOSE_INTERNAL;
	conn_log(c, ours ? LOG_INFO : LOG_DEBUG, "closed");
}

// Ends an open connection with a Close frame of this payload.
static void close_open(struct conn *c, enum close_reason reason, struct bytes payload)
{
	c->reason = (uint8_t)reason;
	leave_open(c);
	if (reason == CLOSE_SLOW_CONSUMER) {
		drop_queue(c, true);
	}
	push_control(c, WS_CLOSE, payload);
	conn_set_state(c, CONN_CLOSING);
}

// Answers a request that does not become a WebSocket, and lets the connection go.
static void answer_http(struct conn *c, struct bytes response)
{
	struct frame *f = frame_new_raw(response);
	f->type = FRAME_CONTROL;
	push(c, f);
	conn_set_state(c, CONN_LINGER);
}

static void refuse_http(struct conn *c, int status, const char *why)
{
	struct worker *w = c->worker;
	char address[NET_IP_TEXT_MAX];
	counter_add(&w->metrics.handshakes[handshake_result_of(status)], 1);
	log_debug("handshake_refused", LOG_BYTES("address", conn_address(c, address)),
		LOG_INT("status", status), LOG_STR("reason", why));
	buf_reset(&w->out, WORKER_KEEP);
	http_refuse(&w->out, status, why, RETRY_AFTER_S);
	answer_http(c, buf_bytes(&w->out));
}

static void close_upgrade(struct conn *c, enum close_reason reason)
{
	struct edge_metrics *m = &c->worker->metrics;
	bool late = reason == CLOSE_HANDSHAKE_TIMEOUT;
	c->reason = (uint8_t)reason;
	if (reason == CLOSE_PEER_GONE) {
		counter_add(&m->handshakes[HANDSHAKE_PEER_GONE], 1);
		die(c);
	} else if (c->state == CONN_PROXY || transport_is_opening(c->tls)) {
		// There is nobody yet who could read an answer: a balancer does not, nor does TLS.
		enum handshake_result timeout = c->tls != NULL ? HANDSHAKE_TLS : HANDSHAKE_408;
		counter_add(&m->closes[reason], late ? 1 : 0);
		counter_add(&m->handshakes[late ? timeout : HANDSHAKE_503], 1);
		die(c);
	} else if (late) {
		counter_add(&m->closes[reason], 1);
		refuse_http(c, 408, "the request did not arrive in time");
	} else {
		refuse_http(c, 503, close_reason_rule(reason)->name);
	}
}

void conn_close(struct conn *c, enum close_reason reason)
{
	const struct close_rule *rule = close_reason_rule(reason);
	if (is_upgrading(c)) {
		close_upgrade(c, reason);
	} else if (rule->code == 0) {
		if (conn_is_open(c)) {
			c->reason = (uint8_t)reason;
			leave_open(c);
		}
		die(c);
	} else if (conn_is_open(c)) {
		uint8_t payload[CLOSE_PAYLOAD_MAX];
		size_t len = close_reason_payload(reason, payload);
		close_open(c, reason, bytes_make(payload, len));
	}
}

// Takes an ended connection out of its rooms and tells the routers.
static void withdraw(struct conn *c)
{
	struct worker *w = c->worker;
	c->was_open = false;
	fib_leave_all(&w->fib, &c->rooms);
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		uplink_client_down(&w->uplinks[i], c->handle);
	}
}

// ---- input

static bool input_is_held(const struct conn *c)
{
	return c->out.bytes >= conf_of(c)->queue_limit / 2 || c->leaving ||
		(c->n_recoveries > 0 && c->worker->link_up);
}

static bool wants_input(const struct conn *c)
{
	return c->state != CONN_DEAD && !c->eof && !(conn_is_open(c) && input_is_held(c));
}

static void on_readable(evutil_socket_t fd, short what, void *arg);

static void set_reading(struct conn *c, bool on)
{
	if (c->reading == on) {
		return;
	}
	c->reading = on;
	if (on) {
		c->rx_ms = worker_now(c->worker); // silence counts from here
		loop_io_start(c->worker->loop, &c->read_io, c->fd, LOOP_READ, on_readable, c);
		conn_rearm(c);
	} else {
		loop_io_stop(&c->read_io);
	}
}

void conn_review_input(struct conn *c)
{
	if (c->state == CONN_DEAD) {
		return;
	}
	bool wants = wants_input(c);
	if (wants && c->in.len > 0 && !is_upgrading(c)) {
		put_on_agenda(c); // what is kept comes first
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
		c->message_ms = worker_now(c->worker);
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

// A trusted proxy, who is not counted, has named the client.
static void take_address(struct conn *c, struct net_ip address)
{
	struct worker *w = c->worker;
	c->address = address;
	if (!c->counted && c->admission == ADMISSION_OK) {
		c->admission = (uint8_t)edge_admit(w->edge, w->settings, &c->address, w->touched_ms,
			&c->counted);
	}
}

// Reads what the header still lacks and no more: what follows is for whoever comes next.
static void read_proxy_header(struct conn *c)
{
	struct worker *w = c->worker;
	struct proxy_header header;
	size_t missing = proxy_header_missing(buf_bytes(&c->in));
	ssize_t got = read(c->fd, buf_reserve(&c->in, missing), missing);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		conn_close(c, CLOSE_PEER_GONE);
		return;
	}
	c->in.len += (size_t)got;
	counter_add(&w->metrics.bytes_in, (uint64_t)got);
	enum proxy_header_result result = proxy_header_parse(buf_bytes(&c->in), &header);
	if (result == PROXY_HEADER_MORE) {
		return;
	}
	if (result != PROXY_HEADER_OK) {
		worker_refuse_proxy(w, &c->address, HANDSHAKE_400, proxy_header_text(result));
		die(c);
		return;
	}
	if (header.has_source) {
		take_address(c, header.source);
	}
	buf_fini(&c->in);
	conn_set_state(c, CONN_UPGRADE);
}

static void on_eof(struct conn *c)
{
	c->eof = true;
	if (c->state != CONN_LINGER) {
		conn_close(c, CLOSE_PEER_GONE);
	} else if (c->shut) {
		die(c);
	}
	conn_review_input(c);
}

// TLS could not be agreed on, or what came was no TLS. An alert has told the peer; it is left time to
// read it. A stream that breaks later is just broken.
static void on_tls_failure(struct conn *c, bool opening)
{
	char address[NET_IP_TEXT_MAX];
	log_debug("tls_failed", LOG_BYTES("address", conn_address(c, address)),
		LOG_STR("reason", transport_fault(c->tls)));
	if (opening && c->state == CONN_UPGRADE) {
		counter_add(&c->worker->metrics.handshakes[HANDSHAKE_TLS], 1);
		conn_set_state(c, CONN_LINGER);
		step_ending(c);
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
	if (transport_owes(c->tls)) {
		wait_for_socket(c);
	}
	if (transport_fault(c->tls) != NULL && c->state != CONN_LINGER) {
		on_tls_failure(c, was_opening);
	} else if (transport_at_end(c->tls)) {
		on_eof(c);
	}
}

static void read_some(struct conn *c)
{
	struct worker *w = c->worker;
	uint8_t *data;
	ssize_t got = transport_read(c->fd, c->tls, &w->buffers, &data);
	if (got > 0) {
		c->rx_ms = worker_now(w);
		counter_add(&w->metrics.bytes_in, (uint64_t)got);
		take_input(c, data, (size_t)got);
	} else if (got != -EAGAIN) {
		on_eof(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	bool opening = transport_is_opening(c->tls);
	(void)fd;
	(void)what;
	worker_touch(c->worker);
	if (c->state == CONN_PROXY) {
		read_proxy_header(c);
		return;
	}
	// What is not read now makes the socket ready in the next turn as well.
	if (opening && !worker_may_open_tls(c->worker)) {
		return;
	}
	read_some(c);
	if (c->tls != NULL) {
		review_tls(c, opening);
	}
	conn_review_input(c);
}

void conn_agenda(struct conn *c)
{
	c->on_agenda = false;
	TAILQ_REMOVE(&c->worker->agenda, c, in_agenda);
	if (c->was_open && !conn_is_open(c)) {
		withdraw(c);
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

// ---- the opening handshake

static void accept_upgrade(struct conn *c, const struct upgrade_request *request)
{
	struct worker *w = c->worker;
	buf_reset(&w->out, WORKER_KEEP);
	http_upgrade_accept(&w->out, request);
	struct frame *f = frame_new_raw(buf_bytes(&w->out));
	f->type = FRAME_CONTROL;
	push(c, f);
	c->compressed = request->compression.compressed;
	conn_set_state(c, CONN_OPEN);
}

// Who the client is; CLOSE_NONE, or why it may not stay.
static enum close_reason identify(struct conn *c, struct bytes token)
{
	const struct auth *auth = c->worker->settings->auth;
	if (auth == NULL) {
		char id[CLIENT_ID_MAX];
		struct bytes user = conn_client_id(c, id);
		c->identity.user = xstrndup(user.data, user.len);
		return CLOSE_NONE;
	}
	if (token.len == 0) {
		return CLOSE_MISSING_TOKEN;
	}
	enum auth_result result = auth_verify(auth, token, clock_wall_ms(), &c->identity);
	if (result != AUTH_OK) {
		char address[NET_IP_TEXT_MAX];
		log_debug("token_refused", LOG_BYTES("address", conn_address(c, address)),
			LOG_STR("reason", auth_result_text(result)));
		return CLOSE_INVALID_TOKEN;
	}
	return revoked_has(&c->worker->edge->revoked, &c->identity) ? CLOSE_REVOKED : CLOSE_NONE;
}

static void send_connected(struct conn *c)
{
	const struct edge_conf *conf = conf_of(c);
	char id[CLIENT_ID_MAX];
	conn_send_event(c,
		&(struct client_event){
			.kind = EVENT_CONNECTED,
			.from = conn_client_id(c, id),
			.user = bytes_str(c->identity.user),
			.username = bytes_str(c->identity.username),
			.roles = (const char *const *)c->identity.roles,
			.n_roles = c->identity.n_roles,
			.timestamp_ms = clock_wall_ms(),
			.heartbeat_interval_s = conf->heartbeat_interval_ms / 1000,
			.heartbeat_timeout_s = conf->heartbeat_timeout_ms / 1000,
			.expires_s = c->identity.expires_s,
			.max_message = conf->max_message,
		});
}

// From here on it is a client: counted, announced, greeted.
static void welcome(struct conn *c, bool autojoin)
{
	struct worker *w = c->worker;
	c->was_open = true;
	c->opened_ms = worker_now(w);
	c->ping_ms = worker_now(w) + conf_of(c)->heartbeat_interval_ms;
	counter_add(&w->metrics.connections, 1);
	atomic_fetch_add_explicit(&w->edge->n_open, 1, memory_order_relaxed);
	send_connected(c);
	for (unsigned i = 0; i < w->edge->n_links; i++) {
		uplink_client_up(&w->uplinks[i], c);
	}
	if (autojoin) {
		conn_autojoin(c);
	}
	conn_rearm(c);
	conn_log(c, LOG_DEBUG, "opened");
}

static bool is_admitted(struct conn *c)
{
	if (c->admission == ADMISSION_OK) {
		return true;
	}
	bool fast = c->admission == ADMISSION_TOO_FAST;
	refuse_http(c, fast ? 429 : 503,
		fast ? "too fast from one address" : "too many from one address");
	return false;
}

// `by_tls`: so the client came to the proxy before us.
static void try_upgrade(struct conn *c, const struct http_head *head, bool by_tls)
{
	struct worker *w = c->worker;
	if (!is_admitted(c)) {
		return;
	}
	const char *why = edge_refusal(w->edge, w->settings, w->touched_ms);
	if (why != NULL) {
		refuse_http(c, 503, why);
		return;
	}
	struct upgrade_request request;
	buf_reset(&w->decoded, WORKER_KEEP);
	struct upgrade_policy policy = w->settings->upgrade;
	policy.tls = c->tls != NULL || by_tls;
	int status = http_upgrade_check(head, &policy, &request, &w->decoded);
	if (status != 101) {
		refuse_http(c, status, http_status_text(status));
		return;
	}
	accept_upgrade(c, &request);
	enum close_reason reason = identify(c, request.token);
	static const enum handshake_result results[CLOSE_REASON_COUNT] = {
		[CLOSE_NONE] = HANDSHAKE_OK,
		[CLOSE_MISSING_TOKEN] = HANDSHAKE_MISSING_TOKEN,
		[CLOSE_INVALID_TOKEN] = HANDSHAKE_INVALID_TOKEN,
		[CLOSE_REVOKED] = HANDSHAKE_REVOKED,
	};
	counter_add(&w->metrics.handshakes[results[reason]], 1);
	if (reason == CLOSE_NONE) {
		welcome(c, request.autojoin);
	} else {
		conn_close(c, reason);
	}
}

// True if the request was for one of the few plain pages of this port.
static bool answer_page(struct conn *c, const struct http_head *head)
{
	struct worker *w = c->worker;
	enum http_page page = http_page_of(head);
	if (page == HTTP_PAGE_NONE) {
		return false;
	}
	const char *why_not =
		page == HTTP_PAGE_READY ? edge_unready(w->edge, w->settings, w->touched_ms) : NULL;
	buf_reset(&w->out, WORKER_KEEP);
	int status = http_page_answer(&w->out, head, &w->settings->upgrade, why_not);
	if (status == 403 || status == 405) {
		counter_add(&w->metrics.handshakes[handshake_result_of(status)], 1);
	}
	answer_http(c, buf_bytes(&w->out));
	return true;
}

static size_t upgrade_input(struct conn *c, uint8_t *data, size_t len)
{
	struct http_head head;
	int status = http_head_parse(bytes_make(data, len), &head);
	if (status == 1) {
		return 0;
	}
	if (status != 0) {
		refuse_http(c, status, http_status_text(status));
		return len;
	}
	const struct trusted_proxies *trusted = &c->worker->edge->trusted;
	bool by_tls = client_came_by_tls(trusted, c->address, &head);
	take_address(c, client_addr_find(trusted, c->address, &head));
	if (!answer_page(c, &head)) {
		try_upgrade(c, &head, by_tls);
	}
	return head.len;
}

static uint64_t upgrade_deadline(const struct conn *c)
{
	return c->state_ms + conf_of(c)->handshake_timeout_ms;
}

static void upgrade_timer(struct conn *c)
{
	conn_close(c, CLOSE_HANDSHAKE_TIMEOUT);
}

// ---- the WebSocket

static void on_ping(struct conn *c, struct bytes payload)
{
	if (!rate_take(&c->ping_rate, PINGS_PER_S, PINGS_BURST, 1, worker_now(c->worker))) {
		conn_close(c, CLOSE_POLICY);
		return;
	}
	if (c->pong_queued) {
		conn_flush(c);
	}
	if (!conn_is_open(c)) {
		return;
	}
	// RFC 6455 section 5.5.3: of several pings not answered yet the last one is enough.
	frame_unref(c->pong);
	c->pong = frame_new(WS_PONG, payload);
	c->pong->type = FRAME_PONG;
	push_waiting_pong(c);
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
	if (event->opcode == (codec_json.binary ? WS_BINARY : WS_TEXT)) {
		conn_command(c, event->payload);
	} else {
		conn_close(c, CLOSE_UNSUPPORTED_DATA);
	}
}

static const struct ws_limits *limits_of(const struct conn *c)
{
	const struct worker *w = c->worker;
	return c->compressed ? &w->packed_limits : &w->edge->ws_limits;
}

static size_t open_input(struct conn *c, uint8_t *data, size_t len)
{
	if (input_is_held(c)) {
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
		step_ending(c);
	}
	return used;
}

static uint64_t closing_deadline(const struct conn *c)
{
	return c->state_ms + CLOSE_TIMEOUT_MS;
}

static uint64_t linger_deadline(const struct conn *c)
{
	return c->state_ms + LINGER_TIMEOUT_MS;
}

// ---- time

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// When a wall-clock time comes, in the worker's.
static uint64_t at_wall_time(const struct conn *c, int64_t wall_ms)
{
	int64_t left = wall_ms - clock_wall_ms();
	return worker_now(c->worker) + (left > 0 ? (uint64_t)left : 0);
}

static uint64_t expiry_deadline(const struct conn *c)
{
	int64_t expires_ms = c->identity.expires_s * 1000;
	return at_wall_time(c,
		c->expiry_told ? expires_ms + (int64_t)conf_of(c)->jwt_leeway_ms
			       : expires_ms - EXPIRY_NOTICE_MS);
}

static uint64_t open_deadline(const struct conn *c)
{
	const struct edge_conf *conf = conf_of(c);
	uint64_t at = c->ping_ms;
	if (c->reading) {
		at = earlier(at, c->rx_ms + conf->heartbeat_timeout_ms);
	}
	if (c->message_ms != 0) {
		at = earlier(at, c->message_ms + MESSAGE_TIMEOUT_MS);
	}
	if (c->blocked != NULL) {
		at = earlier(at, c->progress_ms + conf->slow_timeout_ms);
	}
	if (c->identity.expires_s != 0) {
		at = earlier(at, expiry_deadline(c));
	}
	return at;
}

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
	uint64_t now = worker_now(c->worker);
	bool expires = c->identity.expires_s != 0 && expiry_deadline(c) <= now;
	if (expires && c->expiry_told) {
		conn_close(c, CLOSE_TOKEN_EXPIRED);
	} else if (c->reading && c->rx_ms + conf->heartbeat_timeout_ms <= now) {
		conn_close(c, CLOSE_HEARTBEAT);
	} else if (c->message_ms != 0 && c->message_ms + MESSAGE_TIMEOUT_MS <= now) {
		conn_close(c, CLOSE_POLICY);
	} else if (c->blocked != NULL && c->progress_ms + conf->slow_timeout_ms <= now) {
		conn_close(c, CLOSE_SLOW_CONSUMER);
	} else if (expires) {
		tell_expiry(c);
	}
	if (conn_is_open(c) && c->ping_ms <= now) {
		c->ping_ms = now + conf->heartbeat_interval_ms;
		push_control(c, WS_PING, bytes_make(NULL, 0));
	}
}

// ---- the beginning

struct conn *conn_new(struct worker *worker, int fd, struct net_ip peer, enum admission admission,
	bool counted)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	c->worker = worker;
	c->fd = fd;
	c->address = peer;
	c->admission = (uint8_t)admission;
	c->counted = counted;
	c->state = worker->settings->conf.proxy_protocol ? CONN_PROXY : CONN_UPGRADE;
	c->state_ms = worker_now(worker);
	c->number = worker->next_number;
	worker->next_number += worker->edge->n_workers;
	c->handle = conn_table_add(&worker->conns, c);
	ws_session_init(&c->ws);
	LIST_INIT(&c->rooms);
	atomic_fetch_add_explicit(&worker->edge->n_sockets, 1, memory_order_relaxed);
	set_reading(c, true);
	return c;
}

void conn_start_tls(struct conn *c, struct tls_stream *tls)
{
	CHECK(is_upgrading(c) && c->tls == NULL);
	c->tls = tls;
}
