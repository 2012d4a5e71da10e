// CPU time comes from /proc/PID/stat: in ticks of 10 ms, but the kernel scales it to the
// nanoseconds it has really accounted, so over seconds it is exact enough. Memory comes from
// smaps_rollup, the only place that tells the proportional share; reading it makes the kernel walk
// the page tables, which is why it is read before and after a run and never during one.

#include "tests/bench/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILE_MAX = 4096,
	USER_WORD = 12, // of the words behind the name, counted from 1
};

// Reads up to FILE_MAX - 1 bytes of a file of `pid` as a string.
static int read_file(int pid, const char *name, char out[FILE_MAX])
{
	char path[64];
	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	ssize_t n = read(fd, out, FILE_MAX - 1);
	int error = n < 0 ? -errno : 0;
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return error;
}

// proc(5): "PID (NAME) STATE ...", where the name may itself hold blanks and brackets. System time
// is the word after the user's.
int proc_stat_parse(const char *text, struct proc_stat *out)
{
	const char *name = strchr(text, '(');
	const char *end = strrchr(text, ')');
	if (name == NULL || end == NULL || end < name) {
		return -EBADMSG;
	}
	snprintf(out->name, sizeof(out->name), "%.*s", (int)(end - name - 1), name + 1);
	const char *at = end;
	for (int word = 0; word < USER_WORD && at != NULL; word++) {
		at = strchr(at + 1, ' ');
	}
	if (at == NULL) {
		return -EBADMSG;
	}
	char *rest;
	uint64_t user = strtoull(at, &rest, 10);
	if (rest == at) {
		return -EBADMSG;
	}
	uint64_t system = strtoull(rest, NULL, 10);
	out->cpu_us = (user + system) * 1000000U / (uint64_t)sysconf(_SC_CLK_TCK);
	return 0;
}

// "Rss:   123 kB", in bytes.
static uint64_t line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	return at != NULL ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

int proc_stat_read(int pid, struct proc_stat *out)
{
	char text[FILE_MAX];
	*out = (struct proc_stat){ 0 };
	int error = read_file(pid, "stat", text);
	if (error == 0) {
		error = proc_stat_parse(text, out);
	}
	if (error != 0) {
		return error;
	}
	if (read_file(pid, "smaps_rollup", text) == 0 && text[0] != '\0') {
		out->rss = line_of(text, "Rss:");
		out->pss = line_of(text, "Pss:");
		return 0;
	}
	error = read_file(pid, "status", text);
	out->rss = line_of(text, "VmRSS:");
	out->pss = out->rss;
	return error;
}
