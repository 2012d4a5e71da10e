// What one member of one room was promised and what it got: the order of `seq`, without gaps and
// without repeats, unless the server says so.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/tally.h"

// Zeroed memory: never joined.
struct judge {
	uint64_t epoch; // fingerprint of the opaque text, never 0 once joined
	uint64_t last; // highest seq that came or was announced as missing
	uint64_t seen; // bit i: last - i is settled
};

// Turns the text of an epoch into a number to compare; never 0.
uint64_t judge_epoch(struct bytes text);

// Joined without a position to continue from, or told that it is of no use any more: what lies
// between is announced as missing.
void judge_start(struct judge *j, struct tally *t, uint64_t epoch, uint64_t seq);
// The server has continued from the position: after the messages it sent along, all up to `seq`
// must have come.
void judge_recovered(struct judge *j, struct tally *t, uint64_t seq);
// A message. False if it came before.
bool judge_delivery(struct judge *j, struct tally *t, uint64_t epoch, uint64_t seq);
// The server says that `from` to `to` (inclusive) will not come.
void judge_gap(struct judge *j, struct tally *t, uint64_t from, uint64_t to);
// Nothing more will come and the room has reached `seq` of `epoch`: returns how many messages the
// member is short of at the end. The caller knows whether somebody told it why.
uint64_t judge_tail(const struct judge *j, uint64_t epoch, uint64_t seq);
