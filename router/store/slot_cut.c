// Two passes: the first finds how long each piece is, the second copies every record to its place,
// so that a piece is one run of bytes and nothing is allocated by the record.

#include "router/store/slot_cut.h"

#include "common/siphash.h"

enum {
	BUFFER_KEEP = 256 << 10
};

struct cutting {
	struct slot_cut *cut;
	const uint64_t *hash_key;
	uint16_t piece_of[STORE_SLOTS]; // 1 + its index; 0: none yet
	size_t filled[STORE_SLOTS]; // bytes, of each piece
	size_t at; // of the record in the turn
};

static struct slot_piece *piece_of(struct cutting *c, uint32_t slot)
{
	if (c->piece_of[slot] == 0) {
		c->cut->pieces[c->cut->n++] = (struct slot_piece){ .slot = (uint16_t)slot };
		c->piece_of[slot] = (uint16_t)c->cut->n;
	}
	return &c->cut->pieces[c->piece_of[slot] - 1];
}

// False if the record cannot be.
static bool slot_of(const struct cutting *c, const struct store_record *record, uint32_t *slot)
{
	uint64_t n = record->kind == STORE_RECORD_IMAGE
		? record->seq
		: siphash24(c->hash_key, record->room.data, record->room.len) % STORE_SLOTS;
	*slot = (uint32_t)n;
	return n < STORE_SLOTS;
}

typedef void record_fn(struct cutting *c, struct slot_piece *piece, bool is_image,
	struct bytes bytes);

static void measure(struct cutting *c, struct slot_piece *piece, bool is_image, struct bytes bytes)
{
	if (is_image) {
		piece->replaces = true;
		piece->from = c->at;
		piece->len = 0;
	}
	piece->len += bytes.len;
}

static void copy(struct cutting *c, struct slot_piece *piece, bool is_image, struct bytes bytes)
{
	(void)is_image;
	if (c->at >= piece->from) {
		size_t *filled = &c->filled[piece - c->cut->pieces];
		memcpy(c->cut->bytes.data + piece->at + *filled, bytes.data, bytes.len);
		*filled += bytes.len;
	}
}

static bool each_record(struct cutting *c, struct bytes rest, record_fn *fn)
{
	struct store_record record;
	struct bytes before = rest;
	int result;
	while ((result = store_record_next(&rest, &record)) > 0) {
		uint32_t slot;
		if (!slot_of(c, &record, &slot)) {
			return false;
		}
		struct bytes bytes = bytes_make(before.data, before.len - rest.len);
		fn(c, piece_of(c, slot), record.kind == STORE_RECORD_IMAGE, bytes);
		c->at += bytes.len;
		before = rest;
	}
	return result == 0;
}

static bool pass(struct cutting *c, struct bytes images, struct bytes records, record_fn *fn)
{
	c->at = 0;
	return each_record(c, images, fn) && each_record(c, records, fn);
}

bool slot_cut_make(struct slot_cut *cut, const uint64_t hash_key[2], struct bytes images,
	struct bytes records)
{
	struct cutting c = { .cut = cut, .hash_key = hash_key };
	cut->n = 0;
	buf_reset(&cut->bytes, BUFFER_KEEP);
	if (!pass(&c, images, records, measure)) {
		return false;
	}
	for (size_t i = 0; i < cut->n; i++) {
		cut->pieces[i].at = cut->bytes.len;
		(void)buf_reserve(&cut->bytes, cut->pieces[i].len);
		cut->bytes.len += cut->pieces[i].len;
	}
	return pass(&c, images, records, copy);
}

void slot_cut_fini(struct slot_cut *cut)
{
	buf_fini(&cut->bytes);
	cut->n = 0;
}
