#include "common/check.h"
#include "tests/bench/ledger.h"
#include "tests/unit/test.h"

enum {
	SEED = 12345,
	EPOCH = 7,
};

struct desk {
	struct ledger ledger;
	struct tally tally;
	unsigned n_done;
	uint32_t ended; // publishers below it have lost their first connection
};

static void on_done(void *arg, const struct publish *p)
{
	struct desk *desk = arg;
	assert_int_equal(p->held, 0);
	desk->n_done++;
}

static uint32_t session_of(void *arg, uint32_t publisher)
{
	const struct desk *desk = arg;
	return publisher < desk->ended ? 1 : 0;
}

static void begin(struct desk *desk)
{
	*desk = (struct desk){ 0 };
	ledger_init(&desk->ledger, SEED, &desk->tally);
	desk->ledger.done = on_done;
	desk->ledger.done_arg = desk;
}

static struct publish *add(struct desk *desk, uint64_t at_ns, uint32_t expected)
{
	return ledger_add(&desk->ledger, at_ns, (struct origin){ 0 }, expected, expected);
}

static void finish(struct desk *desk)
{
	ledger_close(&desk->ledger, session_of, desk);
	assert_int_equal(desk->ledger.in_flight, 0);
	assert_int_equal(desk->ledger.outstanding, 0);
	assert_int_equal(desk->ledger.unanswered, 0);
	ledger_fini(&desk->ledger);
}

static void counts_deliveries_until_all_members_have_it(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *p = add(&desk, 0, 2);
	add(&desk, 0, 3);
	assert_int_equal(desk.ledger.in_flight, 5);
	ledger_acked(&desk.ledger, p);
	ledger_delivered(&desk.ledger, p);
	assert_int_equal(desk.n_done, 0);
	ledger_delivered(&desk.ledger, p);
	assert_int_equal(desk.ledger.in_flight, 3);
	assert_int_equal(desk.n_done, 1);
	ledger_delivered(&desk.ledger, p); // a member that joined meanwhile
	assert_int_equal(desk.ledger.in_flight, 3);
	assert_true(ledger_is_waiting(&desk.ledger));
	finish(&desk);
}

static void finds_its_own_numbers_only(void **state)
{
	(void)state;
	struct desk desk;
	struct desk other;
	begin(&desk);
	begin(&other);
	ledger_fini(&other.ledger);
	ledger_init(&other.ledger, SEED + 1, &other.tally);
	const struct publish *p = add(&desk, 0, 1);
	const struct publish *foreign = add(&other, 0, 1);
	assert_true(p->number < (uint64_t)1 << 53);
	assert_ptr_equal(ledger_find(&desk.ledger, p->number), p);
	assert_null(ledger_find(&desk.ledger, foreign->number));
	assert_null(ledger_find(&desk.ledger, p->number + 1));
	assert_null(ledger_find(&desk.ledger, 0));
	finish(&desk);
	finish(&other);
}

static void never_takes_a_message_without_number_for_its_own(void **state)
{
	(void)state;
	static const uint64_t seeds[] = { 0, 1, (1 << LEDGER_MARK_BITS) - 1, 1 << LEDGER_MARK_BITS,
		UINT64_MAX };
	for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
		struct ledger l;
		struct tally t = { 0 };
		ledger_init(&l, seeds[i], &t);
		assert_int_not_equal(ledger_add(&l, 0, (struct origin){ 0 }, 1, 1)->number, 0);
		ledger_fini(&l);
	}
}

static void notices_a_message_with_two_places(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *p = add(&desk, 0, 1);
	bool news;
	assert_true(ledger_place(p, EPOCH, 5, &news));
	assert_true(news);
	assert_true(ledger_place(p, EPOCH, 5, &news));
	assert_false(news);
	assert_false(ledger_place(p, EPOCH, 6, &news));
	assert_false(news);
	assert_true(ledger_place(p, EPOCH, 7, &news)); // said once
	p = add(&desk, 0, 1);
	assert_true(ledger_place(p, EPOCH, 8, &news));
	assert_false(ledger_place(p, EPOCH + 1, 8, &news));
	finish(&desk);
}

static void expects_nothing_of_a_refused_message(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *p = add(&desk, 0, 4);
	ledger_refused(&desk.ledger, p, false);
	assert_int_equal(desk.n_done, 1);
	assert_false(ledger_is_waiting(&desk.ledger));
	ledger_acked(&desk.ledger, p); // an answer too many
	finish(&desk);
	assert_int_equal(desk.n_done, 1);
	assert_int_equal(desk.tally.refused, 1);
	assert_int_equal(desk.tally.acked, 0);
	assert_int_equal(desk.tally.expected, 0);
	assert_int_equal(desk.tally.lost, 0);
}

static void leaves_open_what_became_of_an_unknown_outcome(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *came = add(&desk, 0, 4);
	struct publish *never = add(&desk, 0, 4);
	ledger_refused(&desk.ledger, came, true);
	ledger_refused(&desk.ledger, never, true);
	assert_false(ledger_is_waiting(&desk.ledger));
	bool news;
	assert_true(ledger_place(came, EPOCH, 1, &news));
	ledger_delivered(&desk.ledger, came);
	finish(&desk);
	assert_int_equal(desk.tally.unknown, 2);
	assert_int_equal(desk.tally.expected, 4);
	assert_int_equal(desk.tally.lost, 0);
}

