// Tokens: made. For weir-token alone; an edge checks tokens and has no use for this.
//
// One signer a family: libjwt makes HMACs, OpenSSL all others, because libjwt 1.10 knows neither
// PSS nor EdDSA. libjwt is handed claims as text and writes them anew, so who wants a token back as
// it was said must not compare texts.

#include "edge/auth/jws_sign.h"

#include <stdlib.h>

#include <jansson.h>
#include <jwt.h>

#include "common/base64url.h"
#include "common/mem.h"
#include "edge/auth/jws_key.h"
#include "edge/auth/jws_pkey.h"

static char *sign_hmac(const struct jws_key *key, const char *kid, const char *claims)
{
	// With an empty key libjwt would make a token of algorithm "none".
	CHECK(key->secret.len >= key->algorithm->secret_min);
	jwt_alg_t algorithm = jwt_str_alg(key->algorithm->name);
	jwt_t *jwt = NULL;
	char *token = NULL;
	if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
		(kid == NULL || jwt_add_header(jwt, "kid", kid) == 0) &&
		jwt_set_alg(jwt, algorithm, key->secret.data, (int)key->secret.len) == 0) {
		token = jwt_encode_str(jwt);
	}
	jwt_free(jwt);
	return token;
}

static json_t *header_make(const struct jws_key *key, const char *kid)
{
	json_t *header = json_pack("{s:s,s:s}", "typ", "JWT", "alg", key->algorithm->name);
	if (kid != NULL) {
		json_object_set_new(header, "kid", json_string(kid));
	}
	return header;
}

static void append_segment(struct buf *out, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	base64url_append(out, bytes_str(text));
	free(text);
}

static char *sign_public(const struct jws_key *key, const char *kid, const char *claims)
{
	json_t *payload = json_loads(claims, JSON_REJECT_DUPLICATES, NULL);
	json_t *header = header_make(key, kid);
	struct buf token = { 0 };
	struct buf signature = { 0 };
	bool done = false;
	if (json_is_object(payload)) {
		append_segment(&token, header);
		buf_append_byte(&token, '.');
		append_segment(&token, payload);
		done = jws_pkey_sign(key->algorithm, key->pkey, buf_bytes(&token), &signature);
		buf_append_byte(&token, '.');
		base64url_append(&token, buf_bytes(&signature));
	}
	char *text = done ? xstrndup(token.data, token.len) : NULL;
	buf_fini(&signature);
	buf_fini(&token);
	json_decref(header);
	json_decref(payload);
	return text;
}

char *jws_sign(const struct jws_key *key, const char *kid, const char *claims)
{
	if (kid == NULL) {
		kid = key->kid;
	}
	return key->algorithm->family == JWS_HMAC ? sign_hmac(key, kid, claims)
						  : sign_public(key, kid, claims);
}
