// One connection's TLS: cut anywhere, gathered into records, held up by a full socket, ended.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "edge/state/settings.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/certs.h"
#include "tests/unit/test.h"

enum {
	HEADER_LEN = 5, // of a record
};

static struct tls_context *context;
static SSL_CTX *client;
static struct tls_pair pair;
static uint8_t record[TLS_RECORD_MAX];

static int set_up(void **state)
{
	(void)state;
	struct key_dir dir;
	struct cert cert = cert_make_simple("server", NULL);
	struct fault fault = { 0 };
	key_dir_init(&dir);
	char *cert_path = cert_write(&cert, &dir, "cert");
	char *key_path = cert_write_key(&cert, &dir, "key", 0600, NULL);
	const struct tls_files files = {
		.cert = cert_path,
		.key = key_path,
		.client_ca = "",
		.ticket_keys = "",
	};
	context = tls_context_new(&files, &fault);
	client = SSL_CTX_new(TLS_client_method());
	free(cert_path);
	free(key_path);
	cert_fini(&cert);
	key_dir_fini(&dir);
	return context != NULL && client != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	tls_context_unref(context);
	SSL_CTX_free(client);
	return 0;
}

static void open_pair(void)
{
	tls_pair_init(&pair, context, client);
	assert_true(tls_pair_shake_hands(&pair));
}

static ssize_t say(struct bytes data)
{
	struct iovec iov = { .iov_base = (void *)data.data, .iov_len = data.len };
	return tls_stream_send(pair.stream, &iov, 1, record);
}

static void client_says(const char *text)
{
	assert_int_equal(SSL_write(pair.client, text, (int)strlen(text)), (int)strlen(text));
}

static void client_hears(const char *text)
{
	char heard[256] = "";
	int len = SSL_read(pair.client, heard, sizeof(heard) - 1);
	assert_int_equal(len, (int)strlen(text));
	assert_string_equal(heard, text);
}

// What the client has sent, sealed.
static struct buf sealed_input(void)
{
	struct buf sealed = { 0 };
	ssize_t got;
	while ((got = recv(pair.fd, buf_reserve(&sealed, 4096), 4096, 0)) > 0) {
		sealed.len += (size_t)got;
	}
	return sealed;
}

static void carries_bytes_both_ways(void **state)
{
	(void)state;
	open_pair();
	client_says("hello");
	assert_int_equal(tls_pair_take(&pair), 5);
	assert_memory_equal(pair.opened, "hello", 5);
	assert_int_equal(say(bytes_str("good day")), 8);
	client_hears("good day");
	assert_false(tls_stream_owes(pair.stream));
	assert_null(pair.stream->bio.rest.data);
	tls_pair_fini(&pair);
}

static SSL_CTX *client_of(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	return ctx;
}

// What comes of a ClientHello in the open stream, when `before` others were refused. OpenSSL's own
// client gives up after the first.
static enum tls_stream_state renegotiate(SSL_CTX *old, uint8_t before)
{
	tls_pair_init(&pair, context, old);
	assert_true(tls_pair_shake_hands(&pair));
	pair.stream->n_renegotiations = before;
	assert_int_equal(SSL_renegotiate(pair.client), 1);
	(void)SSL_do_handshake(pair.client);
	assert_int_equal(tls_pair_take(&pair), 0);
	assert_int_equal(pair.stream->n_renegotiations, before + 1);
	enum tls_stream_state state = pair.stream->state;
	tls_pair_fini(&pair);
	return state;
}

static void a_second_renegotiation_ends_the_stream(void **state)
{
	(void)state;
	SSL_CTX *old = client_of(TLS1_2_VERSION);
	assert_int_equal(renegotiate(old, 0), TLS_OPEN);
	assert_int_equal(renegotiate(old, 1), TLS_FAILED);
	SSL_CTX_free(old);
}

