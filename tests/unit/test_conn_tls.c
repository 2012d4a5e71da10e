// Connections that speak TLS, seen from their worker: what TLS adds to a connection's life.

#include <sys/types.h>

#include "edge/tls/transport.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/certs.h"
#include "tests/unit/edge_fixture.h"

static struct tls_context *context;
static SSL_CTX *client_ctx;

static int set_up(void **state)
{
	(void)state;
	clock_use(&fixture_clock);
	struct key_dir dir;
	struct cert cert = cert_make(EVP_EC_gen("P-256"), "server", NULL, -60, 3600);
	struct fault fault = { 0 };
	key_dir_init(&dir);
	// The bench's clock stands where it was told to.
	X509_time_adj_ex(X509_getm_notBefore(cert.x509), -1, 0, &(time_t){ FIXTURE_WALL_MS });
	X509_time_adj_ex(X509_getm_notAfter(cert.x509), 1, 0, &(time_t){ FIXTURE_WALL_MS });
	assert_true(X509_sign(cert.x509, cert.key, EVP_sha256()) > 0);
	char *cert_path = cert_write(&cert, &dir, "cert");
	char *key_path = cert_write_key(&cert, &dir, "key", 0600, NULL);
	const struct tls_files files = {
		.cert = cert_path,
		.key = key_path,
		.client_ca = "",
		.ticket_keys = "",
	};
	context = tls_context_new(&files, &fault);
	client_ctx = SSL_CTX_new(TLS_client_method());
	free(cert_path);
	free(key_path);
	cert_fini(&cert);
	key_dir_fini(&dir);
	return context != NULL && client_ctx != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	tls_context_unref(context);
	SSL_CTX_free(client_ctx);
	return 0;
}

struct tls_client {
	struct client plain;
	SSL *ssl;
};

static void tls_connect(struct fixture *b, struct tls_client *c)
{
	transport_buffers_need_tls(&worker_clients(b->w)->turn.streams.buffers);
	client_connect(b, &c->plain);
	conn_start_tls(c->plain.conn, tls_stream_new(context, c->plain.conn->stream.fd));
	c->ssl = SSL_new(client_ctx);
	assert_int_equal(SSL_set_fd(c->ssl, c->plain.fd), 1);
	SSL_set_connect_state(c->ssl);
}

static void tls_close(struct tls_client *c)
{
	SSL_free(c->ssl);
	client_close(&c->plain);
}

static bool tls_answered(struct tls_client *c)
{
	char byte;
	return recv(c->plain.fd, &byte, 1, MSG_PEEK) == 1;
}

// Says the request and takes in the greeting.
static void tls_open(struct fixture *b, struct tls_client *c)
{
	char greeting[1024];
	tls_connect(b, c);
	for (int i = 0; i < 4 && SSL_do_handshake(c->ssl) != 1; i++) {
		fixture_turn(b);
	}
	assert_int_equal(SSL_write(c->ssl, fixture_request, sizeof(fixture_request) - 1),
		sizeof(fixture_request) - 1);
	fixture_turn(b);
	int len = SSL_read(c->ssl, greeting, sizeof(greeting) - 1);
	assert_true(len > 0);
	greeting[len] = '\0';
	assert_non_null(strstr(greeting, "HTTP/1.1 101 "));
	assert_int_equal(c->plain.conn->state, CONN_OPEN);
}

static uint64_t handshakes(const struct fixture *b, enum handshake_result result)
{
	return counter_get(&worker_clients(b->w)->turn.metrics.handshakes[result]);
}

