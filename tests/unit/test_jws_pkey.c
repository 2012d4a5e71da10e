#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "common/base64url.h"
#include "common/fault.h"
#include "common/mem.h"
#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"
#include "edge/auth/jws_sign.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

static struct key_dir dir;

static const struct {
	const char *alg;
	const char *kind;
} algorithms[] = {
	{ "RS256", "RSA-2048" },
	{ "RS384", "RSA-2048" },
	{ "RS512", "RSA-2048" },
	{ "PS256", "RSA-2048" },
	{ "PS384", "RSA-2048" },
	{ "PS512", "RSA-2048" },
	{ "ES256", "P-256" },
	{ "ES384", "P-384" },
	{ "ES512", "P-521" },
	{ "EdDSA", "Ed25519" },
	{ "EdDSA", "Ed448" },
};

static struct jws_key *load_key(const char *alg, EVP_PKEY *pkey)
{
	char prefix[16];
	snprintf(prefix, sizeof(prefix), "%s:", alg);
	char *pem = pkey_pem(pkey, false);
	char *spec = key_dir_write(&dir, "key", bytes_str(pem), 0644, prefix);
	struct fault fault = { 0 };
	struct jws_key *key = jws_key_load(spec, &fault);
	if (key == NULL) {
		fail_msg("%s", fault.what);
	}
	free(spec);
	free(pem);
	return key;
}

static char *header_of(const char *alg)
{
	return xasprintf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
}

static char *make_token(const char *header_alg, const char *alg, EVP_PKEY *pkey)
{
	char *header = header_of(header_alg);
	char *token = token_make_with(alg, pkey, header, "{\"sub\":\"ann\"}");
	free(header);
	return token;
}

static enum jws_match check_token(const struct jws_key *key, const char *token)
{
	struct jws jws;
	assert_true(jws_parse(&jws, bytes_str(token)));
	enum jws_match match = jws_check(&jws, key);
	assert_int_equal(ERR_peek_error(), 0);
	jws_fini(&jws);
	return match;
}

static void each_algorithm_accepts_what_its_own_key_signed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		const char *alg = algorithms[i].alg;
		EVP_PKEY *mine = pkey_of_kind(algorithms[i].kind, 0);
		struct jws_key *key = load_key(alg, mine);
		char *token = make_token(alg, alg, mine);
		assert_int_equal(check_token(key, token), JWS_SIGNED);
		free(token);
		token = make_token(alg, alg, pkey_of_kind(algorithms[i].kind, 1));
		assert_int_equal(check_token(key, token), JWS_FORGED);
		free(token);
		jws_key_free(key);
	}
}

// A key is bound to one algorithm, though it could serve several, and the header is compared first.
static void no_algorithm_passes_for_another(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		EVP_PKEY *mine = pkey_of_kind(algorithms[i].kind, 0);
		struct jws_key *key = load_key(algorithms[i].alg, mine);
		for (size_t j = 0; j < ARRAY_LEN(algorithms); j++) {
			if (strcmp(algorithms[i].alg, algorithms[j].alg) == 0) {
				continue;
			}
			EVP_PKEY *other = pkey_of_kind(algorithms[j].kind, 0);
			char *token = make_token(algorithms[j].alg, algorithms[j].alg, other);
			assert_int_equal(check_token(key, token), JWS_OTHER_ALG);
			free(token);
			// The header says what the key is for; the signature is another's.
			token = make_token(algorithms[i].alg, algorithms[j].alg, other);
			assert_int_equal(check_token(key, token), JWS_FORGED);
			free(token);
		}
		jws_key_free(key);
	}
}

static void a_public_key_is_never_a_secret(void **state)
{
	(void)state;
	static const char *const hmacs[] = { "HS256", "HS384", "HS512" };
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		EVP_PKEY *pkey = pkey_of_kind(algorithms[i].kind, 0);
		struct jws_key *key = load_key(algorithms[i].alg, pkey);
		char *pem = pkey_pem(pkey, false);
		for (size_t j = 0; j < ARRAY_LEN(hmacs); j++) {
			const char *const headers[] = { hmacs[j], algorithms[i].alg };
			for (size_t k = 0; k < ARRAY_LEN(headers); k++) {
				char *header = header_of(headers[k]);
				// With the newline at the end of the file, and without.
				for (size_t less = 0; less < 2; less++) {
					struct bytes as = bytes_make(pem, strlen(pem) - less);
					char *token = token_make(hmacs[j], as, header, "{}");
					assert_int_equal(check_token(key, token),
						k == 0 ? JWS_OTHER_ALG : JWS_FORGED);
					free(token);
				}
				free(header);
			}
		}
		free(pem);
		jws_key_free(key);
	}
}

