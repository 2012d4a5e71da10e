// A line of the file is a secret like those of the other key files, text that somebody drew with a
// random generator. The three parts of a ticket key are derived from it (HKDF, RFC 5869), so its
// length and alphabet do not matter and the file needs no format of its own. The alternative, 48 or
// 80 raw bytes and a file for each key as other servers have it, cannot be distinguished from a key
// cut short and makes "current" a matter of option order in two places.
//
// Sealing is AES-256-CBC with HMAC-SHA256, which is what the library's callback offers; the library
// computes the MAC over name, IV and ciphertext and compares it before anything is decrypted.
//
// It knows nothing of files, contexts or connections. Whoever has a key can read the sessions that
// it sealed, TLS 1.2 ones even afterwards: that is why keys are to be replaced, and old ones
// dropped.

#include "edge/tls/tls_ticket.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

static void derive(struct tls_ticket_key *key, struct bytes secret)
{
	static const char label[] = "weir session ticket";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	CHECK(kdf != NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	EVP_KDF_free(kdf);
	CHECK(ctx != NULL);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret.data,
			secret.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label,
			sizeof(label) - 1),
		OSSL_PARAM_construct_end(),
	};
	CHECK(EVP_KDF_derive(ctx, (unsigned char *)key, sizeof(*key), params) == 1);
	EVP_KDF_CTX_free(ctx);
}

static const char *secret_fault(struct bytes secret)
{
	if (secret.len < TLS_TICKET_SECRET_MIN) {
		return "a key is shorter than 32 bytes";
	}
	for (size_t i = 0; i < secret.len; i++) {
		if (secret.data[i] <= ' ' || secret.data[i] > '~') {
			return "a key is not printable text";
		}
	}
	return NULL;
}

int tls_ticket_keys_parse(struct tls_ticket_keys *keys, struct bytes text, const char **why)
{
	*keys = (struct tls_ticket_keys){ 0 };
	*why = NULL;
	while (text.len > 0 && *why == NULL) {
		struct bytes line;
		bytes_cut(text, '\n', &line, &text);
		if (line.len == 0) {
			continue;
		}
		*why = keys->n < TLS_TICKET_KEYS_MAX ? secret_fault(line) : "more than 8 keys";
		if (*why == NULL) {
			derive(&keys->keys[keys->n++], line);
		}
	}
	if (*why == NULL && keys->n == 0) {
		*why = "no key in it";
	}
	if (*why != NULL) {
		tls_ticket_keys_wipe(keys);
		return -1;
	}
	return 0;
}

void tls_ticket_keys_random(struct tls_ticket_keys *keys)
{
	*keys = (struct tls_ticket_keys){ .n = 1 };
	CHECK(RAND_bytes((unsigned char *)&keys->keys[0], sizeof(keys->keys[0])) == 1);
}

void tls_ticket_keys_wipe(struct tls_ticket_keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

static bool key_mac(const struct tls_ticket_key *key, EVP_MAC_CTX *mac)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key,
			sizeof(key->mac_key)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal_with(const struct tls_ticket_key *key, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	memcpy(name, key->name, sizeof(key->name));
	bool ok = RAND_bytes(iv, TLS_TICKET_IV_LEN) == 1 &&
		EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, iv) == 1 &&
		key_mac(key, mac);
	return ok ? 1 : -1;
}

int tls_ticket_keys_use(const struct tls_ticket_keys *keys, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	if (seal != 0) {
		return seal_with(&keys->keys[0], name, iv, cipher, mac);
	}
	for (size_t i = 0; i < keys->n; i++) {
		const struct tls_ticket_key *key = &keys->keys[i];
		if (memcmp(name, key->name, sizeof(key->name)) != 0) {
			continue;
		}
		bool ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher_key,
				  iv) == 1 &&
			key_mac(key, mac);
		int usable = i == 0 ? 1 : 2;
		return ok ? usable : -1;
	}
	return 0;
}
