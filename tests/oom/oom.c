// malloc(3) and its relatives, by those of glibc under their other names. Looking the real ones up
// with dlsym() was rejected: it allocates, and so needs an allocator before there is one.
//
// A block is counted as live when it is handed out and as gone when it is freed, whoever does
// either, so the difference over a piece of work is what it has kept. That is not the same as a
// leak: a library's cache is kept too. So the caller warms caches up first and compares.
//
// It refuses to know what is run and what is a good end: see torture.c and verify.c.

#include "tests/oom/oom.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

// What glibc calls its own allocator besides; declared nowhere.
void *real_malloc(size_t size) __asm__("__libc_malloc");
void *real_calloc(size_t n, size_t size) __asm__("__libc_calloc");
void *real_realloc(void *ptr, size_t size) __asm__("__libc_realloc");
void *real_memalign(size_t alignment, size_t size) __asm__("__libc_memalign");
void real_free(void *ptr) __asm__("__libc_free");
void *memalign(size_t alignment, size_t size);

static _Atomic uint64_t n_asked;
static _Atomic uint64_t fail_at; // 0: never
static atomic_bool fails_for_good;
static _Atomic int64_t n_live;

void oom_arm(uint64_t nth, bool for_good)
{
	n_asked = 0;
	fails_for_good = for_good;
	fail_at = nth;
}

uint64_t oom_disarm(void)
{
	fail_at = 0;
	return n_asked;
}

int64_t oom_live_blocks(void)
{
	return n_live;
}

static bool refuses(void)
{
	uint64_t n = atomic_fetch_add(&n_asked, 1) + 1;
	uint64_t at = fail_at;
	if (at == 0 || n < at || (n > at && !fails_for_good)) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

static void *count(void *ptr)
{
	n_live += ptr != NULL;
	return ptr;
}

void *malloc(size_t size)
{
	return refuses() ? NULL : count(real_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return refuses() ? NULL : count(real_calloc(n, size));
}

void *realloc(void *ptr, size_t size)
{
	if (refuses()) {
		return NULL;
	}
	void *moved = real_realloc(ptr, size);
	n_live += (ptr == NULL) - (moved == NULL);
	return moved;
}

void *reallocarray(void *ptr, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(ptr, bytes);
}

void *memalign(size_t alignment, size_t size)
{
	return refuses() ? NULL : count(real_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **ptr, size_t alignment, size_t size)
{
	int before = errno;
	void *block = memalign(alignment, size);
	errno = before;
	if (block == NULL) {
		return ENOMEM;
	}
	*ptr = block;
	return 0;
}

void free(void *ptr)
{
	int before = errno;
	n_live -= ptr != NULL;
	real_free(ptr);
	errno = before;
}
