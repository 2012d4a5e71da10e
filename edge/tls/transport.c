// Two ways and no table of functions: a pointer that is NULL for a plain connection is one
// predictable branch, and the plain way stays what it was, one read(2) and one writev(2) on the
// connection's own descriptor. It holds no state; what TLS has to remember is the stream's.

#include "edge/tls/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"

void transport_buffers_fini(struct transport_buffers *b)
{
	free(b->opened);
	free(b->record);
}

void transport_buffers_need_tls(struct transport_buffers *b)
{
	if (b->opened == NULL) {
		b->opened = xmalloc(TLS_OPENED_MAX);
		b->record = xmalloc(TLS_RECORD_MAX);
	}
}

ssize_t transport_read(int fd, struct tls_stream *tls, struct transport_buffers *b, uint8_t **data)
{
	ssize_t got = read(fd, b->input, sizeof(b->input));
	if (got < 0) {
		return errno == EINTR ? -EAGAIN : -errno;
	}
	*data = b->input;
	if (tls == NULL || got == 0) {
		return got;
	}
	*data = b->opened;
	ssize_t opened =
		(ssize_t)tls_stream_open(tls, bytes_make(b->input, (size_t)got), b->opened);
	return opened > 0 ? opened : -EAGAIN;
}

ssize_t transport_write(int fd, struct tls_stream *tls, struct transport_buffers *b,
	const struct iovec *iov, int n)
{
	if (tls != NULL) {
		return tls_stream_send(tls, iov, n, b->record);
	}
	ssize_t sent;
	do {
		sent = writev(fd, iov, n);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

int transport_end(int fd, struct tls_stream *tls)
{
	if (tls != NULL) {
		tls_stream_end(tls);
		if (tls_stream_owes(tls)) {
			return -EAGAIN;
		}
	}
	shutdown(fd, SHUT_WR);
	return 0;
}
