// One request a connection and a handler per path, so this is a tenth of an HTTP server, and the
// strict head parser is the one that the client port uses. libevent's evhttp would do
// more than is wanted: bodies, chunks, pipelining, and a list of its own vulnerabilities.
//
// A connection reads until its head is complete or wrong, then writes the whole answer and is
// closed. Its deadline is absolute: neither a byte a second in nor a byte a second out prolongs it.
// A handler that has to wait is run again, on the head that is still there. Of a stream the
// deadline counts from when bytes begin to wait, and its handler is not run while some do, so a
// client that does not read holds one batch.

#include "common/ops_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "common/http_head.h"
#include "common/mem.h"

enum {
	CONNECTIONS_MAX = 64,
	DEADLINE_MS = 5000,
	BACKLOG = 64,
	READ_CHUNK = 2048,
	RETRY_MS = 100,
};

struct ops_conn {
	LIST_ENTRY(ops_conn) link;
	struct ops_http *ops;
	struct loop_io io;
	struct loop_timer deadline;
	struct loop_timer again;
	struct buf in;
	struct buf out;
	struct buf note; // the handler's
	size_t sent;
	int fd;
	bool asked; // the head is complete
	bool writing;
	bool stream;
};

struct ops_http {
	struct loop *loop;
	const struct ops_route *routes;
	void *arg;
	int fd;
	struct loop_io io;
	struct loop_timer retry;
	LIST_HEAD(, ops_conn) conns;
	size_t n_conns;
};

static void accept_while_there_is_room(struct ops_http *ops);

static void free_conn(struct ops_conn *conn)
{
	struct ops_http *ops = conn->ops;
	loop_io_stop(&conn->io);
	loop_timer_stop(&conn->deadline);
	loop_timer_stop(&conn->again);
	close(conn->fd);
	LIST_REMOVE(conn, link);
	ops->n_conns--;
	buf_fini(&conn->in);
	buf_fini(&conn->out);
	buf_fini(&conn->note);
	free(conn);
}

static void end_conn(struct ops_conn *conn)
{
	struct ops_http *ops = conn->ops;
	free_conn(conn);
	accept_while_there_is_room(ops);
}

static void on_deadline(void *arg)
{
	end_conn(arg);
}

// ---- answering

static void put_reply(struct ops_conn *conn, const struct ops_reply *reply, bool head_only)
{
	buf_printf(&conn->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", reply->status,
		http_status_text(reply->status), reply->content_type);
	if (!reply->stream) {
		buf_printf(&conn->out, "Content-Length: %zu\r\n", reply->body.len);
	}
	buf_printf(&conn->out, "Cache-Control: no-store\r\nConnection: close\r\n%s%s\r\n",
		reply->status == 405 ? "Allow: GET, HEAD\r\n" : "",
		reply->fields != NULL ? reply->fields : "");
	if (!head_only) {
		buf_append_bytes(&conn->out, buf_bytes(&reply->body));
	}
}

static const struct ops_route *find_route(const struct ops_http *ops, struct bytes path)
{
	for (const struct ops_route *route = ops->routes; route->path != NULL; route++) {
		size_t len = strlen(route->path) - 1;
		bool begins = route->path[len] == '*' && path.len >= len &&
			memcmp(path.data, route->path, len) == 0;
		if (begins || bytes_equal_str(path, route->path)) {
			return route;
		}
	}
	return NULL;
}

static void refuse(struct ops_reply *reply, int status)
{
	reply->status = status;
	buf_printf(&reply->body, "%s\n", http_status_text(status));
}

// `status` is what the head parser said: 0 for a request, else how to refuse it. False if the
// handler has nothing to say yet.
static bool answer(struct ops_conn *conn, const struct http_head *head, int status)
{
	const struct ops_http *ops = conn->ops;
	struct ops_reply reply = {
		.status = 200,
		.content_type = "text/plain; charset=utf-8",
		.head = head,
		.note = &conn->note,
	};
	bool head_only = status == 0 && bytes_equal_str(head->method, "HEAD");
	const struct ops_route *route = status == 0 ? find_route(ops, head->path) : NULL;
	if (status != 0) {
		refuse(&reply, status);
	} else if (route == NULL) {
		refuse(&reply, 404);
	} else if (!head_only && !bytes_equal_str(head->method, "GET")) {
		refuse(&reply, 405);
	} else {
		route->handler(ops->arg, &reply);
	}
	bool goes_on = reply.again_ms > 0 && !head_only;
	if (conn->stream) {
		buf_append_bytes(&conn->out, buf_bytes(&reply.body));
	} else if (reply.stream || !goes_on) {
		if (reply.body.len == 0 && !reply.stream) {
			refuse(&reply, reply.status);
		}
		put_reply(conn, &reply, head_only);
	}
	conn->stream = reply.stream && goes_on;
	if (goes_on) {
		loop_timer_start(&conn->again, reply.again_ms);
	}
	buf_fini(&reply.body);
	return !goes_on || conn->stream;
}

// ---- input and output

static void on_io(evutil_socket_t fd, short what, void *arg);

