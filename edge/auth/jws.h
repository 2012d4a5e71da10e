// Signed tokens in compact form (RFC 7515): bytes to header and payload, and whether a key signed
// them. Says nothing about what is claimed or when. Safe for several threads at once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "edge/auth/jws_pkey.h"

struct json_t;
struct jws_key;

enum {
	JWS_TOKEN_MAX = 8192,
	JWS_DEPTH_MAX = 16, // of header and payload
};

// A token taken apart. Nothing in it can be believed before jws_check() says JWS_SIGNED.
struct jws {
	char *text; // owned; the token
	size_t signed_len; // of the text; what is signed ends before the last dot
	struct json_t *header; // owned; an object
	struct json_t *payload; // owned; an object
	bool is_typed; // the header has a `typ` other than "JWT"
	uint8_t signature[JWS_SIGNATURE_MAX];
	size_t signature_len; // 0: longer than any key's
};

// False, with `jws` zeroed, unless `token` is at most JWS_TOKEN_MAX bytes of three non-empty
// segments of base64url in its one canonical form, the first two being JSON objects without
// duplicate names, at most JWS_DEPTH_MAX deep.
MUST_CHECK bool jws_parse(struct jws *jws, struct bytes token);
void jws_fini(struct jws *jws);

enum jws_match { // the lower, the closer
	JWS_SIGNED,
	JWS_FORGED, // the key is the one named, the signature is not its
	JWS_OTHER_KID, // it names another key; without kid it names all of its algorithm
	JWS_OTHER_ALG, // or the header wants what nobody here does: crit, b64, another typ
};
MUST_CHECK enum jws_match jws_check(const struct jws *jws, const struct jws_key *key);

// Gives the JSON library its hash seed. Before other threads start; again does nothing.
void jws_seed(void);
