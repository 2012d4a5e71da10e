// What cannot be read limits nothing: a container may hide its control group. A group of version 2
// is named by the line "0::PATH" of /proc/self/cgroup, and every group above it counts too; in a
// container, where the path is often "/" or one that is not mounted, the mounted root is its own.

#include "common/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	PATH_LEN_MAX = 4096
};

// The number in a file; UINT64_MAX if there is none ("max" is no number).
static uint64_t read_number(const char *root, const char *group, const char *name)
{
	char path[PATH_LEN_MAX];
	uint64_t value = UINT64_MAX;
	int len = snprintf(path, sizeof(path), "%s/sys/fs/cgroup%s/%s", root, group, name);
	FILE *file = len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
	if (file != NULL) {
		char line[32];
		if (fgets(line, sizeof(line), file) != NULL && line[0] >= '0' && line[0] <= '9') {
			value = strtoull(line, NULL, 10);
		}
		fclose(file);
	}
	return value;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// "" if the process is in no group of version 2 but the root.
static void find_group(const char *root, char group[PATH_LEN_MAX])
{
	char path[PATH_LEN_MAX];
	char line[PATH_LEN_MAX];
	int len = snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	FILE *file = len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
	group[0] = '\0';
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			memcpy(group, line + 3, strlen(line + 3) + 1);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
}

static uint64_t group_limit(const char *root)
{
	char group[PATH_LEN_MAX];
	uint64_t limit = read_number(root, "/memory", "memory.limit_in_bytes");
	find_group(root, group);
	for (;;) {
		limit = least(limit, read_number(root, group, "memory.max"));
		char *slash = strrchr(group, '/');
		if (slash == NULL) {
			return limit;
		}
		*slash = '\0';
	}
}

uint64_t memory_limit(const char *root)
{
	struct rlimit space;
	long pages = sysconf(_SC_PHYS_PAGES);
	long page = sysconf(_SC_PAGESIZE);
	uint64_t limit = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
		limit = least(limit, space.rlim_cur);
	}
	return least(limit, group_limit(root));
}
