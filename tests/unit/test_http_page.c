#include <stdlib.h>
#include <string.h>

#include "edge/http/http_page.h"
#include "edge/http/http_upgrade.h"
#include "tests/unit/test.h"

#define REST   " HTTP/1.1\r\nHost: a\r\n"
#define HEALTH "GET /health" REST
#define ASKS   "OPTIONS /health" REST
#define GOOD   "Origin: https://good.example\r\n"
#define EVIL   "Origin: https://good.example.evil.example\r\n"
#define METHOD "Access-Control-Request-Method: GET\r\n"
#define END    "\r\n"

#define ALLOWED "Vary: Origin\r\nAccess-Control-Allow-Origin: https://good.example\r\n"
#define CLOSE   "Connection: close\r\n"
#define ALLOW   "Allow: GET, HEAD, OPTIONS\r\n"
#define LINE(n)                                                                                    \
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: " n                            \
	"\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\r\n"

static const char *const good[] = { "https://good.example" };
static const char *const all[] = { "*" };
static const struct upgrade_policy closed = { 0 };
static const struct upgrade_policy listed = { .allowed_origins = good, .n_allowed_origins = 1 };
static const struct upgrade_policy open_to_all = { .allowed_origins = all, .n_allowed_origins = 1 };

struct row {
	const char *what;
	const struct upgrade_policy *policy;
	const char *request;
	const char *why_not;
	const char *expected;
};

static const struct row rows[] = {
	{ "a balancer", &closed, HEALTH END, NULL, "HTTP/1.1 200 OK\r\n" CLOSE LINE("3") "ok\n" },
	{ "no body for HEAD", &closed, "HEAD /ready" REST END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE LINE("3") },
	{ "a reason", &closed, "GET /ready" REST END, "no router yet",
		"HTTP/1.1 503 Service Unavailable\r\n" CLOSE LINE("14") "no router yet\n" },
	{ "another method", &closed, "POST /health" REST END, NULL,
		"HTTP/1.1 405 Method Not Allowed\r\n" CLOSE ALLOW LINE(
			"25") "only GET is allowed here\n" },
	{ "a page where none is listed", &closed, HEALTH GOOD END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE LINE("3") "ok\n" },
	{ "a listed page", &listed, HEALTH GOOD END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE ALLOWED LINE("3") "ok\n" },
	{ "a listed page reads a refusal too", &listed, "GET /ready" REST GOOD END, "draining",
		"HTTP/1.1 503 Service Unavailable\r\n" CLOSE ALLOWED LINE("9") "draining\n" },
	{ "caches are told also of no page", &listed, HEALTH END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE "Vary: Origin\r\n" LINE("3") "ok\n" },
	{ "another page", &listed, HEALTH EVIL END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE "Vary: Origin\r\n" LINE("3") "ok\n" },
	{ "two pages at once", &listed, HEALTH GOOD GOOD END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE "Vary: Origin\r\n" LINE("3") "ok\n" },
	{ "everybody, by name", &open_to_all, HEALTH GOOD END, NULL,
		"HTTP/1.1 200 OK\r\n" CLOSE ALLOWED LINE("3") "ok\n" },
	{ "a preflight", &listed, ASKS GOOD METHOD END, NULL,
		"HTTP/1.1 204 No Content\r\n" CLOSE ALLOW ALLOWED
		"Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
		"Access-Control-Max-Age: 600\r\n\r\n" },
	{ "a preflight with fields", &listed,
		ASKS GOOD METHOD "Access-Control-Request-Headers: authorization,x-a\r\n" END, NULL,
		"HTTP/1.1 204 No Content\r\n" CLOSE ALLOW ALLOWED
		"Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
		"Access-Control-Allow-Headers: authorization,x-a\r\n"
		"Access-Control-Max-Age: 600\r\n\r\n" },
	{ "a preflight of another page", &listed, ASKS EVIL METHOD END, NULL,
		"HTTP/1.1 403 Forbidden\r\n" CLOSE
		"Vary: Origin\r\n" LINE("27") "this origin is not allowed\n" },
	{ "a preflight of nobody", &listed, ASKS METHOD END, NULL,
		"HTTP/1.1 403 Forbidden\r\n" CLOSE
		"Vary: Origin\r\n" LINE("27") "this origin is not allowed\n" },
	{ "a plain OPTIONS", &closed, ASKS END, NULL,
		"HTTP/1.1 204 No Content\r\n" CLOSE ALLOW "\r\n" },
};

static void answers_each_who_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct http_head head;
		struct buf out = { 0 };
		assert_int_equal(http_head_parse(bytes_str(row->request), &head), 0);
		int status = http_page_answer(&out, &head, row->policy, row->why_not == NULL,
			row->why_not != NULL ? row->why_not : "ok");
		if (!bytes_equal_str(buf_bytes(&out), row->expected)) {
			fail_msg("%s: %.*s", row->what, (int)out.len, (const char *)out.data);
		}
		assert_int_equal(status, strtol(row->expected + strlen("HTTP/1.1 "), NULL, 10));
		buf_fini(&out);
	}
}

static void knows_its_pages_by_the_whole_path(void **state)
{
	(void)state;
	static const struct {
		const char *target;
		enum http_page page;
	} targets[] = {
		{ "/health", HTTP_PAGE_HEALTH },
		{ "/health?x=/ready", HTTP_PAGE_HEALTH },
		{ "/ready", HTTP_PAGE_READY },
		{ "/health/", HTTP_PAGE_NONE },
		{ "/Health", HTTP_PAGE_NONE },
		{ "//health", HTTP_PAGE_NONE },
		{ "/%68ealth", HTTP_PAGE_NONE },
		{ "/", HTTP_PAGE_NONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct http_head head;
		struct buf text = { 0 };
		buf_printf(&text, "GET %s" REST END, targets[i].target);
		assert_int_equal(http_head_parse(buf_bytes(&text), &head), 0);
		assert_int_equal(http_page_of(&head), targets[i].page);
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_each_who_asks),
		cmocka_unit_test(knows_its_pages_by_the_whole_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