// True once all is out, or nothing more can be.
static bool write_out(struct ops_conn *conn)
{
	while (conn->sent < conn->out.len) {
		ssize_t put = send(conn->fd, conn->out.data + conn->sent,
			conn->out.len - conn->sent, MSG_NOSIGNAL);
		if (put < 0) {
			return errno != EAGAIN && errno != EINTR;
		}
		conn->sent += (size_t)put;
	}
	return true;
}

static void end_writing(struct ops_conn *conn)
{
	// What is still unread would turn the close into a reset that overtakes the answer.
	uint8_t rest[READ_CHUNK];
	shutdown(conn->fd, SHUT_WR);
	ssize_t got = recv(conn->fd, rest, sizeof(rest), 0);
	(void)got;
	end_conn(conn);
}

static void wait_for(struct ops_conn *conn, short what)
{
	loop_io_stop(&conn->io);
	loop_io_start(conn->ops->loop, &conn->io, conn->fd, what, on_io, conn);
}

static void begin_writing(struct ops_conn *conn)
{
	if (!write_out(conn)) {
		conn->writing = true;
		loop_timer_stop(&conn->again);
		wait_for(conn, LOOP_WRITE);
	} else if (conn->stream) {
		loop_timer_stop(&conn->deadline);
		conn->out.len = 0;
		conn->sent = 0;
	} else {
		end_writing(conn);
	}
}

static void on_again(void *arg)
{
	struct ops_conn *conn = arg;
	struct http_head head;
	int status = http_head_parse(buf_bytes(&conn->in), &head);
	if (conn->stream) {
		loop_timer_start(&conn->deadline, DEADLINE_MS);
	}
	if (answer(conn, &head, status)) {
		begin_writing(conn);
	}
}

static void read_head(struct ops_conn *conn)
{
	ssize_t got = recv(conn->fd, buf_reserve(&conn->in, READ_CHUNK), READ_CHUNK, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		end_conn(conn);
		return;
	}
	conn->in.len += (size_t)got;
	struct http_head head;
	int status = http_head_parse(buf_bytes(&conn->in), &head);
	conn->asked = status != 1;
	if (conn->asked && answer(conn, &head, status)) {
		begin_writing(conn);
	}
}

// Nothing more is expected from the client, unless it goes.
static void read_rest(struct ops_conn *conn)
{
	uint8_t rest[READ_CHUNK];
	ssize_t got = recv(conn->fd, rest, sizeof(rest), 0);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		end_conn(conn);
	}
}

// A stream that was full goes on; another answer is over.
static void write_rest(struct ops_conn *conn)
{
	if (!write_out(conn)) {
		return;
	}
	if (!conn->stream) {
		end_conn(conn);
		return;
	}
	conn->writing = false;
	conn->out.len = 0;
	conn->sent = 0;
	wait_for(conn, LOOP_READ);
	on_again(conn);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ops_conn *conn = arg;
	(void)fd;
	(void)what;
	if (conn->writing) {
		write_rest(conn);
	} else if (conn->asked) {
		read_rest(conn);
	} else {
		read_head(conn);
	}
}

// ---- accepting

static void add_conn(struct ops_http *ops, int fd)
{
	struct ops_conn *conn = xcalloc(1, sizeof(*conn));
	conn->ops = ops;
	conn->fd = fd;
	LIST_INSERT_HEAD(&ops->conns, conn, link);
	ops->n_conns++;
	loop_timer_init(ops->loop, &conn->deadline, on_deadline, conn);
	loop_timer_start(&conn->deadline, DEADLINE_MS);
	loop_timer_init(ops->loop, &conn->again, on_again, conn);
	loop_io_start(ops->loop, &conn->io, fd, LOOP_READ, on_io, conn);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct ops_http *ops = arg;
	(void)what;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		add_conn(ops, fd);
	}
	bool out_of_descriptors =
		fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
	if (ops->n_conns >= CONNECTIONS_MAX || out_of_descriptors) {
		loop_io_stop(&ops->io); // the backlog waits
	}
	if (out_of_descriptors) {
		loop_timer_start(&ops->retry, RETRY_MS);
	}
}

static void accept_while_there_is_room(struct ops_http *ops)
{
	loop_io_stop(&ops->io);
	loop_io_start(ops->loop, &ops->io, ops->fd, LOOP_READ, on_accept, ops);
}

static void on_retry(void *arg)
{
	accept_while_there_is_room(arg);
}

int ops_http_new(struct loop *loop, struct net_addr *addr, const struct ops_route *routes,
	void *arg, struct ops_http **made)
{
	int fd = net_listen(addr, false, false, BACKLOG);
	if (fd < 0) {
		return fd;
	}
	struct ops_http *ops = xcalloc(1, sizeof(*ops));
	ops->loop = loop;
	ops->routes = routes;
	ops->arg = arg;
	ops->fd = fd;
	loop_timer_init(loop, &ops->retry, on_retry, ops);
	accept_while_there_is_room(ops);
	*made = ops;
	return 0;
}

void ops_http_free(struct ops_http *ops)
{
	if (ops == NULL) {
		return;
	}
	struct ops_conn *conn = LIST_FIRST(&ops->conns);
	while (conn != NULL) {
		struct ops_conn *next = LIST_NEXT(conn, link);
		free_conn(conn);
		conn = next;
	}
	loop_io_stop(&ops->io);
	loop_timer_stop(&ops->retry);
	close(ops->fd);
	free(ops);
}
