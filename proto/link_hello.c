// The mac covers the packed body as bytes, not a re-encoding of its fields: what was signed is what
// is parsed, and fields that a newer peer adds are covered without this side knowing them.

#include "proto/link_hello.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "link.pb-c.h"
#include "proto/link_frame.h"

static const char *const labels[] = {
	[LINK_ROLE_EDGE] = "weir-edge",
	[LINK_ROLE_ROUTER] = "weir-router",
};

static void compute_mac(uint8_t mac[LINK_MAC_LEN], enum link_role role, struct bytes key,
	const struct link_nonces *nonces, struct bytes body)
{
	struct buf text = { 0 };
	buf_append(&text, labels[role], strlen(labels[role]) + 1);
	buf_append(&text, nonces->router, sizeof(nonces->router));
	buf_append(&text, nonces->edge, sizeof(nonces->edge));
	buf_append_bytes(&text, body);
	unsigned len = LINK_MAC_LEN;
	const uint8_t *done =
		HMAC(EVP_sha256(), key.data, (int)key.len, text.data, text.len, mac, &len);
	if (done == NULL) {
		mem_exhausted(); // nothing else makes it fail
	}
	CHECK(len == LINK_MAC_LEN);
	buf_fini(&text);
}

void link_sign(struct buf *out, enum link_role role, struct bytes key,
	const struct link_nonces *nonces, struct bytes body)
{
	uint8_t mac[LINK_MAC_LEN];
	Weir__Link__V1__Signed message = WEIR__LINK__V1__SIGNED__INIT;
	message.body.data = (uint8_t *)body.data;
	message.body.len = body.len;
	if (role == LINK_ROLE_EDGE) {
		message.nonce.data = (uint8_t *)nonces->edge;
		message.nonce.len = sizeof(nonces->edge);
	}
	if (key.len > 0) {
		compute_mac(mac, role, key, nonces, body);
		message.mac.data = mac;
		message.mac.len = sizeof(mac);
	}
	uint8_t *at = buf_reserve(out, weir__link__v1__signed__get_packed_size(&message));
	out->len += weir__link__v1__signed__pack(&message, at);
}

static bool mac_fits(struct bytes mac, enum link_role role, const struct bytes *keys, size_t n_keys,
	const struct link_nonces *nonces, struct bytes body, size_t *key_index)
{
	*key_index = 0;
	if (n_keys == 0) {
		return mac.len == 0;
	}
	if (mac.len != LINK_MAC_LEN) {
		return false;
	}
	bool fits = false;
	for (size_t i = 0; i < n_keys; i++) {
		uint8_t expected[LINK_MAC_LEN];
		CHECK(keys[i].len >= LINK_KEY_MIN);
		compute_mac(expected, role, keys[i], nonces, body);
		if (CRYPTO_memcmp(expected, mac.data, sizeof(expected)) == 0) {
			fits = true;
			*key_index = i;
		}
	}
	return fits;
}

bool link_verify(struct bytes packed, enum link_role role, const struct bytes *keys, size_t n_keys,
	struct link_nonces *nonces, size_t *key_index, struct buf *body)
{
	Weir__Link__V1__Signed *message =
		weir__link__v1__signed__unpack(NULL, packed.len, packed.data);
	if (message == NULL) {
		return false;
	}
	bool fits = true;
	if (role == LINK_ROLE_EDGE) {
		fits = message->nonce.len == sizeof(nonces->edge);
		if (fits) {
			memcpy(nonces->edge, message->nonce.data, sizeof(nonces->edge));
		}
	}
	struct bytes span = bytes_make(message->body.data, message->body.len);
	struct bytes mac = bytes_make(message->mac.data, message->mac.len);
	fits = fits && mac_fits(mac, role, keys, n_keys, nonces, span, key_index);
	if (fits) {
		buf_append_bytes(body, span);
	}
	weir__link__v1__signed__free_unpacked(message, NULL);
	return fits;
}

bool link_version_fits(uint32_t major, uint32_t minor)
{
	int64_t apart = (int64_t)minor - LINK_MINOR;
	return major == LINK_MAJOR && apart >= -1 && apart <= 1;
}

bool link_name_valid(struct bytes name)
{
	if (name.len == 0 || name.len > LINK_NAME_MAX) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		if (!ascii_is_alnum(c) && c != '.' && c != '_' && c != '-' && c != ':') {
			return false;
		}
	}
	return true;
}
