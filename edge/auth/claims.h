// What a token claims: whether it may be used now, and who it says somebody is. Of the parsed
// payload alone; nothing here knows whether it is signed. The claims are described in auth.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "edge/auth/auth.h"

struct json_t;

#define NUMERIC_DATE_END 9007199254740992 // 2^53: exact as an integer and as a double

struct claims_rules {
	char *issuer; // owned; NULL: any
	char *audience; // owned; NULL: any
	char *admin_role; // owned; NULL: none
	char *user_claim; // owned, as the next three; a path; NULL: sub, else userId
	char *username_claim;
	char *roles_claim;
	bool one_role; // a string there is one role
	char *rights_claim;
	int64_t leeway_ms;
	int64_t max_lifetime_ms; // 0: any
};
void claims_rules_init(struct claims_rules *rules, const struct auth_options *options);
void claims_rules_fini(struct claims_rules *rules);

// What may refuse a token before its signature is looked at: issuer, audience and times. `*claim`
// is the name of the last claim looked at, so of the one that refuses; it lives as long as `rules`.
MUST_CHECK enum auth_result claims_check(const struct claims_rules *rules,
	const struct json_t *payload, int64_t now_ms, const char **claim);
// Who it is, into the zeroed `id`, which the caller releases whatever the result is.
MUST_CHECK enum auth_result claims_read(const struct claims_rules *rules,
	const struct json_t *payload, struct identity *id, const char **claim);
