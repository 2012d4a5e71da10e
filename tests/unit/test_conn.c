#include <sys/types.h>

#include "proto/link/crypto_mem.h"
#include "tests/unit/edge_fixture.h"

// ---- every state, and what may come: garbage, half of something, the end of the stream, time

static void garbage_instead_of_a_request_is_refused(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_connect(&b, &c);
	client_write_str(&b, &c, "\x16\x03\x01\x02");
	client_write_str(&b, &c, "\r\n\r\n");
	client_read(&c);
	assert_non_null(strstr(client_text(&c), "HTTP/1.1 400 "));
	assert_int_equal(c.conn->state, CONN_LINGER);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_400]),
		1);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	fixture_fini(&b);
}

static void a_request_at_every_split_is_answered_alike(void **state)
{
	(void)state;
	struct buf stream = { 0 };
	buf_append_str(&stream, fixture_request);
	client_frame(&stream, FIN | WS_TEXT, bytes_str("{\"type\":\"ping\",\"id\":1}"));
	for (size_t split = 1; split < stream.len; split++) {
		struct fixture b;
		struct client c;
		fixture_init(&b);
		client_connect(&b, &c);
		client_write(&b, &c, stream.data, split);
		client_write(&b, &c, stream.data + split, stream.len - split);
		client_read(&c);
		client_skip_head(&c);
		client_expect(&c, "connected");
		client_expect(&c, "\"type\":\"pong\"");
		client_expect_nothing(&c);
		assert_null(c.conn->in.data);
		client_close(&c);
		fixture_fini(&b);
	}
	buf_fini(&stream);
}

static void nobody_comes_in_before_it_is_known_who_is_revoked(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	atomic_store(&b.edge.revoked.is_known, false);
	client_connect(&b, &c);
	client_write_str(&b, &c, fixture_request);
	client_read(&c);
	assert_non_null(strstr(client_text(&c), "HTTP/1.1 503 "));
	client_close(&c);
	fixture_turn(&b);
	fixture_fini(&b);
}

static void a_request_that_ends_half_way_is_dropped(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_connect(&b, &c);
	client_write(&b, &c, fixture_request, sizeof(fixture_request) / 2);
	assert_int_equal(c.conn->state, CONN_UPGRADE);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.handshakes[HANDSHAKE_PEER_GONE]), 1);
	fixture_fini(&b);
}

static void a_request_that_trickles_is_refused_in_the_end(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_connect(&b, &c);
	for (size_t i = 0; i < 9; i++) {
		fixture_pass(&b, 1000);
		client_write(&b, &c, fixture_request + i, 1); // each byte starts nothing anew
	}
	assert_int_equal(c.conn->state, CONN_UPGRADE);
	fixture_pass(&b, 1100);
	client_read(&c);
	assert_non_null(strstr(client_text(&c), "HTTP/1.1 408 "));
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_HANDSHAKE_TIMEOUT]), 1);
	client_close(&c);
	fixture_fini(&b);
}

static void garbage_in_an_open_stream_is_a_protocol_error(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	client_write(&b, &c, "\x81\x01x", 3); // not masked
	client_expect_close(&c, 1002);
	// No Close of the peer can be found in what follows, so none is waited for.
	assert_int_equal(c.conn->state, CONN_LINGER);
	assert_false(client_read(&c));
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_PROTOCOL_ERROR]), 1);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	fixture_fini(&b);
}

static void half_a_frame_waits_for_the_rest(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf frame = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	client_frame(&frame, FIN | WS_TEXT, bytes_str("{\"type\":\"ping\"}"));
	client_write(&b, &c, frame.data, frame.len - 1);
	client_expect_nothing(&c);
	client_write(&b, &c, frame.data + frame.len - 1, 1);
	client_expect(&c, "pong");
	buf_fini(&frame);
	client_close(&c);
	fixture_fini(&b);
}

static void a_client_that_just_goes_is_gone_at_once(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	uint64_t handle = c.conn->handle;
	router_forget();
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_PEER_GONE]),
		1);
	const link_item *item = router_next_of(WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN);
	assert_non_null(item);
	assert_true(item->client_down->client == handle);
	fixture_fini(&b);
}

