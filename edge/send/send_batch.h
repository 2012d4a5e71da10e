// Sends to many sockets in one system call: io_uring, where it is built in and the kernel lets us.
// Knows no connection. One thread's; a batch is filled and sent before anything else happens, so
// what it borrows need live no longer than that.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct send_batch;

enum {
	SEND_BATCH_MAX = 256, // sockets
	SEND_BATCH_FRAMES_MAX = 8, // to one of them
};

// NULL if there is none: built without liburing (send_batch_none.c), an old kernel, or one that
// forbids io_uring by a seccomp filter or a sysctl.
struct send_batch *send_batch_new(void);
// NULL is fine.
void send_batch_free(struct send_batch *batch);

// True if send_batch_run() must come before more is added.
bool send_batch_is_full(const struct send_batch *batch);
// `iov`, n of at most SEND_BATCH_FRAMES_MAX pieces, is to go out on `fd`. What it points to and
// `arg` are borrowed until send_batch_run() has reported. The batch must not be full.
void send_batch_add(struct send_batch *batch, int fd, const struct iovec *iov, int n, void *arg);
// Called once for each socket, in the order in which they were added: how many bytes the socket has
// taken, or a negative errno (-EAGAIN: none now).
typedef void send_batch_fn(void *arg, ssize_t sent);
// Sends all, then tells; adding again is allowed only after this has returned. Empty is fine.
void send_batch_run(struct send_batch *batch, send_batch_fn *report);
