#include "common/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"

// Neither of the two functions below may allocate: both run when memory is gone or corrupt.

void check_failed(const char *cond, const char *file, int line)
{
	dprintf(STDERR_FILENO, "error: internal: %s:%d: check failed: %s\n", file, line, cond);
	abort();
}

_Noreturn void mem_exhausted(void)
{
	static const char text[] = "error: memory: out of memory\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)written;
	_exit(1);
}

void *xmalloc(size_t size)
{
	void *ptr = malloc(size > 0 ? size : 1);
	if (ptr == NULL) {
		mem_exhausted();
	}
	return ptr;
}

void *xcalloc(size_t n, size_t size)
{
	void *ptr = calloc(n > 0 ? n : 1, size > 0 ? size : 1);
	if (ptr == NULL) {
		mem_exhausted();
	}
	return ptr;
}

void *xrealloc(void *ptr, size_t size)
{
	CHECK(size > 0);
	ptr = realloc(ptr, size);
	if (ptr == NULL) {
		mem_exhausted();
	}
	return ptr;
}

void *xmemdup(const void *data, size_t len)
{
	void *copy = xmalloc(len);
	if (len > 0) {
		memcpy(copy, data, len);
	}
	return copy;
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const void *data, size_t len)
{
	CHECK(len < SIZE_MAX);
	char *copy = xmalloc(len + 1);
	if (len > 0) {
		memcpy(copy, data, len);
	}
	copy[len] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		mem_exhausted();
	}
	return text;
}
