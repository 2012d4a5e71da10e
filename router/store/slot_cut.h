// A turn, cut into what it adds to the log of each slot: for an engine that keeps a log for each.
// Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "router/core/store_record.h"

struct slot_piece {
	uint16_t slot;
	bool replaces; // begins with an image: the log before it goes
	size_t len;
	size_t at; // in `bytes`
	size_t from; // of the turn: what precedes it is void; while it is cut
};

// Zeroed memory is an empty one.
struct slot_cut {
	struct buf bytes;
	size_t n;
	struct slot_piece pieces[STORE_SLOTS]; // each slot once
};

// Copies; `records` follow `images`. False if they are damaged.
MUST_CHECK bool slot_cut_make(struct slot_cut *cut, const uint64_t hash_key[2], struct bytes images,
	struct bytes records);
static inline struct bytes slot_cut_bytes(const struct slot_cut *cut,
	const struct slot_piece *piece)
{
	return bytes_make(cut->bytes.data + piece->at, piece->len);
}
void slot_cut_fini(struct slot_cut *cut);
