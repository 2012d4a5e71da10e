#include "common/check.h"
#include "router/core/edge_rules.h"
#include "tests/unit/test.h"

static char east[] = "east users=east:* users=ops rooms=east:* rooms=user:east:* admin=no";
static char others[] = "*  rooms=lobby ";
static char west[] = "west";
static char *values[] = { east, others, west };
static const struct conf_list list = { values, ARRAY_LEN(values) };

static bool lets(const struct edge_rule *rule, const char *user, const char *room)
{
	return edge_rule_lets_user(rule, bytes_str(user)) &&
		edge_rule_lets_room(rule, bytes_str(room));
}

static void an_edge_says_what_its_rule_lets_it(void **state)
{
	(void)state;
	struct edge_rules rules;
	edge_rules_init(&rules, &list);
	const struct edge_rule *rule = edge_rules_find(&rules, bytes_str("east"));
	assert_true(lets(rule, "east:ann", "east:tea"));
	assert_true(lets(rule, "ops", "user:east:ann"));
	assert_false(lets(rule, "west:ann", "east:tea"));
	assert_false(lets(rule, "east:ann", "west:tea"));
	assert_false(lets(rule, "east:ann", "user:bob"));
	assert_true(lets(rule, "ops", "east:*")); // a pattern that is joined
	assert_false(lets(rule, "ops", "ea*"));
	assert_false(lets(rule, "ops", "*"));
	assert_false(edge_rule_lets_admins(rule));
	edge_rules_fini(&rules);
}

static void one_that_no_value_names_has_that_of_the_others(void **state)
{
	(void)state;
	struct edge_rules rules;
	edge_rules_init(&rules, &list);
	const struct edge_rule *rule = edge_rules_find(&rules, bytes_str("north"));
	assert_true(lets(rule, "ann", "lobby"));
	assert_false(lets(rule, "ann", "tea"));
	assert_true(edge_rule_lets_admins(rule));
	rule = edge_rules_find(&rules, bytes_str("west"));
	assert_true(lets(rule, "ann", "tea"));
	edge_rules_fini(&rules);
	edge_rules_init(&rules, &(struct conf_list){ 0 });
	assert_null(edge_rules_find(&rules, bytes_str("west")));
	assert_true(lets(NULL, "ann", "user:bob"));
	assert_true(edge_rule_lets_admins(NULL));
	edge_rules_fini(&rules);
}

static void refuses_what_is_no_rule(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "east users", "east user=a", "east admin=maybe",
		"east rooms=", "east users=a\tb", "ea\tst" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_non_null(edge_rules_check(bad[i]));
	}
	assert_null(edge_rules_check(east));
	assert_null(edge_rules_check(others));
}

static void a_rule_is_for_an_edge_with_a_key_of_its_own(void **state)
{
	(void)state;
	static char common[] = "/common.key";
	static char own[] = "east=/east.key";
	static char own_west[] = "west=/west.key";
	static char *keys[] = { common, own, own_west };
	assert_null(edge_rules_check_keys(&list, &(struct conf_list){ keys, 3 }));
	assert_non_null(edge_rules_check_keys(&list, &(struct conf_list){ keys, 2 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_says_what_its_rule_lets_it),
		cmocka_unit_test(one_that_no_value_names_has_that_of_the_others),
		cmocka_unit_test(refuses_what_is_no_rule),
		cmocka_unit_test(a_rule_is_for_an_edge_with_a_key_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
