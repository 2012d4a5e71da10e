// HMAC by OpenSSL. libjwt 1.10 could do it, if each of its ways to let everybody in were watched: with
// an empty key, or when there is no memory for its copy of the key, it decodes the token as one of
// algorithm "none" and reports success; an empty segment makes it write past an allocation of no
// bytes, and it copies the token to the stack whatever its length. And it reads header and claims by
// itself a second time, with a parser that lets the last of two equal names win, which nobody asked
// for: 10 us a token in all against 5 (tests/bench/auth_bench.c).
// Making tokens (jws_sign) is left to it: there none of this matters.
//
// The secret is turned into the two inner states of HMAC once, on loading; checking a token copies
// them. A copy that cannot be made is a token that does not verify: everything here fails closed.
//
// The comparison takes the same time wherever the first difference is.

#include "edge/auth/jws_hmac.h"

#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "edge/auth/jws_key.h"

struct evp_mac_ctx_st *jws_hmac_new(const struct jws_algorithm *algorithm, struct bytes secret)
{
	CHECK(secret.len >= algorithm->secret_min && algorithm->secret_min > 0);
	char hash[16];
	snprintf(hash, sizeof(hash), "%s", algorithm->hash);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *hmac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (hmac != NULL && EVP_MAC_init(hmac, secret.data, secret.len, params) != 1) {
		EVP_MAC_CTX_free(hmac);
		hmac = NULL;
	}
	ERR_clear_error();
	return hmac;
}

void jws_hmac_free(struct evp_mac_ctx_st *hmac)
{
	EVP_MAC_CTX_free(hmac);
}

bool jws_hmac_verify(const struct jws_algorithm *algorithm, const struct evp_mac_ctx_st *hmac,
	struct bytes text, struct bytes signature)
{
	uint8_t expected[EVP_MAX_MD_SIZE];
	size_t len = 0;
	// RFC 7518 section 3.2: as long as the hash, which is what the secret must be at least.
	if (signature.len != algorithm->secret_min) {
		return false;
	}
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(hmac);
	bool holds = ctx != NULL && EVP_MAC_update(ctx, text.data, text.len) == 1 &&
		EVP_MAC_final(ctx, expected, &len, sizeof(expected)) == 1 && len == signature.len &&
		CRYPTO_memcmp(expected, signature.data, len) == 0;
	EVP_MAC_CTX_free(ctx);
	ERR_clear_error();
	return holds;
}
