// The last seq and a word of bits behind it, as a receiver of IPsec keeps it against replays (RFC
// 4303 section 3.4.3). A message further on than the next leaves a hole, counted as lost at once;
// if it turns up after all it was not lost but late. What is further back than the word reaches
// cannot be told from a repeat and counts as one: either is a fault.
//
// Knows no room and no client, only numbers; who is asked about an end or a closed connection
// decides what it means. A gap that the server announces is no fault of order, but it is counted,
// since a benchmark that lost messages politely still lost them.
//
// Rejected: a set of all seqs per member. It would be exact at any distance and cost the generator
// its caches at 10,000 members.

#include "tests/bench/judge.h"

enum {
	SEEN_BITS = 64,
};

uint64_t judge_epoch(struct bytes text)
{
	// FNV-1a.
	uint64_t hash = 0xcbf29ce484222325U;
	for (size_t i = 0; i < text.len; i++) {
		hash = (hash ^ text.data[i]) * 0x100000001b3U;
	}
	return hash != 0 ? hash : 1;
}

// Moves on to `seq`, which is above `last`; what is jumped over has the bits of `between`.
static void advance(struct judge *j, uint64_t seq, uint64_t between)
{
	uint64_t step = seq - j->last;
	j->seen = step < SEEN_BITS ? j->seen << step | (between & ((1ULL << step) - 1)) : between;
	j->last = seq;
}

void judge_start(struct judge *j, struct tally *t, uint64_t epoch, uint64_t seq)
{
	if (j->epoch != 0) {
		t->restarted++;
		t->announced += judge_tail(j, epoch, seq);
	}
	*j = (struct judge){ .epoch = epoch, .last = seq, .seen = UINT64_MAX };
}

void judge_recovered(struct judge *j, struct tally *t, uint64_t seq)
{
	if (seq > j->last) {
		t->lost += seq - j->last;
		advance(j, seq, 0);
	}
}

bool judge_delivery(struct judge *j, struct tally *t, uint64_t epoch, uint64_t seq)
{
	if (epoch != j->epoch) {
		// A new epoch is announced before its first message.
		t->out_of_order++;
		*j = (struct judge){ .epoch = epoch, .last = seq, .seen = UINT64_MAX };
		return true;
	}
	if (seq > j->last) {
		t->lost += seq - j->last - 1;
		advance(j, seq, 1);
		return true;
	}
	uint64_t back = j->last - seq;
	uint64_t bit = back < SEEN_BITS ? 1ULL << back : 0;
	if (bit == 0 || (j->seen & bit) != 0) {
		t->duplicated++;
		return false;
	}
	j->seen |= bit;
	t->lost--;
	t->out_of_order++;
	return true;
}

void judge_gap(struct judge *j, struct tally *t, uint64_t from, uint64_t to)
{
	if (to <= j->last) {
		return;
	}
	if (from > j->last + 1) {
		t->lost += from - j->last - 1;
		advance(j, from - 1, 0);
	}
	t->announced += to - j->last;
	advance(j, to, UINT64_MAX);
}

uint64_t judge_tail(const struct judge *j, uint64_t epoch, uint64_t seq)
{
	if (j->epoch == 0) {
		return 0;
	}
	if (j->epoch != epoch) {
		return seq;
	}
	return seq > j->last ? seq - j->last : 0;
}
