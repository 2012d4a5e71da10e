#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <openssl/err.h>

#include "common/fault.h"
#include "common/mem.h"
#include "edge/auth/jws_key.h"
#include "edge/auth/jws_pkey.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

static struct key_dir dir;

static const char secret_text[] =
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct bytes secret(size_t len)
{
	return bytes_make(secret_text, len);
}

// The key of the first `len` bytes of the secret: `prefix` is "ALG:" or "ALG:kid=".
static struct jws_key *load_key(const char *prefix, size_t len)
{
	char *spec = key_dir_write(&dir, "key", secret(len), 0600, prefix);
	struct fault fault = { 0 };
	struct jws_key *key = jws_key_load(spec, &fault);
	if (key == NULL) {
		fail_msg("%s", fault.what);
	}
	free(spec);
	return key;
}

static void assert_not_loaded(const char *spec, const char *expected)
{
	struct fault fault = { 0 };
	assert_null(jws_key_load(spec, &fault));
	assert_non_null(fault.what);
	if (strstr(fault.what, expected) == NULL) {
		fail_msg("%s: %s", spec, fault.what);
	}
	assert_null(strstr(fault.what, "0123456789")); // no part of a key
	fault_fini(&fault);
}

static void refuses_keys_too_short_for_their_hash(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		size_t min;
	} rows[] = {
		{ "HS256:", 32 },
		{ "HS384:k=", 48 },
		{ "HS512:", 64 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *spec =
			key_dir_write(&dir, "key", secret(rows[i].min - 1), 0600, rows[i].prefix);
		assert_not_loaded(spec, "needs at least");
		free(key_dir_write(&dir, "key", bytes_make("", 0), 0600, ""));
		assert_not_loaded(spec, "/key: ");
		free(spec);
		jws_key_free(load_key(rows[i].prefix, rows[i].min));
	}
}

static void takes_one_newline_off_a_key_file(void **state)
{
	(void)state;
	char *spec = key_dir_write(&dir, "key", bytes_str("0123456789abcdef0123456789abcde\n"),
		0600, "HS256:");
	assert_not_loaded(spec, "a key of 31 bytes");
	free(spec);
	spec = key_dir_write(&dir, "key", bytes_str("0123456789abcdef0123456789abcdef\n\n"), 0600,
		"HS256:");
	struct fault fault = { 0 };
	struct jws_key *key = jws_key_load(spec, &fault);
	assert_non_null(key);
	assert_bytes_equal(buf_bytes(&key->secret), "0123456789abcdef0123456789abcdef\n");
	jws_key_free(key);
	free(spec);
}

