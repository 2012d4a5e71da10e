// One mutex guards everything here but what is the main loop's alone (timers, the dialler's life).
// It is never held while the owner's ops run. A worker that flushes copies its items into the
// window under it; if the link is polled (tcp://), sendmsg() is called under it too, without
// blocking, until all is sent or the socket is full. So another worker waits for that long at most.
//
// Measured with two and four workers on two busy cores: the mutex is held for 20 us a flush; 0.3 %
// of the flushes waited at 20,000 deliveries/s, and 2 to 3 % at full speed, 0.15 to 0.5 ms each,
// which is a turn of the scheduler that had put the holder aside. Rejected for that: writing
// outside the mutex. The bytes of a window keep still during a write, but the main loop would have
// to wait for writers before it frees a connection, and every function that kicks would give up the
// mutex in its middle.
//
// The states tell what the next frame may be:
//
//     WAITING   no connection; the redial timer runs
//     DIALLING  the dial aio is out
//     OPENING   connected; CHALLENGE, then HELLO_ACK must come within OPEN_LIMIT_MS
//     READY     BATCH, ACK, PING, PONG, GOAWAY
//     ENDING    the connection is closed and waits for the main loop to free it
//
// A connection is only freed on the main loop, after the loop that polls it has let go, and the
// next is only dialled after that: at most one exists, so a late callback of an old one cannot
// touch the window of the new one.
//
// Items are put into the window only while a connection is READY and no write is under way: what is
// in the window has been handed to the kernel or is about to be, so "was it sent" has an answer,
// and a BATCH holds whatever gathered during the last write.
//
// PING goes through the router's routing thread, so its PONG is the canary of /ready: it proves
// that messages move, not only that a socket is open.

#include "edge/uplink/router_link.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "edge/uplink/link_lanes.h"
#include "edge/uplink/redial.h"
#include "edge/uplink/uplink.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_conn.h"
#include "proto/link/link_socket.h"

enum {
	TICK_MS = 50,
	PAUSE_MS = 20, // between two turns; the end of the link may have come meanwhile
	LOOK_MS = 250, // after it
	PING_EVERY_MS = 1000,
	DIAL_LIMIT_MS = 10000, // a name may be slow to resolve; the kernel would try for minutes
	DIAL_RESUME_LIMIT_MS = 1000, // while the router may still keep the session
	OPEN_LIMIT_MS = 3000,
	LINK_TIMEOUT_DEFAULT_MS = 6000,
	GOODBYE_MS = 200,
	MUTE_MIN_MS = 2000, // between two lines about a router that cannot be reached
	MUTE_MAX_MS = 5 * 60 * 1000,
};

enum state {
	STATE_WAITING,
	STATE_DIALLING,
	STATE_OPENING,
	STATE_READY,
	STATE_ENDING,
};

struct router_link {
	struct router_link_options options;
	const struct router_link_ops *ops;
	void *arg;
	struct loop_timer tick;
	struct loop_timer redial_timer;
	struct loop_wake *wake;
	struct loop_wake *io_wake; // of the loop that reads
	nng_stream_dialer *dialer;
	nng_aio *dial_aio;

	pthread_mutex_t lock;
	enum state state;
	bool stopping;
	struct redial redial;
	int dial_error; // of NNG, if the last dial failed; else 0
	uint64_t mute_until_ms; // monotonic; the next failure is logged from then on
	uint64_t mute_ms; // for how long after that; 0: none has been logged
	bool holding; // the router wants no new BATCH for now
	struct link_conn *conn;
	bool conn_started; // its loop has heard of it
	bool conn_ended; // its loop has done with it
	struct link_nonces nonces;
	struct link_lanes lanes;
	uint64_t link_timeout_ms;
	uint64_t opened_ms; // when the connection was made
	uint64_t heard_ms; // last byte of the session's connections
	uint64_t ping_ms;
	uint64_t pumped_ms; // when something was last handed out, or could have been
	uint64_t look_until_ms; // for the end of the link, see is_over()
	struct router_link_status status;
};

