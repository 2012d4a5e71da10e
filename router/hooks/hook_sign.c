#include "router/hooks/hook_sign.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/ascii.h"
#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"

enum {
	FILE_MAX = 4096,
	SECRET_MIN = 24, // bytes, as the specification has it
	SECRET_MAX = 64,
	MAC_LEN = 32,
	MAC_TEXT_MAX = 48,
};

static const char *const prefix = "whsec_";

// Decodes the key in place; NULL, or what is wrong.
static const char *decode(struct buf *key)
{
	struct bytes text = ascii_trim_end(buf_bytes(key), "\r\n");
	if (text.len < strlen(prefix) || memcmp(text.data, prefix, strlen(prefix)) != 0) {
		return "does not begin with whsec_";
	}
	text = bytes_from(text, strlen(prefix));
	size_t padding = text.len - ascii_trim_end(text, "=").len;
	struct buf raw = { 0 };
	int len = EVP_DecodeBlock(buf_reserve(&raw, text.len), text.data, (int)text.len);
	if (len < 0 || text.len % 4 != 0 || padding > 2) {
		secret_file_free(&raw);
		return "not base64 behind whsec_";
	}
	secret_file_free(key);
	*key = raw;
	key->len = (size_t)len - padding;
	return key->len < SECRET_MIN || key->len > SECRET_MAX ? "not of 24 to 64 bytes" : NULL;
}

int hook_keys_load(struct hook_keys *keys, const struct conf_list *files, struct fault *fault)
{
	const char *option = "webhook-key-file";
	if (files->n > HOOK_KEYS_MAX) {
		return fault_set(fault, option, "more than %d keys", HOOK_KEYS_MAX);
	}
	for (size_t i = 0; i < files->n; i++) {
		const char *why = NULL;
		struct buf *key = &keys->keys[keys->n];
		if (secret_file_read(files->items[i], FILE_MAX, key, &why) == 0) {
			keys->n++;
			why = decode(key);
		}
		if (why != NULL) {
			hook_keys_fini(keys);
			return fault_set(fault, option, "%s: %s", files->items[i], why);
		}
	}
	return 0;
}

void hook_keys_fini(struct hook_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		secret_file_free(&keys->keys[i]);
	}
	*keys = (struct hook_keys){ 0 };
}

void hook_sign(struct buf *out, const struct hook_keys *keys, const char *id, int64_t time_s,
	struct bytes body)
{
	struct buf signed_text = { 0 };
	buf_printf(&signed_text, "%s.%" PRId64 ".", id, time_s);
	buf_append_bytes(&signed_text, body);
	for (size_t i = 0; i < keys->n; i++) {
		uint8_t mac[MAC_LEN];
		uint8_t text[MAC_TEXT_MAX];
		const struct buf *key = &keys->keys[i];
		if (HMAC(EVP_sha256(), key->data, (int)key->len, signed_text.data, signed_text.len,
			    mac, NULL) == NULL) {
			mem_exhausted(); // nothing else makes it fail
		}
		int len = EVP_EncodeBlock(text, mac, sizeof(mac));
		buf_append_str(out, i == 0 ? "v1," : " v1,");
		buf_append(out, text, (size_t)len);
	}
	buf_fini(&signed_text);
}
