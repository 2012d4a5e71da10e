// Which files make a context, and what two ends agree on.

#include <stdlib.h>
#include <string.h>

#include <openssl/rsa.h>

#include "common/check.h"
#include "common/mem.h"
#include "edge/state/settings.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/certs.h"
#include "tests/unit/test.h"

#define TICKET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TICKET_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct key_dir dir;
static struct cert authority;
static struct cert server;
static char *cert_path;
static char *key_path;
static char *ca_path;

static char *text_file(const char *name, const char *text)
{
	return key_dir_write(&dir, name, bytes_str(text), 0600, "");
}

// A context of the server's certificate; the other two files may be "".
static struct tls_context *context_with(const char *client_ca, const char *tickets)
{
	const struct tls_files files = {
		.cert = cert_path,
		.key = key_path,
		.client_ca = client_ca,
		.ticket_keys = tickets,
	};
	struct fault fault = { 0 };
	struct tls_context *context = tls_context_new(&files, &fault);
	if (context == NULL) {
		fail_msg("%s: %s", fault.option, fault.what);
	}
	return context;
}

// ---- files

static void assert_fault(const char *cert, const char *key, const char *ca, const char *tickets,
	const char *option, const char *what)
{
	const struct tls_files files = {
		.cert = cert,
		.key = key,
		.client_ca = ca,
		.ticket_keys = tickets,
	};
	struct fault fault = { 0 };
	assert_null(tls_context_new(&files, &fault));
	assert_string_equal(fault.option, option);
	if (strstr(fault.what, what) == NULL) {
		fail_msg("wanted \"%s\" in \"%s\"", what, fault.what);
	}
	fault_fini(&fault);
}

static void a_file_that_is_none_is_a_fault_of_its_option(void **state)
{
	(void)state;
	char *text = text_file("text", "neither a key nor a certificate");
	char *open = cert_write_key(&server, &dir, "open.key", 0644, NULL);
	char *locked = cert_write_key(&server, &dir, "locked.key", 0600, "secret");
	assert_fault("/nowhere", key_path, "", "", "tls-cert", "/nowhere: No such file");
	assert_fault(text, key_path, "", "", "tls-cert", "no PEM certificate");
	assert_fault(cert_path, "/nowhere", "", "", "tls-key", "/nowhere: No such file");
	assert_fault(cert_path, text, "", "", "tls-key", "no PEM private key");
	assert_fault(cert_path, open, "", "", "tls-key", "others can touch it");
	assert_fault(cert_path, locked, "", "", "tls-key", "encrypted");
	assert_fault(cert_path, key_path, "/nowhere", "", "tls-client-ca", "No such file");
	assert_fault(cert_path, key_path, text, "", "tls-client-ca", "no PEM certificate");
	assert_fault(cert_path, key_path, "", "/nowhere", "tls-ticket-key-file", "No such file");
	assert_fault(cert_path, key_path, "", text, "tls-ticket-key-file", "shorter than 32");
	free(text);
	free(open);
	free(locked);
}

// One certificate with its key in place of the server's.
static void assert_cert_fault(struct cert c, const char *option, const char *what)
{
	char *cert = cert_write(&c, &dir, "other.pem");
	char *key = cert_write_key(&c, &dir, "other.key", 0600, NULL);
	assert_fault(cert, key, "", "", option, what);
	free(cert);
	free(key);
	cert_fini(&c);
}

static void a_certificate_out_of_its_time_is_refused(void **state)
{
	(void)state;
	assert_cert_fault(cert_make(EVP_EC_gen("P-256"), "late", NULL, -7200, -3600), "tls-cert",
		"has expired");
	assert_cert_fault(cert_make(EVP_EC_gen("P-256"), "early", NULL, 3600, 7200), "tls-cert",
		"not valid yet");
}

static void a_short_key_is_refused(void **state)
{
	(void)state;
	assert_cert_fault(cert_make(EVP_RSA_gen(1024), "weak", NULL, -60, 3600), "tls-cert",
		"key too small");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	(void)state;
	struct cert other = cert_make_simple("other", NULL);
	char *key = cert_write_key(&other, &dir, "foreign.key", 0600, NULL);
	assert_fault(cert_path, key, "", "", "tls-key", "does not belong");
	free(key);
	cert_fini(&other);
}

// ---- what is agreed on

static SSL_CTX *client_new(int min, int max)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0); // so that it offers what we have to refuse
	SSL_CTX_set_min_proto_version(ctx, min);
	SSL_CTX_set_max_proto_version(ctx, max);
	return ctx;
}

static bool connects(struct tls_context *context, SSL_CTX *client)
{
	static struct tls_pair p;
	tls_pair_init(&p, context, client);
	bool ok = tls_pair_shake_hands(&p);
	assert_true(ok || p.stream->state == TLS_FAILED);
	tls_pair_fini(&p);
	return ok;
}

