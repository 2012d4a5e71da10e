#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "edge/http/client_addr.h"
#include "tests/unit/test.h"

static void trust_some(struct trusted_proxies *t)
{
	char v4[] = "10.0.0.0/8";
	char v6[] = "::1";
	char *items[] = { v4, v6 };
	const struct conf_list list = { .items = items, .n = ARRAY_LEN(items) };
	trusted_proxies_init(t, &list);
}

static struct net_ip ip_of(const char *text)
{
	struct net_ip ip;
	assert_true(net_ip_parse(bytes_str(text), &ip));
	return ip;
}

// Whom a request with these fields comes from, 10.0.0.0/8 and ::1 being trusted.
static void assert_client(const char *peer, const char *fields, const char *expected)
{
	struct trusted_proxies t;
	struct http_head head;
	struct buf request = { 0 };
	char found[NET_IP_TEXT_MAX];
	trust_some(&t);
	buf_printf(&request, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
	assert_int_equal(http_head_parse(buf_bytes(&request), &head), 0);
	struct net_ip ip = client_addr_find(&t, ip_of(peer), &head);
	net_ip_format(&ip, found);
	if (strcmp(found, expected) != 0) {
		fail_msg("%s for %s from %s", found, fields, peer);
	}
	buf_fini(&request);
	trusted_proxies_fini(&t);
}

struct row {
	const char *fields;
	const char *client;
};

static void assert_rows(const char *peer, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_client(peer, rows[i].fields, rows[i].client);
	}
}

static void a_stranger_is_who_he_is_whatever_he_says(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "192.0.2.9" },
		{ "X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.9" },
		{ "X-Forwarded-For: 10.0.0.1\r\n", "192.0.2.9" },
		{ "X-Real-IP: 198.51.100.1\r\n", "192.0.2.9" },
	};
	assert_rows("192.0.2.9", rows, ARRAY_LEN(rows));
	assert_client("2001:db8::9", "X-Real-IP: 198.51.100.1\r\n", "2001:db8::9");
}

static void the_right_most_untrusted_address_is_the_client(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1" },
		{ "x-forwarded-for: 198.51.100.1 \r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 203.0.113.7,198.51.100.1,10.2.0.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 198.51.100.1, 10.2.0.1, ::1, 10.3.0.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 10.9.9.9, 198.51.100.1, 10.2.0.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 198.51.100.1, ::ffff:10.2.0.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: ::ffff:198.51.100.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 2001:db8::7, 10.2.0.1\r\n", "2001:db8::7" },
		{ "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.1, 10.2.0.1\r\n",
			"198.51.100.1" },
		{ "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 10.2.0.1\r\n",
			"198.51.100.1" },
		{ "X-Forwarded-For: 198.51.100.1, ,\r\n", "198.51.100.1" },
	};
	assert_rows("10.0.0.1", rows, ARRAY_LEN(rows));
	assert_client("::1", "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1");
	assert_client("::ffff:10.0.0.1", "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1");
}

static void ports_and_brackets_are_passed_over(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "X-Forwarded-For: 198.51.100.1:4711\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: [2001:db8::7]:4711\r\n", "2001:db8::7" },
		{ "X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7" },
		{ "X-Forwarded-For: 198.51.100.1, 10.0.0.2:80, [::1]:80\r\n", "198.51.100.1" },
		{ "X-Real-IP: 198.51.100.1:4711\r\n", "198.51.100.1" },
	};
	assert_rows("10.0.0.1", rows, ARRAY_LEN(rows));
}

static void nothing_is_believed_across_what_is_no_address(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "X-Forwarded-For: 203.0.113.7, unknown\r\n", "10.0.0.1" },
		{ "X-Forwarded-For: 203.0.113.7, unknown, 10.2.0.1\r\n", "10.2.0.1" },
		{ "X-Forwarded-For: unknown, 198.51.100.1\r\n", "198.51.100.1" },
		{ "X-Forwarded-For: 203.0.113.7, _hidden, 10.2.0.1\r\nX-Real-IP: 198.51.100.1\r\n",
			"198.51.100.1" },
		{ "X-Forwarded-For: 203.0.113.7, 198.51.100.1x\r\n", "10.0.0.1" },
		{ "X-Forwarded-For: 203.0.113.7, [198.51.100.1\r\n", "10.0.0.1" },
		{ "X-Forwarded-For: 203.0.113.7, []\r\n", "10.0.0.1" },
		{ "X-Forwarded-For: 203.0.113.7, \"198.51.100.1\"\r\n", "10.0.0.1" },
		{ "X-Forwarded-For: 203.0.113.7, 198.51.100.0/24\r\n", "10.0.0.1" },
	};
	assert_rows("10.0.0.1", rows, ARRAY_LEN(rows));
}

