// A worker with two clients, and a router that may say anything an item can hold. It is taken or
// refused, never more; the clients get whole frames, and when they have gone nothing of theirs is
// left.
//
// The bits of the first byte choose what the clients have asked, so that there are requests to
// answer. Then come elements of a BATCH, as on the wire; a byte below the tag of an element hands
// over what has gathered, and its bits say whether a client goes or a new session begins as well.

#include <signal.h>

#include "edge/ws/ws_frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/edge_fixture.h"

enum {
	N_CLIENTS = 2,
	ELEMENT_TAG = 0x0a,
	CONTROL_LEAVES = 1 << 0, // the second client
	CONTROL_SESSION = 1 << 1,
	CONTROL_PASS = 1 << 2, // time, past all deadlines
};

static const char *const questions[] = {
	"{\"type\":\"join\",\"room\":\"r\",\"id\":\"j\"}",
	"{\"type\":\"join\",\"room\":\"s\",\"since\":{\"epoch\":\"a\",\"seq\":1}}",
	"{\"type\":\"join\",\"room\":\"t\",\"id\":1,\"presence\":true}",
	"{\"type\":\"leave\",\"room\":\"r\",\"id\":\"l\"}",
	"{\"type\":\"chat\",\"room\":\"r\",\"id\":\"c\",\"n\":1}",
	"{\"type\":\"history\",\"room\":\"r\",\"id\":\"h\"}",
	"{\"type\":\"presence\",\"room\":\"r\",\"id\":\"p\"}",
	"{\"type\":\"chat\",\"room\":\"r\"}",
};

struct rig {
	struct fixture fixture;
	struct client clients[N_CLIENTS];
	bool gone[N_CLIENTS];
};

static void open_clients(struct rig *rig, uint8_t asked)
{
	for (size_t i = 0; i < N_CLIENTS; i++) {
		client_open(&rig->fixture, &rig->clients[i]);
		rig->gone[i] = false;
		for (size_t q = 0; q < ARRAY_LEN(questions); q++) {
			if ((asked >> q & 1) != 0) {
				client_say(&rig->fixture, &rig->clients[i], questions[q]);
			}
		}
	}
}

// Whole frames, as a server may send them, and nothing behind a Close.
static void read_client(struct client *c)
{
	struct buf payload = { 0 };
	unsigned first;
	while ((first = client_take(c, &payload)) != 0) {
		CHECK(first == (FIN | WS_TEXT) || first == (FIN | WS_CLOSE) ||
			first == (FIN | WS_PING));
		CHECK(first != (FIN | WS_TEXT) || payload.len > 0);
		CHECK(first != (FIN | WS_CLOSE) || c->in.len == 0);
	}
	CHECK(c->in.len == 0);
	buf_fini(&payload);
}

static void read_clients(struct rig *rig)
{
	for (size_t i = 0; i < N_CLIENTS; i++) {
		if (!rig->gone[i]) {
			read_client(&rig->clients[i]);
		}
	}
}

// Hands over what the router has said. A malformed BATCH leaves no trace.
static void deliver(struct rig *rig)
{
	struct fixture *b = &rig->fixture;
	uint64_t consumed = router.consumed;
	uint64_t workers;
	bool fine = dispatch_batch(&b->dispatch, ++b->mark, buf_bytes(&b->batch), &workers);
	b->batch.len = 0;
	fixture_turn(b);
	CHECK(router.consumed == (fine && workers != 0 ? b->mark : consumed));
	read_clients(rig);
	router_forget();
}

static void control(struct rig *rig, uint8_t bits)
{
	deliver(rig);
	if ((bits & CONTROL_LEAVES) != 0 && !rig->gone[1]) {
		rig->gone[1] = true;
		client_close(&rig->clients[1]);
		fixture_turn(&rig->fixture);
	}
	if ((bits & CONTROL_SESSION) != 0) {
		dispatch_session(&rig->fixture.dispatch, rig->fixture.mark);
		fixture_turn(&rig->fixture);
	}
	if ((bits & CONTROL_PASS) != 0) {
		fixture_pass(&rig->fixture, 20000);
	}
	read_clients(rig);
}

static void close_clients(struct rig *rig)
{
	for (size_t i = 0; i < N_CLIENTS; i++) {
		if (!rig->gone[i]) {
			client_close(&rig->clients[i]);
		}
	}
	fixture_turn(&rig->fixture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct rig rig;
	struct bytes packed;
	(void)signal(SIGPIPE, SIG_IGN); // as in the program: a client may be gone
	fixture_init(&rig.fixture);
	open_clients(&rig, fuzz_take_byte(&input));
	while (input.len > 0) {
		struct bytes before = input;
		if (input.data[0] < ELEMENT_TAG) {
			control(&rig, fuzz_take_byte(&input));
		} else if (link_batch_next(&input, &packed) > 0) {
			buf_append(&rig.fixture.batch, before.data, before.len - input.len);
		} else {
			buf_append_bytes(&rig.fixture.batch, input);
			break;
		}
	}
	deliver(&rig);
	close_clients(&rig);
	fixture_fini(&rig.fixture);
	return 0;
}
