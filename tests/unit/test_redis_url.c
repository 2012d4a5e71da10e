#include "router/store/redis_url.h"
#include "tests/unit/test.h"

static void assert_same(const char *got, const char *expected)
{
	assert_int_equal(got == NULL, expected == NULL);
	if (got != NULL) {
		assert_string_equal(got, expected);
	}
}

static void takes_apart_what_it_knows(void **state)
{
	(void)state;
	const struct {
		const char *text;
		struct redis_url url;
	} rows[] = {
		{ "redis://h", { .host = "h", .port = REDIS_PORT } },
		{ "redis://h/", { .host = "h", .port = REDIS_PORT } },
		{ "redis://ann@h:7/15", { .user = "ann", .host = "h", .port = 7, .db = 15 } },
		{ "redis://[::1]", { .host = "::1", .port = REDIS_PORT } },
		{ "redis://[::1]:65535/65535", { .host = "::1", .port = 65535, .db = 65535 } },
		{ "redis+unix:///s", { .path = "/s" } },
		{ "redis+unix://ann@/a/b?db=3", { .user = "ann", .path = "/a/b", .db = 3 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct redis_url url;
		assert_null(redis_url_parse(rows[i].text, &url));
		assert_same(url.user, rows[i].url.user);
		assert_same(url.host, rows[i].url.host);
		assert_same(url.path, rows[i].url.path);
		assert_int_equal(url.port, rows[i].url.port);
		assert_int_equal(url.db, rows[i].url.db);
		redis_url_fini(&url);
	}
}

// A part that is not understood must not end in another database.
static void refuses_the_rest_and_keeps_nothing(void **state)
{
	(void)state;
	const char *const rows[] = {
		"",
		"redis:/h",
		"rediss://h",
		"redis://",
		"redis://:6379",
		"redis://@h",
		"redis://ann:secret@h",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:",
		"redis://h:+1",
		"redis://h:4294967297",
		"redis://h/one",
		"redis://h/1x",
		"redis://h/65536",
		"redis://h/0/1",
		"redis://[::1",
		"redis://[::1]6379",
		"redis://[]:1",
		"redis+unix://",
		"redis+unix:///",
		"redis+unix://s",
		"redis+unix:///s?db=",
		"redis+unix:///s?base=1",
		"redis+unix://ann@",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct redis_url url;
		assert_non_null(redis_url_parse(rows[i], &url));
		assert_null(url.user);
		assert_null(url.host);
		assert_null(url.path);
	}
}

static void knows_what_claims_to_be_one(void **state)
{
	(void)state;
	assert_true(redis_url_is("redis://"));
	assert_true(redis_url_is("rediss://h"));
	assert_true(redis_url_is("redis+unix://?"));
	assert_false(redis_url_is("redis"));
	assert_false(redis_url_is("/var/lib/redis://"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_apart_what_it_knows),
		cmocka_unit_test(refuses_the_rest_and_keeps_nothing),
		cmocka_unit_test(knows_what_claims_to_be_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
