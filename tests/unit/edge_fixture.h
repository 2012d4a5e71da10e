// A worker by itself: its clients are socket pairs, its router is this file, and time stands still
// until a test moves it. Include it from one file of the program.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/client/clients.h"
#include "edge/client/worker.h"
#include "edge/state/settings.h"
#include "edge/uplink/dispatch.h"
#include "tests/unit/conf_args.h"
#include "tests/unit/test.h"

enum {
	FIXTURE_WALL_MS = 1700000000, // times 1000: the wall clock at the start
	FIXTURE_TICK_MS = 100,
	FIXTURE_QUEUE_LIMIT = 64 * 1024,
	FIXTURE_SAID_MAX = 1024,
};

// ---- the clock

static uint64_t fixture_now_ms = 1000000;
static uint64_t fixture_read_us; // what passes with each reading of the monotonic clock
static uint64_t fixture_passed_us; // so far

static uint64_t fixture_mono_ns(void)
{
	fixture_passed_us += fixture_read_us;
	return fixture_now_ms * 1000000 + fixture_passed_us * 1000;
}

static int64_t fixture_wall_ms(void)
{
	return (int64_t)FIXTURE_WALL_MS * 1000 + (int64_t)fixture_now_ms - 1000000;
}

static const struct clock_source fixture_clock = {
	.mono_ns = fixture_mono_ns,
	.wall_ms = fixture_wall_ms,
};

// ---- the link: what the worker says is kept, packed, until the test takes it

struct said {
	struct buf packed;
	uint64_t req; // 0: a fact
	uint64_t deadline_ms;
};

static struct {
	struct router_link_status status;
	bool full; // has no room
	uint64_t sent_req; // requests up to this one have been written
	uint64_t consumed; // the last mark
	unsigned n_flushes;
	unsigned n_snapshots;
	struct said said[FIXTURE_SAID_MAX];
	size_t n_said;
	size_t n_taken;
	struct link_arena arena;
} router;

static void router_takes(struct link_outbox *outbox)
{
	struct link_entry entry;
	for (size_t at = 0; link_outbox_next(outbox, &at, &entry);) {
		assert_true(router.n_said < FIXTURE_SAID_MAX);
		struct said *said = &router.said[router.n_said++];
		*said = (struct said){ .req = entry.req, .deadline_ms = entry.deadline_ms };
		buf_append_bytes(&said->packed, entry.element);
	}
	buf_reset(&outbox->entries, 0);
}

static bool router_has_room(void *link, size_t more)
{
	(void)link;
	(void)more;
	return !router.full;
}

static void router_flush(void *link, unsigned worker, struct link_outbox *outbox)
{
	(void)link;
	(void)worker;
	router.n_flushes++;
	router_takes(outbox);
}

static void router_snapshot(void *link, unsigned worker, uint64_t session,
	struct link_outbox *outbox)
{
	(void)link;
	(void)worker;
	(void)session;
	router.n_snapshots++;
	router_takes(outbox);
}

static void router_consumed(void *link, unsigned worker, uint64_t mark)
{
	(void)link;
	(void)worker;
	router.consumed = mark;
}

static bool router_was_sent(void *link, unsigned worker, uint64_t req)
{
	(void)link;
	(void)worker;
	return req <= router.sent_req;
}

static struct router_link_status router_status(void *link)
{
	(void)link;
	return router.status;
}

static const struct uplink_ops router_ops = {
	.has_room = router_has_room,
	.flush = router_flush,
	.snapshot = router_snapshot,
	.consumed = router_consumed,
	.was_sent = router_was_sent,
	.status = router_status,
};

// The next item that the worker has said, good until the next call; NULL if it has said no more.
static inline const link_item *router_next(struct said **said)
{
	if (router.n_taken == router.n_said) {
		return NULL;
	}
	struct said *next = &router.said[router.n_taken++];
	if (said != NULL) {
		*said = next;
	}
	struct bytes batch = buf_bytes(&next->packed);
	struct bytes packed;
	assert_int_equal(link_batch_next(&batch, &packed), 1);
	const link_item *item = link_item_unpack(&router.arena, packed);
	assert_non_null(item);
	return item;
}

// The same, of one kind; those before it are passed over.
static inline const link_item *router_next_of(int kind)
{
	const link_item *item;
	while ((item = router_next(NULL)) != NULL && (int)item->kind_case != kind) {
	}
	return item;
}

static inline void router_forget(void)
{
	for (size_t i = 0; i < router.n_said; i++) {
		buf_fini(&router.said[i].packed);
	}
	router.n_said = 0;
	router.n_taken = 0;
}

// ---- the worker

struct fixture {
	struct edge_conf *conf; // of the settings in use
	struct edge edge;
	struct worker *w;
	struct dispatch dispatch;
	struct buf batch; // what the router is about to say
	uint64_t mark;
};

