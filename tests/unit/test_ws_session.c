#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "edge/ws/ws_session.h"
#include "tests/unit/test.h"

enum {
	FIN = 0x80,
	RSV1 = 0x40,
	RSV2 = 0x20,
	RSV3 = 0x10,
	FIN_TEXT = FIN | WS_TEXT,
	FIN_BINARY = FIN | WS_BINARY,
	FIN_CONTINUATION = FIN | WS_CONTINUATION,
	PING = FIN | WS_PING,
	PONG = FIN | WS_PONG,
	CLOSE = FIN | WS_CLOSE,
};

#define PAYLOAD(literal)                                                                           \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}
#define EMPTY                                                                                      \
	{                                                                                          \
		NULL, 0                                                                            \
	}

static const struct ws_limits no_limits = { 0 };
static const struct ws_limits usual_limits = { .message_max = 102400, .fragments_max = 64 };

// Writing what a client sends.

static void put_header(struct buf *out, uint8_t first, uint64_t payload_len, const uint8_t mask[4])
{
	uint8_t head[WS_SERVER_HEADER_MAX];
	size_t len = ws_header_encode(head, WS_TEXT, false, payload_len);
	head[0] = first;
	head[1] |= 0x80;
	buf_append(out, head, len);
	buf_append(out, mask, 4);
}

static void put_frame(struct buf *out, uint8_t first, struct bytes payload)
{
	// Another mask for each frame, the all-zero one among them.
	uint8_t mask[4];
	for (size_t i = 0; i < sizeof(mask); i++) {
		mask[i] = (uint8_t)(out->len * (i + 3));
	}
	put_header(out, first, payload.len, mask);
	for (size_t i = 0; i < payload.len; i++) {
		buf_append_byte(out, (uint8_t)(payload.data[i] ^ mask[i % 4]));
	}
}

// Reading what the session says, as text.

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
		buf_append_str(log, event->kind == WS_EVENT_PING ? "ping(" : "pong(");
		buf_append_bytes(log, event->payload);
		buf_append_str(log, ") ");
		break;
	case WS_EVENT_CLOSE:
		buf_printf(log, "close(%u ", event->code);
		buf_append_bytes(log, event->payload);
		buf_append_str(log, ") ");
		break;
	case WS_EVENT_FAIL:
		assert_non_null(event->why);
		buf_printf(log, "fail(%u) ", event->code);
		break;
	}
}

static bool holds_no_buffer(const struct ws_session *s)
{
	return s->message.data == NULL && s->control.data == NULL;
}

// Gives the session one read, in memory of exactly that size.
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
		assert_true(at <= chunk.len);
		log_event(log, &event);
		if (event.kind == WS_EVENT_FAIL || event.kind == WS_EVENT_CLOSE) {
			assert_false(ws_session_mid_message(s));
			assert_true(event.kind == WS_EVENT_CLOSE || holds_no_buffer(s));
		}
	} while (event.kind != WS_EVENT_NONE);
	assert_int_equal(at, chunk.len);
	free(copy);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

// Feeds `stream` cut in two at `split`.
static void run_split(struct bytes stream, const struct ws_limits *limits, size_t split,
	struct buf *log)
{
	struct ws_session s;
	ws_session_init(&s);
	feed(&s, limits, bytes_make(stream.data, split), log);
	feed(&s, limits, bytes_from(stream, split), log);
	ws_session_fini(&s);
}

// Feeds `stream` in pieces of 1 to `largest` bytes.
static void run_pieces(struct bytes stream, const struct ws_limits *limits, uint32_t largest,
	uint32_t seed, struct buf *log)
{
	struct ws_session s;
	ws_session_init(&s);
	for (size_t at = 0; at < stream.len;) {
		size_t left = stream.len - at;
		size_t n = 1 + next_random(&seed) % largest;
		n = n < left ? n : left;
		feed(&s, limits, bytes_make(stream.data + at, n), log);
		at += n;
	}
	assert_true(ws_session_mid_message(&s) || holds_no_buffer(&s));
	ws_session_fini(&s);
}

