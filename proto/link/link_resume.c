// Why a number per session and not only one per router start: the router forgets an edge, begins a
// new session with it, and the connection breaks before the edge has read so. The edge offers its
// old session again; with low seqs the offer fits the new, empty one, and what was routed once
// would be routed twice. The explorer in tests/unit/test_link_resume.c finds this in a few steps if
// the check of the number is taken out.

#include "proto/link/link_resume.h"

void link_session_init(struct link_session *session)
{
	session->id = 0;
	link_window_init(&session->window);
}

void link_session_fini(struct link_session *session)
{
	link_window_fini(&session->window);
}

struct link_offer link_offer_make(const struct link_session *session)
{
	return (struct link_offer){
		.session = session->id,
		.down_next = session->window.rx_next,
		.up_oldest = session->window.tx_acked,
		.up_next = session->window.tx_next,
		.window_bytes = LINK_WINDOW_BYTES,
	};
}

static void begin(struct link_session *session, uint64_t id, uint64_t peer_window)
{
	session->id = id;
	link_window_reset(&session->window, peer_window);
}

struct link_answer link_offer_decide(struct link_session *session, const struct link_offer *offer,
	bool resumable, uint64_t fresh_id)
{
	struct link_window *w = &session->window;
	bool resumed = resumable && offer->session != 0 && offer->session == session->id &&
		w->rx_next >= offer->up_oldest && w->rx_next <= offer->up_next &&
		link_window_resume(w, offer->down_next);
	if (!resumed) {
		begin(session, fresh_id, offer->window_bytes);
	}
	return (struct link_answer){
		.session = session->id,
		.resumed = resumed,
		.up_next = w->rx_next,
		.down_next = w->tx_acked,
		.window_bytes = LINK_WINDOW_BYTES,
	};
}

enum link_follow link_answer_follow(struct link_session *session, const struct link_answer *answer)
{
	if (answer->session == 0 || answer->window_bytes < LINK_HEAD_LEN + LINK_BODY_MAX) {
		session->id = 0;
		return LINK_BROKEN;
	}
	if (!answer->resumed) {
		begin(session, answer->session, answer->window_bytes);
		return LINK_BEGUN;
	}
	if (answer->session != session->id || answer->down_next != session->window.rx_next ||
		!link_window_resume(&session->window, answer->up_next)) {
		session->id = 0;
		return LINK_BROKEN;
	}
	return LINK_RESUMED;
}
