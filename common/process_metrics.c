// The names and meanings are those of the Prometheus client libraries, so that dashboards made for
// them work. Read from /proc at each scrape: nothing here is worth keeping up to date.

#include "common/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/metrics.h"

enum {
	STAT_START_TIME = 22, // fields of /proc/PID/stat, counted from 1, see proc(5)
	STAT_AFTER_NAME = 3,
};

// False if there is no such file; else the text, with its NUL.
static bool read_proc(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0) {
		close(fd);
	}
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

uint64_t process_resident_bytes(void)
{
	char text[128];
	char *end;
	if (!read_proc("/proc/self/statm", text, sizeof(text))) {
		return 0;
	}
	strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_free_bytes(void)
{
	return mallinfo2().fordblks;
}

static void write_memory(struct buf *out)
{
	char text[128];
	unsigned long long total;
	unsigned long long resident;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (!read_proc("/proc/self/statm", text, sizeof(text))) {
		return;
	}
	char *end;
	total = strtoull(text, &end, 10);
	resident = strtoull(end, NULL, 10);
	metrics_simple(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
		total * page);
	metrics_simple(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
		resident * page);
}

static void write_seconds(struct buf *out, const char *name, const char *type, const char *help,
	uint64_t ms)
{
	metrics_head(out, name, type, help);
	buf_printf(out, "%s %llu.%03llu\n", name, (unsigned long long)(ms / 1000),
		(unsigned long long)(ms % 1000));
}

static uint64_t ms_of(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000 + (uint64_t)time->tv_nsec / 1000000;
}

static void write_times(struct buf *out)
{
	struct timespec spent;
	struct timespec booted;
	char text[1024];
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0) {
		write_seconds(out, "process_cpu_seconds_total", "counter",
			"Time of processors, user and system.", ms_of(&spent));
	}
	if (clock_gettime(CLOCK_BOOTTIME, &booted) != 0 ||
		!read_proc("/proc/self/stat", text, sizeof(text))) {
		return;
	}
	char *at = strrchr(text, ')'); // the name before it may hold anything
	for (int field = STAT_AFTER_NAME; at != NULL && field <= STAT_START_TIME; field++) {
		at = strchr(at + 1, ' ');
	}
	if (at == NULL) {
		return;
	}
	uint64_t ticks = strtoull(at, NULL, 10);
	uint64_t age_ms = ms_of(&booted) - ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	write_seconds(out, "process_start_time_seconds", "gauge",
		"When the process started, Unix time.", (uint64_t)clock_wall_ms() - age_ms);
}

static void write_descriptors(struct buf *out)
{
	struct rlimit limit;
	DIR *dir = opendir("/proc/self/fd");
	if (dir != NULL) {
		uint64_t n = 0;
		const struct dirent *entry;
		while ((entry = readdir(dir)) != NULL) {
			n += entry->d_name[0] != '.';
		}
		closedir(dir);
		metrics_simple(out, "process_open_fds", "gauge", "Open descriptors.",
			n - 1); // without that of the folder
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		metrics_simple(out, "process_max_fds", "gauge", "Descriptors that may be open.",
			limit.rlim_cur);
	}
}

void process_metrics_write(struct buf *out)
{
	write_memory(out);
	write_times(out);
	write_descriptors(out);
}