#define FIXTURE_OPTIONS                                                                            \
	"--auth=none", "--listen=127.0.0.1:0", "--max-rooms-per-connection=10",                    \
		"--rate-messages=0", "--queue-limit=64KiB"

static inline void fixture_settings(struct fixture *b, const char *const *options)
{
	struct edge_conf conf;
	assert_loads(&edge_conf_spec, &conf, options);
	struct fault fault;
	struct settings *settings = settings_new(&conf, bytes_make(NULL, 0), &fault);
	assert_non_null(settings);
	assert_int_equal(edge_init(&b->edge, settings, &fault), 0);
	b->conf = &settings->conf;
	settings_unref(settings);
}

static inline void fixture_init_with(struct fixture *b, const char *const *options)
{
	fixture_now_ms = 1000000;
	fixture_read_us = 0;
	fixture_passed_us = 0;
	log_set_level(LOG_ERROR);
	signal(SIGPIPE, SIG_IGN); // as the program does
	router_forget();
	link_arena_fini(&router.arena);
	memset(&router, 0, sizeof(router));
	router.status = (struct router_link_status){ .up = true, .admitted = true, .canary_ms = 1 };
	clock_use(&fixture_clock);
	memset(b, 0, sizeof(*b));
	fixture_settings(b, options);
	b->edge.possible_connections = 1000;
	b->edge.n_links = 1;
	b->edge.n_workers = 1;
	b->w = worker_new(&b->edge, 0);
	worker_clients(b->w)->turn.streams.batch =
		getenv("FIXTURE_SENDS_BATCHES") != NULL ? send_batch_new() : NULL;
	b->edge.workers[0] = b->w;
	atomic_store(&b->edge.n_working, 1);
	b->edge.all_done = loop_wake_new(worker_loop(b->w), (loop_fn *)free, NULL);
	b->edge.link_ops = &router_ops;
	worker_attach(b->w, 0, &router_ops, NULL);
	dispatch_init(&b->dispatch, &b->edge.codec, 0, &b->edge.unknown_items[0]);
	b->dispatch.use = &b->edge.codec_use;
	b->dispatch.revoked = &b->edge.revoked;
	atomic_store(&b->edge.revoked.is_known, true);
	dispatch_add_worker(&b->dispatch, worker_inbox(b->w));
	worker_on_tick(b->w);
}

static inline void fixture_init(struct fixture *b)
{
	fixture_init_with(b, ARGS(FIXTURE_OPTIONS));
}

static inline void fixture_fini(struct fixture *b)
{
	worker_stop(b->w);
	assert_int_equal(counter_get(&worker_clients(b->w)->turn.metrics.queue_bytes), 0);
	assert_int_equal(counter_get(&worker_clients(b->w)->turn.metrics.connections), 0);
	assert_int_equal(b->edge.n_sockets, 0);
	assert_int_equal(b->edge.n_open, 0);
	loop_wake_free(b->edge.all_done);
	dispatch_fini(&b->dispatch);
	worker_free(b->w);
	edge_fini(&b->edge);
	buf_fini(&b->batch);
	router_forget();
	link_arena_fini(&router.arena);
}

// One turn of the worker's loop: all that is ready is done.
static inline void fixture_turn(struct fixture *b)
{
	loop_stop(worker_loop(b->w));
	loop_run(worker_loop(b->w));
}

// Time passes, with a tick each 100 ms as in life.
static inline void fixture_pass(struct fixture *b, uint64_t ms)
{
	uint64_t end = fixture_now_ms + ms;
	while (fixture_now_ms < end) {
		fixture_now_ms += end - fixture_now_ms < FIXTURE_TICK_MS ? end - fixture_now_ms
									 : FIXTURE_TICK_MS;
		worker_on_tick(b->w);
	}
	fixture_turn(b);
}

// The router says one more item ...
static inline void fixture_say(struct fixture *b, const link_item *item)
{
	link_item_append(&b->batch, item);
}

// ... and what it said arrives as one BATCH.
static inline void fixture_deliver(struct fixture *b)
{
	uint64_t workers;
	assert_true(dispatch_batch(&b->dispatch, ++b->mark, buf_bytes(&b->batch), &workers));
	buf_reset(&b->batch, 0);
	fixture_turn(b);
}

// ---- a client

struct client {
	int fd;
	struct conn *conn; // the worker's end; not to be looked at once it is dead
	struct buf in;
};

static inline void client_connect(struct fixture *b, struct client *c)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	turn_touch(&worker_clients(b->w)->turn);
	*c = (struct client){
		.fd = fds[0],
		.conn = conn_new(&worker_clients(b->w)->turn, fds[1],
			net_ip_v4((const uint8_t[]){ 192, 0, 2, 1 }), ADMISSION_OK, false),
	};
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	buf_fini(&c->in);
}

static inline void client_write(struct fixture *b, struct client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
	fixture_turn(b);
}

