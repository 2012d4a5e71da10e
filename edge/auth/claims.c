// Claims, on a typed parse. libjwt 1.10 checks no claim at all and reads a wrongly typed one as
// absent or 0, which for `nbf` and `aud` would mean "passes"; so every check is here, and a claim
// of the wrong type refuses the token.
//
// This file knows no key, no signature and no clock; auth.c decides what is asked when.
#include "edge/auth/claims.h"

#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/mem.h"
#include "proto/names.h"

enum {
	NO_DATE = -1
};

static char *copy_unless_empty(const char *text)
{
	return text != NULL && text[0] != '\0' ? xstrdup(text) : NULL;
}

static char *copy_or(const char *text, const char *otherwise)
{
	return xstrdup(text != NULL && text[0] != '\0' ? text : otherwise);
}

// Durations from the configuration are compared with times, so longer than any is as good as any.
static int64_t cap_duration(uint64_t ms)
{
	const uint64_t most = (uint64_t)NUMERIC_DATE_END * 1000;
	return (int64_t)(ms < most ? ms : most);
}

void claims_rules_init(struct claims_rules *rules, const struct auth_options *options)
{
	rules->issuer = copy_unless_empty(options->issuer);
	rules->audience = copy_unless_empty(options->audience);
	rules->admin_role = copy_unless_empty(options->admin_role);
	rules->user_claim = copy_unless_empty(options->user_claim);
	rules->username_claim = copy_or(options->username_claim, "username");
	rules->roles_claim = copy_or(options->roles_claim, "roles");
	rules->one_role = options->roles_claim != NULL && options->roles_claim[0] != '\0';
	rules->rights_claim = copy_or(options->rights_claim, "weir");
	rules->leeway_ms = cap_duration(options->leeway_ms);
	rules->max_lifetime_ms = cap_duration(options->max_lifetime_ms);
}