static void decodes_a_secret_in_base64_if_the_option_says_so(void **state)
{
	(void)state;
	// 33 bytes: 0xfb 0xef 0xff, again and again, whose digits are the ones that differ.
	static const struct {
		const char *prefix;
		const char *text;
		const char *kid; // NULL: none
		const char *fault; // NULL: loaded
	} rows[] = {
		{ "HS256:base64=", "++//++//++//++//++//++//++//++//++//++//++//\n", NULL, NULL },
		{ "HS256:base64=", "--__--__--__--__--__--__--__--__--__--__--__", NULL, NULL },
		{ "HS256:k1:base64=", "++//++//++//++//++//++//++//++//++//++//++//", "k1", NULL },
		{ "HS256:base64=", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", NULL, NULL },
		{ "HS256:xbase64=", "0123456789abcdef0123456789abcdef", "xbase64", NULL },
		{ "HS256:base64=", "MDEyMzQ1Njc4OWFiY2RlZg==", NULL, "a key of 16 bytes" },
		{ "HS256:base64=", "this is no base64 at all, though it is long enough", NULL,
			"not base64" },
		{ "RS256:base64=", "MDEy", NULL, "only secrets" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *spec =
			key_dir_write(&dir, "key", bytes_str(rows[i].text), 0600, rows[i].prefix);
		if (rows[i].fault != NULL) {
			assert_not_loaded(spec, rows[i].fault);
		} else {
			struct fault fault = { 0 };
			struct jws_key *key = jws_key_load(spec, &fault);
			assert_non_null(key);
			assert_string_equal(key->kid != NULL ? key->kid : "",
				rows[i].kid != NULL ? rows[i].kid : "");
			assert_in_range(key->secret.len, 32, 33);
			if (key->secret.len == 33) {
				assert_memory_equal(key->secret.data, "\xfb\xef\xff\xfb", 4);
			}
			jws_key_free(key);
		}
		free(spec);
	}
}

static void refuses_key_files_that_others_can_touch(void **state)
{
	(void)state;
	static const struct {
		mode_t mode;
		bool ok;
	} rows[] = {
		{ 0600, true },
		{ 0400, true },
		{ 0640, true },
		{ 0440, true },
		{ 0644, false },
		{ 0604, false },
		{ 0660, false },
		{ 0602, false },
		{ 0666, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *spec = key_dir_write(&dir, "key", secret(32), rows[i].mode, "HS256:");
		struct fault fault = { 0 };
		struct jws_key *key = jws_key_load(spec, &fault);
		if ((key != NULL) != rows[i].ok) {
			fail_msg("mode %o", rows[i].mode);
		}
		jws_key_free(key);
		fault_fini(&fault);
		char *path = xstrdup(spec + strlen("HS256:"));
		assert_int_equal(remove(path), 0);
		free(path);
		free(spec);
	}
}

// The key of `text` for `alg`, with the mode of a file that anybody may read; NULL and `*why`.
static struct jws_key *load_pem(const char *alg, const char *text, char **why)
{
	char prefix[16];
	snprintf(prefix, sizeof(prefix), "%s:", alg);
	char *spec = key_dir_write(&dir, "pem", bytes_str(text), 0644, prefix);
	struct fault fault = { 0 };
	struct jws_key *key = jws_key_load(spec, &fault);
	*why = fault.what;
	free(spec);
	return key;
}

static void says_what_is_wrong_with_a_key_option(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		const char *why;
	} rows[] = {
		{ "", "not of the form" },
		{ "HS256", "not of the form" },
		{ "HS256:", "not of the form" },
		{ "HS256:=/nowhere", "not of the form" },
		{ "HS256:k=", "not of the form" },
		{ "HS256:12345678901234567890123456789012345678901234567890123456789012345=/"
		  "nowhere",
			"not of the form" },
		{ "HS256:/nowhere", "/nowhere: " },
		{ "HS256:k=/nowhere", "/nowhere: " },
		{ "HS256:/nowhere/a=b", "/nowhere/a=b: " },
		{ "HS256:/tmp", "/tmp: " },
		{ "RS256:/nowhere", "RS256: /nowhere: No such file" },
		{ "PS512:k=/nowhere", "PS512: /nowhere: No such file" },
		{ "ES384:/tmp", "ES384: /tmp: is a directory" },
		{ "EdDSA:/nowhere", "EdDSA: /nowhere: No such file" },
		{ "none:/nowhere", "none: unknown algorithm" },
		{ "hs256:/nowhere", "hs256: unknown algorithm" },
		{ "ES256K:/nowhere", "ES256K: unknown algorithm" },
		{ "eddsa:/nowhere", "eddsa: unknown algorithm" },
		{ "RS1:/nowhere", "RS1: unknown algorithm" },
		{ ":/nowhere", "unknown algorithm" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_not_loaded(rows[i].spec, rows[i].why);
	}
}

static const char *const kinds[] = {
	"RSA-2048",
	"P-256",
	"P-384",
	"P-521",
	"Ed25519",
	"Ed448",
	"secp256k1",
	"X25519",
};

static void an_algorithm_takes_keys_of_its_own_kind_and_curve_only(void **state)
{
	(void)state;
	static const struct {
		const char *alg;
		const char *kinds[2];
	} rows[] = {
		{ "RS256", { "RSA-2048" } },
		{ "RS384", { "RSA-2048" } },
		{ "RS512", { "RSA-2048" } },
		{ "PS256", { "RSA-2048" } },
		{ "PS384", { "RSA-2048" } },
		{ "PS512", { "RSA-2048" } },
		{ "ES256", { "P-256" } },
		{ "ES384", { "P-384" } },
		{ "ES512", { "P-521" } },
		{ "EdDSA", { "Ed25519", "Ed448" } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
			char *pem = pkey_pem(pkey_of_kind(kinds[j], 0), false);
			char *why;
			struct jws_key *key = load_pem(rows[i].alg, pem, &why);
			bool fits = strcmp(kinds[j], rows[i].kinds[0]) == 0 ||
				(rows[i].kinds[1] != NULL &&
					strcmp(kinds[j], rows[i].kinds[1]) == 0);
			if ((key != NULL) != fits) {
				fail_msg("%s with %s: %s", rows[i].alg, kinds[j], why);
			}
			assert_int_equal(ERR_peek_error(), 0);
			jws_key_free(key);
			free(why);
			free(pem);
		}
	}
}

static void an_rsa_key_has_2048_to_8192_bits(void **state)
{
	(void)state;
	static const struct {
		const char *kind;
		const char *why;
	} rows[] = {
		{ "RSA-1024", "less than 2048 bits" },
		{ "RSA-2040", "less than 2048 bits" },
		{ "RSA-2048", NULL },
		{ "RSA-3072", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *pem = pkey_pem(pkey_of_kind(rows[i].kind, 0), false);
		char *why;
		struct jws_key *key = load_pem("PS256", pem, &why);
		if (rows[i].why == NULL) {
			assert_non_null(key);
		} else {
			assert_null(key);
			assert_non_null(strstr(why, rows[i].why));
		}
		jws_key_free(key);
		free(why);
		free(pem);
	}
}

static void a_pem_file_holds_one_public_key_and_nothing_else(void **state)
{
	(void)state;
	char *rsa = pkey_pem(pkey_of_kind("RSA-2048", 0), false);
	char *private = pkey_pem(pkey_of_kind("RSA-2048", 0), true);
	char *two = xasprintf("%s%s", rsa, rsa);
	char *both = xasprintf("%s%s", rsa, private);
	char *torn = xstrndup(rsa, strlen(rsa) / 2);
	const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{ "", "not PEM" },
		{ "\n", "not PEM" },
		{ "0123456789abcdef0123456789abcdef", "not PEM" },
		{ private, "a private key" },
		{ both, "a private key" },
		{ two, "more than one key" },
		{ torn, "not a public key" },
		{ "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "not a public key" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			"not a public" },
	};
	char *why;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_null(load_pem("RS256", rows[i].text, &why));
		if (strstr(why, rows[i].why) == NULL) {
			fail_msg("row %zu: %s", i, why);
		}
		assert_int_equal(ERR_peek_error(), 0);
		free(why);
	}
	char *padded = xasprintf("a comment\n%s\n", rsa);
	struct jws_key *key = load_pem("RS256", padded, &why);
	assert_non_null(key);
	assert_int_equal(key->secret.len, 0);
	jws_key_free(key);
	free(padded);
	free(torn);
	free(both);
	free(two);
	free(private);
	free(rsa);
}

static void signs_with_a_private_key_that_others_cannot_touch(void **state)
{
	(void)state;
	char *pem = pkey_pem(pkey_of_kind("P-256", 0), true);
	char *public = pkey_pem(pkey_of_kind("P-256", 0), false);
	char *with_params = xasprintf("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
				      "-----END EC PARAMETERS-----\n%s",
		pem);
	const struct {
		const char *text;
		mode_t mode;
		const char *why;
	} rows[] = {
		{ pem, 0600, NULL },
		{ pem, 0440, NULL },
		{ with_params, 0600, NULL },
		{ pem, 0644, "others can touch it" },
		{ public, 0600, "not a private key" },
		{ "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
		  "-----END ENCRYPTED PRIVATE KEY-----\n",
			0600, "not a private key" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *spec = key_dir_write(&dir, "private", bytes_str(rows[i].text), rows[i].mode,
			"ES256:");
		struct fault fault = { 0 };
		struct jws_key *key = jws_key_load_signing(spec, &fault);
		if ((key != NULL) != (rows[i].why == NULL) ||
			(key == NULL && strstr(fault.what, rows[i].why) == NULL)) {
			fail_msg("row %zu: %s", i, fault.what);
		}
		jws_key_free(key);
		fault_fini(&fault);
		free(spec);
	}
	free(with_params);
	free(public);
	free(pem);
}

// ---- JWK

static bool from_jwk(const char *text, struct jws_key **key, const char **why)
{
	json_t *jwk = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(jwk);
	bool fine = jws_key_from_jwk(jwk, key, why);
	assert_int_equal(ERR_peek_error(), 0);
	json_decref(jwk);
	return fine;
}

static void a_jwk_becomes_the_same_key_as_its_pem(void **state)
{
	(void)state;
	static const struct {
		const char *kind;
		const char *more;
		const char *alg;
	} rows[] = {
		{ "RSA-2048", "", "RS256" },
		{ "RSA-2048", ",\"alg\":\"RS512\",\"use\":\"sig\"", "RS512" },
		{ "RSA-2048", ",\"alg\":\"PS384\"", "PS384" },
		{ "P-256", "", "ES256" },
		{ "P-256", ",\"alg\":\"ES256\",\"key_ops\":[\"sign\",\"verify\"]", "ES256" },
		{ "P-384", "", "ES384" },
		{ "P-521", "", "ES512" },
		{ "Ed25519", "", "EdDSA" },
		{ "Ed448", ",\"alg\":\"EdDSA\"", "EdDSA" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		EVP_PKEY *pkey = pkey_of_kind(rows[i].kind, 0);
		char *more = xasprintf("%s,\"kid\":\"k %zu\"", rows[i].more, i);
		char *jwk = pkey_jwk(pkey, more);
		struct jws_key *key;
		const char *why;
		if (!from_jwk(jwk, &key, &why) || key == NULL) {
			fail_msg("%s: %s", jwk, why);
		}
		assert_string_equal(key->algorithm->name, rows[i].alg);
		assert_int_equal(EVP_PKEY_eq(key->pkey, pkey), 1);
		assert_int_equal(strncmp(key->kid, "k ", 2), 0);
		jws_key_free(key);
		free(jwk);
		free(more);
	}
}

static void passes_over_keys_that_are_nothing_to_us(void **state)
{
	(void)state;
	static const struct {
		const char *kind;
		const char *more;
	} rows[] = {
		{ "RSA-2048", ",\"use\":\"enc\"" },
		{ "RSA-2048", ",\"use\":5" },
		{ "RSA-2048", ",\"alg\":\"RSA-OAEP\"" },
		{ "RSA-2048", ",\"alg\":\"RS1\"" },
		{ "RSA-2048", ",\"alg\":\"rs256\"" },
		{ "RSA-2048", ",\"alg\":7" },
		{ "P-256", ",\"key_ops\":[\"deriveKey\"]" },
		{ "P-256", ",\"key_ops\":[]" },
		{ "P-256", ",\"key_ops\":\"verify\"" },
		{ "P-256", ",\"alg\":\"ECDH-ES\"" },
		{ "secp256k1", "" },
		{ "X25519", "" },
	};
	struct jws_key *key;
	const char *why;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *jwk = pkey_jwk(pkey_of_kind(rows[i].kind, 0), rows[i].more);
		if (!from_jwk(jwk, &key, &why) || key != NULL) {
			fail_msg("%s", jwk);
		}
		free(jwk);
	}
	static const char *const others[] = {
		"{\"kty\":\"AKP\"}",
		"{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", // a curve of the other kind
		"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"AAAA\"}",
		"{\"kty\":\"EC\"}",
		"{\"kty\":\"EC\",\"crv\":7}",
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (!from_jwk(others[i], &key, &why) || key != NULL) {
			fail_msg("%s", others[i]);
		}
	}
}

#define X43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void refuses_keys_that_mean_to_be_ours_and_are_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *kind; // NULL: `more` is all
		const char *more;
		const char *why;
	} rows[] = {
		{ "RSA-1024", "", "less than 2048 bits" },
		{ "RSA-2048", ",\"d\":\"AQAB\"", "a private key" },
		{ "P-256", ",\"d\":\"AQAB\"", "a private key" },
		{ "RSA-2048", ",\"alg\":\"ES256\"", "not for this kind" },
		{ "RSA-2048", ",\"alg\":\"HS256\"", "not for this kind" },
		{ "P-256", ",\"alg\":\"ES512\"", "not for this kind" },
		{ "P-256", ",\"alg\":\"EdDSA\"", "not for this kind" },
		{ "Ed25519", ",\"alg\":\"ES256\"", "not for this kind" },
		{ "P-256", ",\"kid\":5", "kid" },
		{ "P-256", ",\"kid\":\"\"", "kid" },
		{ "P-256", ",\"kid\":\"a\\nb\"", "kid" },
		{ "P-256",
			",\"kid\":"
			"\"12345678901234567890123456789012345678901234567890123456789012345\"",
			"kid" },
		{ NULL, "[]", "kty is missing" },
		{ NULL, "{\"kty\":7}", "kty is missing" },
		{ NULL, "{\"kty\":\"RSA\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"RSA\",\"n\":\"A=\",\"e\":\"AQAB\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"RSA\",\"n\":5,\"e\":\"AQAB\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"EC\",\"crv\":\"P-256\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X43 "\"}",
			"missing or wrong" },
		{ NULL, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}",
			"missing or wrong" },
		// A point off the curve, in its full length.
		{ NULL, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X43 "\",\"y\":\"" X43 "\"}",
			"missing or wrong" },
		{ NULL, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "missing or wrong" },
		{ NULL, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}",
			"missing or wrong" },
		{ NULL, "{\"kty\":\"oct\"}", "missing" },
		{ NULL, "{\"kty\":\"oct\",\"k\":\"\"}", "missing" },
		{ NULL, "{\"kty\":\"oct\",\"k\":\"AA=\"}", "not base64url" },
		{ NULL, "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "shorter than the hash" },
		{ NULL, "{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"" X43 "\"}",
			"shorter than the hash" },
		{ NULL, "{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"" X43 "\"}",
			"not for this kind" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *jwk = rows[i].kind != NULL
			? pkey_jwk(pkey_of_kind(rows[i].kind, 0), rows[i].more)
			: xstrdup(rows[i].more);
		struct jws_key *key;
		const char *why = NULL;
		if (from_jwk(jwk, &key, &why) || strstr(why, rows[i].why) == NULL) {
			fail_msg("%s: %s", jwk, why);
		}
		assert_null(key);
		free(jwk);
	}
}

static void a_secret_in_a_jwk_is_as_long_as_its_hash(void **state)
{
	(void)state;
	static const struct {
		const char *more;
		size_t len;
		const char *alg;
	} rows[] = {
		{ "", 32, "HS256" },
		{ ",\"alg\":\"HS384\"", 48, "HS384" },
		{ ",\"alg\":\"HS512\",\"use\":\"sig\"", 64, "HS512" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *k = token_encode(secret(rows[i].len));
		char *jwk = xasprintf("{\"kty\":\"oct\",\"k\":\"%s\"%s}", k, rows[i].more);
		struct jws_key *key;
		const char *why;
		assert_true(from_jwk(jwk, &key, &why));
		assert_string_equal(key->algorithm->name, rows[i].alg);
		assert_true(bytes_equal(buf_bytes(&key->secret), secret(rows[i].len)));
		jws_key_free(key);
		free(jwk);
		free(k);
	}
}

static void an_rsa_key_with_which_anybody_could_sign_is_refused(void **state)
{
	(void)state;
	static const char *const exponents[] = { "AQ", "Ag", "AA", "BA" }; // 1, 2, 0, 4
	for (size_t i = 0; i < ARRAY_LEN(exponents); i++) {
		char *jwk = pkey_jwk(pkey_of_kind("RSA-2048", 0), "");
		char *e = strstr(jwk, ",\"e\":");
		assert_non_null(e);
		*e = '\0';
		char *changed = xasprintf("%s,\"e\":\"%s\"}", jwk, exponents[i]);
		struct jws_key *key;
		const char *why;
		assert_false(from_jwk(changed, &key, &why));
		free(changed);
		free(jwk);
	}
}

// ---- sets

static void a_set_holds_no_two_of_one_algorithm_and_kid(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		bool ok;
	} rows[] = {
		{ "HS256:a=", true },
		{ "HS256:b=", true },
		{ "HS512:a=", true }, // another algorithm
		{ "HS256:", true }, // without a name they are all tried
		{ "HS256:", true },
		{ "HS256:a=", false },
		{ "HS512:a=", false },
	};
	struct jws_keys keys = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(jws_keys_add(&keys, load_key(rows[i].prefix, 64)) == NULL,
			rows[i].ok);
	}
	assert_int_equal(keys.n, 5);
	jws_keys_fini(&keys);
	assert_int_equal(keys.n, 0);
	jws_key_free(NULL);
}

static void a_set_is_bounded(void **state)
{
	(void)state;
	struct jws_keys keys = { 0 };
	for (size_t i = 0; i < JWS_KEYS_MAX; i++) {
		assert_null(jws_keys_add(&keys, load_key("HS256:", 32)));
	}
	assert_non_null(jws_keys_add(&keys, load_key("HS256:", 32)));
	jws_keys_fini(&keys);
}

static int set_up(void **state)
{
	(void)state;
	key_dir_init(&dir);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_keys_too_short_for_their_hash),
		cmocka_unit_test(takes_one_newline_off_a_key_file),
		cmocka_unit_test(decodes_a_secret_in_base64_if_the_option_says_so),
		cmocka_unit_test(refuses_key_files_that_others_can_touch),
		cmocka_unit_test(says_what_is_wrong_with_a_key_option),
		cmocka_unit_test(an_algorithm_takes_keys_of_its_own_kind_and_curve_only),
		cmocka_unit_test(an_rsa_key_has_2048_to_8192_bits),
		cmocka_unit_test(a_pem_file_holds_one_public_key_and_nothing_else),
		cmocka_unit_test(signs_with_a_private_key_that_others_cannot_touch),
		cmocka_unit_test(a_jwk_becomes_the_same_key_as_its_pem),
		cmocka_unit_test(passes_over_keys_that_are_nothing_to_us),
		cmocka_unit_test(refuses_keys_that_mean_to_be_ours_and_are_wrong),
		cmocka_unit_test(a_secret_in_a_jwk_is_as_long_as_its_hash),
		cmocka_unit_test(an_rsa_key_with_which_anybody_could_sign_is_refused),
		cmocka_unit_test(a_set_holds_no_two_of_one_algorithm_and_kid),
		cmocka_unit_test(a_set_is_bounded),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
