// The history of one client's stream, above ws_frame's single headers: which message is open, how
// large it has become, where in a character its text stands. It knows no socket, no timer and no
// output; pongs, the answer to a Close and every deadline belong to the connection, which is why
// each call yields at most one event: what was owed before an error in the same read is sent before
// the Close that answers the error.
//
// Two questions describe all states. "Inside a payload?" (in_payload; if not, between frames,
// perhaps with part of a header in `head`) and "message open?" (message_open; control frames come
// and go while it is). Neither is inferred from lengths or opcodes.
//
// Memory: a message or control payload that lies whole in the input is handed out where it lies,
// unmasked in place. Otherwise it is gathered as it arrives, so a declared length reserves nothing,
// and it was compared with the limit, on top of the fragments before it, when its header came. What
// was handed out is freed by the next call. Handing out fragments as they come would need no buffer
// at all, but every consumer here needs the whole message, so it would only move.
//
// Text is checked as it arrives, so a peer is refused at its first bad octet and not when it cares
// to finish the frame (RFC 6455 section 8.1). A compressed message is kept as it came and inflated
// when it is whole, in one go (see ws_deflate.c): what is kept is limited to what its sender may
// need for a message of the largest size, and its text is checked as it is inflated.

#include "edge/ws/ws_session.h"

#include <string.h>

#include "common/utf8.h"
#include "edge/ws/ws_deflate.h"

struct input {
	uint8_t *data;
	size_t len;
	size_t used;
};

static const struct ws_event no_event = { .kind = WS_EVENT_NONE };

void ws_session_init(struct ws_session *s)
{
	*s = (struct ws_session){ 0 };
}

void ws_session_fini(struct ws_session *s)
{
	buf_fini(&s->message);
	buf_fini(&s->control);
}

static bool is_control(uint8_t opcode)
{
	return opcode >= WS_CLOSE;
}

// No further input is looked at. The control payload stays, for it may just be handed out.
static void end(struct ws_session *s)
{
	s->ended = true;
	s->in_payload = false;
	s->message_open = false;
	s->head_len = 0;
	buf_fini(&s->message);
}

static struct ws_event fail(struct ws_session *s, unsigned code, const char *why)
{
	end(s);
	buf_fini(&s->control);
	return (struct ws_event){ .kind = WS_EVENT_FAIL, .code = code, .why = why };
}

// Frees what the previous call handed out.
static void release_payloads(struct ws_session *s)
{
	if (!s->message_open) {
		buf_fini(&s->message);
	}
	if (!s->in_payload) {
		buf_fini(&s->control);
	}
}

static bool fits(const struct ws_session *s, const struct ws_limits *limits, uint64_t more)
{
	uint64_t max = limits->message_max;
	if (max == 0) {
		return true;
	}
	if (s->packed) {
		max = ws_deflate_bound(max);
	}
	return s->message.len <= max && more <= max - s->message.len;
}

static struct ws_event begin_data_frame(struct ws_session *s, const struct ws_limits *limits,
	const struct ws_header *header)
{
	bool continues = header->opcode == WS_CONTINUATION;
	if (continues != s->message_open) {
		return fail(s, WS_CLOSE_PROTOCOL_ERROR,
			continues ? "continuation without a message" : "message inside a message");
	}
	if (!continues) {
		s->message_open = true;
		s->message_opcode = header->opcode;
		s->packed = header->rsv1;
		s->n_fragments = 0;
		s->utf8 = (struct utf8_state){ 0 };
	}
	if (!fits(s, limits, header->payload_len)) {
		return fail(s, WS_CLOSE_TOO_BIG, "message too big");
	}
	s->n_fragments++;
	if (limits->fragments_max > 0 && s->n_fragments > limits->fragments_max) {
		return fail(s, WS_CLOSE_POLICY, "too many fragments");
	}
	return no_event;
}

static struct ws_event begin_frame(struct ws_session *s, const struct ws_limits *limits,
	const struct ws_header *header)
{
	if (!is_control(header->opcode)) {
		struct ws_event event = begin_data_frame(s, limits, header);
		if (event.kind != WS_EVENT_NONE) {
			return event;
		}
	}
	s->head_len = 0;
	s->in_payload = true;
	s->frame_opcode = header->opcode;
	s->frame_fin = header->fin;
	s->frame_left = header->payload_len;
	memcpy(s->mask, header->mask, sizeof(s->mask));
	return no_event;
}

// Adds input to the header until it is complete, wrong, or the input has no more.
static struct ws_event take_header(struct ws_session *s, const struct ws_limits *limits,
	struct input *in)
{
	struct ws_header header;
	bool rsv1 = limits->inflater != NULL;
	int result = ws_header_decode(bytes_make(s->head, s->head_len), rsv1, &header);
	while (result == 1 && in->used < in->len) {
		size_t left = in->len - in->used;
		size_t missing = header.header_len - s->head_len;
		size_t n = missing < left ? missing : left;
		memcpy(s->head + s->head_len, in->data + in->used, n);
		s->head_len = (uint8_t)(s->head_len + n);
		in->used += n;
		result = ws_header_decode(bytes_make(s->head, s->head_len), rsv1, &header);
	}
	if (result > 1) {
		return fail(s, (unsigned)result, "illegal frame header");
	}
	return result == 0 ? begin_frame(s, limits, &header) : no_event;
}

