// getrandom(2) gives up to 256 bytes whole once the kernel's generator is seeded, but a signal may
// interrupt the wait for that, and more than 256 bytes.

#include "common/random.h"

#include <errno.h>
#include <sys/random.h>

#include "common/check.h"

void random_fill(void *out, size_t len)
{
	uint8_t *at = out;
	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);
		CHECK(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

uint64_t random_u64(void)
{
	uint64_t value;
	random_fill(&value, sizeof(value));
	return value;
}
