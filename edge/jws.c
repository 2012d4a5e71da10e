// Tokens and keys, and the one door to libjwt.
//
// libjwt 1.10 checks a signature well enough if it is asked with care, and little else. What it gets
// wrong is kept away from it:
// - An empty key, or no memory for its copy of the key, makes jwt_decode() succeed with algorithm
//   "none". So a key has a minimum that is checked when it is loaded and again when it is used, and a
//   success counts only if jwt_get_alg() then names the key's algorithm.
// - The token chooses the algorithm, in any letter case. So a key is bound to one, the header's `alg`
//   is compared with it byte for byte first, and a public key can never serve as an HMAC secret.
// - An empty segment makes it write past an allocation of no bytes, and a long token overruns the
//   stack. So length, segments and alphabet are checked first.
// - `crit` and `b64` are not looked at. We do, and refuse (RFC 7515 4.1.11, RFC 7797 6). What the
//   header offers as a key (`jku`, `jwk`, `x5u`, `x5c`) is not looked at by anyone.
// - 1.10 refuses a `typ` other than "JWT", 1.17 does not care. We refuse, so that both are alike.
//
// Header and payload are decoded and parsed here, from the very text that is signed. Asking libjwt for
// the claims again would bring them through its lenient decoder and a parser that lets the last of two
// equal names win, so a duplicate could no longer be seen. Its view of them is not used at all.
//
// Base64url is decoded by hand: the decoder of OpenSSL wants the other alphabet and padding, forgives
// white space, and ignores bits that belong to no byte, which would make two texts of one token.
//
// This file knows no claim, no time and no user; auth.c does.
#include "edge/jws.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

#include <jansson.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "common/conf.h"
#include "common/mem.h"

struct algorithm {
	const char *name; // as in the header
	jwt_alg_t id;
	size_t secret_min; // RFC 7518 3.2: as long as the hash
};

static const struct algorithm algorithms[] = {
	{ "HS256", JWT_ALG_HS256, 32 },
	{ "HS384", JWT_ALG_HS384, 48 },
	{ "HS512", JWT_ALG_HS512, 64 },
};

static const char *const planned[] = {
	"RS256",
	"RS384",
	"RS512",
	"PS256",
	"PS384",
	"PS512",
	"ES256",
	"ES384",
	"ES512",
	"EdDSA",
};

struct jws_key {
	const struct algorithm *algorithm;
	char *kid; // owned; NULL: none
	struct buf secret;
};

static const struct algorithm *find_algorithm(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (bytes_equal_str(name, algorithms[i].name)) {
			return &algorithms[i];
		}
	}
	return NULL;
}

static const char *why_no_algorithm(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(planned); i++) {
		if (bytes_equal_str(name, planned[i])) {
			return "not available yet";
		}
	}
	return "unknown algorithm";
}

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

static char *load_secret(struct jws_key *key, const char *file)
{
	const char *why;
	if (conf_secret_read(file, JWS_SECRET_MAX, &key->secret, &why) < 0) {
		return xasprintf("%s: %s", file, why);
	}
	if (key->secret.len < key->algorithm->secret_min) {
		return xasprintf("%s: a key of %zu bytes, %s needs at least %zu", file,
			key->secret.len, key->algorithm->name, key->algorithm->secret_min);
	}
	return NULL;
}

struct jws_key *jws_key_load(const char *spec, char **why)
{
	const char *colon = strchr(spec, ':');
	struct bytes kid;
	const char *file;
	if (colon == NULL || !split_kid(colon + 1, &kid, &file) || file[0] == '\0') {
		*why = xstrdup("not of the form ALG:FILE or ALG:kid=FILE");
		return NULL;
	}
	struct bytes name = bytes_make(spec, (size_t)(colon - spec));
	const struct algorithm *algorithm = find_algorithm(name);
	if (algorithm == NULL) {
		*why = xasprintf("%.*s: %s", (int)name.len, spec, why_no_algorithm(name));
		return NULL;
	}
	struct jws_key *key = xcalloc(1, sizeof(*key));
	key->algorithm = algorithm;
	key->kid = kid.len > 0 ? xstrndup(kid.data, kid.len) : NULL;
	*why = load_secret(key, file);
	if (*why != NULL) {
		jws_key_free(key);
		return NULL;
	}
	return key;
}

void jws_key_free(struct jws_key *key)
{
	if (key != NULL) {
		conf_secret_free(&key->secret);
		free(key->kid);
		free(key);
	}
}

bool jws_key_collides(const struct jws_key *a, const struct jws_key *b)
{
	return a->algorithm == b->algorithm && a->kid != NULL && b->kid != NULL &&
		strcmp(a->kid, b->kid) == 0;
}

// The value of a digit of base64url, or -1.
static int digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