static void a_silent_client_is_pinged_and_then_given_up(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	fixture_pass(&b, 29900);
	client_expect_nothing(&c);
	fixture_pass(&b, 200);
	assert_int_equal(client_take(&c, &payload), FIN | WS_PING);
	fixture_pass(&b, 4700);
	assert_int_equal(fixture_count(&b), 1);
	fixture_pass(&b, 300);
	assert_int_equal(fixture_count(&b), 0);
	assert_false(client_read(&c)); // no Close frame: the client sees 1006
	assert_int_equal(c.in.len, 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_HEARTBEAT]),
		1);
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void a_pong_keeps_a_client(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	for (int i = 0; i < 5; i++) {
		fixture_pass(&b, 30100);
		assert_int_equal(client_take(&c, &payload), FIN | WS_PING);
		client_send(&b, &c, FIN | WS_PONG, buf_bytes(&payload));
	}
	assert_int_equal(c.conn->state, CONN_OPEN);
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void time_in_which_the_worker_stood_still_is_not_silence(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	fixture_now_ms += 120000; // as after SIGSTOP
	worker_on_tick(b.w);
	fixture_turn(&b);
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 34000);
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 1500);
	assert_int_equal(fixture_count(&b), 0);
	client_close(&c);
	fixture_fini(&b);
}

// Brings it to CONN_CLOSING, with the Close frame read by the client.
static void client_be_closed(struct fixture *b, struct client *c)
{
	client_open(b, c);
	conn_close(c->conn, CLOSE_RESTART);
	fixture_turn(b);
	client_expect_close(c, 1012);
	assert_int_equal(c->conn->state, CONN_CLOSING);
}

static void data_and_garbage_after_our_close_are_ignored(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_be_closed(&b, &c);
	client_say(&b, &c, "{\"type\":\"ping\"}");
	assert_int_equal(c.conn->state, CONN_CLOSING);
	client_write(&b, &c, "\x81\x01x", 3);
	assert_int_equal(c.conn->state, CONN_LINGER);
	client_write(&b, &c, "more", 4);
	assert_false(client_read(&c));
	assert_int_equal(c.in.len, 0);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	fixture_fini(&b);
}

static void half_a_close_waits_for_the_rest(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf frame = { 0 };
	fixture_init(&b);
	client_be_closed(&b, &c);
	client_frame(&frame, FIN | WS_CLOSE, bytes_make("\x03\xf4", 2));
	client_write(&b, &c, frame.data, frame.len - 1);
	assert_int_equal(c.conn->state, CONN_CLOSING);
	client_write(&b, &c, frame.data + frame.len - 1, 1);
	// The server ends TCP first, and waits for the client to do the same.
	assert_int_equal(c.conn->state, CONN_LINGER);
	assert_false(client_read(&c));
	buf_fini(&frame);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	fixture_fini(&b);
}

static void the_end_of_the_stream_ends_the_wait_for_a_close(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_be_closed(&b, &c);
	client_close(&c);
	fixture_turn(&b);
	assert_int_equal(fixture_count(&b), 0);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_RESTART]), 1);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_PEER_GONE]),
		0);
	fixture_fini(&b);
}

static void a_close_that_is_never_answered_is_waited_for_5_seconds(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_be_closed(&b, &c);
	fixture_pass(&b, 4900);
	assert_int_equal(fixture_count(&b), 1);
	fixture_pass(&b, 200);
	assert_int_equal(fixture_count(&b), 0);
	client_close(&c);
	fixture_fini(&b);
}

static void a_client_that_will_not_end_its_side_is_cut_off(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_be_closed(&b, &c);
	client_send(&b, &c, FIN | WS_CLOSE, bytes_make("\x03\xf4", 2));
	assert_int_equal(c.conn->state, CONN_LINGER);
	for (int i = 0; i < 19; i++) {
		client_write(&b, &c, "talk", 4);
		fixture_pass(&b, 100);
	}
	assert_int_equal(fixture_count(&b), 1);
	fixture_pass(&b, 200);
	assert_int_equal(fixture_count(&b), 0);
	client_close(&c);
	fixture_fini(&b);
}

// ---- the opening

static const char *answer_to(struct fixture *b, struct client *c, const char *request)
{
	client_connect(b, c);
	client_write_str(b, c, request);
	client_read(c);
	return client_text(c);
}

