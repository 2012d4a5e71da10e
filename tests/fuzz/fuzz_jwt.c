// No token is accepted but one whose signature, made again here with OpenSSL alone, is the very same
// text; and whatever is claimed under a good signature, an accepted identity keeps its bounds.
//
// The first byte says how the rest becomes a token: 0: it is one; 1: a header and, behind a newline, a
// payload, signed with the edge's key, so that the claims are reached; 2: the same with another key.

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "edge/auth.h"
#include "proto/names.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tokens.h"

#define NOW_MS INT64_C(1700000000000)

static const char edge_key[] = "the edge's key, of 32 and more bytes";
static const char other_key[] = "the other key, of 32 and more bytes!";

// Made once and never freed: its key is read from a file.
static const struct auth *edge_auth(void)
{
	static struct auth *auth;
	if (auth == NULL) {
		struct key_dir dir;
		key_dir_init(&dir);
		char *spec = key_dir_write(&dir, "key", bytes_str(edge_key), 0600, "HS256:");
		const char *const keys[] = { spec };
		char *why = NULL;
		auth = auth_new(
			&(struct auth_options){
				.keys = keys,
				.n_keys = 1,
				.leeway_ms = 30000,
				.admin_role = "admin",
			},
			&why);
		CHECK(auth != NULL);
		free(spec);
		key_dir_fini(&dir);
	}
	return auth;
}

static char *signed_token(struct bytes input, const char *key)
{
	const uint8_t *newline = input.len > 0 ? memchr(input.data, '\n', input.len) : NULL;
	size_t header_len = newline != NULL ? (size_t)(newline - input.data) : input.len;
	char *header = token_encode(bytes_make(input.data, header_len));
	char *payload = token_encode(bytes_from(input, header_len + 1));
	char *text = xasprintf("%s.%s", header, payload);
	char *token = token_seal("HS256", bytes_str(key), text);
	free(text);
	free(payload);
	free(header);
	return token;
}

static void check_signature(struct bytes token)
{
	char *text = xstrndup(token.data, token.len);
	char *dot = strrchr(text, '.');
	CHECK(token.len <= AUTH_TOKEN_MAX && dot != NULL);
	*dot = '\0';
	char *expected = token_seal("HS256", bytes_str(edge_key), text);
	CHECK(bytes_equal_str(token, expected));
	free(expected);
	free(text);
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
		auth_verify(edge_auth(), bytes_make(copy, token.len), NOW_MS, &id) == AUTH_OK;
	if (accepted) {
		check_signature(token);
		check_identity(&id);
	}
	identity_fini(&id);
	free(copy);
	return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	switch (fuzz_take_byte(&input)) {
	case 1: {
		char *token = signed_token(input, edge_key);
		struct bytes whole = bytes_str(token);
		if (verify(whole)) {
			CHECK(!verify(bytes_make(token, whole.len - 1)));
			char *last = &token[whole.len - 1];
			*last = *last == 'A' ? 'B' : 'A';
			CHECK(!verify(whole));
		}
		free(token);
		return 0;
	}
	case 2: {
		char *token = signed_token(input, other_key);
		CHECK(!verify(bytes_str(token)));
		free(token);
		return 0;
	}
	default:
		(void)verify(input);
		return 0;
	}
}