static const struct link_conn_ops conn_ops;

// ---- the session (locked)

// What is written to a router that has ended counts as sent, and its outcome stays unknown. A
// process that was stopped, or short of CPU, meets its clients' requests and the end of the link in
// one turn, perhaps behind much that the router sent before: for a while after a pause it looks
// before it hands anything out. Without a pause nothing is asked.
static bool is_over(struct router_link *link, uint64_t now_ms)
{
	if (now_ms - link->pumped_ms > PAUSE_MS) {
		link->look_until_ms = now_ms + LOOK_MS;
	}
	link->pumped_ms = now_ms;
	return now_ms < link->look_until_ms && link_conn_peer_has_closed(link->conn);
}

// Closes a BATCH with what has gathered, unless a write is under way: then on_drained() will.
static void pump(struct router_link *link)
{
	uint64_t now_ms = clock_mono_ms();
	if (link->state != STATE_READY || link_conn_is_writing(link->conn) ||
		is_over(link, now_ms)) {
		return;
	}
	if (!link->holding) {
		link_lanes_pump(&link->lanes, now_ms);
	}
	link_lanes_close(&link->lanes);
}

static void pump_and_kick(struct router_link *link)
{
	if (link->state == STATE_READY) {
		pump(link);
		link_conn_kick(link->conn);
	}
}

static void send_ack(struct router_link *link)
{
	link_conn_control(link->conn, LINK_ACK, link_window_ack(&link->lanes.session.window),
		bytes_make(NULL, 0));
}

static void send_urgent_ack(struct router_link *link)
{
	bool urgent;
	if (link->state == STATE_READY &&
		link_window_owes_ack(&link->lanes.session.window, &urgent) && urgent) {
		send_ack(link);
	}
}

// (locked) Ends the connection; the main loop frees it when its callbacks have ended.
static void drop_conn(struct router_link *link)
{
	if (link->conn != NULL && link->state != STATE_ENDING) {
		link_conn_close(link->conn);
		link->state = STATE_ENDING;
		if (link->status.up) {
			link->status.up = false;
			link->status.down_since_ms = clock_mono_ms();
		}
		loop_wake_post(link->wake);
	}
}

// ---- frames (the thread that reads)

static void log_refusal(const struct router_link *link, const char *why)
{
	log_error("link_refused", LOG_STR("router", link->options.url), LOG_STR("reason", why));
}

// What was refused now will be refused again at once.
static void refuse_router(struct router_link *link, const char *why)
{
	log_refusal(link, why);
	pthread_mutex_lock(&link->lock);
	redial_on_refused(&link->redial);
	pthread_mutex_unlock(&link->lock);
}

// CHALLENGE: answers with a HELLO.
static bool on_challenge(struct router_link *link, struct bytes body)
{
	struct buf message = { 0 };
	pthread_mutex_lock(&link->lock);
	const char *why = router_hello_answer(&link->options.hello, body, &link->lanes.session,
		&link->nonces, &message);
	if (why == NULL) {
		link_conn_control(link->conn, LINK_HELLO, 0, buf_bytes(&message));
	}
	pthread_mutex_unlock(&link->lock);
	buf_fini(&message);
	if (why != NULL) {
		refuse_router(link, why);
	}
	return why == NULL;
}

