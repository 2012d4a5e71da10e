#include <errno.h>

#include "common/siphash.h"
#include "router/store/slot_cut.h"
#include "tests/unit/test.h"

static const uint64_t hash_key[2] = { 1, 2 };
static struct slot_cut cut; // too large for a stack

static uint16_t slot_of(const char *room)
{
	return (uint16_t)(siphash24(hash_key, room, strlen(room)) % STORE_SLOTS);
}

static void message(struct buf *out, const char *room, uint64_t seq)
{
	const struct store_record record = {
		.kind = STORE_RECORD_MESSAGE,
		.seq = seq,
		.room = bytes_str(room),
	};
	store_record_append(out, &record);
}

static void image(struct buf *out, uint64_t slot)
{
	const struct store_record record = { .kind = STORE_RECORD_IMAGE, .seq = slot };
	store_record_append(out, &record);
}

static const struct slot_piece *piece_of(uint16_t slot)
{
	for (size_t i = 0; i < cut.n; i++) {
		if (cut.pieces[i].slot == slot) {
			return &cut.pieces[i];
		}
	}
	fail_msg("no piece of slot %u", slot);
	return NULL;
}

// What a piece says: the seqs of its records, one after the other.
static void assert_piece(uint16_t slot, bool replaces, const uint64_t *seqs, size_t n)
{
	const struct slot_piece *piece = piece_of(slot);
	struct bytes rest = slot_cut_bytes(&cut, piece);
	struct store_record record;
	assert_int_equal(piece->replaces, replaces);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(store_record_next(&rest, &record), 1);
		assert_int_equal(record.seq, seqs[i]);
	}
	assert_int_equal(store_record_next(&rest, &record), 0);
}

static void each_slot_gets_its_records_in_their_order(void **state)
{
	(void)state;
	struct buf records = { 0 };
	assert_int_not_equal(slot_of("tea"), slot_of("milk"));
	message(&records, "tea", 1);
	message(&records, "milk", 7);
	message(&records, "tea", 2);
	assert_true(slot_cut_make(&cut, hash_key, (struct bytes){ 0 }, buf_bytes(&records)));
	assert_int_equal(cut.n, 2);
	assert_piece(slot_of("tea"), false, (const uint64_t[]){ 1, 2 }, 2);
	assert_piece(slot_of("milk"), false, (const uint64_t[]){ 7 }, 1);
	buf_fini(&records);
	slot_cut_fini(&cut);
}

static void an_image_voids_what_the_turn_said_before_it(void **state)
{
	(void)state;
	struct buf images = { 0 };
	struct buf records = { 0 };
	uint16_t slot = slot_of("tea");
	message(&images, "milk", 7);
	message(&images, "tea", 1);
	image(&images, slot);
	message(&images, "tea", 2);
	message(&records, "tea", 3);
	assert_true(slot_cut_make(&cut, hash_key, buf_bytes(&images), buf_bytes(&records)));
	assert_piece(slot, true, (const uint64_t[]){ slot, 2, 3 }, 3);
	assert_piece(slot_of("milk"), false, (const uint64_t[]){ 7 }, 1);
	// Nothing of it is left for the next turn.
	assert_true(slot_cut_make(&cut, hash_key, (struct bytes){ 0 }, buf_bytes(&records)));
	assert_int_equal(cut.n, 1);
	assert_piece(slot, false, (const uint64_t[]){ 3 }, 1);
	buf_fini(&images);
	buf_fini(&records);
	slot_cut_fini(&cut);
}

static void refuses_a_slot_that_cannot_be_and_damage(void **state)
{
	(void)state;
	struct buf records = { 0 };
	image(&records, STORE_SLOTS - 1);
	assert_true(slot_cut_make(&cut, hash_key, buf_bytes(&records), (struct bytes){ 0 }));
	image(&records, STORE_SLOTS);
	assert_false(slot_cut_make(&cut, hash_key, buf_bytes(&records), (struct bytes){ 0 }));
	records.len = 0;
	message(&records, "tea", 1);
	records.len--;
	assert_false(slot_cut_make(&cut, hash_key, (struct bytes){ 0 }, buf_bytes(&records)));
	buf_fini(&records);
	slot_cut_fini(&cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_slot_gets_its_records_in_their_order),
		cmocka_unit_test(an_image_voids_what_the_turn_said_before_it),
		cmocka_unit_test(refuses_a_slot_that_cannot_be_and_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