static void no_signature_is_none(void **state)
{
	(void)state;
	static const char *const headers[] = { "none", "None", "NONE", "nOnE" };
	struct jws_key *key = load_key("ES256", pkey_of_kind("P-256", 0));
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		char *token = make_token(headers[i], "ES256", pkey_of_kind("P-256", 0));
		assert_int_equal(check_token(key, token), JWS_OTHER_ALG);
		*strrchr(token, '.') = '\0';
		char *bare = xasprintf("%s.AA", token);
		assert_int_equal(check_token(key, bare), JWS_OTHER_ALG);
		free(bare);
		free(token);
	}
	jws_key_free(key);
}

// A byte costs a public-key operation for each of its bits; so of the longer segments every third.
static void no_flipped_bit_and_no_cut_verifies(void **state)
{
	(void)state;
	static const size_t rows[] = { 0, 3, 6, 8, 9 }; // of `algorithms`
	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		EVP_PKEY *pkey = pkey_of_kind(algorithms[rows[r]].kind, 0);
		const char *alg = algorithms[rows[r]].alg;
		struct jws_key *key = load_key(alg, pkey);
		char *token = make_token(alg, alg, pkey);
		size_t len = strlen(token);
		for (size_t i = 0; i < len; i += i < len - 90 ? 3 : 1) {
			for (unsigned bit = 0; bit < 8; bit++) {
				struct jws jws;
				token[i] = (char)(token[i] ^ 1 << bit);
				if (jws_parse(&jws, bytes_make(token, len)) &&
					jws_check(&jws, key) == JWS_SIGNED) {
					fail_msg("%s: byte %zu bit %u", alg, i, bit);
				}
				jws_fini(&jws);
				token[i] = (char)(token[i] ^ 1 << bit);
			}
			struct jws jws;
			if (jws_parse(&jws, bytes_make(token, i)) &&
				jws_check(&jws, key) == JWS_SIGNED) {
				fail_msg("%s: cut at %zu", alg, i);
			}
			jws_fini(&jws);
		}
		assert_int_equal(check_token(key, token), JWS_SIGNED);
		free(token);
		jws_key_free(key);
	}
}

// `text`.signature
static char *seal(const char *text, struct bytes signature)
{
	char *encoded = token_encode(signature);
	char *token = xasprintf("%s.%s", text, encoded);
	free(encoded);
	return token;
}

static char *text_to_sign(const char *alg)
{
	char *header = header_of(alg);
	char *h = token_encode(bytes_str(header));
	char *text = xasprintf("%s.e30", h);
	free(h);
	free(header);
	return text;
}

static void a_signature_by_curve_is_two_halves_of_full_length(void **state)
{
	(void)state;
	char *text = text_to_sign("ES256");
	EVP_PKEY *pkey = pkey_of_kind("P-256", 0);
	struct jws_key *key = load_key("ES256", pkey);
	struct buf good = pkey_signature("ES256", pkey, bytes_str(text));
	assert_int_equal(good.len, 64);
	uint8_t zero[64] = { 0 };
	uint8_t ones[64];
	memset(ones, 0xff, sizeof(ones));
	struct buf longer = { 0 };
	buf_append_byte(&longer, 0);
	buf_append(&longer, good.data, 64);
	struct buf twice = { 0 };
	buf_append(&twice, good.data, 64);
	buf_append(&twice, good.data, 64);
	struct buf spread = { 0 }; // both halves padded: the same numbers
	buf_append_byte(&spread, 0);
	buf_append(&spread, good.data, 32);
	buf_append_byte(&spread, 0);
	buf_append(&spread, good.data + 32, 32);
	struct buf der = { 0 };
	size_t der_len = 80;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(md, buf_reserve(&der, der_len), &der_len,
				 (const uint8_t *)text, strlen(text)),
		1);
	der.len = der_len;
	EVP_MD_CTX_free(md);
	const struct {
		struct bytes signature;
		enum jws_match match;
	} rows[] = {
		{ buf_bytes(&good), JWS_SIGNED },
		{ bytes_make(good.data, 63), JWS_FORGED },
		{ bytes_make(good.data, 62), JWS_FORGED },
		{ bytes_make(good.data, 1), JWS_FORGED },
		{ buf_bytes(&longer), JWS_FORGED },
		{ buf_bytes(&spread), JWS_FORGED },
		{ buf_bytes(&twice), JWS_FORGED },
		{ buf_bytes(&der), JWS_FORGED },
		{ bytes_make(zero, 64), JWS_FORGED }, // r = s = 0, of CVE-2022-21449
		{ bytes_make(ones, 64), JWS_FORGED },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = seal(text, rows[i].signature);
		if (check_token(key, token) != rows[i].match) {
			fail_msg("row %zu", i);
		}
		free(token);
	}
	buf_fini(&der);
	buf_fini(&spread);
	buf_fini(&twice);
	buf_fini(&longer);
	buf_fini(&good);
	jws_key_free(key);
	free(text);
}

