#include <stdlib.h>

#include "common/mem.h"
#include "edge/ws/ws_deflate.h"
#include "edge/ws/ws_session.h"
#include "tests/unit/test.h"

enum {
	FIN = 0x80,
	RSV1 = 0x40,
	PACKED_TEXT = FIN | RSV1 | WS_TEXT,
	PACKED_BINARY = FIN | RSV1 | WS_BINARY,
	MESSAGE_MAX = 400,
};

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"

// One frame of a table; `payload` NULL ends it.
struct piece {
	uint8_t first;
	const char *payload;
	size_t len;
};

#define PIECE(first, payload)                                                                      \
	{                                                                                          \
		first, payload, sizeof(payload) - 1                                                \
	}

static void put_frame(struct buf *out, uint8_t first, struct bytes payload)
{
	static const uint8_t mask[4] = { 0x11, 0x00, 0xfe, 0x80 };
	uint8_t head[WS_SERVER_HEADER_MAX];
	size_t len = ws_header_encode(head, WS_TEXT, false, payload.len);
	head[0] = first;
	head[1] |= 0x80;
	buf_append(out, head, len);
	buf_append(out, mask, sizeof(mask));
	for (size_t i = 0; i < payload.len; i++) {
		buf_append_byte(out, (uint8_t)(payload.data[i] ^ mask[i % 4]));
	}
}

static void log_event(struct buf *log, const struct ws_event *event)
{
	switch (event->kind) {
	case WS_EVENT_NONE:
		break;
	case WS_EVENT_MESSAGE:
		buf_append_str(log, event->opcode == WS_TEXT ? "text(" : "binary(");
		buf_append_bytes(log, event->payload);
		buf_append_str(log, ") ");
		break;
	case WS_EVENT_PING:
	case WS_EVENT_PONG:
		buf_append_str(log, "ping ");
		break;
	case WS_EVENT_CLOSE:
		buf_append_str(log, "close ");
		break;
	case WS_EVENT_FAIL:
		assert_non_null(event->why);
		buf_printf(log, "fail(%u) ", event->code);
		break;
	}
}

static void feed(struct ws_session *s, const struct ws_limits *limits, struct bytes chunk,
	struct buf *log)
{
	uint8_t *copy = xmemdup(chunk.data, chunk.len);
	size_t at = 0;
	struct ws_event event;
	do {
		size_t used;
		event = ws_session_next(s, limits, copy + at, chunk.len - at, &used);
		at += used;
		log_event(log, &event);
	} while (event.kind != WS_EVENT_NONE);
	assert_int_equal(at, chunk.len);
	assert_true(ws_session_mid_message(s) || s->message.data == NULL);
	free(copy);
}

// What the stream gives, in two reads that part at `cut`.
static void run(struct bytes stream, const struct ws_limits *limits, size_t cut, struct buf *log)
{
	struct ws_session s;
	ws_session_init(&s);
	feed(&s, limits, bytes_make(stream.data, cut), log);
	feed(&s, limits, bytes_from(stream, cut), log);
	ws_session_fini(&s);
}

struct fixture {
	struct ws_limits limits;
	struct ws_deflater *deflater;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	f->limits = (struct ws_limits){ .message_max = MESSAGE_MAX,
		.fragments_max = 8,
		.inflater = ws_inflater_new() };
	f->deflater = ws_deflater_new(9, 8, 15);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	ws_inflater_free(f->limits.inflater);
	ws_deflater_free(f->deflater);
	free(f);
	return 0;
}

static void expect_at_every_split(const struct ws_limits *limits, struct bytes stream,
	const char *expected)
{
	for (size_t cut = 0; cut <= stream.len; cut++) {
		struct buf log = { 0 };
		run(stream, limits, cut, &log);
		if (!bytes_equal_str(buf_bytes(&log), expected)) {
			fail_msg("cut at %zu: %.*s, not %s", cut, (int)log.len, log.data, expected);
		}
		buf_fini(&log);
	}
}

