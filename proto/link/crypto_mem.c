// OpenSSL 3.0 reads through a null pointer if memory runs out while it sets itself up, which it
// does piece by piece whenever something is used for the first time. Nobody outside can check for
// that. So it gets our allocator, which does not return without memory, and the program ends in the
// one way that is known (common/mem.h) whichever of the two noticed.
//
// The alternative, setting all of OpenSSL up at the start, would have to name each thing that is
// used later, and would still leave each of its error paths to be trusted.

#include "proto/link/crypto_mem.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/check.h"
#include "common/mem.h"

static void *allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return xmalloc(size);
}

static void release(void *ptr, const char *file, int line)
{
	(void)file;
	(void)line;
	free(ptr);
}

static void *reallocate(void *ptr, size_t size, const char *file, int line)
{
	if (size > 0) {
		return xrealloc(ptr, size);
	}
	release(ptr, file, line);
	return NULL;
}

void crypto_mem_init(void)
{
	CHECK(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1);
}
