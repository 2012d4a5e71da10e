#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "proto/link_items.h"
#include "router/link/edge_link.h"
#include "tests/unit/test.h"

static struct edge_link *new_link(void)
{
	static const uint8_t boot[LINK_BOOT_LEN] = { 1 };
	return edge_link_new(bytes_str("edge"), boot);
}

// One element of about `len` bytes.
static void append(struct edge_link *link, size_t len)
{
	struct buf element = { 0 };
	char *room = xcalloc(1, len + 1);
	memset(room, 'r', len);
	Weir__Link__V1__Leave leave = WEIR__LINK__V1__LEAVE__INIT;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	leave.room = pb_data(bytes_make(room, len));
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_LEAVE;
	item.leave = &leave;
	link_item_append(&element, &item);
	edge_link_append(link, buf_bytes(&element));
	buf_fini(&element);
	free(room);
}

static void keeps_what_waits_for_a_connection_up_to_its_bound(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	enum {
		LEN = 60000
	};
	for (int i = 0; i < EDGE_TAIL_MAX / (LEN + 16); i++) {
		append(link, LEN);
		assert_true(edge_link_flush(link));
	}
	assert_true(edge_link_queue_bytes(link) > EDGE_TAIL_MAX - 2 * LEN);
	append(link, LEN);
	append(link, LEN);
	assert_true(edge_link_queue_bytes(link) <= EDGE_TAIL_MAX); // not even until the turn's end
	assert_false(edge_link_flush(link));
	assert_true(link->lagged);
	assert_int_equal(edge_link_queue_bytes(link), 0);
	edge_link_free(link);
}

static void takes_nothing_while_lagged_and_begins_anew(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	link->lagged = true;
	append(link, 100);
	assert_int_equal(edge_link_queue_bytes(link), 0);
	edge_link_begin(link);
	append(link, 100);
	assert_true(edge_link_queue_bytes(link) > 100);
	assert_true(edge_link_flush(link));
	edge_link_free(link);
}

static void is_behind_from_half_its_tail_until_a_quarter_while_it_reads(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	uint64_t now_ms = clock_mono_ms();
	link->progress_ms = now_ms;
	link->waiting = EDGE_TAIL_MAX / 2;
	assert_false(edge_link_is_behind(link, false, now_ms));
	link->waiting = EDGE_TAIL_MAX / 2 + 1;
	assert_true(edge_link_is_behind(link, false, now_ms));
	link->waiting = EDGE_TAIL_MAX / 4 + 1;
	assert_false(edge_link_is_behind(link, false, now_ms));
	assert_true(edge_link_is_behind(link, true, now_ms));
	link->waiting = EDGE_TAIL_MAX;
	assert_false(edge_link_is_behind(link, false, now_ms + EDGE_STALLED_MS));
	edge_link_free(link);
}

static void gives_back_parked_batches_in_order_and_acknowledges_the_others(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	struct link_window *w = &link->session.window;
	struct bytes batch;
	for (uint64_t seq = 1; seq <= 3; seq++) {
		assert_int_equal(link_window_accept(w, seq, 100), 0);
	}
	assert_true(edge_link_park(link, bytes_str("two")));
	assert_true(edge_link_park(link, bytes_str("three")));
	edge_link_consume(link);
	assert_int_equal(w->rx_consumed, 2);
	assert_true(edge_link_parked(link, &batch));
	assert_bytes_equal(batch, "two");
	edge_link_unpark(link, 1);
	edge_link_consume(link);
	assert_int_equal(w->rx_consumed, 2); // not all of it
	assert_true(edge_link_parked(link, &batch));
	assert_bytes_equal(batch, "wo");
	edge_link_unpark(link, 2);
	edge_link_consume(link);
	assert_int_equal(w->rx_consumed, 3);
	assert_true(edge_link_parked(link, &batch));
	assert_bytes_equal(batch, "three");
	edge_link_unpark(link, 5);
	assert_false(edge_link_parked(link, &batch));
	edge_link_consume(link);
	assert_int_equal(w->rx_consumed, 4);
	edge_link_free(link);
}

static void is_quiet_when_all_up_to_the_hold_is_routed_and_all_it_led_to_is_taken_in(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	struct link_window *w = &link->session.window;
	assert_int_equal(link_window_accept(w, 1, 100), 0);
	assert_false(edge_link_is_quiet(link)); // it may send more
	link->held_at = 3;
	assert_false(edge_link_is_quiet(link)); // number 2 is under way
	assert_int_equal(link_window_accept(w, 2, 100), 0);
	assert_true(edge_link_is_quiet(link));
	assert_true(edge_link_park(link, bytes_str("two")));
	assert_false(edge_link_is_quiet(link));
	edge_link_unpark(link, 3);
	append(link, 100); // an answer
	assert_false(edge_link_is_quiet(link));
	edge_link_begin(link);
	assert_true(link_window_add(w, bytes_str("sent")));
	link_window_close(w);
	assert_false(edge_link_is_quiet(link));
	edge_link_free(link);
}

