#include <stdlib.h>

#include "common/check.h"
#include "edge/client/conn_table.h"
#include "edge/uplink/handle.h"
#include "tests/unit/test.h"

// The table never looks at what it points to, so any address will do.
static struct conn *conn_at(uintptr_t n)
{
	return (struct conn *)(n * 64); // NOLINT(performance-no-int-to-ptr): never followed
}

static void finds_what_was_added_by_its_handle(void **state)
{
	(void)state;
	struct conn_table t;
	conn_table_init(&t, 0);
	uint64_t a = conn_table_add(&t, conn_at(1));
	uint64_t b = conn_table_add(&t, conn_at(2));
	assert_int_not_equal(a, 0);
	assert_int_not_equal(a, b);
	assert_ptr_equal(conn_table_find(&t, a), conn_at(1));
	assert_ptr_equal(conn_table_find(&t, b), conn_at(2));
	assert_null(conn_table_find(&t, 0));
	assert_int_equal(t.n, 2);
	conn_table_fini(&t);
}

static void an_old_handle_finds_nothing_in_a_slot_used_again(void **state)
{
	(void)state;
	struct conn_table t;
	conn_table_init(&t, 3);
	uint64_t old = conn_table_add(&t, conn_at(1));
	conn_table_remove(&t, old);
	uint64_t fresh = conn_table_add(&t, conn_at(2));
	assert_int_equal((uint32_t)old, (uint32_t)fresh);
	assert_null(conn_table_find(&t, old));
	assert_ptr_equal(conn_table_find(&t, fresh), conn_at(2));
	conn_table_fini(&t);
}

static void the_generation_wraps_without_becoming_zero(void **state)
{
	(void)state;
	struct conn_table t;
	conn_table_init(&t, 0);
	conn_table_remove(&t, conn_table_add(&t, conn_at(1)));
	t.slots[0].generation = 0xffffff;
	uint64_t last = conn_table_add(&t, conn_at(1));
	assert_int_equal(last >> 32, 0xffffff);
	conn_table_remove(&t, last);
	uint64_t first = conn_table_add(&t, conn_at(1));
	assert_int_equal(first >> 32, 1);
	conn_table_fini(&t);
}

static void a_handle_names_its_worker(void **state)
{
	(void)state;
	struct conn_table mine;
	struct conn_table other;
	conn_table_init(&mine, 62);
	conn_table_init(&other, 61);
	uint64_t handle = conn_table_add(&mine, conn_at(1));
	assert_int_equal(handle_worker(handle), 62);
	conn_table_add(&other, conn_at(2));
	assert_null(conn_table_find(&other, handle));
	conn_table_fini(&mine);
	conn_table_fini(&other);
}

static void walks_all_even_if_each_is_removed_on_the_way(void **state)
{
	(void)state;
	enum {
		N = 1000
	};
	struct conn_table t;
	conn_table_init(&t, 1);
	uint64_t handles[N];
	for (uintptr_t i = 0; i < N; i++) {
		handles[i] = conn_table_add(&t, conn_at(i + 1));
	}
	uint32_t cursor = 0;
	uintptr_t seen = 0;
	struct conn *c;
	while ((c = conn_table_walk(&t, &cursor)) != NULL) {
		assert_ptr_equal(c, conn_at(seen + 1));
		conn_table_remove(&t, handles[seen]);
		seen++;
	}
	assert_int_equal(seen, N);
	assert_int_equal(t.n, 0);
	conn_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added_by_its_handle),
		cmocka_unit_test(an_old_handle_finds_nothing_in_a_slot_used_again),
		cmocka_unit_test(the_generation_wraps_without_becoming_zero),
		cmocka_unit_test(a_handle_names_its_worker),
		cmocka_unit_test(walks_all_even_if_each_is_removed_on_the_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
