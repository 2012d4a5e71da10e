#include <stdlib.h>

#include "edge/uplink/link_lane.h"
#include "tests/unit/test.h"

static const link_item *down_item(uint64_t client)
{
	static Weir__Link__V1__ClientDown down;
	static link_item item;
	weir__link__v1__client_down__init(&down);
	weir__link__v1__item__init(&item);
	down.client = client;
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_CLIENT_DOWN;
	item.client_down = &down;
	return &item;
}

// The clients named in what the window would send, as text "1 2 3", and acknowledges it.
static const char *sent(struct link_window *w)
{
	static struct buf text;
	struct buf wire = { 0 };
	struct iovec iov[2];
	struct link_arena arena = { 0 };
	link_window_close(w);
	int n = link_window_unsent(w, iov);
	for (int i = 0; i < n; i++) {
		buf_append(&wire, iov[i].iov_base, iov[i].iov_len);
		link_window_wrote(w, iov[i].iov_len);
	}
	assert_int_equal(link_window_acked(w, w->tx_next), 0);
	buf_reset(&text, 4096);
	struct bytes rest = buf_bytes(&wire);
	while (rest.len > 0) {
		struct link_frame frame;
		size_t used;
		assert_int_equal(link_frame_parse(rest, &frame, &used), 0);
		rest = bytes_from(rest, used);
		struct bytes packed;
		while (link_batch_next(&frame.body, &packed) == 1) {
			const link_item *item = link_item_unpack(&arena, packed);
			buf_printf(&text, "%s%d", text.len > 0 ? " " : "",
				(int)item->client_down->client);
		}
	}
	buf_append_byte(&text, '\0');
	buf_fini(&wire);
	link_arena_fini(&arena);
	return (const char *)text.data;
}

static void moves_a_turn_into_the_window_in_order(void **state)
{
	(void)state;
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	link_window_init(&w);
	link_outbox_add_fact(&outbox, down_item(1));
	link_outbox_add_request(&outbox, down_item(2), 7, 100);
	link_lane_take(&lane, &outbox, true);
	assert_int_equal(outbox.entries.len, 0);
	link_outbox_add_fact(&outbox, down_item(3));
	link_lane_take(&lane, &outbox, true);
	assert_true(link_lane_bytes(&lane) > 0);
	assert_true(link_lane_pump(&lane, &w, 0));
	assert_string_equal(sent(&w), "1 2 3");
	assert_int_equal(lane.sent_req, 7);
	assert_int_equal(link_lane_bytes(&lane), 0);
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_window_fini(&w);
}

static void leaves_out_a_request_past_its_deadline(void **state)
{
	(void)state;
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	link_window_init(&w);
	link_outbox_add_request(&outbox, down_item(1), 1, 100);
	link_outbox_add_request(&outbox, down_item(2), 2, 101);
	link_outbox_add_fact(&outbox, down_item(3));
	link_lane_take(&lane, &outbox, true);
	assert_true(link_lane_pump(&lane, &w, 100));
	assert_string_equal(sent(&w), "2 3");
	assert_int_equal(lane.sent_req, 2);
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_window_fini(&w);
}

static void stands_still_until_the_snapshot_is_there_and_sends_it_first(void **state)
{
	(void)state;
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	struct link_outbox snapshot = { 0 };
	link_window_init(&w);
	link_lane_hold(&lane);
	link_outbox_add_request(&outbox, down_item(1), 1, 100);
	link_lane_take(&lane, &outbox, true);
	assert_false(link_lane_tell(&lane, &w));
	assert_string_equal(sent(&w), "");
	link_outbox_add_fact(&snapshot, down_item(9));
	link_lane_release(&lane, &snapshot);
	assert_true(link_lane_tell(&lane, &w));
	assert_true(link_lane_pump(&lane, &w, 0));
	assert_string_equal(sent(&w), "9 1");
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_outbox_fini(&snapshot);
	link_window_fini(&w);
}