// Each KeyUpdate asks for one in return, and nobody reads them.
static void answers_that_nobody_reads_are_bounded(void **state)
{
	(void)state;
	SSL_CTX *fresh = client_of(TLS1_3_VERSION);
	tls_pair_init(&pair, context, fresh);
	assert_true(tls_pair_shake_hands(&pair));
	for (int i = 0; i < 100000 && pair.stream->state == TLS_OPEN; i++) {
		assert_int_equal(SSL_key_update(pair.client, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(pair.client), 1);
		(void)tls_pair_take(&pair);
		assert_true(pair.stream->bio.rest.len < 96 << 10);
	}
	assert_int_equal(pair.stream->state, TLS_FAILED);
	assert_string_equal(pair.stream->fault, "reads no answers");
	tls_pair_fini(&pair);
	SSL_CTX_free(fresh);
}

static void opens_a_stream_that_is_cut_at_every_place(void **state)
{
	(void)state;
	open_pair();
	for (size_t cut = 1;; cut++) {
		client_says("one");
		client_says("two");
		struct buf sealed = sealed_input();
		if (cut == sealed.len) {
			buf_fini(&sealed);
			break;
		}
		struct buf opened = { 0 };
		for (size_t at = 0; at < sealed.len;) {
			size_t n = at == 0 ? cut : sealed.len - at;
			size_t len = tls_stream_open(pair.stream, bytes_make(sealed.data + at, n),
				pair.opened);
			buf_append(&opened, pair.opened, len);
			at += n;
		}
		assert_bytes_equal(buf_bytes(&opened), "onetwo");
		assert_int_equal(pair.stream->state, TLS_OPEN);
		buf_fini(&opened);
		buf_fini(&sealed);
	}
	tls_pair_fini(&pair);
}

static void shakes_hands_one_byte_at_a_time(void **state)
{
	(void)state;
	uint8_t byte;
	tls_pair_init(&pair, context, client);
	for (int round = 0; round < 4 && pair.stream->state == TLS_OPENING; round++) {
		(void)SSL_do_handshake(pair.client);
		while (recv(pair.fd, &byte, 1, 0) == 1) {
			assert_int_equal(
				tls_stream_open(pair.stream, bytes_make(&byte, 1), pair.opened), 0);
		}
	}
	assert_int_equal(pair.stream->state, TLS_OPEN);
	client_says("there");
	assert_int_equal(tls_pair_take(&pair), 5);
	tls_pair_fini(&pair);
}

static void gathers_small_pieces_into_one_record(void **state)
{
	(void)state;
	char pieces[][8] = { "a", "bc", "def" };
	struct iovec iov[3];
	for (size_t i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ .iov_base = pieces[i], .iov_len = i + 1 };
	}
	open_pair();
	assert_int_equal(tls_stream_send(pair.stream, iov, 3, record), 6);
	uint8_t sealed[256];
	ssize_t len = recv(pair.client_fd, sealed, sizeof(sealed), MSG_PEEK);
	assert_int_equal(len, HEADER_LEN + (sealed[3] << 8 | sealed[4]));
	client_hears("abcdef");
	tls_pair_fini(&pair);
}

static void takes_a_record_at_a_time(void **state)
{
	(void)state;
	static uint8_t large[3 * TLS_RECORD_MAX];
	struct iovec iov[2] = {
		{ .iov_base = large, .iov_len = 10 },
		{ .iov_base = large, .iov_len = sizeof(large) },
	};
	open_pair();
	assert_int_equal(tls_stream_send(pair.stream, iov, 2, record), TLS_RECORD_MAX);
	assert_int_equal(tls_stream_send(pair.stream, iov + 1, 1, record), TLS_RECORD_MAX);
	for (int i = 0; i < 2; i++) {
		uint8_t heard[TLS_RECORD_MAX];
		assert_int_equal(SSL_read(pair.client, heard, sizeof(heard)), TLS_RECORD_MAX);
	}
	tls_pair_fini(&pair);
}

static void owes_what_a_full_socket_does_not_take(void **state)
{
	(void)state;
	static uint8_t large[TLS_RECORD_MAX];
	int size = 4096;
	size_t said = 0;
	size_t heard = 0;
	open_pair();
	setsockopt(pair.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(large); i++) {
		large[i] = (uint8_t)(i * 7);
	}
	while (!tls_stream_owes(pair.stream)) {
		assert_int_equal(say(bytes_make(large, sizeof(large))), sizeof(large));
		said += sizeof(large);
	}
	size_t rest = pair.stream->bio.rest.len;
	assert_int_equal(say(bytes_str("more")), -EAGAIN);
	assert_int_equal(tls_stream_send(pair.stream, NULL, 0, record), -EAGAIN);
	assert_int_equal(pair.stream->bio.rest.len, rest); // nothing more was sealed
	while (heard < said) {
		uint8_t data[TLS_RECORD_MAX];
		int len = SSL_read(pair.client, data, sizeof(data));
		if (len > 0) {
			assert_memory_equal(data, large + heard % sizeof(large), (size_t)len);
			heard += (size_t)len;
		} else {
			assert_int_equal(SSL_get_error(pair.client, len), SSL_ERROR_WANT_READ);
		}
		ssize_t sent = tls_stream_send(pair.stream, NULL, 0, record);
		assert_true(sent == 0 || sent == -EAGAIN);
	}
	assert_false(tls_stream_owes(pair.stream));
	assert_int_equal(say(bytes_str("more")), 4);
	client_hears("more");
	tls_pair_fini(&pair);
}

