#include "router/core/settling.h"
#include "tests/unit/test.h"

static struct bytes name(const char *text)
{
	return bytes_str(text);
}

static void is_off_until_an_edge_is_awaited(void **state)
{
	struct settling s;
	(void)state;
	settling_init(&s);
	assert_false(settling_is_on(&s));
	assert_null(settling_missing(&s, 0));
	settling_fini(&s);
}

static void ends_when_every_awaited_edge_has_arrived(void **state)
{
	struct settling s;
	(void)state;
	settling_init(&s);
	settling_await(&s, name("a"));
	settling_await(&s, name("b"));
	settling_await(&s, name("a"));
	settling_arrive(&s, name("a"));
	assert_true(settling_is_on(&s));
	assert_string_equal(settling_missing(&s, 0), "b");
	assert_null(settling_missing(&s, 1));
	settling_arrive(&s, name("b"));
	assert_false(settling_is_on(&s));
	settling_fini(&s);
}

static void does_not_await_again_an_edge_that_has_arrived(void **state)
{
	struct settling s;
	(void)state;
	settling_init(&s);
	settling_arrive(&s, name("a"));
	settling_await(&s, name("a"));
	assert_false(settling_is_on(&s));
	settling_arrive(&s, name("a"));
	settling_await(&s, name("aa")); // another name, of which "a" is a part
	assert_true(settling_is_on(&s));
	settling_fini(&s);
}

static void awaits_nobody_once_its_time_is_over(void **state)
{
	struct settling s;
	(void)state;
	settling_init(&s);
	settling_await(&s, name("a"));
	settling_end(&s);
	assert_false(settling_is_on(&s));
	settling_arrive(&s, name("a"));
	settling_await(&s, name("b"));
	assert_false(settling_is_on(&s));
	assert_null(settling_missing(&s, 0));
	settling_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_off_until_an_edge_is_awaited),
		cmocka_unit_test(ends_when_every_awaited_edge_has_arrived),
		cmocka_unit_test(does_not_await_again_an_edge_that_has_arrived),
		cmocka_unit_test(awaits_nobody_once_its_time_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
