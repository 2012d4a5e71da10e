// The set, not its members: those are jws_key.c's. Where a set is fetched from is jwks_source.c's.
//
// A set with secrets in it (kty oct) must lie in a file that others cannot touch, like every
// secret; one of public keys may be read by anybody. Which of the two it is shows only when it has
// been read. So it is first read as a secret, then, if its mode does not allow that, as what it
// probably is; and a secret found in what was read the second way is refused.

#include "edge/auth/jwks.h"

#include <stdlib.h>

#include <jansson.h>

#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"

static char *add_member(const json_t *jwk, bool is_guarded, struct jws_keys *keys)
{
	struct jws_key *key;
	const char *why;
	if (!jws_key_from_jwk(jwk, &key, &why)) {
		const char *kid = json_string_value(json_object_get(jwk, "kid"));
		return xasprintf("%s%s%s", kid != NULL ? kid : "", kid != NULL ? ": " : "", why);
	}
	if (key == NULL) {
		return NULL;
	}
	if (key->algorithm->family == JWS_HMAC && !is_guarded) {
		jws_key_free(key);
		return xstrdup("holds a secret, and others can touch it");
	}
	why = jws_keys_add(keys, key);
	return why != NULL ? xstrdup(why) : NULL;
}

static char *add_members(const json_t *set, bool is_guarded, struct jws_keys *keys)
{
	const json_t *members = json_object_get(set, "keys");
	size_t before = keys->n;
	if (!json_is_array(members)) {
		return xstrdup("not a JWK set: an object with an array of keys");
	}
	for (size_t i = 0; i < json_array_size(members); i++) {
		char *why = add_member(json_array_get(members, i), is_guarded, keys);
		if (why != NULL) {
			return why;
		}
	}
	return keys->n > before ? NULL : xstrdup("no key in it that can be used");
}

static int add_set(struct bytes text, bool is_guarded, const char *option, const char *name,
	struct jws_keys *keys, struct fault *fault)
{
	json_t *set = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	char *why = set != NULL ? add_members(set, is_guarded, keys) : xstrdup("not JSON");
	json_decref(set);
	int result = why == NULL ? 0 : fault_set(fault, option, "%s: %s", name, why);
	free(why);
	return result;
}

int jwks_load(const char *path, struct jws_keys *keys, struct fault *fault)
{
	struct buf text;
	const char *unreadable;
	bool is_guarded = secret_file_read(path, JWKS_FILE_MAX, &text, &unreadable) == 0;
	if (!is_guarded && public_file_read(path, JWKS_FILE_MAX, &text, &unreadable) != 0) {
		return fault_set(fault, "jwks-file", "%s: %s", path, unreadable);
	}
	int result = add_set(buf_bytes(&text), is_guarded, "jwks-file", path, keys, fault);
	secret_file_free(&text);
	return result;
}

int jwks_parse(struct bytes text, const char *url, struct jws_keys *keys, struct fault *fault)
{
	return add_set(text, false, "jwks-url", url, keys, fault);
}
