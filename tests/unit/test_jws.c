#include <stdlib.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/buf.h"
#include "common/fault.h"
#include "common/mem.h"
#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"
#include "edge/auth/jws_sign.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

static struct key_dir dir;

// In place of OpenSSL's own, for libjwt. When it fails, what the caller has on its stack is by
// mischance the HMAC of the token before.
static bool hmac_fails;

unsigned char *HMAC(const EVP_MD *hash, const void *key, int key_len, const unsigned char *text,
	size_t text_len, unsigned char *out, unsigned *out_len)
{
	static uint8_t last[EVP_MAX_MD_SIZE];
	static size_t last_len;
	if (!hmac_fails &&
		EVP_Q_mac(NULL, "HMAC", NULL, EVP_MD_get0_name(hash), NULL, key, (size_t)key_len,
			text, text_len, last, sizeof(last), &last_len) == NULL) {
		return NULL;
	}
	memcpy(out, last, last_len);
	*out_len = (unsigned)last_len;
	if (hmac_fails) {
		ERR_raise(ERR_LIB_EVP, ERR_R_INTERNAL_ERROR);
		return NULL;
	}
	return out;
}

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

static enum jws_match check_token(const struct jws_key *key, const char *token)
{
	struct jws jws;
	assert_true(jws_parse(&jws, bytes_str(token)));
	enum jws_match match = jws_check(&jws, key);
	jws_fini(&jws);
	return match;
}

static bool parses(struct bytes token)
{
	struct jws jws;
	bool ok = jws_parse(&jws, token);
	assert_int_equal(ok, jws.header != NULL && jws.payload != NULL && jws.text != NULL);
	jws_fini(&jws);
	return ok;
}

static bool parses_parts(const char *header, const char *payload)
{
	char *token = token_make("HS256", secret(32), header, payload);
	bool ok = parses(bytes_str(token));
	free(token);
	return ok;
}

static void takes_a_token_apart(void **state)
{
	(void)state;
	char *token =
		token_make("HS256", secret(32), "{\"alg\":\"HS256\"}", "{\"n\":[1,\"\xc3\xa9\"]}");
	struct jws jws;
	assert_true(jws_parse(&jws, bytes_str(token)));
	assert_string_equal(jws.text, token);
	assert_string_equal(json_string_value(json_object_get(jws.header, "alg")), "HS256");
	json_t *list = json_object_get(jws.payload, "n");
	assert_int_equal(json_integer_value(json_array_get(list, 0)), 1);
	assert_string_equal(json_string_value(json_array_get(list, 1)), "\xc3\xa9");
	jws_fini(&jws);
	jws_fini(&jws);
	free(token);
}

static void refuses_what_is_not_three_segments_of_base64url(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		".",
		"..",
		"...",
		"e30",
		"e30.e30",
		"e30.e30.",
		".e30.x",
		".e30.AAAA",
		"e30..AAAA",
		"a..b",
		"e30.e30.AAAA.",
		"e30.e30..AAAA",
		"e30.e30.AAAA.AAAA",
		".e30.e30.AAAA",
		"e30=.e30.AAAA",
		"e30.e30=.AAAA",
		"e30.e30.AAA=",
		"e30.e30.AA+A",
		"e30.e30.AA/A",
		"e30.e30.AA A",
		" e30.e30.AAAA",
		"e30.e30.AAAA\n",
		"e30.e30.A*AA",
		"e30.e30.AA\xc3\xa9",
		"e30.e30.A", // six bits are no byte
		"e30.e30.AAAAA",
		"e30e3.e30.AAAA",
		"e31.e30.AAAA", // bits that belong to no byte: "e30" in other clothes
		"e30.e31.AAAA",
		"e30.e30.AB",
		"e30.e30.AAB",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (parses(bytes_str(wrong[i]))) {
			fail_msg("took %s", wrong[i]);
		}
	}
	assert_true(parses(bytes_str("e30.e30.AAAA")));
	assert_true(parses(bytes_str("e30.e30.AAA")));
	assert_true(parses(bytes_str("e30.e30.AA")));
	assert_true(parses(bytes_str("e30.e30.-_-_")));
	assert_false(parses(bytes_make("e30.e30.AA\0A", 12)));
	assert_false(parses(bytes_make(NULL, 0)));
}