static inline void client_write_str(struct fixture *b, struct client *c, const char *text)
{
	client_write(b, c, text, strlen(text));
}

static const char fixture_request[] = "GET /ws?autojoin=0 HTTP/1.1\r\n"
				      "Host: example.org\r\n"
				      "Upgrade: websocket\r\n"
				      "Connection: Upgrade\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
				      "Sec-WebSocket-Version: 13\r\n\r\n";

// Appends a client's frame, masked with zeros (which is a mask like any other).
static inline void client_frame(struct buf *out, unsigned first, struct bytes payload)
{
	buf_append_byte(out, (uint8_t)first);
	if (payload.len < 126) {
		buf_append_byte(out, (uint8_t)(0x80 | payload.len));
	} else {
		assert_true(payload.len <= UINT16_MAX);
		buf_append_byte(out, 0x80 | 126);
		buf_append_byte(out, (uint8_t)(payload.len >> 8));
		buf_append_byte(out, (uint8_t)(payload.len & 0xff));
	}
	buf_append(out, "\0\0\0\0", 4);
	buf_append_bytes(out, payload);
}

enum {
	FIN = 0x80,
};

static inline void client_send(struct fixture *b, struct client *c, unsigned first,
	struct bytes payload)
{
	struct buf out = { 0 };
	client_frame(&out, first, payload);
	client_write(b, c, out.data, out.len);
	buf_fini(&out);
}

static inline void client_say(struct fixture *b, struct client *c, const char *json)
{
	client_send(b, c, FIN | WS_TEXT, bytes_str(json));
}

// Takes in what the worker has sent. False at the end of the stream.
static inline bool client_read(struct client *c)
{
	for (;;) {
		ssize_t got = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
		// Reset: the worker has closed and left something unread.
		if (got == 0 || (got < 0 && errno == ECONNRESET)) {
			return false;
		}
		if (got < 0) {
			assert_int_equal(errno, EAGAIN);
			return true;
		}
		c->in.len += (size_t)got;
	}
}

// The text of what was read and not taken, NUL-terminated, until the next read.
static inline const char *client_text(struct client *c)
{
	*buf_reserve(&c->in, 1) = '\0';
	return (const char *)c->in.data;
}

static inline void client_skip_head(struct client *c)
{
	const char *text = client_text(c);
	const char *end = strstr(text, "\r\n\r\n");
	assert_non_null(end);
	buf_consume(&c->in, (size_t)(end + 4 - text));
}

// Takes the next frame; its payload is appended to the emptied `payload`. 0 if there is none.
static inline unsigned client_take(struct client *c, struct buf *payload)
{
	client_read(c);
	payload->len = 0;
	if (c->in.len < 2) {
		return 0;
	}
	const uint8_t *data = c->in.data;
	size_t len = data[1];
	size_t head = 2;
	if (len == 126) {
		len = (size_t)data[2] << 8 | data[3];
		head = 4;
	}
	assert_true(len < 127 || head == 4);
	if (c->in.len < head + len) {
		return 0;
	}
	unsigned first = data[0];
	buf_append(payload, data + head, len);
	buf_append_byte(payload, '\0');
	payload->len--;
	buf_consume(&c->in, head + len);
	return first;
}

// The next frame is a text with this in it.
static inline void client_expect(struct client *c, const char *part)
{
	struct buf payload = { 0 };
	unsigned first = client_take(c, &payload);
	if (first != (FIN | WS_TEXT) || strstr((const char *)payload.data, part) == NULL) {
		fail_msg("wanted %s, got %02x %s", part, first,
			payload.data != NULL ? (const char *)payload.data : "");
	}
	buf_fini(&payload);
}

static inline void client_expect_nothing(struct client *c)
{
	client_read(c);
	if (c->in.len > 0) {
		fail_msg("wanted nothing, got %s", client_text(c) + 2);
	}
}

// The next frame is a Close with this code.
static inline void client_expect_close(struct client *c, unsigned code)
{
	const uint8_t wanted[2] = { (uint8_t)(code >> 8), (uint8_t)(code & 0xff) };
	struct buf payload = { 0 };
	assert_int_equal(client_take(c, &payload), FIN | WS_CLOSE);
	assert_true(payload.len >= 2);
	assert_memory_equal(payload.data, wanted, sizeof(wanted));
	buf_fini(&payload);
}

// Connects and is greeted, without rooms.
static inline void client_open(struct fixture *b, struct client *c)
{
	client_connect(b, c);
	client_write_str(b, c, fixture_request);
	assert_true(client_read(c));
	client_skip_head(c);
	client_expect(c, "\"type\":\"connected\"");
	client_expect_nothing(c);
	assert_int_equal(c->conn->state, CONN_OPEN);
}

// The number of connections that the worker has.
static inline size_t fixture_count(const struct fixture *b)
{
	return worker_clients(b->w)->turn.conns.n;
}