static void the_real_ip_counts_when_no_client_is_forwarded(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "", "10.0.0.1" },
		{ "X-Real-IP: 198.51.100.1\r\n", "198.51.100.1" },
		{ "X-Real-IP: 2001:db8::7\r\n", "2001:db8::7" },
		{ "X-Real-IP: 10.2.0.1\r\n", "10.2.0.1" },
		{ "X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1" },
		{ "X-Real-IP: 198.51.100.1\r\nX-Forwarded-For: 10.2.0.1\r\n", "198.51.100.1" },
		{ "X-Real-IP: 198.51.100.1\r\nX-Forwarded-For:\r\n", "198.51.100.1" },
		{ "X-Real-IP: 198.51.100.1, 203.0.113.7\r\n", "10.0.0.1" },
		{ "X-Real-IP: 198.51.100.1\r\nX-Real-IP: 203.0.113.7\r\n", "10.0.0.1" },
		{ "X-Real-IP: unknown\r\n", "10.0.0.1" },
		{ "X-Real-IP:\r\n", "10.0.0.1" },
	};
	assert_rows("10.0.0.1", rows, ARRAY_LEN(rows));
}

static void of_trusted_hops_alone_the_farthest_is_the_client(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ "X-Forwarded-For: 10.7.0.1\r\n", "10.7.0.1" },
		{ "X-Forwarded-For: 10.7.0.1, 10.8.0.1, ::1\r\n", "10.7.0.1" },
		{ "X-Forwarded-For: ::1\r\nX-Forwarded-For: 10.8.0.1\r\n", "::1" },
	};
	assert_rows("10.0.0.1", rows, ARRAY_LEN(rows));
}

static void a_trusted_proxy_tells_of_tls(void **state)
{
	(void)state;
	static const struct {
		const char *peer;
		const char *fields;
		bool tls;
	} rows[] = {
		{ "10.0.0.1", "X-Forwarded-Proto: https\r\n", true },
		{ "10.0.0.1", "x-forwarded-proto: HTTPS\r\n", true },
		{ "10.0.0.1", "X-Forwarded-Proto: http\r\n", false },
		{ "10.0.0.1", "X-Forwarded-Proto: https, http\r\n", false },
		{ "10.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", false },
		{ "10.0.0.1", "", false },
		{ "192.0.2.9", "X-Forwarded-Proto: https\r\n", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trusted_proxies t;
		struct http_head head;
		struct buf request = { 0 };
		trust_some(&t);
		buf_printf(&request, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].fields);
		assert_int_equal(http_head_parse(buf_bytes(&request), &head), 0);
		assert_int_equal(client_came_by_tls(&t, ip_of(rows[i].peer), &head), rows[i].tls);
		buf_fini(&request);
		trusted_proxies_fini(&t);
	}
}

static void without_networks_nobody_is_trusted(void **state)
{
	(void)state;
	const struct conf_list none = { 0 };
	struct trusted_proxies t;
	struct net_ip ip = ip_of("10.0.0.1");
	trusted_proxies_init(&t, &none);
	assert_false(trusted_proxies_have(&t, &ip));
	trusted_proxies_fini(&t);
}

static void only_networks_pass_the_check(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		bool good;
	} rows[] = {
		{ "10.0.0.0/8", true },
		{ "127.0.0.1", true },
		{ "fd00::/8", true },
		{ "0.0.0.0/0", true },
		{ "10.0.0.0/33", false },
		{ "10.0.0.0-10.0.0.9", false },
		{ "10.0.0.0/8,127.0.0.1", false },
		{ "proxy.example.org", false },
		{ "*", false },
		{ "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(trusted_proxies_check(rows[i].value) == NULL, rows[i].good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_who_he_is_whatever_he_says),
		cmocka_unit_test(the_right_most_untrusted_address_is_the_client),
		cmocka_unit_test(ports_and_brackets_are_passed_over),
		cmocka_unit_test(nothing_is_believed_across_what_is_no_address),
		cmocka_unit_test(the_real_ip_counts_when_no_client_is_forwarded),
		cmocka_unit_test(of_trusted_hops_alone_the_farthest_is_the_client),
		cmocka_unit_test(a_trusted_proxy_tells_of_tls),
		cmocka_unit_test(without_networks_nobody_is_trusted),
		cmocka_unit_test(only_networks_pass_the_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