static bool accept_hello_ack(struct router_link *link, const Weir__Link__V1__HelloAck *ack)
{
	const struct link_answer answer = {
		.session = ack->session,
		.resumed = ack->resumed,
		.up_next = ack->up_next,
		.down_next = ack->down_next,
		.window_bytes = ack->window_bytes,
	};
	pthread_mutex_lock(&link->lock);
	enum link_follow follow = link_lanes_follow(&link->lanes, &answer);
	uint64_t session = link->lanes.n_sessions;
	if (follow != LINK_BROKEN) {
		link->link_timeout_ms =
			ack->link_timeout_ms > 0 ? ack->link_timeout_ms : LINK_TIMEOUT_DEFAULT_MS;
		redial_on_admitted(&link->redial);
		link->mute_until_ms = 0;
		link->mute_ms = 0;
		link->status.up = true;
		link->status.admitted = true;
		link->status.resend_ms = ack->resend_ms;
		link->status.down_since_ms = 0;
	}
	pthread_mutex_unlock(&link->lock);
	if (follow == LINK_BROKEN) {
		log_refusal(link, "cannot resume");
		return false;
	}
	log_info("link_up", LOG_STR("router", link->options.url),
		LOG_BYTES("name", pb_bytes(ack->router_name)),
		LOG_STR("session", follow == LINK_BEGUN ? "new" : "resumed"));
	// The workers hear of the session before any of its batches; only this thread reads.
	if (follow == LINK_BEGUN) {
		link->ops->on_session(link->arg, session);
	}
	pthread_mutex_lock(&link->lock);
	if (link->state == STATE_OPENING) {
		link->state = STATE_READY;
		link->holding = false;
		link_conn_attach(link->conn, &link->lanes.session.window);
		pump_and_kick(link);
	}
	pthread_mutex_unlock(&link->lock);
	return true;
}

// HELLO_ACK: the router has proved itself too.
static bool on_hello_ack(struct router_link *link, struct bytes packed)
{
	const char *why = NULL;
	Weir__Link__V1__HelloAck *ack =
		router_hello_check_ack(&link->options.hello, packed, &link->nonces, &why);
	if (ack == NULL) {
		refuse_router(link, why);
		return false;
	}
	bool fine = accept_hello_ack(link, ack);
	weir__link__v1__hello_ack__free_unpacked(ack, NULL);
	return fine;
}

static bool on_batch(struct router_link *link, const struct link_frame *frame)
{
	pthread_mutex_lock(&link->lock);
	uint64_t mark;
	int result =
		link_lanes_accept(&link->lanes, frame->seq, LINK_HEAD_LEN + frame->body.len, &mark);
	pthread_mutex_unlock(&link->lock);
	if (result != 0) {
		return result > 0; // a repeat is fine
	}
	uint64_t workers = 0;
	if (!link->ops->on_batch(link->arg, mark, frame->body, &workers)) {
		log_error("link_malformed", LOG_STR("router", link->options.url));
		return false;
	}
	pthread_mutex_lock(&link->lock);
	link_lanes_delivered(&link->lanes, mark, workers);
	send_urgent_ack(link);
	pthread_mutex_unlock(&link->lock);
	return true;
}

static bool on_goaway(struct router_link *link, struct bytes body)
{
	Weir__Link__V1__Goaway *goaway = weir__link__v1__goaway__unpack(NULL, body.len, body.data);
	if (goaway == NULL) {
		return false;
	}
	struct bytes reason = pb_bytes(goaway->reason);
	bool planned = bytes_equal_str(reason, goaway_reason_name(GOAWAY_RESTARTING));
	if (planned) {
		log_info("link_goaway", LOG_STR("router", link->options.url),
			LOG_BYTES("reason", reason));
	} else {
		log_warn("link_goaway", LOG_STR("router", link->options.url),
			LOG_BYTES("reason", reason));
	}
	bool lagged = bytes_equal_str(reason, goaway_reason_name(GOAWAY_LAGGED));
	// The name is taken, perhaps by the process that this one replaces, whose end is not known
	// yet.
	bool taken = bytes_equal_str(reason, goaway_reason_name(GOAWAY_DUPLICATE_NAME));
	pthread_mutex_lock(&link->lock);
	if (planned) {
		redial_on_planned(&link->redial, clock_mono_ms());
	} else if (lagged || taken) {
		redial_on_retry(&link->redial);
	} else {
		redial_on_refused(&link->redial);
	}
	pthread_mutex_unlock(&link->lock);
	weir__link__v1__goaway__free_unpacked(goaway, NULL);
	return false;
}

