// Signatures by a shared secret. Safe for several threads at once. OpenSSL must have an allocator
// that does not fail (crypto_mem_init()).
#pragma once

#include <stdbool.h>

#include "common/check.h"

struct jws;
struct jws_key;

// False if this process cannot make HMACs with the key: its length is right, but OpenSSL has no
// such hash, say, or wants longer keys.
MUST_CHECK bool jws_hmac_usable(const struct jws_key *key);
// True if the token is signed with the key, whose algorithm is the one that its header names.
MUST_CHECK bool jws_hmac_verify(const struct jws *jws, const struct jws_key *key);
