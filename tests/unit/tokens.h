// Tokens and key files made by hand, so that what is tested is not used to make the test.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <openssl/evp.h>

#include "common/bytes.h"
#include "tests/unit/temp.h"

// Unpadded base64url. Owned by the caller, as all texts from here.
char *token_encode(struct bytes data);
// `header`.`payload`.signature, the signature by HMAC with the hash that `alg` ("HS256") names,
// whatever the header says.
char *token_make(const char *alg, struct bytes key, const char *header, const char *payload);
// `text`.signature
char *token_seal(const char *alg, struct bytes key, const char *text);

// Keys by kind, made when first asked for and kept: "RSA-1024" and other lengths, "P-256", "P-384",
// "P-521", "secp256k1", "Ed25519", "Ed448", "X25519". `which` tells apart several of a kind.
EVP_PKEY *pkey_of_kind(const char *kind, unsigned which);
void pkeys_free(void);
// PEM text, the private half or the public one.
char *pkey_pem(EVP_PKEY *pkey, bool private);
// The public half as a JWK; `more` is text behind its members: ",\"kid\":\"a\"".
char *pkey_jwk(EVP_PKEY *pkey, const char *more);
// The signature of `text` as `alg` has it.
struct buf pkey_signature(const char *alg, EVP_PKEY *pkey, struct bytes text);
// As token_make() and token_seal(), with a private key.
char *token_make_with(const char *alg, EVP_PKEY *pkey, const char *header, const char *payload);
char *token_seal_with(const char *alg, EVP_PKEY *pkey, const char *text);

// A folder of files for one test program.
struct key_dir {
	char path[TEMP_PATH_MAX];
};
void key_dir_init(struct key_dir *dir);
void key_dir_fini(struct key_dir *dir); // with all that is in it
// Writes `data` to file `name` with `mode` and returns "PREFIX" + its path.
char *key_dir_write(const struct key_dir *dir, const char *name, struct bytes data, mode_t mode,
	const char *prefix);
