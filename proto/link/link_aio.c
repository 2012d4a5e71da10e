// NNG says "no memory" where the rest of the program ends itself for that reason (common/mem.h).
// This makes it one behaviour, so that no caller has a path for an aio that is not there.

#include "proto/link/link_aio.h"

#include <nng/nng.h>

#include "common/mem.h"

struct nng_aio *link_aio_new(void (*fn)(void *), void *arg)
{
	nng_aio *aio;
	if (nng_aio_alloc(&aio, fn, arg) != 0) {
		mem_exhausted(); // nothing else makes it fail
	}
	return aio;
}
