#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ops_http.h"
#include "tests/unit/test.h"

struct fixture {
	struct loop *loop;
	struct ops_http *ops;
	struct net_addr addr;
	struct loop_timer timer;
	int calls;
};

static void on_hello(void *arg, struct ops_reply *reply)
{
	struct fixture *f = arg;
	f->calls++;
	buf_append_str(&reply->body, "hello\n");
}

static const struct ops_route routes[] = { { "/hello", on_hello }, { 0 } };

static void start(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->loop = loop_new();
	assert_int_equal(net_addr_parse(&f->addr, "127.0.0.1:0"), 0);
	assert_int_equal(ops_http_new(f->loop, &f->addr, routes, f, &f->ops), 0);
}

static void stop(struct fixture *f)
{
	ops_http_free(f->ops);
	loop_free(f->loop);
}

static void on_tick(void *arg)
{
	loop_stop(arg);
}

// Lets the loop turn for a moment.
static void turn(struct fixture *f)
{
	loop_timer_init(f->loop, &f->timer, on_tick, f->loop);
	loop_timer_start(&f->timer, 20);
	loop_run(f->loop);
}

static int dial(const struct fixture *f)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&f->addr.sa, f->addr.len), 0);
	return fd;
}

// What the server answers to `request`, sent in two pieces.
static const char *ask(struct fixture *f, const char *request)
{
	static char reply[4096];
	size_t half = strlen(request) / 2;
	int fd = dial(f);
	assert_int_equal(send(fd, request, half, 0), half);
	turn(f);
	assert_int_equal(send(fd, request + half, strlen(request) - half, 0),
		strlen(request) - half);
	turn(f);
	ssize_t got = recv(fd, reply, sizeof(reply) - 1, 0);
	assert_true(got > 0);
	reply[got] = '\0';
	close(fd);
	return reply;
}

static void serves_a_page_and_closes(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	const char *reply = ask(&f, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(strncmp(reply, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_non_null(strstr(reply, "\r\nContent-Length: 6\r\n"));
	assert_non_null(strstr(reply, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(reply, "\r\n\r\nhello\n"));
	assert_int_equal(f.calls, 1);
	stop(&f);
}

static void answers_head_without_a_body(void **state)
{
	(void)state;
	struct fixture f;
	start(&f);
	const char *reply = ask(&f, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_non_null(strstr(reply, "\r\nContent-Length: 6\r\n"));
	assert_null(strstr(reply, "hello"));
	stop(&f);
}

static void refuses_what_it_does_not_serve(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		const char *status;
	} rows[] = {
		{ "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 " },
		{ "POST /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 " },
		{ "GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400 " },
		{ "nonsense\r\n\r\n", "HTTP/1.1 400 " },
	};
	struct fixture f;
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *reply = ask(&f, rows[i].request);
		assert_int_equal(strncmp(reply, rows[i].status, strlen(rows[i].status)), 0);
	}
	assert_int_equal(f.calls, 0);
	stop(&f);
}

static void serves_others_after_more_connections_than_it_holds(void **state)
{
	(void)state;
	struct fixture f;
	int fds[80];
	start(&f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial(&f);
		if (i % 20 == 0) {
			turn(&f); // the backlog is shorter than the list
		}
	}
	turn(&f);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		close(fds[i]);
	}
	turn(&f);
	const char *reply = ask(&f, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(strncmp(reply, "HTTP/1.1 200 ", 13), 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_a_page_and_closes),
		cmocka_unit_test(answers_head_without_a_body),
		cmocka_unit_test(refuses_what_it_does_not_serve),
		cmocka_unit_test(serves_others_after_more_connections_than_it_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
