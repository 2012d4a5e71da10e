// The keys that seal TLS session tickets. Edges that are given the same file open each other's, so
// a client that comes back resumes wherever the balancer sends it. The first key seals; the others
// only open what they sealed before they were replaced, which is how keys rotate without a cold
// start.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

enum {
	TLS_TICKET_KEYS_MAX = 8,
	TLS_TICKET_SECRET_MIN = 32,
	TLS_TICKET_NAME_LEN = 16, // RFC 5077 section 4
	TLS_TICKET_IV_LEN = 16,
};

struct tls_ticket_key {
	uint8_t name[TLS_TICKET_NAME_LEN]; // in the clear on each ticket
	uint8_t cipher_key[32];
	uint8_t mac_key[32];
};

struct tls_ticket_keys {
	struct tls_ticket_key keys[TLS_TICKET_KEYS_MAX];
	size_t n; // never 0
};

// One secret a line, printable text of at least TLS_TICKET_SECRET_MIN bytes; empty lines are
// skipped. 0, or -1 and a static text in `*why`.
MUST_CHECK int tls_ticket_keys_parse(struct tls_ticket_keys *keys, struct bytes text,
	const char **why);
// One key that nobody else has.
void tls_ticket_keys_random(struct tls_ticket_keys *keys);
void tls_ticket_keys_wipe(struct tls_ticket_keys *keys);

// Sets up OpenSSL's contexts to seal (`seal` 1: writes name and iv) or open (0: reads them) one
// ticket. Returns what SSL_CTX_set_tlsext_ticket_key_evp_cb() wants: 0 for a key that is none of
// ours, 1, or 2 if it should be replaced by a newer one, -1 if OpenSSL fails.
int tls_ticket_keys_use(const struct tls_ticket_keys *keys, unsigned char *name, unsigned char *iv,
	struct evp_cipher_ctx_st *cipher, struct evp_mac_ctx_st *mac, int seal);
