// OpenSSL on the descriptor itself: the client's buffers and system calls are not what is measured,
// so the simplest way will do. The server has another (edge/tls/tls_stream.c), which this one
// tests.

#include "tests/bench/wire_tls.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	RECORD_MAX = 16384,
};

struct ssl_ctx_st *wire_tls_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	CHECK(ctx != NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

void wire_tls_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

struct ssl_st *wire_tls_open(struct ssl_ctx_st *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

void wire_tls_close(struct ssl_st *ssl)
{
	if (ssl != NULL && SSL_is_init_finished(ssl)) {
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static ssize_t failed(const SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return -1;
	default:
		ERR_clear_error();
		errno = EPROTO;
		return -1;
	}
}

// Goes on as long as a whole record fits, so that OpenSSL keeps nothing that no event would tell
// of.
ssize_t wire_tls_recv(struct ssl_st *ssl, void *data, size_t len)
{
	size_t got = 0;
	while (len - got >= RECORD_MAX) {
		size_t n;
		int result = SSL_read_ex(ssl, (char *)data + got, len - got, &n);
		if (result != 1) {
			return got > 0 ? (ssize_t)got : failed(ssl, result);
		}
		got += n;
	}
	return (ssize_t)got;
}

ssize_t wire_tls_send(struct ssl_st *ssl, const void *data, size_t len)
{
	size_t sent;
	int result = SSL_write_ex(ssl, data, len, &sent);
	return result == 1 ? (ssize_t)sent : failed(ssl, result);
}

bool wire_tls_awaits_input(const struct ssl_st *ssl)
{
	return SSL_want_read(ssl);
}
