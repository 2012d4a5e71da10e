// Allocation that cannot fail: a process that gets no memory for a fixed-size object logs one line
// and exits with status 1. What is sized by a peer is bounded by a configured limit before it
// comes here.
#pragma once

#include <stddef.h>

// How that end is made, for where a library says that it has no memory: one line, status 1, and
// nothing else, since whatever would clean up may allocate.
_Noreturn void mem_exhausted(void);

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
// As realloc(3); `size` 0 is not allowed.
void *xrealloc(void *ptr, size_t size);
// Copies; the caller frees with free(3).
void *xmemdup(const void *data, size_t len);
char *xstrdup(const char *text);
// A NUL-terminated copy of `len` bytes.
char *xstrndup(const void *data, size_t len);
// printf into a fresh string; the caller frees with free(3).
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
