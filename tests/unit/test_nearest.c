#include "common/check.h"
#include "common/nearest.h"
#include "tests/unit/test.h"

static const char *nearest_of(const char *word)
{
	static const char *const candidates[] = { "listen", "listen-tls", "lobby", "name", "user" };
	struct nearest nearest = { .word = bytes_str(word) };
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		nearest_offer(&nearest, candidates[i]);
	}
	return nearest.best;
}

static void names_the_word_with_the_fewest_edits(void **state)
{
	(void)state;
	static const struct {
		const char *word;
		const char *best;
	} rows[] = {
		{ "listen", "listen" },
		{ "lisen", "listen" },
		{ "listeen", "listen" },
		{ "lixten", "listen" },
		{ "litsen", "listen" },
		{ "listen-tl", "listen-tls" },
		{ "listen_tls", "listen-tls" },
		{ "mame", "name" },
		{ "user-", "user" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *best = nearest_of(rows[i].word);
		assert_non_null(best);
		assert_string_equal(best, rows[i].best);
	}
}

static void names_nothing_that_is_far_off(void **state)
{
	(void)state;
	static const char *const words[] = {
		"",
		"x",
		"zzzz",
		"nx",
		"listen-to-me",
		"a-word-that-is-longer-than-any-name-of-ours-and-is-not-compared-at-all",
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		assert_null(nearest_of(words[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_word_with_the_fewest_edits),
		cmocka_unit_test(names_nothing_that_is_far_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
