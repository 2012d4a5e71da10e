// Signed tokens in compact form (RFC 7515): bytes to header and payload, key files, signatures. Says
// nothing about what is claimed or when. The only includer of jwt.h, with the guards that libjwt 1.10
// needs written at each use. Safe for several threads at once.
#pragma once

#include <stdbool.h>

#include "common/bytes.h"
#include "common/check.h"

struct json_t;

enum {
	JWS_TOKEN_MAX = 8192,
	JWS_DEPTH_MAX = 16, // of header and payload
	JWS_KID_MAX = 64,
	JWS_SECRET_MAX = 4096,
};

// A key is good for one algorithm, and has perhaps a name (`kid`).
struct jws_key;
// Loads "ALG:FILE" or "ALG:kid=FILE" (a kid has no "/": so a path may contain "="). NULL with `*why`
// (owned, free(3)) naming the file and the fault.
struct jws_key *jws_key_load(const char *spec, char **why);
void jws_key_free(struct jws_key *key); // wipes it; NULL is fine
// True if both are for the same algorithm under the same kid; two without a kid differ.
bool jws_key_collides(const struct jws_key *a, const struct jws_key *b);

// A token taken apart. Nothing in it can be believed before jws_check() says JWS_SIGNED.
struct jws {
	char *text; // owned; the token
	struct json_t *header; // owned; an object
	struct json_t *payload; // owned; an object
};

// False, with `jws` zeroed, unless `token` is at most JWS_TOKEN_MAX bytes of three non-empty
// segments of base64url in its one canonical form, the first two being JSON objects without
// duplicate names, at most JWS_DEPTH_MAX deep.
MUST_CHECK bool jws_parse(struct jws *jws, struct bytes token);
void jws_fini(struct jws *jws);

enum jws_match { // the lower, the closer
	JWS_SIGNED,
	JWS_FORGED, // the key is the one named, the signature is not its
	JWS_OTHER_KID, // the token names another key; a token without kid names all of its algorithm
	JWS_OTHER_ALG, // or the header wants what nobody here does: crit, b64, a typ that is not JWT
};
MUST_CHECK enum jws_match jws_check(const struct jws *jws, const struct jws_key *key);

// Signs `claims`, the text of a JSON object, under `kid`, or the key's own if NULL. The token is the
// caller's (free(3)); NULL if `claims` is no object.
char *jws_sign(const struct jws_key *key, const char *kid, const char *claims);

// Gives the JSON library its hash seed. Before other threads start; again does nothing.
void jws_seed(void);
