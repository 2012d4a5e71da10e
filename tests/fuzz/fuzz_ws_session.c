// A client's stream gives the same events however it is cut, within the limits and the memory that
// are promised. The first byte chooses the limits, and by its top bit whether compression was
// agreed on; then come the chunk sizes.

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "edge/ws/ws_deflate.h"
#include "edge/ws/ws_session.h"
#include "tests/fuzz/fuzz.h"

enum {
	PACKED = 0x80,
};

static const struct ws_limits choices[] = {
	{ .message_max = 0, .fragments_max = 0 },
	{ .message_max = 16, .fragments_max = 0 },
	{ .message_max = 300, .fragments_max = 3 },
	{ .message_max = 102400, .fragments_max = 64 },
};

static void check_event(const struct ws_event *event, const struct ws_limits *limits)
{
	switch (event->kind) {
	case WS_EVENT_NONE:
		break;
	case WS_EVENT_MESSAGE:
		CHECK(event->opcode == WS_BINARY || utf8_valid(event->payload));
		CHECK(limits->message_max == 0 || event->payload.len <= limits->message_max);
		break;
	case WS_EVENT_PING:
	case WS_EVENT_PONG:
		CHECK(event->payload.len <= WS_CONTROL_MAX);
		break;
	case WS_EVENT_CLOSE:
		CHECK(event->code == WS_CLOSE_NO_STATUS || ws_close_code_valid(event->code));
		CHECK(utf8_valid(event->payload));
		break;
	case WS_EVENT_FAIL:
		CHECK(event->why != NULL);
		CHECK(event->code == WS_CLOSE_PROTOCOL_ERROR || event->code == WS_CLOSE_BAD_UTF8 ||
			event->code == WS_CLOSE_POLICY || event->code == WS_CLOSE_TOO_BIG);
		break;
	}
}

static void record(struct buf *log, const struct ws_event *event)
{
	buf_printf(log, "%d %d %u %zu ", (int)event->kind, (int)event->opcode, event->code,
		event->payload.len);
	buf_append_bytes(log, event->payload);
}

// One read, in memory of exactly its size.
static void feed(struct ws_session *s, const struct ws_limits *limits, struct bytes chunk,
	struct buf *log)
{
	uint8_t *copy = xmemdup(chunk.data, chunk.len);
	size_t at = 0;
	struct ws_event event;
	do {
		size_t used;
		bool ended = s->ended;
		event = ws_session_next(s, limits, copy + at, chunk.len - at, &used);
		CHECK(used <= chunk.len - at);
		CHECK(!ended || event.kind == WS_EVENT_NONE);
		at += used;
		check_event(&event, limits);
		if (event.kind != WS_EVENT_NONE) {
			record(log, &event);
		}
	} while (event.kind != WS_EVENT_NONE);
	CHECK(at == chunk.len);
	CHECK(ws_session_mid_message(s) || (s->message.data == NULL && s->control.data == NULL));
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	uint8_t choice = fuzz_take_byte(&input);
	struct ws_limits limits = choices[choice % ARRAY_LEN(choices)];
	limits.ratio_max = 100;
	limits.inflater = choice >= PACKED ? ws_inflater_new() : NULL;
	struct fuzz_chunks chunks = fuzz_take_chunks(&input);
	struct buf whole = { 0 };
	struct buf pieces = { 0 };
	struct ws_session s;
	ws_session_init(&s);
	feed(&s, &limits, input, &whole);
	ws_session_fini(&s);
	ws_session_init(&s);
	for (size_t at = 0; at < input.len;) {
		size_t n = fuzz_next_chunk(&chunks, input.len - at);
		feed(&s, &limits, bytes_make(input.data + at, n), &pieces);
		at += n;
		CHECK(s.message.cap <= 64 + 2 * at); // what arrived, not what was declared
	}
	ws_session_fini(&s);
	CHECK(bytes_equal(buf_bytes(&whole), buf_bytes(&pieces)));
	ws_inflater_free(limits.inflater);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