static void parks_no_more_than_a_window(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	uint8_t *batch = calloc(1, LINK_BATCH_TARGET);
	int n = 0;
	while (edge_link_park(link, bytes_make(batch, LINK_BATCH_TARGET))) {
		n++;
	}
	assert_int_equal(n, LINK_WINDOW_BYTES / LINK_BATCH_TARGET);
	struct bytes oldest;
	for (int i = 0; i < 4 * n; i++) { // neither does one that never runs empty grow
		assert_true(edge_link_parked(link, &oldest));
		edge_link_unpark(link, oldest.len);
		assert_true(edge_link_park(link, bytes_make(batch, LINK_BATCH_TARGET)));
		assert_true(link->parked.len <= (size_t)3 * LINK_WINDOW_BYTES);
	}
	free(batch);
	edge_link_free(link);
}

static void gives_back_memory_once_it_is_quiet(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	append(link, 100000);
	assert_true(edge_link_flush(link));
	edge_link_trim(link);
	edge_link_trim(link);
	assert_true(edge_link_queue_bytes(link) > 100000); // it still waits
	link->tail_at = link->tail.len;
	edge_link_trim(link);
	assert_int_equal(link->tail.cap + link->fresh.cap, 0);
	edge_link_free(link);
}

static const uint8_t own_boot[LINK_BOOT_LEN] = { 1 };
static const uint8_t other_boot[LINK_BOOT_LEN] = { 2 };

// What a HELLO of the other boot id is at `now_ms`, with a timeout of 6 s.
static enum edge_claim claim(const struct edge_link *link, uint64_t now_ms)
{
	assert_int_equal(edge_link_claim(link, own_boot, 6000, now_ms), EDGE_CLAIM_SAME);
	return edge_link_claim(link, other_boot, 6000, now_ms);
}

static void keeps_its_name_until_it_is_silent_or_hangs_up(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	int somewhere;
	link->heard_ms = 1000;
	link->conn = (struct link_conn *)(void *)&somewhere;
	assert_int_equal(claim(link, 6999), EDGE_CLAIM_TAKEN);
	assert_int_equal(claim(link, 7000), EDGE_CLAIM_NEXT);
	link->conn = NULL; // closed at this end, because it was silent or lagged
	assert_int_equal(claim(link, 6999), EDGE_CLAIM_TAKEN);
	assert_int_equal(claim(link, 7000), EDGE_CLAIM_NEXT);
	link->hung_up = true;
	assert_int_equal(claim(link, 1000), EDGE_CLAIM_NEXT);
	edge_link_free(link);
}

static void keeps_its_name_through_a_cut_while_it_has_a_rival(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	link->heard_ms = 1000;
	link->hung_up = true;
	link->rival_ms = 1000;
	assert_int_equal(claim(link, 6999), EDGE_CLAIM_TAKEN);
	assert_int_equal(claim(link, 7000), EDGE_CLAIM_NEXT);
	link->heard_ms = 1001 + EDGE_RIVAL_MS;
	assert_int_equal(claim(link, link->heard_ms), EDGE_CLAIM_NEXT); // none for a while
	edge_link_ask(link, link->heard_ms);
	assert_int_equal(link->rival_ms, 1000); // nobody answered
	link->rival_ms = link->heard_ms - 1;
	edge_link_ask(link, link->heard_ms); // the same rival again
	assert_int_equal(link->rival_ms, link->heard_ms);
	edge_link_free(link);
}

static void has_a_rival_once_it_answers_what_it_was_asked(void **state)
{
	(void)state;
	struct edge_link *link = new_link();
	assert_false(edge_link_answered(link, 5, 100)); // nobody has asked
	link->asked_ns = 10;
	assert_false(edge_link_answered(link, 9, 100)); // it may have died since
	assert_int_equal(link->rival_ms, 0);
	assert_true(edge_link_answered(link, 10, 101));
	assert_int_equal(link->rival_ms, 101);
	assert_false(edge_link_answered(link, 11, 102)); // asked once
	link->asked_ns = 20;
	assert_false(edge_link_answered(link, 20, 200)); // nothing new
	assert_int_equal(link->rival_ms, 200);
	link->asked_ns = 30;
	assert_true(edge_link_answered(link, 30, 200 + EDGE_RIVAL_MS));
	edge_link_free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_waits_for_a_connection_up_to_its_bound),
		cmocka_unit_test(takes_nothing_while_lagged_and_begins_anew),
		cmocka_unit_test(is_behind_from_half_its_tail_until_a_quarter_while_it_reads),
		cmocka_unit_test(
			is_quiet_when_all_up_to_the_hold_is_routed_and_all_it_led_to_is_taken_in),
		cmocka_unit_test(gives_back_parked_batches_in_order_and_acknowledges_the_others),
		cmocka_unit_test(parks_no_more_than_a_window),
		cmocka_unit_test(gives_back_memory_once_it_is_quiet),
		cmocka_unit_test(keeps_its_name_until_it_is_silent_or_hangs_up),
		cmocka_unit_test(keeps_its_name_through_a_cut_while_it_has_a_rival),
		cmocka_unit_test(has_a_rival_once_it_answers_what_it_was_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
