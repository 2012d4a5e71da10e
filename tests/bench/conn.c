// The client's CPU is the server's loss when both share a machine, so everything here is done per
// batch: one epoll_wait() for up to a thousand sockets, one recv() of up to 64 KiB each into a
// buffer that all share, every whole frame in it handled in place, and one send() per connection
// for all that the handling produced. Only what is left of a frame is copied, into a buffer that
// the connection owns just as long; an idle connection owns no buffer at all.
//
// A connection ends in one place, finish(), whoever found out; the socket is closed there and the
// buffers are freed. So callbacks may end the connection they are called for, and every loop over
// frames or events looks at the state again.
//
// A failed send() ends nothing: if the peer has said why it closed, that is still in our receive
// buffer, and the read that finds it, or finds the end, comes next.
//
// Refuses to know: rooms, JSON, who reconnects when. Rejected: edge-triggered events (a read that
// does not fill 64 KiB has almost always emptied the socket) and io_uring (not everywhere allowed).

#include "tests/bench/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/wire_deflate.h"
#include "tests/bench/wire_tls.h"

enum {
	EVENTS = 1024,
	READ_SIZE = 64 * 1024,
	MESSAGE_MAX = 16 * 1024 * 1024,
};

const char *conn_ending_name(enum conn_ending ending)
{
	static const char *const names[] = {
		[CONN_CLOSED] = "close",
		[CONN_LOST] = "tcp",
		[CONN_UNREACHED] = "connect",
		[CONN_REFUSED] = "http",
		[CONN_BROKEN] = "protocol",
		[CONN_ABORTED] = "aborted",
	};
	return names[ending];
}

static void finish(struct wire *w, struct conn *c, enum conn_ending ending, unsigned code,
	struct bytes reason)
{
	wire_tls_close(c->tls);
	close(c->fd);
	if (c->dirty) {
		STAILQ_REMOVE(&w->dirty, c, conn, dirty_link);
	}
	buf_fini(&c->rest);
	buf_fini(&c->message);
	buf_fini(&c->out);
	struct buf close_reason = c->close_reason;
	*c = (struct conn){ .fd = -1 };
	const struct conn_end end = { .ending = ending, .code = code, .reason = reason };
	w->events->ended(w->arg, c, &end);
	buf_fini(&close_reason);
}

static void finish_broken(struct wire *w, struct conn *c, const char *why)
{
	finish(w, c, CONN_BROKEN, 0, bytes_str(why));
}

// The socket is at its end; `error` is 0 or an errno.
static void finish_socket(struct wire *w, struct conn *c, int error)
{
	if (c->close_received) {
		finish(w, c, CONN_CLOSED, c->close_code, buf_bytes(&c->close_reason));
		return;
	}
	const char *why = error != 0 ? strerrordesc_np(error) : "end of stream";
	finish(w, c, c->state == CONN_CONNECTING ? CONN_UNREACHED : CONN_LOST, 0, bytes_str(why));
}

// Out

static void mark_dirty(struct wire *w, struct conn *c)
{
	if (!c->dirty && !c->blocked) {
		c->dirty = true;
		STAILQ_INSERT_TAIL(&w->dirty, c, dirty_link);
	}
}

static void watch(struct wire *w, struct conn *c, int operation)
{
	struct epoll_event event = {
		.events = EPOLLIN | (c->blocked ? EPOLLOUT : 0U),
		.data.ptr = c,
	};
	CHECK(epoll_ctl(w->epoll, operation, c->fd, &event) == 0);
}

static void set_blocked(struct wire *w, struct conn *c, bool blocked)
{
	if (c->blocked != blocked) {
		c->blocked = blocked;
		watch(w, c, EPOLL_CTL_MOD);
	}
}

static ssize_t send_some(struct conn *c, struct bytes data)
{
	return c->tls != NULL ? wire_tls_send(c->tls, data.data, data.len)
			      : send(c->fd, data.data, data.len, MSG_NOSIGNAL);
}

static void flush(struct wire *w, struct conn *c)
{
	while (c->written < c->out.len) {
		ssize_t n = send_some(c, bytes_from(buf_bytes(&c->out), c->written));
		if (n < 0 && errno == EAGAIN) {
			// What waits for the handshake is sent after the input that ends it.
			set_blocked(w, c, c->tls == NULL || !wire_tls_awaits_input(c->tls));
			return;
		}
		if (n < 0 && errno != EINTR) {
			break;
		}
		c->written += n > 0 ? (size_t)n : 0;
	}
	c->written = 0;
	buf_reset(&c->out, 0);
	set_blocked(w, c, false);
}

static void flush_all(struct wire *w)
{
	struct conn *c;
	while ((c = STAILQ_FIRST(&w->dirty)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->dirty, dirty_link);
		c->dirty = false;
		flush(w, c);
	}
}

static void send_frame(struct wire *w, struct conn *c, enum ws_opcode opcode, struct bytes payload)
{
	ws_client_append(&c->out, opcode, payload, (uint32_t)rng_next(w->rng));
	mark_dirty(w, c);
}

