// One end of a link and a peer that may say anything. The first byte chooses:
//
// Even: the rest, behind chunk sizes, is a stream, and its frames are the same however it is cut.
//
// Odd: the rest is what a peer says after it has got through the checksum and the key, which no
// fuzzer would find: frames of a type, a seq, an ack, a length and a body. They reach the session
// and what unpacks their bodies. The session keeps its promises whatever they say: nothing is
// acknowledged that was not sent, the window holds what it may and no more, what is taken in has no
// gap.

#include <stdlib.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/mem.h"
#include "proto/link/link_resume.h"
#include "proto/link_frame.h"
#include "proto/link_hello.h"
#include "proto/link_items.h"
#include "router/link/edge_hello.h"
#include "tests/fuzz/fuzz.h"

// ---- the stream

static void record(struct buf *log, const struct link_frame *frame)
{
	buf_printf(log, "%d %llu %llu %zu ", (int)frame->type, (unsigned long long)frame->seq,
		(unsigned long long)frame->ack, frame->body.len);
	buf_append_bytes(log, frame->body);
}

// A frame that was taken is, made again from what was read, the same bytes.
static void check_made_again(struct bytes data, const struct link_frame *frame, size_t used)
{
	uint8_t head[LINK_HEAD_LEN];
	size_t half = frame->body.len / 2;
	link_frame_head(head, frame->type, frame->seq, frame->ack,
		bytes_make(frame->body.data, half), bytes_from(frame->body, half));
	CHECK(used == LINK_HEAD_LEN + frame->body.len);
	CHECK(memcmp(head, data.data, sizeof(head)) == 0);
}

// Takes the whole frames off `pending`; false if it is no link.
static bool take_frames(struct buf *pending, struct buf *log)
{
	for (;;) {
		struct link_frame frame;
		size_t used;
		uint8_t *copy = xmemdup(pending->data, pending->len);
		struct bytes data = bytes_make(copy, pending->len);
		int result = link_frame_parse(data, &frame, &used);
		if (result == 0) {
			check_made_again(data, &frame, used);
			record(log, &frame);
			buf_consume(pending, used);
		} else if (result > 0) {
			CHECK(used == 0 ? data.len < LINK_HEAD_LEN : data.len < used);
			CHECK(used <= LINK_HEAD_LEN + LINK_BODY_MAX);
		}
		free(copy);
		if (result != 0) {
			return result > 0;
		}
	}
}

static void run_stream(struct bytes input)
{
	struct fuzz_chunks chunks = fuzz_take_chunks(&input);
	struct buf pending = { 0 };
	struct buf whole = { 0 };
	struct buf pieces = { 0 };
	buf_append_bytes(&pending, input);
	bool fine = take_frames(&pending, &whole);
	pending.len = 0;
	bool still = true;
	for (size_t at = 0; still && at < input.len;) {
		size_t n = fuzz_next_chunk(&chunks, input.len - at);
		buf_append(&pending, input.data + at, n);
		at += n;
		still = take_frames(&pending, &pieces);
	}
	CHECK(fine == still);
	CHECK(bytes_equal(buf_bytes(&whole), buf_bytes(&pieces)));
	buf_fini(&pending);
	buf_fini(&whole);
	buf_fini(&pieces);
}

// ---- the peer

static const char key[] = "the key that both ends of it hold";

static uint64_t take_number(struct bytes *input, unsigned n_bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < n_bytes; i++) {
		number |= (uint64_t)fuzz_take_byte(input) << 8 * i;
	}
	return number;
}

static void check_window(const struct link_window *w)
{
	CHECK(w->tx_acked >= 1 && w->tx_acked <= w->tx_next);
	CHECK(w->tx_next - w->tx_acked <= LINK_WINDOW_FRAMES);
	CHECK(w->acked_pos <= w->sent_pos && w->sent_pos <= w->writing_pos);
	CHECK(w->writing_pos <= w->head_pos && link_window_inflight(w) <= LINK_WINDOW_BYTES);
	CHECK(w->rx_told <= w->rx_consumed && w->rx_consumed <= w->rx_next);
}

// What is signed with the key is taken as it was signed, and no byte of it may be another.
static void check_signed(enum link_role role, struct bytes body)
{
	const struct bytes keys[] = { bytes_str(key) };
	struct link_nonces nonces = { .router = "router", .edge = "edge" };
	struct buf message = { 0 };
	struct buf read = { 0 };
	size_t index;
	link_sign(&message, role, keys[0], &nonces, body);
	CHECK(link_verify(buf_bytes(&message), role, keys, 1, &nonces, &index, &read));
	CHECK(bytes_equal(buf_bytes(&read), body));
	message.data[message.len / 2] ^= 1;
	read.len = 0;
	CHECK(!link_verify(buf_bytes(&message), role, keys, 1, &nonces, &index, &read));
	CHECK(read.len == 0);
	buf_fini(&message);
	buf_fini(&read);
}

// A proof that nobody with the key has made opens nothing.
static void check_forged(struct bytes body)
{
	const struct bytes keys[] = { bytes_str(key) };
	struct link_nonces nonces = { .router = "router", .edge = "edge" };
	struct buf read = { 0 };
	size_t index;
	CHECK(!link_verify(body, LINK_ROLE_EDGE, keys, 1, &nonces, &index, &read));
	CHECK(!link_verify(body, LINK_ROLE_ROUTER, keys, 1, &nonces, &index, &read));
	buf_fini(&read);
}

