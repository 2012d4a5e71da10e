// Two ends of a real connection over the loopback: one polled by this thread's loop, or not, and
// one that NNG's threads move. What a thread of NNG's sees is told by waking the loop.
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

#include "common/loop.h"
#include "proto/link/link_aio.h"
#include "proto/link/link_conn.h"
#include "proto/link/link_socket.h"
#include "proto/link/link_window.h"
#include "tests/unit/temp.h"
#include "tests/unit/test.h"

// In place of NNG's own.
static const char *version = "1.5.2";

const char *nng_version(void)
{
	return version;
}

struct end {
	struct link_conn *conn;
	pthread_mutex_t lock;
	struct loop *loop; // the test's
	bool deaf; // refuses the next frame
	atomic_uint n_frames;
	_Atomic uint64_t next_seq; // of the BATCH awaited
	atomic_uint n_closed;
	unsigned n_full;
};

struct pair {
	struct loop *loop;
	nng_stream *streams[2];
	struct end ends[2];
};

static bool on_frame(void *arg, struct link_conn *conn, const struct link_frame *frame)
{
	struct end *end = arg;
	(void)conn;
	if (frame->type == LINK_BATCH && frame->seq == atomic_load(&end->next_seq)) {
		atomic_fetch_add(&end->next_seq, 1);
	}
	atomic_fetch_add(&end->n_frames, 1);
	loop_stop(end->loop);
	return !end->deaf;
}

static void on_drained(void *arg, struct link_conn *conn)
{
	struct end *end = arg;
	(void)conn;
	loop_stop(end->loop);
}

static void on_full(void *arg, struct link_conn *conn)
{
	struct end *end = arg;
	end->n_full++;
	link_conn_wait_writable(conn);
}

static void on_closed(void *arg, struct link_conn *conn)
{
	struct end *end = arg;
	(void)conn;
	atomic_fetch_add(&end->n_closed, 1);
	loop_stop(end->loop);
}

static const struct link_conn_ops ops = { on_frame, on_drained, on_full, on_closed };

static nng_aio *wait_for(nng_aio *aio)
{
	nng_aio_wait(aio);
	assert_int_equal(nng_aio_result(aio), 0);
	return aio;
}

static void connect_streams(const char *scheme, nng_stream *streams[2])
{
	char path[TEMP_PATH_MAX];
	char url[TEMP_PATH_MAX + 16];
	int port = 0;
	nng_stream_listener *listener;
	nng_stream_dialer *dialer;
	nng_aio *accepted = link_aio_new(NULL, NULL);
	nng_aio *dialled = link_aio_new(NULL, NULL);
	bool ipc = strcmp(scheme, "ipc") == 0;
	if (ipc) {
		temp_template(path, "test-link-conn");
		snprintf(url, sizeof(url), "ipc://%s.%d", path, (int)getpid());
	} else {
		snprintf(url, sizeof(url), "%s://127.0.0.1:0", scheme);
	}
	assert_int_equal(nng_stream_listener_alloc(&listener, url), 0);
	assert_int_equal(nng_stream_listener_listen(listener), 0);
	if (!ipc) {
		nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port);
		snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, port);
	}
	assert_int_equal(nng_stream_dialer_alloc(&dialer, url), 0);
	nng_stream_listener_accept(listener, accepted);
	nng_stream_dialer_dial(dialer, dialled);
	streams[0] = nng_aio_get_output(wait_for(dialled), 0);
	streams[1] = nng_aio_get_output(wait_for(accepted), 0);
	nng_stream_dialer_free(dialer);
	nng_stream_listener_free(listener);
	nng_aio_free(accepted);
	nng_aio_free(dialled);
}

// The first end is polled if that is asked, the second never.
static struct pair *pair_new(bool polled)
{
	struct pair *p = calloc(1, sizeof(*p));
	p->loop = loop_new();
	connect_streams("tcp", p->streams);
	for (int i = 0; i < 2; i++) {
		struct end *end = &p->ends[i];
		pthread_mutex_init(&end->lock, NULL);
		end->loop = p->loop;
		end->next_seq = 1;
		end->conn = link_conn_new(p->streams[i],
			i == 0 && polled ? link_socket_of(p->streams[i]) : -1, p->loop,
			LINK_BODY_MAX, &end->lock, &ops, end);
	}
	assert_true(link_conn_is_polled(p->ends[0].conn) == polled);
	assert_false(link_conn_is_polled(p->ends[1].conn));
	return p;
}