static void what_it_seals_for_another_to_send_is_owed_until_it_is_sent(void **state)
{
	(void)state;
	struct iovec iov = { .iov_base = (char *)"hello", .iov_len = 5 };
	struct bytes sealed;
	open_pair();
	assert_int_equal(tls_stream_seal(pair.stream, &iov, 1, record, &sealed), 5);
	assert_true(tls_stream_owes(pair.stream));
	char byte;
	assert_int_equal(recv(pair.client_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	assert_int_equal(send(pair.fd, sealed.data, 3, 0), 3);
	tls_stream_sent(pair.stream, 3);
	assert_int_equal(pair.stream->bio.rest.len, sealed.len - 3);
	assert_int_equal(tls_stream_send(pair.stream, NULL, 0, record), 0); // the rest, by itself
	assert_false(tls_stream_owes(pair.stream));
	client_hears("hello");
	assert_int_equal(say(bytes_str("again")), 5);
	client_hears("again");
	tls_pair_fini(&pair);
}

static void says_close_notify_once(void **state)
{
	(void)state;
	open_pair();
	tls_stream_end(pair.stream);
	tls_stream_end(pair.stream);
	char byte;
	int result = SSL_read(pair.client, &byte, 1);
	assert_int_equal(SSL_get_error(pair.client, result), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(pair.client_fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	tls_pair_fini(&pair);
}

static void gives_out_what_came_before_the_end(void **state)
{
	(void)state;
	open_pair();
	client_says("bye");
	SSL_shutdown(pair.client);
	assert_int_equal(tls_pair_take(&pair), 3);
	assert_memory_equal(pair.opened, "bye", 3);
	assert_int_equal(pair.stream->state, TLS_ENDED);
	// Its own side is still open.
	assert_int_equal(say(bytes_str("bye")), 3);
	tls_pair_fini(&pair);
}

static void a_changed_byte_fails_behind_what_was_right(void **state)
{
	(void)state;
	open_pair();
	client_says("right");
	struct buf sealed = sealed_input();
	size_t first = sealed.len;
	client_says("wrong");
	struct buf more = sealed_input();
	buf_append_bytes(&sealed, buf_bytes(&more));
	sealed.data[first + HEADER_LEN + 2] ^= 1;
	assert_int_equal(tls_stream_open(pair.stream, buf_bytes(&sealed), pair.opened), 5);
	assert_int_equal(pair.stream->state, TLS_FAILED);
	assert_non_null(pair.stream->fault);
	assert_int_equal(say(bytes_str("x")), -EPIPE);
	buf_fini(&sealed);
	buf_fini(&more);
	tls_pair_fini(&pair);
}

static void what_is_not_tls_fails_at_once(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		const char *data;
	} rows[] = {
		{ 18, "GET / HTTP/1.1\r\n\r\n" }, { 9, "\x16\x03\x01\xff\xff too" }, // long
		{ 17, "\x17\x03\x03\x00\x0cno handshake" },
		{ 7, "\x15\x03\x03\x00\x02\x02\x28" }, // a fatal alert
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes data = bytes_make(rows[i].data, rows[i].len);
		tls_pair_init(&pair, context, client);
		assert_int_equal(tls_stream_open(pair.stream, data, pair.opened), 0);
		assert_int_equal(pair.stream->state, TLS_FAILED);
		assert_non_null(pair.stream->fault);
		tls_stream_end(pair.stream);
		tls_pair_fini(&pair);
	}
}

static void renegotiation_is_refused_and_does_no_harm(void **state)
{
	(void)state;
	char byte;
	tls_pair_init(&pair, context, client);
	SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
	assert_true(tls_pair_shake_hands(&pair));
	assert_int_equal(SSL_renegotiate(pair.client), 1);
	(void)SSL_do_handshake(pair.client);
	assert_int_equal(tls_pair_take(&pair), 0);
	assert_int_equal(pair.stream->state, TLS_OPEN);
	// The client insists, and gives up by itself.
	assert_true(SSL_read(pair.client, &byte, 1) <= 0);
	assert_int_equal(SSL_version(pair.client), TLS1_2_VERSION);
	assert_int_equal(SSL_num_renegotiations(pair.stream->ssl), 0);
	tls_pair_fini(&pair);
}

static void a_gone_socket_is_an_error_and_no_signal(void **state)
{
	(void)state;
	open_pair();
	close(pair.client_fd);
	pair.client_fd = dup(pair.fd); // something to close
	assert_int_equal(say(bytes_str("x")), -EPIPE);
	assert_int_equal(pair.stream->state, TLS_ENDED);
	assert_int_equal(say(bytes_str("x")), -EPIPE);
	tls_stream_end(pair.stream);
	tls_pair_fini(&pair);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_bytes_both_ways),
		cmocka_unit_test(a_second_renegotiation_ends_the_stream),
		cmocka_unit_test(answers_that_nobody_reads_are_bounded),
		cmocka_unit_test(opens_a_stream_that_is_cut_at_every_place),
		cmocka_unit_test(shakes_hands_one_byte_at_a_time),
		cmocka_unit_test(gathers_small_pieces_into_one_record),
		cmocka_unit_test(takes_a_record_at_a_time),
		cmocka_unit_test(owes_what_a_full_socket_does_not_take),
		cmocka_unit_test(what_it_seals_for_another_to_send_is_owed_until_it_is_sent),
		cmocka_unit_test(says_close_notify_once),
		cmocka_unit_test(gives_out_what_came_before_the_end),
		cmocka_unit_test(a_changed_byte_fails_behind_what_was_right),
		cmocka_unit_test(what_is_not_tls_fails_at_once),
		cmocka_unit_test(renegotiation_is_refused_and_does_no_harm),
		cmocka_unit_test(a_gone_socket_is_an_error_and_no_signal),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