// Halves with a leading zero and with the top bit set have to come through; the first kind comes
// once in 128 signatures.
static void every_shape_of_halves_verifies(void **state)
{
	(void)state;
	EVP_PKEY *pkey = pkey_of_kind("P-256", 0);
	struct jws_key *key = load_key("ES256", pkey);
	char *header = header_of("ES256");
	bool high = false;
	bool low = false;
	for (unsigned i = 0; i < 100 || !high || !low; i++) {
		char *payload = xasprintf("{\"n\":%u}", i);
		char *token = token_make_with("ES256", pkey, header, payload);
		assert_int_equal(check_token(key, token), JWS_SIGNED);
		struct jws jws;
		assert_true(jws_parse(&jws, bytes_str(token)));
		high = high || jws.signature[0] >= 0x80;
		low = low || jws.signature[0] == 0 || jws.signature[32] == 0;
		jws_fini(&jws);
		free(token);
		free(payload);
	}
	free(header);
	jws_key_free(key);
}

static struct buf pss_signature(EVP_PKEY *pkey, const char *text, int salt)
{
	struct buf out = { 0 };
	size_t len = 512;
	EVP_PKEY_CTX *ctx;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(md, &ctx, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt), 1);
	assert_int_equal(EVP_DigestSign(md, buf_reserve(&out, len), &len, (const uint8_t *)text,
				 strlen(text)),
		1);
	out.len = len;
	EVP_MD_CTX_free(md);
	return out;
}

static void the_salt_is_as_long_as_the_hash(void **state)
{
	(void)state;
	static const struct {
		int salt;
		enum jws_match match;
	} rows[] = {
		{ 32, JWS_SIGNED },
		{ 0, JWS_FORGED },
		{ 20, JWS_FORGED },
		{ 33, JWS_FORGED },
		{ RSA_PSS_SALTLEN_MAX, JWS_FORGED },
	};
	EVP_PKEY *pkey = pkey_of_kind("RSA-2048", 0);
	struct jws_key *key = load_key("PS256", pkey);
	char *text = text_to_sign("PS256");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf signature = pss_signature(pkey, text, rows[i].salt);
		char *token = seal(text, buf_bytes(&signature));
		assert_int_equal(check_token(key, token), rows[i].match);
		free(token);
		buf_fini(&signature);
	}
	free(text);
	jws_key_free(key);
}

static void signatures_of_any_other_length_do_not_verify(void **state)
{
	(void)state;
	uint8_t junk[4096];
	memset(junk, 1, sizeof(junk));
	static const size_t lens[] = { 1, 31, 64, 113, 114, 115, 255, 257, 512, 1024, 1025, 4096 };
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		struct jws_key *key =
			load_key(algorithms[i].alg, pkey_of_kind(algorithms[i].kind, 0));
		char *text = text_to_sign(algorithms[i].alg);
		for (size_t j = 0; j < ARRAY_LEN(lens); j++) {
			char *token = seal(text, bytes_make(junk, lens[j]));
			assert_int_equal(check_token(key, token), JWS_FORGED);
			free(token);
		}
		free(text);
		jws_key_free(key);
	}
}

