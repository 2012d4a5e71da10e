#include <stdio.h>
#include <string.h>

#include "edge/http/api_answer.h"
#include "edge/http/http_upgrade.h"
#include "tests/unit/test.h"

static const char *const listed[] = { "https://good.example" };

static void assert_answer(struct buf *out, const char *expected)
{
	buf_append_byte(out, '\0');
	assert_string_equal((const char *)out->data, expected);
	buf_fini(out);
}

// What follows from a request with these fields, when `n` origins are allowed.
static struct api_manner manner_of(const char *method, const char *fields, size_t n)
{
	static char text[256];
	static struct http_head head;
	struct upgrade_policy policy = { .allowed_origins = listed, .n_allowed_origins = n };
	struct api_manner manner = { .request_id = bytes_str("r1"), .allow = "GET, OPTIONS" };
	(void)snprintf(text, sizeof(text), "%s /v1/whoami HTTP/1.1\r\nHost: a\r\n%s\r\n", method,
		fields);
	assert_int_equal(http_head_parse(bytes_str(text), &head), 0);
	api_manner_of(&manner, &head, &policy);
	return manner;
}

static void an_answer_has_its_fields_in_one_order(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct api_manner manner = manner_of("GET", "", 0);
	api_answer_json(&out, &manner, 200, "application/json", bytes_str("{}"));
	assert_answer(&out,
		"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nContent-Type: application/json\r\n"
		"Content-Length: 2\r\nCache-Control: no-store\r\n\r\n{}");
}

static void head_gets_the_length_and_no_body(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct api_manner manner = manner_of("HEAD", "Connection: close\r\n", 0);
	api_answer_json(&out, &manner, 200, "application/json", bytes_str("{}"));
	assert_answer(&out,
		"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: 2\r\n"
		"Cache-Control: no-store\r\n\r\n");
}

static void only_an_allowed_origin_may_read(void **state)
{
	(void)state;
	assert_int_equal(manner_of("GET", "Origin: https://evil.example\r\n", 1).origin.len, 0);
	assert_int_equal(manner_of("GET", "Origin: https://good.example\r\n", 0).origin.len, 0);
	struct buf out = { 0 };
	struct api_manner manner = manner_of("GET", "Origin: https://good.example\r\n", 1);
	api_answer_json(&out, &manner, 200, "application/json", bytes_str("{}"));
	assert_answer(&out,
		"HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nVary: Origin\r\n"
		"Access-Control-Allow-Origin: https://good.example\r\n"
		"Access-Control-Expose-Headers: X-Request-Id, Retry-After\r\n"
		"Content-Type: application/json\r\nContent-Length: 2\r\n"
		"Cache-Control: no-store\r\n\r\n{}");
}

static void a_problem_says_what_can_be_done(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct api_manner manner = manner_of("GET", "", 0);
	manner.retry_after_s = 5;
	api_answer_problem(&out, &manner, 503, "unavailable", "No \"router\"", "none",
		bytes_make(NULL, 0));
	assert_answer(&out,
		"HTTP/1.1 503 Service Unavailable\r\nX-Request-Id: r1\r\nRetry-After: 5\r\n"
		"Content-Type: application/problem+json\r\nContent-Length: 128\r\n"
		"Cache-Control: no-store\r\n\r\n"
		"{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
		"\"code\":\"unavailable\",\"detail\":\"No \\\"router\\\"\",\"outcome\":\"none\"}");
	manner.retry_after_s = 0;
	api_answer_problem(&out, &manner, 405, "method_not_allowed", "x", "", bytes_make(NULL, 0));
	buf_append_byte(&out, '\0');
	assert_non_null(strstr((const char *)out.data, "\r\nAllow: GET, OPTIONS\r\n"));
	assert_null(strstr((const char *)out.data, "outcome"));
	buf_fini(&out);
}

static void a_result_has_no_type(void **state)
{
	(void)state;
	struct buf out = { 0 };
	api_result_append(&out, bytes_str("{\"type\":\"ack\",\"seq\":1}"));
	api_result_append(&out, bytes_str("{\"type\":\"ack\"}"));
	assert_answer(&out, "{\"seq\":1}{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_its_fields_in_one_order),
		cmocka_unit_test(head_gets_the_length_and_no_body),
		cmocka_unit_test(only_an_allowed_origin_may_read),
		cmocka_unit_test(a_problem_says_what_can_be_done),
		cmocka_unit_test(a_result_has_no_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
