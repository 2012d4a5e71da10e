#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/net.h"
#include "tests/unit/test.h"

static void parses_and_formats_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *formatted;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1:8080", "127.0.0.1:8080", true },
		{ "127.8.9.10:0", "127.8.9.10:0", true },
		{ "0.0.0.0:65535", "0.0.0.0:65535", false },
		{ "128.0.0.1:1", "128.0.0.1:1", false },
		{ "localhost:80", "127.0.0.1:80", true },
		{ "[::1]:443", "[::1]:443", true },
		{ "[::]:00443", "[::]:443", false },
		{ "[2001:DB8::0:7]:9", "[2001:db8::7]:9", false },
		{ "[::ffff:127.0.0.1]:9", "[::ffff:127.0.0.1]:9", true },
		{ "[::ffff:10.0.0.1]:9", "[::ffff:10.0.0.1]:9", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_addr addr;
		char out[NET_ADDR_TEXT_MAX];
		assert_int_equal(net_addr_parse(&addr, rows[i].text), 0);
		net_addr_format(&addr, out);
		assert_string_equal(out, rows[i].formatted);
		assert_int_equal(net_addr_is_loopback(&addr), rows[i].loopback);
	}
}

static void refuses_what_is_no_address(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		":",
		"8080",
		":8080",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:1x",
		"127.0.0.1:000001",
		"127.0.0:1",
		"256.0.0.1:1",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[]:80",
		"[::1:80",
		"[127.0.0.1]:80",
		"[00000000000000000000000000000000000000000000000000000]:80",
		"00000000000000000000000000000000000000000000000000000000000000000000:80",
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_addr addr;
		assert_int_equal(net_addr_parse(&addr, rows[i]), -EINVAL);
	}
}

static struct net_addr loopback_any_port(void)
{
	struct net_addr addr;
	assert_int_equal(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	return addr;
}

static void listens_on_a_port_it_picks(void **state)
{
	(void)state;
	struct net_addr addr = loopback_any_port();
	int fd = net_listen(&addr, false, true, 16);
	assert_true(fd >= 0);
	assert_int_not_equal(net_addr_port(&addr), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

	int client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (const void *)&addr.sa, addr.len), 0);
	int accepted = accept(fd, NULL, NULL);
	assert_true(accepted >= 0);
	int nodelay = 0;
	socklen_t len = sizeof(nodelay);
	assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
	assert_true(nodelay);
	close(accepted);
	close(client);
	close(fd);
}

static void workers_share_a_port_that_others_cannot_take(void **state)
{
	(void)state;
	struct net_addr addr = loopback_any_port();
	int first = net_listen(&addr, true, true, 16);
	assert_true(first >= 0);
	int second = net_listen(&addr, true, false, 16);
	assert_true(second >= 0);
	assert_int_equal(net_listen(&addr, true, true, 16), -EADDRINUSE);
	assert_int_equal(net_listen(&addr, false, true, 16), -EADDRINUSE);
	close(second);
	close(first);
	int again = net_listen(&addr, true, true, 16);
	assert_true(again >= 0);
	close(again);
}

static void says_why_it_cannot_listen(void **state)
{
	(void)state;
	struct net_addr addr;
	// TEST-NET-1 (RFC 5737) is nobody's address.
	assert_int_equal(net_addr_parse(&addr, "192.0.2.1:0"), 0);
	assert_int_equal(net_listen(&addr, false, true, 16), -EADDRNOTAVAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_formats_addresses),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(listens_on_a_port_it_picks),
		cmocka_unit_test(workers_share_a_port_that_others_cannot_take),
		cmocka_unit_test(says_why_it_cannot_listen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
