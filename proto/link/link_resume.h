// Whether a new connection continues a session, and from where: the decision of both ends, pure.
// The edge offers what it has, the router decides and rewinds its window, the edge follows and
// rewinds its own. A session is known by a random number that the router gives it, so an answer
// that was lost cannot leave the two ends in different sessions that look alike.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "proto/link/link_window.h"

struct link_offer { // in HELLO
	uint64_t session; // 0: none to resume
	uint64_t down_next; // next BATCH expected from the router
	uint64_t up_oldest; // oldest BATCH still held
	uint64_t up_next; // seq of the next new BATCH
	uint64_t window_bytes;
};

struct link_answer { // in HELLO_ACK
	uint64_t session;
	bool resumed;
	uint64_t up_next;
	uint64_t down_next;
	uint64_t window_bytes;
};

// One end's session: its number and its window.
struct link_session {
	uint64_t id; // 0: none
	struct link_window window;
};

void link_session_init(struct link_session *session);
void link_session_fini(struct link_session *session);

struct link_offer link_offer_make(const struct link_session *session);

// The router's decision: resumes if it can, else begins a session called `fresh_id` (random, not
// 0). `resumable` is false if what the router knew of the edge is gone or not whole.
struct link_answer link_offer_decide(struct link_session *session, const struct link_offer *offer,
	bool resumable, uint64_t fresh_id);

enum link_follow {
	LINK_RESUMED,
	LINK_BEGUN, // nothing is known of us: tell everything
	LINK_BROKEN, // no conforming router answers so; the session is over
};
MUST_CHECK enum link_follow link_answer_follow(struct link_session *session,
	const struct link_answer *answer);
