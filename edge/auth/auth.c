// From a token to an identity.
//
// jws.c says whether a token is signed, this file what it claims. libjwt 1.10 checks no claim at
// all and reads a wrongly typed one as absent or 0, which for `nbf` and `aud` would mean "passes";
// so every check is here, on a typed parse, and a claim of the wrong type refuses the token.
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

#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/mem.h"
#include "common/utf8.h"
#include "edge/auth/jwks.h"
#include "edge/auth/jws.h"
#include "edge/auth/jws_key.h"
#include "proto/names.h"

#define NUMERIC_DATE_END 9007199254740992 // 2^53: exact as an integer and as a double

enum {
	NO_DATE = -1
};

struct auth {
	struct jws_keys keys;
	char *issuer; // owned; NULL: any
	char *audience; // owned; NULL: any
	char *admin_role; // owned; NULL: none
	int64_t leeway_ms;
	int64_t max_lifetime_ms; // 0: any
};

const char *auth_result_text(enum auth_result result)
{
	static const char *const texts[] = {
		[AUTH_OK] = "valid",
		[AUTH_MALFORMED] = "malformed",
		[AUTH_ALGORITHM] = "algorithm not accepted",
		[AUTH_KEY] = "unknown kid",
		[AUTH_SIGNATURE] = "signature does not match",
		[AUTH_CLAIMS] = "claim missing or of the wrong type",
		[AUTH_ISSUER] = "wrong issuer",
		[AUTH_AUDIENCE] = "wrong audience",
		[AUTH_SUBJECT] = "no usable user",
		[AUTH_EXPIRED] = "expired",
		[AUTH_NOT_YET] = "not valid yet",
		[AUTH_LIFETIME] = "lifetime too long",
	};
	CHECK((size_t)result < ARRAY_LEN(texts));
	return texts[result];
}

static char *copy_unless_empty(const char *text)
{
	return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

// Durations from the configuration are compared with times, so longer than any is as good as any.
static int64_t cap_duration(uint64_t ms)
{
	const uint64_t most = (uint64_t)NUMERIC_DATE_END * 1000;
	return (int64_t)(ms < most ? ms : most);
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
	return auth->keys.n > 0 ? 0 : fault_set(fault, "jwt-key", "no key");
}

struct auth *auth_new(const struct auth_options *options, struct fault *fault)
{
	jws_seed();
	struct auth *auth = xcalloc(1, sizeof(*auth));
	auth->issuer = copy_unless_empty(options->issuer);
	auth->audience = copy_unless_empty(options->audience);
	auth->admin_role = copy_unless_empty(options->admin_role);
	auth->leeway_ms = cap_duration(options->leeway_ms);
	auth->max_lifetime_ms = cap_duration(options->max_lifetime_ms);
	if (load_keys(auth, options, fault) != 0) {
		auth_free(auth);
		return NULL;
	}
	return auth;
}

void auth_free(struct auth *auth)
{
	if (auth == NULL) {
		return;
	}
	jws_keys_fini(&auth->keys);
	free(auth->issuer);
	free(auth->audience);
	free(auth->admin_role);
	free(auth);
}

static struct bytes string_bytes(const json_t *string)
{
	return bytes_make(json_string_value(string), json_string_length(string));
}

// A NumericDate (RFC 7519 2) of whole seconds; NO_DATE if the claim is absent.
static bool read_date(const json_t *payload, const char *name, int64_t *seconds)
{
	const json_t *claim = json_object_get(payload, name);
	if (json_is_integer(claim)) {
		*seconds = json_integer_value(claim);
		return *seconds >= 0 && *seconds < NUMERIC_DATE_END;
	}
	if (json_is_real(claim)) {
		double value = json_real_value(claim);
		if (!(value >= 0 && value < (double)NUMERIC_DATE_END)) {
			return false;
		}
		*seconds = (int64_t)value;
		return true;
	}
	*seconds = NO_DATE;
	return claim == NULL;
}

static enum auth_result check_times(const struct auth *auth, const json_t *payload, int64_t now_ms)
{
	int64_t exp;
	int64_t nbf;
	int64_t iat;
	if (!read_date(payload, "exp", &exp) || !read_date(payload, "nbf", &nbf) ||
		!read_date(payload, "iat", &iat) || exp == NO_DATE) {
		return AUTH_CLAIMS;
	}
	// No sum overflows: 2^53 seconds and a time of this age are below 2^63 milliseconds.
	if (now_ms - auth->leeway_ms >= exp * 1000) {
		return AUTH_EXPIRED;
	}
	if (nbf * 1000 > now_ms + auth->leeway_ms || iat * 1000 > now_ms + auth->leeway_ms) {
		return AUTH_NOT_YET;
	}
	if (auth->max_lifetime_ms == 0) {
		return AUTH_OK;
	}
	if (iat == NO_DATE) {
		return AUTH_CLAIMS;
	}
	return (exp - iat) * 1000 <= auth->max_lifetime_ms ? AUTH_OK : AUTH_LIFETIME;
}

static bool string_is(const json_t *value, const char *text)
{
	return json_is_string(value) && bytes_equal_str(string_bytes(value), text);
}

// `aud` is a string or an array of strings (RFC 7519 4.1.3).
static bool is_for(const json_t *aud, const char *audience)
{
	if (!json_is_array(aud)) {
		return string_is(aud, audience);
	}
	bool found = false;
	for (size_t i = 0; i < json_array_size(aud); i++) {
		const json_t *item = json_array_get(aud, i);
		if (!json_is_string(item)) {
			return false;
		}
		found = found || string_is(item, audience);
	}
	return found;
}

// What may refuse a token before anyone has looked at its signature.
static enum auth_result check_claims(const struct auth *auth, const json_t *payload, int64_t now_ms)
{
	if (auth->issuer != NULL && !string_is(json_object_get(payload, "iss"), auth->issuer)) {
		return AUTH_ISSUER;
	}
	if (auth->audience != NULL && !is_for(json_object_get(payload, "aud"), auth->audience)) {
		return AUTH_AUDIENCE;
	}
	return check_times(auth, payload, now_ms);
}

static enum auth_result check_signature(const struct auth *auth, const struct jws *jws)
{
	static const enum auth_result results[] = {
		[JWS_SIGNED] = AUTH_OK,
		[JWS_FORGED] = AUTH_SIGNATURE,
		[JWS_OTHER_KID] = AUTH_KEY,
		[JWS_OTHER_ALG] = AUTH_ALGORITHM,
	};
	enum jws_match best = JWS_OTHER_ALG;
	for (size_t i = 0; i < auth->keys.n && best != JWS_SIGNED; i++) {
		enum jws_match match = jws_check(jws, auth->keys.items[i]);
		best = match < best ? match : best;
	}
	return results[best];
}

static bool text_is_good(struct bytes text, size_t max)
{
	return text.len > 0 && text.len <= max && utf8_printable(text);
}

static char *read_user(const json_t *payload)
{
	const json_t *claim = json_object_get(payload, "sub");
	if (claim == NULL) {
		claim = json_object_get(payload, "userId");
	}
	if (json_is_integer(claim)) {
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(claim));
	}
	if (!json_is_string(claim) || !user_name_valid(string_bytes(claim))) {
		return NULL;
	}
	return xstrdup(json_string_value(claim));
}

