// A ring indexed by the publish number, which the sender writes into its own field and finds in
// every delivery. So a delivery costs one look at one place, and neither a time stamp nor the
// sender's name has to travel in the message.
//
// The number is `mark << LEDGER_NUMBER_BITS | count`, below 2^53 so that it survives any JSON
// reader. The mark is the run's own: what another run left in a room's history, or publishes beside
// us, is recognised as foreign.
//
// `in_flight` counts deliveries, not messages. Each publish holds as many as its room has members
// present and gives them back one by one as they arrive, or all that are left when it is refused or
// overdue, or when somebody leaves the room. So a closed loop goes on while clients are away.
//
// Together with the judge, which sees each (member, room) by seq, this is complete: no seq comes
// twice or is missing there, and no publish has two seqs here.
//
// Rejected: asking every member for every number. It would be a bit per member and message; the two
// cheaper questions have the same answer.

#include "tests/bench/ledger.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

static struct publish *place_of(const struct ledger *l, uint64_t count)
{
	return &l->ring[count % LEDGER_RING];
}

void ledger_init(struct ledger *l, uint64_t seed, struct tally *tally)
{
	// Zero is what messages without a number look like.
	uint64_t mark = seed % (((uint64_t)1 << LEDGER_MARK_BITS) - 1) + 1;
	*l = (struct ledger){
		.ring = xcalloc(LEDGER_RING, sizeof(struct publish)),
		.mark = mark << LEDGER_NUMBER_BITS,
		.tally = tally,
	};
}

void ledger_fini(struct ledger *l)
{
	free(l->ring);
	*l = (struct ledger){ 0 };
}

static uint32_t left_of(const struct publish *p)
{
	return p->expected > p->delivered ? p->expected - p->delivered : 0;
}

static void release(struct ledger *l, struct publish *p)
{
	if (p->held == 0) {
		return;
	}
	l->in_flight -= p->held;
	p->held = 0;
	if (l->done != NULL) {
		l->done(l->done_arg, p);
	}
}

static void forget(struct ledger *l, struct publish *p)
{
	release(l, p);
	l->outstanding -= p->awaited ? left_of(p) : 0;
	p->awaited = false;
}

static bool answer(struct ledger *l, struct publish *p, enum publish_state state)
{
	if (p->state != PUBLISH_WAITING) {
		return false;
	}
	p->state = state;
	l->unanswered--;
	return true;
}

// Counts what a publish came to, once it leaves the ring. What was sequenced but did not arrive is
// not counted here: the members' own judges miss it.
static void settle(struct ledger *l, struct publish *p, bool session_ended)
{
	struct tally *t = l->tally;
	forget(l, p);
	if (session_ended && answer(l, p, PUBLISH_UNKNOWN)) {
		t->unknown++;
	}
	if (p->state == PUBLISH_UNKNOWN && p->seq == 0) {
		t->expected -= p->expected;
	}
	if (p->state == PUBLISH_WAITING) {
		l->unanswered--;
		t->unanswered++;
		t->lost += p->seq == 0 ? p->expected : 0;
	}
}

struct publish *ledger_add(struct ledger *l, uint64_t intended_ns, struct origin origin,
	uint32_t expected, uint32_t present)
{
	CHECK(present > 0 && present <= expected);
	uint64_t count = l->next++;
	CHECK(count >> LEDGER_NUMBER_BITS == 0);
	struct publish *p = place_of(l, count);
	if (p->number != 0) {
		settle(l, p, false);
		l->oldest = l->oldest > count - LEDGER_RING ? l->oldest : count - LEDGER_RING + 1;
	}
	*p = (struct publish){
		.number = l->mark | count,
		.intended_ns = intended_ns,
		.origin = origin,
		.expected = expected,
		.held = present,
		.awaited = true,
	};
	l->in_flight += present;
	l->outstanding += expected;
	l->unanswered++;
	l->tally->published++;
	l->tally->expected += expected;
	return p;
}

struct publish *ledger_find(const struct ledger *l, uint64_t number)
{
	struct publish *p = place_of(l, number);
	return number != 0 && p->number == number ? p : NULL;
}

bool ledger_place(struct publish *p, uint64_t epoch, uint64_t seq, bool *news)
{
	*news = p->seq == 0;
	if (*news) {
		p->epoch = epoch;
		p->seq = seq;
	}
	bool right = p->misplaced || (p->epoch == epoch && p->seq == seq);
	p->misplaced = p->misplaced || !right;
	return right;
}

void ledger_delivered(struct ledger *l, struct publish *p)
{
	l->outstanding -= p->awaited && left_of(p) > 0 ? 1 : 0;
	p->delivered++;
	if (p->held == 1) {
		release(l, p);
	} else if (p->held > 1) {
		p->held--;
		l->in_flight--;
	}
}

void ledger_acked(struct ledger *l, struct publish *p)
{
	if (answer(l, p, PUBLISH_ACKED)) {
		l->tally->acked++;
	}
}

void ledger_refused(struct ledger *l, struct publish *p, bool unknown)
{
	if (!answer(l, p, unknown ? PUBLISH_UNKNOWN : PUBLISH_REFUSED)) {
		return;
	}
	forget(l, p);
	if (unknown) {
		l->tally->unknown++;
	} else {
		l->tally->refused++;
		l->tally->expected -= p->expected;
	}
}

void ledger_expire(struct ledger *l, uint64_t before_ns)
{
	while (l->oldest < l->next) {
		struct publish *p = place_of(l, l->oldest);
		if (p->held > 0 && p->intended_ns >= before_ns) {
			return;
		}
		release(l, p);
		l->oldest++;
	}
}

void ledger_release_room(struct ledger *l, uint32_t room)
{
	for (uint64_t i = l->oldest; i < l->next; i++) {
		struct publish *p = place_of(l, i);
		if (p->origin.room == room) {
			release(l, p);
		}
	}
}

void ledger_close(struct ledger *l, ledger_session_fn *session_of, void *arg)
{
	uint64_t first = l->next > LEDGER_RING ? l->next - LEDGER_RING : 0;
	for (uint64_t i = first; i < l->next; i++) {
		struct publish *p = place_of(l, i);
		settle(l, p, session_of(arg, p->origin.publisher) != p->origin.session);
	}
}

bool ledger_is_waiting(const struct ledger *l)
{
	return l->outstanding > 0 || l->unanswered > 0;
}
