#include <stdlib.h>
#include <sys/stat.h>

#include "common/check.h"
#include "common/fault.h"
#include "common/mem.h"
#include "edge/auth/jwks.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

static struct key_dir dir;

// Loads a file of this text; NULL, or what is wrong (owned).
static char *load(struct jws_keys *keys, const char *text, mode_t mode)
{
	char *path = key_dir_write(&dir, "jwks.json", bytes_str(text), mode, "");
	struct fault fault = { 0 };
	if (jwks_load(path, keys, &fault) != 0) {
		assert_string_equal(fault.option, "jwks-file");
		if (strncmp(fault.what, path, strlen(path)) != 0) {
			fail_msg("does not name the file: %s", fault.what);
		}
	}
	free(path);
	return fault.what;
}

static void a_set_gives_all_keys_that_can_be_used(void **state)
{
	(void)state;
	char *rsa = pkey_jwk(pkey_of_kind("RSA-2048", 0),
		",\"kid\":\"a\",\"alg\":\"RS256\",\"x5t\":\"x\",\"x5c\":[\"AAAA\"]");
	char *enc = pkey_jwk(pkey_of_kind("RSA-2048", 0), ",\"kid\":\"a\",\"use\":\"enc\"");
	char *ec = pkey_jwk(pkey_of_kind("P-256", 0), ",\"kid\":\"a\"");
	char *ed = pkey_jwk(pkey_of_kind("Ed25519", 0), "");
	char *text = xasprintf("{\"keys\":[%s,%s,{\"kty\":\"new\"},%s,%s],\"more\":1}\n", rsa, enc,
		ec, ed);
	struct jws_keys keys = { 0 };
	assert_null(load(&keys, text, 0644));
	assert_int_equal(keys.n, 3);
	static const char *const algs[] = { "RS256", "ES256", "EdDSA" };
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		assert_string_equal(keys.items[i]->algorithm->name, algs[i]);
	}
	// Another set on top of them must not repeat a name.
	char *why = load(&keys, text, 0644);
	assert_non_null(strstr(why, "the same kid twice"));
	free(why);
	jws_keys_fini(&keys);
	free(text);
	free(ed);
	free(ec);
	free(enc);
	free(rsa);
}

static void says_what_is_wrong_with_a_set(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{ "", "not JSON" },
		{ "{", "not JSON" },
		{ "{\"keys\":[],\"keys\":[]}", "not JSON" },
		{ "{\"keys\":[]} x", "not JSON" },
		{ "[]", "not a JWK set" },
		{ "{}", "not a JWK set" },
		{ "{\"keys\":{}}", "not a JWK set" },
		{ "{\"kty\":\"EC\"}", "not a JWK set" },
		{ "{\"keys\":[]}", "no key in it" },
		{ "{\"keys\":[{\"kty\":\"new\"}]}", "no key in it" },
		{ "{\"keys\":[5]}", "kty is missing" },
		{ "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k7\"}]}", "k7: a public key whose" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_keys keys = { 0 };
		char *why = load(&keys, rows[i].text, 0644);
		if (why == NULL || strstr(why, rows[i].why) == NULL) {
			fail_msg("%s: %s", rows[i].text, why);
		}
		free(why);
		jws_keys_fini(&keys);
	}
	struct jws_keys keys = { 0 };
	struct fault fault = { 0 };
	assert_int_equal(jwks_load("/nowhere/jwks.json", &keys, &fault), -1);
	assert_string_equal(fault.what, "/nowhere/jwks.json: No such file or directory");
	fault_fini(&fault);
}

static void a_secret_in_a_set_is_kept_from_others(void **state)
{
	(void)state;
	static const struct {
		mode_t mode;
		bool ok;
	} rows[] = {
		{ 0600, true },
		{ 0440, true },
		{ 0644, false },
		{ 0660, false },
	};
	const char *text = "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"s\","
			   "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_keys keys = { 0 };
		char *why = load(&keys, text, rows[i].mode);
		assert_int_equal(why == NULL, rows[i].ok);
		assert_int_equal(keys.n, rows[i].ok ? 1 : 0);
		assert_true(why == NULL || strstr(why, "holds a secret") != NULL);
		free(why);
		jws_keys_fini(&keys);
	}
}

static int set_up(void **state)
{
	(void)state;
	key_dir_init(&dir);
	return 0;
}

// Whoever can answer for the server could else make tokens, and read them off the wire.
static void a_set_that_was_fetched_holds_no_secret(void **state)
{
	(void)state;
	static const char url[] = "https://login.example/jwks";
	static const char secret[] = "{\"keys\":[{\"kty\":\"oct\",\"k\":"
				     "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}";
	struct jws_keys keys = { 0 };
	struct fault fault = { 0 };
	assert_int_equal(jwks_parse(bytes_str(secret), url, &keys, &fault), -1);
	assert_string_equal(fault.option, "jwks-url");
	assert_non_null(strstr(fault.what, url));
	assert_non_null(strstr(fault.what, "holds a secret"));
	fault_fini(&fault);
	char *ec = pkey_jwk(pkey_of_kind("P-256", 0), ",\"kid\":\"a\"");
	char *text = xasprintf("{\"keys\":[%s]}", ec);
	assert_int_equal(jwks_parse(bytes_str(text), url, &keys, &fault), 0);
	assert_int_equal(keys.n, 1);
	jws_keys_fini(&keys);
	free(text);
	free(ec);
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
		cmocka_unit_test(a_set_gives_all_keys_that_can_be_used),
		cmocka_unit_test(says_what_is_wrong_with_a_set),
		cmocka_unit_test(a_secret_in_a_set_is_kept_from_others),
		cmocka_unit_test(a_set_that_was_fetched_holds_no_secret),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
