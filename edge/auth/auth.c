// From a token to an identity.
//
// jws.c says whether a token is signed, claims.c what it claims; the order of their checks is here.
//
// Order: what is cheap and can only refuse (times, issuer, audience) goes first, on claims nobody
// has vouched for yet, since a flood of stale or foreign tokens should not cost a public-key
// operation each. What says who somebody is gets read after the signature holds, from the same
// parse.
//
// It has no clock, no log and no list of revoked tokens: `now_ms` comes in, a result goes out. A
// struct auth never changes once made; a reload makes another.
//
// Rejected: a cache of tokens seen. An HMAC over 8 KiB costs less than looking one up safely, and a
// cached "yes" would have to be checked for expiry and revocation all the same.
#include "edge/auth/auth.h"

#include <stdlib.h>

#include "common/mem.h"
#include "edge/auth/claims.h"
#include "edge/auth/jwks.h"
#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"

struct auth {
	struct jws_keys keys;
	struct claims_rules rules;
};

static const struct {
	const char *text;
	const char *cause;
} results[] = {
	[AUTH_OK] = { "valid", "" },
	[AUTH_MALFORMED] = { "malformed", "malformed" },
	[AUTH_TOO_LONG] = { "too long", "too_long" },
	[AUTH_ALGORITHM] = { "algorithm not accepted", "wrong_algorithm" },
	[AUTH_KEY] = { "unknown kid", "unknown_kid" },
	[AUTH_SIGNATURE] = { "signature does not match", "bad_signature" },
	[AUTH_NO_EXP] = { "no exp", "no_exp" },
	[AUTH_CLAIMS] = { "claim missing or of the wrong type", "bad_claim" },
	[AUTH_ISSUER] = { "wrong issuer", "wrong_issuer" },
	[AUTH_AUDIENCE] = { "wrong audience", "wrong_audience" },
	[AUTH_SUBJECT] = { "no usable user", "bad_claim" },
	[AUTH_EXPIRED] = { "expired", "expired" },
	[AUTH_NOT_YET] = { "not valid yet", "not_yet" },
	[AUTH_LIFETIME] = { "lifetime too long", "bad_claim" },
};

const char *auth_result_text(enum auth_result result)
{
	CHECK((size_t)result < ARRAY_LEN(results));
	return results[result].text;
}

const char *auth_result_cause(enum auth_result result)
{
	CHECK((size_t)result < ARRAY_LEN(results));
	return results[result].cause;
}

static int load_key(struct auth *auth, const char *spec, struct fault *fault)
{
	fault->option = "jwt-key";
	struct jws_key *key = jws_key_load(spec, fault);
	if (key == NULL) {
		return -1;
	}
	const char *why = jws_keys_add(&auth->keys, key);
	return why == NULL ? 0 : fault_set(fault, "jwt-key", "%s: %s", spec, why);
}

static int load_keys(struct auth *auth, const struct auth_options *options, struct fault *fault)
{
	for (size_t i = 0; i < options->n_keys; i++) {
		if (load_key(auth, options->keys[i], fault) != 0) {
			return -1;
		}
	}
	bool has_set = options->jwks_file != NULL && options->jwks_file[0] != '\0';
	if (has_set && jwks_load(options->jwks_file, &auth->keys, fault) != 0) {
		return -1;
	}
	bool has_url = options->jwks_url != NULL && options->jwks_url[0] != '\0';
	if (options->jwks.len > 0 &&
		jwks_parse(options->jwks, options->jwks_url, &auth->keys, fault) != 0) {
		return -1;
	}
	return auth->keys.n > 0 || has_url ? 0 : fault_set(fault, "jwt-key", "no key");
}

struct auth *auth_new(const struct auth_options *options, struct fault *fault)
{
	jws_seed();
	struct auth *auth = xcalloc(1, sizeof(*auth));
	claims_rules_init(&auth->rules, options);
	if (load_keys(auth, options, fault) != 0) {
		auth_free(auth);
		return NULL;
	}
	return auth;
}

bool auth_has_keys(const struct auth *auth)
{
	return auth->keys.n > 0;
}

void auth_free(struct auth *auth)
{
	if (auth == NULL) {
		return;
	}
	jws_keys_fini(&auth->keys);
	claims_rules_fini(&auth->rules);
	free(auth);
}

static enum auth_result check_signature(const struct auth *auth, const struct jws *jws)
{
	static const enum auth_result matches[] = {
		[JWS_SIGNED] = AUTH_OK,
		[JWS_FORGED] = AUTH_SIGNATURE,
		[JWS_OTHER_KID] = AUTH_KEY,
		[JWS_OTHER_ALG] = AUTH_ALGORITHM,
	};
	enum jws_match best = auth->keys.n > 0 ? JWS_OTHER_ALG : JWS_OTHER_KID;
	for (size_t i = 0; i < auth->keys.n && best != JWS_SIGNED; i++) {
		enum jws_match match = jws_check(jws, auth->keys.items[i]);
		best = match < best ? match : best;
	}
	return matches[best];
}

static void set_claim(const char **claim, const char *name)
{
	if (claim != NULL) {
		*claim = name;
	}
}

enum auth_result auth_verify(const struct auth *auth, struct bytes token, int64_t now_ms,
	struct identity *id, const char **claim)
{
	const char *last = NULL;
	*id = (struct identity){ 0 };
	struct jws jws;
	if (!jws_parse(&jws, token)) {
		set_claim(claim, NULL);
		return token.len > AUTH_TOKEN_MAX ? AUTH_TOO_LONG : AUTH_MALFORMED;
	}
	enum auth_result result = claims_check(&auth->rules, jws.payload, now_ms, &last);
	if (result == AUTH_OK) {
		last = NULL;
		result = check_signature(auth, &jws);
	}
	if (result == AUTH_OK) {
		result = claims_read(&auth->rules, jws.payload, id, &last);
	}
	if (result != AUTH_OK) {
		identity_fini(id);
	}
	set_claim(claim, last);
	jws_fini(&jws);
	return result;
}

void identity_fini(struct identity *id)
{
	free(id->user);
	free(id->username);
	free(id->jti);
	for (size_t i = 0; i < id->n_roles; i++) {
		free(id->roles[i]);
	}
	free(id->roles);
	rights_unref(id->rights);
	*id = (struct identity){ 0 };
}