static void only_versions_1_2_and_1_3_are_spoken(void **state)
{
	(void)state;
	static const struct {
		int version;
		bool ok;
	} rows[] = {
		{ TLS1_VERSION, false },
		{ TLS1_1_VERSION, false },
		{ TLS1_2_VERSION, true },
		{ TLS1_3_VERSION, true },
	};
	struct tls_context *context = context_with("", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SSL_CTX *client = client_new(rows[i].version, rows[i].version);
		assert_int_equal(connects(context, client), rows[i].ok);
		SSL_CTX_free(client);
	}
	tls_context_unref(context);
}

static void ciphers_without_forward_secrecy_or_authentication_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *ciphers;
		bool ok;
	} rows[] = {
		{ "ECDHE-ECDSA-AES128-GCM-SHA256", true },
		{ "ECDHE-ECDSA-AES256-GCM-SHA384", true },
		{ "ECDHE-ECDSA-CHACHA20-POLY1305", true },
		{ "ECDHE-ECDSA-AES128-SHA256", false },
		{ "ECDHE-ECDSA-AES128-SHA", false },
		{ "ECDHE-ECDSA-AES128-CCM", false },
		{ "AES128-GCM-SHA256", false },
		{ "ECDHE-ECDSA-NULL-SHA", false },
		{ "AECDH-AES128-SHA", false },
	};
	struct tls_context *context = context_with("", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SSL_CTX *client = client_new(TLS1_2_VERSION, TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(client, rows[i].ciphers), 1);
		if (connects(context, client) != rows[i].ok) {
			fail_msg("%s", rows[i].ciphers);
		}
		SSL_CTX_free(client);
	}
	tls_context_unref(context);
}

// What an EC certificate cannot show: the suites that encrypt a secret for the certificate's key.
static void an_rsa_certificate_is_used_for_signing_only(void **state)
{
	(void)state;
	static const struct {
		const char *ciphers;
		bool ok;
	} rows[] = {
		{ "ECDHE-RSA-AES128-GCM-SHA256", true },
		{ "ECDHE-RSA-CHACHA20-POLY1305", true },
		{ "AES128-GCM-SHA256", false },
		{ "AES256-GCM-SHA384", false },
		{ "AES128-SHA256", false },
		{ "DHE-RSA-AES128-GCM-SHA256", false },
		{ "ECDHE-RSA-AES128-SHA256", false },
	};
	struct key_dir folder;
	struct cert cert = cert_make(EVP_RSA_gen(2048), "rsa", NULL, -60, 3600);
	struct fault fault = { 0 };
	key_dir_init(&folder);
	char *its_cert = cert_write(&cert, &folder, "cert");
	char *its_key = cert_write_key(&cert, &folder, "key", 0600, NULL);
	const struct tls_files files = { its_cert, its_key, .client_ca = "", .ticket_keys = "" };
	struct tls_context *context = tls_context_new(&files, &fault);
	assert_non_null(context);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SSL_CTX *client = client_new(TLS1_2_VERSION, TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(client, rows[i].ciphers), 1);
		if (connects(context, client) != rows[i].ok) {
			fail_msg("%s", rows[i].ciphers);
		}
		SSL_CTX_free(client);
	}
	tls_context_unref(context);
	free(its_cert);
	free(its_key);
	cert_fini(&cert);
	key_dir_fini(&folder);
}

static void http_1_1_is_the_only_application_protocol(void **state)
{
	(void)state;
	static const struct {
		const char *offer;
		const char *chosen; // NULL: refused
	} rows[] = {
		{ "", "" },
		{ "\x08http/1.1", "http/1.1" },
		{ "\x02h2\x08http/1.1", "http/1.1" },
		{ "\x02h2", NULL },
		{ "\x08http/1.0", NULL },
	};
	struct tls_context *context = context_with("", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct tls_pair p;
		SSL_CTX *client = client_new(TLS1_2_VERSION, TLS1_3_VERSION);
		tls_pair_init(&p, context, client);
		assert_int_equal(SSL_set_alpn_protos(p.client, (const uint8_t *)rows[i].offer,
					 (unsigned)strlen(rows[i].offer)),
			0);
		assert_int_equal(tls_pair_shake_hands(&p), rows[i].chosen != NULL);
		if (rows[i].chosen != NULL) {
			const unsigned char *chosen;
			unsigned len;
			SSL_get0_alpn_selected(p.client, &chosen, &len);
			assert_bytes_equal(bytes_make(chosen, len), rows[i].chosen);
		} else {
			assert_non_null(p.stream->fault);
		}
		tls_pair_fini(&p);
		SSL_CTX_free(client);
	}
	tls_context_unref(context);
}

static void a_client_certificate_is_checked_if_authorities_are_given(void **state)
{
	(void)state;
	struct cert known = cert_make_simple("known", &authority);
	struct cert stranger = cert_make_simple("stranger", NULL);
	struct cert late = cert_make(EVP_EC_gen("P-256"), "late", &authority, -7200, -3600);
	const struct {
		const struct cert *cert;
		bool ok;
	} rows[] = {
		{ &known, true },
		{ NULL, false },
		{ &stranger, false },
		{ &late, false },
	};
	struct tls_context *context = context_with(ca_path, "");
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			SSL_CTX *client = client_new(version, version);
			if (rows[i].cert != NULL) {
				SSL_CTX_use_certificate(client, rows[i].cert->x509);
				SSL_CTX_use_PrivateKey(client, rows[i].cert->key);
			}
			assert_int_equal(connects(context, client), rows[i].ok);
			SSL_CTX_free(client);
		}
	}
	tls_context_unref(context);
	cert_fini(&known);
	cert_fini(&stranger);
	cert_fini(&late);
}