static void pages_are_answered_on_the_client_port(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		uint64_t canary_ms;
		const char *status;
	} rows[] = {
		{ "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 0, "HTTP/1.1 200 " },
		{ "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n", 0, "HTTP/1.1 200 " },
		{ "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", 0, "HTTP/1.1 503 " },
		{ "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", 1, "HTTP/1.1 503 " },
		{ "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", 999000, "HTTP/1.1 200 " },
		{ "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 1, "HTTP/1.1 426 " },
		{ "GET /no HTTP/1.1\r\nHost: x\r\n\r\n", 1, "HTTP/1.1 404 " },
		{ "PUT /ws HTTP/1.1\r\nHost: x\r\n\r\n", 1, "HTTP/1.1 405 " },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init(&b);
		router.status.canary_ms = rows[i].canary_ms;
		const char *answer = answer_to(&b, &c, rows[i].request);
		if (strncmp(answer, rows[i].status, strlen(rows[i].status)) != 0) {
			fail_msg("row %zu: %s", i, answer);
		}
		assert_non_null(strstr(answer, "Connection: close"));
		assert_false(client_read(&c)); // and closed after one request
		client_close(&c);
		fixture_fini(&b);
	}
}

static void nobody_is_let_in_while_it_makes_no_sense(void **state)
{
	(void)state;
	static const struct {
		struct router_link_status status;
		size_t max_connections;
		bool stopping;
		bool let_in;
	} rows[] = {
		{ { .up = true, .admitted = true }, 1, false, true },
		{ { .up = true, .admitted = true }, 0, false, false },
		{ { .up = true, .admitted = true }, 1, true, false },
		{ { .down_since_ms = 1000000 }, 1, false, false },
		{ { .admitted = true, .down_since_ms = 970000 }, 1, false, true },
		{ { .admitted = true, .down_since_ms = 969999 }, 1, false, false },
		// It went down after the worker had read the clock.
		{ { .admitted = true, .down_since_ms = 1000005 }, 1, false, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		fixture_init(&b);
		router.status = rows[i].status;
		b.edge.possible_connections = rows[i].max_connections;
		atomic_store(&b.edge.stopping, rows[i].stopping);
		const char *answer = answer_to(&b, &c, fixture_request);
		bool let_in = strncmp(answer, "HTTP/1.1 101 ", 13) == 0;
		if (let_in != rows[i].let_in) {
			fail_msg("row %zu: %s", i, answer);
		}
		if (!let_in) {
			assert_non_null(strstr(answer, "HTTP/1.1 503 "));
			assert_non_null(strstr(answer, "Retry-After: "));
		}
		client_close(&c);
		fixture_fini(&b);
	}
}

static void a_client_is_announced_and_joins_its_rooms_by_itself(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	char id[CLIENT_ID_MAX + 1] = "user:";
	fixture_init(&b);
	client_connect(&b, &c);
	client_write_str(&b, &c,
		"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
	const link_item *item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_CLIENT_UP);
	assert_true(item->client_up->client == c.conn->handle);
	assert_false(item->client_up->has_rights);
	assert_bytes_equal(pb_bytes(item->client_up->address), "192.0.2.1");
	assert_true(item->client_up->user.len > 0 && item->client_up->user.len < CLIENT_ID_MAX - 5);
	memcpy(id + 5, item->client_up->user.data, item->client_up->user.len);
	item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOIN);
	assert_true(item->join->automatic);
	assert_bytes_equal(pb_bytes(item->join->room), id);
	item = router_next(NULL);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOIN);
	assert_bytes_equal(pb_bytes(item->join->room), "lobby");
	assert_null(router_next(NULL));
	client_close(&c);
	fixture_fini(&b);
}

// ---- the limits of a stream

static void a_flood_of_pings_is_against_the_policy(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf pings = { 0 };
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	for (int i = 0; i < 101; i++) {
		client_frame(&pings, FIN | WS_PING, bytes_str("p"));
	}
	client_write(&b, &c, pings.data, pings.len);
	unsigned pongs = 0;
	while (client_take(&c, &payload) == (FIN | WS_PONG)) {
		pongs++;
	}
	assert_int_equal(pongs, 100);
	assert_int_equal(payload.data[0] << 8 | payload.data[1], 1008);
	buf_fini(&pings);
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void twenty_pings_a_second_are_fine(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	for (int i = 0; i < 400; i++) {
		client_send(&b, &c, FIN | WS_PING, bytes_str("p"));
		assert_int_equal(client_take(&c, &payload), FIN | WS_PONG);
		fixture_pass(&b, 50);
	}
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void a_ping_between_fragments_is_answered_at_once(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	client_send(&b, &c, WS_TEXT, bytes_str("{\"type\":"));
	client_send(&b, &c, FIN | WS_PING, bytes_str("now"));
	assert_int_equal(client_take(&c, &payload), FIN | WS_PONG);
	assert_string_equal((const char *)payload.data, "now");
	client_send(&b, &c, FIN | WS_CONTINUATION, bytes_str("\"ping\"}"));
	client_expect(&c, "pong");
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void a_message_must_be_finished_in_time(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	fixture_pass(&b, 5000);
	client_send(&b, &c, WS_TEXT, bytes_str("a"));
	for (int i = 0; i < 24; i++) { // pings before and fragments in between do not extend it
		fixture_pass(&b, 1200);
		client_send(&b, &c, WS_CONTINUATION, bytes_str("a"));
	}
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 1400);
	assert_int_equal(c.conn->state, CONN_CLOSING);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_POLICY]), 1);
	client_close(&c);
	fixture_fini(&b);
}

