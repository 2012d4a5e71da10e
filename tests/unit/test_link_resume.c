// An exhaustive explorer: every interleaving of a few frames each way, cuts, a lost answer, a
// restart of either end, an edge forgotten. A state is reached by replaying its choices from the
// start, and followed once. The windows and the resume decisions are the real ones; the wire, the
// hello and the two applications are modelled here.
//
// Also explored: bytes of the old connection that are read after the new one was made (`late`).
//
// Checked in every state: nothing is taken twice or out of order, nothing sent within a session is
// skipped, both ends agree when they say that they resumed, and when the wires are empty everything
// that was sent in the session has been taken. Planted bugs show that the explorer would see one.

#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/siphash.h"
#include "proto/link/link_resume.h"
#include "tests/unit/test.h"

enum {
	FRAMES_MAX = 3,
	CUTS_MAX = 2,
	RESTARTS_MAX = 1,
	DEPTH_MAX = 40,
	SEEN_BITS = 22
};

enum op {
	OP_SEND_UP,
	OP_SEND_DOWN,
	OP_TAKE_UP,
	OP_TAKE_DOWN,
	OP_ACK_UP, // the router's ack reaches the edge
	OP_ACK_DOWN,
	OP_CUT,
	OP_OFFER, // a new connection: HELLO reaches the router, which decides
	OP_ANSWER, // HELLO_ACK reaches the edge
	OP_RESTART_ROUTER,
	OP_RESTART_EDGE,
	OP_FORGET, // the router has not heard of the edge for link-timeout
	OP_COUNT,
};

enum bug {
	BUG_NONE,
	BUG_SESSION_UNCHECKED,
	BUG_REPEATS_TAKEN,
	BUG_NO_REWIND,
	BUG_ACK_BEFORE_TAKING,
	BUG_RESTART_UNNOTICED,
};

struct end {
	struct link_session session;
	struct buf wire; // frames on their way to the other end
	unsigned n_sent; // frames ever sent: their numbers are 1, 2, 3
	unsigned last_taken; // number of the last frame taken from the other end
	unsigned session_from; // the other end's n_sent when the session began here
};

struct model {
	struct end edge;
	struct end router;
	bool connected; // the router has answered
	bool ready; // and the edge has read it
	bool known; // the router still knows this incarnation of the edge
	struct link_answer answer;
	uint64_t next_id;
	unsigned n_cuts;
	unsigned n_restarts;
	bool late; // a cut leaves on the wires what was on them
	enum bug bug;
	const char *fault;
};

static void disconnect(struct model *m)
{
	m->connected = false;
	m->ready = false;
}

static void clear_wires(struct model *m)
{
	m->edge.wire.len = 0;
	m->router.wire.len = 0;
	disconnect(m);
}

static void forget_session(struct end *end)
{
	end->session.id = 0;
	link_window_reset(&end->session.window, LINK_WINDOW_BYTES);
}

static void reset(struct model *m, enum bug bug, bool late)
{
	clear_wires(m);
	forget_session(&m->edge);
	forget_session(&m->router);
	m->edge.n_sent = m->edge.last_taken = m->edge.session_from = 0;
	m->router.n_sent = m->router.last_taken = m->router.session_from = 0;
	m->known = false;
	m->next_id = 1;
	m->n_cuts = m->n_restarts = 0;
	m->bug = bug;
	m->late = late;
	m->fault = NULL;
}

static void write_out(struct end *end)
{
	struct iovec iov[2];
	int n = link_window_unsent(&end->session.window, iov);
	for (int i = 0; i < n; i++) {
		buf_append(&end->wire, iov[i].iov_base, iov[i].iov_len);
		link_window_wrote(&end->session.window, iov[i].iov_len);
	}
}

static void send(struct end *end)
{
	uint8_t number = (uint8_t)++end->n_sent;
	bool added = link_window_add(&end->session.window, bytes_make(&number, 1));
	assert_true(added);
	link_window_close(&end->session.window);
	write_out(end);
}

static void take(struct model *m, struct end *from, struct end *to)
{
	struct link_frame frame;
	size_t used;
	assert_int_equal(link_frame_parse(buf_bytes(&from->wire), &frame, &used), 0);
	unsigned number = frame.body.data[0];
	struct link_window *w = &to->session.window;
	int result = link_window_accept(w, frame.seq, used);
	buf_consume(&from->wire, used);
	if (m->bug == BUG_REPEATS_TAKEN && result == 1) {
		result = 0;
	}
	if (result < 0) {
		m->fault = "a frame leaves a gap";
	} else if (result == 0) {
		unsigned expected = to->last_taken > to->session_from ? to->last_taken + 1
								      : to->session_from + 1;
		if (number <= to->last_taken) {
			m->fault = "taken twice";
		} else if (number != expected) {
			m->fault = "skipped within a session";
		}
		to->last_taken = number;
		link_window_consumed(w, w->rx_next);
	}
}