static void refuses_segments_that_are_not_plain_objects(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"[]",
		"\"x\"",
		"1",
		"null",
		"{",
		"{}{}",
		"{} x",
		"\xef\xbb\xbf{}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":1}",
		"{\"a\":{\"b\":1,\"b\":1}}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":1e400}",
		"{\"a\":9223372036854775808}",
		"{\"a\":NaN}",
		"{'a':1}",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (parses_parts(wrong[i], "{}") || parses_parts("{}", wrong[i])) {
			fail_msg("took %s", wrong[i]);
		}
	}
}

// {"a":[[[...]]]} of `depth` levels.
static char *nested(unsigned depth)
{
	struct buf json = { 0 };
	buf_append_str(&json, "{\"a\":");
	for (unsigned i = 1; i < depth; i++) {
		buf_append_byte(&json, '[');
	}
	for (unsigned i = 1; i < depth; i++) {
		buf_append_byte(&json, ']');
	}
	buf_append_str(&json, "}");
	buf_append_byte(&json, '\0');
	return (char *)json.data;
}

static void refuses_deep_nesting(void **state)
{
	(void)state;
	static const struct {
		unsigned depth;
		bool ok;
	} rows[] = {
		{ JWS_DEPTH_MAX, true }, { JWS_DEPTH_MAX + 1, false },
		{ 2900, false }, // as deep as fits; beyond what the parser itself refuses
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *json = nested(rows[i].depth);
		assert_int_equal(parses_parts(json, "{}"), rows[i].ok);
		assert_int_equal(parses_parts("{}", json), rows[i].ok);
		free(json);
	}
	// Brackets in strings are text, and a quote behind a backslash does not end one.
	assert_true(parses_parts("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\"}", "{}"));
	assert_true(parses_parts("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[\"}", "{}"));
	assert_true(
		parses_parts("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}", "{}"));
}

