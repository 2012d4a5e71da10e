#include <sys/types.h>

#include "proto/link/crypto_mem.h"
#include "tests/unit/edge_fixture.h"

// The peer of every connection is 192.0.2.1.
#define TRUSTED "--trusted-proxies=192.0.2.0/24"

// 198.51.100.1, and then 192.0.2.77, which is a trusted proxy's.
#define HEADER                                                                                     \
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x01\xcb\x00\x71\x07\x12\x67\x01\xbb"
#define HEADER_OF_PROXY                                                                            \
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x4d\xcb\x00\x71\x07\x12\x67\x01\xbb"
#define HEADER_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"

#define REQUEST                                                                                    \
	"GET /ws?autojoin=0 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n"               \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                   \
	"Sec-WebSocket-Version: 13\r\n"

#define WRITE(b, c, text) client_write(b, c, text, sizeof(text) - 1)

static void assert_announced(const char *address)
{
	const link_item *item = router_next_of(WEIR__LINK__V1__ITEM__KIND_CLIENT_UP);
	assert_non_null(item);
	assert_bytes_equal(pb_bytes(item->client_up->address), address);
}

// Nothing has been said, and nothing will be. What was not read makes the end a reset.
static void assert_dropped(const struct client *c)
{
	uint8_t byte;
	ssize_t got = recv(c->fd, &byte, 1, MSG_DONTWAIT);
	assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void behind_a_header_a_stream_at_every_split_is_as_ever(void **state)
{
	(void)state;
	struct buf stream = { 0 };
	buf_append(&stream, HEADER, sizeof(HEADER) - 1);
	buf_append_str(&stream, REQUEST "\r\n");
	client_frame(&stream, FIN | WS_TEXT, bytes_str("{\"type\":\"ping\"}"));
	for (size_t split = 1; split < stream.len; split++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
		client_connect(&b, &c);
		client_write(&b, &c, stream.data, split);
		client_write(&b, &c, stream.data + split, stream.len - split);
		fixture_turn(&b); // the header is read by itself, its end too
		fixture_turn(&b);
		client_read(&c);
		client_skip_head(&c);
		client_expect(&c, "connected");
		client_expect(&c, "pong");
		client_expect_nothing(&c);
		assert_null(c.conn->in.data);
		assert_announced("198.51.100.1");
		client_close(&c);
		fixture_fini(&b);
	}
	buf_fini(&stream);
}

static void a_header_byte_by_byte_is_read(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
	client_connect(&b, &c);
	for (size_t i = 0; i < sizeof(HEADER) - 1; i++) {
		assert_int_equal(c.conn->state, CONN_PROXY);
		client_write(&b, &c, &HEADER[i], 1);
	}
	assert_int_equal(c.conn->state, CONN_UPGRADE);
	assert_null(c.conn->in.data);
	WRITE(&b, &c, REQUEST "\r\n");
	assert_announced("198.51.100.1");
	client_close(&c);
	fixture_fini(&b);
}

static void the_client_that_a_trusted_proxy_names_is_announced(void **state)
{
	(void)state;
	static const struct {
		const char *option;
		const char *fields;
		const char *announced;
	} rows[] = {
		{ TRUSTED, "X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n", "198.51.100.1" },
		{ TRUSTED, "X-Real-IP: 2001:db8::7\r\n", "2001:db8::7" },
		{ TRUSTED, "", "192.0.2.1" },
		{ "--trusted-proxies=10.0.0.0/8", "X-Forwarded-For: 198.51.100.1\r\n",
			"192.0.2.1" },
		{ "--demo=no", "X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.1" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, rows[i].option));
		client_connect(&b, &c);
		WRITE(&b, &c, REQUEST);
		client_write_str(&b, &c, rows[i].fields);
		client_write_str(&b, &c, "\r\n");
		assert_announced(rows[i].announced);
		client_close(&c);
		fixture_fini(&b);
	}
}

static void a_page_of_the_same_host_is_ours_also_if_tls_ends_at_the_proxy(void **state)
{
	(void)state;
	static const struct {
		const char *option;
		const char *fields;
		const char *answer;
	} rows[] = {
		{ TRUSTED, "X-Forwarded-Proto: https\r\n", "HTTP/1.1 101 " },
		{ TRUSTED, "X-Forwarded-Proto: http\r\n", "HTTP/1.1 403 " },
		{ TRUSTED, "", "HTTP/1.1 403 " },
		{ "--trusted-proxies=10.0.0.0/8", "X-Forwarded-Proto: https\r\n", "HTTP/1.1 403 " },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, rows[i].option, "--insecure"));
		client_connect(&b, &c);
		WRITE(&b, &c, REQUEST "Origin: https://example.org\r\n");
		client_write_str(&b, &c, rows[i].fields);
		client_write_str(&b, &c, "\r\n");
		client_read(&c);
		if (!bytes_has_prefix(buf_bytes(&c.in), rows[i].answer)) {
			fail_msg("row %zu: %.*s", i, (int)c.in.len, (const char *)c.in.data);
		}
		client_close(&c);
		fixture_fini(&b);
	}
}

