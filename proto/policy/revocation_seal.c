// What is sealed is every field of a revocation, numbers in little-endian, the user or the jti at
// the end behind a letter that says which: no two revocations have the same text.
//
// A signature with a public key was rejected: only routers make these and only routers look at
// them, so they may share a secret.

#include "proto/policy/revocation_seal.h"

#include <endian.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/buf.h"
#include "common/mem.h"

static void hmac(struct bytes key, struct bytes text, uint8_t mac[REVOCATION_SEAL_LEN])
{
	unsigned len = REVOCATION_SEAL_LEN;
	if (HMAC(EVP_sha256(), key.data, (int)key.len, text.data, text.len, mac, &len) == NULL) {
		mem_exhausted(); // nothing else makes it fail
	}
	CHECK(len == REVOCATION_SEAL_LEN);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, REVOCATION_SEAL_LEN);
}

void revocation_seal_key(const struct bytes *secrets, size_t n, uint8_t key[REVOCATION_SEAL_LEN])
{
	const struct bytes label = bytes_str("weir-revocations");
	uint8_t(*macs)[REVOCATION_SEAL_LEN] = xcalloc(n, sizeof(*macs));
	for (size_t i = 0; i < n; i++) {
		hmac(secrets[i], label, macs[i]);
	}
	qsort(macs, n, sizeof(*macs), compare);
	hmac(bytes_make(macs, n * sizeof(*macs)), label, key);
	OPENSSL_cleanse(macs, n * sizeof(*macs));
	free(macs);
}

void revocation_seal(const uint8_t key[REVOCATION_SEAL_LEN], const struct revocation *rev,
	uint8_t seal[REVOCATION_SEAL_LEN])
{
	const uint64_t times[] = { htole64((uint64_t)rev->before_s),
		htole64((uint64_t)rev->since_ms) };
	struct buf text = { 0 };
	buf_append(&text, times, sizeof(times));
	buf_append_byte(&text, rev->user.len > 0 ? 'u' : 'j');
	buf_append_bytes(&text, rev->user.len > 0 ? rev->user : rev->jti);
	hmac(bytes_make(key, REVOCATION_SEAL_LEN), buf_bytes(&text), seal);
	buf_fini(&text);
}

bool revocation_seal_fits(const uint8_t key[REVOCATION_SEAL_LEN], const struct revocation *rev)
{
	uint8_t seal[REVOCATION_SEAL_LEN];
	revocation_seal(key, rev, seal);
	return rev->seal.len == sizeof(seal) &&
		CRYPTO_memcmp(seal, rev->seal.data, sizeof(seal)) == 0;
}
