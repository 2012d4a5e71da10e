#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "edge/auth/auth.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

#define NOW_S   1700000000
#define NOW_MS  (NOW_S * INT64_C(1000))
#define FOREVER "\"exp\":1800000000"
#define HEADER  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define OURS    "\"iss\":\"us\",\"aud\":\"weir\","
#define X10     "xxxxxxxxxx"
#define X60     X10 X10 X10 X10 X10 X10
#define X120    X60 X60

static const char key_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char key_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const char key_long[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct key_dir dir;
static char *spec_a; // "HS256:" file

static int set_up(void **state)
{
	(void)state;
	key_dir_init(&dir);
	spec_a = key_dir_write(&dir, "a", bytes_str(key_a), 0600, "HS256:");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(spec_a);
	key_dir_fini(&dir);
	return 0;
}

static struct auth *auth_of(struct auth_options options)
{
	const char *const keys[] = { spec_a };
	if (options.n_keys == 0) {
		options.keys = keys;
		options.n_keys = 1;
	}
	struct fault fault;
	struct auth *auth = auth_new(&options, &fault);
	if (auth == NULL) {
		fail_msg("%s", fault.what);
	}
	return auth;
}

// What a token of key A with these claims is found to be; `id` may be NULL.
static enum auth_result verify_why(const struct auth *auth, const char *claims, int64_t now_ms,
	struct identity *id, const char **claim)
{
	char *payload = xasprintf("{%s}", claims);
	char *token = token_make("HS256", bytes_str(key_a), HEADER, payload);
	struct identity own;
	memset(&own, 0xee, sizeof(own));
	enum auth_result result = auth_verify(auth, bytes_str(token), now_ms, &own, claim);
	if (result != AUTH_OK) {
		assert_memory_equal(&own, &(struct identity){ 0 }, sizeof(own));
	}
	if (id != NULL) {
		*id = own;
	} else {
		identity_fini(&own);
	}
	free(token);
	free(payload);
	return result;
}

static enum auth_result verify(const struct auth *auth, const char *claims, int64_t now_ms,
	struct identity *id)
{
	return verify_why(auth, claims, now_ms, id, NULL);
}

struct claims_row {
	const char *claims;
	enum auth_result result;
};

static void check_rows(const struct auth *auth, const struct claims_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum auth_result result = verify(auth, rows[i].claims, NOW_MS, NULL);
		if (result != rows[i].result) {
			fail_msg("%s: %s, not %s", rows[i].claims, auth_result_text(result),
				auth_result_text(rows[i].result));
		}
	}
}

static void names_the_cause_and_the_claim_at_fault(void **state)
{
	(void)state;
	static const struct {
		const char *claims;
		const char *cause;
		const char *claim; // NULL: none
	} rows[] = {
		{ OURS "\"sub\":1", "no_exp", "exp" },
		{ OURS "\"sub\":1,\"exp\":\"soon\"", "bad_claim", "exp" },
		{ OURS "\"sub\":1,\"exp\":1700000000", "expired", "exp" },
		{ OURS "\"sub\":1,\"nbf\":1700000001," FOREVER, "not_yet", "nbf" },
		{ OURS "\"sub\":1,\"iat\":1700000001," FOREVER, "not_yet", "iat" },
		{ OURS "\"sub\":1,\"iat\":\"x\"," FOREVER, "bad_claim", "iat" },
		{ "\"sub\":1,\"iss\":\"no\"," FOREVER, "wrong_issuer", "iss" },
		{ "\"sub\":1,\"iss\":\"us\"," FOREVER, "wrong_audience", "aud" },
		{ OURS FOREVER, "bad_claim", "sub" },
		{ "\"sub\":\"\"," OURS FOREVER, "bad_claim", "sub" },
		{ "\"roles\":1," OURS FOREVER, "bad_claim", "roles" },
		{ "\"jti\":1," OURS FOREVER, "bad_claim", "jti" },
		{ "\"weir\":1," OURS FOREVER, "bad_claim", "weir" },
		{ "\"sub\":1,\"sub\":2," FOREVER, "malformed", NULL },
	};
	struct auth *auth = auth_of((struct auth_options){ .issuer = "us", .audience = "weir" });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *claim = "none";
		enum auth_result result = verify_why(auth, rows[i].claims, NOW_MS, NULL, &claim);
		assert_string_equal(auth_result_cause(result), rows[i].cause);
		assert_string_equal(claim != NULL ? claim : "none",
			rows[i].claim != NULL ? rows[i].claim : "none");
	}
	auth_free(auth);
}