// Decodes into `out`, which has room for 3/4 of `text`. False if a byte is no digit, or if bits are
// left over that are not zero.
static bool segment_decode(struct bytes text, uint8_t *out, size_t *len)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	*len = 0;
	for (size_t i = 0; i < text.len; i++) {
		int value = digit_value(text.data[i]);
		if (value < 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)value;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[(*len)++] = (uint8_t)(bits >> n_bits);
			bits &= (1U << n_bits) - 1;
		}
	}
	return n_bits < 6 && bits == 0;
}

// jansson goes 2048 levels deep into its own recursion before it gives up.
static bool is_shallow(struct bytes json)
{
	unsigned depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < json.len; i++) {
		uint8_t c = json.data[i];
		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		} else {
			in_string = c == '"';
		}
		if (depth > JWS_DEPTH_MAX) {
			return false;
		}
	}
	return true;
}

static json_t *segment_parse(struct bytes text)
{
	uint8_t decoded[JWS_TOKEN_MAX * 3 / 4];
	size_t len;
	if (!segment_decode(text, decoded, &len) || !is_shallow(bytes_make(decoded, len))) {
		return NULL;
	}
	json_t *json = json_loadb((const char *)decoded, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static bool signature_is_canonical(struct bytes text)
{
	uint8_t decoded[JWS_TOKEN_MAX * 3 / 4];
	size_t len;
	return segment_decode(text, decoded, &len);
}

// Takes the next segment off `*rest`: what is before the next dot, or all. False if it is empty.
static bool segment_next(struct bytes *rest, struct bytes *segment)
{
	const uint8_t *dot = rest->len > 0 ? memchr(rest->data, '.', rest->len) : NULL;
	size_t len = dot != NULL ? (size_t)(dot - rest->data) : rest->len;
	*segment = bytes_make(rest->data, len);
	*rest = bytes_from(*rest, len + 1);
	return len > 0;
}

bool jws_parse(struct jws *jws, struct bytes token)
{
	*jws = (struct jws){ 0 };
	struct bytes rest = token;
	struct bytes header;
	struct bytes payload;
	// The signature is all that is left, so that a third dot in it is no digit.
	if (token.len > JWS_TOKEN_MAX || !segment_next(&rest, &header) ||
		!segment_next(&rest, &payload) || rest.len == 0 || !signature_is_canonical(rest)) {
		return false;
	}
	jws->header = segment_parse(header);
	jws->payload = jws->header != NULL ? segment_parse(payload) : NULL;
	if (jws->payload == NULL) {
		jws_fini(jws);
		return false;
	}
	jws->text = xstrndup(token.data, token.len);
	return true;
}

void jws_fini(struct jws *jws)
{
	json_decref(jws->header);
	json_decref(jws->payload);
	if (jws->text != NULL) {
		OPENSSL_cleanse(jws->text, strlen(jws->text));
		free(jws->text);
	}
	*jws = (struct jws){ 0 };
}

static bool wants_what_we_do(const json_t *header)
{
	const json_t *b64 = json_object_get(header, "b64");
	const json_t *typ = json_object_get(header, "typ");
	return json_object_get(header, "crit") == NULL && (b64 == NULL || json_is_true(b64)) &&
		(typ == NULL ||
			(json_is_string(typ) && strcasecmp(json_string_value(typ), "JWT") == 0));
}

static bool string_is(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool signature_holds(const char *token, const struct jws_key *key)
{
	CHECK(key->secret.len >= key->algorithm->secret_min);
	jwt_t *jwt = NULL;
	int error = jwt_decode(&jwt, token, key->secret.data, (int)key->secret.len);
	bool holds = error == 0 && jwt != NULL && jwt_get_alg(jwt) == key->algorithm->id;
	jwt_free(jwt);
	// What is left in this thread's queue would be taken for the fault of a TLS connection.
	ERR_clear_error();
	return holds;
}

enum jws_match jws_check(const struct jws *jws, const struct jws_key *key)
{
	if (!wants_what_we_do(jws->header) ||
		!string_is(json_object_get(jws->header, "alg"), key->algorithm->name)) {
		return JWS_OTHER_ALG;
	}
	const json_t *kid = json_object_get(jws->header, "kid");
	if (kid != NULL && (key->kid == NULL || !string_is(kid, key->kid))) {
		return JWS_OTHER_KID;
	}
	return signature_holds(jws->text, key) ? JWS_SIGNED : JWS_FORGED;
}

char *jws_sign(const struct jws_key *key, const char *kid, const char *claims)
{
	CHECK(key->secret.len >= key->algorithm->secret_min);
	if (kid == NULL) {
		kid = key->kid;
	}
	jwt_t *jwt = NULL;
	char *token = NULL;
	if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
		(kid == NULL || jwt_add_header(jwt, "kid", kid) == 0) &&
		jwt_set_alg(jwt, key->algorithm->id, key->secret.data, (int)key->secret.len) == 0) {
		token = jwt_encode_str(jwt);
	}
	jwt_free(jwt);
	return token;
}

void jws_seed(void)
{
	uint32_t seed = 0;
	// 0 lets jansson find one by itself, from time and pid.
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		seed = 0;
	}
	json_object_seed(seed);
}
