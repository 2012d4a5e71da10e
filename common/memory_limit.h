// How much memory this process may have: the smallest of what the system has, its control group
// (version 2 or 1, with those above it) and RLIMIT_AS allow.
#pragma once

#include <stdint.h>

// In bytes. `root` is put before the paths of /proc and /sys: "" but in tests.
uint64_t memory_limit(const char *root);