static void tell_ack(struct model *m, struct end *from, struct end *to)
{
	uint64_t ack = link_window_ack(&from->session.window);
	if (m->bug == BUG_ACK_BEFORE_TAKING) {
		ack = to->session.window.tx_next;
	}
	if (link_window_acked(&to->session.window, ack) != 0) {
		m->fault = "an ack of what was never sent";
	}
}

static void offer(struct model *m)
{
	struct link_offer offer = link_offer_make(&m->edge.session);
	if (m->bug == BUG_SESSION_UNCHECKED && offer.session != 0) {
		offer.session = m->router.session.id;
	}
	uint64_t session = m->router.session.id;
	bool known = m->known || m->bug == BUG_RESTART_UNNOTICED;
	m->answer = link_offer_decide(&m->router.session, &offer, known, m->next_id++);
	m->connected = true;
	m->known = true;
	if (!m->answer.resumed) {
		if (known && offer.session != 0 && offer.session == session) {
			m->fault = "a session ended without need";
		}
		m->router.session_from = m->edge.n_sent;
		m->edge.wire.len = 0;
		m->router.wire.len = 0;
	}
	write_out(&m->router); // waits behind the HELLO_ACK
}

static void follow(struct model *m)
{
	switch (link_answer_follow(&m->edge.session, &m->answer)) {
	case LINK_BEGUN:
		// What the router has sent so far in this session comes still.
		m->edge.session_from =
			m->router.n_sent - (unsigned)(m->router.session.window.tx_next - 1);
		break;
	case LINK_BROKEN:
		m->fault = "the ends disagree about resuming";
		return;
	case LINK_RESUMED:
		break;
	}
	m->ready = true;
	if (m->bug == BUG_NO_REWIND) {
		m->edge.session.window.sent_pos = m->edge.session.window.head_pos;
		m->edge.session.window.writing_pos = m->edge.session.window.head_pos;
	}
	write_out(&m->edge);
}

static bool possible(const struct model *m, enum op op)
{
	switch (op) {
	case OP_SEND_UP:
		return m->ready && m->edge.n_sent < FRAMES_MAX;
	case OP_SEND_DOWN:
		return m->connected && m->router.n_sent < FRAMES_MAX;
	case OP_TAKE_UP:
		return m->connected && m->edge.wire.len > 0;
	case OP_TAKE_DOWN:
		return m->ready && m->router.wire.len > 0;
	case OP_ACK_UP:
		return m->ready &&
			m->router.session.window.rx_consumed > m->edge.session.window.tx_acked;
	case OP_ACK_DOWN:
		return m->ready &&
			m->edge.session.window.rx_consumed > m->router.session.window.tx_acked;
	case OP_CUT:
		return m->connected && m->n_cuts < (m->late ? 1 : CUTS_MAX);
	case OP_OFFER:
		return !m->connected;
	case OP_ANSWER:
		return m->connected && !m->ready;
	case OP_RESTART_ROUTER:
	case OP_RESTART_EDGE:
		return m->n_restarts < RESTARTS_MAX;
	case OP_FORGET:
		return !m->connected && m->known && m->n_restarts < RESTARTS_MAX;
	case OP_COUNT:
		break;
	}
	return false;
}

static void apply(struct model *m, enum op op)
{
	switch (op) {
	case OP_SEND_UP:
		send(&m->edge);
		break;
	case OP_SEND_DOWN:
		send(&m->router);
		break;
	case OP_TAKE_UP:
		take(m, &m->edge, &m->router);
		break;
	case OP_TAKE_DOWN:
		take(m, &m->router, &m->edge);
		break;
	case OP_ACK_UP:
		tell_ack(m, &m->router, &m->edge);
		break;
	case OP_ACK_DOWN:
		tell_ack(m, &m->edge, &m->router);
		break;
	case OP_CUT:
		if (m->late) {
			disconnect(m);
		} else {
			clear_wires(m);
		}
		m->n_cuts++;
		break;
	case OP_OFFER:
		offer(m);
		break;
	case OP_ANSWER:
		follow(m);
		break;
	case OP_RESTART_ROUTER:
	case OP_FORGET:
		clear_wires(m);
		m->n_restarts++;
		m->known = false;
		if (m->bug != BUG_RESTART_UNNOTICED) {
			forget_session(&m->router);
		} else {
			link_window_reset(&m->router.session.window, LINK_WINDOW_BYTES);
		}
		break;
	case OP_RESTART_EDGE:
		clear_wires(m);
		m->n_restarts++;
		m->known = false; // another boot id
		forget_session(&m->edge);
		break;
	case OP_COUNT:
		break;
	}
}

static void check_quiet(struct model *m)
{
	if (m->fault != NULL || !m->ready || m->edge.wire.len > 0 || m->router.wire.len > 0) {
		return;
	}
	if (m->edge.n_sent > m->router.session_from && m->router.last_taken != m->edge.n_sent) {
		m->fault = "lost on the way up";
	}
	if (m->router.n_sent > m->edge.session_from && m->edge.last_taken != m->router.n_sent) {
		m->fault = "lost on the way down";
	}
}

