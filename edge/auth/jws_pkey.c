// Public keys, by OpenSSL and not by libjwt. What libjwt 1.10 does with them cannot be fixed from
// outside: it has no PS256 and no EdDSA; it takes a P-256 key for ES512 and an RSA key of any
// length; it decodes a signature so leniently that junk within it still verifies; and it parses the
// PEM again for every token, which costs ten times the signature itself and lets one core be kept
// busy by two thousand forged tokens a second. Newer releases fix some of this each, none all of
// it.
//
// A key is parsed once and is an EVP_PKEY from then on, which threads may use at the same time.
// What it may be is decided here, on loading, so that verifying has no choice left to make: the
// algorithm comes with the key, never with the token.
//
// ECDSA. JWS has the two halves of a signature side by side, each as long as the curve's order (RFC
// 7518 section 3.4); OpenSSL wants them in ASN.1. Any other length is no signature. That (r, s) and
// (r, n - s) both verify is in the nature of ECDSA: a token has more than one text, and nothing
// here or above remembers one by its text.
//
// RSA exponents and points off their curve are refused by EVP_PKEY_public_check(): with the
// exponent 1 anybody could sign.
//
// Every function leaves this thread's error queue empty: what stays there would be taken for the
// fault of a TLS connection.

#include "edge/auth/jws_pkey.h"

#include <limits.h>

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base64url.h"
#include "edge/auth/jws_key.h"

enum {
	COORDINATE_MAX = 66, // of P-521
	ECDSA_DER_MAX = 2 * (COORDINATE_MAX + 5) + 4,
};

// ---- what a key may be

static const char *group_of_curve(const char *curve)
{
	static const struct {
		const char *curve;
		const char *group;
	} rows[] = {
		{ "P-256", "prime256v1" },
		{ "P-384", "secp384r1" },
		{ "P-521", "secp521r1" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].curve, curve) == 0) {
			return rows[i].group;
		}
	}
	return NULL;
}

static bool is_on_curve(const EVP_PKEY *pkey, const char *curve)
{
	char group[32];
	size_t len;
	return EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
		strcmp(group, group_of_curve(curve)) == 0;
}

static const char *rsa_fault(const EVP_PKEY *pkey)
{
	if (!EVP_PKEY_is_a(pkey, "RSA")) {
		return "not an RSA key";
	}
	int bits = EVP_PKEY_get_bits(pkey);
	if (bits < JWS_RSA_BITS_MIN) {
		return "an RSA key of less than 2048 bits";
	}
	return bits <= JWS_RSA_BITS_MAX ? NULL : "an RSA key of more than 8192 bits";
}

static const char *kind_fault(const struct jws_algorithm *algorithm, const EVP_PKEY *pkey)
{
	switch (algorithm->family) {
	case JWS_RSA:
	case JWS_RSA_PSS:
		return rsa_fault(pkey);
	case JWS_ECDSA:
		return EVP_PKEY_is_a(pkey, "EC") && is_on_curve(pkey, algorithm->curve)
			? NULL
			: "not a key on the algorithm's curve";
	case JWS_EDDSA:
		return EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_is_a(pkey, "ED448")
			? NULL
			: "not an Ed25519 or Ed448 key";
	case JWS_HMAC:
		break;
	}
	CHECK(false); // a secret is no key of this kind
	return NULL;
}

static bool is_sound(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool sound = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return sound;
}

// Takes over `pkey`; NULL and `*why` if it may not be used.
static EVP_PKEY *accept_key(const struct jws_algorithm *algorithm, EVP_PKEY *pkey, const char **why)
{
	*why = kind_fault(algorithm, pkey);
	if (*why == NULL && !is_sound(pkey)) {
		*why = "not a valid public key";
	}
	ERR_clear_error();
	if (*why == NULL) {
		return pkey;
	}
	EVP_PKEY_free(pkey);
	return NULL;
}

// ---- PEM

// Without it OpenSSL would ask at the terminal.
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return 0;
}

// How often `text` is in `pem`.
static unsigned count_text(struct bytes pem, const char *text)
{
	unsigned n = 0;
	size_t len = strlen(text);
	const uint8_t *at;
	while (pem.len >= len && (at = memmem(pem.data, pem.len, text, len)) != NULL) {
		pem = bytes_from(pem, (size_t)(at - pem.data) + len);
		n++;
	}
	return n;
}

