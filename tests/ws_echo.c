// ws-echo: echoes every message, over nothing but the parsers that the edge uses. It lets a
// conformance suite judge them without tokens, rooms or a router in between. One thread, no
// timeouts: not for anything but tests.
//
//     ws-echo --listen 127.0.0.1:9001 [--compression] [--tls CERT KEY]

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fault.h"
#include "common/http_head.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/net.h"
#include "edge/http/http_upgrade.h"
#include "edge/tls/tls_context.h"
#include "edge/tls/transport.h"
#include "edge/ws/ws_deflate.h"
#include "edge/ws/ws_session.h"

enum {
	BACKLOG = 64,
	FRAGMENTS_MAX = 65537, // 64 KiB in octets, and an empty frame that ends them
	MESSAGE_MAX = 256 * 1024 * 1024,
	LEVEL = 3,
	MEM_LEVEL = 7,
};

struct server {
	struct loop *loop;
	struct loop_io io;
	struct upgrade_policy policy;
	struct tls_context *tls; // NULL: plain
	struct transport_buffers buffers;
	struct ws_limits plain;
	struct ws_limits packed; // for who agreed on compression
	struct ws_deflater *deflaters[WS_WINDOW_BITS_MAX + 1]; // by window; made when first needed
};

struct client {
	struct server *server;
	struct loop_io io;
	struct loop_io write_io;
	bool upgraded;
	bool writing;
	bool closing; // nothing more is read; ends when all is written
	bool shut;
	int fd;
	struct tls_stream *tls; // NULL: plain
	struct ws_agreement compression;
	struct ws_session ws;
	struct buf in;
	struct buf out;
	size_t sent; // of `out`
};

