// The socket as OpenSSL is shown it: input is what the caller has read, output goes out at once and
// what the socket does not take is kept. Neither side ever makes OpenSSL wait for a full socket.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

struct bio_st;
struct bio_method_st;

struct tls_bio {
	int fd; // borrowed
	struct bytes input; // borrowed; what OpenSSL has not read yet of the call under way
	struct buf rest; // output that the socket has not taken
	bool held; // all output goes to `rest`: the caller sends it
};

struct bio_method_st *tls_bio_method_new(void);
void tls_bio_method_free(struct bio_method_st *method);

// A BIO on `b`, which must outlive it; NULL if memory is short.
struct bio_st *tls_bio_new(const struct bio_method_st *method, struct tls_bio *b);
void tls_bio_fini(struct tls_bio *b);

// The caller has sent so much of the rest.
void tls_bio_sent(struct tls_bio *b, size_t len);
// Sends the rest. 0, -EAGAIN if the socket has not taken all of it, or another negative errno.
MUST_CHECK int tls_bio_flush(struct tls_bio *b);