// All of a payload: what was gathered and its last piece, or the piece itself where it lies.
static struct bytes complete(struct buf *gathered, struct bytes last)
{
	if (gathered->len == 0) {
		return last;
	}
	buf_append_bytes(gathered, last);
	return buf_bytes(gathered);
}

static struct ws_event take_packed(struct ws_session *s, const struct ws_limits *limits,
	struct bytes packed)
{
	const struct ws_inflate_limits bounds = {
		.message_max = limits->message_max,
		.ratio_max = limits->ratio_max,
		.text = s->message_opcode == WS_TEXT,
	};
	struct ws_event event = { .kind = WS_EVENT_MESSAGE, .opcode = s->message_opcode };
	unsigned code = ws_inflater_run(limits->inflater, packed, &bounds, &event.payload);
	buf_fini(&s->message);
	if (code != 0) {
		return fail(s, code, "compressed data is illegal, too big or not UTF-8");
	}
	return event;
}

static struct ws_event take_data(struct ws_session *s, const struct ws_limits *limits,
	struct bytes piece)
{
	bool text = s->message_opcode == WS_TEXT && !s->packed;
	bool ends = !s->in_payload && s->frame_fin;
	if (text && (!utf8_feed(&s->utf8, piece) || (ends && !utf8_complete(&s->utf8)))) {
		return fail(s, WS_CLOSE_BAD_UTF8, "text is not UTF-8");
	}
	if (!ends) {
		buf_append_bytes(&s->message, piece);
		return no_event;
	}
	s->message_open = false;
	if (s->packed) {
		return take_packed(s, limits, complete(&s->message, piece));
	}
	return (struct ws_event){
		.kind = WS_EVENT_MESSAGE,
		.opcode = s->message_opcode,
		.payload = complete(&s->message, piece),
	};
}

// RFC 6455 section 5.5.1.
static struct ws_event take_close(struct ws_session *s, struct bytes payload)
{
	struct ws_event event = { .kind = WS_EVENT_CLOSE, .code = WS_CLOSE_NO_STATUS };
	if (payload.len == 1) {
		return fail(s, WS_CLOSE_PROTOCOL_ERROR, "close code cut short");
	}
	if (payload.len >= 2) {
		event.code = (unsigned)payload.data[0] << 8 | payload.data[1];
		event.payload = bytes_from(payload, 2);
		if (!ws_close_code_valid(event.code)) {
			return fail(s, WS_CLOSE_PROTOCOL_ERROR, "illegal close code");
		}
	}
	if (!utf8_valid(event.payload)) {
		return fail(s, WS_CLOSE_BAD_UTF8, "close reason is not UTF-8");
	}
	end(s);
	return event;
}

static struct ws_event take_control(struct ws_session *s, struct bytes piece)
{
	if (s->in_payload) {
		buf_append_bytes(&s->control, piece);
		return no_event;
	}
	struct bytes payload = complete(&s->control, piece);
	if (s->frame_opcode == WS_CLOSE) {
		return take_close(s, payload);
	}
	return (struct ws_event){
		.kind = s->frame_opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG,
		.payload = payload,
	};
}

// Takes the mask off the next `n` bytes of the payload, and turns it to where the ones after begin.
static void unmask(struct ws_session *s, uint8_t *piece, size_t n)
{
	uint8_t turned[sizeof(s->mask)];
	ws_unmask(piece, n, s->mask, 0);
	for (size_t i = 0; i < sizeof(turned); i++) {
		turned[i] = s->mask[(n + i) % sizeof(turned)];
	}
	memcpy(s->mask, turned, sizeof(turned));
}

static struct ws_event take_payload(struct ws_session *s, const struct ws_limits *limits,
	struct input *in)
{
	size_t left = in->len - in->used;
	size_t n = s->frame_left < left ? (size_t)s->frame_left : left;
	uint8_t *piece = in->data + in->used;
	unmask(s, piece, n);
	in->used += n;
	s->frame_left -= n;
	s->in_payload = s->frame_left > 0;
	return is_control(s->frame_opcode) ? take_control(s, bytes_make(piece, n))
					   : take_data(s, limits, bytes_make(piece, n));
}

struct ws_event ws_session_next(struct ws_session *s, const struct ws_limits *limits, uint8_t *data,
	size_t len, size_t *used)
{
	struct input in = { .data = data, .len = len };
	struct ws_event event = no_event;
	release_payloads(s);
	while (event.kind == WS_EVENT_NONE && !s->ended && in.used < in.len) {
		if (!s->in_payload) {
			event = take_header(s, limits, &in);
		}
		if (s->in_payload) { // also right behind the header: a payload may be empty
			event = take_payload(s, limits, &in);
		}
	}
	*used = event.kind == WS_EVENT_NONE ? len : in.used;
	return event;
}

bool ws_session_mid_message(const struct ws_session *s)
{
	return s->message_open || s->in_payload || s->head_len > 0;
}
