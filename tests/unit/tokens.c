#include "tests/unit/tokens.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/mem.h"

char *token_encode(struct bytes data)
{
	char *text = xmalloc(data.len * 4 / 3 + 5);
	int len = EVP_EncodeBlock((unsigned char *)text, data.data, (int)data.len);
	while (len > 0 && text[len - 1] == '=') {
		len--;
	}
	text[len] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '+') {
			*c = '-';
		} else if (*c == '/') {
			*c = '_';
		}
	}
	return text;
}

static const EVP_MD *hash_of(const char *alg)
{
	if (strcmp(alg + 2, "256") == 0) {
		return EVP_sha256();
	}
	return strcmp(alg + 2, "384") == 0 ? EVP_sha384() : EVP_sha512();
}

char *token_seal(const char *alg, struct bytes key, const char *text)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	CHECK(HMAC(hash_of(alg), key.data, (int)key.len, (const unsigned char *)text, strlen(text),
		      mac, &mac_len) != NULL);
	char *signature = token_encode(bytes_make(mac, mac_len));
	char *token = xasprintf("%s.%s", text, signature);
	free(signature);
	return token;
}

static char *token_text(const char *header, const char *payload)
{
	char *h = token_encode(bytes_str(header));
	char *p = token_encode(bytes_str(payload));
	char *text = xasprintf("%s.%s", h, p);
	free(p);
	free(h);
	return text;
}

char *token_make(const char *alg, struct bytes key, const char *header, const char *payload)
{
	char *text = token_text(header, payload);
	char *token = token_seal(alg, key, text);
	free(text);
	return token;
}

// ---- key pairs

enum {
	PKEYS_MAX = 32
};

static struct {
	char *kind;
	unsigned which;
	EVP_PKEY *pkey;
} pkeys[PKEYS_MAX];

static EVP_PKEY *pkey_make(const char *kind)
{
	EVP_PKEY *pkey;
	if (strncmp(kind, "RSA-", 4) == 0) {
		pkey = EVP_RSA_gen((unsigned)strtoul(kind + 4, NULL, 10));
	} else if (kind[0] == 'P' || kind[0] == 's') {
		pkey = EVP_EC_gen(kind);
	} else {
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, kind);
	}
	CHECK(pkey != NULL);
	return pkey;
}

EVP_PKEY *pkey_of_kind(const char *kind, unsigned which)
{
	size_t i = 0;
	while (i < PKEYS_MAX && pkeys[i].pkey != NULL) {
		if (pkeys[i].which == which && strcmp(pkeys[i].kind, kind) == 0) {
			return pkeys[i].pkey;
		}
		i++;
	}
	CHECK(i < PKEYS_MAX);
	pkeys[i].kind = xstrdup(kind);
	pkeys[i].which = which;
	pkeys[i].pkey = pkey_make(kind);
	return pkeys[i].pkey;
}

void pkeys_free(void)
{
	for (size_t i = 0; i < PKEYS_MAX && pkeys[i].pkey != NULL; i++) {
		EVP_PKEY_free(pkeys[i].pkey);
		free(pkeys[i].kind);
		pkeys[i].pkey = NULL;
	}
}

char *pkey_pem(EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	CHECK((private ? PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
		       : PEM_write_bio_PUBKEY(bio, pkey)) == 1);
	long len = BIO_get_mem_data(bio, &text);
	char *pem = xstrndup(text, (size_t)len);
	BIO_free(bio);
	return pem;
}

static void append_member(struct buf *jwk, const char *name, const uint8_t *data, size_t len)
{
	char *text = token_encode(bytes_make(data, len));
	buf_printf(jwk, ",\"%s\":\"%s\"", name, text);
	free(text);
}

// As many bytes as the number has, or `len` if that is not 0.
static void append_number(struct buf *jwk, EVP_PKEY *pkey, const char *name, const char *param,
	size_t len)
{
	uint8_t data[2048];
	BIGNUM *number = NULL;
	CHECK(EVP_PKEY_get_bn_param(pkey, param, &number) == 1);
	len = len > 0 ? len : (size_t)BN_num_bytes(number);
	CHECK(BN_bn2binpad(number, data, (int)len) >= 0);
	append_member(jwk, name, data, len);
	BN_free(number);
}

