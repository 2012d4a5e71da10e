// One large read a turn is made by the caller; from here OpenSSL takes it in the small pieces it
// likes (the five bytes of a record's header, then its body), so the number of records costs no
// system call and no connection owns a buffer of ciphertext. Output is always accepted: OpenSSL
// never learns of a full socket, so no SSL_write() has to be repeated with the arguments of the
// last. What bounds the rest is the caller, who seals nothing more while there is one.
//
// Alternatives: a pair of memory BIOs copies everything once more and keeps its buffers; giving
// OpenSSL the descriptor costs two reads a record and a third to learn that there is no more.

#include "edge/tls/tls_bio.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>

static int bio_read(BIO *bio, char *out, int max)
{
	struct tls_bio *b = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (b->input.len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t n = (size_t)max < b->input.len ? (size_t)max : b->input.len;
	memcpy(out, b->input.data, n);
	b->input = bytes_from(b->input, n);
	return (int)n;
}

// How much the socket took, or negative errno.
static ssize_t send_now(int fd, struct bytes data)
{
	ssize_t sent;
	do {
		sent = send(fd, data.data, data.len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct tls_bio *b = BIO_get_data(bio);
	struct bytes left = bytes_make(data, (size_t)len);
	BIO_clear_retry_flags(bio);
	if (b->rest.len == 0 && !b->held) {
		ssize_t sent = send_now(b->fd, left);
		if (sent < 0 && sent != -EAGAIN) {
			return -1;
		}
		left = bytes_from(left, sent > 0 ? (size_t)sent : 0);
	}
	buf_append_bytes(&b->rest, left);
	return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket of a loop");
	CHECK(method != NULL);
	CHECK(BIO_meth_set_read(method, bio_read) == 1);
	CHECK(BIO_meth_set_write(method, bio_write) == 1);
	CHECK(BIO_meth_set_ctrl(method, bio_ctrl) == 1);
	return method;
}

void tls_bio_method_free(BIO_METHOD *method)
{
	BIO_meth_free(method);
}

BIO *tls_bio_new(const BIO_METHOD *method, struct tls_bio *b)
{
	BIO *bio = BIO_new(method);
	if (bio != NULL) {
		BIO_set_data(bio, b);
		BIO_set_init(bio, 1);
	}
	return bio;
}

void tls_bio_fini(struct tls_bio *b)
{
	buf_fini(&b->rest);
}

void tls_bio_sent(struct tls_bio *b, size_t len)
{
	buf_consume(&b->rest, len);
	if (b->rest.len == 0) {
		buf_fini(&b->rest);
	}
}

int tls_bio_flush(struct tls_bio *b)
{
	while (b->rest.len > 0) {
		ssize_t sent = send_now(b->fd, buf_bytes(&b->rest));
		if (sent < 0) {
			return (int)sent;
		}
		tls_bio_sent(b, (size_t)sent);
	}
	return 0;
}