enum {
	PIECES_MAX = 5
};

static void yields_the_same_events_at_every_split(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct piece pieces[PIECES_MAX];
		const char *expected;
	} rows[] = {
		{ { PIECE(PACKED_TEXT, HELLO) }, "text(Hello) " },
		{ { PIECE(PACKED_BINARY, HELLO) }, "binary(Hello) " },
		{ { PIECE(PACKED_TEXT, "\x00") }, "text() " },
		{ { PIECE(FIN | WS_TEXT, "plain"), PIECE(PACKED_TEXT, HELLO),
			  PIECE(FIN | WS_TEXT, "again") },
			"text(plain) text(Hello) text(again) " },
		{ { PIECE(RSV1 | WS_TEXT, "\xf2\x48\xcd"), PIECE(FIN, "\xc9\xc9\x07\x00"),
			  PIECE(PACKED_TEXT, HELLO) },
			"text(Hello) text(Hello) " },
		{ { PIECE(RSV1 | WS_TEXT, "\xf2\x48\xcd"), PIECE(WS_CONTINUATION, ""),
			  PIECE(FIN | WS_PING, "p"), PIECE(FIN, "\xc9\xc9\x07\x00") },
			"ping text(Hello) " },
		{ { PIECE(PACKED_TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
			  PIECE(PACKED_TEXT, HELLO) },
			"text(Hello) text(Hello) " },
		// RSV1 belongs to the first frame of a data message.
		{ { PIECE(RSV1 | WS_TEXT, "\xf2\x48\xcd"), PIECE(FIN | RSV1, "\xc9\xc9\x07\x00") },
			"fail(1002) " },
		{ { PIECE(WS_TEXT, "He"), PIECE(FIN | RSV1, "llo") }, "fail(1002) " },
		{ { PIECE(FIN | RSV1 | WS_PING, "") }, "fail(1002) " },
		{ { PIECE(FIN | RSV1 | WS_PONG, "") }, "fail(1002) " },
		{ { PIECE(FIN | RSV1 | WS_CLOSE, "") }, "fail(1002) " },
		{ { PIECE(PACKED_TEXT | 0x20, HELLO) }, "fail(1002) " },
		{ { PIECE(PACKED_TEXT | 0x10, HELLO) }, "fail(1002) " },
		// What comes before an error is still handed out.
		{ { PIECE(PACKED_TEXT, HELLO), PIECE(PACKED_TEXT, "\x07") },
			"text(Hello) fail(1007) " },
		{ { PIECE(PACKED_TEXT, "") }, "fail(1007) " },
		{ { PIECE(PACKED_TEXT, "\xf2\x48\xcd\xc9") }, "fail(1007) " },
		{ { PIECE(PACKED_TEXT, "Hello, not packed") }, "fail(1007) " },
		// The letter 0xff, stored: text it is not.
		{ { PIECE(PACKED_TEXT, "\x00\x01\x00\xfe\xff\xff\x00") }, "fail(1007) " },
		{ { PIECE(PACKED_BINARY, "\x00\x01\x00\xfe\xff\xff\x00") }, "binary(\xff) " },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf stream = { 0 };
		for (size_t p = 0; p < PIECES_MAX && rows[i].pieces[p].payload != NULL; p++) {
			const struct piece *piece = &rows[i].pieces[p];
			put_frame(&stream, piece->first, bytes_make(piece->payload, piece->len));
		}
		expect_at_every_split(&f->limits, buf_bytes(&stream), rows[i].expected);
		buf_fini(&stream);
	}
}

static void refuses_rsv1_unless_it_was_agreed_on(void **state)
{
	(void)state;
	static const struct ws_limits plain = { 0 };
	struct buf stream = { 0 };
	put_frame(&stream, PACKED_TEXT, bytes_make(HELLO, sizeof(HELLO) - 1));
	expect_at_every_split(&plain, buf_bytes(&stream), "fail(1002) ");
	buf_fini(&stream);
}