static void pair_free(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		link_conn_free(p->ends[i].conn);
		pthread_mutex_destroy(&p->ends[i].lock);
	}
	loop_free(p->loop);
	free(p);
}

static void start(struct pair *p)
{
	link_conn_start(p->ends[0].conn);
	link_conn_start(p->ends[1].conn);
}

static void send_ping(struct end *end, const char *body)
{
	pthread_mutex_lock(&end->lock);
	assert_true(link_conn_control(end->conn, LINK_PING, 0, bytes_str(body)));
	pthread_mutex_unlock(&end->lock);
}

static void close_end(struct end *end)
{
	pthread_mutex_lock(&end->lock);
	link_conn_close(end->conn);
	pthread_mutex_unlock(&end->lock);
}

static void frames_go_both_ways(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		start(p);
		for (unsigned i = 1; i <= 20; i++) {
			send_ping(&p->ends[0], "there");
			send_ping(&p->ends[1], "and back");
			while (p->ends[0].n_frames < i || p->ends[1].n_frames < i) {
				loop_run(p->loop);
			}
		}
		pair_free(p);
	}
}

static bool is_writing(struct end *end)
{
	pthread_mutex_lock(&end->lock);
	bool writing = link_conn_is_writing(end->conn);
	pthread_mutex_unlock(&end->lock);
	return writing;
}

static void shrink_send_buffer(nng_stream *stream)
{
	int few = 16 << 10;
	int fd = link_socket_of(stream);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few)), 0);
}

static void add_batches(struct link_window *window, uint64_t n)
{
	static const uint8_t element[30000];
	for (uint64_t i = 0; i < n; i++) {
		assert_true(link_window_add(window, bytes_make(element, sizeof(element))));
		link_window_close(window);
	}
}

static void what_does_not_fit_the_socket_follows_in_order(void **state)
{
	(void)state;
	enum {
		N = 30
	};
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		struct link_window window;
		shrink_send_buffer(p->streams[0]);
		link_window_init(&window);
		link_conn_start(p->ends[0].conn);
		pthread_mutex_lock(&p->ends[0].lock);
		link_conn_attach(p->ends[0].conn, &window);
		add_batches(&window, N);
		link_conn_kick(p->ends[0].conn);
		pthread_mutex_unlock(&p->ends[0].lock);
		assert_true(is_writing(&p->ends[0])); // nobody reads yet
		send_ping(&p->ends[0], "waits for its turn");
		link_conn_start(p->ends[1].conn);
		while (p->ends[1].n_frames < N + 1 || is_writing(&p->ends[0])) {
			loop_run(p->loop);
		}
		assert_int_equal(p->ends[1].next_seq, N + 1);
		assert_true(polled ? p->ends[0].n_full > 0 : p->ends[0].n_full == 0);
		pthread_mutex_lock(&p->ends[0].lock);
		link_conn_attach(p->ends[0].conn, NULL);
		pthread_mutex_unlock(&p->ends[0].lock);
		link_window_fini(&window);
		pair_free(p);
	}
}

static void await_end(struct pair *p)
{
	while (p->ends[0].n_closed == 0) {
		loop_run(p->loop);
	}
	assert_int_equal(p->ends[0].n_closed, 1);
}

static void an_end_is_told_once_whoever_closes(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		for (int who = 0; who < 2; who++) {
			struct pair *p = pair_new(polled);
			start(p);
			close_end(&p->ends[who]);
			await_end(p);
			close_end(&p->ends[0]);
			pair_free(p);
		}
	}
}

static bool peer_has_closed(struct end *end)
{
	pthread_mutex_lock(&end->lock);
	bool closed = link_conn_peer_has_closed(end->conn);
	pthread_mutex_unlock(&end->lock);
	return closed;
}