static void client_free(struct client *c)
{
	loop_io_stop(&c->io);
	if (c->writing) {
		loop_io_stop(&c->write_io);
	}
	tls_stream_free(c->tls);
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

static void append_message(struct client *c, enum ws_opcode opcode, struct bytes payload)
{
	if (!c->compression.compressed) {
		append_frame(c, opcode, payload);
		return;
	}
	struct ws_deflater **deflater = &c->server->deflaters[c->compression.window_bits];
	if (*deflater == NULL) {
		*deflater = ws_deflater_new(LEVEL, MEM_LEVEL, c->compression.window_bits);
	}
	struct bytes packed = ws_deflater_run(*deflater, payload);
	uint8_t header[WS_SERVER_HEADER_MAX];
	buf_append(&c->out, header, ws_header_encode(header, opcode, true, packed.len));
	buf_append_bytes(&c->out, packed);
}

static void echo(struct client *c, const struct ws_event *event)
{
	switch (event->kind) {
	case WS_EVENT_MESSAGE:
		append_message(c, event->opcode, event->payload);
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
	const struct ws_limits *limits =
		c->compression.compressed ? &c->server->packed : &c->server->plain;
	size_t at = 0;
	struct ws_event event = { .kind = WS_EVENT_PONG };
	while (!c->closing && event.kind != WS_EVENT_NONE) {
		size_t used = 0;
		event = ws_session_next(&c->ws, limits, data + at, len - at, &used);
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
		status = http_upgrade_check(&head, &c->server->policy, &request, &scratch);
	}
	if (status == 101) {
		http_upgrade_accept(&c->out, &request);
		c->upgraded = true;
		c->compression = request.compression;
		run_session(c, c->in.data + head.len, c->in.len - head.len);
	} else {
		http_refuse(&c->out, status, http_status_text(status), 0);
		c->closing = true;
	}
	buf_fini(&c->in);
	buf_fini(&scratch);
}

// Sends what the socket takes: 0 when all has left, -EAGAIN, or another negative errno.
static int send_some(struct client *c)
{
	while (c->sent < c->out.len || transport_owes(c->tls)) {
		struct iovec rest = {
			.iov_base = c->out.data + c->sent,
			.iov_len = c->out.len - c->sent,
		};
		ssize_t sent = transport_write(c->fd, c->tls, &c->server->buffers, &rest,
			rest.iov_len > 0 ? 1 : 0);
		if (sent < 0) {
			return (int)sent;
		}
		c->sent += (size_t)sent;
	}
	c->sent = 0;
	c->out.len = 0;
	if (c->closing && !c->shut) {
		c->shut = true;
		return transport_end(c->fd, c->tls);
	}
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

// False if the connection is over.
static bool flush(struct client *c)
{
	int result = send_some(c);
	if (result < 0 && result != -EAGAIN) {
		return false;
	}
	bool wait = result == -EAGAIN;
	if (wait && !c->writing) {
		loop_io_start(c->server->loop, &c->write_io, c->fd, LOOP_WRITE, on_writable, c);
	} else if (!wait && c->writing) {
		loop_io_stop(&c->write_io);
	}
	c->writing = wait;
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

static void take_input(struct client *c, uint8_t *data, size_t len)
{
	if (c->upgraded) {
		run_session(c, data, len);
	} else if (!c->closing) {
		buf_append(&c->in, data, len);
		run_upgrade(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	uint8_t *data;
	(void)what;
	ssize_t got = transport_read(fd, c->tls, &c->server->buffers, &data);
	if (got > 0) {
		take_input(c, data, (size_t)got);
	}
	bool broken = got == 0 || (got < 0 && got != -EAGAIN);
	if (broken || !flush(c) || transport_at_end(c->tls) || transport_fault(c->tls) != NULL) {
		client_free(c);
	}
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	(void)what;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0) {
		return;
	}
	net_set_nodelay(client);
	struct client *c = xcalloc(1, sizeof(*c));
	c->server = server;
	c->fd = client;
	if (server->tls != NULL && (c->tls = tls_stream_new(server->tls, client)) == NULL) {
		mem_exhausted();
	}
	ws_session_init(&c->ws);
	loop_io_start(server->loop, &c->io, client, LOOP_READ, on_readable, c);
}

struct options {
	const char *listen;
	bool compression;
	struct tls_files tls;
};

static bool parse_options(char **argv, struct options *options)
{
	static const struct tls_files no_tls = { "", "", "", "" };
	*options = (struct options){ .tls = no_tls };
	for (char **word = argv + 1; *word != NULL; word++) {
		if (strcmp(*word, "--listen") == 0 && word[1] != NULL) {
			options->listen = *++word;
		} else if (strcmp(*word, "--compression") == 0) {
			options->compression = true;
		} else if (strcmp(*word, "--tls") == 0 && word[1] != NULL && word[2] != NULL) {
			options->tls.cert = *++word;
			options->tls.key = *++word;
		} else {
			return false;
		}
	}
	return options->listen != NULL;
}

static void server_init(struct server *server, bool compression)
{
	server->plain =
		(struct ws_limits){ .message_max = MESSAGE_MAX, .fragments_max = FRAGMENTS_MAX };
	server->packed = server->plain;
	if (compression) {
		server->packed.inflater = ws_inflater_new();
		server->policy.compression = (struct ws_offer_policy){
			.window_bits_min = WS_WINDOW_BITS_MIN,
			.window_bits_max = WS_WINDOW_BITS_MAX,
		};
	}
}

static void server_init_tls(struct server *server, const struct tls_files *files)
{
	struct fault fault = { 0 };
	server->tls = tls_context_new(files, &fault);
	if (server->tls == NULL) {
		fprintf(stderr, "error: --tls: %s\n", fault.what);
		exit(1);
	}
	server->policy.tls = true;
	transport_buffers_need_tls(&server->buffers);
}

int main(int argc, char **argv)
{
	static struct server server;
	struct net_addr addr;
	struct options options;
	(void)argc;
	if (!parse_options(argv, &options) || net_addr_parse(&addr, options.listen) != 0) {
		fprintf(stderr,
			"usage: ws-echo --listen HOST:PORT [--compression] [--tls CERT KEY]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	server.loop = loop_new();
	server_init(&server, options.compression);
	if (options.tls.cert[0] != '\0') {
		server_init_tls(&server, &options.tls);
	}
	int fd = net_listen(&addr, false, false, BACKLOG);
	if (fd < 0) {
		fprintf(stderr, "error: %s: %s\n", options.listen, strerror(-fd));
		return 1;
	}
	char bound[NET_ADDR_TEXT_MAX];
	net_addr_format(&addr, bound);
	fprintf(stderr, "ready listen=%s\n", bound);
	loop_io_start(server.loop, &server.io, fd, LOOP_READ, on_acceptable, &server);
	loop_run(server.loop);
	return 0;
}