static uint64_t digest(const struct model *m)
{
	static const uint64_t seed[2] = { 1, 2 };
	const struct end *ends[] = { &m->edge, &m->router };
	uint64_t words[40] = { m->connected, m->ready, m->known, m->n_cuts, m->n_restarts,
		m->answer.resumed, m->answer.session, m->answer.up_next, m->answer.down_next };
	size_t n = 9;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const struct link_window *w = &ends[i]->session.window;
		words[n++] = ends[i]->session.id;
		words[n++] = w->tx_acked;
		words[n++] = w->tx_next;
		words[n++] = w->sent_pos - w->acked_pos;
		words[n++] = w->rx_next;
		words[n++] = ends[i]->n_sent;
		words[n++] = ends[i]->last_taken;
		words[n++] = ends[i]->session_from;
		words[n++] = siphash24(seed, ends[i]->wire.data, ends[i]->wire.len);
	}
	return siphash24(seed, words, n * sizeof(words[0])) | 1;
}

struct explorer {
	struct model model;
	uint64_t *seen; // open addressing
	size_t n_seen;
	enum op path[DEPTH_MAX];
	size_t depth;
	const char *fault;
};

static bool first_visit(struct explorer *x, uint64_t state)
{
	size_t mask = ((size_t)1 << SEEN_BITS) - 1;
	size_t at = state & mask;
	while (x->seen[at] != 0) {
		if (x->seen[at] == state) {
			return false;
		}
		at = (at + 1) & mask;
	}
	assert_true(x->n_seen < mask / 2);
	x->seen[at] = state;
	x->n_seen++;
	return true;
}

static void replay(struct explorer *x, enum bug bug, bool late)
{
	reset(&x->model, bug, late);
	for (size_t i = 0; i < x->depth; i++) {
		apply(&x->model, x->path[i]);
	}
}

static void explore(struct explorer *x, enum bug bug, bool late)
{
	for (int op = 0; op < OP_COUNT && x->fault == NULL; op++) {
		replay(x, bug, late);
		if (!possible(&x->model, (enum op)op)) {
			continue;
		}
		assert_true(x->depth < DEPTH_MAX);
		apply(&x->model, (enum op)op);
		check_quiet(&x->model);
		x->path[x->depth++] = (enum op)op;
		if (x->model.fault != NULL) {
			x->fault = x->model.fault;
		} else if (first_visit(x, digest(&x->model))) {
			explore(x, bug, late);
		}
		x->depth--;
	}
}

// The first fault found, or NULL.
static const char *explore_all(enum bug bug, bool late)
{
	struct explorer *x = xcalloc(1, sizeof(*x));
	x->seen = xcalloc((size_t)1 << SEEN_BITS, sizeof(x->seen[0]));
	link_session_init(&x->model.edge.session);
	link_session_init(&x->model.router.session);
	explore(x, bug, late);
	print_message("bug %d: %zu states, %s\n", (int)bug, x->n_seen,
		x->fault != NULL ? x->fault : "no fault");
	const char *fault = x->fault;
	link_session_fini(&x->model.edge.session);
	link_session_fini(&x->model.router.session);
	buf_fini(&x->model.edge.wire);
	buf_fini(&x->model.router.wire);
	free(x->seen);
	free(x);
	return fault;
}

static void loses_and_repeats_nothing_in_any_interleaving(void **state)
{
	(void)state;
	assert_null(explore_all(BUG_NONE, false));
}

static void drops_what_an_old_connection_brings_late(void **state)
{
	(void)state;
	assert_null(explore_all(BUG_NONE, true));
}

static void finds_a_session_that_is_not_checked(void **state)
{
	(void)state;
	assert_non_null(explore_all(BUG_SESSION_UNCHECKED, false));
}

static void finds_repeats_that_are_taken(void **state)
{
	(void)state;
	assert_non_null(explore_all(BUG_REPEATS_TAKEN, true));
}

static void finds_a_resume_that_does_not_resend(void **state)
{
	(void)state;
	assert_non_null(explore_all(BUG_NO_REWIND, false));
}

static void finds_an_ack_that_comes_before_the_taking(void **state)
{
	(void)state;
	assert_non_null(explore_all(BUG_ACK_BEFORE_TAKING, false));
}

static void finds_a_restart_that_goes_unnoticed(void **state)
{
	(void)state;
	assert_non_null(explore_all(BUG_RESTART_UNNOTICED, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loses_and_repeats_nothing_in_any_interleaving),
		cmocka_unit_test(drops_what_an_old_connection_brings_late),
		cmocka_unit_test(finds_a_session_that_is_not_checked),
		cmocka_unit_test(finds_repeats_that_are_taken),
		cmocka_unit_test(finds_a_resume_that_does_not_resend),
		cmocka_unit_test(finds_an_ack_that_comes_before_the_taking),
		cmocka_unit_test(finds_a_restart_that_goes_unnoticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
