// One command for several routers at once: a process for each asks its own, and what they are
// answered is merged here as it is printed: each row says which router it is of, and a router that
// does not answer is named.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "router/ctl/weirctl_print.h"

enum {
	MANY_MAX = 64, // routers
};

// Asks router `i` in a process of its own and gives each answer, packed, to many_forward() with
// `fd`. Returns the exit code. What it prints itself must go to standard error.
typedef int many_ask_fn(void *arg, size_t i, int fd);

struct many {
	const char *const *urls; // of the routers
	size_t n; // of them; at most MANY_MAX
	bool live; // answers are printed as they come, else router by router
	bool all; // what one router refuses is refused, even if others do it
	many_ask_fn *ask;
	void *arg;
	struct printer *printer;
};

// Hands an answer to the process that prints it, and waits while that has enough to do.
void many_forward(int fd, const void *packed, size_t len);

// Returns an exit code: the highest there was, but 0 if one router did what others refuse and `all`
// does not ask for more. Must be called before anything makes a thread.
int many_run(const struct many *many);