static void assert_log(struct buf *log, struct bytes expected, const char *what)
{
	if (!bytes_equal(buf_bytes(log), expected)) {
		fail_msg("%s: %.*s", what, (int)log->len, (const char *)log->data);
	}
	buf_reset(log, SIZE_MAX);
}

// Whatever the cuts, the events are the same.
static void assert_events(struct bytes stream, const struct ws_limits *limits,
	struct bytes expected, const char *what)
{
	struct buf log = { 0 };
	for (size_t split = 0; split <= stream.len; split++) {
		run_split(stream, limits, split, &log);
		assert_log(&log, expected, what);
	}
	run_pieces(stream, limits, 1, 1, &log);
	assert_log(&log, expected, what);
	buf_fini(&log);
}

struct client_frame {
	uint8_t first;
	struct bytes payload;
};

struct scenario {
	const char *what;
	struct client_frame frames[8]; // ends with a row of zeros
	const char *events;
};

static void run_scenarios(const struct scenario *scenarios, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf stream = { 0 };
		const struct client_frame *frames = scenarios[i].frames;
		for (size_t k = 0; k < ARRAY_LEN(scenarios[i].frames); k++) {
			if (frames[k].first == 0 && frames[k].payload.data == NULL) {
				break;
			}
			put_frame(&stream, frames[k].first, frames[k].payload);
		}
		assert_events(buf_bytes(&stream), &usual_limits, bytes_str(scenarios[i].events),
			scenarios[i].what);
		buf_fini(&stream);
	}
}

// Messages and control frames.

static const struct scenario legal[] = {
	{ "a text", { { FIN_TEXT, PAYLOAD("Hello") } }, "text(Hello) " },
	{ "a text in two frames",
		{ { WS_TEXT, PAYLOAD("Hel") }, { FIN_CONTINUATION, PAYLOAD("lo") } },
		"text(Hello) " },
	{ "a ping and its answer", { { PING, PAYLOAD("Hello") }, { PONG, PAYLOAD("Hello") } },
		"ping(Hello) pong(Hello) " },
	{ "an empty text", { { FIN_TEXT, EMPTY } }, "text() " },
	{ "an empty binary", { { FIN_BINARY, EMPTY } }, "binary() " },
	{ "an empty ping and pong", { { PING, EMPTY }, { PONG, EMPTY } }, "ping() pong() " },
	{ "several messages in one read",
		{ { FIN_TEXT, PAYLOAD("a") }, { FIN_BINARY, PAYLOAD("\xff") }, { FIN_TEXT, EMPTY },
			{ FIN_TEXT, PAYLOAD("b") } },
		"text(a) binary(\xff) text() text(b) " },
	{ "empty frames around the text",
		{ { WS_TEXT, EMPTY }, { WS_CONTINUATION, PAYLOAD("mid") },
			{ FIN_CONTINUATION, EMPTY } },
		"text(mid) " },
	{ "a message of empty frames",
		{ { WS_BINARY, EMPTY }, { WS_CONTINUATION, PAYLOAD("") },
			{ FIN_CONTINUATION, EMPTY } },
		"binary() " },
	{ "control frames between fragments",
		{ { WS_TEXT, PAYLOAD("fra") }, { PING, PAYLOAD("1") },
			{ WS_CONTINUATION, PAYLOAD("gme") }, { PONG, PAYLOAD("2") },
			{ PING, PAYLOAD("3") }, { FIN_CONTINUATION, PAYLOAD("nt") } },
		"ping(1) pong(2) ping(3) text(fragment) " },
	{ "a character over three frames",
		{ { WS_TEXT, PAYLOAD("\xf0\x9f") }, { WS_CONTINUATION, PAYLOAD("\x98") },
			{ PING, PAYLOAD("\xff") }, { FIN_CONTINUATION, PAYLOAD("\x80") } },
		"ping(\xff) text(\xf0\x9f\x98\x80) " },
	{ "binary needs no UTF-8",
		{ { WS_BINARY, PAYLOAD("\x80\xff") }, { FIN_CONTINUATION, PAYLOAD("\xc0") } },
		"binary(\x80\xff\xc0) " },
	{ "binary bytes do not leak into the next text",
		{ { FIN_BINARY, PAYLOAD("\xe2\x82") }, { FIN_TEXT, PAYLOAD("ok") } },
		"binary(\xe2\x82) text(ok) " },
};