// A signed token of exactly `len` bytes, if its header is the usual one of 36.
static char *token_of_length(size_t len)
{
	int digits = (int)((len - 36 - 43 - 2) * 3 / 4 - strlen("{'a':''}"));
	char *payload = xasprintf("{\"a\":\"%0*d\"}", digits, 0);
	char *token =
		token_make("HS256", secret(32), "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload);
	assert_int_equal(strlen(token), len);
	free(payload);
	return token;
}

static void holds_tokens_to_their_length(void **state)
{
	(void)state;
	struct jws_key *key = load_key("HS256:", 32);
	char *longest = token_of_length(JWS_TOKEN_MAX);
	assert_int_equal(check_token(key, longest), JWS_SIGNED);
	char *longer = token_of_length(JWS_TOKEN_MAX + 1);
	assert_false(parses(bytes_str(longer)));
	char *huge = token_of_length(9U << 20);
	assert_false(parses(bytes_str(huge)));
	free(huge);
	free(longer);
	free(longest);
	jws_key_free(key);
}

static void accepts_each_algorithm_with_its_own_key_only(void **state)
{
	(void)state;
	static const struct {
		const char *alg;
		const char *prefix;
		const char *header;
		size_t key_len;
	} rows[] = {
		{ "HS256", "HS256:", "{\"alg\":\"HS256\"}", 32 },
		{ "HS384", "HS384:", "{\"alg\":\"HS384\"}", 48 },
		{ "HS512", "HS512:", "{\"alg\":\"HS512\"}", 64 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_key *key = load_key(rows[i].prefix, 64);
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			char *token = token_make(rows[j].alg, secret(64), rows[j].header, "{}");
			assert_int_equal(check_token(key, token),
				i == j ? JWS_SIGNED : JWS_OTHER_ALG);
			free(token);
			// The header of one, the hash of another.
			token = token_make(rows[j].alg, secret(64), rows[i].header, "{}");
			assert_int_equal(check_token(key, token), i == j ? JWS_SIGNED : JWS_FORGED);
			free(token);
		}
		jws_key_free(key);
		key = load_key(rows[i].prefix, rows[i].key_len);
		char *token =
			token_make(rows[i].alg, secret(rows[i].key_len), rows[i].header, "{}");
		assert_int_equal(check_token(key, token), JWS_SIGNED);
		free(token);
		jws_key_free(key);
	}
}

static void compares_the_header_before_it_lets_anything_be_verified(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		enum jws_match match;
	} rows[] = {
		{ "{\"alg\":\"HS256\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"cty\":\"x\",\"zip\":\"DEF\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"b64\":true}", JWS_SIGNED },
		// Keys the token offers are not looked at.
		{ "{\"alg\":\"HS256\",\"jku\":\"https://x.test/k\",\"x5u\":\"https://x.test/c\"}",
			JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"AT+JWT\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"Application/JWT\"}", JWS_SIGNED },
		{ "{\"alg\":\"HS256\",\"typ\":\"application/\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"typ\":\"text/jwt\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"typ\":\"application/application/jwt\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"typ\":7}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"crit\":[]}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"crit\":null}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"b64\":false}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256\",\"b64\":0}", JWS_OTHER_ALG },
		{ "{\"alg\":\"hs256\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"Hs256\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS256 \"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS25\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"HS512\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"RS256\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"none\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"None\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"NONE\"}", JWS_OTHER_ALG },
		{ "{\"alg\":\"\"}", JWS_OTHER_ALG },
		{ "{\"alg\":null}", JWS_OTHER_ALG },
		{ "{\"alg\":256}", JWS_OTHER_ALG },
		{ "{\"alg\":[\"HS256\"]}", JWS_OTHER_ALG },
		{ "{\"Alg\":\"HS256\"}", JWS_OTHER_ALG },
		{ "{}", JWS_OTHER_ALG },
	};
	struct jws_key *key = load_key("HS256:", 32);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = token_make("HS256", secret(32), rows[i].header, "{}");
		if (check_token(key, token) != rows[i].match) {
			fail_msg("%s: not %d", rows[i].header, rows[i].match);
		}
		free(token);
	}
	jws_key_free(key);
}

static void matches_key_names(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		const char *header;
		enum jws_match match;
	} rows[] = {
		{ "HS256:", "{\"alg\":\"HS256\"}", JWS_SIGNED },
		{ "HS256:", "{\"alg\":\"HS256\",\"kid\":\"a\"}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\"}", JWS_SIGNED },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":\"a\"}", JWS_SIGNED },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":\"A\"}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":\"ab\"}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":\"\"}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":null}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":7}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":[\"a\"]}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\"}", JWS_OTHER_KID },
		{ "HS256:a=", "{\"alg\":\"HS512\",\"kid\":\"a\"}", JWS_OTHER_ALG },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jws_key *key = load_key(rows[i].prefix, 32);
		char *token = token_make("HS256", secret(32), rows[i].header, "{}");
		if (check_token(key, token) != rows[i].match) {
			fail_msg("%s %s: not %d", rows[i].prefix, rows[i].header, rows[i].match);
		}
		free(token);
		jws_key_free(key);
	}
}

static void refuses_every_flipped_bit_and_every_cut(void **state)
{
	(void)state;
	struct jws_key *key = load_key("HS256:", 32);
	char *token = token_make("HS256", secret(32), "{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}");
	size_t len = strlen(token);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			token[i] = (char)(token[i] ^ 1 << bit);
			struct jws jws;
			if (jws_parse(&jws, bytes_make(token, len)) &&
				jws_check(&jws, key) == JWS_SIGNED) {
				fail_msg("byte %zu bit %u", i, bit);
			}
			jws_fini(&jws);
			token[i] = (char)(token[i] ^ 1 << bit);
		}
		struct jws jws;
		if (jws_parse(&jws, bytes_make(token, i))) {
			assert_int_equal(jws_check(&jws, key), JWS_FORGED);
		}
		jws_fini(&jws);
	}
	assert_int_equal(check_token(key, token), JWS_SIGNED);
	free(token);
	jws_key_free(key);
}

