#include <stdlib.h>

#include "router/core/recorder.h"
#include "router/core/room_table.h"
#include "tests/unit/test.h"

enum {
	BYTES = 8192,
	WALL_MS = 1000000,
};

static struct record_cursor cursor;

static struct record newest(const struct recorder *rec)
{
	struct record record;
	record_ring_walk(&rec->ring, &cursor);
	assert_true(recorder_older(rec, &cursor, &record));
	return record;
}

static void gives_back_what_was_recorded(void **state)
{
	(void)state;
	struct recorder rec;
	recorder_init(&rec, BYTES);
	rec.wall_ms = WALL_MS;
	recorder_add(&rec,
		&(struct record){
			.kind = RECORD_GAP,
			.reason = 3,
			.edge = 7,
			.count = 9,
			.epoch = 11,
			.seq = 13,
			.from = 12,
			.room = bytes_str("tea"),
			.user = bytes_str("ann"),
			.client = bytes_str("c1"),
			.detail = bytes_str("link"),
		});
	struct record record = newest(&rec);
	assert_int_equal(record.kind, RECORD_GAP);
	assert_int_equal(record.reason, 3);
	assert_int_equal(record.edge, 7);
	assert_int_equal(record.count, 9);
	assert_int_equal(record.epoch, 11);
	assert_int_equal(record.seq, 13);
	assert_int_equal(record.from, 12);
	assert_int_equal(record.at_ms, WALL_MS);
	assert_int_equal(record.number, 1);
	assert_bytes_equal(record.room, "tea");
	assert_bytes_equal(record.user, "ann");
	assert_bytes_equal(record.client, "c1");
	assert_bytes_equal(record.detail, "link");
	assert_int_equal(recorder_oldest_ms(&rec), WALL_MS);
	recorder_fini(&rec);
}

static void names_the_edges_of_a_message(void **state)
{
	(void)state;
	struct recorder rec;
	recorder_init(&rec, BYTES);
	struct table_edge edges[2] = {
		{ .number = recorder_edge(&rec, bytes_str("one")) },
		{ .number = recorder_edge(&rec, bytes_str("two")) },
	};
	struct room_edge places[2] = {
		{ .edge = &edges[0], .n_members = 5 },
		{ .edge = &edges[1], .n_members = 6, .replay_from = 4 },
	};
	struct table_room *room = calloc(1, sizeof(*room) + 4);
	assert_non_null(room);
	memcpy(room->name, "tea", 4);
	room->name_len = 3;
	room->epoch = 8;
	room->seq = 21;
	room->edges = places;
	room->n_edges = 2;
	recorder_add_message(&rec,
		&(struct record_message){ .room = room,
			.reached = 10,
			.no_echo = true,
			.trace = bytes_str("t") });
	struct record record = newest(&rec);
	assert_int_equal(record.kind, RECORD_PUBLISHED);
	assert_bytes_equal(record.room, "tea");
	assert_bytes_equal(record.user, "");
	assert_bytes_equal(record.detail, "t");
	assert_int_equal(record.seq, 21);
	assert_int_equal(record.count, 10);
	assert_true(record.no_echo);
	assert_int_equal(record.n_edges, 2);
	assert_string_equal(recorder_edge_name(&rec, record.places[0].edge), "one");
	assert_int_equal(record.places[0].n_members, 5);
	assert_false(record.places[0].is_later);
	assert_string_equal(recorder_edge_name(&rec, record.places[1].edge), "two");
	assert_true(record.places[1].is_later);
	free(room);
	recorder_fini(&rec);
}

static void an_edge_that_comes_again_has_its_number(void **state)
{
	(void)state;
	struct recorder rec;
	recorder_init(&rec, BYTES);
	uint32_t one = recorder_edge(&rec, bytes_str("one"));
	assert_int_not_equal(recorder_edge(&rec, bytes_str("two")), one);
	assert_int_equal(recorder_edge(&rec, bytes_str("one")), one);
	for (unsigned i = 0; i < RECORDER_EDGES_MAX + 10; i++) {
		uint8_t name[2] = { (uint8_t)(i >> 8), (uint8_t)i };
		recorder_edge(&rec, bytes_make(name, sizeof(name)));
	}
	assert_string_equal(recorder_edge_name(&rec, recorder_edge(&rec, bytes_str("last"))), "?");
	assert_string_equal(recorder_edge_name(&rec, 0), "?");
	recorder_fini(&rec);
}

static void cuts_long_texts_and_walks_back_to_the_oldest(void **state)
{
	(void)state;
	char long_text[RECORD_TEXT_MAX + 100];
	memset(long_text, 'x', sizeof(long_text));
	struct recorder rec;
	recorder_init(&rec, BYTES);
	for (unsigned i = 0; i < 100; i++) {
		rec.wall_ms = WALL_MS + i;
		recorder_add(&rec,
			&(struct record){ .kind = RECORD_KICKED,
				.detail = bytes_make(long_text, sizeof(long_text)) });
	}
	struct record record = newest(&rec);
	assert_int_equal(record.detail.len, RECORD_TEXT_MAX);
	unsigned n = 1;
	while (recorder_older(&rec, &cursor, &record)) {
		n++;
		assert_int_equal(record.at_ms, WALL_MS + 100 - n);
	}
	assert_int_equal(record.at_ms, recorder_oldest_ms(&rec));
	assert_int_equal(n, BYTES / 312);
	recorder_fini(&rec);
}

static void cuts_between_two_characters(void **state)
{
	(void)state;
	char text[RECORD_TEXT_MAX + 10];
	struct recorder rec;
	recorder_init(&rec, BYTES);
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)(i % 2 == 0 ? 0xc3 : 0xa4); // two bytes a character
	}
	recorder_add(&rec,
		&(struct record){ .kind = RECORD_KICKED,
			.detail = bytes_make(text, sizeof(text)) });
	assert_int_equal(newest(&rec).detail.len, RECORD_TEXT_MAX - 1);
	recorder_fini(&rec);
}

static void has_a_name_for_each_kind_and_cause(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
		assert_non_null(record_kind_name((enum record_kind)kind));
	}
	for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
		assert_non_null(record_cause_name((enum record_cause)cause));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_recorded),
		cmocka_unit_test(names_the_edges_of_a_message),
		cmocka_unit_test(an_edge_that_comes_again_has_its_number),
		cmocka_unit_test(cuts_long_texts_and_walks_back_to_the_oldest),
		cmocka_unit_test(cuts_between_two_characters),
		cmocka_unit_test(has_a_name_for_each_kind_and_cause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