// As identity providers write them; each row is one configuration and one token.
static void finds_claims_by_paths(void **state)
{
	(void)state;
	static const struct {
		struct auth_options options;
		const char *claims;
		const char *user; // NULL: refused as bad_claim
		const char *username;
		const char *role;
	} rows[] = {
		{ { .username_claim = "preferred_username", .roles_claim = "realm_access.roles" },
			"\"sub\":\"k\",\"preferred_username\":\"ann\","
			"\"realm_access\":{\"roles\":[\"admin\"]},\"username\":\"no\"",
			"k", "ann", "admin" },
		{ { .roles_claim = "https://app.example/roles" },
			"\"sub\":\"a\",\"https://app.example/roles\":[\"r\"],\"roles\":[\"no\"]",
			"a", "", "r" },
		{ { .roles_claim = "a.b.c" }, "\"sub\":1,\"a.b\":{\"c\":[\"r\"]}", "1", "", "r" },
		{ { .roles_claim = "a.b.c" }, "\"sub\":1,\"a\":{\"b.c\":[\"r\"]}", "1", "", "r" },
		{ { .roles_claim = "a.b" },
			"\"sub\":1,\"a.b\":[\"whole\"],\"a\":{\"b\":[\"nested\"]}", "1", "",
			"whole" },
		{ { .roles_claim = "a.b" }, "\"sub\":1,\"a\":[\"b\"]", "1", "", "" },
		{ { .roles_claim = "a..b." }, "\"sub\":1,\"a\":{}", "1", "", "" },
		{ { .roles_claim = "role" }, "\"sub\":1,\"role\":\"authenticated\"", "1", "",
			"authenticated" },
		{ { .roles_claim = "role" }, "\"sub\":1,\"role\":7", NULL, NULL, NULL },
		{ { 0 }, "\"sub\":1,\"roles\":\"admin\"", NULL, NULL, NULL },
		{ { .user_claim = "email" }, "\"sub\":1,\"email\":\"a@b.example\"", "a@b.example",
			"", "" },
		{ { .user_claim = "email" }, "\"sub\":1", NULL, NULL, NULL },
		{ { .user_claim = "ids.number" }, "\"ids\":{\"number\":7}", "7", "", "" },
		{ { .rights_claim = "app_metadata.weir" },
			"\"sub\":1,\"app_metadata\":{\"weir\":{\"join\":[7]}}", NULL, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct auth *auth = auth_of(rows[i].options);
		char *claims = xasprintf("%s," FOREVER, rows[i].claims);
		struct identity id;
		enum auth_result result = verify(auth, claims, NOW_MS, &id);
		assert_string_equal(auth_result_cause(result),
			rows[i].user != NULL ? "" : "bad_claim");
		if (rows[i].user != NULL) {
			assert_string_equal(id.user, rows[i].user);
			assert_string_equal(id.username != NULL ? id.username : "",
				rows[i].username);
			assert_string_equal(id.n_roles > 0 ? id.roles[0] : "", rows[i].role);
		}
		identity_fini(&id);
		free(claims);
		auth_free(auth);
	}
}

static void reads_who_a_client_is(void **state)
{
	(void)state;
	struct auth *auth = auth_of((struct auth_options){ .admin_role = "admin" });
	struct identity id;
	assert_int_equal(
		verify(auth,
			"\"sub\":\"ann\",\"userId\":\"other\",\"username\":\"Ann \xc3\x89.\","
			"\"roles\":[\"reader\",\"admin\"],\"exp\":1700000100,\"iat\":1699999999,"
			"\"jti\":\"t-1\",\"custom\":{\"deep\":[1]}",
			NOW_MS, &id),
		AUTH_OK);
	assert_string_equal(id.user, "ann");
	assert_string_equal(id.username, "Ann \xc3\x89.");
	assert_int_equal(id.n_roles, 2);
	assert_string_equal(id.roles[0], "reader");
	assert_string_equal(id.roles[1], "admin");
	assert_true(id.admin);
	assert_null(id.rights);
	assert_int_equal(id.expires_s, 1700000100);
	assert_int_equal(id.issued_s, 1699999999);
	assert_string_equal(id.jti, "t-1");
	identity_fini(&id);
	identity_fini(&id);

	assert_int_equal(verify(auth, "\"sub\":\"bob\"," FOREVER, NOW_MS, &id), AUTH_OK);
	assert_string_equal(id.user, "bob");
	assert_null(id.username);
	assert_null(id.jti);
	assert_int_equal(id.n_roles, 0);
	assert_false(id.admin);
	assert_int_equal(id.issued_s, 0);
	identity_fini(&id);
	auth_free(auth);
}

static void finds_the_user_in_sub_or_userid(void **state)
{
	(void)state;
	static const struct {
		const char *claims;
		const char *user; // NULL: refused
	} rows[] = {
		{ "\"sub\":\"ann\"", "ann" },
		{ "\"userId\":\"ann\"", "ann" },
		{ "\"sub\":42", "42" },
		{ "\"userId\":42", "42" },
		{ "\"sub\":-7", "-7" },
		{ "\"sub\":9223372036854775807", "9223372036854775807" },
		{ "\"sub\":\"a*b {user}\"", "a*b {user}" },
		{ "\"sub\":\"\xc3\xa9\xe2\x82\xac\"", "\xc3\xa9\xe2\x82\xac" },
		{ "\"sub\":\"\\u00e9\"", "\xc3\xa9" },
		{ "\"sub\":\"123" X120 "\"", "123" X120 },
		{ "\"sub\":\"1234" X120 "\"", NULL },
		{ "\"userId\":\"1234" X120 "\"", NULL },
		{ "", NULL },
		{ "\"sub\":\"\"", NULL },
		{ "\"userId\":\"\"", NULL },
		{ "\"sub\":\"a\\nb\"", NULL },
		{ "\"sub\":\"a\\u007f\"", NULL },
		{ "\"sub\":\"a\\u0085\"", NULL },
		{ "\"sub\":1.0", NULL },
		{ "\"sub\":1e3", NULL },
		{ "\"sub\":true", NULL },
		{ "\"sub\":null", NULL },
		{ "\"sub\":[\"ann\"]", NULL },
		{ "\"sub\":{}", NULL },
		// What is there, but wrong, is not looked past.
		{ "\"sub\":null,\"userId\":\"ann\"", NULL },
		{ "\"sub\":\"\",\"userId\":\"ann\"", NULL },
		{ "\"Sub\":\"ann\"", NULL },
	};
	struct auth *auth = auth_of((struct auth_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *comma = rows[i].claims[0] != '\0' ? "," : "";
		char *claims = xasprintf(FOREVER "%s%s", comma, rows[i].claims);
		struct identity id;
		enum auth_result result = verify(auth, claims, NOW_MS, &id);
		if (result != (rows[i].user != NULL ? AUTH_OK : AUTH_SUBJECT) ||
			(rows[i].user != NULL && strcmp(id.user, rows[i].user) != 0)) {
			fail_msg("%s: %s", rows[i].claims, auth_result_text(result));
		}
		identity_fini(&id);
		free(claims);
	}
	auth_free(auth);
}

static void holds_times_to_the_millisecond(void **state)
{
	(void)state;
	static const struct {
		const char *claims;
		int64_t after_ms; // the result changes here, counted from NOW
		enum auth_result before;
		enum auth_result from;
	} rows[] = {
		{ "\"exp\":1700000000", 30000, AUTH_OK, AUTH_EXPIRED },
		{ "\"exp\":1699999970", 0, AUTH_OK, AUTH_EXPIRED },
		{ "\"exp\":1699999969", -1000, AUTH_OK, AUTH_EXPIRED },
		{ "\"exp\":1700000000.999", 30000, AUTH_OK, AUTH_EXPIRED },
		{ FOREVER ",\"nbf\":1700000030", 0, AUTH_NOT_YET, AUTH_OK },
		{ FOREVER ",\"nbf\":1700000031", 1000, AUTH_NOT_YET, AUTH_OK },
		{ FOREVER ",\"nbf\":1700000000.0", -30000, AUTH_NOT_YET, AUTH_OK },
		{ FOREVER ",\"iat\":1700000030", 0, AUTH_NOT_YET, AUTH_OK },
		{ FOREVER ",\"iat\":1700000031.5", 1000, AUTH_NOT_YET, AUTH_OK },
	};
	struct auth *auth = auth_of((struct auth_options){ .leeway_ms = 30000 });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *claims = xasprintf("\"sub\":\"ann\",%s", rows[i].claims);
		int64_t edge_ms = NOW_MS + rows[i].after_ms;
		if (verify(auth, claims, edge_ms - 1, NULL) != rows[i].before ||
			verify(auth, claims, edge_ms, NULL) != rows[i].from) {
			fail_msg("%s", rows[i].claims);
		}
		free(claims);
	}
	auth_free(auth);
	auth = auth_of((struct auth_options){ 0 });
	assert_int_equal(verify(auth, "\"sub\":1,\"exp\":1700000000", NOW_MS - 1, NULL), AUTH_OK);
	assert_int_equal(verify(auth, "\"sub\":1,\"exp\":1700000000", NOW_MS, NULL), AUTH_EXPIRED);
	auth_free(auth);
}

static void refuses_claims_of_the_wrong_type(void **state)
{
	(void)state;
	static const struct claims_row rows[] = {
		{ "\"sub\":1,\"exp\":1800000000", AUTH_OK },
		{ "\"sub\":1,\"exp\":1800000000.5", AUTH_OK },
		{ "\"sub\":1,\"exp\":1.8e9", AUTH_OK },
		{ "\"sub\":1,\"exp\":9007199254740991", AUTH_OK },
		{ "\"sub\":1", AUTH_NO_EXP },
		{ "\"sub\":1,\"exp\":\"1800000000\"", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":null", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":true", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":[1800000000]", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":{}", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":-1", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":-0.5", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":-0.0", AUTH_EXPIRED },
		{ "\"sub\":1,\"exp\":0", AUTH_EXPIRED },
		{ "\"sub\":1,\"exp\":9007199254740992", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":9007199254740992.0", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":9223372036854775807", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":9223372036854775808", AUTH_MALFORMED },
		{ "\"sub\":1,\"exp\":1e300", AUTH_CLAIMS },
		{ "\"sub\":1,\"exp\":1e400", AUTH_MALFORMED },
		{ "\"sub\":1,\"exp\":1800000000,\"exp\":1900000000", AUTH_MALFORMED },
		{ "\"sub\":1,\"sub\":2," FOREVER, AUTH_MALFORMED },
		{ "\"sub\":1,\"nbf\":\"0\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"nbf\":null," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"nbf\":-1," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"nbf\":9e15," FOREVER, AUTH_NOT_YET },
		{ "\"sub\":1,\"nbf\":0," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"iat\":\"1\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"iat\":false," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"iat\":0," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"username\":7," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"username\":null," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"username\":\"a\\tb\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"username\":\"a\\u202eb\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[\"a\\u2066b\"]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"username\":\"12345678" X120 "\"," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"username\":\"123456789" X120 "\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"username\":\"\"," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"jti\":7," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"jti\":\"\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"jti\":\"1234567890123456" X120 X120 "\"," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"jti\":\"12345678901234567" X120 X120 "\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":\"admin\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":{\"admin\":true}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":null," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[1]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[\"a\",null]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[\"a\",\"\"]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[\"1234" X60 "\"]," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"roles\":[\"12345" X60 "\"]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"roles\":[]," FOREVER, AUTH_OK },
		{ "\"sub\":1,\"weir\":null," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":[]," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":\"*\"," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":\"*\"}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":[7]}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":[\"a\",null]}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":[\"\"]}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":[\"a\\nb\"]}," FOREVER, AUTH_CLAIMS },
		{ "\"sub\":1,\"weir\":{\"join\":[\"1234567890123456" X120 X120 "\"]}," FOREVER,
			AUTH_OK },
		{ "\"sub\":1,\"weir\":{\"join\":[\"12345678901234567" X120 X120 "\"]}," FOREVER,
			AUTH_CLAIMS },
		// Not configured, not looked at
		{ "\"sub\":1,\"iss\":7,\"aud\":{}," FOREVER, AUTH_OK },
	};
	struct auth *auth = auth_of((struct auth_options){ 0 });
	check_rows(auth, rows, ARRAY_LEN(rows));
	auth_free(auth);
}

static void wants_its_issuer_and_audience(void **state)
{
	(void)state;
	static const struct claims_row rows[] = {
		{ "\"iss\":\"https://id.test\",\"aud\":\"weir\"", AUTH_OK },
		{ "\"iss\":\"https://id.test\",\"aud\":[\"weir\"]", AUTH_OK },
		{ "\"iss\":\"https://id.test\",\"aud\":[\"x\",\"weir\",\"y\"]", AUTH_OK },
		{ "\"aud\":\"weir\"", AUTH_ISSUER },
		{ "\"iss\":\"https://id.test/\",\"aud\":\"weir\"", AUTH_ISSUER },
		{ "\"iss\":\"HTTPS://id.test\",\"aud\":\"weir\"", AUTH_ISSUER },
		{ "\"iss\":[\"https://id.test\"],\"aud\":\"weir\"", AUTH_ISSUER },
		{ "\"iss\":null,\"aud\":\"weir\"", AUTH_ISSUER },
		{ "\"iss\":\"https://id.test\"", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":\"weir2\"", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":\"\"", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":[]", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":[\"x\"]", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":[\"weir\",7]", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":[[\"weir\"]]", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":{\"weir\":1}", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":null", AUTH_AUDIENCE },
		{ "\"iss\":\"https://id.test\",\"aud\":7", AUTH_AUDIENCE },
	};
	struct auth *auth =
		auth_of((struct auth_options){ .issuer = "https://id.test", .audience = "weir" });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *claims = xasprintf("\"sub\":1,%s," FOREVER, rows[i].claims);
		check_rows(auth, &(struct claims_row){ claims, rows[i].result }, 1);
		free(claims);
	}
	auth_free(auth);
	auth = auth_of((struct auth_options){ .issuer = "", .audience = "" });
	assert_int_equal(verify(auth, "\"sub\":1," FOREVER, NOW_MS, NULL), AUTH_OK);
	auth_free(auth);
}

static void bounds_the_lifetime_of_tokens(void **state)
{
	(void)state;
	static const struct claims_row rows[] = {
		{ "\"sub\":1,\"iat\":1699999000,\"exp\":1700002600", AUTH_OK },
		{ "\"sub\":1,\"iat\":1699999000,\"exp\":1700002601", AUTH_LIFETIME },
		{ "\"sub\":1,\"iat\":1699999000.5,\"exp\":1700002600", AUTH_OK },
		{ "\"sub\":1,\"iat\":0,\"exp\":9007199254740991", AUTH_LIFETIME },
		{ "\"sub\":1,\"exp\":1700002600", AUTH_CLAIMS },
		{ "\"sub\":1,\"nbf\":1699999000,\"exp\":1700002600", AUTH_CLAIMS },
	};
	struct auth *auth = auth_of((struct auth_options){ .max_lifetime_ms = 3600000 });
	check_rows(auth, rows, ARRAY_LEN(rows));
	auth_free(auth);
}

static void does_not_overflow_with_absurd_durations(void **state)
{
	(void)state;
	static const struct claims_row rows[] = {
		{ "\"sub\":1,\"exp\":1,\"iat\":1", AUTH_OK },
		{ "\"sub\":1,\"exp\":9007199254740991,\"iat\":0", AUTH_OK },
		{ "\"sub\":1,\"exp\":9007199254740991,\"iat\":9007199254740991", AUTH_OK },
	};
	struct auth *auth = auth_of((struct auth_options){
		.leeway_ms = UINT64_MAX,
		.max_lifetime_ms = UINT64_MAX,
	});
	check_rows(auth, rows, ARRAY_LEN(rows));
	auth_free(auth);
}

static void knows_an_admin_by_the_configured_role(void **state)
{
	(void)state;
	static const struct {
		const char *admin_role;
		const char *roles;
		bool admin;
	} rows[] = {
		{ "admin", "[\"admin\"]", true },
		{ "admin", "[\"a\",\"admin\",\"b\"]", true },
		{ "admin", "[\"Admin\"]", false },
		{ "admin", "[\"admin2\"]", false },
		{ "admin", "[]", false },
		{ "root", "[\"admin\"]", false },
		{ "root", "[\"root\"]", true },
		{ "", "[\"admin\"]", false },
		{ NULL, "[\"admin\"]", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct auth *auth =
			auth_of((struct auth_options){ .admin_role = rows[i].admin_role });
		char *claims = xasprintf("\"sub\":1,\"roles\":%s," FOREVER, rows[i].roles);
		struct identity id;
		assert_int_equal(verify(auth, claims, NOW_MS, &id), AUTH_OK);
		if (id.admin != rows[i].admin) {
			fail_msg("%s %s", rows[i].admin_role, rows[i].roles);
		}
		identity_fini(&id);
		free(claims);
		auth_free(auth);
	}
}

// {"sub":1,"roles":["r","r",...]} of `n` roles, or the same number of patterns.
static enum auth_result verify_many(const struct auth *auth, const char *before, const char *format,
	unsigned n, const char *after)
{
	struct buf claims = { 0 };
	buf_append_str(&claims, before);
	for (unsigned i = 0; i < n; i++) {
		buf_append_str(&claims, i > 0 ? ",\"" : "\"");
		buf_append_str(&claims, format);
		buf_append_uint(&claims, i);
		buf_append_byte(&claims, '"');
	}
	buf_append_str(&claims, after);
	buf_append_byte(&claims, '\0');
	enum auth_result result = verify(auth, (const char *)claims.data, NOW_MS, NULL);
	buf_fini(&claims);
	return result;
}

static void bounds_the_number_of_roles_and_patterns(void **state)
{
	(void)state;
	struct auth *auth = auth_of((struct auth_options){ 0 });
	const char *roles = "\"sub\":1," FOREVER ",\"roles\":[";
	assert_int_equal(verify_many(auth, roles, "r", AUTH_ROLES_MAX, "]"), AUTH_OK);
	assert_int_equal(verify_many(auth, roles, "r", AUTH_ROLES_MAX + 1, "]"), AUTH_CLAIMS);
	const char *rights = "\"sub\":1," FOREVER ",\"weir\":{\"join\":[";
	assert_int_equal(verify_many(auth, rights, "p", RIGHTS_PATTERNS_MAX, "]}"), AUTH_OK);
	assert_int_equal(verify_many(auth, rights, "p", RIGHTS_PATTERNS_MAX + 1, "]}"),
		AUTH_CLAIMS);
	auth_free(auth);
}

static void reads_the_rights_of_the_token(void **state)
{
	(void)state;
	struct auth *auth = auth_of((struct auth_options){ 0 });
	struct identity id;
	assert_int_equal(verify(auth,
				 "\"sub\":\"ann\"," FOREVER
				 ",\"weir\":{\"join\":[\"a*\",\"dm-{user}\"],"
				 "\"publish\":[\"a*\"],\"moderate\":7,\"history\":[]}",
				 NOW_MS, &id),
		AUTH_OK);
	assert_int_equal(rights_count(id.rights), 2);
	unsigned mask = 0;
	assert_bytes_equal(rights_at(id.rights, 0, &mask), "a*");
	assert_int_equal(mask, RIGHT_JOIN | RIGHT_PUBLISH);
	assert_bytes_equal(rights_at(id.rights, 1, &mask), "dm-{user}");
	assert_int_equal(mask, RIGHT_JOIN);
	identity_fini(&id);
	// A claim that grants nothing is not a missing one.
	assert_int_equal(verify(auth, "\"sub\":\"ann\"," FOREVER ",\"weir\":{}", NOW_MS, &id),
		AUTH_OK);
	assert_non_null(id.rights);
	assert_int_equal(rights_count(id.rights), 0);
	identity_fini(&id);
	auth_free(auth);
}

static void picks_the_key_by_algorithm_and_kid(void **state)
{
	(void)state;
	char *specs[] = {
		key_dir_write(&dir, "k-a", bytes_str(key_a), 0600, "HS256:a="),
		key_dir_write(&dir, "k-b", bytes_str(key_b), 0600, "HS256:"),
		key_dir_write(&dir, "k-long", bytes_str(key_long), 0600, "HS512:a="),
	};
	static const struct {
		const char *alg;
		const char *key;
		const char *header;
		enum auth_result result;
	} rows[] = {
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"a\"}", AUTH_OK },
		{ "HS256", key_b, "{\"alg\":\"HS256\",\"kid\":\"a\"}", AUTH_SIGNATURE },
		{ "HS512", key_long, "{\"alg\":\"HS512\",\"kid\":\"a\"}", AUTH_OK },
		{ "HS256", key_long, "{\"alg\":\"HS256\",\"kid\":\"a\"}", AUTH_SIGNATURE },
		{ "HS512", key_a, "{\"alg\":\"HS512\",\"kid\":\"a\"}", AUTH_SIGNATURE },
		{ "HS256", key_a, "{\"alg\":\"HS256\"}", AUTH_OK },
		{ "HS256", key_b, "{\"alg\":\"HS256\"}", AUTH_OK },
		{ "HS512", key_long, "{\"alg\":\"HS512\"}", AUTH_OK },
		{ "HS256", key_long, "{\"alg\":\"HS256\"}", AUTH_SIGNATURE },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"b\"}", AUTH_KEY },
		{ "HS256", key_b, "{\"alg\":\"HS256\",\"kid\":\"b\"}", AUTH_KEY },
		{ "HS256", key_b, "{\"alg\":\"HS256\",\"kid\":\"\"}", AUTH_KEY },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":1}", AUTH_KEY },
		{ "HS256", key_b, "{\"alg\":\"HS256\",\"kid\":null}", AUTH_KEY },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"' OR 1=1 --\"}", AUTH_KEY },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\"}", AUTH_KEY },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"" X120 X120 X120 X120 "\"}",
			AUTH_KEY },
		{ "HS384", key_long, "{\"alg\":\"HS384\",\"kid\":\"a\"}", AUTH_ALGORITHM },
		{ "HS384", key_long, "{\"alg\":\"HS384\"}", AUTH_ALGORITHM },
		{ "HS256", key_a, "{\"alg\":\"none\",\"kid\":\"a\"}", AUTH_ALGORITHM },
		{ "HS256", key_a, "{\"alg\":\"HS256\",\"kid\":\"a\",\"crit\":[\"x\"]}",
			AUTH_ALGORITHM },
	};
	struct auth *auth = auth_of((struct auth_options){
		.keys = (const char *const *)specs,
		.n_keys = ARRAY_LEN(specs),
	});
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = token_make(rows[i].alg, bytes_str(rows[i].key), rows[i].header,
			"{\"sub\":1," FOREVER "}");
		struct identity id;
		enum auth_result result = auth_verify(auth, bytes_str(token), NOW_MS, &id, NULL);
		if (result != rows[i].result) {
			fail_msg("row %zu %s: %s", i, rows[i].header, auth_result_text(result));
		}
		identity_fini(&id);
		free(token);
	}
	auth_free(auth);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		free(specs[i]);
	}
}