static void leaves_no_openssl_error_behind(void **state)
{
	(void)state;
	EVP_PKEY *pkey = pkey_of_kind("RSA-2048", 0);
	struct jws_key *key = load_key("RS256", pkey);
	char *token = make_token("RS256", "RS256", pkey_of_kind("RSA-2048", 1));
	struct jws jws;
	assert_true(jws_parse(&jws, bytes_str(token)));
	ERR_raise(ERR_LIB_USER, 1);
	assert_int_equal(jws_check(&jws, key), JWS_FORGED);
	assert_int_equal(ERR_peek_error(), 0);
	jws_fini(&jws);
	free(token);
	jws_key_free(key);
}

static void signs_what_it_then_accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		EVP_PKEY *pkey = pkey_of_kind(algorithms[i].kind, 0);
		char prefix[16];
		snprintf(prefix, sizeof(prefix), "%s:k1=", algorithms[i].alg);
		char *pem = pkey_pem(pkey, true);
		char *spec = key_dir_write(&dir, "private", bytes_str(pem), 0600, prefix);
		struct fault fault = { 0 };
		struct jws_key *signing = jws_key_load_signing(spec, &fault);
		assert_non_null(signing);
		struct jws_key *key = load_key(algorithms[i].alg, pkey);
		key->kid = xstrdup("k1");
		// ECDSA now and then makes a half with a leading zero.
		for (unsigned n = 0; n < 20; n++) {
			char *token = jws_sign(signing, NULL, "{\"sub\":\"ann\"}");
			assert_non_null(token);
			assert_int_equal(check_token(key, token), JWS_SIGNED);
			free(token);
		}
		char *token = jws_sign(signing, "k2", "{}");
		assert_int_equal(check_token(key, token), JWS_OTHER_KID);
		free(token);
		assert_null(jws_sign(signing, NULL, "{"));
		assert_null(jws_sign(signing, NULL, "[]"));
		assert_null(jws_sign(signing, NULL, "{\"a\":1,\"a\":2}"));
		jws_key_free(key);
		jws_key_free(signing);
		free(spec);
		free(pem);
	}
}

struct verifier {
	pthread_t thread;
	const struct jws_key *key;
	const char *token;
	unsigned n_signed;
};

static void *verify_many(void *arg)
{
	struct verifier *v = arg;
	for (unsigned i = 0; i < 200; i++) {
		struct jws jws;
		if (jws_parse(&jws, bytes_str(v->token)) && jws_check(&jws, v->key) == JWS_SIGNED) {
			v->n_signed++;
		}
		jws_fini(&jws);
	}
	return NULL;
}

static void threads_share_a_key(void **state)
{
	(void)state;
	EVP_PKEY *pkey = pkey_of_kind("P-256", 0);
	struct jws_key *key = load_key("ES256", pkey);
	char *token = make_token("ES256", "ES256", pkey);
	struct verifier verifiers[4];
	for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
		verifiers[i] = (struct verifier){ .key = key, .token = token };
		assert_int_equal(
			pthread_create(&verifiers[i].thread, NULL, verify_many, &verifiers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
		assert_int_equal(pthread_join(verifiers[i].thread, NULL), 0);
		assert_int_equal(verifiers[i].n_signed, 200);
	}
	free(token);
	jws_key_free(key);
}

static int set_up(void **state)
{
	(void)state;
	key_dir_init(&dir);
	jws_seed();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	key_dir_fini(&dir);
	pkeys_free();
	return 0;
}

int main(void)
{
	crypto_mem_init();
	json_set_alloc_funcs(xmalloc, free); // as weir-token, which signs
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm_accepts_what_its_own_key_signed),
		cmocka_unit_test(no_algorithm_passes_for_another),
		cmocka_unit_test(a_public_key_is_never_a_secret),
		cmocka_unit_test(no_signature_is_none),
		cmocka_unit_test(no_flipped_bit_and_no_cut_verifies),
		cmocka_unit_test(a_signature_by_curve_is_two_halves_of_full_length),
		cmocka_unit_test(every_shape_of_halves_verifies),
		cmocka_unit_test(the_salt_is_as_long_as_the_hash),
		cmocka_unit_test(signatures_of_any_other_length_do_not_verify),
		cmocka_unit_test(leaves_no_openssl_error_behind),
		cmocka_unit_test(signs_what_it_then_accepts),
		cmocka_unit_test(threads_share_a_key),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