static void tells_the_facts_of_a_snapshot_without_what_is_asked_again(void **state)
{
	(void)state;
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	struct link_outbox snapshot = { 0 };
	link_window_init(&w);
	link_lane_hold(&lane);
	link_outbox_add_fact(&outbox, down_item(4));
	link_outbox_add_fact(&snapshot, down_item(1));
	link_outbox_add_fact(&snapshot, down_item(2));
	link_outbox_add_request(&snapshot, down_item(3), 1, 100);
	link_lane_release(&lane, &snapshot);
	link_lane_take(&lane, &outbox, true);
	assert_true(link_lane_tell(&lane, &w));
	assert_true(link_lane_tell(&lane, &w));
	assert_string_equal(sent(&w), "1 2");
	assert_true(link_lane_pump(&lane, &w, 0));
	assert_string_equal(sent(&w), "3 4");
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_outbox_fini(&snapshot);
	link_window_fini(&w);
}

static void tells_a_snapshot_that_is_larger_than_the_window(void **state)
{
	(void)state;
	enum {
		N = LINK_WINDOW_FRAMES * 100
	};
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox snapshot = { 0 };
	link_window_init(&w);
	for (uint64_t i = 1; i <= N; i++) {
		link_outbox_add_fact(&snapshot, down_item(i));
	}
	link_lane_release(&lane, &snapshot);
	bool was_full = false;
	size_t n = 0;
	for (bool done = false; !done;) {
		done = link_lane_tell(&lane, &w);
		was_full = was_full || !done;
		const char *text = sent(&w);
		n += *text != '\0';
		for (; *text != '\0'; text++) {
			n += *text == ' ';
		}
	}
	assert_true(was_full);
	assert_int_equal(n, N);
	link_lane_fini(&lane);
	link_outbox_fini(&snapshot);
	link_window_fini(&w);
}

static void keeps_requests_and_drops_facts_when_the_session_ends(void **state)
{
	(void)state;
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	struct link_outbox snapshot = { 0 };
	link_window_init(&w);
	link_outbox_add_fact(&outbox, down_item(1));
	link_outbox_add_request(&outbox, down_item(2), 1, 100);
	link_lane_take(&lane, &outbox, true);
	link_lane_hold(&lane);
	link_outbox_add_fact(&outbox, down_item(3));
	link_outbox_add_request(&outbox, down_item(4), 2, 100);
	link_lane_take(&lane, &outbox, false);
	link_lane_release(&lane, &snapshot);
	assert_true(link_lane_pump(&lane, &w, 0));
	assert_string_equal(sent(&w), "2 4");
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_outbox_fini(&snapshot);
	link_window_fini(&w);
}

static void waits_for_a_full_window_and_loses_nothing(void **state)
{
	(void)state;
	enum {
		N = LINK_WINDOW_FRAMES * 100
	};
	struct link_window w;
	struct link_lane lane = { 0 };
	struct link_outbox outbox = { 0 };
	link_window_init(&w);
	for (uint64_t i = 1; i <= N; i++) {
		link_outbox_add_request(&outbox, down_item(i), i, 100);
	}
	link_lane_take(&lane, &outbox, true);
	bool was_full = false;
	bool done = false;
	uint64_t expected = 1;
	while (!done) {
		done = link_lane_pump(&lane, &w, 0);
		was_full = was_full || !done;
		const char *text = sent(&w);
		while (*text != '\0') {
			char *end;
			assert_int_equal(strtoul(text, &end, 10), expected);
			expected++;
			text = *end == ' ' ? end + 1 : end;
		}
	}
	assert_true(was_full);
	assert_int_equal(expected, N + 1);
	link_lane_fini(&lane);
	link_outbox_fini(&outbox);
	link_window_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_a_turn_into_the_window_in_order),
		cmocka_unit_test(leaves_out_a_request_past_its_deadline),
		cmocka_unit_test(stands_still_until_the_snapshot_is_there_and_sends_it_first),
		cmocka_unit_test(tells_the_facts_of_a_snapshot_without_what_is_asked_again),
		cmocka_unit_test(tells_a_snapshot_that_is_larger_than_the_window),
		cmocka_unit_test(keeps_requests_and_drops_facts_when_the_session_ends),
		cmocka_unit_test(waits_for_a_full_window_and_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
