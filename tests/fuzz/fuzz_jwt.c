// No token is accepted but one that was signed, under the name of its algorithm, with a key of the
// edge; and whatever is claimed under a good signature, an accepted identity keeps its bounds.
//
// The first byte says how the rest becomes a token: 0: it is one; else it is a header and, behind a
// newline, a payload, signed by one of the rows of `signers`, so that the claims are reached. The
// last of these is nobody the edge knows. Signatures by HMAC can be made again, and must be the
// very same text; the others are made with keys of this run, so what the input holds can be none of
// theirs.

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "common/check.h"
#include "common/mem.h"
#include "edge/auth/auth.h"
#include "proto/names.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tokens.h"

#define NOW_MS INT64_C(1700000000000)

static const char edge_key[] = "the edge's key, of 32 and more bytes";
static const char other_key[] = "the other key, of 32 and more bytes!";

static const struct signer {
	const char *alg;
	const char *secret; // HMAC; else NULL
	const char *kind; // of the key pair
	bool known; // to the edge
} signers[] = {
	{ "HS256", edge_key, NULL, true }, { "HS256", other_key, NULL, false },
	{ "ES256", NULL, "P-256", true }, { "EdDSA", NULL, "Ed25519", true },
	{ "RS256", NULL, "RSA-2048", true }, { "PS256", NULL, "RSA-2048", true },
	{ "ES384", NULL, "P-384", true },
	{ "RS512", NULL, "RSA-2048", false }, // a key of the edge in a way it is not for
};

static char *key_spec(const struct key_dir *dir, const struct signer *signer)
{
	char prefix[16];
	snprintf(prefix, sizeof(prefix), "%s:", signer->alg);
	if (signer->secret != NULL) {
		return key_dir_write(dir, signer->alg, bytes_str(signer->secret), 0600, prefix);
	}
	char *pem = pkey_pem(pkey_of_kind(signer->kind, 0), false);
	char *spec = key_dir_write(dir, signer->alg, bytes_str(pem), 0600, prefix);
	free(pem);
	return spec;
}

// Made once and never freed: its keys are read from files.
static const struct auth *edge_auth(void)
{
	static struct auth *auth;
	if (auth != NULL) {
		return auth;
	}
	struct key_dir dir;
	char *specs[ARRAY_LEN(signers)];
	size_t n = 0;
	key_dir_init(&dir);
	for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
		if (signers[i].known) {
			specs[n++] = key_spec(&dir, &signers[i]);
		}
	}
	struct fault fault;
	auth = auth_new(
		&(struct auth_options){
			.keys = (const char *const *)specs,
			.n_keys = n,
			.leeway_ms = 30000,
			.admin_role = "admin",
		},
		&fault);
	CHECK(auth != NULL);
	while (n > 0) {
		free(specs[--n]);
	}
	key_dir_fini(&dir);
	return auth;
}

static char *signed_token(const struct signer *signer, struct bytes header, struct bytes payload)
{
	char *h = token_encode(header);
	char *p = token_encode(payload);
	char *text = xasprintf("%s.%s", h, p);
	char *token = signer->secret != NULL
		? token_seal(signer->alg, bytes_str(signer->secret), text)
		: token_seal_with(signer->alg, pkey_of_kind(signer->kind, 0), text);
	free(text);
	free(p);
	free(h);
	return token;
}

static void check_identity(const struct identity *id)
{
	CHECK(user_name_valid(bytes_str(id->user)));
	CHECK(id->username == NULL || strlen(id->username) <= AUTH_USERNAME_MAX);
	CHECK(id->jti == NULL || strlen(id->jti) <= AUTH_JTI_MAX);
	CHECK(id->expires_s * 1000 > NOW_MS - 30000 && id->expires_s < INT64_C(1) << 53);
	CHECK(id->issued_s >= 0 && id->issued_s * 1000 <= NOW_MS + 30000);
	bool admin = false;
	CHECK(id->n_roles <= AUTH_ROLES_MAX);
	for (size_t i = 0; i < id->n_roles; i++) {
		CHECK(strlen(id->roles[i]) <= AUTH_ROLE_MAX);
		admin = admin || strcmp(id->roles[i], "admin") == 0;
	}
	CHECK(id->admin == admin);
	CHECK(id->rights == NULL || rights_count(id->rights) <= RIGHTS_PATTERNS_MAX);
}

// Verifies a copy of exactly that length. True if it is accepted.
static bool verify(struct bytes token)
{
	struct identity id;
	uint8_t *copy = xmemdup(token.data, token.len);
	bool accepted =
		auth_verify(edge_auth(), bytes_make(copy, token.len), NOW_MS, &id, NULL) == AUTH_OK;
	if (accepted) {
		CHECK(token.len <= AUTH_TOKEN_MAX);
		check_identity(&id);
	}
	identity_fini(&id);
	free(copy);
	return accepted;
}

// What the input holds as it is can only be accepted if it is the edge's own HMAC.
static void check_raw(struct bytes token)
{
	if (!verify(token)) {
		return;
	}
	char *text = xstrndup(token.data, token.len);
	char *dot = strrchr(text, '.');
	CHECK(dot != NULL);
	*dot = '\0';
	char *expected = token_seal("HS256", bytes_str(edge_key), text);
	CHECK(bytes_equal_str(token, expected));
	free(expected);
	free(text);
}

static bool names_algorithm(struct bytes header, const char *alg)
{
	json_t *json = json_loadb((const char *)header.data, header.len, 0, NULL);
	const char *named = json_string_value(json_object_get(json, "alg"));
	bool same = named != NULL && strcmp(named, alg) == 0;
	json_decref(json);
	return same;
}

static void check_signed(const struct signer *signer, struct bytes input)
{
	struct bytes header;
	struct bytes payload;
	bytes_cut(input, '\n', &header, &payload);
	char *token = signed_token(signer, header, payload);
	struct bytes whole = bytes_str(token);
	if (verify(whole)) {
		CHECK(signer->known && names_algorithm(header, signer->alg));
		CHECK(!verify(bytes_make(token, whole.len - 1)));
		char *last = &token[whole.len - 1];
		*last = *last == 'A' ? 'B' : 'A';
		CHECK(!verify(whole));
	}
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	uint8_t how = fuzz_take_byte(&input);
	if (how > 0 && how <= ARRAY_LEN(signers)) {
		check_signed(&signers[how - 1], input);
	} else {
		check_raw(input);
	}
	return 0;
}