static void yields_messages_and_control_frames_at_every_split(void **state)
{
	(void)state;
	run_scenarios(legal, ARRAY_LEN(legal));
}

static const struct scenario illegal[] = {
	{ "RSV1 after a message", { { FIN_TEXT, PAYLOAD("a") }, { RSV1 | FIN_TEXT, PAYLOAD("b") } },
		"text(a) fail(1002) " },
	{ "RSV2", { { RSV2 | FIN_TEXT, PAYLOAD("a") }, { FIN_TEXT, PAYLOAD("b") } },
		"fail(1002) " },
	{ "RSV3 on a ping after a ping", { { PING, PAYLOAD("a") }, { RSV3 | PING, EMPTY } },
		"ping(a) fail(1002) " },
	{ "a reserved opcode inside a message", { { WS_TEXT, PAYLOAD("a") }, { FIN | 3, EMPTY } },
		"fail(1002) " },
	{ "a reserved control opcode", { { FIN | 11, PAYLOAD("a") }, { PING, EMPTY } },
		"fail(1002) " },
	{ "a fragmented ping", { { WS_PING, PAYLOAD("a") }, { FIN_CONTINUATION, PAYLOAD("b") } },
		"fail(1002) " },
	{ "a fragmented pong", { { WS_PONG, PAYLOAD("a") }, { FIN_CONTINUATION, PAYLOAD("b") } },
		"fail(1002) " },
	{ "a continuation first", { { FIN_CONTINUATION, PAYLOAD("a") }, { FIN_TEXT, EMPTY } },
		"fail(1002) " },
	{ "an unfinished continuation first", { { WS_CONTINUATION, PAYLOAD("a") } },
		"fail(1002) " },
	{ "a continuation after a whole message",
		{ { FIN_TEXT, PAYLOAD("a") }, { FIN_CONTINUATION, PAYLOAD("b") } },
		"text(a) fail(1002) " },
	{ "a continuation after a fragmented message",
		{ { WS_TEXT, PAYLOAD("a") }, { FIN_CONTINUATION, PAYLOAD("b") },
			{ WS_CONTINUATION, PAYLOAD("c") } },
		"text(ab) fail(1002) " },
	{ "a text inside a text", { { WS_TEXT, PAYLOAD("a") }, { FIN_TEXT, PAYLOAD("b") } },
		"fail(1002) " },
	{ "a binary inside a text after a ping",
		{ { WS_TEXT, PAYLOAD("a") }, { PING, PAYLOAD("p") }, { WS_BINARY, PAYLOAD("b") } },
		"ping(p) fail(1002) " },
	{ "nothing is read after a failure",
		{ { FIN | 3, EMPTY }, { FIN_TEXT, PAYLOAD("a") }, { CLOSE, EMPTY } },
		"fail(1002) " },
};

static void refuses_illegal_sequences_at_every_split(void **state)
{
	(void)state;
	run_scenarios(illegal, ARRAY_LEN(illegal));
}

static void refuses_an_unmasked_frame(void **state)
{
	(void)state;
	assert_events(bytes_str("\x81\x05Hello"), &usual_limits, bytes_str("fail(1002) "),
		"unmasked");
}