static void what_a_header_says_decides_who_is_believed_then(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		size_t len;
		const char *announced;
	} rows[] = {
		{ HEADER, sizeof(HEADER) - 1, "198.51.100.1" },
		{ HEADER_OF_PROXY, sizeof(HEADER_OF_PROXY) - 1, "203.0.113.7" },
		{ HEADER_LOCAL, sizeof(HEADER_LOCAL) - 1, "203.0.113.7" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
		client_connect(&b, &c);
		client_write(&b, &c, rows[i].header, rows[i].len);
		WRITE(&b, &c, REQUEST "X-Forwarded-For: 203.0.113.7\r\n\r\n");
		fixture_turn(&b);
		assert_announced(rows[i].announced);
		client_close(&c);
		fixture_fini(&b);
	}
}

static void a_balancer_may_ask_for_itself(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
	client_connect(&b, &c);
	router.status.canary_ms = fixture_now_ms;
	WRITE(&b, &c, HEADER_LOCAL "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
	fixture_turn(&b);
	client_read(&c);
	assert_non_null(strstr(client_text(&c), "HTTP/1.1 200 "));
	client_close(&c);
	fixture_fini(&b);
}

// Nothing is answered: what is no header comes from nobody who waits for HTTP.
static void without_a_good_header_a_connection_is_dropped_and_counted(void **state)
{
	(void)state;
	static const struct {
		const char *start;
		size_t len;
	} rows[] = {
#define ROW(text) { (text), sizeof(text) - 1 }
		ROW(REQUEST "\r\n"),
		ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		ROW("PROXY TCP4 198.51.100.1 203.0.113.7 4711 443\r\n"),
		ROW("\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c"),
		ROW("\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c"),
		ROW("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0b"),
#undef ROW
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
		client_connect(&b, &c);
		client_write(&b, &c, rows[i].start, rows[i].len);
		assert_dropped(&c);
		assert_int_equal(fixture_count(&b), 0);
		assert_int_equal(
			counter_get(&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_400]),
			1);
		client_close(&c);
		fixture_fini(&b);
	}
}

static void a_header_that_trickles_is_dropped_in_the_end(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
	client_connect(&b, &c);
	for (size_t i = 0; i < 9; i++) {
		fixture_pass(&b, 1000);
		client_write(&b, &c, &HEADER[i], 1); // each byte starts nothing anew
	}
	assert_int_equal(c.conn->state, CONN_PROXY);
	fixture_pass(&b, 1100);
	assert_dropped(&c);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_408]),
		1);
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_HANDSHAKE_TIMEOUT]), 1);
	client_close(&c);
	fixture_fini(&b);
}

static void a_peer_that_goes_before_its_header_ends_is_gone(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(HEADER) - 1; len++) {
		struct fixture b;
		struct client c;
		fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
		client_connect(&b, &c);
		client_write(&b, &c, HEADER, len);
		client_close(&c);
		fixture_turn(&b);
		fixture_turn(&b);
		assert_int_equal(fixture_count(&b), 0);
		assert_int_equal(
			counter_get(
				&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_PEER_GONE]),
			1);
		fixture_fini(&b);
	}
}

static void an_edge_that_stops_waits_for_no_header(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init_with(&b, ARGS(FIXTURE_OPTIONS, TRUSTED, "--proxy-protocol"));
	client_connect(&b, &c);
	conn_close(c.conn, CLOSE_RESTART);
	fixture_turn(&b);
	assert_dropped(&c);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_503]),
		1);
	client_close(&c);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_a_header_a_stream_at_every_split_is_as_ever),
		cmocka_unit_test(a_header_byte_by_byte_is_read),
		cmocka_unit_test(the_client_that_a_trusted_proxy_names_is_announced),
		cmocka_unit_test(a_page_of_the_same_host_is_ours_also_if_tls_ends_at_the_proxy),
		cmocka_unit_test(what_a_header_says_decides_who_is_believed_then),
		cmocka_unit_test(a_balancer_may_ask_for_itself),
		cmocka_unit_test(without_a_good_header_a_connection_is_dropped_and_counted),
		cmocka_unit_test(a_header_that_trickles_is_dropped_in_the_end),
		cmocka_unit_test(a_peer_that_goes_before_its_header_ends_is_gone),
		cmocka_unit_test(an_edge_that_stops_waits_for_no_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