static void refuses_unsigned_tokens_however_they_are_spelt(void **state)
{
	(void)state;
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\"}",
		"{\"alg\":\"NONE\"}",
		"{\"alg\":\"nOnE\"}",
		"{}",
		HEADER,
	};
	static const char *const tails[] = { "", ".", ".AAAA", ".AA" };
	struct auth *auth = auth_of((struct auth_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		for (size_t j = 0; j < ARRAY_LEN(tails); j++) {
			char *h = token_encode(bytes_str(headers[i]));
			char *p = token_encode(bytes_str("{\"sub\":1," FOREVER "}"));
			char *token = xasprintf("%s.%s%s", h, p, tails[j]);
			struct identity id;
			assert_int_not_equal(auth_verify(auth, bytes_str(token), NOW_MS, &id, NULL),
				AUTH_OK);
			free(token);
			free(p);
			free(h);
		}
	}
	auth_free(auth);
}

static void refuses_every_flipped_bit_of_a_token(void **state)
{
	(void)state;
	struct auth *auth = auth_of((struct auth_options){ 0 });
	char *token = token_make("HS256", bytes_str(key_a), HEADER, "{\"sub\":1," FOREVER "}");
	size_t len = strlen(token);
	struct identity id;
	for (size_t i = 0; i < len * 8; i++) {
		char *byte = &token[i / 8];
		char was = *byte;
		*byte = (char)(was ^ 1 << i % 8);
		if (auth_verify(auth, bytes_make(token, len), NOW_MS, &id, NULL) == AUTH_OK) {
			fail_msg("byte %zu bit %zu", i / 8, i % 8);
		}
		*byte = was;
	}
	for (size_t i = 0; i < len; i++) {
		assert_int_not_equal(auth_verify(auth, bytes_make(token, i), NOW_MS, &id, NULL),
			AUTH_OK);
	}
	assert_int_equal(auth_verify(auth, bytes_make(token, len), NOW_MS, &id, NULL), AUTH_OK);
	identity_fini(&id);
	free(token);
	auth_free(auth);
}

