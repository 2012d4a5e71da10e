// The table of algorithms, and how a key comes out of an option or a JWK set. Everything that makes
// a key too weak, or fit for more than one algorithm, is refused here and when the edge starts,
// because later nobody asks again:
// - A secret is at least as long as its hash (RFC 7518 section 3.2); an empty file is an open door.
// - A public key never becomes a secret: which of the two a file holds is decided by the algorithm
//   that the operator wrote in front of it, and the token has no say. With the public key as the
//   secret of HS256 anybody who has read it could sign.
// - RSA lengths and curves are jws_pkey.c's.
//
// A JWK need not name its algorithm. A curve implies one; of an RSA key without `alg` RS256 is
// assumed, which is what providers who leave it out sign with. Guessing from the token instead is
// how keys get used in ways they were not made for.
//
// Of a set the members that nobody here can use are passed over (RFC 7517 section 5): other kinds,
// other curves, keys for encryption. A member that means to be ours and is wrong is an error, since
// what it should have let in would be refused without a word.

#include "edge/auth/jws_key.h"

#include <stdlib.h>

#include <jansson.h>

#include "common/ascii.h"
#include "common/base64url.h"
#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"
#include "common/utf8.h"
#include "edge/auth/jws_hmac.h"
#include "edge/auth/jws_pkey.h"

static const struct jws_algorithm algorithms[] = {
	{ "HS256", JWS_HMAC, "SHA256", NULL, 32, 0 },
	{ "HS384", JWS_HMAC, "SHA384", NULL, 48, 0 },
	{ "HS512", JWS_HMAC, "SHA512", NULL, 64, 0 },
	{ "RS256", JWS_RSA, "SHA256", NULL, 0, 0 },
	{ "RS384", JWS_RSA, "SHA384", NULL, 0, 0 },
	{ "RS512", JWS_RSA, "SHA512", NULL, 0, 0 },
	{ "PS256", JWS_RSA_PSS, "SHA256", NULL, 0, 0 },
	{ "PS384", JWS_RSA_PSS, "SHA384", NULL, 0, 0 },
	{ "PS512", JWS_RSA_PSS, "SHA512", NULL, 0, 0 },
	{ "ES256", JWS_ECDSA, "SHA256", "P-256", 0, 32 },
	{ "ES384", JWS_ECDSA, "SHA384", "P-384", 0, 48 },
	{ "ES512", JWS_ECDSA, "SHA512", "P-521", 0, 66 },
	{ "EdDSA", JWS_EDDSA, NULL, NULL, 0, 0 },
};

// NULL if there is none. Letter case counts.
static const struct jws_algorithm *algorithm_find(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (bytes_equal_str(name, algorithms[i].name)) {
			return &algorithms[i];
		}
	}
	return NULL;
}

// ---- options

// Splits what follows "ALG:". True if `*kid` is absent or one that may be.
static bool split_kid(const char *text, struct bytes *kid, const char **file)
{
	size_t len = strcspn(text, "=/");
	if (text[len] != '=') {
		*kid = bytes_make(NULL, 0);
		*file = text;
		return true;
	}
	*kid = bytes_make(text, len);
	*file = text + len + 1;
	return len > 0 && len <= JWS_KID_MAX;
}

// NULL, or what is wrong with the secret (static).
static const char *secret_fault(const struct jws_key *key)
{
	if (key->secret.len < key->algorithm->secret_min) {
		return "shorter than the hash";
	}
	return jws_hmac_usable(key) ? NULL : "OpenSSL cannot use it";
}

// Takes "base64" off a kid, or ":base64" off its end; true if it was there.
static bool take_encoding(struct bytes *kid)
{
	static const char word[] = "base64";
	const size_t len = strlen(word);
	if (kid->len < len || !bytes_equal_str(bytes_from(*kid, kid->len - len), word)) {
		return false;
	}
	size_t rest = kid->len - len;
	if (rest > 0 && kid->data[rest - 1] != ':') {
		return false;
	}
	kid->len = rest > 0 ? rest - 1 : 0;
	return true;
}

// Decodes the secret in place: base64 or base64url, padded or not.
static bool decode_secret(struct buf *secret)
{
	struct bytes text = ascii_trim_end(buf_bytes(secret), "\r\n");
	text = ascii_trim_end(text, "=");
	struct buf decoded = { 0 };
	uint8_t *digits = secret->data;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = digits[i];
		digits[i] = (uint8_t)(c == '+' ? '-' : c == '/' ? '_' : c);
	}
	uint8_t *out = buf_reserve(&decoded, base64url_decoded_max(text.len));
	bool good = base64url_decode(text, out, &decoded.len);
	secret_file_free(secret);
	*secret = decoded;
	return good;
}

