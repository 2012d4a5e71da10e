#include <string.h>

#include "router/core/room_rules.h"
#include "tests/unit/test.h"

static const struct conf_list none;

static const struct room_options *find(const struct room_rules *rules, const char *room)
{
	return room_rules_find(rules, bytes_str(room));
}

static void says_what_is_wrong_with_a_rule(void **state)
{
	(void)state;
	static const char shape[] = "not PATTERN key=value ...";
	static const struct {
		const char *value;
		const char *fault; // the part that tells it from others; NULL: it is good
	} rows[] = {
		{ "chat:* slow=conflate", NULL },
		{ "*  presence=no   ephemeral=yes ", NULL },
		{ "a history-messages=0 history-bytes=16KiB history-age=2h max-members=7", NULL },
		{ "user:* lobby-publish=admin", NULL },
		{ "chat:*", shape },
		{ "chat:* slow", shape },
		{ "slow=conflate", shape },
		{ " ", "the pattern is empty" },
		{ "a slow=conflate slow=conflate", "a key is given twice" },
		{ "a fast=yes", "a key is none of history-messages" },
		{ "a =yes", "a key is none of history-messages" },
		{ "a slow=", "slow is not disconnect" },
		{ "a slow=never", "slow is not disconnect" },
		{ "a presence=maybe", "presence is neither" },
		{ "a ephemeral=2", "ephemeral is neither" },
		{ "a history-messages=-1", "history-messages is not a number" },
		{ "a history-bytes=0", "history-bytes is not a size" },
		{ "a history-age=long", "history-age is not a duration" },
		{ "a max-members=x", "max-members is not a number" },
		{ "a lobby-publish=some", "lobby-publish is not all" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *fault = room_rules_check(rows[i].value);
		assert_int_equal(fault == NULL, rows[i].fault == NULL);
		if (fault != NULL && rows[i].fault != NULL) {
			assert_non_null(strstr(fault, rows[i].fault));
		}
	}
	assert_null(room_rules_check_slow("a b=c*=drop-oldest"));
	assert_non_null(room_rules_check_slow("=conflate"));
	assert_non_null(room_rules_check_slow("news"));
}

static void the_first_rule_that_matches_counts(void **state)
{
	(void)state;
	char *values[] = { "tick:eur* slow=conflate history-messages=0", "tick:* max-members=5",
		"* presence=no" };
	const struct conf_list options = { values, ARRAY_LEN(values) };
	const struct store_limits kept = { .messages = 100, .bytes = 1000, .age_ms = 60 };
	struct room_rules rules;
	room_rules_init(&rules);
	room_rules_load(&rules, &options, &none);
	room_rules_set_defaults(&rules, &kept, 9);
	const struct room_options *eur = find(&rules, "tick:eurusd");
	assert_string_equal(eur->pattern, "tick:eur*");
	assert_int_equal(eur->slow, SLOW_CONFLATE);
	assert_true(eur->kept.messages == UINT64_MAX); // 0: any, as in history-messages
	assert_int_equal(eur->kept.bytes, 1000);
	assert_int_equal(eur->max_members, 9);
	assert_true(eur->presence);
	assert_int_equal(find(&rules, "tick:gold")->max_members, 5);
	assert_int_equal(find(&rules, "tick:gold")->kept.messages, 100);
	assert_ptr_equal(find(&rules, "tick:gold"), find(&rules, "tick:oil")); // shared
	assert_false(find(&rules, "chat")->presence);
	// A pattern reaches reserved rooms only if it begins with their prefix.
	assert_null(find(&rules, "user:ann")->pattern);
	assert_true(find(&rules, "user:ann")->presence);
	room_rules_fini(&rules);
}

static void a_slow_policy_holds_where_a_rule_names_none(void **state)
{
	(void)state;
	char *values[] = { "tick:* slow=conflate", "news:* history-age=5s" };
	char *policies[] = { "*:a=drop-oldest", "tick:*=disconnect", "*=drop-oldest" };
	const struct conf_list options = { values, ARRAY_LEN(values) };
	const struct conf_list slow = { policies, ARRAY_LEN(policies) };
	struct room_rules rules;
	room_rules_init(&rules);
	assert_int_equal(find(&rules, "tick:a")->slow, SLOW_DISCONNECT);
	room_rules_load(&rules, &options, &slow);
	assert_int_equal(find(&rules, "tick:a")->slow, SLOW_CONFLATE);
	assert_int_equal(find(&rules, "news:b")->slow, SLOW_DROP_OLDEST);
	assert_int_equal(find(&rules, "news:b")->kept.age_ms, 5000);
	assert_int_equal(find(&rules, "chat")->slow, SLOW_DROP_OLDEST);
	room_rules_fini(&rules);
}

static void other_defaults_reach_what_was_found(void **state)
{
	(void)state;
	char *values[] = { "a* history-bytes=5", "b* history-age=2s" };
	const struct conf_list options = { values, ARRAY_LEN(values) };
	struct store_limits kept = { .age_ms = 9000 };
	struct room_rules rules;
	room_rules_init(&rules);
	room_rules_load(&rules, &options, &none);
	const struct room_options *found = find(&rules, "ab");
	assert_int_equal(room_rules_min_age_ms(&rules), 2000);
	room_rules_set_defaults(&rules, &kept, 0);
	assert_int_equal(found->kept.age_ms, 9000);
	assert_int_equal(found->kept.bytes, 5);
	kept.age_ms = 1000;
	room_rules_set_defaults(&rules, &kept, 0);
	assert_int_equal(room_rules_min_age_ms(&rules), 1000);
	assert_true(room_rules_are(&rules, &options, &none));
	assert_false(room_rules_are(&rules, &none, &none));
	assert_false(room_rules_are(&rules, &options, &options));
	room_rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_wrong_with_a_rule),
		cmocka_unit_test(the_first_rule_that_matches_counts),
		cmocka_unit_test(a_slow_policy_holds_where_a_rule_names_none),
		cmocka_unit_test(other_defaults_reach_what_was_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