// `header`: of the type that libjwt verifies, or of another.
static void check_failing_hmac(const char *header)
{
	struct jws_key *key = load_key("HS256:", 32);
	char *token = token_make("HS256", secret(32), header, "{\"sub\":\"ann\"}");
	char *forged = token_make("HS256", secret(32), header, "{\"sub\":\"bob\"}");
	const char *signature = strrchr(token, '.');
	memcpy(strrchr(forged, '.'), signature, strlen(signature) + 1);
	assert_int_equal(check_token(key, forged), JWS_FORGED);
	assert_int_equal(check_token(key, token), JWS_SIGNED);
	hmac_fails = true;
	assert_int_equal(check_token(key, forged), JWS_FORGED);
	hmac_fails = false;
	assert_int_equal(check_token(key, token), JWS_SIGNED);
	free(forged);
	free(token);
	jws_key_free(key);
}

static void refuses_a_token_whose_hmac_cannot_be_made(void **state)
{
	(void)state;
	check_failing_hmac("{\"alg\":\"HS256\"}");
	check_failing_hmac("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}");
}

static void refuses_a_key_with_which_no_hmac_can_be_made(void **state)
{
	(void)state;
	struct fault fault = { 0 };
	char *spec = key_dir_write(&dir, "key", secret(32), 0600, "HS256:");
	hmac_fails = true;
	struct jws_key *key = jws_key_load(spec, &fault);
	hmac_fails = false;
	assert_null(key);
	assert_non_null(strstr(fault.what, "OpenSSL cannot use it"));
	fault_fini(&fault);
	free(spec);
}

static void leaves_no_openssl_error_behind(void **state)
{
	(void)state;
	struct jws_key *key = load_key("HS256:", 32);
	char *token = token_make("HS256", secret(33), "{\"alg\":\"HS256\"}", "{}");
	ERR_raise(ERR_LIB_USER, 1);
	assert_int_equal(check_token(key, token), JWS_FORGED);
	assert_int_equal(ERR_peek_error(), 0);
	free(token);
	jws_key_free(key);
}

static void signs_what_it_then_accepts(void **state)
{
	(void)state;
	static const char *const prefixes[] = { "HS256:", "HS384:k1=", "HS512:k1=" };
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct jws_key *key = load_key(prefixes[i], 64);
		char *token = jws_sign(key, NULL, "{\"sub\":\"ann\"}");
		assert_non_null(token);
		assert_int_equal(check_token(key, token), JWS_SIGNED);
		free(token);
		token = jws_sign(key, "k2", "{\"sub\":\"ann\"}");
		assert_int_equal(check_token(key, token), JWS_OTHER_KID);
		free(token);
		assert_null(jws_sign(key, NULL, "{"));
		jws_key_free(key);
	}
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
	return 0;
}

int main(void)
{
	crypto_mem_init();
	json_set_alloc_funcs(xmalloc, free); // as weir-token, which signs
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_token_apart),
		cmocka_unit_test(refuses_what_is_not_three_segments_of_base64url),
		cmocka_unit_test(refuses_segments_that_are_not_plain_objects),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(holds_tokens_to_their_length),
		cmocka_unit_test(accepts_each_algorithm_with_its_own_key_only),
		cmocka_unit_test(compares_the_header_before_it_lets_anything_be_verified),
		cmocka_unit_test(matches_key_names),
		cmocka_unit_test(refuses_every_flipped_bit_and_every_cut),
		cmocka_unit_test(refuses_a_token_whose_hmac_cannot_be_made),
		cmocka_unit_test(refuses_a_key_with_which_no_hmac_can_be_made),
		cmocka_unit_test(leaves_no_openssl_error_behind),
		cmocka_unit_test(signs_what_it_then_accepts),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
