// What TLS on the client port needs beside a connection: certificate, private key, authorities of
// client certificates, ticket keys, and the rules (TLS 1.2 and 1.3, forward secret AEAD ciphers,
// ALPN http/1.1, no renegotiation, no early data). A context is made whole or not at all and never
// changes; reloading makes a new one, and connections keep the one they began with.
#pragma once

struct fault;
struct ssl_st;
struct tls_bio;
struct tls_context;

struct tls_files { // paths; "" for none, which only the last two may be
	const char *cert;
	const char *key;
	const char *client_ca;
	const char *ticket_keys;
};
// Reads the files. NULL and the option at fault if one is missing, readable by
// others, not what it should be, does not fit the rest, or a certificate that is not valid today.
struct tls_context *tls_context_new(const struct tls_files *files, struct fault *fault);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); // NULL is fine

// OpenSSL's object for the server's side of one connection; NULL if memory is short. `bio` and the
// context must outlive it.
struct ssl_st *tls_context_accept(struct tls_context *context, struct tls_bio *bio);
