#include <stdio.h>

#include "edge/http/api_rates.h"
#include "tests/unit/test.h"

static const struct conf_rate limit = { .per_s = 1, .burst = 3 };

static void a_user_has_a_rate(void **state)
{
	(void)state;
	struct api_rates rates;
	api_rates_init(&rates);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(api_rates_take(&rates, bytes_str("ann"), &limit, 1000));
	}
	assert_false(api_rates_take(&rates, bytes_str("ann"), &limit, 1000));
	assert_true(api_rates_take(&rates, bytes_str("ann"), &limit, 2000));
	assert_false(api_rates_take(&rates, bytes_str("ann"), &limit, 2000));
	assert_true(api_rates_take(&rates, bytes_str("bob"), &limit, 2000));
	api_rates_fini(&rates);
}

static void nobody_is_refused_for_another(void **state)
{
	(void)state;
	struct api_rates rates;
	api_rates_init(&rates);
	for (unsigned i = 0; i < 4 * API_RATES_MAX; i++) {
		char user[32];
		(void)snprintf(user, sizeof(user), "user-%u", i);
		for (unsigned n = 0; n < 3; n++) {
			assert_true(api_rates_take(&rates, bytes_str(user), &limit, 1000));
		}
	}
	api_rates_fini(&rates);
}

static void zero_is_no_limit(void **state)
{
	(void)state;
	struct api_rates rates;
	static const struct conf_rate none = { 0 };
	api_rates_init(&rates);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(api_rates_take(&rates, bytes_str("ann"), &none, 1000));
	}
	api_rates_fini(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_has_a_rate),
		cmocka_unit_test(nobody_is_refused_for_another),
		cmocka_unit_test(zero_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