static void binary_messages_are_not_understood(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	client_send(&b, &c, FIN | WS_BINARY, bytes_str("{}"));
	client_expect_close(&c, 1003);
	client_close(&c);
	fixture_fini(&b);
}

static void twenty_bad_messages_in_a_row_are_enough(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	for (int i = 0; i < 19; i++) {
		client_say(&b, &c, "[]");
		client_expect(&c, "invalid_message");
	}
	client_say(&b, &c, "{\"type\":\"ping\"}"); // a good one starts the count anew
	client_expect(&c, "pong");
	for (int i = 0; i < 20; i++) {
		client_say(&b, &c, "[]");
		client_expect(&c, "invalid_message");
	}
	client_expect_close(&c, 1008);
	client_close(&c);
	fixture_fini(&b);
}

static void a_rate_is_kept_and_its_refusals_are_counted(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	b.conf->rate_messages = (struct conf_rate){ .per_s = 10, .burst = 20 };
	client_open(&b, &c);
	for (int i = 0; i < 20; i++) {
		client_say(&b, &c, "{\"type\":\"ping\"}");
		client_expect(&c, "pong");
	}
	client_say(&b, &c, "{\"type\":\"ping\",\"id\":\"x\"}");
	client_expect(&c, "\"code\":\"rate_limited\"");
	fixture_pass(&b, 100);
	client_say(&b, &c, "{\"type\":\"ping\"}");
	client_expect(&c, "pong");
	for (int i = 0; i < 100; i++) {
		client_say(&b, &c, "{\"type\":\"ping\"}");
		client_expect(&c, "rate_limited");
	}
	client_expect_close(&c, 4009);
	client_close(&c);
	fixture_fini(&b);
}

// ---- output

// A client that does not read: sends it frames until its socket is full, in the middle of one, and
// about `bytes` wait.
static void fill(struct fixture *b, struct client *c, size_t bytes)
{
	static char text[9000];
	const int size = 8192;
	memset(text, 'x', sizeof(text));
	assert_int_equal(setsockopt(c->conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
		0);
	while (c->conn->stream.out.bytes + sizeof(text) < bytes) {
		struct frame *f = frame_new(WS_TEXT, bytes_make(text, sizeof(text)));
		f->type = 0;
		conn_send(c->conn, f);
		if (c->conn->stream.blocked == NULL) {
			fixture_turn(b);
		}
	}
	assert_non_null(c->conn->stream.blocked);
	assert_int_not_equal(c->conn->stream.out.offset, 0);
	assert_int_equal(c->conn->state, CONN_OPEN);
}

static void a_queue_past_its_limit_closes_with_a_frame_that_can_be_read(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT);
	while (conn_is_open(c.conn)) {
		conn_send(c.conn, frame_new(WS_TEXT, bytes_str("one too many")));
	}
	// All that waited is dropped but the rest of a frame that has begun, then comes the Close.
	assert_int_equal(c.conn->stream.out.n, 2);
	assert_true(
		counter_get(&worker_clients(b.w)->turn.metrics.dropped[CLOSE_SLOW_CONSUMER]) > 5);
	unsigned first = 0;
	for (int i = 0; i < 1000 && first != (FIN | WS_CLOSE); i++) {
		fixture_turn(&b);
		first = client_take(&c, &payload);
		assert_true(first == 0 || first == (FIN | WS_TEXT) || first == (FIN | WS_CLOSE));
	}
	assert_int_equal(payload.data[0] << 8 | payload.data[1], 4008);
	assert_non_null(strstr((const char *)payload.data + 2, "\"reason\":\"slow_consumer\""));
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void no_progress_for_long_closes_too(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT / 4);
	fixture_pass(&b, 29000);
	client_send(&b, &c, FIN | WS_PONG, bytes_str("")); // it talks, but does not read
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 1200);
	assert_int_equal(c.conn->state, CONN_CLOSING);
	assert_int_equal(
		counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_SLOW_CONSUMER]), 1);
	fixture_pass(&b, 5100);
	assert_int_equal(fixture_count(&b), 0);
	client_close(&c);
	fixture_fini(&b);
}

