// One SSL_CTX from four files. The rules are those of Mozilla's "intermediate" profile without its
// finite field groups: TLS 1.2 with ECDHE and an AEAD cipher, or TLS 1.3, in the client's order of
// preference, since phones without AES hardware know best. Renegotiation is off, because with it a
// client makes the server sign at its own rate; so is early data, which can be replayed.
//
// Sessions are kept by clients, in tickets, never here: a cache would be memory by the connection.
// In TLS 1.3 one ticket is sent, which is one return; the return brings the next. A session is
// bound to the authorities that its client certificate was checked against (the session id
// context), so after another `tls-client-ca` nobody slips in by an old one.
//
// All that can be wrong with the files is found here and reported as a fault of an option, with no
// question asked on a terminal. A certificate out of its time is refused as well: clients would
// refuse it anyway, and a reload that keeps the old one is better than an edge that nobody can use.
//
// A context is counted: it belongs to a generation of settings, and connections outlive a reload.

#include "edge/tls/tls_context.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"
#include "edge/tls/tls_bio.h"
#include "edge/tls/tls_ticket.h"

enum {
	FILE_MAX = 1024 * 1024,
	SECURITY_LEVEL = 2, // 112 bits: RSA and DH of 2048 bits
	VERIFY_DEPTH = 4,
	SESSION_LIFETIME_S = 2 * 3600,
	TICKETS_TLS13 = 1,
};

struct tls_context {
	_Atomic unsigned refs;
	SSL_CTX *ssl_ctx; // owned
	BIO_METHOD *bio_method; // owned
	struct tls_ticket_keys tickets;
};

// ---- faults

// What OpenSSL complained about first, as a static text.
static const char *openssl_reason(const char *otherwise)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());
	ERR_clear_error();
	return reason != NULL ? reason : otherwise;
}

// ---- certificate and key

static const char *time_fault(const X509 *cert)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0) {
		return "the certificate is not valid yet";
	}
	if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0) {
		return "the certificate has expired";
	}
	return NULL;
}

// The first certificate is the server's, the others are sent along.
static const char *use_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	if (cert == NULL) {
		ERR_clear_error();
		return "no PEM certificate in it";
	}
	const char *why = time_fault(cert);
	if (why == NULL && SSL_CTX_use_certificate(ctx, cert) != 1) {
		why = openssl_reason("not usable");
	}
	X509_free(cert);
	while (why == NULL && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			why = openssl_reason("its chain is not usable");
		}
	}
	// Reading ends with "no start line", or something else that is wrong.
	if (why == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		why = openssl_reason("its chain is invalid");
	}
	ERR_clear_error();
	return why;
}

// For a key under a passphrase nobody is asked.
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static const char *use_key(SSL_CTX *ctx, BIO *pem)
{
	bool encrypted = false;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, &encrypted);
	if (key == NULL) {
		ERR_clear_error();
		return encrypted ? "encrypted with a passphrase, which cannot be asked for"
				 : "no PEM private key in it";
	}
	const char *why = NULL;
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
		ERR_clear_error();
		why = "does not belong to the certificate";
	}
	EVP_PKEY_free(key);
	return why;
}

static const char *use_client_ca(SSL_CTX *ctx, BIO *pem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	size_t n = 0;
	const char *why = NULL;
	X509 *cert;
	while (why == NULL && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, cert) != 1 ||
			SSL_CTX_add_client_CA(ctx, cert) != 1) {
			why = openssl_reason("not usable");
		}
		X509_free(cert);
		n++;
	}
	ERR_clear_error();
	if (why == NULL && n == 0) {
		why = "no PEM certificate in it";
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
	return why;
}

static int load_chain(SSL_CTX *ctx, const char *path, struct fault *fault)
{
	struct buf text;
	const char *why;
	if (public_file_read(path, FILE_MAX, &text, &why) == 0) {
		BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
		CHECK(pem != NULL);
		why = use_chain(ctx, pem);
		BIO_free(pem);
		buf_fini(&text);
	}
	return why == NULL ? 0 : fault_set(fault, "tls-cert", "%s: %s", path, why);
}

static int load_key(SSL_CTX *ctx, const char *path, struct fault *fault)
{
	struct buf text;
	const char *why;
	if (secret_file_read(path, FILE_MAX, &text, &why) == 0) {
		BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
		CHECK(pem != NULL);
		why = use_key(ctx, pem);
		BIO_free(pem);
		secret_file_free(&text);
	}
	return why == NULL ? 0 : fault_set(fault, "tls-key", "%s: %s", path, why);
}

