// Signatures by public key: RSA, ECDSA and Edwards curves, with the limits a key must keep. The
// only file that knows what is inside such a key. Safe for several threads at once.
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

struct evp_pkey_st;
struct json_t;
struct jws_algorithm;

enum {
	JWS_RSA_BITS_MIN = 2048, // RFC 7518 sections 3.3 and 3.5
	JWS_RSA_BITS_MAX = 8192,
	JWS_SIGNATURE_MAX = JWS_RSA_BITS_MAX / 8,
};

// One key in PEM: the public one (SubjectPublicKeyInfo), or with `private` the private one, without
// a passphrase. NULL and `*why` (static) unless it is of the kind and strength of the algorithm.
struct evp_pkey_st *jws_pkey_read(const struct jws_algorithm *algorithm, struct bytes pem,
	bool private, const char **why);
// The same from a JWK of kty RSA, EC or OKP.
struct evp_pkey_st *jws_pkey_from_jwk(const struct jws_algorithm *algorithm,
	const struct json_t *jwk, const char **why);
void jws_pkey_free(struct evp_pkey_st *pkey); // NULL is fine

MUST_CHECK bool jws_pkey_verify(const struct jws_algorithm *algorithm, struct evp_pkey_st *pkey,
	struct bytes text, struct bytes signature);
// Appends the signature of `text`. False if OpenSSL cannot.
MUST_CHECK bool jws_pkey_sign(const struct jws_algorithm *algorithm, struct evp_pkey_st *pkey,
	struct bytes text, struct buf *signature);