static void who_reads_slowly_but_steadily_stays_while_a_backlog_lasts(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	uint8_t some[4096];
	fixture_init(&b);
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT - 4096);
	for (int i = 0; i < 2; i++) {
		size_t before = c.conn->stream.out.bytes;
		while (c.conn->stream.out.bytes == before) {
			assert_true(recv(c.fd, some, sizeof(some), 0) > 0);
			fixture_turn(&b);
		}
		assert_non_null(c.conn->stream.blocked);
		client_send(&b, &c, FIN | WS_PONG, bytes_str(""));
		fixture_pass(&b, 20000); // of the 30 s of slow-timeout
		assert_int_equal(c.conn->state, CONN_OPEN);
	}
	client_close(&c);
	fixture_fini(&b);
}

static void what_it_owes_holds_back_a_clients_commands(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT / 2 + 8000);
	router_forget();
	client_say(&b, &c, "{\"type\":\"chat\",\"room\":\"r\"}");
	fixture_turn(&b);
	assert_null(router_next(NULL));
	assert_false(c.conn->reading);
	fixture_pass(&b, 20000); // nor is it blamed for a silence that is ours
	assert_int_equal(c.conn->state, CONN_OPEN);
	while (c.conn->stream.out.n > 0) {
		client_take(&c, &payload);
		fixture_turn(&b);
	}
	fixture_turn(&b);
	assert_non_null(router_next_of(WEIR__LINK__V1__ITEM__KIND_PUBLISH));
	assert_null(router_next_of(WEIR__LINK__V1__ITEM__KIND_PUBLISH));
	assert_null(c.conn->stream.blocked); // the second event is gone with the backlog
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void silence_while_it_was_not_read_from_does_not_count(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	b.conf->slow_timeout_ms = 600000;
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT / 2 + 10000);
	client_send(&b, &c, FIN | WS_PONG, bytes_str(""));
	assert_false(c.conn->reading);
	fixture_pass(&b, 60000);
	while (c.conn->stream.out.n > 0) {
		client_take(&c, &payload);
		fixture_turn(&b);
	}
	assert_true(c.conn->reading);
	fixture_pass(&b, 34000);
	assert_int_equal(c.conn->state, CONN_OPEN);
	fixture_pass(&b, 1500);
	assert_int_equal(fixture_count(&b), 0);
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

static void at_most_one_pong_waits_for_a_client_that_does_not_read(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	struct buf payload = { 0 };
	fixture_init(&b);
	client_open(&b, &c);
	fill(&b, &c, FIXTURE_QUEUE_LIMIT / 4);
	uint32_t n = c.conn->stream.out.n;
	for (int i = 0; i < 50; i++) {
		char text[2] = { (char)('A' + i), '\0' };
		client_send(&b, &c, FIN | WS_PING, bytes_str(text));
	}
	assert_int_equal(c.conn->stream.out.n, n + 1);
	// It gets the first, which was queued, and the last; those between are answered by it.
	char pongs[8] = "";
	for (int i = 0; i < 2000 && strlen(pongs) < 2; i++) {
		fixture_turn(&b);
		if (client_take(&c, &payload) == (FIN | WS_PONG)) {
			strncat(pongs, (const char *)payload.data, 1);
		}
	}
	assert_string_equal(pongs, "Ar");
	buf_fini(&payload);
	client_close(&c);
	fixture_fini(&b);
}

// ---- the closing handshake