static void counts_what_nobody_answered_or_got_as_lost(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	add(&desk, 0, 3);
	bool news;
	// Sequenced, so the members' judges know whether it came.
	assert_true(ledger_place(add(&desk, 0, 5), EPOCH, 1, &news));
	finish(&desk);
	assert_int_equal(desk.tally.unanswered, 2);
	assert_int_equal(desk.tally.lost, 3);
}

static void forgives_what_a_broken_connection_took_along(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	add(&desk, 0, 3);
	desk.ended = 1;
	finish(&desk);
	assert_int_equal(desk.tally.unknown, 1);
	assert_int_equal(desk.tally.unanswered, 0);
	assert_int_equal(desk.tally.lost, 0);
	assert_int_equal(desk.tally.expected, 0);
}

static void gives_back_the_window_of_what_is_overdue(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *late = add(&desk, 100, 2);
	struct publish *early = add(&desk, 150, 2);
	add(&desk, 200, 2);
	ledger_delivered(&desk.ledger, early);
	ledger_delivered(&desk.ledger, early);
	ledger_expire(&desk.ledger, 100);
	assert_int_equal(desk.ledger.in_flight, 4);
	ledger_expire(&desk.ledger, 200);
	assert_int_equal(desk.ledger.in_flight, 2);
	assert_int_equal(desk.n_done, 2);
	// It is still waited for otherwise.
	assert_int_equal(desk.ledger.outstanding, 4);
	ledger_delivered(&desk.ledger, late);
	assert_int_equal(desk.ledger.in_flight, 2);
	assert_int_equal(desk.ledger.outstanding, 3);
	finish(&desk);
	assert_int_equal(desk.n_done, 3);
}

static void holds_no_window_for_who_is_away(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *p = ledger_add(&desk.ledger, 0, (struct origin){ 0 }, 3, 2);
	assert_int_equal(desk.ledger.in_flight, 2);
	ledger_delivered(&desk.ledger, p);
	ledger_delivered(&desk.ledger, p);
	assert_int_equal(desk.n_done, 1);
	assert_int_equal(desk.ledger.outstanding, 1);
	ledger_delivered(&desk.ledger, p); // it is back
	assert_int_equal(desk.n_done, 1);
	assert_int_equal(desk.ledger.outstanding, 0);
	finish(&desk);
}

static void gives_back_the_window_of_a_room_that_a_member_leaves(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	struct publish *left = ledger_add(&desk.ledger, 0, (struct origin){ .room = 1 }, 5, 5);
	ledger_add(&desk.ledger, 0, (struct origin){ .room = 2 }, 3, 3);
	ledger_delivered(&desk.ledger, left);
	ledger_release_room(&desk.ledger, 1);
	assert_int_equal(desk.ledger.in_flight, 3);
	assert_int_equal(desk.ledger.outstanding, 7);
	ledger_delivered(&desk.ledger, left);
	assert_int_equal(desk.ledger.in_flight, 3);
	assert_int_equal(desk.ledger.outstanding, 6);
	assert_int_equal(desk.n_done, 1);
	finish(&desk);
}

static void settles_what_falls_out_of_the_ring(void **state)
{
	(void)state;
	struct desk desk;
	begin(&desk);
	uint64_t first = add(&desk, 0, 3)->number;
	for (unsigned i = 1; i < LEDGER_RING; i++) {
		ledger_refused(&desk.ledger, add(&desk, 0, 1), false);
	}
	assert_non_null(ledger_find(&desk.ledger, first));
	assert_int_equal(desk.tally.lost, 0);
	ledger_refused(&desk.ledger, add(&desk, 0, 1), false);
	assert_null(ledger_find(&desk.ledger, first));
	assert_int_equal(desk.tally.lost, 3);
	assert_int_equal(desk.ledger.in_flight, 0);
	ledger_expire(&desk.ledger, 1);
	finish(&desk);
	assert_int_equal(desk.tally.lost, 3);
	assert_int_equal(desk.tally.unanswered, 1);
	assert_int_equal(desk.tally.published, LEDGER_RING + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_deliveries_until_all_members_have_it),
		cmocka_unit_test(finds_its_own_numbers_only),
		cmocka_unit_test(never_takes_a_message_without_number_for_its_own),
		cmocka_unit_test(notices_a_message_with_two_places),
		cmocka_unit_test(expects_nothing_of_a_refused_message),
		cmocka_unit_test(leaves_open_what_became_of_an_unknown_outcome),
		cmocka_unit_test(counts_what_nobody_answered_or_got_as_lost),
		cmocka_unit_test(forgives_what_a_broken_connection_took_along),
		cmocka_unit_test(gives_back_the_window_of_what_is_overdue),
		cmocka_unit_test(holds_no_window_for_who_is_away),
		cmocka_unit_test(gives_back_the_window_of_a_room_that_a_member_leaves),
		cmocka_unit_test(settles_what_falls_out_of_the_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
