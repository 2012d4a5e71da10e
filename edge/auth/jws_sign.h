// Makes signed tokens in compact form (RFC 7515).
#pragma once

struct jws_key;

// Signs `claims`, the text of a JSON object, under `kid`, or the key's own if NULL. The key is one
// to sign with. The token is the caller's (free(3)); NULL if `claims` is no object.
char *jws_sign(const struct jws_key *key, const char *kid, const char *claims);