static const struct scenario closes[] = {
	{ "no code", { { CLOSE, EMPTY } }, "close(1005 ) " },
	{ "a code", { { CLOSE, PAYLOAD("\x03\xe8") } }, "close(1000 ) " },
	{ "a code and a reason", { { CLOSE, PAYLOAD("\x03\xe9gone \xe2\x82\xac") } },
		"close(1001 gone \xe2\x82\xac) " },
	{ "a private code", { { CLOSE, PAYLOAD("\x13\x87") } }, "close(4999 ) " },
	{ "what follows is ignored",
		{ { CLOSE, PAYLOAD("\x03\xe8") }, { PING, EMPTY }, { FIN_TEXT, PAYLOAD("a") },
			{ FIN | 3, EMPTY } },
		"close(1000 ) " },
	{ "inside a message",
		{ { WS_TEXT, PAYLOAD("a") }, { CLOSE, PAYLOAD("\x03\xe8") },
			{ FIN_CONTINUATION, EMPTY } },
		"close(1000 ) " },
	{ "one byte", { { CLOSE, PAYLOAD("\x03") } }, "fail(1002) " },
	{ "0", { { CLOSE, PAYLOAD("\0\0") } }, "fail(1002) " },
	{ "999", { { CLOSE, PAYLOAD("\x03\xe7") } }, "fail(1002) " },
	{ "1004", { { CLOSE, PAYLOAD("\x03\xec") } }, "fail(1002) " },
	{ "1005", { { CLOSE, PAYLOAD("\x03\xed") } }, "fail(1002) " },
	{ "1006", { { CLOSE, PAYLOAD("\x03\xee") } }, "fail(1002) " },
	{ "1015", { { CLOSE, PAYLOAD("\x03\xf7") } }, "fail(1002) " },
	{ "1016", { { CLOSE, PAYLOAD("\x03\xf8") } }, "fail(1002) " },
	{ "2000", { { CLOSE, PAYLOAD("\x07\xd0") } }, "fail(1002) " },
	{ "5000", { { CLOSE, PAYLOAD("\x13\x88") } }, "fail(1002) " },
	{ "65535", { { CLOSE, PAYLOAD("\xff\xff") } }, "fail(1002) " },
	{ "a reason that is not UTF-8", { { CLOSE, PAYLOAD("\x03\xe8\xce\xba\xed\xa0\x80") } },
		"fail(1007) " },
	{ "a reason cut inside a character", { { CLOSE, PAYLOAD("\x03\xe8\xce") } },
		"fail(1007) " },
	{ "a bad code before a bad reason", { { CLOSE, PAYLOAD("\x03\xe7\xff") } }, "fail(1002) " },
};

static void judges_close_frames_at_every_split(void **state)
{
	(void)state;
	run_scenarios(closes, ARRAY_LEN(closes));
}

static const struct scenario bad_texts[] = {
	{ "a stray continuation byte", { { FIN_TEXT, PAYLOAD("\x80") } }, "fail(1007) " },
	{ "an overlong form", { { FIN_TEXT, PAYLOAD("\xc0\xaf") } }, "fail(1007) " },
	{ "a surrogate", { { FIN_TEXT, PAYLOAD("\xed\xa0\x80") } }, "fail(1007) " },
	{ "past U+10FFFF", { { FIN_TEXT, PAYLOAD("\xf4\x90\x80\x80") } }, "fail(1007) " },
	{ "it ends inside a character", { { FIN_TEXT, PAYLOAD("a\xce") } }, "fail(1007) " },
	{ "it ends inside a character, last frame empty",
		{ { WS_TEXT, PAYLOAD("a\xce") }, { FIN_CONTINUATION, EMPTY } }, "fail(1007) " },
	{ "a character broken off by the next frame",
		{ { WS_TEXT, PAYLOAD("\xce") }, { FIN_CONTINUATION, PAYLOAD("a") } },
		"fail(1007) " },
	{ "the messages before it are yielded",
		{ { FIN_TEXT, PAYLOAD("ok") }, { PING, PAYLOAD("p") },
			{ FIN_TEXT, PAYLOAD("\xff") } },
		"text(ok) ping(p) fail(1007) " },
};

static void refuses_text_that_is_not_utf8_at_every_split(void **state)
{
	(void)state;
	run_scenarios(bad_texts, ARRAY_LEN(bad_texts));
}

