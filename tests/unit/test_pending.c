#include <stdlib.h>

#include "common/check.h"
#include "edge/uplink/pending.h"
#include "tests/unit/test.h"

static const struct bytes nothing;

static uint64_t add(struct pending *p, const char *id, const char *room)
{
	return pending_add(p, 5, 3, bytes_str(id), bytes_str(room), 1000);
}

static void keeps_what_the_answer_needs(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, 17);
	assert_null(pending_find(&p, 17));
	assert_null(pending_oldest(&p));
	assert_int_equal(add(&p, "\"abc\"", "lobby"), 17);
	const struct pending_entry *entry = pending_find(&p, 17);
	assert_non_null(entry);
	assert_true(entry->req == 17 && entry->conn == 5 && entry->kind == 3);
	assert_true(entry->deadline_ms == 1000);
	assert_bytes_equal(bytes_make(entry->id, entry->id_len), "\"abc\"");
	assert_bytes_equal(bytes_make(entry->room, entry->room_len), "lobby");
	pending_fini(&p);
}

static void has_no_text_where_none_was_given(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, 1);
	add(&p, NULL, NULL);
	add(&p, "7", NULL);
	add(&p, NULL, "lobby");
	const struct pending_entry *entry = pending_find(&p, 1);
	assert_true(entry->id == NULL && entry->room == NULL);
	assert_true(entry->id_len == 0 && entry->room_len == 0);
	entry = pending_find(&p, 2);
	assert_bytes_equal(bytes_make(entry->id, entry->id_len), "7");
	assert_true(entry->room == NULL && entry->room_len == 0);
	entry = pending_find(&p, 3);
	assert_true(entry->id == NULL && entry->id_len == 0);
	assert_bytes_equal(bytes_make(entry->room, entry->room_len), "lobby");
	for (uint64_t req = 1; req <= 3; req++) {
		pending_close(&p, pending_find(&p, req));
	}
	assert_null(pending_oldest(&p));
	pending_fini(&p);
}

static void answers_each_request_once(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, 1);
	add(&p, "1", "a");
	add(&p, "2", "b");
	pending_close(&p, pending_find(&p, 2));
	assert_null(pending_find(&p, 2));
	assert_true(pending_oldest(&p)->req == 1);
	pending_close(&p, pending_find(&p, 1));
	assert_null(pending_find(&p, 1));
	assert_null(pending_oldest(&p));
	assert_null(pending_find(&p, 3));
	assert_null(pending_find(&p, 0));
	assert_int_equal(add(&p, "3", "c"), 3);
	pending_fini(&p);
}

static void knows_the_oldest_that_is_open(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, 1);
	for (int i = 0; i < 6; i++) {
		add(&p, "x", NULL);
	}
	pending_close(&p, pending_find(&p, 1));
	pending_close(&p, pending_find(&p, 3));
	pending_close(&p, pending_find(&p, 4));
	pending_close(&p, pending_find(&p, 6));
	struct pending_entry *entry = pending_oldest(&p);
	assert_true(entry->req == 2);
	pending_close(&p, entry);
	assert_true(pending_oldest(&p)->req == 5);
	pending_fini(&p);
}

static void gives_back_what_a_flood_took(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, 1);
	for (int i = 0; i < 5000; i++) {
		add(&p, "id", "room");
	}
	assert_true(p.cap >= 5000);
	for (uint64_t req = 5000; req > 0; req--) {
		pending_close(&p, pending_find(&p, req));
	}
	assert_null(p.ring);
	assert_int_equal(add(&p, "id", "room"), 5001);
	assert_non_null(pending_find(&p, 5001));
	pending_fini(&p);
}

static void survives_a_start_at_any_number(void **state)
{
	(void)state;
	struct pending p;
	pending_init(&p, UINT64_C(1) << 40);
	for (int i = 0; i < 100; i++) {
		uint64_t req = add(&p, "id", NULL);
		assert_true(req == (UINT64_C(1) << 40) + (uint64_t)i);
	}
	assert_null(pending_find(&p, 1));
	assert_null(pending_find(&p, UINT64_MAX));
	pending_fini(&p);
}

enum {
	MODEL_MAX = 4000
};

// A naive model: for each number ever given, whether it is open.
struct model {
	struct pending p;
	bool open[MODEL_MAX];
	uint64_t next;
};

static void check_walk(struct model *m)
{
	const struct pending_entry *oldest = NULL;
	for (uint64_t req = 0; req < m->next; req++) {
		const struct pending_entry *entry = pending_find(&m->p, req);
		assert_int_equal(entry != NULL, m->open[req]);
		if (entry != NULL) {
			assert_true(entry->req == req && entry->conn == req * 3);
			uint64_t id;
			assert_int_equal(entry->id_len, sizeof(id));
			memcpy(&id, entry->id, sizeof(id));
			assert_true(id == req);
			oldest = oldest != NULL ? oldest : entry;
		}
	}
	assert_ptr_equal(pending_oldest(&m->p), oldest);
}

static void random_step(struct model *m)
{
	// Phases in which the table fills and phases in which it empties.
	int adds = m->next / 500 % 2 == 0 ? 60 : 40;
	if (rand() % 100 < adds) {
		uint64_t id = m->next;
		m->open[id] = true;
		assert_true(pending_add(&m->p, id * 3, 0, bytes_make(&id, sizeof(id)), nothing,
				    id) == id);
		m->next++;
		return;
	}
	uint64_t back = (uint64_t)rand() % 200;
	uint64_t req = m->next > back ? m->next - back : 0;
	struct pending_entry *entry = pending_find(&m->p, req);
	assert_int_equal(entry != NULL, req < m->next && m->open[req]);
	entry = entry != NULL ? entry : pending_oldest(&m->p);
	if (entry != NULL) {
		m->open[entry->req] = false;
		pending_close(&m->p, entry);
	}
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	static struct model m;
	pending_init(&m.p, 0);
	srand(1);
	for (int step = 0; m.next < MODEL_MAX; step++) {
		random_step(&m);
		if (step % 10 == 0) {
			check_walk(&m);
		}
	}
	check_walk(&m);
	pending_fini(&m.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_the_answer_needs),
		cmocka_unit_test(has_no_text_where_none_was_given),
		cmocka_unit_test(answers_each_request_once),
		cmocka_unit_test(knows_the_oldest_that_is_open),
		cmocka_unit_test(gives_back_what_a_flood_took),
		cmocka_unit_test(survives_a_start_at_any_number),
		cmocka_unit_test(agrees_with_a_naive_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
