#include <string.h>

#include "common/net.h"
#include "common/net_ip.h"
#include "tests/unit/test.h"

static struct net_ip ip_of(const char *text)
{
	struct net_ip ip;
	assert_true(net_ip_parse(bytes_str(text), &ip));
	return ip;
}

static void parses_and_formats_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *formatted;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::FFFF:c000:201", "192.0.2.1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8:0:0::0:7", "2001:db8::7" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888",
			"1111:2222:3333:4444:5555:6666:7777:8888" },
		{ "1111:2222:3333:4444:5555:6666:255.255.255.255",
			"1111:2222:3333:4444:5555:6666:ffff:ffff" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_ip ip = ip_of(rows[i].text);
		char out[NET_IP_TEXT_MAX];
		net_ip_format(&ip, out);
		assert_string_equal(out, rows[i].formatted);
	}
}

static void refuses_what_is_no_address(void **state)
{
	(void)state;
	static const struct bytes rows[] = {
#define ROW(text) { (const uint8_t *)(text), sizeof(text) - 1 }
		ROW(""),
		ROW(" 192.0.2.1"),
		ROW("192.0.2.1 "),
		ROW("192.0.2"),
		ROW("192.0.2.01"),
		ROW("192.0.2.256"),
		ROW("192.0.2.1:80"),
		ROW("192.0.2.1\0"),
		ROW("3221225985"),
		ROW("0xc0.0.2.1"),
		ROW("[::1]"),
		ROW("fe80::1%lo"),
		ROW("::1::"),
		ROW(":::"),
		ROW("unknown"),
		ROW("1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111"),
#undef ROW
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_ip ip;
		assert_false(net_ip_parse(rows[i], &ip));
	}
}

static void takes_the_address_of_a_socket(void **state)
{
	(void)state;
	static const struct {
		const char *socket;
		const char *ip;
	} rows[] = {
		{ "192.0.2.1:80", "192.0.2.1" },
		{ "[::ffff:192.0.2.1]:80", "192.0.2.1" },
		{ "[2001:db8::7]:80", "2001:db8::7" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_addr addr;
		assert_int_equal(net_addr_parse(&addr, rows[i].socket), 0);
		struct net_ip ip = net_ip_of(&addr);
		struct net_ip expected = ip_of(rows[i].ip);
		assert_memory_equal(ip.bytes, expected.bytes, NET_IP_LEN);
	}
}

static void knows_what_lies_in_a_network(void **state)
{
	(void)state;
	static const struct {
		const char *network;
		const char *ip;
		bool inside;
	} rows[] = {
		{ "10.0.0.0/8", "10.0.0.0", true },
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "9.255.255.255", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "10.1.2.3/8", "10.0.0.1", true }, // the rest of the address does not count
		{ "172.16.0.0/12", "172.31.255.255", true },
		{ "172.16.0.0/12", "172.32.0.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "192.0.2.1/32", "192.0.2.1", true },
		{ "192.0.2.0/31", "192.0.2.1", true },
		{ "192.0.2.0/31", "192.0.2.2", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "10.0.0.1", false },
		{ "::/80", "10.0.0.1", false },
		{ "::/80", "::1", true },
		{ "::ffff:0:0/96", "10.0.0.1", true },
		{ "::ffff:10.0.0.0/104", "10.0.0.1", true },
		{ "::ffff:10.0.0.0/104", "11.0.0.1", false },
		{ "fd00::/8", "fdff::1", true },
		{ "fd00::/8", "fc00::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "::1", "::1", true },
		{ "::1/128", "::2", false },
		{ "10.0.0.0/8", "::a00:0", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_prefix prefix;
		assert_true(net_prefix_parse(bytes_str(rows[i].network), &prefix));
		struct net_ip ip = ip_of(rows[i].ip);
		if (net_prefix_has(&prefix, &ip) != rows[i].inside) {
			fail_msg("%s in %s", rows[i].ip, rows[i].network);
		}
	}
}

static void refuses_what_is_no_network(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"/",
		"/8",
		"10/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"10.0.0.0/0x8",
		"10.0.0.0/255.0.0.0",
		"10.0.0.0 /8",
		"10.0.0.0/4294967304",
		"::/129",
		"[::]/0",
		"localhost",
		"example.org/8",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_prefix prefix;
		if (net_prefix_parse(bytes_str(rows[i]), &prefix)) {
			fail_msg("%s", rows[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_formats_addresses),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(takes_the_address_of_a_socket),
		cmocka_unit_test(knows_what_lies_in_a_network),
		cmocka_unit_test(refuses_what_is_no_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
