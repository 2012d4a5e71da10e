#include "common/check.h"
#include "common/siphash.h"
#include "tests/unit/test.h"

static void hashes_as_the_reference_vectors_do(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{ 0, 0x726fdb47dd0e0e31 },
		{ 1, 0x74f839c593dc67fd },
		{ 2, 0x0d6c8009d9a94f5a },
		{ 15, 0xa129ca6149be45e5 },
	};
	const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	uint8_t input[16];
	for (size_t i = 0; i < sizeof(input); i++) {
		input[i] = (uint8_t)i;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(siphash24(key, input, rows[i].len) == rows[i].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_as_the_reference_vectors_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