static void counts_inflated_bytes_against_the_limit(void **state)
{
	struct fixture *f = *state;
	for (size_t more = 0; more < 2; more++) {
		struct buf text = { 0 };
		struct buf stream = { 0 };
		struct buf expected = { 0 };
		size_t len = MESSAGE_MAX + more;
		memset(buf_reserve(&text, len), 'a', len);
		text.len = len;
		put_frame(&stream, PACKED_TEXT, ws_deflater_run(f->deflater, buf_bytes(&text)));
		assert_true(stream.len < 30);
		if (more == 0) {
			buf_printf(&expected, "text(%.*s) ", (int)len, (const char *)text.data);
		} else {
			buf_append_str(&expected, "fail(1009) ");
		}
		buf_append_byte(&expected, '\0');
		expect_at_every_split(&f->limits, buf_bytes(&stream), (const char *)expected.data);
		buf_fini(&text);
		buf_fini(&stream);
		buf_fini(&expected);
	}
}

static void takes_a_message_of_the_limit_that_packing_made_longer(void **state)
{
	struct fixture *f = *state;
	uint8_t noise[MESSAGE_MAX];
	uint32_t seed = 5;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (uint8_t)(seed >> 24);
	}
	struct buf stream = { 0 };
	struct buf log = { 0 };
	struct bytes packed = ws_deflater_run(f->deflater, bytes_make(noise, sizeof(noise)));
	assert_true(packed.len > MESSAGE_MAX);
	put_frame(&stream, PACKED_BINARY, packed);
	run(buf_bytes(&stream), &f->limits, stream.len, &log);
	assert_int_equal(log.len, strlen("binary() ") + MESSAGE_MAX);
	buf_fini(&stream);
	buf_fini(&log);
}

static void refuses_the_declared_length_of_what_is_packed(void **state)
{
	struct fixture *f = *state;
	struct ws_session s;
	struct buf log = { 0 };
	uint8_t head[] = { RSV1 | WS_BINARY, 0x80 | 126, 0, 0, 1, 2, 3, 4 };
	size_t first = ws_deflate_bound(MESSAGE_MAX) / 2;
	head[2] = (uint8_t)(first >> 8);
	head[3] = (uint8_t)first;
	ws_session_init(&s);
	feed(&s, &f->limits, bytes_make(head, sizeof(head)), &log);
	assert_int_equal(log.len, 0);
	assert_null(s.message.data);
	uint8_t *zeros = xcalloc(1, first);
	feed(&s, &f->limits, bytes_make(zeros, first), &log);
	head[0] = FIN;
	head[3] = (uint8_t)(head[3] + 2);
	feed(&s, &f->limits, bytes_make(head, sizeof(head)), &log);
	assert_bytes_equal(buf_bytes(&log), "fail(1009) ");
	ws_session_fini(&s);
	free(zeros);
	buf_fini(&log);
}

static void counts_fragments_of_what_is_packed(void **state)
{
	struct fixture *f = *state;
	struct buf stream = { 0 };
	put_frame(&stream, RSV1 | WS_TEXT, bytes_str("\xf2"));
	for (int i = 0; i < 8; i++) {
		put_frame(&stream, WS_CONTINUATION, bytes_str(""));
	}
	expect_at_every_split(&f->limits, buf_bytes(&stream), "fail(1008) ");
	buf_fini(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yields_the_same_events_at_every_split),
		cmocka_unit_test(refuses_rsv1_unless_it_was_agreed_on),
		cmocka_unit_test(counts_inflated_bytes_against_the_limit),
		cmocka_unit_test(takes_a_message_of_the_limit_that_packing_made_longer),
		cmocka_unit_test(refuses_the_declared_length_of_what_is_packed),
		cmocka_unit_test(counts_fragments_of_what_is_packed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
