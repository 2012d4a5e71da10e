// What was published and has not arrived everywhere yet: the window of a closed loop, the start of
// every latency, and the witness that each message was sequenced exactly once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/tally.h"

enum {
	LEDGER_RING = 1 << 18, // publishes remembered
	LEDGER_NUMBER_BITS = 33, // above them, up to 2^53, the mark of this run
	LEDGER_MARK_BITS = 20,
};

enum publish_state {
	PUBLISH_WAITING, // for an answer
	PUBLISH_ACKED,
	PUBLISH_REFUSED, // must not come
	PUBLISH_UNKNOWN, // may come
};

// Where and by whom something is published.
struct origin {
	uint32_t room;
	uint32_t publisher;
	uint32_t session; // of the publisher's connection
};

struct publish {
	uint64_t number; // as it travels; 0: this place was never used
	uint64_t intended_ns;
	uint64_t epoch; // fingerprint
	uint64_t seq; // 0: not sequenced as far as we know
	struct origin origin;
	uint32_t expected;
	uint32_t delivered;
	uint32_t held; // deliveries that the window still waits for
	enum publish_state state;
	bool awaited;
	bool misplaced; // it had two places
};

// A publish has left the window: it has come to all members, was refused, or is overdue. Once each.
typedef void ledger_done_fn(void *arg, const struct publish *p);

struct ledger {
	struct publish *ring; // owned
	uint64_t mark; // of this run, shifted
	uint64_t next; // count of publishes so far
	uint64_t oldest; // none before it holds any of the window
	uint64_t in_flight; // sum of `held`
	uint64_t outstanding; // deliveries that may still come
	uint64_t unanswered; // publishes
	struct tally *tally; // borrowed
	ledger_done_fn *done; // NULL: nobody asks
	void *done_arg;
};

// `seed` tells the messages of this run from those of others.
void ledger_init(struct ledger *l, uint64_t seed, struct tally *tally);
void ledger_fini(struct ledger *l);

// Notes a publish that is about to be written: `expected` members are to get it, `present` of them
// (one at least) now, and the others when they are back. Borrowed until LEDGER_RING more were
// added.
struct publish *ledger_add(struct ledger *l, uint64_t intended_ns, struct origin origin,
	uint32_t expected, uint32_t present);
// NULL for what this run did not publish, or too long ago.
struct publish *ledger_find(const struct ledger *l, uint64_t number);

// It is known to have this place in its room's order. False, the first time only, if it had another
// already: it was published twice. `*news` says that it had none.
bool ledger_place(struct publish *p, uint64_t epoch, uint64_t seq, bool *news);
// One more member has got it.
void ledger_delivered(struct ledger *l, struct publish *p);
void ledger_acked(struct ledger *l, struct publish *p);
// `unknown`: it may have been published all the same.
void ledger_refused(struct ledger *l, struct publish *p, bool unknown);
// Gives back the window of what was intended before `before_ns` and is still not complete, so that
// one lost message does not stop a closed loop. It is still waited for otherwise.
void ledger_expire(struct ledger *l, uint64_t before_ns);
// The same for all of a room of which a member has left: nobody knows which of it that member had
// got.
void ledger_release_room(struct ledger *l, uint32_t room);

// At the end: counts what was never answered. `session_of` tells the present session of a
// publisher; a publish of an earlier one may have been lost with its connection.
typedef uint32_t ledger_session_fn(void *arg, uint32_t publisher);
void ledger_close(struct ledger *l, ledger_session_fn *session_of, void *arg);
// True while an answer or a delivery is still to come.
bool ledger_is_waiting(const struct ledger *l);
