// Who a client is: a token and a time to an identity, or a reason. No I/O after the keys are loaded,
// no logging, no clock of its own. The only includer of jwt.h, with the guards that libjwt 1.10
// needs written at each use. Safe for several threads at once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "proto/rights.h"

struct auth;

enum {
	AUTH_TOKEN_MAX = 8192,
	AUTH_USER_MAX = 123,
};

enum auth_result {
	AUTH_OK = 0,
	AUTH_MALFORMED, // not three base64url segments, too long, not JSON objects, duplicate names
	AUTH_ALGORITHM, // alg is not exactly that of a key, or `crit`, or b64
	AUTH_KEY,       // unknown kid
	AUTH_SIGNATURE,
	AUTH_CLAIMS, // missing or wrongly typed claim, iss, aud, sub
	AUTH_EXPIRED,
	AUTH_NOT_YET, // nbf or iat in the future
	AUTH_LIFETIME, // longer than jwt-max-lifetime
};
const char *auth_result_text(enum auth_result result);

struct auth_options {
	const char *const *keys; // n_keys of "ALG:FILE" or "ALG:kid=FILE"
	size_t n_keys;
	const char *issuer;   // NULL or empty: any
	const char *audience; // NULL or empty: any
	uint64_t leeway_ms;
	uint64_t max_lifetime_ms; // 0: any
	const char *admin_role;
};

struct identity {
	char *user;     // owned, NUL-terminated, 1-123 bytes of printable UTF-8
	char *username; // owned, NULL if none
	char **roles;   // owned
	size_t n_roles;
	bool admin;            // holds the role `admin_role`
	struct rights *rights; // owned reference; NULL: no claim, the edge's defaults apply
	int64_t expires_s;     // Unix seconds
	char *jti;             // owned, NULL if none
	int64_t issued_s;      // 0: no iat
};

// Loads and checks the keys. NULL with `*why` (owned, free(3)) naming the file and the fault: an
// empty or short key, a mode others can read, an unknown algorithm, one not built yet.
struct auth *auth_new(const struct auth_options *options, char **why);
void auth_free(struct auth *auth);

// Checks `token` at `now_ms` (Unix milliseconds). On AUTH_OK the caller owns what `id` holds
// (identity_fini). On anything else `id` is zeroed.
MUST_CHECK enum auth_result auth_verify(const struct auth *auth, struct bytes token, int64_t now_ms,
	struct identity *id);
void identity_fini(struct identity *id);
