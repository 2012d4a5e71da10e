#include <limits.h>

#include "common/buf.h"
#include "tests/unit/test.h"

static void appends_numbers_as_text(void **state)
{
	(void)state;
	struct buf b = { 0 };
	buf_append_uint(&b, 0);
	buf_append_byte(&b, ' ');
	buf_append_uint(&b, UINT64_MAX);
	buf_append_byte(&b, ' ');
	buf_append_int(&b, INT64_MIN);
	assert_bytes_equal(buf_bytes(&b), "0 18446744073709551615 -9223372036854775808");
	buf_fini(&b);
}

static void consumes_from_the_front(void **state)
{
	(void)state;
	struct buf b = { 0 };
	buf_printf(&b, "%s-%d", "abc", 7);
	buf_consume(&b, 2);
	assert_bytes_equal(buf_bytes(&b), "c-7");
	buf_consume(&b, 3);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void gives_back_what_a_large_use_left(void **state)
{
	(void)state;
	struct buf b = { 0 };
	buf_reserve(&b, 100000);
	buf_reset(&b, 4096);
	assert_null(b.data);
	buf_append_str(&b, "x");
	buf_reset(&b, 4096);
	assert_non_null(b.data);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_numbers_as_text),
		cmocka_unit_test(consumes_from_the_front),
		cmocka_unit_test(gives_back_what_a_large_use_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