void claims_rules_fini(struct claims_rules *rules)
{
	free(rules->issuer);
	free(rules->audience);
	free(rules->admin_role);
	free(rules->user_claim);
	free(rules->username_claim);
	free(rules->roles_claim);
	free(rules->rights_claim);
	*rules = (struct claims_rules){ 0 };
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

struct dates {
	int64_t exp, nbf, iat;
};

static bool read_dates(const json_t *payload, struct dates *dates, const char **claim)
{
	const struct {
		const char *name;
		int64_t *seconds;
	} rows[] = { { "exp", &dates->exp }, { "nbf", &dates->nbf }, { "iat", &dates->iat } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		*claim = rows[i].name;
		if (!read_date(payload, rows[i].name, rows[i].seconds)) {
			return false;
		}
	}
	return true;
}

static enum auth_result check_lifetime(const struct claims_rules *rules, const struct dates *dates,
	const char **claim)
{
	if (rules->max_lifetime_ms == 0) {
		return AUTH_OK;
	}
	*claim = "iat";
	if (dates->iat == NO_DATE) {
		return AUTH_CLAIMS;
	}
	*claim = "exp";
	bool good = (dates->exp - dates->iat) * 1000 <= rules->max_lifetime_ms;
	return good ? AUTH_OK : AUTH_LIFETIME;
}

static enum auth_result check_times(const struct claims_rules *rules, const json_t *payload,
	int64_t now_ms, const char **claim)
{
	struct dates dates;
	if (!read_dates(payload, &dates, claim)) {
		return AUTH_CLAIMS;
	}
	*claim = "exp";
	if (dates.exp == NO_DATE) {
		return AUTH_NO_EXP;
	}
	// No sum overflows: 2^53 seconds and a time of this age are below 2^63 milliseconds.
	if (now_ms - rules->leeway_ms >= dates.exp * 1000) {
		return AUTH_EXPIRED;
	}
	int64_t latest_ms = now_ms + rules->leeway_ms;
	if (dates.nbf * 1000 > latest_ms || dates.iat * 1000 > latest_ms) {
		*claim = dates.nbf * 1000 > latest_ms ? "nbf" : "iat";
		return AUTH_NOT_YET;
	}
	return check_lifetime(rules, &dates, claim);
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

enum auth_result claims_check(const struct claims_rules *rules, const struct json_t *payload,
	int64_t now_ms, const char **claim)
{
	*claim = "iss";
	if (rules->issuer != NULL && !string_is(json_object_get(payload, "iss"), rules->issuer)) {
		return AUTH_ISSUER;
	}
	*claim = "aud";
	if (rules->audience != NULL && !is_for(json_object_get(payload, "aud"), rules->audience)) {
		return AUTH_AUDIENCE;
	}
	return check_times(rules, payload, now_ms, claim);
}

// The value at `path`, NULL if there is none. A name may itself hold dots, so the whole of the path
// is tried as a name first, then what is left of each dot, from the last on. The operator wrote the
// path and the depth of a token is bounded, so this ends soon.
static json_t *find(const json_t *object, struct bytes path)
{
	json_t *value = json_object_getn(object, (const char *)path.data, path.len);
	for (size_t i = path.len; value == NULL && i-- > 0;) {
		if (path.data[i] == '.') {
			const json_t *inner = json_object_getn(object, (const char *)path.data, i);
			value = inner != NULL ? find(inner, bytes_from(path, i + 1)) : NULL;
		}
	}
	return value;
}

static json_t *find_claim(const json_t *payload, const char *path)
{
	return find(payload, bytes_str(path));
}

static bool text_is_good(struct bytes text, size_t max)
{
	return display_name_valid(text, max);
}

static const json_t *find_user(const struct claims_rules *rules, const json_t *payload)
{
	if (rules->user_claim != NULL) {
		return find_claim(payload, rules->user_claim);
	}
	const json_t *claim = json_object_get(payload, "sub");
	return claim != NULL ? claim : json_object_get(payload, "userId");
}

static char *read_user(const json_t *claim)
{
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

static bool read_username(const json_t *username, struct identity *id)
{
	if (string_is(username, "")) {
		username = NULL; // what a program sends that has no name to send
	}
	return read_text(username, AUTH_USERNAME_MAX, &id->username);
}

static bool add_role(const struct claims_rules *rules, const json_t *role, struct identity *id)
{
	if (!read_text(role, AUTH_ROLE_MAX, &id->roles[id->n_roles])) {
		return false;
	}
	id->n_roles++;
	id->admin = id->admin || (rules->admin_role != NULL && string_is(role, rules->admin_role));
	return true;
}

static bool read_roles(const struct claims_rules *rules, const json_t *claim, struct identity *id)
{
	bool one = rules->one_role && json_is_string(claim);
	size_t n = one ? 1 : json_array_size(claim);
	if (claim == NULL) {
		return true;
	}
	if ((!one && !json_is_array(claim)) || n > AUTH_ROLES_MAX) {
		return false;
	}
	id->roles = xcalloc(n, sizeof(*id->roles));
	for (size_t i = 0; i < n; i++) {
		if (!add_role(rules, one ? claim : json_array_get(claim, i), id)) {
			return false;
		}
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

static bool read_rights(json_t *claim, struct identity *id)
{
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

enum auth_result claims_read(const struct claims_rules *rules, const struct json_t *payload,
	struct identity *id, const char **claim)
{
	struct dates dates;
	if (!read_dates(payload, &dates, claim)) {
		return AUTH_CLAIMS;
	}
	id->expires_s = dates.exp;
	id->issued_s = dates.iat != NO_DATE ? dates.iat : 0;
	*claim = rules->username_claim;
	if (!read_username(find_claim(payload, *claim), id)) {
		return AUTH_CLAIMS;
	}
	*claim = "jti";
	if (!read_text(json_object_get(payload, *claim), AUTH_JTI_MAX, &id->jti)) {
		return AUTH_CLAIMS;
	}
	*claim = rules->roles_claim;
	if (!read_roles(rules, find_claim(payload, *claim), id)) {
		return AUTH_CLAIMS;
	}
	*claim = rules->rights_claim;
	if (!read_rights(find_claim(payload, *claim), id)) {
		return AUTH_CLAIMS;
	}
	*claim = rules->user_claim != NULL ? rules->user_claim : "sub";
	id->user = read_user(find_user(rules, payload));
	return id->user != NULL ? AUTH_OK : AUTH_SUBJECT;
}
