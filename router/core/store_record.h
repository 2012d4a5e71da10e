// What a durable store keeps, as bytes: a turn is one value of the log, a head and then records.
// Pure; an engine moves the bytes and does not look into them.
//
// A turn's head names the slots that its records belong to, so that damage in one makes no other
// slot doubtful. Each record is `u32 length | u32 CRC-32C | kind | fields`, little endian; all
// kinds have the same fields, those of no use to a kind are empty.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	STORE_SLOTS = 1024, // fixed when a log is begun
	STORE_ORIGIN_LEN = 16,
	STORE_SCHEMA = 1, // of all that is below; a log of another one is not opened
};

enum store_record_kind {
	STORE_RECORD_IMAGE = 1, // of the slot `seq`: what the log held of it before is void
	STORE_RECORD_ROOM, // its epoch, and the seq and stamp of its last message
	STORE_RECORD_MESSAGE, // the next one of its room
	STORE_RECORD_KEPT, // one of an image: the room's seq is beyond it
	STORE_RECORD_KEY, // what a user published under a key, as first answered
	STORE_RECORD_ORIGIN, // the same of an edge's request
	STORE_RECORD_FORGET, // the room's epoch has ended
};

// Texts are borrowed.
struct store_record {
	enum store_record_kind kind;
	uint64_t epoch;
	uint64_t seq;
	int64_t timestamp_ms;
	struct bytes room, type, from, user, username, body;
	struct bytes key; // of idempotency; empty: none
	struct bytes origin; // STORE_ORIGIN_LEN bytes, or none
};

// Which slots a turn touches.
struct store_slot_set {
	uint64_t bits[STORE_SLOTS / 64];
};
static inline void store_slot_add(struct store_slot_set *set, uint32_t slot)
{
	set->bits[slot / 64] |= UINT64_C(1) << slot % 64;
}
static inline void store_slot_remove(struct store_slot_set *set, uint32_t slot)
{
	set->bits[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}
static inline bool store_slot_in(const struct store_slot_set *set, uint32_t slot)
{
	return (set->bits[slot / 64] >> slot % 64 & 1) != 0;
}

// `len`: bytes of the records that follow, so that a turn cut short shows.
void store_turn_begin(struct buf *out, const struct store_slot_set *slots, size_t len);
void store_record_append(struct buf *out, const struct store_record *record);

// Takes the head off a turn. False if it is damaged: then so is everything in the turn.
MUST_CHECK bool store_turn_open(struct bytes *turn, struct store_slot_set *slots);
// Takes the next record off: 1 and the record, 0 at the end, -EBADMSG at damage, behind which
// nothing of this turn can be trusted. The texts borrow from the turn.
MUST_CHECK int store_record_next(struct bytes *rest, struct store_record *record);
