#include "common/crc32c.h"
#include "tests/unit/test.h"

// RFC 3720 appendix B.4, and the usual check value.
static void gives_the_published_values(void **state)
{
	(void)state;
	uint8_t zeros[32] = { 0 };
	uint8_t rising[32];
	for (size_t i = 0; i < sizeof(rising); i++) {
		rising[i] = (uint8_t)i;
	}
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(crc32c(0, rising, sizeof(rising)), 0x46dd794e);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_portable(0, rising, sizeof(rising)), 0x46dd794e);
}

static void continues_at_every_split(void **state)
{
	(void)state;
	const char text[] = "the quick brown fox jumps over the lazy dog";
	uint32_t whole = crc32c(0, text, sizeof(text));
	for (size_t i = 0; i <= sizeof(text); i++) {
		assert_int_equal(crc32c(crc32c(0, text, i), text + i, sizeof(text) - i), whole);
		assert_int_equal(crc32c_portable(crc32c(0, text, i), text + i, sizeof(text) - i),
			whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_published_values),
		cmocka_unit_test(continues_at_every_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
