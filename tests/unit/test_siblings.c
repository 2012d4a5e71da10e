#include <stdlib.h>

#include "edge/uplink/siblings.h"
#include "proto/link_hello.h"
#include "tests/unit/test.h"

static bool take(struct siblings *s, const char *const *texts, size_t n)
{
	ProtobufCBinaryData names[LINK_EDGES_MAX + 1];
	Weir__Link__V1__EdgeList list = WEIR__LINK__V1__EDGE_LIST__INIT;
	for (size_t i = 0; i < n; i++) {
		names[i] = pb_data(bytes_str(texts[i]));
	}
	list.names = names;
	list.n_names = n;
	return siblings_take(s, &list);
}

static void assert_announces(struct siblings *s, const char *const *texts, size_t n)
{
	Weir__Link__V1__Hello hello = WEIR__LINK__V1__HELLO__INIT;
	siblings_fill_hello(s, &hello);
	assert_int_equal(hello.n_edges, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(bytes_equal_str(pb_bytes(hello.edges[i]), texts[i]));
	}
	free(hello.edges);
}

static void announces_the_newest_list(void **state)
{
	static const char *const first[] = { "a", "edge-with-a-longer-name", "c" };
	static const char *const second[] = { "b" };
	struct siblings s;
	(void)state;
	siblings_init(&s);
	assert_announces(&s, NULL, 0);
	assert_true(take(&s, first, 3));
	assert_announces(&s, first, 3);
	assert_true(take(&s, second, 1));
	assert_announces(&s, second, 1);
	siblings_fini(&s);
}

static void refuses_a_list_that_cannot_be(void **state)
{
	static const char *const good[] = { "a" };
	static const char *const bad[] = { "b", "white space" };
	const char *many[LINK_EDGES_MAX + 1];
	struct siblings s;
	(void)state;
	for (size_t i = 0; i <= LINK_EDGES_MAX; i++) {
		many[i] = "x";
	}
	siblings_init(&s);
	assert_true(take(&s, good, 1));
	assert_false(take(&s, bad, 2));
	assert_false(take(&s, many, LINK_EDGES_MAX + 1));
	assert_announces(&s, good, 1);
	assert_true(take(&s, many, LINK_EDGES_MAX));
	siblings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announces_the_newest_list),
		cmocka_unit_test(refuses_a_list_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
