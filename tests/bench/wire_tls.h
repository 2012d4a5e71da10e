// TLS as a client, for the fleet: recv() and send() over OpenSSL. Certificates are not checked; it
// measures a server, it does not trust one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/check.h"

struct ssl_st;
struct ssl_ctx_st;

struct ssl_ctx_st *wire_tls_new(void);
void wire_tls_free(struct ssl_ctx_st *ctx);

// A stream on the connected socket; the handshake happens with what is sent and received.
struct ssl_st *wire_tls_open(struct ssl_ctx_st *ctx, int fd);
// Says goodbye as far as the socket takes it. NULL is fine.
void wire_tls_close(struct ssl_st *ssl);

// As recv(2) and send(2), errno EPROTO if TLS fails.
MUST_CHECK ssize_t wire_tls_recv(struct ssl_st *ssl, void *data, size_t len);
MUST_CHECK ssize_t wire_tls_send(struct ssl_st *ssl, const void *data, size_t len);
// After EAGAIN: whether it waits for input, not for room in the socket.
bool wire_tls_awaits_input(const struct ssl_st *ssl);
