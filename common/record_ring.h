// The newest records that fit a fixed number of bytes: what is added beyond that drops the oldest.
// Records are numbered from 1 and are walked from the newest to the oldest. No allocation after the
// start. Pure; one thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct record_ring {
	uint8_t *data; // owned; NULL: nothing is kept
	size_t cap;
	size_t oldest; // where record `first` begins
	size_t at; // where the next one begins
	size_t end; // where records end if the newest are in front of the oldest, else 0
	size_t last_size; // of the newest; 0: there is none
	uint64_t first; // number of the oldest
	uint64_t next; // number of the record to come
};

// Keeps at most `bytes`, rounded down; below 4 KiB nothing is kept.
void record_ring_init(struct record_ring *ring, size_t bytes);
void record_ring_fini(struct record_ring *ring);

// Room for a record of `len` bytes, aligned to 8, for the caller to fill before the next call. NULL
// if nothing is kept, or it is longer than a quarter of the ring.
void *record_ring_add(struct record_ring *ring, size_t len);

// Where a walk stands; good until the next record is added.
struct record_cursor {
	uint64_t number; // of the record at hand
	size_t at;
	size_t before; // size of the record before it
};
// Begins behind the newest record.
void record_ring_walk(const struct record_ring *ring, struct record_cursor *cursor);
// Goes on to the next older record; false behind the oldest. Its length may be up to 7 bytes more
// than was asked for.
MUST_CHECK bool record_ring_older(const struct record_ring *ring, struct record_cursor *cursor,
	struct bytes *record);

// The oldest record, borrowed until one is added. There must be one.
struct bytes record_ring_oldest(const struct record_ring *ring);

// Bytes of it that were ever written to.
static inline size_t record_ring_used(const struct record_ring *ring)
{
	return ring->first > 1 ? ring->cap : ring->at;
}
// Bytes that it holds: all of them from the start.
static inline size_t record_ring_size(const struct record_ring *ring)
{
	return ring->cap;
}
