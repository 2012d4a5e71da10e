#include "router/hooks/hook_queue.h"
#include "tests/bench/rng.h"
#include "tests/unit/test.h"

enum {
	SIZE = 24 * 40
};

static int set_up(void **state)
{
	static struct hook_queue queue;
	hook_queue_init(&queue, SIZE);
	*state = &queue;
	return 0;
}

static int tear_down(void **state)
{
	hook_queue_fini(*state);
	return 0;
}

static struct bytes text(const char *t)
{
	return bytes_str(t);
}

static void gives_entries_in_their_order(void **state)
{
	struct hook_queue *q = *state;
	struct hook_cursor cursor = { 0 };
	struct hook_entry entry;
	assert_false(hook_queue_next(q, &cursor, &entry));
	assert_int_equal(hook_queue_add(q, text("one"), 7), 1);
	assert_int_equal(hook_queue_add(q, text("two"), 8), 2);
	assert_true(hook_queue_next(q, &cursor, &entry));
	assert_int_equal(entry.number, 1);
	assert_int_equal(entry.at_ms, 7);
	assert_true(bytes_equal_str(entry.text, "one"));
	assert_true(hook_queue_next(q, &cursor, &entry));
	assert_true(bytes_equal_str(entry.text, "two"));
	assert_false(hook_queue_next(q, &cursor, &entry));
}

static void keeps_entries_until_they_are_taken_off(void **state)
{
	struct hook_queue *q = *state;
	struct hook_cursor again = { 0 };
	struct hook_entry entry;
	hook_queue_add(q, text("one"), 0);
	hook_queue_add(q, text("two"), 0);
	hook_queue_remove(q, 1, false);
	assert_int_equal(hook_queue_count(q), 1);
	assert_true(hook_queue_next(q, &again, &entry));
	assert_int_equal(entry.number, 2);
	assert_int_equal(hook_queue_dropped(q), 0);
	hook_queue_remove(q, 1, true);
	assert_int_equal(hook_queue_dropped(q), 1);
	assert_int_equal(hook_queue_bytes(q), 0);
}

static void numbers_what_does_not_fit(void **state)
{
	struct hook_queue *q = *state;
	struct hook_entry entry;
	struct hook_cursor cursor = { 0 };
	while (hook_queue_add(q, text("0123456789"), 0) > 0) {
	}
	assert_int_equal(hook_queue_dropped(q), 1);
	size_t n = hook_queue_count(q);
	hook_queue_remove(q, n, false);
	assert_int_equal(hook_queue_add(q, text("behind"), 0), 1);
	assert_true(hook_queue_next(q, &cursor, &entry));
	assert_int_equal(entry.number, n + 2);
}

static void refuses_what_is_larger_than_the_ring(void **state)
{
	struct hook_queue *q = *state;
	static const uint8_t big[SIZE];
	assert_int_equal(hook_queue_add(q, bytes_make(big, sizeof(big)), 0), 0);
	assert_int_equal(hook_queue_count(q), 0);
	assert_int_equal(hook_queue_add(q, bytes_make(big, SIZE - 24), 0), 1);
}

static void has_all_of_its_room_again_when_it_is_empty(void **state)
{
	struct hook_queue *q = *state;
	static const uint8_t big[SIZE - 24];
	hook_queue_add(q, text("at the start"), 0);
	hook_queue_remove(q, 1, false);
	assert_int_equal(hook_queue_bytes(q), 0);
	assert_int_equal(hook_queue_add(q, bytes_make(big, sizeof(big)), 0), 1);
}

// Texts of all lengths over many laps: what comes out is what went in.
static void holds_over_many_laps(void **state)
{
	struct hook_queue *q = *state;
	struct rng rng = { 1 };
	uint64_t in = 0, out = 0;
	for (int i = 0; i < 20000; i++) {
		uint8_t data[120];
		size_t len = rng_next(&rng) % sizeof(data);
		memset(data, (int)((in + 1) & 0xff), sizeof(data));
		if (rng_next(&rng) % 2 == 0) {
			uint64_t before = hook_queue_dropped(q);
			hook_queue_add(q, bytes_make(data, len), in);
			in++;
			if (hook_queue_dropped(q) > before) {
				continue;
			}
		}
		struct hook_cursor cursor = { 0 };
		struct hook_entry entry;
		if (rng_next(&rng) % 2 == 0 && hook_queue_next(q, &cursor, &entry)) {
			assert_true(entry.number > out && entry.number <= in);
			out = entry.number;
			assert_int_equal(entry.at_ms, out - 1);
			for (size_t k = 0; k < entry.text.len; k++) {
				assert_int_equal(entry.text.data[k], out & 0xff);
			}
			hook_queue_remove(q, 1, false);
		}
	}
	assert_true(out > 1000 && hook_queue_dropped(q) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_entries_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_entries_until_they_are_taken_off, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(numbers_what_does_not_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_is_larger_than_the_ring, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(has_all_of_its_room_again_when_it_is_empty, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(holds_over_many_laps, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
