#include <stdlib.h>

#include "common/record_ring.h"
#include "tests/unit/test.h"

enum {
	SMALL = 4096,
	LOTS = 20000,
};

// Sizes that repeat after so many records that the ring's ends meet everywhere.
static size_t len_of(uint64_t number)
{
	return (size_t)(number * 7 % 97 + number % 13 * 40) + 8;
}

static void add(struct record_ring *ring, uint64_t number)
{
	uint8_t *record = record_ring_add(ring, len_of(number));
	assert_non_null(record);
	assert_int_equal((uintptr_t)record % 8, 0);
	memset(record, (int)(number % 251), len_of(number));
}

// All that is kept is as it was written, in order, up to the newest.
static uint64_t check(const struct record_ring *ring, uint64_t newest)
{
	struct record_cursor cursor;
	struct bytes record;
	uint64_t number = newest;
	record_ring_walk(ring, &cursor);
	while (record_ring_older(ring, &cursor, &record)) {
		assert_int_equal(cursor.number, number);
		assert_true(record.len >= len_of(number) && record.len < len_of(number) + 8);
		for (size_t i = 0; i < len_of(number); i++) {
			assert_int_equal(record.data[i], number % 251);
		}
		number--;
	}
	assert_int_equal(number + 1, ring->first);
	return newest - number;
}

static void keeps_the_newest_records_as_they_were(void **state)
{
	(void)state;
	struct record_ring ring;
	record_ring_init(&ring, SMALL);
	assert_int_equal(check(&ring, 0), 0);
	for (uint64_t number = 1; number <= LOTS; number++) {
		add(&ring, number);
		uint64_t kept = check(&ring, number);
		assert_true(kept >= (number < 5 ? number : 5));
	}
	record_ring_fini(&ring);
}

static void uses_most_of_its_memory(void **state)
{
	(void)state;
	struct record_ring ring;
	record_ring_init(&ring, SMALL);
	for (unsigned i = 0; i < 1000; i++) {
		assert_non_null(record_ring_add(&ring, 92)); // 100 bytes with the head, 104 aligned
	}
	assert_int_equal(ring.next - ring.first, SMALL / 104);
	record_ring_fini(&ring);
}

static void refuses_what_is_too_long_and_keeps_the_rest(void **state)
{
	(void)state;
	struct record_ring ring;
	record_ring_init(&ring, SMALL);
	add(&ring, 1);
	assert_null(record_ring_add(&ring, SMALL / 4));
	assert_int_equal(check(&ring, 1), 1);
	record_ring_fini(&ring);
}

static void keeps_nothing_without_memory(void **state)
{
	(void)state;
	struct record_ring ring;
	struct record_cursor cursor;
	struct bytes record;
	record_ring_init(&ring, 0);
	assert_null(record_ring_add(&ring, 8));
	record_ring_walk(&ring, &cursor);
	assert_false(record_ring_older(&ring, &cursor, &record));
	assert_int_equal(record_ring_size(&ring), 0);
	record_ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_newest_records_as_they_were),
		cmocka_unit_test(uses_most_of_its_memory),
		cmocka_unit_test(refuses_what_is_too_long_and_keeps_the_rest),
		cmocka_unit_test(keeps_nothing_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