static void a_clients_close_is_echoed_and_ends_the_connection(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		size_t len;
		enum close_reason reason;
	} rows[] = {
		{ "\x03\xe8", 2, CLOSE_NORMAL },
		{ "\x03\xe9", 2, CLOSE_GOING_AWAY },
		{ "\x0b\xb8 because", 10, CLOSE_NORMAL },
		{ "", 0, CLOSE_NORMAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture b;
		struct client c;
		struct buf payload = { 0 };
		fixture_init(&b);
		client_open(&b, &c);
		client_send(&b, &c, FIN | WS_CLOSE, bytes_make(rows[i].payload, rows[i].len));
		assert_int_equal(client_take(&c, &payload), FIN | WS_CLOSE);
		assert_int_equal(payload.len, rows[i].len > 0 ? 2 : 0);
		assert_memory_equal(payload.data, rows[i].payload, payload.len);
		assert_false(client_read(&c));
		assert_int_equal(
			counter_get(&worker_clients(b.w)->turn.metrics.closes[rows[i].reason]), 1);
		buf_fini(&payload);
		client_close(&c);
		fixture_turn(&b);
		assert_int_equal(fixture_count(&b), 0);
		fixture_fini(&b);
	}
}

static void closing_twice_keeps_the_first_reason(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	conn_close(c.conn, CLOSE_REVOKED);
	conn_close(c.conn, CLOSE_RESTART);
	conn_send(c.conn, frame_new(WS_TEXT, bytes_str("too late")));
	fixture_turn(&b);
	client_expect_close(&c, 4004);
	client_expect_nothing(&c);
	assert_int_equal(counter_get(&worker_clients(b.w)->turn.metrics.closes[CLOSE_RESTART]), 0);
	client_close(&c);
	fixture_fini(&b);
}

static void an_idle_connection_is_small(void **state)
{
	(void)state;
	struct fixture b;
	struct client c;
	fixture_init(&b);
	client_open(&b, &c);
	assert_true(sizeof(struct conn) <= 584);
	assert_null(c.conn->in.data);
	assert_null(c.conn->stream.blocked);
	assert_null(c.conn->stream.out.ring);
	assert_null(c.conn->ws.message.data);
	client_close(&c);
	fixture_fini(&b);
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_instead_of_a_request_is_refused),
		cmocka_unit_test(a_request_at_every_split_is_answered_alike),
		cmocka_unit_test(nobody_comes_in_before_it_is_known_who_is_revoked),
		cmocka_unit_test(a_request_that_ends_half_way_is_dropped),
		cmocka_unit_test(a_request_that_trickles_is_refused_in_the_end),
		cmocka_unit_test(garbage_in_an_open_stream_is_a_protocol_error),
		cmocka_unit_test(half_a_frame_waits_for_the_rest),
		cmocka_unit_test(a_client_that_just_goes_is_gone_at_once),
		cmocka_unit_test(a_silent_client_is_pinged_and_then_given_up),
		cmocka_unit_test(a_pong_keeps_a_client),
		cmocka_unit_test(time_in_which_the_worker_stood_still_is_not_silence),
		cmocka_unit_test(data_and_garbage_after_our_close_are_ignored),
		cmocka_unit_test(half_a_close_waits_for_the_rest),
		cmocka_unit_test(the_end_of_the_stream_ends_the_wait_for_a_close),
		cmocka_unit_test(a_close_that_is_never_answered_is_waited_for_5_seconds),
		cmocka_unit_test(a_client_that_will_not_end_its_side_is_cut_off),
		cmocka_unit_test(pages_are_answered_on_the_client_port),
		cmocka_unit_test(nobody_is_let_in_while_it_makes_no_sense),
		cmocka_unit_test(a_client_is_announced_and_joins_its_rooms_by_itself),
		cmocka_unit_test(a_flood_of_pings_is_against_the_policy),
		cmocka_unit_test(twenty_pings_a_second_are_fine),
		cmocka_unit_test(a_ping_between_fragments_is_answered_at_once),
		cmocka_unit_test(a_message_must_be_finished_in_time),
		cmocka_unit_test(binary_messages_are_not_understood),
		cmocka_unit_test(twenty_bad_messages_in_a_row_are_enough),
		cmocka_unit_test(a_rate_is_kept_and_its_refusals_are_counted),
		cmocka_unit_test(a_queue_past_its_limit_closes_with_a_frame_that_can_be_read),
		cmocka_unit_test(no_progress_for_long_closes_too),
		cmocka_unit_test(who_reads_slowly_but_steadily_stays_while_a_backlog_lasts),
		cmocka_unit_test(what_it_owes_holds_back_a_clients_commands),
		cmocka_unit_test(silence_while_it_was_not_read_from_does_not_count),
		cmocka_unit_test(at_most_one_pong_waits_for_a_client_that_does_not_read),
		cmocka_unit_test(a_clients_close_is_echoed_and_ends_the_connection),
		cmocka_unit_test(closing_twice_keeps_the_first_reason),
		cmocka_unit_test(an_idle_connection_is_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
