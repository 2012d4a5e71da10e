#include <stdio.h>
#include <stdlib.h>

#include "common/aged_map.h"
#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/test.h"

struct item {
	struct aged_node aged;
	char name[8];
};

struct table {
	struct aged_map map;
	struct buf dropped; // names, in their order
};

static struct bytes key_of(const struct map_node *node)
{
	return bytes_str(CONTAINER_OF(node, const struct item, aged.node)->name);
}

static void drop(struct aged_map *m, struct aged_node *node)
{
	struct table *t = CONTAINER_OF(m, struct table, map);
	struct item *item = CONTAINER_OF(node, struct item, aged);
	assert_null(aged_map_find(m, bytes_str(item->name)));
	buf_append_str(&t->dropped, item->name);
	free(item);
}

static struct table *setup(void)
{
	struct table *t = xcalloc(1, sizeof(*t));
	aged_map_init(&t->map, key_of, drop);
	return t;
}

static void teardown(struct table *t, const char *dropped)
{
	aged_map_fini(&t->map);
	assert_bytes_equal(buf_bytes(&t->dropped), dropped);
	buf_fini(&t->dropped);
	free(t);
}

static struct aged_node *item_new(const char *name)
{
	struct item *item = xcalloc(1, sizeof(*item));
	snprintf(item->name, sizeof(item->name), "%s", name);
	return &item->aged;
}

static void finds_by_key_and_forgets_by_age(void **state)
{
	(void)state;
	struct table *t = setup();
	aged_map_drop_due(&t->map, UINT64_MAX);
	assert_null(aged_map_oldest(&t->map));
	struct aged_node *a = item_new("a");
	aged_map_add(&t->map, a, 100);
	aged_map_add(&t->map, item_new("b"), 200);
	aged_map_add(&t->map, item_new("c"), 200);
	assert_ptr_equal(aged_map_find(&t->map, bytes_str("a")), a);
	assert_null(aged_map_find(&t->map, bytes_str("d")));
	assert_null(aged_map_due(&t->map, 99));
	assert_ptr_equal(aged_map_due(&t->map, 100), a);
	aged_map_drop_due(&t->map, 199);
	assert_bytes_equal(buf_bytes(&t->dropped), "a");
	aged_map_drop_due(&t->map, 200);
	assert_int_equal(t->map.n_ordered, 0);
	teardown(t, "abc");
}

static void drops_from_the_middle(void **state)
{
	(void)state;
	struct table *t = setup();
	struct aged_node *b = item_new("b");
	aged_map_add(&t->map, item_new("a"), 1);
	aged_map_add(&t->map, b, 2);
	aged_map_add(&t->map, item_new("c"), 3);
	aged_map_drop(&t->map, b);
	assert_int_equal(t->map.n_ordered, 2);
	teardown(t, "bac");
}

static void what_is_held_does_not_age_and_comes_back_as_the_youngest(void **state)
{
	(void)state;
	struct table *t = setup();
	struct aged_node *a = item_new("a");
	aged_map_add_held(&t->map, a);
	aged_map_add(&t->map, item_new("b"), 10);
	aged_map_drop_due(&t->map, 9);
	assert_ptr_equal(aged_map_find(&t->map, bytes_str("a")), a);
	aged_map_release(&t->map, a, 20);
	aged_map_add(&t->map, item_new("c"), 30);
	aged_map_hold(&t->map, a);
	assert_int_equal(t->map.n_ordered, 2);
	aged_map_drop_due(&t->map, 1000);
	assert_bytes_equal(buf_bytes(&t->dropped), "bc");
	assert_ptr_equal(aged_map_find(&t->map, bytes_str("a")), a);
	aged_map_release(&t->map, a, 20);
	teardown(t, "bca");
}

static void an_earlier_time_waits_for_those_before_it(void **state)
{
	(void)state;
	struct table *t = setup();
	aged_map_add(&t->map, item_new("a"), 200);
	aged_map_add(&t->map, item_new("b"), 100);
	aged_map_drop_due(&t->map, 150);
	assert_int_equal(t->dropped.len, 0);
	aged_map_drop_due(&t->map, 200);
	teardown(t, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_key_and_forgets_by_age),
		cmocka_unit_test(drops_from_the_middle),
		cmocka_unit_test(what_is_held_does_not_age_and_comes_back_as_the_youngest),
		cmocka_unit_test(an_earlier_time_waits_for_those_before_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
