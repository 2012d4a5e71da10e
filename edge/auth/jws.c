// Tokens: taken apart, checked against a key.
//
// Checking is in an order that leaves no choice to the token. Its text is held to length, segments
// and alphabet before anything reads it. A key is bound to one algorithm; the header's `alg` is
// compared with that byte for byte (libjwt 1.10 takes it in any letter case), and then the key's
// algorithm is what verifies, so neither "none" nor an HMAC made with a public key is ever looked
// at as such. `crit` and `b64` would change what is signed or how it is to be read; nobody here
// does that, so they refuse the token (RFC 7515 4.1.11, RFC 7797 6), as does a `typ` other than
// "JWT" and "at+jwt". What the header offers as a key (`jku`, `jwk`, `x5u`, `x5c`) is not looked at
// by anyone.
//
// Header and payload are parsed once, from the very text that is signed, by a parser that refuses
// equal names. Who reads claims reads this parse and no other.
//
// Which library verifies what, and why, is the table `verifiers`.
//
// This file knows no claim, no time and no user; auth.c does.
#include "edge/auth/jws.h"

#include <stdlib.h>
#include <strings.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "common/base64url.h"
#include "common/mem.h"
#include "common/random.h"
#include "edge/auth/jws_hmac.h"
#include "edge/auth/jws_key.h"

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

// Room for any one segment, decoded. There is one of it, since the compiler clears what is on the
// stack.
struct decoded {
	uint8_t data[JWS_TOKEN_MAX * 3 / 4];
};

static json_t *segment_parse(struct bytes text, struct decoded *decoded)
{
	size_t len;
	if (!base64url_decode(text, decoded->data, &len) ||
		!is_shallow(bytes_make(decoded->data, len))) {
		return NULL;
	}
	json_t *json = json_loadb((const char *)decoded->data, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

// One that no key here can have made is not kept; the token is well formed all the same.
static bool signature_parse(struct jws *jws, struct bytes text, struct decoded *decoded)
{
	size_t len;
	if (!base64url_decode(text, decoded->data, &len)) {
		return false;
	}
	jws->signature_len = len <= sizeof(jws->signature) ? len : 0;
	memcpy(jws->signature, decoded->data, jws->signature_len);
	return true;
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
	struct decoded decoded;
	// The signature is all that is left, so that a third dot in it is no digit.
	if (token.len > JWS_TOKEN_MAX || !segment_next(&rest, &header) ||
		!segment_next(&rest, &payload) || rest.len == 0 ||
		!signature_parse(jws, rest, &decoded)) {
		return false;
	}
	jws->header = segment_parse(header, &decoded);
	jws->payload = jws->header != NULL ? segment_parse(payload, &decoded) : NULL;
	if (jws->payload == NULL) {
		jws_fini(jws);
		return false;
	}
	const json_t *typ = json_object_get(jws->header, "typ");
	jws->is_typed = typ != NULL &&
		!(json_is_string(typ) && strcasecmp(json_string_value(typ), "JWT") == 0);
	jws->text = xstrndup(token.data, token.len);
	jws->signed_len = token.len - rest.len - 1;
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

// A token as such, or an access token (RFC 9068 section 2.1): "at+jwt". Media types are compared
// without their case, and "application/" may be left out (RFC 7515 section 4.1.9).
static bool type_is_ours(const char *typ)
{
	static const char prefix[] = "application/";
	if (strncasecmp(typ, prefix, sizeof(prefix) - 1) == 0) {
		typ += sizeof(prefix) - 1;
	}
	return strcasecmp(typ, "JWT") == 0 || strcasecmp(typ, "at+jwt") == 0;
}

static bool wants_what_we_do(const json_t *header)
{
	const json_t *b64 = json_object_get(header, "b64");
	const json_t *typ = json_object_get(header, "typ");
	return json_object_get(header, "crit") == NULL && (b64 == NULL || json_is_true(b64)) &&
		(typ == NULL || (json_is_string(typ) && type_is_ours(json_string_value(typ))));
}

static bool string_is(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool verify_pkey(const struct jws *jws, const struct jws_key *key)
{
	return jws_pkey_verify(key->algorithm, key->pkey, bytes_make(jws->text, jws->signed_len),
		bytes_make(jws->signature, jws->signature_len));
}

// libjwt verifies what it can verify at speed, OpenSSL the rest. Times are libjwt's and OpenSSL's
// for one signature.
static bool (*const verifiers[])(const struct jws *jws, const struct jws_key *key) = {
	// HS256, HS384, HS512: libjwt, behind the checks of jws_hmac.c.
	[JWS_HMAC] = jws_hmac_verify,
	// RS256, RS384, RS512: OpenSSL. libjwt 1.10 to 1.17 reads the PEM anew for each token: 390
	// us against 19, and one core is kept busy by 2,000 forged tokens a second.
	[JWS_RSA] = verify_pkey,
	// PS256, PS384, PS512: OpenSSL. libjwt has them from 1.16 on, and reads the PEM as above.
	[JWS_RSA_PSS] = verify_pkey,
	// ES256, ES384, ES512: OpenSSL. As with RSA, 460 to 550 us against 50; and libjwt takes a
	// key of any curve for each of them.
	[JWS_ECDSA] = verify_pkey,
	// EdDSA: OpenSSL. libjwt has it from 1.18 on, which no distribution here has.
	[JWS_EDDSA] = verify_pkey,
};

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
	return verifiers[key->algorithm->family](jws, key) ? JWS_SIGNED : JWS_FORGED;
}

void jws_seed(void)
{
	json_object_seed((size_t)random_u64());
}
