// Certificates made on the spot, and a TLS client to meet ours with.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "edge/state/edge_conf.h"
#include "edge/tls/tls_context.h"
#include "edge/tls/tls_stream.h"
#include "tests/unit/tokens.h"

struct cert {
	EVP_PKEY *key;
	X509 *x509;
};

// A certificate for `name`, valid from now + `from_s` to now + `to_s`, signed by `issuer` (NULL: by
// itself, and an authority). `key` is taken over.
struct cert cert_make(EVP_PKEY *key, const char *name, const struct cert *issuer, long from_s,
	long to_s);
// The same with a fresh P-256 key, valid for an hour.
struct cert cert_make_simple(const char *name, const struct cert *issuer);
void cert_fini(struct cert *c);
// Write PEM to a file of the folder and return its path (owned). A passphrase of NULL is none.
char *cert_write(const struct cert *c, const struct key_dir *dir, const char *name);
char *cert_write_key(const struct cert *c, const struct key_dir *dir, const char *name, mode_t mode,
	const char *passphrase);

// Both ends of one connection over a socket pair: ours, and a client of OpenSSL's.
struct tls_pair {
	struct tls_stream *stream; // owned
	int fd; // the stream's
	SSL *client; // owned
	int client_fd;
	uint8_t opened[TLS_OPENED_MAX];
};

void tls_pair_init(struct tls_pair *p, struct tls_context *context, SSL_CTX *client);
void tls_pair_fini(struct tls_pair *p);
// What the client has sent, read and opened; returns how much came of it (in `opened`).
size_t tls_pair_take(struct tls_pair *p);
// Takes turns until both have nothing more to say. True if both are open.
bool tls_pair_shake_hands(struct tls_pair *p);
