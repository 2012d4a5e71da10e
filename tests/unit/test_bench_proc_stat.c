#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/check.h"
#include "tests/bench/proc_stat.h"
#include "tests/unit/test.h"

// The words of proc(5), each with a value of its own: user time is 9901, system time 302.
#define WORDS " S 1 2 3 4 5 6 70 80 90 100 9901 302 130 140 20 0 1 0 1234 5678 910\n"

static uint64_t us_of_ticks(uint64_t ticks)
{
	return ticks * 1000000U / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void adds_user_and_system_time(void **state)
{
	(void)state;
	struct proc_stat stat = { 0 };
	assert_int_equal(proc_stat_parse("4711 (weir-edge)" WORDS, &stat), 0);
	assert_string_equal(stat.name, "weir-edge");
	assert_int_equal(stat.cpu_us, us_of_ticks(9901 + 302));
}

static void is_not_misled_by_the_name(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *name;
	} rows[] = {
		{ "1 (a b c)" WORDS, "a b c" },
		{ "1 (a) S 1 2)" WORDS, "a) S 1 2" },
		{ "1 (()" WORDS, "(" },
		{ "1 ()" WORDS, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proc_stat stat = { 0 };
		assert_int_equal(proc_stat_parse(rows[i].text, &stat), 0);
		assert_string_equal(stat.name, rows[i].name);
		assert_int_equal(stat.cpu_us, us_of_ticks(9901 + 302));
	}
}

static void refuses_what_ends_before_the_times(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "1", "1 (a", "1 )a(", "1 (a)", "1 (a) S 1 2",
		"1 (a) S 1 2 3 4 5 6 70 80 90 100", "1 (a) S 1 2 3 4 5 6 70 80 90 100 x" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct proc_stat stat = { 0 };
		assert_int_equal(proc_stat_parse(texts[i], &stat), -EBADMSG);
	}
}

static uint64_t own_cpu_us(void)
{
	struct rusage usage;
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000U +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void agrees_with_what_the_kernel_tells_a_process_about_itself(void **state)
{
	(void)state;
	struct proc_stat stat;
	while (own_cpu_us() < us_of_ticks(10)) {
		// Nothing but user and system time.
	}
	uint64_t before_us = own_cpu_us();
	assert_int_equal(proc_stat_read((int)getpid(), &stat), 0);
	assert_in_range(stat.cpu_us, before_us - us_of_ticks(2), own_cpu_us());
	assert_true(stat.rss >= stat.pss && stat.pss > 0);
}

static void knows_no_process_that_is_none(void **state)
{
	(void)state;
	struct proc_stat stat;
	assert_int_equal(proc_stat_read(-1, &stat), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_user_and_system_time),
		cmocka_unit_test(is_not_misled_by_the_name),
		cmocka_unit_test(refuses_what_ends_before_the_times),
		cmocka_unit_test(agrees_with_what_the_kernel_tells_a_process_about_itself),
		cmocka_unit_test(knows_no_process_that_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
