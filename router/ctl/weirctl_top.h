// `weirctl top`: a live screen of the router, its edges, the busiest rooms and the connections that
// wait for most. Asks each second; knows no socket.
#pragma once

#include <stddef.h>

#include "admin.pb-c.h"

// Asks the router. The answer is the caller's to free; NULL: there is none, and it was said why.
typedef Weir__Admin__V1__Reply *top_ask_fn(void *arg, char *const *words, size_t n_words);

// Shows it until a key ends it; without a terminal one screen is printed. An exit code, or -1 if
// the router no longer answers.
int weirctl_top(top_ask_fn *ask, void *arg);
