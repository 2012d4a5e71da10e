#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "router/admin/admin_page.h"
#include "tests/unit/test.h"

struct thing {
	uint64_t rank;
	char key[16];
};

// Reads all pages of `things`, taking at most `per_page` rows of each, and checks their order.
static size_t read_all(const struct thing *things, size_t n, uint64_t limit, size_t per_page,
	const struct thing **out)
{
	struct buf cursor = { 0 };
	size_t total = 0;
	bool more = true;
	while (more) {
		struct admin_page page;
		assert_true(admin_page_init(&page, limit, buf_bytes(&cursor)));
		for (size_t i = 0; i < n; i++) {
			admin_page_offer(&page, things[i].rank, bytes_str(things[i].key),
				&things[i]);
		}
		admin_page_close(&page);
		size_t taken = page.n < per_page ? page.n : per_page;
		for (size_t i = 0; i < taken; i++) {
			out[total++] = page.entries[i].object;
		}
		more = admin_page_has_more(&page, taken);
		struct buf next = { 0 };
		if (more) {
			admin_page_cursor(&page, taken, &next);
		}
		admin_page_fini(&page);
		buf_fini(&cursor);
		cursor = next;
	}
	buf_fini(&cursor);
	return total;
}

static void lists_by_rank_then_by_key(void **state)
{
	(void)state;
	const struct thing things[] = {
		{ 1, "b" },
		{ 7, "z" },
		{ 1, "a" },
		{ 1, "ab" },
		{ UINT64_MAX, "m" },
	};
	static const char *const expected[] = { "m", "z", "a", "ab", "b" };
	for (size_t per_page = 1; per_page <= ARRAY_LEN(things) + 1; per_page++) {
		const struct thing *out[ARRAY_LEN(things)];
		assert_int_equal(read_all(things, ARRAY_LEN(things), UINT64_MAX, per_page, out),
			ARRAY_LEN(things));
		for (size_t i = 0; i < ARRAY_LEN(things); i++) {
			assert_string_equal(out[i]->key, expected[i]);
		}
	}
}

static void keeps_the_limit_over_all_pages(void **state)
{
	(void)state;
	const struct thing things[] = { { 0, "a" }, { 0, "b" }, { 0, "c" }, { 0, "d" } };
	for (uint64_t limit = 0; limit <= 5; limit++) {
		for (size_t per_page = 1; per_page <= 5; per_page++) {
			const struct thing *out[ARRAY_LEN(things)];
			assert_int_equal(read_all(things, 4, limit, per_page, out),
				limit < 4 ? limit : 4);
		}
	}
}

static void lists_more_than_a_page_holds_once_each(void **state)
{
	(void)state;
	const size_t n = 2 * ADMIN_PAGE_ROWS + 1000;
	struct thing *things = xcalloc(n, sizeof(*things));
	const struct thing **out = xcalloc(n, sizeof(const void *));
	for (size_t i = 0; i < n; i++) {
		size_t shuffled = i * 7919 % n; // 7919 is prime and no divisor of n
		snprintf(things[i].key, sizeof(things[i].key), "%08zu", shuffled);
		things[i].rank = shuffled % 3;
	}
	assert_int_equal(read_all(things, n, UINT64_MAX, SIZE_MAX, out), n);
	for (size_t i = 1; i < n; i++) {
		assert_true(out[i - 1]->rank > out[i]->rank ||
			(out[i - 1]->rank == out[i]->rank &&
				strcmp(out[i - 1]->key, out[i]->key) < 0));
	}
	free(out);
	free(things);
}

static void lists_nothing_of_nothing(void **state)
{
	(void)state;
	struct admin_page page;
	assert_true(admin_page_init(&page, UINT64_MAX, bytes_str("")));
	admin_page_close(&page);
	assert_int_equal(page.n, 0);
	assert_false(admin_page_has_more(&page, 0));
	admin_page_fini(&page);
}

static void goes_on_behind_a_key_with_commas(void **state)
{
	(void)state;
	const struct thing things[] = { { 0, "a,1" }, { 0, "a,2" }, { 0, "," } };
	const struct thing *out[3];
	assert_int_equal(read_all(things, 3, UINT64_MAX, 1, out), 3);
	assert_string_equal(out[0]->key, ",");
	assert_string_equal(out[2]->key, "a,2");
}

static void refuses_a_cursor_that_it_did_not_make(void **state)
{
	(void)state;
	static const char *const cursors[] = { "x", "1", "1,", "1,2", ",1,a", "1,,a", "-1,2,a",
		"1 ,2,a", "18446744073709551616,1,a", "99999999999999999999999999,1,a" };
	for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
		struct admin_page page;
		assert_false(admin_page_init(&page, 1, bytes_str(cursors[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_by_rank_then_by_key),
		cmocka_unit_test(keeps_the_limit_over_all_pages),
		cmocka_unit_test(lists_more_than_a_page_holds_once_each),
		cmocka_unit_test(lists_nothing_of_nothing),
		cmocka_unit_test(goes_on_behind_a_key_with_commas),
		cmocka_unit_test(refuses_a_cursor_that_it_did_not_make),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
