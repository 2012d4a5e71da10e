// Who a client is: a token and a time to an identity, or a reason. No I/O after the keys are
// loaded, no logging, no clock of its own. Safe for several threads at once.
//
// Claims (times are NumericDates in [0, 2^53), fractions dropped; a wrong type is refused):
// - exp: needed; good while now < exp + leeway. nbf, iat: not later than now + leeway.
// - iss: exactly the issuer, aud: the audience or an array that has it; only if one is configured.
// - sub, else userId: the user, 1-123 bytes of printable UTF-8, or an integer. `sub` is not looked
//   past if it is there.
// - username: at most AUTH_USERNAME_MAX bytes as display_name_valid() has them; empty is none.
//   jti: 1-AUTH_JTI_MAX.
// - roles: at most AUTH_ROLES_MAX strings of 1-AUTH_ROLE_MAX such bytes.
// - claim paths: a name as it stands, or names of nested objects joined by dots; of two readings of
//   the same text the one with the longest first name wins, so a name with dots is found as well:
//   "realm_access.roles", "https://app.example/roles". With a path of one's own for the roles, a
//   single string is one role.
// - weir: an object of arrays of patterns by right. Names that are no right mean nothing, so that a
//   token can carry those of a newer version. A token with a kid needs the key of that name, one
//   without is tried with every key of its algorithm.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/fault.h"
#include "proto/policy/rights.h"

struct auth;

enum {
	AUTH_TOKEN_MAX = 8192,
	AUTH_USER_MAX = 123,
	AUTH_USERNAME_MAX = 128,
	AUTH_JTI_MAX = 256,
	AUTH_ROLES_MAX = 64,
	AUTH_ROLE_MAX = 64,
};

enum auth_result {
	AUTH_OK = 0,
	AUTH_MALFORMED, // not three base64url segments, not JSON objects, duplicate names
	AUTH_TOO_LONG, // more than AUTH_TOKEN_MAX bytes
	AUTH_ALGORITHM, // alg is not exactly that of a key, or `crit`, b64 or typ asks for more
	AUTH_KEY, // unknown kid
	AUTH_SIGNATURE,
	AUTH_NO_EXP,
	AUTH_CLAIMS, // wrongly typed: exp, nbf, iat, jti, username, roles, weir; iat missing
	AUTH_ISSUER,
	AUTH_AUDIENCE,
	AUTH_SUBJECT, // neither sub nor userId names a user
	AUTH_EXPIRED,
	AUTH_NOT_YET, // nbf or iat in the future
	AUTH_LIFETIME, // longer than jwt-max-lifetime
};
// What is wrong with the token, in a few constant words: "expired".
const char *auth_result_text(enum auth_result result);
// The same as one word of the closed set that clients and the log get: "expired". Claims that are
// there and cannot be used are all "bad_claim". Of AUTH_OK: "".
const char *auth_result_cause(enum auth_result result);

struct auth_options {
	const char *const *keys; // n_keys of "ALG:FILE" or "ALG:kid=FILE"
	size_t n_keys;
	const char *jwks_file; // NULL or empty: none
	const char *jwks_url; // NULL or empty: none; else having no key is no fault
	struct bytes jwks; // the set that was fetched from there; empty: none yet
	const char *issuer; // NULL or empty: any
	const char *audience; // NULL or empty: any
	// Where the claims of an identity are, see claim paths above; NULL or empty: the defaults.
	const char *user_claim; // sub, else userId
	const char *username_claim; // username
	const char *roles_claim; // roles
	const char *rights_claim; // weir
	uint64_t leeway_ms;
	uint64_t max_lifetime_ms; // 0: any
	const char *admin_role;
};

struct identity {
	char *user; // owned, NUL-terminated
	char *username; // owned, NULL if none
	char **roles; // owned
	size_t n_roles;
	bool admin; // holds the role `admin_role`
	struct rights *rights; // owned reference; NULL: no claim, the edge's defaults apply
	int64_t expires_s; // Unix seconds
	char *jti; // owned, NULL if none
	int64_t issued_s; // 0: no iat
};

// Loads and checks the keys. NULL, and what is wrong: an empty, short or weak key, a secret that
// others can read, an unknown algorithm, a key of another kind, a kid given twice, no key at all.
// The first call comes before other threads start. The option at fault is jwt-key or jwks-file.
struct auth *auth_new(const struct auth_options *options, struct fault *fault);
void auth_free(struct auth *auth);
// False only with a jwks_url of which nothing has come yet: all tokens are AUTH_KEY.
bool auth_has_keys(const struct auth *auth);

// Checks `token` at `now_ms` (Unix milliseconds). On AUTH_OK the caller owns what `id` holds
// (identity_fini). On anything else `id` is zeroed, and `*claim` (unless `claim` is NULL) is the
// name of the claim at fault, NULL if it is none: borrowed from `auth`.
MUST_CHECK enum auth_result auth_verify(const struct auth *auth, struct bytes token, int64_t now_ms,
	struct identity *id, const char **claim);
void identity_fini(struct identity *id);
