#include "tests/unit/certs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/check.h"
#include "common/mem.h"

struct cert cert_make(EVP_PKEY *key, const char *name, const struct cert *issuer, long from_s,
	long to_s)
{
	X509 *x509 = X509_new();
	struct cert c = { .key = key, .x509 = x509 };
	const struct cert *signer = issuer != NULL ? issuer : &c;
	CHECK(key != NULL && x509 != NULL);
	X509_NAME *subject = X509_get_subject_name(x509);
	CHECK(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
		      -1, -1, 0) == 1);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), (uint64_t)random());
	X509_gmtime_adj(X509_getm_notBefore(x509), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x509), to_s);
	CHECK(X509_set_pubkey(x509, key) == 1);
	CHECK(X509_set_issuer_name(x509, X509_get_subject_name(signer->x509)) == 1);
	if (issuer == NULL) {
		X509_EXTENSION *ca =
			X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		CHECK(ca != NULL && X509_add_ext(x509, ca, -1) == 1);
		X509_EXTENSION_free(ca);
	}
	CHECK(X509_sign(x509, signer->key, EVP_sha256()) > 0);
	return c;
}

struct cert cert_make_simple(const char *name, const struct cert *issuer)
{
	return cert_make(EVP_EC_gen("P-256"), name, issuer, -60, 3600);
}

void cert_fini(struct cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x509);
}

static char *write_bio(BIO *bio, const struct key_dir *dir, const char *name, mode_t mode)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *path = key_dir_write(dir, name, bytes_make(data, (size_t)len), mode, "");
	BIO_free(bio);
	return path;
}

char *cert_write(const struct cert *c, const struct key_dir *dir, const char *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	CHECK(PEM_write_bio_X509(bio, c->x509) == 1);
	return write_bio(bio, dir, name, 0644);
}

char *cert_write_key(const struct cert *c, const struct key_dir *dir, const char *name, mode_t mode,
	const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_256_cbc() : NULL;
	CHECK(PEM_write_bio_PrivateKey(bio, c->key, cipher, (const unsigned char *)passphrase,
		      passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL) == 1);
	return write_bio(bio, dir, name, mode);
}

void tls_pair_init(struct tls_pair *p, struct tls_context *context, SSL_CTX *client)
{
	int fds[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	p->fd = fds[0];
	p->client_fd = fds[1];
	p->stream = tls_stream_new(context, p->fd);
	p->client = SSL_new(client);
	CHECK(p->stream != NULL && p->client != NULL && SSL_set_fd(p->client, fds[1]) == 1);
	SSL_set_connect_state(p->client);
}

void tls_pair_fini(struct tls_pair *p)
{
	tls_stream_free(p->stream);
	SSL_free(p->client);
	close(p->fd);
	close(p->client_fd);
}

size_t tls_pair_take(struct tls_pair *p)
{
	static uint8_t sealed[TLS_SEALED_MAX];
	ssize_t got = recv(p->fd, sealed, sizeof(sealed), 0);
	if (got <= 0) {
		CHECK(got == 0 || errno == EAGAIN);
		return 0;
	}
	return tls_stream_open(p->stream, bytes_make(sealed, (size_t)got), p->opened);
}

bool tls_pair_shake_hands(struct tls_pair *p)
{
	uint8_t byte;
	for (int i = 0; i < 6; i++) {
		// Reading goes on with the handshake, and takes in the ticket behind it.
		if (SSL_peek(p->client, &byte, 1) > 0) {
			break;
		}
		tls_pair_take(p);
	}
	return SSL_is_init_finished(p->client) && p->stream->state == TLS_OPEN;
}
