// Drives one SSL object with whole turns: all that was read goes in, all that can be opened comes
// out.
//
// Invariants: between calls OpenSSL holds no plaintext (it has all been taken out) and no output
// that is ready (see tls_bio.c); of input, at most a record that has not arrived whole. With
// SSL_MODE_RELEASE_BUFFERS it then has no buffer either. Nothing is sealed while the record before
// has not left, so what is owed is bounded and a slow reader shows where it is counted: in the
// queue of the connection.
//
// Small frames are gathered into one record: sealing costs about as much for a hundred bytes as for
// a thousand, and each record adds 22 bytes or more. A frame that fills a record by itself is
// sealed where it lies.
//
// What reading makes OpenSSL write (answers to KeyUpdate, refusals of a renegotiation) is owed like
// the rest but asked for by the peer, who need not read it. So it is bounded: more than OWED_MAX,
// or a second try to renegotiate, ends the stream.
//
// It refuses to know deadlines, budgets and what the bytes mean. bufferevent_openssl was rejected:
// it sends no close_notify, calls the end of TCP an error, and has buffers of its own.

#include "edge/tls/tls_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/mem.h"
#include "edge/tls/tls_context.h"

enum {
	OWED_MAX = 64 << 10, // after reading; a record that waits is 16 KiB
	RENEGOTIATIONS_MAX = 1,
};

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls_stream *s = SSL_get_app_data(ssl);
	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT &&
		(value & 0xff) == SSL_AD_NO_RENEGOTIATION) {
		s->n_renegotiations++;
	}
}

struct tls_stream *tls_stream_new(struct tls_context *context, int fd)
{
	struct tls_stream *s = xcalloc(1, sizeof(*s));
	s->context = tls_context_ref(context);
	s->bio.fd = fd;
	s->ssl = tls_context_accept(context, &s->bio);
	if (s->ssl == NULL) {
		tls_stream_free(s);
		return NULL;
	}
	CHECK(SSL_set_app_data(s->ssl, s) == 1);
	SSL_set_info_callback(s->ssl, on_info);
	return s;
}

void tls_stream_free(struct tls_stream *s)
{
	if (s == NULL) {
		return;
	}
	SSL_free(s->ssl);
	tls_context_unref(s->context);
	tls_bio_fini(&s->bio);
	free(s);
}

// After an error of OpenSSL's that no more input can repair, or the peer's close_notify.
static void stop(struct tls_stream *s, int error)
{
	if (error == SSL_ERROR_SSL) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		s->fault = reason != NULL ? reason : "unknown";
		s->state = TLS_FAILED;
	} else {
		s->state = TLS_ENDED;
		s->end_said = s->end_said || error == SSL_ERROR_SYSCALL; // nobody would hear it
	}
	ERR_clear_error();
}

static void note_opened(struct tls_stream *s)
{
	if (s->state == TLS_OPENING && SSL_is_init_finished(s->ssl)) {
		s->state = TLS_OPEN;
	}
}

// True, and the stream has failed, if the peer makes us write more than it may.
static bool asks_too_much(struct tls_stream *s)
{
	if (s->n_renegotiations <= RENEGOTIATIONS_MAX && s->bio.rest.len <= OWED_MAX) {
		return false;
	}
	s->fault = s->n_renegotiations > RENEGOTIATIONS_MAX ? "renegotiation" : "reads no answers";
	s->state = TLS_FAILED;
	return true;
}

size_t tls_stream_open(struct tls_stream *s, struct bytes sealed, uint8_t *out)
{
	size_t len = 0;
	CHECK(sealed.len <= TLS_SEALED_MAX);
	s->bio.input = sealed;
	while (s->state == TLS_OPENING || s->state == TLS_OPEN) {
		size_t n = 0;
		CHECK(len <= TLS_OPENED_MAX - TLS_RECORD_MAX);
		ERR_clear_error();
		int ok = SSL_read_ex(s->ssl, out + len, TLS_OPENED_MAX - len, &n);
		len += n;
		note_opened(s);
		if (asks_too_much(s)) {
			break;
		}
		if (ok == 1) {
			continue;
		}
		int error = SSL_get_error(s->ssl, ok);
		if (error == SSL_ERROR_WANT_READ) {
			break;
		}
		stop(s, error);
	}
	s->bio.input = bytes_make(NULL, 0);
	return len;
}

// The next bytes to seal: the first piece where it lies if it fills a record or is the only one,
// else as many pieces as go into one, gathered.
static struct bytes next_record(const struct iovec *iov, int n, uint8_t *record)
{
	if (n == 1 || iov[0].iov_len >= TLS_RECORD_MAX) {
		size_t len = iov[0].iov_len < TLS_RECORD_MAX ? iov[0].iov_len : TLS_RECORD_MAX;
		return bytes_make(iov[0].iov_base, len);
	}
	size_t len = 0;
	for (int i = 0; i < n && len < TLS_RECORD_MAX; i++) {
		size_t left = TLS_RECORD_MAX - len;
		size_t take = iov[i].iov_len < left ? iov[i].iov_len : left;
		memcpy(record + len, iov[i].iov_base, take);
		len += take;
	}
	return bytes_make(record, len);
}

ssize_t tls_stream_send(struct tls_stream *s, const struct iovec *iov, int n, uint8_t *record)
{
	int result = tls_bio_flush(&s->bio);
	if (result != 0 || n == 0) {
		return result;
	}
	if (s->state == TLS_OPENING || s->state == TLS_FAILED || s->end_said) {
		return -EPIPE;
	}
	struct bytes data = next_record(iov, n, record);
	size_t sealed = 0;
	ERR_clear_error();
	int ok = SSL_write_ex(s->ssl, data.data, data.len, &sealed);
	if (ok != 1) {
		stop(s, SSL_get_error(s->ssl, ok));
		return -EPIPE;
	}
	return (ssize_t)sealed;
}

ssize_t tls_stream_seal(struct tls_stream *s, const struct iovec *iov, int n, uint8_t *record,
	struct bytes *sealed)
{
	CHECK(!tls_stream_owes(s));
	s->bio.held = true;
	ssize_t taken = tls_stream_send(s, iov, n, record);
	s->bio.held = false;
	*sealed = buf_bytes(&s->bio.rest);
	return taken;
}

void tls_stream_sent(struct tls_stream *s, size_t len)
{
	tls_bio_sent(&s->bio, len);
}

void tls_stream_end(struct tls_stream *s)
{
	if ((s->state == TLS_OPEN || s->state == TLS_ENDED) && !s->end_said) {
		s->end_said = true;
		ERR_clear_error();
		(void)SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
}
