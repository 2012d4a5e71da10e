// Keys of tokens. A key is good for one algorithm (RFC 8725 section 3.1) and has perhaps a name,
// and a key too weak for its algorithm is never made. Immutable once loaded, so threads may share
// it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/bytes.h"

struct evp_pkey_st;
struct fault;
struct json_t;

enum {
	JWS_KID_MAX = 64,
	JWS_SECRET_MAX = 4096,
	JWS_PEM_MAX = 64 * 1024,
	JWS_KEYS_MAX = 64, // a token without kid is tried with all of its algorithm
};

enum jws_family {
	JWS_HMAC,
	JWS_RSA, // RSASSA-PKCS1-v1_5
	JWS_RSA_PSS,
	JWS_ECDSA,
	JWS_EDDSA,
};

// RFC 7518 section 3.1, RFC 8037.
struct jws_algorithm {
	const char *name; // as in the header
	enum jws_family family;
	const char *hash; // as OpenSSL calls it; NULL: part of the algorithm
	const char *curve; // as a JWK calls it (ECDSA); else NULL
	size_t secret_min; // bytes of the hash, and of a secret at least (HMAC); else 0
	size_t half; // bytes of r and of s (ECDSA); else 0
};

struct jws_key {
	const struct jws_algorithm *algorithm;
	char *kid; // owned; NULL: none
	struct buf secret; // HMAC
	struct evp_pkey_st *pkey; // owned; all others
};

// Loads "ALG:FILE" or "ALG:kid=FILE" (a kid has no "/": so a path may contain "="). FILE is a
// secret's raw bytes, but for one newline at the end, or one public key in PEM. "ALG:base64=FILE"
// and "ALG:kid:base64=FILE" name a secret that is written in base64 or base64url. NULL with `fault`
// set, but for the option: several have keys.
struct jws_key *jws_key_load(const char *spec, struct fault *fault);
// The same for who signs: a secret, or a private key in PEM, in a file that others cannot touch.
struct jws_key *jws_key_load_signing(const char *spec, struct fault *fault);
// From one member of a JWK set (RFC 7517). True unless it is wrong, which `*why` (static) tells;
// `*key` is NULL if it is nothing to us: of a kind or for a use that nobody here has.
bool jws_key_from_jwk(const struct json_t *jwk, struct jws_key **key, const char **why);
void jws_key_free(struct jws_key *key); // wipes it; NULL is fine

// All keys of an edge.
struct jws_keys {
	struct jws_key *items[JWS_KEYS_MAX]; // owned
	size_t n;
};
// Takes over `key`. NULL, or what is wrong (static): another has its algorithm and kid, or one too
// many.
const char *jws_keys_add(struct jws_keys *keys, struct jws_key *key);
void jws_keys_fini(struct jws_keys *keys);
