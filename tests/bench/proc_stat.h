// What a process has used, from /proc.
#pragma once

#include <stdint.h>

#include "common/check.h"

enum {
	PROC_NAME_MAX = 15,
};

struct proc_stat {
	char name[PROC_NAME_MAX + 1];
	uint64_t cpu_us; // user and system, of all threads, ended ones included
	uint64_t rss; // bytes
	uint64_t pss; // bytes; as rss if the kernel does not tell us
};

// Returns 0 or -errno.
MUST_CHECK int proc_stat_read(int pid, struct proc_stat *out);
// Takes the name and the CPU time from the text of /proc/PID/stat. Returns 0 or -EBADMSG.
MUST_CHECK int proc_stat_parse(const char *text, struct proc_stat *out);