// HOLD: what is in the window still goes, and the router learns where it ends.
static bool on_hold(struct router_link *link, struct bytes body)
{
	bool fine = body.len == 1;
	pthread_mutex_lock(&link->lock);
	link->holding = fine && body.data[0] != 0;
	if (link->holding) {
		uint64_t next = htole64(link->lanes.session.window.tx_next);
		fine = link_conn_control(link->conn, LINK_HELD,
			link_window_ack(&link->lanes.session.window),
			bytes_make(&next, sizeof(next)));
	} else {
		pump_and_kick(link);
	}
	pthread_mutex_unlock(&link->lock);
	return fine;
}

static bool on_ready_frame(struct router_link *link, const struct link_frame *frame)
{
	pthread_mutex_lock(&link->lock);
	bool fine = link_window_acked(&link->lanes.session.window, frame->ack) == 0;
	if (fine && frame->type == LINK_PONG) {
		link->status.canary_ms = clock_mono_ms();
	} else if (fine && frame->type == LINK_PING) {
		fine = link_conn_control(link->conn, LINK_PONG,
			link_window_ack(&link->lanes.session.window), frame->body);
	}
	if (fine) {
		pump_and_kick(link);
	}
	pthread_mutex_unlock(&link->lock);
	if (!fine) {
		return false;
	}
	switch (frame->type) {
	case LINK_BATCH:
		return on_batch(link, frame);
	case LINK_HOLD:
		return on_hold(link, frame->body);
	case LINK_ACK:
	case LINK_PING:
	case LINK_PONG:
		return true;
	default:
		return false;
	}
}

static bool on_frame(void *arg, struct link_conn *conn, const struct link_frame *frame)
{
	struct router_link *link = arg;
	(void)conn;
	pthread_mutex_lock(&link->lock);
	enum state state = link->state;
	link->heard_ms = clock_mono_ms();
	pthread_mutex_unlock(&link->lock);
	if (frame->type == LINK_GOAWAY) {
		return on_goaway(link, frame->body);
	}
	if (state == STATE_READY) {
		return on_ready_frame(link, frame);
	}
	if (state == STATE_OPENING && frame->type == LINK_CHALLENGE) {
		return on_challenge(link, frame->body);
	}
	return state == STATE_OPENING && frame->type == LINK_HELLO_ACK &&
		on_hello_ack(link, frame->body);
}

static void on_drained(void *arg, struct link_conn *conn)
{
	struct router_link *link = arg;
	if (link->conn == conn && link->state == STATE_READY) {
		pump(link);
	}
}

static void on_full(void *arg, struct link_conn *conn)
{
	struct router_link *link = arg;
	(void)conn;
	loop_wake_post(link->io_wake);
}

static void on_closed(void *arg, struct link_conn *conn)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	if (link->conn == conn) {
		drop_conn(link);
		link->conn_ended = true;
		loop_wake_post(link->wake);
	}
	pthread_mutex_unlock(&link->lock);
}

static const struct link_conn_ops conn_ops = {
	.on_frame = on_frame,
	.on_drained = on_drained,
	.on_full = on_full,
	.on_closed = on_closed,
};

// ---- dialling

static void on_dialled(void *arg)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	struct link_conn *conn = NULL;
	if (nng_aio_result(link->dial_aio) == 0) {
		nng_stream *stream = nng_aio_get_output(link->dial_aio, 0);
		// No such option on ipc; there is nothing to delay either.
		(void)nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
		int fd = link->options.tls == NULL ? link_socket_of(stream) : -1;
		conn = link_conn_new(stream, fd, link->options.io_loop, LINK_BODY_MAX, &link->lock,
			&conn_ops, link);
		link->conn = conn;
		link->conn_started = !link_conn_is_polled(conn);
		link->conn_ended = link->conn_started;
		link->state = STATE_OPENING;
		link->opened_ms = clock_mono_ms();
	} else {
		link->dial_error = nng_aio_result(link->dial_aio);
		link->state = STATE_ENDING;
		loop_wake_post(link->wake);
	}
	bool polled = conn != NULL && link_conn_is_polled(conn);
	pthread_mutex_unlock(&link->lock);
	if (polled) {
		loop_wake_post(link->io_wake);
	} else if (conn != NULL) {
		link_conn_start(conn);
	}
}