static void is_a_client_like_any_other(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	struct buf close = { 0 };
	char heard[64];
	fixture_init(&b);
	tls_open(&b, &c);
	assert_int_equal(handshakes(&b, HANDSHAKE_OK), 1);
	client_frame(&close, FIN | WS_CLOSE, bytes_make("\x03\xe8", 2));
	assert_int_equal(SSL_write(c.ssl, close.data, (int)close.len), (int)close.len);
	fixture_turn(&b);
	// The greeting may have left in two records.
	int len;
	do {
		len = SSL_read(c.ssl, heard, sizeof(heard));
	} while (len > 0 && (uint8_t)heard[0] != (FIN | WS_CLOSE));
	assert_int_equal(len, 4);
	// Behind the Close comes close_notify, behind that the end of TCP.
	assert_int_equal(SSL_get_error(c.ssl, SSL_read(c.ssl, heard, 1)), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(c.plain.fd, heard, 1, 0), 0);
	SSL_shutdown(c.ssl);
	fixture_turn(&b);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	buf_fini(&close);
	tls_close(&c);
	fixture_fini(&b);
}

static void handshakes_past_the_budget_wait_for_the_next_turn(void **state)
{
	(void)state;
	enum {
		N = 2 * TURN_TLS_STEPS + 1
	};
	struct fixture b;
	static struct tls_client c[N];
	fixture_init(&b);
	for (size_t i = 0; i < N; i++) {
		tls_connect(&b, &c[i]);
		assert_int_equal(SSL_do_handshake(c[i].ssl), -1);
	}
	for (size_t turn = 1; turn <= 3; turn++) {
		size_t answered = 0;
		fixture_turn(&b);
		for (size_t i = 0; i < N; i++) {
			answered += tls_answered(&c[i]) ? 1 : 0;
		}
		assert_int_equal(answered, turn * TURN_TLS_STEPS < N ? turn * TURN_TLS_STEPS : N);
	}
	for (size_t i = 0; i < N; i++) {
		tls_close(&c[i]);
	}
	for (size_t turn = 1; turn <= 3; turn++) {
		fixture_turn(&b);
	}
	assert_int_equal(fixture_count(&b), 0);
	fixture_fini(&b);
}

static void a_handshake_that_trickles_is_dropped_in_time(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	char byte;
	fixture_init(&b);
	tls_connect(&b, &c);
	for (int i = 0; i < 9; i++) {
		fixture_pass(&b, 1000);
		client_write(&b, &c.plain, &"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[i], 1);
	}
	assert_int_equal(c.plain.conn->state, CONN_UPGRADE);
	fixture_pass(&b, 1100);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(recv(c.plain.fd, &byte, 1, 0), 0);
	assert_int_equal(handshakes(&b, HANDSHAKE_TLS), 1);
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_HANDSHAKE_TIMEOUT]), 1);
	tls_close(&c);
	fixture_fini(&b);
}

static void who_cannot_agree_gets_an_alert_and_time_to_read_it(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	fixture_init(&b);
	tls_connect(&b, &c);
	SSL_set_security_level(c.ssl, 0);
	SSL_set_min_proto_version(c.ssl, TLS1_1_VERSION);
	SSL_set_max_proto_version(c.ssl, TLS1_1_VERSION);
	assert_int_equal(SSL_do_handshake(c.ssl), -1);
	fixture_turn(&b);
	assert_int_equal(c.plain.conn->state, CONN_LINGER);
	assert_int_equal(handshakes(&b, HANDSHAKE_TLS), 1);
	client_write_str(&b, &c.plain, "whatever it had still to say");
	assert_int_equal(c.plain.conn->state, CONN_LINGER);
	client_read(&c.plain);
	assert_int_equal(c.plain.in.len, 7);
	assert_int_equal(c.plain.in.data[0], 0x15); // an alert
	client_close(&c.plain);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(handshakes(&b, HANDSHAKE_TLS), 1);
	SSL_free(c.ssl);
	fixture_fini(&b);
}

static void one_that_goes_during_the_handshake_is_gone(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	fixture_init(&b);
	tls_connect(&b, &c);
	assert_int_equal(SSL_do_handshake(c.ssl), -1);
	tls_close(&c);
	fixture_turn(&b);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(handshakes(&b, HANDSHAKE_PEER_GONE), 1);
	fixture_fini(&b);
}