static void append_curve(struct buf *jwk, EVP_PKEY *pkey)
{
	static const struct {
		const char *group;
		const char *curve;
	} rows[] = {
		{ "prime256v1", "P-256" },
		{ "secp384r1", "P-384" },
		{ "secp521r1", "P-521" },
		{ "secp256k1", "secp256k1" },
	};
	char group[32];
	size_t len;
	CHECK(EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].group, group) == 0) {
			buf_printf(jwk, "{\"kty\":\"EC\",\"crv\":\"%s\"", rows[i].curve);
		}
	}
	len = (size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8;
	append_number(jwk, pkey, "x", OSSL_PKEY_PARAM_EC_PUB_X, len);
	append_number(jwk, pkey, "y", OSSL_PKEY_PARAM_EC_PUB_Y, len);
}

char *pkey_jwk(EVP_PKEY *pkey, const char *more)
{
	struct buf jwk = { 0 };
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		buf_append_str(&jwk, "{\"kty\":\"RSA\"");
		append_number(&jwk, pkey, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		append_number(&jwk, pkey, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		append_curve(&jwk, pkey);
	} else {
		uint8_t raw[64];
		size_t len = sizeof(raw);
		const char *curve = EVP_PKEY_is_a(pkey, "ED25519") ? "Ed25519"
			: EVP_PKEY_is_a(pkey, "ED448")             ? "Ed448"
								   : "X25519";
		CHECK(EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1);
		buf_printf(&jwk, "{\"kty\":\"OKP\",\"crv\":\"%s\"", curve);
		append_member(&jwk, "x", raw, len);
	}
	buf_printf(&jwk, "%s}", more);
	buf_append_byte(&jwk, '\0');
	return (char *)jwk.data;
}

// The two numbers of an ECDSA signature side by side.
static void append_halves(struct buf *out, struct bytes der, size_t half)
{
	const uint8_t *at = der.data;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	uint8_t *to = buf_reserve(out, 2 * half);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, (int)half) == (int)half);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + half, (int)half) == (int)half);
	out->len += 2 * half;
	ECDSA_SIG_free(sig);
}

struct buf pkey_signature(const char *alg, EVP_PKEY *pkey, struct bytes text)
{
	struct buf out = { 0 };
	uint8_t raw[1024];
	size_t len = sizeof(raw);
	bool edwards = strcmp(alg, "EdDSA") == 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	CHECK(EVP_DigestSignInit(md, &ctx, edwards ? NULL : hash_of(alg), NULL, pkey) == 1);
	if (alg[0] == 'P') {
		CHECK(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1);
		CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	CHECK(EVP_DigestSign(md, raw, &len, text.data, text.len) == 1);
	EVP_MD_CTX_free(md);
	if (EVP_PKEY_is_a(pkey, "EC")) {
		append_halves(&out, bytes_make(raw, len),
			(size_t)(EVP_PKEY_get_bits(pkey) + 7) / 8);
	} else {
		buf_append(&out, raw, len);
	}
	return out;
}

char *token_seal_with(const char *alg, EVP_PKEY *pkey, const char *text)
{
	struct buf raw = pkey_signature(alg, pkey, bytes_str(text));
	char *signature = token_encode(buf_bytes(&raw));
	char *token = xasprintf("%s.%s", text, signature);
	free(signature);
	buf_fini(&raw);
	return token;
}

char *token_make_with(const char *alg, EVP_PKEY *pkey, const char *header, const char *payload)
{
	char *text = token_text(header, payload);
	char *token = token_seal_with(alg, pkey, text);
	free(text);
	return token;
}

// ---- files

void key_dir_init(struct key_dir *dir)
{
	temp_template(dir->path, "weir-keys");
	CHECK(mkdtemp(dir->path) != NULL);
}

void key_dir_fini(struct key_dir *dir)
{
	DIR *list = opendir(dir->path);
	CHECK(list != NULL);
	for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
		if (entry->d_name[0] != '.') {
			CHECK(unlinkat(dirfd(list), entry->d_name, 0) == 0);
		}
	}
	closedir(list);
	CHECK(rmdir(dir->path) == 0);
}

char *key_dir_write(const struct key_dir *dir, const char *name, struct bytes data, mode_t mode,
	const char *prefix)
{
	char *path = xasprintf("%s/%s", dir->path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, data.data, data.len) == (ssize_t)data.len);
	CHECK(fchmod(fd, mode) == 0);
	close(fd);
	char *spec = xasprintf("%s%s", prefix, path);
	free(path);
	return spec;
}
