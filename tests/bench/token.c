// Each connection gets a token of its own, made when it connects: distinct users, and the server
// pays what it pays in production, a signature to check for each. That costs the client one HMAC;
// keeping 10,000 tokens would cost it 2 MiB.
//
// Rejected: libjwt, which the edge uses. A token of three known claims needs no JSON library.

#include "tests/bench/token.h"

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base64url.h"
#include "common/check.h"

enum {
	HS256_LEN = 32,
};

void token_append(struct buf *out, struct bytes key, const char *user, int64_t expires_s)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	struct buf claims = { 0 };
	buf_printf(&claims, "{\"sub\":\"%s\",\"username\":\"%s\",\"exp\":%lld}", user, user,
		(long long)expires_s);
	size_t start = out->len;
	base64url_append(out, bytes_str(header));
	buf_append_byte(out, '.');
	base64url_append(out, buf_bytes(&claims));
	buf_fini(&claims);

	uint8_t mac[EVP_MAX_MD_SIZE];
	CHECK(HMAC(EVP_sha256(), key.data, (int)key.len, out->data + start, out->len - start, mac,
		      NULL) != NULL);
	buf_append_byte(out, '.');
	base64url_append(out, bytes_make(mac, HS256_LEN));
}