// On the loop that reads: a connection is new, or its socket was full.
static void on_io_wake(void *arg)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	struct link_conn *fresh = link->conn_started ? NULL : link->conn;
	if (fresh != NULL) {
		link->conn_started = true;
	} else if (link->conn != NULL && !link->conn_ended && link_conn_is_polled(link->conn)) {
		link_conn_wait_writable(link->conn);
	}
	pthread_mutex_unlock(&link->lock);
	if (fresh != NULL) {
		link_conn_start(fresh);
	}
}

static void on_redial(void *arg)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	link->state = STATE_DIALLING;
	nng_aio_set_timeout(link->dial_aio,
		link->lanes.session.id != 0 ? DIAL_RESUME_LIMIT_MS : DIAL_LIMIT_MS);
	pthread_mutex_unlock(&link->lock);
	nng_stream_dialer_dial(link->dialer, link->dial_aio);
}

static void schedule_redial(struct router_link *link)
{
	uint32_t chance;
	random_fill(&chance, sizeof(chance));
	pthread_mutex_lock(&link->lock);
	uint64_t delay_ms = redial_delay_ms(&link->redial, link->lanes.session.id != 0,
		clock_mono_ms(), chance);
	pthread_mutex_unlock(&link->lock);
	loop_timer_start(&link->redial_timer, delay_ms);
}

// At once, and then less and less often, since a router may be away for a night.
static void log_unreachable(struct router_link *link, int error, uint64_t now_ms)
{
	if (error == 0 || error == NNG_ECANCELED || now_ms < link->mute_until_ms) {
		return;
	}
	link->mute_ms = link->mute_ms == 0 ? MUTE_MIN_MS : link->mute_ms * 2;
	link->mute_ms = link->mute_ms < MUTE_MAX_MS ? link->mute_ms : MUTE_MAX_MS;
	link->mute_until_ms = now_ms + link->mute_ms;
	log_warn("router_unreachable", LOG_STR("router", link->options.url),
		LOG_STR("reason", nng_strerror(error)));
}

// Frees the connection that ended, then dials again.
static void on_wake(void *arg)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	if (link->state != STATE_ENDING || (link->conn != NULL && !link->conn_ended)) {
		pthread_mutex_unlock(&link->lock);
		return;
	}
	struct link_conn *conn = link->conn;
	pthread_mutex_unlock(&link->lock);
	link_conn_free(conn);
	pthread_mutex_lock(&link->lock);
	link->conn = NULL;
	link->state = STATE_WAITING;
	bool again = !link->stopping;
	if (again) {
		log_unreachable(link, link->dial_error, clock_mono_ms());
	}
	link->dial_error = 0;
	pthread_mutex_unlock(&link->lock);
	if (conn != NULL) {
		log_warn("link_down", LOG_STR("router", link->options.url));
	}
	if (again) {
		schedule_redial(link);
	}
}

// ---- time (main loop)

// NNG may take a dial for done that the kernel is still at: it trusts an event that says nothing.
// Such a stream has no peer yet, so it is not polled, and nothing comes on it.
static bool is_unanswered_dial(const struct router_link *link, uint64_t now_ms)
{
	uint64_t heard_ms = link_conn_last_rx_ms(link->conn);
	return link->options.tls == NULL && !link_conn_is_polled(link->conn) && now_ms > heard_ms &&
		now_ms - heard_ms > DIAL_RESUME_LIMIT_MS;
}

static void watch_opening(struct router_link *link, uint64_t now_ms)
{
	if (now_ms - link->opened_ms > OPEN_LIMIT_MS) {
		log_refusal(link, "no answer to hello");
		drop_conn(link);
	} else if (link->lanes.session.id != 0 && is_unanswered_dial(link, now_ms)) {
		drop_conn(link);
	}
}

