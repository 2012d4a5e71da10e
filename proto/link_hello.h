// The opening of a link: who may speak. Each side proves that it holds the link key by an
// HMAC-SHA256 over both nonces and the whole body of its message, under a label of its own, so that
// neither proof can be reflected or replayed. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	LINK_NONCE_LEN = 32,
	LINK_MAC_LEN = 32,
	LINK_BOOT_LEN = 16,
	LINK_KEY_MIN = 32,
	LINK_NAME_MAX = 64, // of an edge or a router
	LINK_EDGES_MAX = 256, // names in an EdgeList or a HELLO
};

enum link_role {
	LINK_ROLE_EDGE, // label "weir-edge"
	LINK_ROLE_ROUTER, // label "weir-router"
};

struct link_nonces {
	uint8_t router[LINK_NONCE_LEN];
	uint8_t edge[LINK_NONCE_LEN];
};

// Appends the packed `Signed` around `body`. An empty key gives an empty mac.
void link_sign(struct buf *out, enum link_role role, struct bytes key,
	const struct link_nonces *nonces, struct bytes body);

// Unpacks `packed`, takes the edge's nonce out of it if `role` is LINK_ROLE_EDGE (into
// `nonces->edge`), and checks the mac against each of the `n_keys` keys in constant time. On
// success `*key_index` says which fitted (0 if there are no keys and no mac), and `body` gets the
// body. False for anything malformed, a wrong mac, a missing mac where there are keys, or a mac
// where there is no key.
MUST_CHECK bool link_verify(struct bytes packed, enum link_role role, const struct bytes *keys,
	size_t n_keys, struct link_nonces *nonces, size_t *key_index, struct buf *body);

// True if two ends of these versions work together: the same major, minors at most one apart.
bool link_version_fits(uint32_t major, uint32_t minor);

// 1-64 bytes of letters, digits, '.', '_', '-', ':'.
bool link_name_valid(struct bytes name);
