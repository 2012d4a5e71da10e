#include "router/admin/admin_answers.h"
#include "tests/unit/test.h"

static void gives_an_answer_again_for_a_minute(void **state)
{
	(void)state;
	struct admin_answers answers;
	struct bytes answer;
	admin_answers_init(&answers);
	assert_false(admin_answers_find(&answers, 7, 1000, &answer));
	admin_answers_add(&answers, 7, bytes_str("done"), 1000);
	admin_answers_add(&answers, 8, bytes_make(NULL, 0), 2000);
	assert_true(admin_answers_find(&answers, 7, 60999, &answer));
	assert_bytes_equal(answer, "done");
	assert_false(admin_answers_find(&answers, 7, 61000, &answer));
	// What says no more than "ok" is packed to nothing, and counts as well.
	assert_true(admin_answers_find(&answers, 8, 61000, &answer));
	assert_int_equal(answer.len, 0);
	admin_answers_fini(&answers);
}

static void forgets_the_oldest_of_too_many(void **state)
{
	(void)state;
	struct admin_answers answers;
	struct bytes answer;
	admin_answers_init(&answers);
	for (uint64_t id = 0; id <= ADMIN_ANSWERS_MAX; id++) {
		admin_answers_add(&answers, id, bytes_str("x"), 0);
	}
	assert_false(admin_answers_find(&answers, 0, 0, &answer));
	assert_true(admin_answers_find(&answers, 1, 0, &answer));
	assert_true(admin_answers_find(&answers, ADMIN_ANSWERS_MAX, 0, &answer));
	admin_answers_fini(&answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_an_answer_again_for_a_minute),
		cmocka_unit_test(forgets_the_oldest_of_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
