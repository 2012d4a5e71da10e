#include "edge/http/address_limits.h"
#include "tests/unit/test.h"

static const struct conf_rate no_rate = { 0 };

static struct net_ip ip_of(const char *text)
{
	struct net_ip ip;
	assert_true(net_ip_parse(bytes_str(text), &ip));
	return ip;
}

static enum admission enter(struct address_limits *limits, const char *text, uint64_t max)
{
	struct net_ip ip = ip_of(text);
	return address_enter(limits, &ip, max, &no_rate, 1000);
}

static void leave(struct address_limits *limits, const char *text, uint64_t now_ms)
{
	struct net_ip ip = ip_of(text);
	address_leave(limits, &ip, now_ms);
}

static void an_address_has_so_many_and_others_have_their_own(void **state)
{
	(void)state;
	struct address_limits limits;
	address_limits_init(&limits);
	assert_int_equal(enter(&limits, "192.0.2.1", 2), ADMISSION_OK);
	assert_int_equal(enter(&limits, "192.0.2.1", 2), ADMISSION_OK);
	assert_int_equal(enter(&limits, "192.0.2.1", 2), ADMISSION_TOO_MANY);
	assert_int_equal(enter(&limits, "192.0.2.2", 2), ADMISSION_OK);
	leave(&limits, "192.0.2.1", 1000); // the one that was refused counts until it goes
	leave(&limits, "192.0.2.1", 1000);
	assert_int_equal(enter(&limits, "192.0.2.1", 2), ADMISSION_OK);
	leave(&limits, "192.0.2.1", 1000);
	leave(&limits, "192.0.2.1", 1000);
	leave(&limits, "192.0.2.2", 1000);
	address_limits_fini(&limits);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
	(void)state;
	struct address_limits limits;
	address_limits_init(&limits);
	assert_int_equal(enter(&limits, "2001:db8:1:2::1", 1), ADMISSION_OK);
	assert_int_equal(enter(&limits, "2001:db8:1:2:ffff::9", 1), ADMISSION_TOO_MANY);
	assert_int_equal(enter(&limits, "2001:db8:1:3::1", 1), ADMISSION_OK);
	assert_int_equal(enter(&limits, "::ffff:192.0.2.1", 1), ADMISSION_OK);
	assert_int_equal(enter(&limits, "192.0.2.1", 1), ADMISSION_TOO_MANY);
	assert_int_equal(enter(&limits, "192.0.2.2", 1), ADMISSION_OK);
	leave(&limits, "2001:db8:1:2::7", 1000);
	leave(&limits, "2001:db8:1:2::7", 1000);
	leave(&limits, "2001:db8:1:3::1", 1000);
	leave(&limits, "192.0.2.1", 1000);
	leave(&limits, "192.0.2.1", 1000);
	leave(&limits, "192.0.2.2", 1000);
	address_limits_fini(&limits);
}

static void a_flood_is_not_answered(void **state)
{
	(void)state;
	struct address_limits limits;
	unsigned counted = 0;
	enum admission admission;
	address_limits_init(&limits);
	while ((admission = enter(&limits, "192.0.2.1", 1)) != ADMISSION_FLOOD) {
		assert_int_equal(admission, counted == 0 ? ADMISSION_OK : ADMISSION_TOO_MANY);
		assert_true(++counted < 100);
	}
	assert_int_equal(enter(&limits, "192.0.2.1", 1), ADMISSION_FLOOD);
	while (counted-- > 0) {
		leave(&limits, "192.0.2.1", 1000);
	}
	address_limits_fini(&limits);
}

static void a_rate_outlives_the_connections_that_used_it_up(void **state)
{
	static const struct conf_rate rate = { .per_s = 1, .burst = 2 };
	static const struct {
		uint64_t at_ms;
		enum admission expected;
	} rows[] = {
		{ 1000, ADMISSION_OK },
		{ 1000, ADMISSION_OK },
		{ 1000, ADMISSION_TOO_FAST },
		{ 1900, ADMISSION_TOO_FAST },
		{ 2000, ADMISSION_OK },
		{ 2000, ADMISSION_TOO_FAST },
		{ 9000, ADMISSION_OK },
	};
	(void)state;
	struct address_limits limits;
	struct net_ip ip = ip_of("192.0.2.1");
	address_limits_init(&limits);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t now_ms = rows[i].at_ms;
		assert_int_equal(address_enter(&limits, &ip, 0, &rate, now_ms), rows[i].expected);
		address_leave(&limits, &ip, now_ms);
	}
	address_limits_fini(&limits);
}

static void what_is_remembered_is_bounded_and_ends(void **state)
{
	static const struct conf_rate rate = { .per_s = 1, .burst = 1 };
	(void)state;
	struct address_limits limits;
	address_limits_init(&limits);
	for (uint32_t i = 0; i < ADDRESS_IDLE_MAX + 1000; i++) {
		struct net_ip ip = net_ip_v4(
			(const uint8_t[]){ 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i });
		assert_int_equal(address_enter(&limits, &ip, 0, &rate, 1000), ADMISSION_OK);
		address_leave(&limits, &ip, 1000);
		assert_true(limits.entries.n_ordered <= ADDRESS_IDLE_MAX);
	}
	for (uint32_t i = 0; i < ADDRESS_IDLE_MAX; i++) {
		struct net_ip ip = ip_of("192.0.2.1");
		assert_int_equal(address_enter(&limits, &ip, 0, &no_rate, 10000), ADMISSION_OK);
		address_leave(&limits, &ip, 10000);
	}
	assert_int_equal(limits.entries.n_ordered, 0);
	address_limits_fini(&limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_so_many_and_others_have_their_own),
		cmocka_unit_test(a_network_of_ipv6_is_one_address),
		cmocka_unit_test(a_flood_is_not_answered),
		cmocka_unit_test(a_rate_outlives_the_connections_that_used_it_up),
		cmocka_unit_test(what_is_remembered_is_bounded_and_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