static void close_notify_alone_is_an_end_and_is_answered(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	char heard[1024];
	fixture_init(&b);
	tls_open(&b, &c);
	SSL_shutdown(c.ssl);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_PEER_GONE]),
		1);
	int len;
	do {
		len = SSL_read(c.ssl, heard, sizeof(heard));
	} while (len > 0);
	assert_int_equal(SSL_get_error(c.ssl, len), SSL_ERROR_ZERO_RETURN);
	tls_close(&c);
	fixture_fini(&b);
}

static void a_stream_that_breaks_is_gone(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	fixture_init(&b);
	tls_open(&b, &c);
	client_write(&b, &c.plain, "\x17\x03\x03\x00\x14this was never sealed", 25);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_PEER_GONE]),
		1);
	assert_int_equal(handshakes(&b, HANDSHAKE_TLS), 0);
	tls_close(&c);
	fixture_fini(&b);
}

static void who_does_not_read_is_a_slow_consumer(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	int size = 4096;
	static uint8_t large[TLS_RECORD_MAX];
	fixture_init(&b);
	tls_open(&b, &c);
	setsockopt(c.plain.conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (int i = 0; i < 10 && c.plain.conn->state == CONN_OPEN; i++) {
		conn_send(c.plain.conn, frame_new(WS_TEXT, bytes_make(large, sizeof(large))));
		fixture_turn(&b);
	}
	assert_int_equal(c.plain.conn->state, CONN_CLOSING);
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_SLOW_CONSUMER]), 1);
	fixture_pass(&b, 5100);
	assert_int_equal(fixture_count(&b), 0);
	tls_close(&c);
	fixture_fini(&b);
}

// Which frames leave in batches is up to the kernel's io_uring; where there is none, none do.
static void what_a_batch_left_of_a_record_is_sent_too(void **state)
{
	(void)state;
	enum {
		N = 6
	};
	struct fixture b;
	struct tls_client c;
	const int size = 4096;
	static uint8_t large[16000];
	static char heard[N * (sizeof(large) + 8)];
	size_t len = 0;
	fixture_init(&b);
	struct stream_group *streams = &worker_clients(b.w)->turn.streams;
	if (streams->batch == NULL) {
		streams->batch = send_batch_new();
	}
	tls_open(&b, &c);
	setsockopt(c.plain.conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (int i = 0; i < N; i++) {
		conn_send(c.plain.conn, frame_new(WS_TEXT, bytes_make(large, sizeof(large))));
		size_t end = len + sizeof(large);
		for (int turn = 0; turn < 100 && len < end; turn++) {
			fixture_turn(&b);
			int got = SSL_read(c.ssl, heard + len, (int)(sizeof(heard) - len));
			assert_true(got > 0 || SSL_get_error(c.ssl, got) == SSL_ERROR_WANT_READ);
			len += got > 0 ? (size_t)got : 0;
		}
		assert_true(len >= end);
	}
	assert_int_equal(c.plain.conn->state, CONN_OPEN);
	tls_close(&c);
	fixture_fini(&b);
}

static void an_idle_connection_has_no_buffers(void **state)
{
	(void)state;
	struct fixture b;
	struct tls_client c;
	fixture_init(&b);
	tls_open(&b, &c);
	assert_null(c.plain.conn->in.data);
	assert_null(c.plain.conn->stream.blocked);
	assert_null(c.plain.conn->stream.tls->bio.rest.data);
	tls_close(&c);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_a_client_like_any_other),
		cmocka_unit_test(handshakes_past_the_budget_wait_for_the_next_turn),
		cmocka_unit_test(a_handshake_that_trickles_is_dropped_in_time),
		cmocka_unit_test(who_cannot_agree_gets_an_alert_and_time_to_read_it),
		cmocka_unit_test(one_that_goes_during_the_handshake_is_gone),
		cmocka_unit_test(close_notify_alone_is_an_end_and_is_answered),
		cmocka_unit_test(a_stream_that_breaks_is_gone),
		cmocka_unit_test(who_does_not_read_is_a_slow_consumer),
		cmocka_unit_test(what_a_batch_left_of_a_record_is_sent_too),
		cmocka_unit_test(an_idle_connection_has_no_buffers),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
