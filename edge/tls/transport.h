// The bytes of a connection, over plain TCP (`tls` NULL) or TLS: the only place where the two
// differ. Non-blocking; a negative result is -EAGAIN or the errno that ends the connection.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/check.h"
#include "edge/tls/tls_stream.h"

enum {
	TRANSPORT_READ_MAX = TLS_SEALED_MAX, // read from one connection in one turn
};

// A worker's buffers: one for each step, since what has been read is still in use while the answer
// is written.
struct transport_buffers {
	uint8_t input[TRANSPORT_READ_MAX]; // as it came from the socket
	uint8_t *opened; // owned, TLS_OPENED_MAX; NULL before transport_buffers_need_tls()
	uint8_t *record; // owned, TLS_RECORD_MAX; likewise
};

void transport_buffers_fini(struct transport_buffers *b);
void transport_buffers_need_tls(struct transport_buffers *b);

// Reads once. `*data` is what came (good until the next call) and is the caller's to change; the
// result its length, -EAGAIN if there is nothing for the caller, 0 at the end. With TLS, data and
// the end, or a fault, may come at once: transport_at_end(), transport_fault().
MUST_CHECK ssize_t transport_read(int fd, struct tls_stream *tls, struct transport_buffers *b,
	uint8_t **data);
// Writes what it can from the front of `iov`; n 0 if nothing is left but what TLS owes.
MUST_CHECK ssize_t transport_write(int fd, struct tls_stream *tls, struct transport_buffers *b,
	const struct iovec *iov, int n);
// Ends our side of the stream: with TLS by close_notify. 0 when that has left; else to be repeated.
MUST_CHECK int transport_end(int fd, struct tls_stream *tls);

// True while something that was written has not reached the socket.
static inline bool transport_owes(const struct tls_stream *tls)
{
	return tls != NULL && tls_stream_owes(tls);
}
// True before the stream can carry anything of the caller's.
static inline bool transport_is_opening(const struct tls_stream *tls)
{
	return tls != NULL && tls->state == TLS_OPENING;
}
// True when the peer has said that it sends no more.
static inline bool transport_at_end(const struct tls_stream *tls)
{
	return tls != NULL && tls->state == TLS_ENDED;
}
// NULL, or why TLS failed, as a static text.
static inline const char *transport_fault(const struct tls_stream *tls)
{
	return tls != NULL && tls->state == TLS_FAILED ? tls->fault : NULL;
}