static bool read_text(const json_t *claim, size_t max, char **text)
{
	if (claim == NULL) {
		return true;
	}
	if (!json_is_string(claim) || !text_is_good(string_bytes(claim), max)) {
		return false;
	}
	*text = xstrdup(json_string_value(claim));
	return true;
}

static bool read_names(const json_t *payload, struct identity *id)
{
	const json_t *username = json_object_get(payload, "username");
	if (string_is(username, "")) {
		username = NULL; // what a program sends that has no name to send
	}
	return read_text(username, AUTH_USERNAME_MAX, &id->username) &&
		read_text(json_object_get(payload, "jti"), AUTH_JTI_MAX, &id->jti);
}

static bool read_roles(const struct auth *auth, const json_t *payload, struct identity *id)
{
	const json_t *claim = json_object_get(payload, "roles");
	size_t n = json_array_size(claim);
	if (claim == NULL) {
		return true;
	}
	if (!json_is_array(claim) || n > AUTH_ROLES_MAX) {
		return false;
	}
	id->roles = xcalloc(n, sizeof(*id->roles));
	for (size_t i = 0; i < n; i++) {
		const json_t *role = json_array_get(claim, i);
		if (!read_text(role, AUTH_ROLE_MAX, &id->roles[i])) {
			return false;
		}
		id->n_roles++;
		id->admin = id->admin ||
			(auth->admin_role != NULL && string_is(role, auth->admin_role));
	}
	return true;
}

static bool add_patterns(struct rights *rights, unsigned right, const json_t *patterns)
{
	if (!json_is_array(patterns)) {
		return false;
	}
	for (size_t i = 0; i < json_array_size(patterns); i++) {
		const json_t *pattern = json_array_get(patterns, i);
		if (!json_is_string(pattern) || !rights_add(rights, right, string_bytes(pattern))) {
			return false;
		}
	}
	return true;
}

static bool read_rights(const json_t *payload, struct identity *id)
{
	json_t *claim = json_object_get(payload, "weir");
	if (claim == NULL) {
		return true;
	}
	if (!json_is_object(claim)) {
		return false;
	}
	id->rights = rights_new();
	const char *name;
	json_t *patterns;
	json_object_foreach(claim, name, patterns)
	{
		unsigned right = right_parse(bytes_str(name));
		if (right != 0 && !add_patterns(id->rights, right, patterns)) {
			return false;
		}
	}
	return true;
}

static enum auth_result read_identity(const struct auth *auth, const json_t *payload,
	struct identity *id)
{
	int64_t iat;
	if (!read_date(payload, "exp", &id->expires_s) || !read_date(payload, "iat", &iat) ||
		!read_names(payload, id) || !read_roles(auth, payload, id) ||
		!read_rights(payload, id)) {
		return AUTH_CLAIMS;
	}
	id->issued_s = iat != NO_DATE ? iat : 0;
	id->user = read_user(payload);
	return id->user != NULL ? AUTH_OK : AUTH_SUBJECT;
}

enum auth_result auth_verify(const struct auth *auth, struct bytes token, int64_t now_ms,
	struct identity *id)
{
	*id = (struct identity){ 0 };
	struct jws jws;
	if (!jws_parse(&jws, token)) {
		return AUTH_MALFORMED;
	}
	enum auth_result result = check_claims(auth, jws.payload, now_ms);
	if (result == AUTH_OK) {
		result = check_signature(auth, &jws);
	}
	if (result == AUTH_OK) {
		result = read_identity(auth, jws.payload, id);
	}
	if (result != AUTH_OK) {
		identity_fini(id);
	}
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
