#include "common/check.h"
#include "tests/bench/judge.h"
#include "tests/unit/test.h"

enum {
	EPOCH = 7,
	OTHER_EPOCH = 8,
};

// A member that joined at seq 10.
static struct judge joined(struct tally *t)
{
	struct judge j = { 0 };
	*t = (struct tally){ 0 };
	judge_start(&j, t, EPOCH, 10);
	return j;
}

static void assert_faults(const struct tally *t, uint64_t lost, uint64_t duplicated,
	uint64_t out_of_order, uint64_t announced)
{
	assert_int_equal(t->lost, lost);
	assert_int_equal(t->duplicated, duplicated);
	assert_int_equal(t->out_of_order, out_of_order);
	assert_int_equal(t->announced, announced);
}

static void judges_deliveries_by_their_order(void **state)
{
	(void)state;
	static const struct {
		uint64_t seqs[8]; // up to 0
		uint64_t lost, duplicated, out_of_order;
	} rows[] = {
		{ { 11, 12, 13 }, 0, 0, 0 },
		{ { 11, 13, 14 }, 1, 0, 0 },
		{ { 14 }, 3, 0, 0 },
		{ { 11, 13, 12, 14 }, 0, 0, 1 },
		{ { 13, 12, 11 }, 0, 0, 2 },
		{ { 11, 11 }, 0, 1, 0 },
		{ { 11, 12, 11, 12 }, 0, 2, 0 },
		{ { 11, 13, 12, 12 }, 0, 1, 1 },
		{ { 10 }, 0, 1, 0 }, // from before the join
		{ { 1 }, 0, 1, 0 },
		{ { 100, 99, 37 }, 87, 0, 2 }, // as far back as it can tell
		{ { 100, 36 }, 89, 1, 0 }, // farther
		{ { 74, 11 }, 62, 0, 1 },
		{ { 75, 12, 75 }, 63, 1, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tally t;
		struct judge j = joined(&t);
		for (size_t k = 0; rows[i].seqs[k] != 0; k++) {
			judge_delivery(&j, &t, EPOCH, rows[i].seqs[k]);
		}
		assert_faults(&t, rows[i].lost, rows[i].duplicated, rows[i].out_of_order, 0);
	}
}

static void tells_a_repeat_from_a_first_sight(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	assert_true(judge_delivery(&j, &t, EPOCH, 12));
	assert_true(judge_delivery(&j, &t, EPOCH, 11));
	assert_false(judge_delivery(&j, &t, EPOCH, 11));
	assert_false(judge_delivery(&j, &t, EPOCH, 12));
}

static void takes_an_announced_gap_for_no_loss(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_gap(&j, &t, 11, 14);
	judge_delivery(&j, &t, EPOCH, 15);
	assert_faults(&t, 0, 0, 0, 4);
}

static void counts_what_a_gap_leaves_out_as_lost(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_gap(&j, &t, 13, 14);
	assert_faults(&t, 2, 0, 0, 2);
	judge_delivery(&j, &t, EPOCH, 12); // late after all
	assert_faults(&t, 1, 0, 1, 2);
	judge_delivery(&j, &t, EPOCH, 14); // announced as missing
	assert_faults(&t, 1, 1, 1, 2);
}

static void ignores_a_gap_of_the_past(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_gap(&j, &t, 9, 10);
	assert_faults(&t, 0, 0, 0, 0);
	judge_gap(&j, &t, 9, 12);
	assert_faults(&t, 0, 0, 0, 2);
}

static void wants_all_that_a_recovery_promises(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_delivery(&j, &t, EPOCH, 11);
	judge_delivery(&j, &t, EPOCH, 12);
	judge_recovered(&j, &t, 12);
	assert_faults(&t, 0, 0, 0, 0);
	judge_recovered(&j, &t, 14);
	assert_faults(&t, 2, 0, 0, 0);
	judge_delivery(&j, &t, EPOCH, 15);
	assert_faults(&t, 2, 0, 0, 0);
}

static void starts_over_where_it_is_told_to(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_start(&j, &t, EPOCH, 13);
	assert_faults(&t, 0, 0, 0, 3);
	assert_int_equal(t.restarted, 1);
	judge_start(&j, &t, OTHER_EPOCH, 2);
	assert_faults(&t, 0, 0, 0, 5);
	assert_int_equal(t.restarted, 2);
	assert_true(judge_delivery(&j, &t, OTHER_EPOCH, 3));
	assert_faults(&t, 0, 0, 0, 5);
}

static void takes_an_epoch_nobody_announced_for_a_fault(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	judge_delivery(&j, &t, OTHER_EPOCH, 1);
	judge_delivery(&j, &t, OTHER_EPOCH, 2);
	assert_faults(&t, 0, 0, 1, 0);
}

static void finds_what_never_came_at_the_end(void **state)
{
	(void)state;
	struct tally t;
	struct judge j = joined(&t);
	assert_int_equal(judge_tail(&j, EPOCH, 10), 0);
	assert_int_equal(judge_tail(&j, EPOCH, 13), 3);
	assert_int_equal(judge_tail(&j, EPOCH, 9), 0);
	assert_int_equal(judge_tail(&j, OTHER_EPOCH, 4), 4);
	static const struct judge never_joined;
	assert_int_equal(judge_tail(&never_joined, EPOCH, 13), 0);
}

static void tells_epochs_apart_by_their_text(void **state)
{
	(void)state;
	assert_int_equal(judge_epoch(bytes_str("a1b2")), judge_epoch(bytes_str("a1b2")));
	assert_int_not_equal(judge_epoch(bytes_str("a1b2")), judge_epoch(bytes_str("a1b3")));
	assert_int_not_equal(judge_epoch(bytes_str("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_deliveries_by_their_order),
		cmocka_unit_test(tells_a_repeat_from_a_first_sight),
		cmocka_unit_test(takes_an_announced_gap_for_no_loss),
		cmocka_unit_test(counts_what_a_gap_leaves_out_as_lost),
		cmocka_unit_test(ignores_a_gap_of_the_past),
		cmocka_unit_test(wants_all_that_a_recovery_promises),
		cmocka_unit_test(starts_over_where_it_is_told_to),
		cmocka_unit_test(takes_an_epoch_nobody_announced_for_a_fault),
		cmocka_unit_test(finds_what_never_came_at_the_end),
		cmocka_unit_test(tells_epochs_apart_by_their_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