// A flood of stale or foreign tokens must not cost a signature each.
static void refuses_before_the_signature_what_needs_none(void **state)
{
	(void)state;
	struct auth *auth = auth_of((struct auth_options){ .issuer = "i" });
	static const struct {
		const char *payload;
		enum auth_result result;
	} rows[] = {
		{ "{\"sub\":1,\"iss\":\"i\",\"exp\":1}", AUTH_EXPIRED },
		{ "{\"sub\":1,\"iss\":\"j\"," FOREVER "}", AUTH_ISSUER },
		{ "{\"sub\":1,\"iss\":\"i\"," FOREVER "}", AUTH_SIGNATURE },
		{ "{\"iss\":\"i\"," FOREVER "}", AUTH_SIGNATURE }, // who it is comes last
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = token_make("HS256", bytes_str(key_b), HEADER, rows[i].payload);
		struct identity id;
		assert_int_equal(auth_verify(auth, bytes_str(token), NOW_MS, &id, NULL),
			rows[i].result);
		free(token);
	}
	auth_free(auth);
}

static void refuses_to_start_without_sound_keys(void **state)
{
	(void)state;
	char *empty = key_dir_write(&dir, "empty", bytes_str(""), 0600, "HS256:");
	char *newline = key_dir_write(&dir, "newline", bytes_str("\n"), 0600, "HS256:");
	char *loose = key_dir_write(&dir, "loose", bytes_str(key_a), 0644, "HS256:");
	char *named = key_dir_write(&dir, "named", bytes_str(key_a), 0600, "HS256:k=");
	const struct {
		const char *first;
		const char *second;
		const char *why;
	} rows[] = {
		{ NULL, NULL, "no key" },
		{ empty, NULL, "/empty: " },
		{ newline, NULL, "/newline: " },
		{ loose, NULL, "/loose: " },
		{ spec_a, empty, "/empty: " }, // one good key does not excuse the other
		{ spec_a, "RS256:/nowhere", "/nowhere: No such file" },
		{ spec_a, "none:/nowhere", "unknown algorithm" },
		{ named, named, "the same kid twice" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const keys[] = { rows[i].first, rows[i].second };
		struct auth_options options = {
			.keys = keys,
			.n_keys = rows[i].first == NULL  ? 0
				: rows[i].second == NULL ? 1
							 : 2,
		};
		struct fault fault;
		assert_null(auth_new(&options, &fault));
		assert_string_equal(fault.option, "jwt-key");
		if (strstr(fault.what, rows[i].why) == NULL || strstr(fault.what, "aaaa") != NULL) {
			fail_msg("%s", fault.what);
		}
		fault_fini(&fault);
	}
	auth_free(NULL);
	free(named);
	free(loose);
	free(newline);
	free(empty);
}

static void without_a_key_yet_every_token_has_an_unknown_one(void **state)
{
	(void)state;
	const struct auth_options options = { .jwks_url = "https://login.example/jwks" };
	struct fault fault = { 0 };
	struct auth *auth = auth_new(&options, &fault);
	assert_non_null(auth);
	assert_false(auth_has_keys(auth));
	assert_int_equal(verify(auth, "\"sub\":1," FOREVER, NOW_MS, NULL), AUTH_KEY);
	auth_free(auth);
}

static void has_a_text_for_each_result(void **state)
{
	(void)state;
	for (int i = AUTH_OK; i <= AUTH_LIFETIME; i++) {
		assert_true(i == AUTH_OK || auth_result_cause((enum auth_result)i)[0] != '\0');
		assert_non_null(auth_result_text((enum auth_result)i));
	}
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_who_a_client_is),
		cmocka_unit_test(finds_claims_by_paths),
		cmocka_unit_test(names_the_cause_and_the_claim_at_fault),
		cmocka_unit_test(finds_the_user_in_sub_or_userid),
		cmocka_unit_test(holds_times_to_the_millisecond),
		cmocka_unit_test(refuses_claims_of_the_wrong_type),
		cmocka_unit_test(wants_its_issuer_and_audience),
		cmocka_unit_test(bounds_the_lifetime_of_tokens),
		cmocka_unit_test(does_not_overflow_with_absurd_durations),
		cmocka_unit_test(knows_an_admin_by_the_configured_role),
		cmocka_unit_test(bounds_the_number_of_roles_and_patterns),
		cmocka_unit_test(reads_the_rights_of_the_token),
		cmocka_unit_test(picks_the_key_by_algorithm_and_kid),
		cmocka_unit_test(refuses_unsigned_tokens_however_they_are_spelt),
		cmocka_unit_test(refuses_every_flipped_bit_of_a_token),
		cmocka_unit_test(refuses_before_the_signature_what_needs_none),
		cmocka_unit_test(refuses_to_start_without_sound_keys),
		cmocka_unit_test(without_a_key_yet_every_token_has_an_unknown_one),
		cmocka_unit_test(has_a_text_for_each_result),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