// ---- sessions

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

// Connects with what was kept of the last time; true if that was resumed.
static bool resumes(struct tls_context *context, SSL_CTX *client)
{
	static struct tls_pair p;
	tls_pair_init(&p, context, client);
	if (kept_session != NULL) {
		SSL_set_session(p.client, kept_session);
	}
	assert_true(tls_pair_shake_hands(&p));
	bool resumed = SSL_session_reused(p.client) == 1;
	if (SSL_version(p.client) == TLS1_2_VERSION) {
		keep_session(p.client, SSL_get1_session(p.client)); // a new ticket is not told of
	}
	SSL_shutdown(p.client); // or the session would be spoilt
	tls_pair_fini(&p);
	return resumed;
}

static SSL_CTX *returning_client(int version)
{
	SSL_CTX *client = client_new(version, version);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(client, keep_session);
	return client;
}

static void forget_session(void)
{
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
}

static void contexts_with_the_same_ticket_key_resume_each_others_sessions(void **state)
{
	(void)state;
	char *a = text_file("a", TICKET_A "\n");
	char *rotated = text_file("rotated", TICKET_B "\n" TICKET_A "\n");
	char *b = text_file("b", TICKET_B "\n");
	struct tls_context *edge_1 = context_with("", a);
	struct tls_context *edge_2 = context_with("", a);
	struct tls_context *edge_3 = context_with("", rotated);
	struct tls_context *edge_4 = context_with("", b);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *client = returning_client(version);
		assert_false(resumes(edge_1, client));
		assert_true(resumes(edge_2, client));
		assert_true(resumes(edge_3, client)); // which seals it anew
		assert_true(resumes(edge_4, client));
		assert_true(resumes(edge_4, client));
		assert_false(resumes(edge_1, client));
		forget_session();
		SSL_CTX_free(client);
	}
	tls_context_unref(edge_1);
	tls_context_unref(edge_2);
	tls_context_unref(edge_3);
	tls_context_unref(edge_4);
	free(a);
	free(rotated);
	free(b);
}

static void without_a_ticket_key_each_context_has_its_own(void **state)
{
	(void)state;
	struct tls_context *one = context_with("", "");
	struct tls_context *other = context_with("", "");
	SSL_CTX *client = returning_client(TLS1_3_VERSION);
	assert_false(resumes(one, client));
	assert_true(resumes(one, client));
	assert_false(resumes(other, client));
	forget_session();
	SSL_CTX_free(client);
	tls_context_unref(one);
	tls_context_unref(other);
}

static void a_session_does_not_outlive_the_authorities_it_was_checked_against(void **state)
{
	(void)state;
	struct cert known = cert_make_simple("known", &authority);
	char *tickets = text_file("a", TICKET_A "\n");
	struct tls_context *anybody = context_with("", tickets);
	struct tls_context *before = context_with(ca_path, tickets);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *client = returning_client(version);
		SSL_CTX_use_certificate(client, known.x509);
		SSL_CTX_use_PrivateKey(client, known.key);
		assert_false(resumes(anybody, client));
		assert_false(resumes(before, client)); // a session of no certificate is not enough
		assert_true(resumes(before, client));
		assert_false(resumes(anybody, client));
		forget_session();
		SSL_CTX_free(client);
	}
	tls_context_unref(anybody);
	tls_context_unref(before);
	free(tickets);
	cert_fini(&known);
}

static int set_up(void **state)
{
	(void)state;
	key_dir_init(&dir);
	authority = cert_make_simple("authority", NULL);
	server = cert_make_simple("server", &authority);
	cert_path = cert_write(&server, &dir, "server.pem");
	key_path = cert_write_key(&server, &dir, "server.key", 0600, NULL);
	ca_path = cert_write(&authority, &dir, "ca.pem");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(cert_path);
	free(key_path);
	free(ca_path);
	cert_fini(&server);
	cert_fini(&authority);
	key_dir_fini(&dir);
	return 0;
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_is_none_is_a_fault_of_its_option),
		cmocka_unit_test(a_certificate_out_of_its_time_is_refused),
		cmocka_unit_test(a_short_key_is_refused),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(only_versions_1_2_and_1_3_are_spoken),
		cmocka_unit_test(ciphers_without_forward_secrecy_or_authentication_are_refused),
		cmocka_unit_test(an_rsa_certificate_is_used_for_signing_only),
		cmocka_unit_test(http_1_1_is_the_only_application_protocol),
		cmocka_unit_test(a_client_certificate_is_checked_if_authorities_are_given),
		cmocka_unit_test(contexts_with_the_same_ticket_key_resume_each_others_sessions),
		cmocka_unit_test(without_a_ticket_key_each_context_has_its_own),
		cmocka_unit_test(a_session_does_not_outlive_the_authorities_it_was_checked_against),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
