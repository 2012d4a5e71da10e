// TLS over one socket, server side: opens what came from it, seals and sends what is to go out. The
// handshake happens by itself as bytes arrive. An idle stream holds no buffer; of output, at most
// the part of a record that the socket has not taken yet.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/bytes.h"
#include "common/check.h"
#include "edge/tls/tls_bio.h"

struct ssl_st;
struct tls_context;

enum {
	TLS_RECORD_MAX = 16384, // plaintext of one record
	TLS_SEALED_MAX = 64 * 1024, // given to tls_stream_open() at once
	// What can come of it: the records in it, and one that had been there but for its last
	// byte.
	TLS_OPENED_MAX = TLS_SEALED_MAX + 2 * TLS_RECORD_MAX,
};

enum tls_stream_state {
	TLS_OPENING, // handshake
	TLS_OPEN,
	TLS_ENDED, // the peer sends no more: its close_notify came, or the socket is broken
	TLS_FAILED, // what the peer sent is no TLS, or none of ours; an alert was sent
};

struct tls_stream {
	struct ssl_st *ssl; // owned
	struct tls_context *context; // a reference
	struct tls_bio bio;
	enum tls_stream_state state; // only read it
	bool end_said; // close_notify, or there is nobody to say it to
	uint8_t n_renegotiations; // that the peer asked for and was refused
	const char *fault; // TLS_FAILED: static text for the log
};

// Takes a reference. NULL if memory is short.
struct tls_stream *tls_stream_new(struct tls_context *context, int fd);
void tls_stream_free(struct tls_stream *s); // NULL is fine

// Opens `sealed` (at most TLS_SEALED_MAX) into `out` (TLS_OPENED_MAX) and returns how much came of
// it. Whether the stream has ended or failed behind that is in `state`.
size_t tls_stream_open(struct tls_stream *s, struct bytes sealed, uint8_t *out);

// Seals and sends from the front of `iov`, one record at most; `record` (TLS_RECORD_MAX) is for
// gathering. Returns how much was taken over, -EAGAIN while the rest of the record before has not
// left, or another negative errno. With n 0 it only sees that the rest leaves.
MUST_CHECK ssize_t tls_stream_send(struct tls_stream *s, const struct iovec *iov, int n,
	uint8_t *record);
// The same, of a stream that owes nothing, but `*sealed` is the caller's to send: borrowed until
// tls_stream_sent() has reported how much of it was sent. What has not is owed.
MUST_CHECK ssize_t tls_stream_seal(struct tls_stream *s, const struct iovec *iov, int n,
	uint8_t *record, struct bytes *sealed);
void tls_stream_sent(struct tls_stream *s, size_t len);
// True while something that was taken over has not left.
static inline bool tls_stream_owes(const struct tls_stream *s)
{
	return s->bio.rest.len > 0;
}
// Says close_notify, once, if there is a stream to end. It may become part of what is owed.
void tls_stream_end(struct tls_stream *s);
