// Signatures by a shared secret. Safe for several threads at once.
#pragma once

#include <stdbool.h>

#include "common/bytes.h"
#include "common/check.h"

struct evp_mac_ctx_st;
struct jws_algorithm;

// Prepares a secret that is long enough for the algorithm. NULL if OpenSSL cannot.
struct evp_mac_ctx_st *jws_hmac_new(const struct jws_algorithm *algorithm, struct bytes secret);
void jws_hmac_free(struct evp_mac_ctx_st *hmac); // NULL is fine

MUST_CHECK bool jws_hmac_verify(const struct jws_algorithm *algorithm,
	const struct evp_mac_ctx_st *hmac, struct bytes text, struct bytes signature);