// The text of the Autobahn cases 6.4: valid, then U+110000, then valid. Its 13th byte is the first
// that no text could have there.
static const struct bytes late_text = PAYLOAD(
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64\x69\x74\x65\x64");
enum {
	LATE_TEXT_BAD_AT = 12
};

// Feeds one byte at a time and returns how many it took to fail.
static size_t bytes_until_failure(struct bytes stream)
{
	struct ws_session s;
	struct buf log = { 0 };
	ws_session_init(&s);
	size_t at = 0;
	while (at < stream.len && log.len == 0) {
		feed(&s, &usual_limits, bytes_make(stream.data + at, 1), &log);
		at++;
	}
	assert_bytes_equal(buf_bytes(&log), "fail(1007) ");
	buf_fini(&log);
	ws_session_fini(&s);
	return at;
}

static void fails_at_the_first_bad_octet_inside_a_frame(void **state)
{
	(void)state;
	struct buf stream = { 0 };
	put_frame(&stream, FIN_TEXT, late_text);
	assert_int_equal(bytes_until_failure(buf_bytes(&stream)), 6 + LATE_TEXT_BAD_AT + 1);
	buf_fini(&stream);
}

static void fails_at_the_first_bad_octet_of_a_later_fragment(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= LATE_TEXT_BAD_AT; cut++) {
		struct buf stream = { 0 };
		put_frame(&stream, WS_TEXT, bytes_make(late_text.data, cut));
		put_frame(&stream, FIN_CONTINUATION, bytes_from(late_text, cut));
		assert_int_equal(bytes_until_failure(buf_bytes(&stream)),
			6 + 6 + LATE_TEXT_BAD_AT + 1);
		buf_fini(&stream);
	}
}

static void fails_inside_a_frame_whose_rest_never_comes(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	put_frame(&stream, FIN_TEXT, late_text);
	feed(&s, &usual_limits, bytes_make(stream.data, 6 + LATE_TEXT_BAD_AT), &log);
	assert_int_equal(log.len, 0);
	feed(&s, &usual_limits, bytes_make(stream.data + 6 + LATE_TEXT_BAD_AT, 1), &log);
	assert_bytes_equal(buf_bytes(&log), "fail(1007) ");
	assert_true(holds_no_buffer(&s));
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

static void yields_every_length_form_in_one_piece_and_in_many(void **state)
{
	(void)state;
	static const size_t lengths[] = { 0, 1, 124, 125, 126, 127, 128, 65535, 65536, 100000 };
	struct buf payload = { 0 };
	for (size_t i = 0; i < 100000; i++) {
		buf_append_byte(&payload, (uint8_t)('a' + i % 26));
	}
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct buf stream = { 0 };
		struct buf expected = { 0 };
		struct buf log = { 0 };
		put_frame(&stream, FIN_TEXT, bytes_make(payload.data, lengths[i]));
		buf_append_str(&expected, "text(");
		buf_append(&expected, payload.data, lengths[i]);
		buf_append_str(&expected, ") ");
		run_split(buf_bytes(&stream), &usual_limits, stream.len, &log);
		assert_log(&log, buf_bytes(&expected), "whole");
		run_split(buf_bytes(&stream), &usual_limits, stream.len / 2, &log);
		assert_log(&log, buf_bytes(&expected), "halves");
		run_pieces(buf_bytes(&stream), &usual_limits, 997, 7, &log);
		assert_log(&log, buf_bytes(&expected), "pieces");
		buf_fini(&log);
		buf_fini(&expected);
		buf_fini(&stream);
	}
	buf_fini(&payload);
}

static void yields_a_control_payload_of_125_bytes_at_every_split(void **state)
{
	(void)state;
	uint8_t payload[WS_CONTROL_MAX];
	struct buf stream = { 0 };
	struct buf expected = { 0 };
	memset(payload, 0xfe, sizeof(payload));
	put_frame(&stream, PING, bytes_make(payload, sizeof(payload)));
	buf_append_str(&expected, "ping(");
	buf_append(&expected, payload, sizeof(payload));
	buf_append_str(&expected, ") ");
	assert_events(buf_bytes(&stream), &usual_limits, buf_bytes(&expected), "ping");
	buf_fini(&expected);
	buf_fini(&stream);
}

