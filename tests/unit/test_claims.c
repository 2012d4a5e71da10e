#include <string.h>

#include <jansson.h>

#include "edge/auth/claims.h"
#include "tests/unit/test.h"

enum {
	NOW_S = 1000,
	NOW_MS = NOW_S * 1000,
};

static json_t *payload_of(const char *text)
{
	json_t *payload = json_loads(text, 0, NULL);
	assert_non_null(payload);
	return payload;
}

struct check_row {
	const char *payload;
	enum auth_result result;
	const char *claim;
};

static void check_rows(const struct auth_options *options, const struct check_row *rows, size_t n)
{
	struct claims_rules rules;
	claims_rules_init(&rules, options);
	for (size_t i = 0; i < n; i++) {
		json_t *payload = payload_of(rows[i].payload);
		const char *claim = NULL;
		assert_int_equal(claims_check(&rules, payload, NOW_MS, &claim), rows[i].result);
		if (rows[i].result != AUTH_OK) {
			assert_string_equal(claim, rows[i].claim);
		}
		json_decref(payload);
	}
	claims_rules_fini(&rules);
}

static void times_are_held_to_the_second_and_the_leeway(void **state)
{
	(void)state;
	const struct check_row rows[] = {
		{ "{}", AUTH_NO_EXP, "exp" },
		{ "{\"exp\":998}", AUTH_EXPIRED, "exp" },
		{ "{\"exp\":999}", AUTH_OK, NULL }, // half a second of leeway is left
		{ "{\"exp\":2000,\"nbf\":1001}", AUTH_OK, NULL },
		{ "{\"exp\":2000,\"nbf\":1002}", AUTH_NOT_YET, "nbf" },
		{ "{\"exp\":2000,\"iat\":1002}", AUTH_NOT_YET, "iat" },
		{ "{\"exp\":\"2000\"}", AUTH_CLAIMS, "exp" },
		{ "{\"exp\":-1}", AUTH_CLAIMS, "exp" },
		{ "{\"exp\":9007199254740992}", AUTH_CLAIMS, "exp" },
		{ "{\"exp\":1e300}", AUTH_CLAIMS, "exp" },
		{ "{\"exp\":2000,\"nbf\":null}", AUTH_CLAIMS, "nbf" },
	};
	const struct auth_options options = { .leeway_ms = 1500 };
	check_rows(&options, rows, ARRAY_LEN(rows));
}

static void a_lifetime_is_bounded_and_needs_a_beginning(void **state)
{
	(void)state;
	const struct check_row rows[] = {
		{ "{\"exp\":1060,\"iat\":1000}", AUTH_OK, NULL },
		{ "{\"exp\":1061,\"iat\":1000}", AUTH_LIFETIME, "exp" },
		{ "{\"exp\":1060}", AUTH_CLAIMS, "iat" },
	};
	const struct auth_options options = { .max_lifetime_ms = 60000 };
	check_rows(&options, rows, ARRAY_LEN(rows));
}

static void issuer_and_audience_are_exact(void **state)
{
	(void)state;
	const struct check_row rows[] = {
		{ "{\"exp\":2000,\"iss\":\"me\",\"aud\":\"chat\"}", AUTH_OK, NULL },
		{ "{\"exp\":2000,\"iss\":\"me\",\"aud\":[\"a\",\"chat\"]}", AUTH_OK, NULL },
		{ "{\"exp\":2000,\"iss\":\"mee\",\"aud\":\"chat\"}", AUTH_ISSUER, "iss" },
		{ "{\"exp\":2000,\"aud\":\"chat\"}", AUTH_ISSUER, "iss" },
		{ "{\"exp\":2000,\"iss\":\"me\"}", AUTH_AUDIENCE, "aud" },
		{ "{\"exp\":2000,\"iss\":\"me\",\"aud\":[]}", AUTH_AUDIENCE, "aud" },
		{ "{\"exp\":2000,\"iss\":\"me\",\"aud\":[\"chat\",1]}", AUTH_AUDIENCE, "aud" },
	};
	const struct auth_options options = { .issuer = "me", .audience = "chat" };
	check_rows(&options, rows, ARRAY_LEN(rows));
}

