#include <stdlib.h>

#include "common/mem.h"
#include "router/core/inquiry.h"
#include "tests/unit/test.h"

enum {
	NOW_MS = 1000,
};

static void gathers_the_answers_of_who_was_asked(void **state)
{
	(void)state;
	struct inquiries all = { 0 };
	struct inquiry *q = inquiry_open(&all, 7, NOW_MS);
	assert_ptr_equal(inquiry_find(&all, 7), q);
	assert_null(inquiry_find(&all, 8));
	assert_null(inquiry_find(&all, 0));
	inquiry_expect(q, 1, 2);
	inquiry_expect(q, 2, 1);
	inquiry_answer(q, 1, bytes_str("one"));
	inquiry_answer(q, 3, bytes_str("who is that"));
	assert_false(inquiry_is_over(q, NOW_MS));
	assert_false(inquiry_answered(q, 1));
	inquiry_answer(q, 2, bytes_str("two"));
	inquiry_answer(q, 1, bytes_str(""));
	inquiry_answer(q, 1, bytes_str("once too often"));
	assert_true(inquiry_is_over(q, NOW_MS));
	assert_true(inquiry_answered(q, 1));
	assert_false(inquiry_answered(q, 3));
	size_t at = 0;
	uint32_t edge;
	struct bytes packed;
	assert_true(inquiry_next(q, &at, &edge, &packed));
	assert_int_equal(edge, 1);
	assert_bytes_equal(packed, "one");
	assert_true(inquiry_next(q, &at, &edge, &packed));
	assert_int_equal(edge, 2);
	assert_true(inquiry_next(q, &at, &edge, &packed));
	assert_int_equal(edge, 1);
	assert_int_equal(packed.len, 0);
	assert_false(inquiry_next(q, &at, &edge, &packed));
	inquiries_fini(&all);
}

static void is_over_when_the_time_is(void **state)
{
	(void)state;
	struct inquiries all = { 0 };
	struct inquiry *q = inquiry_open(&all, 7, NOW_MS);
	inquiry_expect(q, 1, 1);
	assert_false(inquiry_is_over(q, NOW_MS + INQUIRY_MS - 1));
	assert_true(inquiry_is_over(q, NOW_MS + INQUIRY_MS));
	inquiries_fini(&all);
}

static void only_so_many_are_open_and_none_for_ever(void **state)
{
	(void)state;
	struct inquiries all = { 0 };
	for (uint64_t id = 1; id <= INQUIRIES_MAX; id++) {
		assert_non_null(inquiry_open(&all, id, NOW_MS));
	}
	assert_null(inquiry_open(&all, 99, NOW_MS + INQUIRY_KEPT_MS - 1));
	inquiry_close(inquiry_find(&all, 3));
	assert_non_null(inquiry_open(&all, 99, NOW_MS));
	assert_non_null(inquiry_open(&all, 100, NOW_MS + INQUIRY_KEPT_MS));
	inquiries_fini(&all);
}

static void keeps_no_more_than_its_bound(void **state)
{
	(void)state;
	struct inquiries all = { 0 };
	struct inquiry *q = inquiry_open(&all, 7, NOW_MS);
	uint8_t *large = xcalloc(1, INQUIRY_BYTES_MAX);
	inquiry_expect(q, 1, 2);
	inquiry_answer(q, 1, bytes_make(large, INQUIRY_BYTES_MAX));
	assert_true(q->cut);
	inquiry_answer(q, 1, bytes_str("small"));
	assert_true(inquiry_answered(q, 1));
	size_t at = 0;
	uint32_t edge;
	struct bytes packed;
	assert_true(inquiry_next(q, &at, &edge, &packed));
	assert_bytes_equal(packed, "small");
	free(large);
	inquiries_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gathers_the_answers_of_who_was_asked),
		cmocka_unit_test(is_over_when_the_time_is),
		cmocka_unit_test(only_so_many_are_open_and_none_for_ever),
		cmocka_unit_test(keeps_no_more_than_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