static int load_secret(struct jws_key *key, const char *file, bool base64, struct fault *fault)
{
	const char *why;
	if (secret_file_read(file, JWS_SECRET_MAX, &key->secret, &why) < 0) {
		return fault_set(fault, NULL, "%s: %s", file, why);
	}
	if (base64 && !decode_secret(&key->secret)) {
		return fault_set(fault, NULL, "%s: not base64", file);
	}
	if (key->secret.len < key->algorithm->secret_min) {
		return fault_set(fault, NULL, "%s: a key of %zu bytes, %s needs at least %zu", file,
			key->secret.len, key->algorithm->name, key->algorithm->secret_min);
	}
	why = secret_fault(key);
	return why == NULL ? 0 : fault_set(fault, NULL, "%s: %s", file, why);
}

static int load_pem(struct jws_key *key, const char *file, bool signing, struct fault *fault)
{
	struct buf pem;
	const char *why;
	int result = signing ? secret_file_read(file, JWS_PEM_MAX, &pem, &why)
			     : public_file_read(file, JWS_PEM_MAX, &pem, &why);
	if (result == 0) {
		key->pkey = jws_pkey_read(key->algorithm, buf_bytes(&pem), signing, &why);
	}
	secret_file_free(&pem);
	return key->pkey != NULL
		? 0
		: fault_set(fault, NULL, "%s: %s: %s", key->algorithm->name, file, why);
}

static struct jws_key *load(const char *spec, bool signing, struct fault *fault)
{
	const char *colon = strchr(spec, ':');
	struct bytes kid;
	const char *file;
	if (colon == NULL || !split_kid(colon + 1, &kid, &file) || file[0] == '\0') {
		fault_set(fault, NULL, "not of the form ALG:FILE or ALG:kid=FILE");
		return NULL;
	}
	struct bytes name = bytes_make(spec, (size_t)(colon - spec));
	const struct jws_algorithm *algorithm = algorithm_find(name);
	if (algorithm == NULL) {
		fault_set(fault, NULL, "%.*s: unknown algorithm", (int)name.len, spec);
		return NULL;
	}
	bool base64 = take_encoding(&kid);
	if (base64 && algorithm->family != JWS_HMAC) {
		fault_set(fault, NULL, "%s: only secrets (HS256, HS384, HS512) may be base64",
			algorithm->name);
		return NULL;
	}
	struct jws_key *key = xcalloc(1, sizeof(*key));
	key->algorithm = algorithm;
	key->kid = kid.len > 0 ? xstrndup(kid.data, kid.len) : NULL;
	int result = algorithm->family == JWS_HMAC ? load_secret(key, file, base64, fault)
						   : load_pem(key, file, signing, fault);
	if (result != 0) {
		jws_key_free(key);
		return NULL;
	}
	return key;
}

struct jws_key *jws_key_load(const char *spec, struct fault *fault)
{
	return load(spec, false, fault);
}

struct jws_key *jws_key_load_signing(const char *spec, struct fault *fault)
{
	return load(spec, true, fault);
}

// ---- JWK

static bool string_is(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

// False if the key is for something else than signatures of others (RFC 7517 sections 4.2 and 4.3).
static bool is_for_verifying(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use");
	const json_t *ops = json_object_get(jwk, "key_ops");
	if (use != NULL && !string_is(use, "sig")) {
		return false;
	}
	bool verifies = ops == NULL;
	for (size_t i = 0; i < json_array_size(ops); i++) {
		verifies = verifies || string_is(json_array_get(ops, i), "verify");
	}
	return verifies;
}

static const struct jws_algorithm *algorithm_of_curve(const json_t *curve)
{
	if (string_is(curve, "Ed25519") || string_is(curve, "Ed448")) {
		return algorithm_find(bytes_str("EdDSA"));
	}
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (algorithms[i].curve != NULL && string_is(curve, algorithms[i].curve)) {
			return &algorithms[i];
		}
	}
	return NULL;
}

// What the kind of key says of its algorithm; NULL if we have none for it.
static const struct jws_algorithm *implied_algorithm(const json_t *jwk)
{
	const json_t *kty = json_object_get(jwk, "kty");
	const json_t *curve = json_object_get(jwk, "crv");
	if (string_is(kty, "RSA")) {
		return algorithm_find(bytes_str("RS256"));
	}
	if (string_is(kty, "oct")) {
		return algorithm_find(bytes_str("HS256"));
	}
	const struct jws_algorithm *algorithm =
		string_is(kty, "EC") || string_is(kty, "OKP") ? algorithm_of_curve(curve) : NULL;
	bool fits = algorithm != NULL && (algorithm->family == JWS_ECDSA) == string_is(kty, "EC");
	return fits ? algorithm : NULL;
}

