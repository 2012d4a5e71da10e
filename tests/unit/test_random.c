#include <string.h>

#include "common/random.h"
#include "tests/unit/test.h"

enum {
	LARGE = 64 << 10, // more than one call gives whole if a signal comes
};

static void fills_all_of_it_and_nothing_beyond(void **state)
{
	(void)state;
	static uint8_t bytes[LARGE + 2];
	memset(bytes, 0, sizeof(bytes));
	random_fill(bytes + 1, LARGE);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[LARGE + 1], 0);
	// Of 64 KiB each quarter has a byte that is not 0, or the generator is broken.
	for (size_t i = 0; i < 4; i++) {
		size_t n = 0;
		for (size_t j = 0; j < LARGE / 4; j++) {
			n += bytes[1 + i * LARGE / 4 + j] != 0;
		}
		assert_true(n > LARGE / 8);
	}
}

static void no_number_comes_twice(void **state)
{
	(void)state;
	assert_true(random_u64() != random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_all_of_it_and_nothing_beyond),
		cmocka_unit_test(no_number_comes_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