void conn_send(struct wire *w, struct conn *c, struct bytes message)
{
	CHECK(c->state == CONN_OPEN);
	send_frame(w, c, w->binary ? WS_BINARY : WS_TEXT, message);
}

size_t conn_queued(const struct conn *c)
{
	return c->out.len - c->written;
}

void conn_close(struct wire *w, struct conn *c, unsigned code)
{
	if (c->state != CONN_OPEN) {
		return;
	}
	const uint8_t payload[2] = { (uint8_t)(code >> 8), (uint8_t)(code & 0xff) };
	send_frame(w, c, WS_CLOSE, bytes_make(payload, code != 0 ? sizeof(payload) : 0));
	c->state = CONN_CLOSING;
}

void conn_abort(struct wire *w, struct conn *c, struct bytes reason)
{
	if (c->close_received) {
		finish_socket(w, c, 0);
	} else if (c->state != CONN_NONE) {
		finish(w, c, CONN_ABORTED, 0, reason);
	}
}

// In

static void on_close(struct wire *w, struct conn *c, struct bytes payload)
{
	c->close_received = true;
	c->close_code = WS_CLOSE_NO_STATUS;
	if (payload.len >= 2) {
		c->close_code = (unsigned)payload.data[0] << 8 | payload.data[1];
		c->close_reason.len = 0;
		buf_append_bytes(&c->close_reason, bytes_from(payload, 2));
	}
	if (c->state == CONN_OPEN) {
		// The socket is the server's to close (RFC 6455 section 7.1.1), so that our ports
		// are free at once.
		conn_close(w, c, c->close_code != WS_CLOSE_NO_STATUS ? c->close_code : 0);
		w->events->closing(w->arg, c);
	}
}

static void on_message(struct wire *w, struct conn *c, struct bytes message)
{
	if (c->packed && wire_inflate(w->inflater, message, MESSAGE_MAX, &message) != 0) {
		finish_broken(w, c, "bad compression");
		return;
	}
	w->events->message(w->arg, c, message);
}

static void on_data(struct wire *w, struct conn *c, const struct ws_incoming *frame,
	struct bytes payload)
{
	if ((frame->opcode == WS_CONTINUATION) != c->in_message) {
		finish_broken(w, c, "fragments out of place");
		return;
	}
	c->packed = c->in_message ? c->packed : frame->packed;
	if (!c->in_message && frame->fin) {
		on_message(w, c, payload);
		return;
	}
	if (c->message.len + payload.len > MESSAGE_MAX) {
		finish_broken(w, c, "message too large");
		return;
	}
	buf_append_bytes(&c->message, payload);
	c->in_message = !frame->fin;
	if (frame->fin) {
		// The callback may end the connection and its buffers.
		struct buf message = c->message;
		c->message = (struct buf){ 0 };
		on_message(w, c, buf_bytes(&message));
		buf_fini(&message);
	}
}

static void on_frame(struct wire *w, struct conn *c, const struct ws_incoming *frame,
	struct bytes payload)
{
	switch (frame->opcode) {
	case WS_PING:
		if (c->state == CONN_OPEN) {
			send_frame(w, c, WS_PONG, payload);
		}
		return;
	case WS_PONG:
		return;
	case WS_CLOSE:
		on_close(w, c, payload);
		return;
	default:
		on_data(w, c, frame, payload);
		return;
	}
}

// Handles the frames in `data` and returns how much they took.
static size_t take_frames(struct wire *w, struct conn *c, struct bytes data)
{
	size_t taken = 0;
	while (c->state != CONN_NONE && !c->close_received) {
		struct bytes rest = bytes_from(data, taken);
		struct ws_incoming frame;
		int verdict = ws_client_decode(rest, w->inflater != NULL, &frame);
		if (verdict == 0 && frame.payload_len > MESSAGE_MAX) {
			verdict = -EBADMSG;
		}
		if (verdict < 0) {
			finish_broken(w, c, "bad frame");
			break;
		}
		size_t len = frame.header_len + (size_t)frame.payload_len;
		if (verdict > 0 || rest.len < len) {
			break;
		}
		on_frame(w, c, &frame,
			bytes_make(rest.data + frame.header_len, (size_t)frame.payload_len));
		taken += len;
	}
	return taken;
}

static size_t take_response(struct wire *w, struct conn *c, struct bytes data)
{
	struct ws_response response;
	int verdict = ws_client_response(data, c->nonce, &response);
	if (verdict > 0) {
		return 0;
	}
	if (verdict < 0) {
		finish_broken(w, c, "bad handshake");
		return 0;
	}
	if (response.status != 101) {
		finish(w, c, CONN_REFUSED, (unsigned)response.status, bytes_make(NULL, 0));
		return 0;
	}
	if (response.deflate != (w->inflater != NULL)) {
		finish_broken(w, c, "compression not agreed on");
		return 0;
	}
	c->state = CONN_OPEN;
	w->events->opened(w->arg, c);
	return response.len + take_frames(w, c, bytes_from(data, response.len));
}

