// What a control group allows, as the files of the kernel say it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory_limit.h"
#include "tests/unit/temp.h"
#include "tests/unit/test.h"

#define MIB (UINT64_C(1) << 20)

enum {
	PATH_LEN = 256,
};

static const char *const folders[] = { "/proc", "/proc/self", "/sys", "/sys/fs", "/sys/fs/cgroup",
	"/sys/fs/cgroup/a", "/sys/fs/cgroup/a/b", "/sys/fs/cgroup/memory" };
static const char *const files[] = { "/proc/self/cgroup", "/sys/fs/cgroup/memory.max",
	"/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/a/b/memory.max",
	"/sys/fs/cgroup/memory/memory.limit_in_bytes" };
static char root[TEMP_PATH_MAX];

static int make_root(void **state)
{
	(void)state;
	char path[PATH_LEN];
	temp_template(root, "memory-limit");
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	char path[PATH_LEN];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s%s", root, files[i]);
		unlink(path);
	}
	for (size_t i = ARRAY_LEN(folders); i > 0; i--) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i - 1]);
		rmdir(path);
	}
	return rmdir(root);
}

static void put(const char *name, const char *text)
{
	char path[PATH_LEN];
	snprintf(path, sizeof(path), "%s%s", root, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void without_a_group_it_is_what_the_system_has(void **state)
{
	(void)state;
	uint64_t limit = memory_limit(root);
	assert_true(limit > 16 * MIB && limit < UINT64_MAX);
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/memory.max", "max\n");
	assert_int_equal(memory_limit(root), limit);
}

static void the_smallest_group_above_counts(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "1:name=systemd:/x\n0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "12582912\n");
	assert_int_equal(memory_limit(root), 12 * MIB);
	put("/sys/fs/cgroup/a/memory.max", "8388608\n");
	assert_int_equal(memory_limit(root), 8 * MIB);
	put("/sys/fs/cgroup/memory.max", "4194304\n");
	assert_int_equal(memory_limit(root), 4 * MIB);
}

static void a_group_of_version_1_counts(void **state)
{
	(void)state;
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9437184\n");
	assert_int_equal(memory_limit(root), 9 * MIB);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(without_a_group_it_is_what_the_system_has),
		IN_ROOT(the_smallest_group_above_counts),
		IN_ROOT(a_group_of_version_1_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
