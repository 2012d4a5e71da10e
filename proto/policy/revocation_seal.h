// What proves a revocation that an edge brings to a router to be one that a router has made: an
// HMAC-SHA256 under a key that edges do not have. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "proto/policy/revocations.h"

// A key out of secrets, whatever their order. Who knows all but one of them does not know it.
void revocation_seal_key(const struct bytes *secrets, size_t n, uint8_t key[REVOCATION_SEAL_LEN]);

void revocation_seal(const uint8_t key[REVOCATION_SEAL_LEN], const struct revocation *rev,
	uint8_t seal[REVOCATION_SEAL_LEN]);
// Whether rev->seal is what revocation_seal() makes of the rest.
MUST_CHECK bool revocation_seal_fits(const uint8_t key[REVOCATION_SEAL_LEN],
	const struct revocation *rev);
