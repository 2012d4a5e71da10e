#include "edge/http/origin.h"
#include "tests/unit/test.h"

static void takes_what_browsers_send(void **state)
{
	(void)state;
	static const char *const good[] = {
		"*",
		"null",
		"http://localhost",
		"http://localhost:3000",
		"http://localhost:*",
		"https://chat.example.org",
		"https://chat.example.org:8443",
		"http://[::1]:*",
		"https://[2001:db8::1]",
		"https://xn--mnchen-3ya.example",
		"capacitor://localhost",
		"chrome-extension://abcdefghijklmnop",
		"app://Opaque.Host",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *why = origin_entry_check(good[i]);
		if (why != NULL) {
			fail_msg("%s: %s", good[i], why);
		}
	}
}

static void refuses_what_can_never_match(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"localhost",
		"localhost:3000",
		"//localhost",
		"://localhost",
		"http://",
		"http://:3000",
		"http://localhost/",
		"http://localhost:3000/chat",
		"http://localhost?x",
		"http://user@localhost",
		"http://localhost:",
		"http://localhost:0",
		"http://localhost:03000",
		"http://localhost:65536",
		"http://localhost:3000x",
		"http://localhost:**",
		"http://localhost:80",
		"https://example.org:443",
		"HTTP://localhost",
		"http://Example.org",
		"https://*.example.org",
		"*://localhost",
		"http://*",
		"http://[::1",
		"http://m\xc3\xbcnchen.example",
		"file://",
		"NULL",
		"http://a b",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (origin_entry_check(bad[i]) == NULL) {
			fail_msg("%s", bad[i]);
		}
	}
}

static void compares_whole_origins_but_for_the_port(void **state)
{
	(void)state;
	static const struct {
		const char *entry;
		const char *origin;
		bool matches;
	} rows[] = {
		{ "*", "https://anything.example", true },
		{ "*", "null", true },
		{ "null", "null", true },
		{ "null", "nul", false },
		{ "http://localhost:3000", "http://localhost:3000", true },
		{ "http://localhost:3000", "http://localhost:30000", false },
		{ "http://localhost:*", "http://localhost:5173", true },
		{ "http://localhost:*", "http://localhost", true },
		{ "http://localhost:*", "https://localhost:5173", false },
		{ "http://localhost:*", "http://localhost.evil.example:5173", false },
		{ "http://localhost:*", "http://localhost:5173.evil.example", false },
		{ "http://localhost:*", "http://localhost:", false },
		{ "http://localhost:*", "http://localhost:123456", false },
		{ "http://localhost:*", "http://localhos", false },
		{ "http://localhost:*", "null", false },
		{ "http://[::1]:*", "http://[::1]:8000", true },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool matches = origin_entry_matches(rows[i].entry, bytes_str(rows[i].origin));
		if (matches != rows[i].matches) {
			fail_msg("%s %s", rows[i].entry, rows[i].origin);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_browsers_send),
		cmocka_unit_test(refuses_what_can_never_match),
		cmocka_unit_test(compares_whole_origins_but_for_the_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