static void hear_hello(struct link_session *session, struct bytes body)
{
	struct edge_hello hello;
	check_signed(LINK_ROLE_EDGE, body);
	if (!edge_hello_unpack(&hello, body)) {
		return;
	}
	CHECK(link_name_valid(pb_bytes(hello.message->name)));
	const struct link_offer offer = {
		.session = hello.message->session,
		.down_next = hello.message->down_next,
		.up_oldest = hello.message->up_oldest,
		.up_next = hello.message->up_next,
		.window_bytes = hello.message->window_bytes,
	};
	uint64_t before = session->id;
	struct link_answer answer = link_offer_decide(session, &offer, true, before + 2);
	CHECK(answer.session == (answer.resumed ? before : before + 2));
	CHECK(answer.resumed || session->window.tx_next == 1);
	edge_hello_fini(&hello);
}

static void hear_hello_ack(struct link_session *session, struct bytes body)
{
	check_signed(LINK_ROLE_ROUTER, body);
	Weir__Link__V1__HelloAck *ack =
		weir__link__v1__hello_ack__unpack(NULL, body.len, body.data);
	if (ack == NULL) {
		return;
	}
	const struct link_answer answer = {
		.session = ack->session,
		.resumed = ack->resumed,
		.up_next = ack->up_next,
		.down_next = ack->down_next,
		.window_bytes = ack->window_bytes,
	};
	uint64_t before = session->id;
	switch (link_answer_follow(session, &answer)) {
	case LINK_RESUMED:
		CHECK(session->id == before && ack->resumed);
		break;
	case LINK_BEGUN:
		CHECK(session->id == ack->session && session->window.tx_next == 1);
		break;
	case LINK_BROKEN:
		CHECK(session->id == 0);
		session->id = before;
		break;
	}
	weir__link__v1__hello_ack__free_unpacked(ack, NULL);
}

static void hear_batch(struct link_session *session, const struct link_frame *frame)
{
	struct link_window *w = &session->window;
	uint64_t expected = w->rx_next;
	int result = link_window_accept(w, frame->seq, LINK_HEAD_LEN + frame->body.len);
	CHECK((result == 0) == (frame->seq == expected));
	if (result != 0) {
		return;
	}
	struct link_arena arena = { 0 };
	struct bytes rest = frame->body;
	struct bytes packed;
	while (link_batch_next(&rest, &packed) > 0) {
		(void)link_item_unpack(&arena, packed);
		CHECK(arena.used + arena.overflow_bytes <= 32 * packed.len + 8192);
	}
	link_arena_fini(&arena);
	link_window_consumed(w, w->rx_next);
}

static void hear(struct link_session *session, const struct link_frame *frame)
{
	struct link_window *w = &session->window;
	uint64_t acked = w->tx_acked;
	int result = link_window_acked(w, frame->ack);
	CHECK(result < 0 ? w->tx_acked == acked : w->tx_acked >= acked);
	switch (frame->type) {
	case LINK_CHALLENGE: {
		Weir__Link__V1__Challenge *challenge =
			weir__link__v1__challenge__unpack(NULL, frame->body.len, frame->body.data);
		weir__link__v1__challenge__free_unpacked(challenge, NULL);
		break;
	}
	case LINK_GOAWAY: {
		Weir__Link__V1__Goaway *goaway =
			weir__link__v1__goaway__unpack(NULL, frame->body.len, frame->body.data);
		weir__link__v1__goaway__free_unpacked(goaway, NULL);
		break;
	}
	case LINK_HELLO:
		hear_hello(session, frame->body);
		break;
	case LINK_HELLO_ACK:
		hear_hello_ack(session, frame->body);
		break;
	case LINK_BATCH:
		hear_batch(session, frame);
		break;
	default:
		check_forged(frame->body);
		break;
	}
}

// What we say between two frames of the peer, so that there is something to acknowledge.
static void say(struct link_session *session)
{
	static const char element[] = "\x0a\x06\x92\x01\x03\x0a\x01r";
	struct link_window *w = &session->window;
	struct iovec unsent[2];
	if (link_window_add(w, bytes_make(element, sizeof(element) - 1))) {
		link_window_close(w);
	}
	int n = link_window_unsent(w, unsent);
	for (int i = 0; i < n; i++) {
		link_window_wrote(w, unsent[i].iov_len);
	}
	bool urgent;
	if (link_window_owes_ack(w, &urgent)) {
		CHECK(link_window_ack(w) == w->rx_consumed);
		CHECK(!link_window_owes_ack(w, &urgent));
	}
}

static void run_peer(struct bytes input)
{
	struct link_session session;
	link_session_init(&session);
	session.id = 1;
	while (input.len > 0) {
		struct link_frame frame = {
			.type = (enum link_frame_type)(LINK_CHALLENGE +
				fuzz_take_byte(&input) % (LINK_TYPE_END - LINK_CHALLENGE)),
			.seq = take_number(&input, 1),
			.ack = take_number(&input, 1),
		};
		size_t len = take_number(&input, 2);
		frame.body = bytes_make(input.data, len < input.len ? len : input.len);
		input = bytes_from(input, frame.body.len);
		say(&session);
		hear(&session, &frame);
		check_window(&session.window);
	}
	link_session_fini(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	if (fuzz_take_byte(&input) % 2 == 0) {
		run_stream(input);
	} else {
		run_peer(input);
	}
	return 0;
}