static void watch_ready(struct router_link *link, uint64_t now_ms)
{
	bool urgent;
	uint64_t silent_ms = now_ms - link_conn_last_rx_ms(link->conn);
	if (now_ms > link_conn_last_rx_ms(link->conn) && silent_ms > link->link_timeout_ms / 2) {
		log_warn("link_silent", LOG_STR("router", link->options.url),
			LOG_UINT("ms", silent_ms));
		drop_conn(link);
		return;
	}
	if (link_window_owes_ack(&link->lanes.session.window, &urgent)) {
		send_ack(link);
	}
	if (now_ms - link->ping_ms >= PING_EVERY_MS) {
		link->ping_ms = now_ms;
		link_conn_control(link->conn, LINK_PING,
			link_window_ack(&link->lanes.session.window),
			bytes_make(&now_ms, sizeof(now_ms)));
	}
	pump_and_kick(link);
}

static void on_tick(void *arg)
{
	struct router_link *link = arg;
	pthread_mutex_lock(&link->lock);
	uint64_t now_ms = clock_mono_ms();
	if (link->state == STATE_OPENING) {
		watch_opening(link, now_ms);
	} else if (link->state == STATE_READY) {
		watch_ready(link, now_ms);
	}
	if (link->lanes.session.id != 0 && !link->status.up && now_ms > link->heard_ms &&
		now_ms - link->heard_ms > link->link_timeout_ms) {
		link_lanes_end_session(&link->lanes);
	}
	pthread_mutex_unlock(&link->lock);
	loop_timer_start(&link->tick, TICK_MS);
}

// ---- life

struct router_link *router_link_new(struct loop *loop, const struct router_link_options *options,
	const struct router_link_ops *ops, void *arg)
{
	CHECK(options->io_loop != NULL);
	CHECK(options->hello.n_workers > 0 && options->hello.n_workers <= ROUTER_LINK_WORKERS_MAX);
	struct router_link *link = xcalloc(1, sizeof(*link));
	link->options = *options;
	link->ops = ops;
	link->arg = arg;
	link_lanes_init(&link->lanes, options->hello.n_workers);
	redial_init(&link->redial);
	link->link_timeout_ms = LINK_TIMEOUT_DEFAULT_MS;
	link->status.down_since_ms = clock_mono_ms();
	pthread_mutex_init(&link->lock, NULL);
	loop_timer_init(loop, &link->tick, on_tick, link);
	loop_timer_init(loop, &link->redial_timer, on_redial, link);
	link->wake = loop_wake_new(loop, on_wake, link);
	link->io_wake = loop_wake_new(options->io_loop, on_io_wake, link);
	int result = nng_stream_dialer_alloc(&link->dialer, options->url);
	if (result == NNG_ENOMEM) {
		mem_exhausted();
	}
	CHECK(result == 0); // the URL was checked
	(void)nng_stream_dialer_set_bool(link->dialer, NNG_OPT_TCP_NODELAY, true);
	if (options->tls != NULL) {
		CHECK(nng_stream_dialer_set_ptr(link->dialer, NNG_OPT_TLS_CONFIG, options->tls) ==
			0);
	}
	link->dial_aio = link_aio_new(on_dialled, link);
	loop_timer_start(&link->tick, TICK_MS);
	loop_timer_start(&link->redial_timer, 0);
	return link;
}

// Lets what is queued and a GOAWAY leave, for at most GOODBYE_MS.
static void say_goodbye(struct router_link *link)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	uint64_t deadline_ms = clock_mono_ms() + GOODBYE_MS;
	bool said = false;
	for (;;) {
		pthread_mutex_lock(&link->lock);
		bool ready = link->state == STATE_READY;
		bool writing = ready && link_conn_is_writing(link->conn);
		bool waiting = ready && link_lanes_queued_bytes(&link->lanes) > 0;
		if (ready && !writing && !waiting && !said) {
			said = link_conn_goaway(link->conn, GOAWAY_LEAVING);
			writing = true;
		} else if (ready && !writing) {
			pump_and_kick(link);
		}
		pthread_mutex_unlock(&link->lock);
		if (!ready || (said && !writing) || clock_mono_ms() > deadline_ms) {
			break;
		}
		link_conn_poll(link->conn);
		nanosleep(&pause, NULL);
	}
}

