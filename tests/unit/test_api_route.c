#include <stdio.h>
#include <string.h>

#include "edge/http/api_route.h"
#include "tests/unit/test.h"

// What a request for `path` finds; the name is copied to `name`.
static int find(const char *method, const char *path, struct api_target *target, char name[64])
{
	char text[256];
	struct http_head head;
	struct buf scratch = { 0 };
	(void)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path);
	assert_int_equal(http_head_parse(bytes_str(text), &head), 0);
	int status = api_route_find(&head, &scratch, target);
	if (status == 0) {
		(void)snprintf(name, 64, "%.*s", (int)target->name.len,
			(const char *)target->name.data);
	}
	buf_fini(&scratch);
	return status;
}

static void each_resource_is_found_by_its_method(void **state)
{
	(void)state;
	static const struct {
		const char *method, *path;
		enum api_route route;
		const char *name;
	} rows[] = {
		{ "POST", "/v1/rooms/lobby/messages", API_PUBLISH, "lobby" },
		{ "GET", "/v1/rooms/lobby/messages?limit=1", API_HISTORY, "lobby" },
		{ "GET", "/v1/rooms/lobby/presence", API_PRESENCE, "lobby" },
		{ "GET", "/v1/rooms/lobby/events", API_EVENTS, "lobby" },
		{ "GET", "/v1/events?room=a", API_EVENTS_MANY, "" },
		{ "POST", "/v1/messages", API_BATCH, "" },
		{ "POST", "/v1/broadcast", API_BROADCAST, "" },
		{ "DELETE", "/v1/users/ann/connections", API_DISCONNECT, "ann" },
		{ "GET", "/v1/whoami", API_WHOAMI, "" },
		{ "GET", "/v1/openapi.json", API_OPENAPI, "" },
		{ "OPTIONS", "/v1/broadcast", API_PREFLIGHT, "" },
		{ "GET", "/v1/rooms/a%2Fb%20c/presence", API_PRESENCE, "a/b c" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct api_target target;
		char name[64];
		assert_int_equal(find(rows[i].method, rows[i].path, &target, name), 0);
		assert_string_equal(api_route_name(target.route), api_route_name(rows[i].route));
		assert_string_equal(name, rows[i].name);
		assert_int_equal(target.has_body, strcmp(rows[i].method, "POST") == 0);
	}
}

static void head_is_get_without_a_body(void **state)
{
	(void)state;
	struct api_target target;
	char name[64];
	assert_int_equal(find("HEAD", "/v1/whoami", &target, name), 0);
	assert_int_equal(target.route, API_WHOAMI);
	assert_true(target.head_only);
	assert_int_equal(find("HEAD", "/v1/broadcast", &target, name), 405);
}

static void what_is_no_resource_is_refused(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *method, *path;
	} rows[] = {
		{ 404, "GET", "/v1/" },
		{ 404, "GET", "/v1/rooms" },
		{ 404, "GET", "/v1/rooms/a" },
		{ 404, "GET", "/v1/rooms/a/messages/" },
		{ 404, "GET", "/v1/rooms/a/b/messages" },
		{ 404, "GET", "/v1/whoami/x" },
		{ 404, "GET", "/v1/Whoami" },
		{ 405, "PUT", "/v1/rooms/a/messages" },
		{ 405, "GET", "/v1/broadcast" },
		{ 400, "GET", "/v1/rooms/%/messages" },
		{ 400, "GET", "/v1/rooms/%4/messages" },
		{ 400, "GET", "/v1/rooms/%zz/messages" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct api_target target;
		char name[64];
		assert_int_equal(find(rows[i].method, rows[i].path, &target, name), rows[i].status);
	}
	struct api_target target;
	char name[64];
	assert_int_equal(find("PUT", "/v1/broadcast", &target, name), 405);
	assert_string_equal(target.allow, "POST, OPTIONS");
}

static void a_parameter_is_decoded_and_given_once(void **state)
{
	(void)state;
	struct buf scratch = { 0 };
	struct bytes value;
	struct bytes query = bytes_str("a=1&room=x%20y&b=&b=2");
	assert_int_equal(api_query_find(query, "room", NULL, &scratch, &value), 1);
	assert_true(bytes_equal_str(value, "x y"));
	assert_int_equal(api_query_find(query, "none", NULL, &scratch, &value), 0);
	assert_int_equal(api_query_find(query, "b", NULL, &scratch, &value), -1);
	assert_int_equal(api_query_find(bytes_str("a=%"), "a", NULL, &scratch, &value), -1);
	buf_fini(&scratch);
}

static void a_cursor_goes_through_several(void **state)
{
	(void)state;
	struct buf scratch = { 0 };
	struct bytes value;
	struct bytes rest = bytes_str("room=a&x=1&room=b");
	assert_int_equal(api_query_find(rest, "room", &rest, &scratch, &value), 1);
	assert_true(bytes_equal_str(value, "a"));
	assert_int_equal(api_query_find(rest, "room", &rest, &scratch, &value), 1);
	assert_true(bytes_equal_str(value, "b"));
	assert_int_equal(api_query_find(rest, "room", &rest, &scratch, &value), 0);
	buf_fini(&scratch);
}

static void a_number_is_digits_and_small_enough(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		int found;
		uint64_t value;
	} rows[] = {
		{ "n=0", 1, 0 },
		{ "n=42", 1, 42 },
		{ "n=9007199254740991", 1, 9007199254740991 },
		{ "m=1", 0, 0 },
		{ "n=", -1, 0 },
		{ "n=-1", -1, 0 },
		{ "n=1x", -1, 0 },
		{ "n=90071992547409910", -1, 0 },
		{ "n=1&n=2", -1, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t value = 0;
		assert_int_equal(api_query_uint(bytes_str(rows[i].query), "n", &value),
			rows[i].found);
		if (rows[i].found == 1) {
			assert_true(value == rows[i].value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_resource_is_found_by_its_method),
		cmocka_unit_test(head_is_get_without_a_body),
		cmocka_unit_test(what_is_no_resource_is_refused),
		cmocka_unit_test(a_parameter_is_decoded_and_given_once),
		cmocka_unit_test(a_cursor_goes_through_several),
		cmocka_unit_test(a_number_is_digits_and_small_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