static void on_readable(struct wire *w, struct conn *c)
{
	w->input.len = 0;
	buf_append_bytes(&w->input, buf_bytes(&c->rest));
	uint8_t *to = buf_reserve(&w->input, READ_SIZE);
	ssize_t n = c->tls != NULL ? wire_tls_recv(c->tls, to, READ_SIZE)
				   : recv(c->fd, to, READ_SIZE, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			finish_socket(w, c, n < 0 ? errno : 0);
		} else if (c->tls != NULL && c->out.len > 0) {
			mark_dirty(w, c);
		}
		return;
	}
	w->now_ns = clock_mono_ns();
	w->input.len += (size_t)n;
	struct bytes data = buf_bytes(&w->input);
	if (c->close_received) {
		return; // RFC 6455 section 5.5.1: nothing may follow
	}
	size_t taken =
		c->state == CONN_UPGRADING ? take_response(w, c, data) : take_frames(w, c, data);
	if (c->state != CONN_NONE) {
		buf_reset(&c->rest, 0);
		buf_append_bytes(&c->rest, bytes_from(data, taken));
	}
}

// Connecting

static int open_socket(const struct net_addr *addr, const struct net_addr *source)
{
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	net_set_nodelay(fd);
	int error = 0;
	if (source != NULL) {
		// The port is chosen when the peer is known, so that it need only differ per peer.
		int on = 1;
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		error = bind(fd, (const struct sockaddr *)&source->sa, source->len);
	}
	if (error == 0) {
		error = connect(fd, (const struct sockaddr *)&addr->sa, addr->len);
	}
	if (error != 0 && errno != EINPROGRESS) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int conn_open(struct wire *w, struct conn *c, const struct net_addr *addr, const char *host,
	const struct net_addr *source, struct bytes target)
{
	CHECK(c->state == CONN_NONE);
	int fd = open_socket(addr, source);
	if (fd < 0) {
		return fd;
	}
	*c = (struct conn){ .fd = fd, .state = CONN_CONNECTING, .blocked = true };
	for (size_t i = 0; i < WS_NONCE_LEN; i++) {
		c->nonce[i] = (uint8_t)rng_next(w->rng);
	}
	ws_client_request(&c->out, host, target, c->nonce, w->subprotocol, w->inflater != NULL);
	watch(w, c, EPOLL_CTL_ADD);
	return 0;
}

static void on_connected(struct wire *w, struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	CHECK(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	if (error != 0) {
		finish_socket(w, c, error);
		return;
	}
	c->state = CONN_UPGRADING;
	if (w->tls != NULL) {
		c->tls = wire_tls_open(w->tls, c->fd);
	}
	flush(w, c);
}

static void on_event(struct wire *w, struct conn *c, uint32_t events)
{
	if (c->state == CONN_CONNECTING) {
		on_connected(w, c);
	} else if (c->state != CONN_NONE && (events & EPOLLOUT) != 0) {
		flush(w, c);
	}
	if (c->state != CONN_NONE && c->state != CONN_CONNECTING &&
		(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		on_readable(w, c);
	}
}

// The loop

int wire_init(struct wire *w, const struct conn_events *events, void *arg, struct rng *rng,
	bool tls, bool deflate)
{
	*w = (struct wire){ .epoll = -1, .timer = -1, .events = events, .arg = arg, .rng = rng };
	STAILQ_INIT(&w->dirty);
	w->tls = tls ? wire_tls_new() : NULL;
	w->inflater = deflate ? wire_inflater_new() : NULL;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	if (w->epoll < 0 || w->timer < 0 ||
		epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &event) < 0) {
		int error = -errno;
		wire_fini(w);
		return error;
	}
	return 0;
}

void wire_fini(struct wire *w)
{
	if (w->epoll >= 0) {
		close(w->epoll);
	}
	if (w->timer >= 0) {
		close(w->timer);
	}
	buf_fini(&w->input);
	wire_tls_free(w->tls);
	wire_inflater_free(w->inflater);
}

void wire_wake_at(struct wire *w, uint64_t at_ns)
{
	if (at_ns == w->wake_ns) {
		return;
	}
	w->wake_ns = at_ns;
	const struct itimerspec when = { .it_value = {
						 .tv_sec = (time_t)(at_ns / 1000000000U),
						 .tv_nsec = (long)(at_ns % 1000000000U),
					 } };
	CHECK(timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

void wire_turn(struct wire *w, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	flush_all(w);
	int n = epoll_wait(w->epoll, events, EVENTS, timeout_ms);
	CHECK(n >= 0 || errno == EINTR);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL) {
			wire_wake_at(w, 0); // takes back what has expired
		} else {
			on_event(w, events[i].data.ptr, events[i].events);
		}
	}
}