static void a_polled_end_knows_that_the_peer_has_closed_before_it_reads_so(void **state)
{
	(void)state;
	struct pair *p = pair_new(true);
	start(p);
	send_ping(&p->ends[1], "unread");
	while (is_writing(&p->ends[1])) {
		usleep(1000);
	}
	assert_false(peer_has_closed(&p->ends[0]));
	close_end(&p->ends[1]);
	assert_true(peer_has_closed(&p->ends[0]));
	assert_false(peer_has_closed(&p->ends[1])); // NNG does not tell
	assert_int_equal(p->ends[0].n_frames, 0);
	assert_int_equal(p->ends[0].n_closed, 0);
	await_end(p);
	assert_int_equal(p->ends[0].n_frames, 1);
	pair_free(p);
}

static void a_connection_closed_before_it_starts_ends_at_its_start(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		close_end(&p->ends[0]);
		link_conn_start(p->ends[0].conn);
		await_end(p);
		pair_free(p);
	}
}

static void an_owner_that_refuses_a_frame_ends_the_connection(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		p->ends[0].deaf = true;
		start(p);
		send_ping(&p->ends[1], "");
		await_end(p);
		assert_int_equal(p->ends[0].n_frames, 1);
		pair_free(p);
	}
}

// A reset reaches NNG's poller too, which then shuts the socket down under the loop.
static void a_reset_ends_the_connection_once(void **state)
{
	(void)state;
	const struct linger reset = { .l_onoff = 1 };
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		int fd = link_socket_of(p->streams[1]);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		start(p);
		link_conn_free(p->ends[1].conn);
		p->ends[1].conn = NULL;
		await_end(p);
		pair_free(p);
	}
}

static void a_connection_can_be_freed_while_its_socket_is_full(void **state)
{
	(void)state;
	for (int polled = 0; polled < 2; polled++) {
		struct pair *p = pair_new(polled);
		struct link_window window;
		link_window_init(&window);
		shrink_send_buffer(p->streams[0]);
		link_conn_start(p->ends[0].conn);
		pthread_mutex_lock(&p->ends[0].lock);
		link_conn_attach(p->ends[0].conn, &window);
		add_batches(&window, 30);
		link_conn_kick(p->ends[0].conn);
		pthread_mutex_unlock(&p->ends[0].lock);
		assert_true(is_writing(&p->ends[0]));
		link_conn_free(p->ends[0].conn);
		p->ends[0].conn = NULL;
		assert_true(p->ends[0].n_closed <= 1);
		loop_stop(p->loop);
		loop_run(p->loop); // and the loop knows nothing of it any more
		link_window_fini(&window);
		pair_free(p);
	}
}

static void bytes_are_moved_while_the_loop_does_not_run(void **state)
{
	(void)state;
	struct pair *p = pair_new(true);
	start(p);
	send_ping(&p->ends[1], "");
	while (p->ends[0].n_frames == 0) {
		link_conn_poll(p->ends[0].conn);
	}
	close_end(&p->ends[1]);
	while (p->ends[0].n_closed == 0) {
		link_conn_poll(p->ends[0].conn);
	}
	link_conn_poll(p->ends[0].conn);
	assert_int_equal(p->ends[0].n_closed, 1);
	pair_free(p);
}

static int local_port(int fd)
{
	struct sockaddr_in addr = { 0 };
	socklen_t len = sizeof(addr);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return addr.sin_port;
}

static void the_socket_of_a_stream_is_found_among_others(void **state)
{
	(void)state;
	enum {
		N = 5,
		N_LATER = 40
	};
	nng_stream *streams[N][2];
	int later[N_LATER];
	for (int i = 0; i < N; i++) {
		connect_streams("tcp", streams[i]);
		assert_true(link_socket_of(streams[i][0]) >= 0); // near the newest
	}
	for (int i = 0; i < N_LATER; i++) {
		later[i] = dup(STDERR_FILENO);
	}
	for (int i = 0; i < N; i++) {
		for (int side = 0; side < 2; side++) {
			nng_sockaddr local;
			int fd = link_socket_of(streams[i][side]);
			assert_true(fd >= 0);
			nng_stream_get_addr(streams[i][side], NNG_OPT_LOCADDR, &local);
			assert_int_equal(local_port(fd), local.s_in.sa_port);
		}
	}
	for (int i = 0; i < N_LATER; i++) {
		close(later[i]);
	}
	for (int i = 0; i < N; i++) {
		nng_stream_free(streams[i][0]);
		nng_stream_free(streams[i][1]);
	}
}