static int load_client_ca(SSL_CTX *ctx, const char *path, struct fault *fault)
{
	struct buf text = { 0 };
	uint8_t session_context[SSL_MAX_SID_CTX_LENGTH];
	const char *why = NULL;
	if (path[0] != '\0' && public_file_read(path, FILE_MAX, &text, &why) == 0) {
		BIO *pem = BIO_new_mem_buf(text.data, (int)text.len);
		CHECK(pem != NULL);
		why = use_client_ca(ctx, pem);
		BIO_free(pem);
	}
	CHECK(EVP_Digest(text.data, text.len, session_context, NULL, EVP_sha256(), NULL) == 1);
	CHECK(SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context)) == 1);
	buf_fini(&text);
	return why == NULL ? 0 : fault_set(fault, "tls-client-ca", "%s: %s", path, why);
}

static int load_tickets(struct tls_ticket_keys *keys, const char *path, struct fault *fault)
{
	struct buf text;
	const char *why;
	if (path[0] == '\0') {
		tls_ticket_keys_random(keys);
		return 0;
	}
	if (secret_file_read(path, FILE_MAX, &text, &why) == 0) {
		(void)!tls_ticket_keys_parse(keys, buf_bytes(&text), &why);
		secret_file_free(&text);
	}
	return why == NULL ? 0 : fault_set(fault, "tls-ticket-key-file", "%s: %s", path, why);
}

// ---- rules

// Who offers protocols but not ours would speak something else to us (RFC 7301 section 3.2).
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	(void)ssl;
	(void)arg;
	int result = SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len);
	*out = chosen;
	return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int seal)
{
	const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int result = tls_ticket_keys_use(&context->tickets, name, iv, cipher, mac, seal);
	// TLS 1.3 tickets are for one use (RFC 8446 appendix C.4): whoever spends one gets another.
	bool spent = seal == 0 && result == 1 && SSL_version(ssl) == TLS1_3_VERSION;
	return spent ? 2 : result;
}

// Groups that this version does not know fail the whole list, so the newest list is only tried.
static void set_groups(SSL_CTX *ctx)
{
	if (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384") != 1) {
		ERR_clear_error();
		CHECK(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1);
	}
}

static void set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	CHECK(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1);
	CHECK(SSL_CTX_set_cipher_list(ctx,
		      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
		      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
		      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1);
	CHECK(SSL_CTX_set_ciphersuites(ctx,
		      "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		      "TLS_CHACHA20_POLY1305_SHA256") == 1);
	set_groups(ctx);
	// A peer that ends TCP without close_notify has ended; that a message is whole is shown by
	// WebSocket's own frames.
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, SESSION_LIFETIME_S);
	CHECK(SSL_CTX_set_num_tickets(ctx, TICKETS_TLS13) == 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1);
}

// ---- life

struct tls_context *tls_context_new(const struct tls_files *files, struct fault *fault)
{
	struct tls_context *context = xcalloc(1, sizeof(*context));
	atomic_init(&context->refs, 1);
	ERR_clear_error();
	context->ssl_ctx = SSL_CTX_new(TLS_server_method());
	CHECK(context->ssl_ctx != NULL);
	context->bio_method = tls_bio_method_new();
	CHECK(SSL_CTX_set_app_data(context->ssl_ctx, context) == 1);
	set_rules(context->ssl_ctx);
	if (load_chain(context->ssl_ctx, files->cert, fault) != 0 ||
		load_key(context->ssl_ctx, files->key, fault) != 0 ||
		load_client_ca(context->ssl_ctx, files->client_ca, fault) != 0 ||
		load_tickets(&context->tickets, files->ticket_keys, fault) != 0) {
		tls_context_unref(context);
		return NULL;
	}
	return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	unsigned before = atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
	CHECK(before > 0);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (context == NULL) {
		return;
	}
	unsigned before = atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before == 1) {
		SSL_CTX_free(context->ssl_ctx);
		tls_bio_method_free(context->bio_method);
		tls_ticket_keys_wipe(&context->tickets);
		free(context);
	}
}

SSL *tls_context_accept(struct tls_context *context, struct tls_bio *bio)
{
	SSL *ssl = SSL_new(context->ssl_ctx);
	BIO *socket = ssl != NULL ? tls_bio_new(context->bio_method, bio) : NULL;
	if (socket == NULL) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_bio(ssl, socket, socket); // takes over one reference for both
	SSL_set_accept_state(ssl);
	return ssl;
}
