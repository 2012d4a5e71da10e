#include <stdio.h>

#include "router/core/room_patterns.h"
#include "router/core/room_table.h"
#include "tests/unit/test.h"

static struct table_edge edge_a;
static struct table_edge edge_b;

static enum watch_result watch(struct room_patterns *set, struct pattern_watches *watches,
	struct table_edge *edge, const char *text)
{
	return room_patterns_watch(set, watches, edge, bytes_str(text));
}

static size_t matches(const struct room_patterns *set, const char *room)
{
	const struct room_pattern *pattern = NULL;
	size_t n = 0;
	while ((pattern = room_patterns_next(set, pattern, bytes_str(room))) != NULL) {
		n++;
	}
	return n;
}

static void an_edge_has_each_text_once(void **state)
{
	(void)state;
	struct room_patterns set = { 0 };
	struct pattern_watches ann = { 0 };
	struct pattern_watches bob = { 0 };
	struct pattern_watches eve = { 0 };
	assert_int_equal(watch(&set, &ann, &edge_a, "news.*"), WATCH_ADDED);
	assert_int_equal(watch(&set, &ann, &edge_a, "news.*"), WATCH_ALREADY);
	assert_int_equal(watch(&set, &bob, &edge_a, "news.*"), WATCH_ADDED);
	assert_int_equal(set.n, 1);
	assert_int_equal(matches(&set, "news.sport"), 1);
	assert_int_equal(watch(&set, &eve, &edge_b, "news.*"), WATCH_ADDED);
	assert_int_equal(set.n, 2);
	assert_int_equal(matches(&set, "news.sport"), 2);
	assert_int_equal(matches(&set, "new"), 0);
	room_patterns_unwatch_all(&set, &ann);
	room_patterns_unwatch_all(&set, &bob);
	room_patterns_unwatch_all(&set, &eve);
	assert_int_equal(set.n, 0);
}

// Rooms match again only when it has moved.
static void the_generation_moves_with_the_texts_alone(void **state)
{
	(void)state;
	struct room_patterns set = { 0 };
	struct pattern_watches ann = { 0 };
	struct pattern_watches bob = { 0 };
	assert_int_equal(watch(&set, &ann, &edge_a, "x*"), WATCH_ADDED);
	uint32_t begin = set.generation;
	assert_int_equal(watch(&set, &bob, &edge_a, "x*"), WATCH_ADDED);
	room_patterns_unwatch(&set, pattern_watch_find(&ann, bytes_str("x*")));
	assert_null(pattern_watch_find(&ann, bytes_str("x*")));
	assert_int_equal(set.generation, begin);
	assert_int_equal(matches(&set, "xyz"), 1);
	room_patterns_unwatch(&set, pattern_watch_find(&bob, bytes_str("x*")));
	assert_int_equal(set.generation, begin + 1);
	assert_int_equal(matches(&set, "xyz"), 0);
}

static void a_client_and_all_together_have_so_many(void **state)
{
	(void)state;
	enum {
		CLIENTS = ROOM_PATTERNS_MAX / CLIENT_PATTERNS_MAX
	};
	struct room_patterns set = { 0 };
	struct pattern_watches clients[CLIENTS + 1] = { 0 };
	char text[32];
	for (int i = 0; i < ROOM_PATTERNS_MAX; i++) {
		snprintf(text, sizeof(text), "%d.*", i);
		assert_int_equal(watch(&set, &clients[i / CLIENT_PATTERNS_MAX], &edge_a, text),
			WATCH_ADDED);
	}
	assert_int_equal(watch(&set, &clients[0], &edge_a, "16.*"), WATCH_TOO_MANY);
	assert_int_equal(watch(&set, &clients[CLIENTS], &edge_a, "more.*"), WATCH_TOO_MANY);
	assert_int_equal(watch(&set, &clients[CLIENTS], &edge_a, "16.*"), WATCH_ADDED);
	assert_int_equal(set.n, ROOM_PATTERNS_MAX);
	for (int i = 0; i <= CLIENTS; i++) {
		room_patterns_unwatch_all(&set, &clients[i]);
	}
	assert_int_equal(set.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_has_each_text_once),
		cmocka_unit_test(the_generation_moves_with_the_texts_alone),
		cmocka_unit_test(a_client_and_all_together_have_so_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