static void tcp_address(nng_stream *stream, const char *option, struct sockaddr_in *in)
{
	nng_sockaddr addr;
	assert_int_equal(nng_stream_get_addr(stream, option, &addr), 0);
	*in = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = addr.s_in.sa_port,
		.sin_addr.s_addr = addr.s_in.sa_addr,
	};
}

// A connected UDP socket can have both addresses of a TCP one, since their ports are not shared.
static int udp_twin(nng_stream *stream)
{
	struct sockaddr_in local;
	struct sockaddr_in remote;
	tcp_address(stream, NNG_OPT_LOCADDR, &local);
	tcp_address(stream, NNG_OPT_REMADDR, &remote);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&remote, sizeof(remote)), 0);
	return fd;
}

static void a_datagram_socket_of_the_same_addresses_is_not_taken_for_it(void **state)
{
	(void)state;
	enum {
		N_BELOW = 64
	};
	nng_stream *streams[2];
	int below[N_BELOW];
	int n = 1;
	connect_streams("tcp", streams);
	int own = link_socket_of(streams[0]);
	assert_true(own >= 0);
	below[0] = udp_twin(streams[0]);
	// With no free number below it, the newest is looked at first.
	while (n < N_BELOW && below[n - 1] < own) {
		below[n++] = dup(STDERR_FILENO);
	}
	int newest = fcntl(below[0], F_DUPFD_CLOEXEC, own + 1);
	assert_int_equal(link_socket_of(streams[0]), own);
	close(newest);
	while (n > 0) {
		close(below[--n]);
	}
	nng_stream_free(streams[0]);
	nng_stream_free(streams[1]);
}

static void only_streams_of_a_version_whose_source_was_read_are_polled(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		bool polled;
	} rows[] = {
		{ "1.5.0", true },
		{ "1.5.2", true },
		{ "1.10.1", true },
		{ "1.11.0", true },
		{ "1.11", true },
		{ "1.4.9", false },
		{ "1.12.0", false },
		{ "1.111.0", false },
		{ "1", false },
		{ "0.5.0", false },
		{ "2.5.0", false },
		{ "2.0.0-alpha.7", false },
		{ "", false },
	};
	nng_stream *streams[2];
	connect_streams("tcp", streams);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		version = rows[i].version;
		assert_true((link_socket_of(streams[0]) >= 0) == rows[i].polled);
	}
	version = "1.5.2";
	nng_stream_free(streams[0]);
	nng_stream_free(streams[1]);
}

static void an_ipc_stream_does_not_tell_its_socket(void **state)
{
	(void)state;
	nng_stream *streams[2];
	connect_streams("ipc", streams);
	assert_int_equal(link_socket_of(streams[0]), -1);
	assert_int_equal(link_socket_of(streams[1]), -1);
	nng_stream_free(streams[0]);
	nng_stream_free(streams[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_both_ways),
		cmocka_unit_test(what_does_not_fit_the_socket_follows_in_order),
		cmocka_unit_test(an_end_is_told_once_whoever_closes),
		cmocka_unit_test(a_polled_end_knows_that_the_peer_has_closed_before_it_reads_so),
		cmocka_unit_test(a_connection_closed_before_it_starts_ends_at_its_start),
		cmocka_unit_test(an_owner_that_refuses_a_frame_ends_the_connection),
		cmocka_unit_test(a_reset_ends_the_connection_once),
		cmocka_unit_test(a_connection_can_be_freed_while_its_socket_is_full),
		cmocka_unit_test(bytes_are_moved_while_the_loop_does_not_run),
		cmocka_unit_test(the_socket_of_a_stream_is_found_among_others),
		cmocka_unit_test(a_datagram_socket_of_the_same_addresses_is_not_taken_for_it),
		cmocka_unit_test(only_streams_of_a_version_whose_source_was_read_are_polled),
		cmocka_unit_test(an_ipc_stream_does_not_tell_its_socket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