// Limits.

static const uint8_t zero_mask[4];

static void refuses_the_declared_length_before_anything_is_held(void **state)
{
	(void)state;
	static const uint64_t lengths[] = { 102401, UINT64_C(1) << 62, INT64_MAX };
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct ws_session s;
		struct buf stream = { 0 };
		struct buf log = { 0 };
		ws_session_init(&s);
		put_header(&stream, FIN_BINARY, lengths[i], zero_mask);
		feed(&s, &usual_limits, bytes_make(stream.data, stream.len - 1), &log);
		assert_int_equal(log.len, 0);
		feed(&s, &usual_limits, bytes_from(buf_bytes(&stream), stream.len - 1), &log);
		assert_bytes_equal(buf_bytes(&log), "fail(1009) ");
		assert_true(holds_no_buffer(&s));
		buf_fini(&log);
		buf_fini(&stream);
		ws_session_fini(&s);
	}
}

static void counts_all_fragments_of_a_message_against_the_limit(void **state)
{
	(void)state;
	static const struct ws_limits limits = { .message_max = 10, .fragments_max = 3 };
	struct buf stream = { 0 };
	for (int i = 0; i < 2; i++) { // both counts start anew with each message
		put_frame(&stream, WS_BINARY, bytes_str("1234"));
		put_frame(&stream, WS_CONTINUATION, bytes_str("5678"));
		put_frame(&stream, FIN_CONTINUATION, bytes_str("90"));
	}
	assert_events(buf_bytes(&stream), &limits,
		bytes_str("binary(1234567890) binary(1234567890) "), "at the limit");
	buf_reset(&stream, SIZE_MAX);
	put_frame(&stream, WS_BINARY, bytes_str("1234"));
	put_frame(&stream, WS_CONTINUATION, bytes_str("5678"));
	put_header(&stream, FIN_CONTINUATION, 3, zero_mask); // without its payload
	assert_events(buf_bytes(&stream), &limits, bytes_str("fail(1009) "), "one past it");
	buf_fini(&stream);
}

static void refuses_the_65th_fragment(void **state)
{
	(void)state;
	for (int fragments = 64; fragments <= 65; fragments++) {
		struct buf stream = { 0 };
		struct buf log = { 0 };
		put_frame(&stream, WS_TEXT, bytes_str(""));
		for (int i = 2; i < fragments; i++) {
			put_frame(&stream, WS_CONTINUATION, bytes_str(""));
			put_frame(&stream, PING, bytes_str("")); // these do not count
		}
		put_frame(&stream, FIN_CONTINUATION, bytes_str(""));
		run_pieces(buf_bytes(&stream), &usual_limits, 50, 3, &log);
		const char *end = fragments == 64 ? "text() " : "fail(1008) ";
		assert_true(log.len > strlen(end));
		assert_bytes_equal(bytes_from(buf_bytes(&log), log.len - strlen(end)), end);
		buf_fini(&log);
		buf_fini(&stream);
	}
}

static void takes_any_number_of_fragments_without_a_limit(void **state)
{
	(void)state;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	put_frame(&stream, WS_TEXT, bytes_str(""));
	for (int i = 0; i < 10000; i++) {
		put_frame(&stream, WS_CONTINUATION, bytes_str(""));
	}
	put_frame(&stream, FIN_CONTINUATION, bytes_str("end"));
	run_split(buf_bytes(&stream), &no_limits, stream.len / 2, &log);
	assert_bytes_equal(buf_bytes(&log), "text(end) ");
	buf_fini(&log);
	buf_fini(&stream);
}

