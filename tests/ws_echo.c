// ws-echo: echoes every message, over nothing but the parsers that the edge uses. It lets a conformance
// suite judge them without tokens, rooms or a router in between. One thread, no timeouts: not for
// anything but tests.
//
//     ws-echo --listen 127.0.0.1:9001

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/http_head.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/net.h"
#include "edge/http_upgrade.h"
#include "edge/ws_session.h"

enum {
	BACKLOG = 64,
	FRAGMENTS_MAX = 65536,
	READ_MAX = 64 * 1024,
};

static const struct ws_limits limits = { .fragments_max = FRAGMENTS_MAX };

struct client {
	struct loop *loop;
	struct loop_io io;
	struct loop_io write_io;
	bool upgraded;
	bool writing;
	bool closing; // nothing more is read; ends when all is written
	bool shut;
	int fd;
	struct ws_session ws;
	struct buf in;
	struct buf out;
};

static void client_free(struct client *c)
{
	loop_io_stop(&c->io);
	if (c->writing) {
		loop_io_stop(&c->write_io);
	}
	close(c->fd);
	ws_session_fini(&c->ws);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

static void append_frame(struct client *c, enum ws_opcode opcode, struct bytes payload)
{
	uint8_t header[WS_SERVER_HEADER_MAX];
	buf_append(&c->out, header, ws_header_encode(header, opcode, false, payload.len));
	buf_append_bytes(&c->out, payload);
}

static void append_close(struct client *c, unsigned code)
{
	const uint8_t payload[2] = { (uint8_t)(code >> 8), (uint8_t)(code & 0xff) };
	append_frame(c, WS_CLOSE, bytes_make(payload, code == WS_CLOSE_NO_STATUS ? 0 : 2));
	c->closing = true;
}

static void echo(struct client *c, const struct ws_event *event)
{
	switch (event->kind) {
	case WS_EVENT_MESSAGE:
		append_frame(c, event->opcode, event->payload);
		break;
	case WS_EVENT_PING:
		append_frame(c, WS_PONG, event->payload);
		break;
	case WS_EVENT_CLOSE:
	case WS_EVENT_FAIL:
		append_close(c, event->code);
		break;
	case WS_EVENT_NONE:
	case WS_EVENT_PONG:
		break;
	}
}

static void run_session(struct client *c, uint8_t *data, size_t len)
{
	size_t at = 0;
	struct ws_event event = { .kind = WS_EVENT_PONG };
	while (!c->closing && event.kind != WS_EVENT_NONE) {
		size_t used = 0;
		event = ws_session_next(&c->ws, &limits, data + at, len - at, &used);
		at += used;
		echo(c, &event);
	}
}

static void run_upgrade(struct client *c)
{
	struct http_head head;
	struct upgrade_request request;
	struct buf scratch = { 0 };
	int status = http_head_parse(buf_bytes(&c->in), &head);
	if (status == 1) {
		return;
	}
	if (status == 0) {
		status = http_upgrade_check(&head, &(struct upgrade_policy){ 0 }, &request,
			&scratch);
	}
	if (status == 101) {
		http_upgrade_accept(&c->out, &request);
		c->upgraded = true;
		run_session(c, c->in.data + head.len, c->in.len - head.len);
	} else {
		http_refuse(&c->out, status, http_status_text(status), 0);
		c->closing = true;
	}
	buf_fini(&c->in);
	buf_fini(&scratch);
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

// Writes what it can. False if the connection is over.
static bool flush(struct client *c)
{
	while (c->out.len > 0) {
		ssize_t sent = write(c->fd, c->out.data, c->out.len);
		if (sent < 0 && errno == EAGAIN) {
			break;
		}
		if (sent < 0) {
			return false;
		}
		buf_consume(&c->out, (size_t)sent);
	}
	bool wait = c->out.len > 0;
	if (wait && !c->writing) {
		loop_io_start(c->loop, &c->write_io, c->fd, LOOP_WRITE, on_writable, c);
	} else if (!wait && c->writing) {
		loop_io_stop(&c->write_io);
	}
	c->writing = wait;
	if (!wait && c->closing && !c->shut) {
		c->shut = true;
		shutdown(c->fd, SHUT_WR);
	}
	return true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	(void)fd;
	(void)what;
	if (!flush(c)) {
		client_free(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	static uint8_t data[READ_MAX];
	(void)what;
	ssize_t got = read(fd, data, sizeof(data));
	if (got < 0 && errno == EAGAIN) {
		return;
	}
	if (got <= 0) {
		client_free(c);
		return;
	}
	if (c->upgraded) {
		run_session(c, data, (size_t)got);
	} else if (!c->closing) {
		buf_append(&c->in, data, (size_t)got);
		run_upgrade(c);
	}
	if (!flush(c)) {
		client_free(c);
	}
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	(void)what;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0) {
		return;
	}
	net_set_nodelay(client);
	struct client *c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	c->fd = client;
	ws_session_init(&c->ws);
	loop_io_start(loop, &c->io, client, LOOP_READ, on_readable, c);
}

int main(int argc, char **argv)
{
	struct net_addr addr;
	if (argc != 3 || strcmp(argv[1], "--listen") != 0 || net_addr_parse(&addr, argv[2]) != 0) {
		fprintf(stderr, "usage: ws-echo --listen HOST:PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	int fd = net_listen(&addr, false, false, BACKLOG);
	if (fd < 0) {
		fprintf(stderr, "error: %s: %s\n", argv[2], strerror(-fd));
		return 1;
	}
	char bound[NET_ADDR_TEXT_MAX];
	net_addr_format(&addr, bound);
	fprintf(stderr, "ready listen=%s\n", bound);
	struct loop *loop = loop_new();
	struct loop_io io = { 0 };
	loop_io_start(loop, &io, fd, LOOP_READ, on_acceptable, loop);
	loop_run(loop);
	return 0;
}
