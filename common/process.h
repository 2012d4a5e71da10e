// What every daemon does with its process before it serves.
#pragma once

#include <stdint.h>

// Ignores SIGPIPE, forbids core dumps and ptrace (a core holds tokens and keys; not under
// sanitizers, whose reports need both), and raises the descriptor limit to the hard one. Returns
// that limit. Before any thread is started.
uint64_t process_prepare(void);

// Becomes `user` for good: groups, group and user, verified that there is no way back. 0, or -1 and
// `*why` (static).
int process_become(const char *user, const char **why);

// From now on the process has `ms` left; then it says `stuck_at_exit` and ends with `code`,
// whatever its threads are doing. Called when all that must be kept is kept, and only libraries are
// to be closed.
void process_end_within(unsigned ms, int code);
