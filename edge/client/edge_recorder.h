// What a worker remembers of its clients for `weirctl explain`: what was refused, what ended and
// where it stood then. Only exceptions and ends: a delivery costs nothing, since where a connection
// stands in a room follows from the room's position and from what is queued. One for a worker; the
// newest that fit its share of option recorder-bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/record_ring.h"
#include "edge/codec/codec.h"
#include "proto/finding.h"

struct conn;
struct fib_member;

struct edge_recorder {
	struct record_ring ring;
};

// One thing remembered; spans are borrowed.
struct edge_record {
	enum finding_kind kind;
	uint16_t code;
	int64_t at_ms; // Unix time
	uint64_t epoch;
	uint64_t from; // of FINDING_DROPPED
	uint64_t seq;
	uint64_t queue_bytes;
	struct bytes user;
	struct bytes client;
	struct bytes room;
	const char *reason; // static
	struct bytes detail;
};

// Its connection is open and about to end: how, and where it stands in its rooms.
void record_closed(const struct conn *c);
// The edge refuses what a client asks.
void record_refused(const struct conn *c, const struct command *command, enum client_error error);
// What a client has missed up to `seq` is more than its queue may hold.
void record_not_recovered(const struct conn *c, struct bytes room, uint64_t epoch, uint64_t seq);

// Messages of the room were dropped from its queue, by the room's policy for slow clients.
void record_dropped(const struct conn *c, struct bytes room, uint64_t epoch, uint64_t from,
	uint64_t to);

// The last message of the member's room of which it and all before it were written to the socket.
uint64_t written_seq(const struct conn *c, const struct fib_member *member);

// The next older one; false behind the oldest. Begin with record_ring_walk() of `ring`.
MUST_CHECK bool edge_recorder_older(const struct edge_recorder *rec, struct record_cursor *cursor,
	struct edge_record *record);