void router_link_free(struct router_link *link)
{
	if (link == NULL) {
		return;
	}
	loop_timer_stop(&link->tick);
	loop_timer_stop(&link->redial_timer);
	say_goodbye(link);
	pthread_mutex_lock(&link->lock);
	link->stopping = true;
	pthread_mutex_unlock(&link->lock);
	nng_stream_dialer_close(link->dialer);
	nng_aio_stop(link->dial_aio);
	link_conn_free(link->conn);
	nng_aio_free(link->dial_aio);
	nng_stream_dialer_free(link->dialer);
	loop_wake_free(link->wake);
	loop_wake_free(link->io_wake);
	link_lanes_fini(&link->lanes);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

// ---- workers

bool router_link_has_room(struct router_link *link, size_t more)
{
	size_t queued = link_lanes_queued_bytes(&link->lanes);
	return link->options.queue_limit == 0 || queued + more <= link->options.queue_limit;
}

void router_link_flush(struct router_link *link, unsigned worker, struct link_outbox *outbox)
{
	if (outbox->entries.len == 0) {
		return;
	}
	pthread_mutex_lock(&link->lock);
	link_lanes_take(&link->lanes, worker, outbox);
	pump_and_kick(link);
	pthread_mutex_unlock(&link->lock);
}

void router_link_snapshot(struct router_link *link, unsigned worker, uint64_t session,
	struct link_outbox *outbox)
{
	pthread_mutex_lock(&link->lock);
	if (link_lanes_release(&link->lanes, worker, session, outbox)) {
		pump_and_kick(link);
	}
	pthread_mutex_unlock(&link->lock);
}

void router_link_consumed(struct router_link *link, unsigned worker, uint64_t mark)
{
	pthread_mutex_lock(&link->lock);
	link_lanes_consumed(&link->lanes, worker, mark);
	send_urgent_ack(link);
	pthread_mutex_unlock(&link->lock);
}

bool router_link_was_sent(struct router_link *link, unsigned worker, uint64_t req)
{
	pthread_mutex_lock(&link->lock);
	bool sent = link_lanes_was_sent(&link->lanes, worker, req);
	pthread_mutex_unlock(&link->lock);
	return sent;
}

struct router_link_status router_link_status(struct router_link *link)
{
	pthread_mutex_lock(&link->lock);
	struct router_link_status status = link->status;
	status.inflight_bytes = link_window_inflight(&link->lanes.session.window);
	status.queued_bytes = link_lanes_queued_bytes(&link->lanes);
	pthread_mutex_unlock(&link->lock);
	return status;
}

// ---- for uplinks

static bool has_room(void *link, size_t more)
{
	return router_link_has_room(link, more);
}

static void flush(void *link, unsigned worker, struct link_outbox *outbox)
{
	router_link_flush(link, worker, outbox);
}

static void snapshot(void *link, unsigned worker, uint64_t session, struct link_outbox *outbox)
{
	router_link_snapshot(link, worker, session, outbox);
}

static void consumed(void *link, unsigned worker, uint64_t mark)
{
	router_link_consumed(link, worker, mark);
}

static bool was_sent(void *link, unsigned worker, uint64_t req)
{
	return router_link_was_sent(link, worker, req);
}

static struct router_link_status status_of(void *link)
{
	return router_link_status(link);
}

const struct uplink_ops router_link_uplink_ops = {
	.has_room = has_room,
	.flush = flush,
	.snapshot = snapshot,
	.consumed = consumed,
	.was_sent = was_sent,
	.status = status_of,
};
