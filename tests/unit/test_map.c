#include <stdio.h>

#include "common/map.h"
#include "tests/unit/test.h"

struct item {
	struct map_node node;
	char key[sizeof("key-") + 20]; // of any number of 64 bits
	bool in_table;
	bool seen;
};

static struct bytes item_key(const struct map_node *node)
{
	return bytes_str(((const struct item *)(const void *)node)->key);
}

static void an_empty_table_finds_nothing(void **state)
{
	(void)state;
	struct map m;
	map_init(&m, item_key);
	assert_null(map_find(&m, bytes_str("a")));
	struct map_cursor cursor;
	map_walk(&m, &cursor);
	assert_null(map_walk_next(&m, &cursor));
	map_fini(&m);
}

static void two_tables_hash_under_different_keys(void **state)
{
	(void)state;
	struct map a;
	struct map b;
	map_init(&a, item_key);
	map_init(&b, item_key);
	assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
	map_fini(&a);
	map_fini(&b);
}

static void keys_have_hashes_of_their_own(void **state)
{
	(void)state;
	enum {
		N = 1000
	};
	static struct item items[N];
	struct map m;
	map_init(&m, item_key);
	for (size_t i = 0; i < N; i++) {
		snprintf(items[i].key, sizeof(items[i].key), "key-%zu", i);
		map_insert(&m, &items[i].node);
		for (size_t j = 0; j < i; j++) {
			assert_true(items[j].node.hash != items[i].node.hash);
		}
	}
	map_fini(&m);
}

static void finds_keys_that_hold_zero_bytes(void **state)
{
	(void)state;
	struct map m;
	map_init(&m, item_key);
	struct item item = { .key = "a" };
	map_insert(&m, &item.node);
	assert_null(map_find(&m, bytes_make("a\0b", 3)));
	assert_ptr_equal(map_find(&m, bytes_make("a\0b", 1)), &item.node);
	map_remove(&m, &item.node);
	map_fini(&m);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static struct item *new_items(size_t n)
{
	struct item *items = test_calloc(n, sizeof(*items));
	for (size_t i = 0; i < n; i++) {
		snprintf(items[i].key, sizeof(items[i].key), "key-%zu", i);
	}
	return items;
}

static void check_against_model(const struct map *m, struct item *items, size_t n)
{
	size_t n_in = 0;
	for (size_t i = 0; i < n; i++) {
		struct map_node *found = map_find(m, bytes_str(items[i].key));
		assert_ptr_equal(found, items[i].in_table ? &items[i].node : NULL);
		n_in += items[i].in_table;
		items[i].seen = false;
	}
	assert_int_equal(m->n_entries, n_in);
	struct map_cursor cursor;
	map_walk(m, &cursor);
	struct map_node *node;
	while ((node = map_walk_next(m, &cursor)) != NULL) {
		struct item *item = CONTAINER_OF(node, struct item, node);
		assert_true(item->in_table);
		assert_false(item->seen);
		item->seen = true;
		n_in--;
	}
	assert_int_equal(n_in, 0);
}

static void agrees_with_a_naive_model_under_random_operations(void **state)
{
	(void)state;
	enum {
		N_ITEMS = 500,
		N_STEPS = 30000,
	};
	struct item *items = new_items(N_ITEMS);
	struct map m;
	map_init(&m, item_key);
	uint32_t seed = 1;
	for (size_t step = 0; step < N_STEPS; step++) {
		// The live range swells and ebbs, so that the table grows and shrinks again and
		// again.
		size_t range = 1 + step % 3000 * N_ITEMS / 3000;
		size_t i = next_random(&seed) % N_ITEMS;
		bool want = i < range && next_random(&seed) % 4 > 0;
		if (want && !items[i].in_table) {
			map_insert(&m, &items[i].node);
		} else if (!want && items[i].in_table) {
			map_remove(&m, &items[i].node);
		}
		items[i].in_table = want;
		if (step % 97 == 0) {
			check_against_model(&m, items, N_ITEMS);
		}
	}
	check_against_model(&m, items, N_ITEMS);
	map_fini(&m);
	test_free(items);
}

static void finds_every_entry_at_each_step_of_growth(void **state)
{
	(void)state;
	enum {
		N_ITEMS = 300
	};
	struct item *items = new_items(N_ITEMS);
	struct map m;
	map_init(&m, item_key);
	bool resized = false;
	for (size_t i = 0; i < N_ITEMS; i++) {
		map_insert(&m, &items[i].node);
		items[i].in_table = true;
		resized |= m.old.n > 0;
		check_against_model(&m, items, N_ITEMS);
		assert_true(m.now.n + m.old.n >= m.n_entries);
	}
	assert_true(resized);
	map_fini(&m);
	test_free(items);
}

static void gives_memory_back_after_a_flood(void **state)
{
	(void)state;
	enum {
		N_ITEMS = 4096,
		N_STAY = 8,
	};
	struct item *items = new_items(N_ITEMS);
	struct map m;
	map_init(&m, item_key);
	for (size_t i = 0; i < N_ITEMS; i++) {
		map_insert(&m, &items[i].node);
	}
	for (size_t i = N_STAY; i < N_ITEMS; i++) {
		map_remove(&m, &items[i].node);
	}
	for (size_t i = N_STAY; i < N_ITEMS; i++) {
		map_insert(&m, &items[i].node);
		map_remove(&m, &items[i].node);
	}
	assert_in_range(m.now.n + m.old.n, 1, 128);
	for (size_t i = 0; i < N_STAY; i++) {
		items[i].in_table = true;
	}
	check_against_model(&m, items, N_ITEMS);

	for (size_t i = N_STAY; i < N_ITEMS; i++) {
		map_insert(&m, &items[i].node);
	}
	for (size_t i = 0; i < N_ITEMS; i++) {
		map_remove(&m, &items[i].node);
	}
	assert_int_equal(m.now.n + m.old.n, 0);
	map_fini(&m);
	test_free(items);
}

static void a_walk_may_remove_what_it_was_given(void **state)
{
	(void)state;
	enum {
		N_ITEMS = 200
	};
	// Every count, so that walks begin before, in the midst of and after a resize.
	for (size_t n = 0; n < N_ITEMS; n += 3) {
		for (int removes_all = 0; removes_all < 2; removes_all++) {
			struct item *items = new_items(n + 1);
			struct map m;
			map_init(&m, item_key);
			for (size_t i = 0; i < n; i++) {
				map_insert(&m, &items[i].node);
				items[i].in_table = true;
			}
			size_t n_walked = 0;
			struct map_cursor cursor;
			map_walk(&m, &cursor);
			struct map_node *node;
			while ((node = map_walk_next(&m, &cursor)) != NULL) {
				if (removes_all || n_walked % 2 == 0) {
					map_remove(&m, node);
					CONTAINER_OF(node, struct item, node)->in_table = false;
				}
				n_walked++;
			}
			assert_int_equal(n_walked, n);
			check_against_model(&m, items, n + 1);
			map_fini(&m);
			test_free(items);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_table_finds_nothing),
		cmocka_unit_test(two_tables_hash_under_different_keys),
		cmocka_unit_test(keys_have_hashes_of_their_own),
		cmocka_unit_test(finds_keys_that_hold_zero_bytes),
		cmocka_unit_test(agrees_with_a_naive_model_under_random_operations),
		cmocka_unit_test(finds_every_entry_at_each_step_of_growth),
		cmocka_unit_test(gives_memory_back_after_a_flood),
		cmocka_unit_test(a_walk_may_remove_what_it_was_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
