// HMAC by libjwt, behind the checks of jws.c and a few more here. What libjwt 1.10 to 1.17 would do
// without them (seen with 1.10.2, and with 1.17.2 unless 1.10 is named):
//
// - With an empty key every token is good, as one of algorithm "none". A key has a least length
//   (jws_key.c), and that is checked again here.
// - With no memory for its copy of the key 1.10 reports success too, and calls the token one of
//   "none". So what libjwt took the token for is compared with the key's algorithm.
// - It takes `alg` from the token, in any letter case, and a public key in PEM for a secret.
//   jws_check() has compared the header's text with the key's algorithm before, and the key is one
//   of HMAC.
// - It looks neither at the result of OpenSSL's HMAC() nor at the length it gives, so after a
//   failure it compares what was on the stack, the HMAC of another token perhaps. OpenSSL cannot
//   run out of memory (crypto_mem.c); that this key and hash work is tried when the key is loaded;
//   and an entry in OpenSSL's queue of errors refuses the token, whatever libjwt says.
// - An empty segment makes it write past an allocation of no bytes, and it copies the token to the
//   stack whatever its length. jws_parse() refuses the one and bounds the other.
// - Of equal names in a JSON object it takes the last, and a claim of the wrong type for an absent
//   one. Nothing is asked of its parse: claims are read from the one of jws_parse(), from the same
//   text.
// - Signatures are compared as text, and with strcmp() before 1.17 if the distribution did not fix
//   that (CVE-2024-25189); meson.build refuses such a libjwt. Another text for the same bytes is
//   refused by jws_parse(), which knows one form of base64url, and another length here.
// - It takes no `typ` but "JWT". For the others that jws.c lets through OpenSSL makes the HMAC.
//
// It parses header and payload a second time, and has OpenSSL look up hash and HMAC anew for each
// token: a token costs 7.9 us in all where a prepared HMAC of OpenSSL's took 3.4, which is 127,000
// tokens/s on a core against 290,000 (tests/bench/auth_bench.c), and a connection 7 us more than
// before. Public keys would cost it far more (jws.c).

#include "edge/auth/jws_hmac.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"

bool jws_hmac_usable(const struct jws_key *key)
{
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const EVP_MD *hash = EVP_get_digestbyname(key->algorithm->hash);
	bool usable = hash != NULL &&
		HMAC(hash, key->secret.data, (int)key->secret.len, out, 0, out, &len) != NULL &&
		len == key->algorithm->secret_min;
	ERR_clear_error();
	return usable;
}

static bool verify_by_openssl(const struct jws *jws, const struct jws_key *key)
{
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const EVP_MD *hash = EVP_get_digestbyname(key->algorithm->hash);
	bool holds = hash != NULL &&
		HMAC(hash, key->secret.data, (int)key->secret.len, (const uint8_t *)jws->text,
			jws->signed_len, out, &len) != NULL &&
		len == jws->signature_len && CRYPTO_memcmp(out, jws->signature, len) == 0;
	ERR_clear_error();
	return holds;
}

bool jws_hmac_verify(const struct jws *jws, const struct jws_key *key)
{
	const struct jws_algorithm *algorithm = key->algorithm;
	CHECK(algorithm->secret_min > 0 && key->secret.len >= algorithm->secret_min);
	// RFC 7518 section 3.2: as long as the hash, which is what the secret must be at least.
	if (jws->signature_len != algorithm->secret_min) {
		return false;
	}
	if (jws->is_typed) {
		return verify_by_openssl(jws, key);
	}
	ERR_clear_error();
	jwt_t *jwt = NULL;
	bool holds = jwt_decode(&jwt, jws->text, key->secret.data, (int)key->secret.len) == 0 &&
		jwt_get_alg(jwt) == jwt_str_alg(algorithm->name) && ERR_peek_error() == 0;
	jwt_free(jwt);
	ERR_clear_error();
	return holds;
}