static bool same_kind(const struct jws_algorithm *a, const struct jws_algorithm *b)
{
	bool rsa = a->family == JWS_RSA || a->family == JWS_RSA_PSS;
	return (rsa && (b->family == JWS_RSA || b->family == JWS_RSA_PSS)) ||
		(a->family == b->family && (a->family == JWS_HMAC || a == b));
}

// NULL without `*why` if the key is nothing to us; NULL with it if it contradicts itself.
static const struct jws_algorithm *algorithm_of_jwk(const json_t *jwk, const char **why)
{
	const struct jws_algorithm *implied = implied_algorithm(jwk);
	const json_t *alg = json_object_get(jwk, "alg");
	*why = NULL;
	if (alg == NULL || implied == NULL) {
		return implied;
	}
	const struct jws_algorithm *named = algorithm_find(bytes_str(json_string_value(alg)));
	if (named != NULL && !same_kind(named, implied)) {
		*why = "alg is not for this kind of key";
		return NULL;
	}
	return named; // NULL: one for encryption, say
}

// A secret in a set has no other guard than its own length; the file is refused by who reads it
// unless it is kept like one.
static const char *take_secret(struct jws_key *key, const json_t *jwk)
{
	const json_t *k = json_object_get(jwk, "k");
	struct bytes text = bytes_make(json_string_value(k), json_string_length(k));
	if (text.len == 0 || text.len > JWS_SECRET_MAX) {
		return "a secret (k) that is missing or too long";
	}
	uint8_t *out = buf_reserve(&key->secret, base64url_decoded_max(text.len));
	if (!base64url_decode(text, out, &key->secret.len)) {
		return "a secret (k) that is not base64url";
	}
	return secret_fault(key);
}

static const char *take_kid(struct jws_key *key, const json_t *jwk)
{
	const json_t *kid = json_object_get(jwk, "kid");
	struct bytes text = bytes_make(json_string_value(kid), json_string_length(kid));
	if (kid == NULL) {
		return NULL;
	}
	if (text.len == 0 || text.len > JWS_KID_MAX || !utf8_printable(text)) {
		return "kid is not a string of 1 to 64 bytes";
	}
	key->kid = xstrndup(text.data, text.len);
	return NULL;
}

bool jws_key_from_jwk(const struct json_t *jwk, struct jws_key **key, const char **why)
{
	*key = NULL;
	*why = NULL;
	if (!json_is_string(json_object_get(jwk, "kty"))) {
		*why = "kty is missing";
		return false;
	}
	const struct jws_algorithm *algorithm = algorithm_of_jwk(jwk, why);
	if (algorithm == NULL || !is_for_verifying(jwk)) {
		return *why == NULL;
	}
	if (json_object_get(jwk, "d") != NULL) {
		*why = "a private key, but a public one is required";
		return false;
	}
	struct jws_key *made = xcalloc(1, sizeof(*made));
	made->algorithm = algorithm;
	*why = take_kid(made, jwk);
	if (*why == NULL && algorithm->family == JWS_HMAC) {
		*why = take_secret(made, jwk);
	} else if (*why == NULL) {
		made->pkey = jws_pkey_from_jwk(algorithm, jwk, why);
	}
	if (*why != NULL) {
		jws_key_free(made);
		return false;
	}
	*key = made;
	return true;
}

// ---- life

void jws_key_free(struct jws_key *key)
{
	if (key != NULL) {
		secret_file_free(&key->secret);
		jws_pkey_free(key->pkey);
		free(key->kid);
		free(key);
	}
}

// Two without a kid differ: both are tried.
static bool collides(const struct jws_key *a, const struct jws_key *b)
{
	return a->algorithm == b->algorithm && a->kid != NULL && b->kid != NULL &&
		strcmp(a->kid, b->kid) == 0;
}

const char *jws_keys_add(struct jws_keys *keys, struct jws_key *key)
{
	const char *why = keys->n == JWS_KEYS_MAX ? "too many keys (64 are)" : NULL;
	for (size_t i = 0; i < keys->n; i++) {
		if (collides(keys->items[i], key)) {
			why = "the same kid twice";
		}
	}
	if (why != NULL) {
		jws_key_free(key);
		return why;
	}
	keys->items[keys->n++] = key;
	return NULL;
}

void jws_keys_fini(struct jws_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		jws_key_free(keys->items[i]);
	}
	keys->n = 0;
}
