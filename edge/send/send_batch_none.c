// Replaces send_batch.c in a build without liburing: there is no batch, so connections send one by
// one, as they do where the kernel refuses io_uring. Meson chooses one of the two files. The other
// functions exist for the linker only: no caller can hold a batch.

#include <stddef.h>

#include "common/check.h"
#include "edge/send/send_batch.h"

struct send_batch *send_batch_new(void)
{
	return NULL;
}

void send_batch_free(struct send_batch *batch)
{
	CHECK(batch == NULL);
}

bool send_batch_is_full(const struct send_batch *batch)
{
	CHECK(batch != NULL);
	return true;
}

void send_batch_add(struct send_batch *batch, int fd, const struct iovec *iov, int n, void *arg)
{
	(void)fd;
	(void)iov;
	(void)n;
	(void)arg;
	CHECK(batch != NULL);
}

void send_batch_run(struct send_batch *batch, send_batch_fn *report)
{
	(void)report;
	CHECK(batch != NULL);
}