static void holds_to_a_limit_lowered_within_a_message(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	put_frame(&stream, WS_BINARY, bytes_str("1234567890"));
	feed(&s, &usual_limits, buf_bytes(&stream), &log);
	buf_reset(&stream, SIZE_MAX);
	put_frame(&stream, FIN_CONTINUATION, bytes_str(""));
	feed(&s, &(struct ws_limits){ .message_max = 9 }, buf_bytes(&stream), &log);
	assert_bytes_equal(buf_bytes(&log), "fail(1009) ");
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

// Memory.

static void hands_out_a_whole_message_where_it_lies(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	size_t used;
	ws_session_init(&s);
	put_frame(&stream, PING, bytes_str("ping"));
	put_frame(&stream, FIN_TEXT, bytes_str("text"));
	struct ws_event ping = ws_session_next(&s, &usual_limits, stream.data, stream.len, &used);
	assert_int_equal(ping.kind, WS_EVENT_PING);
	assert_ptr_equal(ping.payload.data, stream.data + 6);
	assert_int_equal(used, 10);
	struct ws_event text =
		ws_session_next(&s, &usual_limits, stream.data + used, stream.len - used, &used);
	assert_int_equal(text.kind, WS_EVENT_MESSAGE);
	assert_ptr_equal(text.payload.data, stream.data + 16);
	assert_true(holds_no_buffer(&s));
	buf_fini(&stream);
	ws_session_fini(&s);
}

static void gathers_what_has_arrived_and_not_what_was_declared(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	put_header(&stream, FIN_BINARY, UINT64_C(1) << 62, zero_mask);
	buf_append_str(&stream, "0123456789");
	feed(&s, &no_limits, buf_bytes(&stream), &log);
	assert_int_equal(s.message.len, 10);
	assert_true(s.message.cap <= 64);
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

static void holds_no_buffer_once_what_it_gathered_was_used(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	put_frame(&stream, WS_TEXT, bytes_str("one "));
	put_frame(&stream, PING, bytes_str("12345678"));
	size_t inside_ping = stream.len - 4;
	put_frame(&stream, FIN_CONTINUATION, bytes_str("two"));
	feed(&s, &usual_limits, bytes_make(stream.data, inside_ping), &log);
	assert_non_null(s.message.data);
	assert_non_null(s.control.data);
	feed(&s, &usual_limits, bytes_make(stream.data + inside_ping, 4), &log);
	assert_non_null(s.message.data);
	assert_null(s.control.data);
	feed(&s, &usual_limits, bytes_from(buf_bytes(&stream), inside_ping + 4), &log);
	assert_bytes_equal(buf_bytes(&log), "ping(12345678) text(one two) ");
	assert_true(holds_no_buffer(&s));
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

static void drops_the_open_message_at_a_close(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	put_frame(&stream, WS_TEXT, bytes_str("begun"));
	put_frame(&stream, CLOSE, bytes_str(""));
	feed(&s, &usual_limits, buf_bytes(&stream), &log);
	assert_bytes_equal(buf_bytes(&log), "close(1005 ) ");
	assert_true(holds_no_buffer(&s));
	assert_false(ws_session_mid_message(&s));
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

static void knows_when_something_is_unfinished(void **state)
{
	(void)state;
	struct ws_session s;
	struct buf stream = { 0 };
	struct buf log = { 0 };
	ws_session_init(&s);
	assert_false(ws_session_mid_message(&s));
	put_frame(&stream, WS_TEXT, bytes_str("ab"));
	put_frame(&stream, PING, bytes_str(""));
	put_frame(&stream, FIN_CONTINUATION, bytes_str("c"));
	for (size_t at = 0; at < stream.len - 1; at++) {
		feed(&s, &usual_limits, bytes_make(stream.data + at, 1), &log);
		assert_true(ws_session_mid_message(&s));
	}
	feed(&s, &usual_limits, bytes_from(buf_bytes(&stream), stream.len - 1), &log);
	assert_false(ws_session_mid_message(&s));
	put_frame(&stream, PING,
		bytes_str("a")); // half a control frame keeps a peer's place as well
	feed(&s, &usual_limits, bytes_make(stream.data + stream.len - 7, 6), &log);
	assert_true(ws_session_mid_message(&s));
	buf_fini(&log);
	buf_fini(&stream);
	ws_session_fini(&s);
}

// Any stream, any cuts.

static void put_random_frame(struct buf *out, uint32_t *seed)
{
	static const uint8_t firsts[] = { FIN_TEXT, WS_TEXT, FIN_BINARY, WS_BINARY,
		FIN_CONTINUATION, WS_CONTINUATION, WS_CONTINUATION, PING, PONG };
	uint8_t payload[300];
	bool control_or_short = next_random(seed) % 4 != 0;
	size_t len = next_random(seed) % (control_or_short ? 20 : sizeof(payload));
	uint8_t first = firsts[next_random(seed) % ARRAY_LEN(firsts)];
	if (first >= CLOSE) {
		len %= WS_CONTROL_MAX + 1;
	}
	for (size_t i = 0; i < len; i++) {
		payload[i] = (uint8_t)(next_random(seed) % 0x80);
	}
	if (len > 0 && next_random(seed) % 16 == 0) {
		payload[next_random(seed) % len] = (uint8_t)next_random(seed);
	}
	put_frame(out, first, bytes_make(payload, len));
}

static void random_streams_yield_the_same_events_however_cut(void **state)
{
	(void)state;
	static const struct ws_limits limits = { .message_max = 400, .fragments_max = 5 };
	uint32_t seed = 20240229;
	for (int round = 0; round < 2000; round++) {
		struct buf stream = { 0 };
		struct buf whole = { 0 };
		struct buf log = { 0 };
		for (uint32_t n = 1 + next_random(&seed) % 12; n > 0; n--) {
			put_random_frame(&stream, &seed);
		}
		if (next_random(&seed) % 4 == 0) {
			stream.data[next_random(&seed) % stream.len] ^= (uint8_t)next_random(&seed);
		}
		run_split(buf_bytes(&stream), &limits, stream.len, &whole);
		run_pieces(buf_bytes(&stream), &limits, 40, seed, &log);
		assert_log(&log, buf_bytes(&whole), "pieces");
		run_pieces(buf_bytes(&stream), &limits, 3, seed, &log);
		assert_log(&log, buf_bytes(&whole), "crumbs");
		buf_fini(&log);
		buf_fini(&whole);
		buf_fini(&stream);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yields_messages_and_control_frames_at_every_split),
		cmocka_unit_test(refuses_illegal_sequences_at_every_split),
		cmocka_unit_test(refuses_an_unmasked_frame),
		cmocka_unit_test(judges_close_frames_at_every_split),
		cmocka_unit_test(refuses_text_that_is_not_utf8_at_every_split),
		cmocka_unit_test(fails_at_the_first_bad_octet_inside_a_frame),
		cmocka_unit_test(fails_at_the_first_bad_octet_of_a_later_fragment),
		cmocka_unit_test(fails_inside_a_frame_whose_rest_never_comes),
		cmocka_unit_test(yields_every_length_form_in_one_piece_and_in_many),
		cmocka_unit_test(yields_a_control_payload_of_125_bytes_at_every_split),
		cmocka_unit_test(refuses_the_declared_length_before_anything_is_held),
		cmocka_unit_test(counts_all_fragments_of_a_message_against_the_limit),
		cmocka_unit_test(refuses_the_65th_fragment),
		cmocka_unit_test(takes_any_number_of_fragments_without_a_limit),
		cmocka_unit_test(holds_to_a_limit_lowered_within_a_message),
		cmocka_unit_test(hands_out_a_whole_message_where_it_lies),
		cmocka_unit_test(gathers_what_has_arrived_and_not_what_was_declared),
		cmocka_unit_test(holds_no_buffer_once_what_it_gathered_was_used),
		cmocka_unit_test(drops_the_open_message_at_a_close),
		cmocka_unit_test(knows_when_something_is_unfinished),
		cmocka_unit_test(random_streams_yield_the_same_events_however_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
