// Memory that runs out where a test says so. The functions of the C library that allocate are
// replaced: by preloading the shared object, or by linking it in. Counting and failing are for the
// whole process, whatever the thread; freeing never fails.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// From now on allocations are counted from 1. The `nth` fails (0: none does), and if `for_good` is
// set all after it do.
void oom_arm(uint64_t nth, bool for_good);
// Back to normal. Returns how many allocations were asked for since oom_arm().
uint64_t oom_disarm(void);
// Blocks that are allocated and not freed now.
int64_t oom_live_blocks(void);
