#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "edge/auth/key_watch.h"
#include "tests/unit/temp.h"
#include "tests/unit/test.h"

static char folder[TEMP_PATH_MAX];
static char path[TEMP_PATH_MAX + 32];
static char other[TEMP_PATH_MAX + 32];
static struct loop *loop;
static struct key_watch watch;
static unsigned n_changes;

static void on_change(void *arg)
{
	(void)arg;
	n_changes++;
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

// How many changes are told in `n` looks.
static unsigned changes_in(unsigned n)
{
	n_changes = 0;
	for (unsigned i = 0; i < n; i++) {
		key_watch_look(&watch);
	}
	return n_changes;
}

static void a_file_that_stays_is_never_told(void **state)
{
	(void)state;
	assert_int_equal(changes_in(5), 0);
}

static void a_change_is_told_once_when_it_has_settled(void **state)
{
	(void)state;
	write_file(path, "two and more");
	assert_int_equal(changes_in(1), 0); // it may still be being written
	assert_int_equal(changes_in(1), 1);
	assert_int_equal(changes_in(5), 0);
}

static void a_file_that_keeps_changing_is_waited_for(void **state)
{
	(void)state;
	static const char *const steps[] = { "1", "12", "123", "1234" };
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		write_file(path, steps[i]);
		assert_int_equal(changes_in(1), 0);
	}
	assert_int_equal(changes_in(3), 1);
}

static void a_file_put_in_its_place_is_a_change(void **state)
{
	(void)state;
	write_file(other, "one"); // the same size
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(changes_in(3), 1);
}

static void a_link_that_leads_elsewhere_is_a_change(void **state)
{
	(void)state;
	char link[TEMP_PATH_MAX + 8];
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	key_watch_stop(&watch);
	key_watch_start(&watch, loop, link, on_change, NULL);
	assert_int_equal(changes_in(3), 0);
	write_file(other, "one");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink(other, link), 0);
	assert_int_equal(changes_in(3), 1);
	assert_int_equal(unlink(link), 0);
}

static void a_mode_is_a_change(void **state)
{
	(void)state;
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(changes_in(3), 1);
}

static void one_that_goes_and_one_that_comes_back_are_changes(void **state)
{
	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(changes_in(3), 1);
	write_file(path, "one");
	assert_int_equal(changes_in(3), 1);
}

static void no_path_is_no_file(void **state)
{
	(void)state;
	key_watch_stop(&watch);
	key_watch_start(&watch, loop, "", on_change, NULL);
	loop_stop(loop);
	loop_run(loop);
	assert_int_equal(n_changes, 0);
}

static int set_up(void **state)
{
	(void)state;
	write_file(path, "one");
	n_changes = 0;
	key_watch_start(&watch, loop, path, on_change, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	key_watch_stop(&watch);
	unlink(path);
	unlink(other);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_that_stays_is_never_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_change_is_told_once_when_it_has_settled, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_keeps_changing_is_waited_for, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_file_put_in_its_place_is_a_change, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_link_that_leads_elsewhere_is_a_change, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_mode_is_a_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_goes_and_one_that_comes_back_are_changes,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_path_is_no_file, set_up, tear_down),
	};
	temp_template(folder, "weir-watch");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	loop = loop_new();
	int result = cmocka_run_group_tests(tests, NULL, NULL);
	loop_free(loop);
	CHECK(rmdir(folder) == 0);
	return result;
}