static const char *pem_fault(struct bytes pem, bool private)
{
	unsigned n = count_text(pem, "-----BEGIN ");
	unsigned n_private = count_text(pem, "PRIVATE KEY-----");
	if (n == 0) {
		return "not PEM";
	}
	if (!private && n_private > 0) {
		return "a private key, but a public one is required";
	}
	// Of several, all but one would be left out in silence. What `openssl ecparam` puts in
	// front of a private key is no key.
	return n - count_text(pem, "-----BEGIN EC PARAMETERS-----") > 1 ? "more than one key"
									: NULL;
}

struct evp_pkey_st *jws_pkey_read(const struct jws_algorithm *algorithm, struct bytes pem,
	bool private, const char **why)
{
	*why = pem_fault(pem, private);
	if (*why != NULL) {
		return NULL;
	}
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *pkey = NULL;
	if (bio != NULL && private) {
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	} else if (bio != NULL) {
		pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (pkey == NULL) {
		*why = private ? "not a private key in PEM without a passphrase"
			       : "not a public key in PEM";
		return NULL;
	}
	return accept_key(algorithm, pkey, why);
}

// ---- JWK (RFC 7518 section 6, RFC 8037 section 2)

// A member of base64url, decoded into `out`. Empty if it is missing or none.
static struct bytes jwk_bytes(const json_t *jwk, const char *name, uint8_t *out, size_t max)
{
	const json_t *value = json_object_get(jwk, name);
	struct bytes text = bytes_make(json_string_value(value), json_string_length(value));
	size_t len = 0;
	if (text.len == 0 || base64url_decoded_max(text.len) > max ||
		!base64url_decode(text, out, &len)) {
		return bytes_make(NULL, 0);
	}
	return bytes_make(out, len);
}

static EVP_PKEY *pkey_of_params(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;
	if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *rsa_of_jwk(const json_t *jwk)
{
	// Room for what is too long as well, so that it is reported as such.
	uint8_t modulus[4 * JWS_SIGNATURE_MAX];
	uint8_t exponent[16];
	struct bytes n = jwk_bytes(jwk, "n", modulus, sizeof(modulus));
	struct bytes e = jwk_bytes(jwk, "e", exponent, sizeof(exponent));
	if (n.len == 0 || e.len == 0) {
		return NULL;
	}
	BIGNUM *bn_n = BN_bin2bn(n.data, (int)n.len, NULL);
	BIGNUM *bn_e = BN_bin2bn(e.data, (int)e.len, NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	if (bn_n != NULL && bn_e != NULL && build != NULL &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1) {
		pkey = pkey_of_params("RSA", build);
	}
	OSSL_PARAM_BLD_free(build);
	BN_free(bn_e);
	BN_free(bn_n);
	return pkey;
}

static EVP_PKEY *ec_of_jwk(const json_t *jwk, const struct jws_algorithm *algorithm)
{
	size_t half = algorithm->half;
	uint8_t point[1 + 2 * COORDINATE_MAX + 2] = { POINT_CONVERSION_UNCOMPRESSED };
	struct bytes x = jwk_bytes(jwk, "x", point + 1, half + 2);
	struct bytes y = jwk_bytes(jwk, "y", point + 1 + half, half + 2);
	// RFC 7518 section 6.2.1.2: full length, leading zeros included.
	if (x.len != half || y.len != half) {
		return NULL;
	}
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	if (build != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
			group_of_curve(algorithm->curve), 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
			1 + 2 * half) == 1) {
		pkey = pkey_of_params("EC", build);
	}
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *okp_of_jwk(const json_t *jwk)
{
	const json_t *curve = json_object_get(jwk, "crv");
	const char *type = json_string_value(curve);
	uint8_t raw[64];
	struct bytes x = jwk_bytes(jwk, "x", raw, sizeof(raw));
	if (type == NULL || x.len == 0) {
		return NULL;
	}
	return EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, x.data, x.len);
}

struct evp_pkey_st *jws_pkey_from_jwk(const struct jws_algorithm *algorithm,
	const struct json_t *jwk, const char **why)
{
	EVP_PKEY *pkey = NULL;
	switch (algorithm->family) {
	case JWS_RSA:
	case JWS_RSA_PSS:
		pkey = rsa_of_jwk(jwk);
		break;
	case JWS_ECDSA:
		pkey = ec_of_jwk(jwk, algorithm);
		break;
	case JWS_EDDSA:
		pkey = okp_of_jwk(jwk);
		break;
	case JWS_HMAC:
		break;
	}
	ERR_clear_error();
	if (pkey == NULL) {
		*why = "a public key whose members are missing or wrong";
		return NULL;
	}
	return accept_key(algorithm, pkey, why);
}

void jws_pkey_free(struct evp_pkey_st *pkey)
{
	EVP_PKEY_free(pkey);
}

// ---- signatures

// RFC 7518 section 3.5: MGF1 with the same hash, a salt as long as the hash.
static bool set_padding(const struct jws_algorithm *algorithm, EVP_PKEY_CTX *ctx)
{
	return algorithm->family != JWS_RSA_PSS ||
		(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

// Appends the INTEGER of one half to the ASN.1 at `out`, and returns where it ends.
static uint8_t *der_integer(uint8_t *out, const uint8_t *half, size_t len)
{
	while (len > 1 && *half == 0) {
		half++;
		len--;
	}
	bool padded = (*half & 0x80) != 0; // else it would be negative
	*out++ = 0x02;
	*out++ = (uint8_t)(len + padded);
	*out = 0;
	out += padded;
	memcpy(out, half, len);
	return out + len;
}

// SEQUENCE { r, s }
static struct bytes der_of_halves(struct bytes halves, uint8_t out[ECDSA_DER_MAX])
{
	uint8_t body[ECDSA_DER_MAX];
	size_t half = halves.len / 2;
	uint8_t *end = der_integer(body, halves.data, half);
	end = der_integer(end, halves.data + half, half);
	size_t len = (size_t)(end - body);
	size_t head = 0;
	out[head++] = 0x30;
	if (len >= 0x80) {
		out[head++] = 0x81;
	}
	out[head++] = (uint8_t)len;
	memcpy(out + head, body, len);
	return bytes_make(out, head + len);
}

bool jws_pkey_verify(const struct jws_algorithm *algorithm, struct evp_pkey_st *pkey,
	struct bytes text, struct bytes signature)
{
	uint8_t der[ECDSA_DER_MAX];
	if (algorithm->family == JWS_ECDSA) {
		if (signature.len != 2 * algorithm->half) {
			return false;
		}
		signature = der_of_halves(signature, der);
	}
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL; // md's
	bool holds = md != NULL && signature.len > 0 &&
		EVP_DigestVerifyInit_ex(md, &ctx, algorithm->hash, NULL, NULL, pkey, NULL) == 1 &&
		set_padding(algorithm, ctx) &&
		EVP_DigestVerify(md, signature.data, signature.len, text.data, text.len) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return holds;
}

// Both halves in their full length.
static bool append_halves(struct bytes der, size_t half, struct buf *out)
{
	const uint8_t *at = der.data;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	uint8_t *to = buf_reserve(out, 2 * half);
	bool fits = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, (int)half) > 0 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + half, (int)half) > 0;
	out->len += fits ? 2 * half : 0;
	ECDSA_SIG_free(sig);
	return fits;
}

bool jws_pkey_sign(const struct jws_algorithm *algorithm, struct evp_pkey_st *pkey,
	struct bytes text, struct buf *signature)
{
	uint8_t raw[JWS_SIGNATURE_MAX];
	size_t len = sizeof(raw);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL; // md's
	bool done = md != NULL &&
		EVP_DigestSignInit_ex(md, &ctx, algorithm->hash, NULL, NULL, pkey, NULL) == 1 &&
		set_padding(algorithm, ctx) &&
		EVP_DigestSign(md, raw, &len, text.data, text.len) == 1;
	EVP_MD_CTX_free(md);
	if (done && algorithm->family == JWS_ECDSA) {
		done = append_halves(bytes_make(raw, len), algorithm->half, signature);
	} else if (done) {
		buf_append(signature, raw, len);
	}
	ERR_clear_error();
	return done;
}