static enum auth_result read_as(const struct auth_options *options, const char *text,
	struct identity *id)
{
	struct claims_rules rules;
	const char *claim;
	claims_rules_init(&rules, options);
	json_t *payload = payload_of(text);
	*id = (struct identity){ 0 };
	enum auth_result result = claims_read(&rules, payload, id, &claim);
	json_decref(payload);
	claims_rules_fini(&rules);
	return result;
}

static void the_longest_name_on_a_path_is_the_claim(void **state)
{
	(void)state;
	const struct auth_options options = { .user_claim = "a.b.c" };
	const struct {
		const char *payload, *user;
	} rows[] = {
		{ "{\"exp\":1,\"a\":{\"b\":{\"c\":\"deep\"}}}", "deep" },
		{ "{\"exp\":1,\"a.b\":{\"c\":\"ann\"},\"a\":{\"b.c\":\"bob\"}}", "ann" },
		{ "{\"exp\":1,\"a.b.c\":7,\"a.b\":{\"c\":\"ann\"}}", "7" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct identity id;
		assert_int_equal(read_as(&options, rows[i].payload, &id), AUTH_OK);
		assert_string_equal(id.user, rows[i].user);
		identity_fini(&id);
	}
}

static void one_string_is_a_role_only_under_a_path_of_its_own(void **state)
{
	(void)state;
	const char *payload = "{\"exp\":1,\"sub\":\"ann\",\"roles\":\"boss\"}";
	struct identity id;
	assert_int_equal(read_as(&(struct auth_options){ .admin_role = "boss" }, payload, &id),
		AUTH_CLAIMS);
	identity_fini(&id);
	const struct auth_options own = { .admin_role = "boss", .roles_claim = "roles" };
	assert_int_equal(read_as(&own, payload, &id), AUTH_OK);
	assert_int_equal(id.n_roles, 1);
	assert_true(id.admin);
	identity_fini(&id);
}

static void an_identity_that_cannot_be_is_released_whole(void **state)
{
	(void)state;
	const struct auth_options options = { .admin_role = "boss" };
	const struct {
		const char *payload;
		enum auth_result result;
	} rows[] = {
		{ "{\"exp\":1}", AUTH_SUBJECT },
		{ "{\"exp\":1,\"sub\":\"\",\"userId\":\"ann\"}", AUTH_SUBJECT },
		{ "{\"exp\":1,\"sub\":\"a\",\"roles\":[\"boss\",3]}", AUTH_CLAIMS },
		{ "{\"exp\":1,\"sub\":\"a\",\"jti\":\"\"}", AUTH_CLAIMS },
		{ "{\"exp\":1,\"sub\":\"a\",\"weir\":{\"join\":\"*\"}}", AUTH_CLAIMS },
		{ "{\"exp\":1,\"sub\":\"a\",\"weir\":[]}", AUTH_CLAIMS },
		{ "{\"exp\":1,\"sub\":\"a\",\"weir\":{\"of-later\":1},\"username\":\"\"}",
			AUTH_OK },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct identity id;
		assert_int_equal(read_as(&options, rows[i].payload, &id), rows[i].result);
		identity_fini(&id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_held_to_the_second_and_the_leeway),
		cmocka_unit_test(a_lifetime_is_bounded_and_needs_a_beginning),
		cmocka_unit_test(issuer_and_audience_are_exact),
		cmocka_unit_test(the_longest_name_on_a_path_is_the_claim),
		cmocka_unit_test(one_string_is_a_role_only_under_a_path_of_its_own),
		cmocka_unit_test(an_identity_that_cannot_be_is_released_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
