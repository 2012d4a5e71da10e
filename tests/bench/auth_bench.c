// How many tokens a core can check. For each algorithm the edge's own auth_verify() goes over 2,000
// distinct tokens again and again; what is told is checks a second of this thread's user time, so
// that other programs on the machine do not show. Keys are made anew each time.
//
//     auth-bench [ALG]...
//
// What is left out is the cost of a connection around it: that is weir-bench's.

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/mem.h"
#include "edge/auth/auth.h"
#include "tests/unit/tokens.h"

enum {
	N_TOKENS = 2000,
	MEASURE_US = 1000000, // of user time
};

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const struct row {
	const char *alg;
	const char *kind; // NULL: a secret
} rows[] = {
	{ "HS256", NULL },
	{ "HS384", NULL },
	{ "HS512", NULL },
	{ "RS256", "RSA-2048" },
	{ "RS512", "RSA-4096" },
	{ "PS256", "RSA-2048" },
	{ "ES256", "P-256" },
	{ "ES384", "P-384" },
	{ "ES512", "P-521" },
	{ "EdDSA", "Ed25519" },
};

static struct auth *make_auth(const struct row *row)
{
	char prefix[16];
	struct key_dir dir = { 0 };
	struct fault fault;
	char *pem = row->kind != NULL ? pkey_pem(pkey_of_kind(row->kind, 0), false) : NULL;
	key_dir_init(&dir);
	snprintf(prefix, sizeof(prefix), "%s:", row->alg);
	char *spec =
		key_dir_write(&dir, "key", bytes_str(pem != NULL ? pem : secret), 0600, prefix);
	const char *const keys[] = { spec };
	struct auth *auth = auth_new(
		&(struct auth_options){ .keys = keys, .n_keys = 1, .admin_role = "admin" }, &fault);
	CHECK(auth != NULL);
	key_dir_fini(&dir);
	free(spec);
	free(pem);
	return auth;
}

static char *make_token(const struct row *row, unsigned i, int64_t now_s)
{
	char *header = xasprintf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", row->alg);
	char *payload = xasprintf("{\"sub\":\"user-%u\",\"username\":\"User %u\",\"roles\":[\"a\"],"
				  "\"iat\":%lld,\"exp\":%lld,\"jti\":\"%08x\"}",
		i, i, (long long)now_s, (long long)now_s + 3600, i * 2654435761U);
	char *token = row->kind != NULL
		? token_make_with(row->alg, pkey_of_kind(row->kind, 0), header, payload)
		: token_make(row->alg, bytes_str(secret), header, payload);
	free(payload);
	free(header);
	return token;
}

static uint64_t user_us(void)
{
	struct rusage usage;
	CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
	return (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
}

static void measure(const struct row *row)
{
	static char *tokens[N_TOKENS];
	int64_t now_ms = clock_wall_ms();
	struct auth *auth = make_auth(row);
	for (unsigned i = 0; i < N_TOKENS; i++) {
		tokens[i] = make_token(row, i, now_ms / 1000);
	}
	uint64_t n = 0;
	uint64_t begun_us = user_us();
	uint64_t took_us = 0;
	while (took_us < MEASURE_US) {
		for (unsigned i = 0; i < 100; i++, n++) {
			struct identity id;
			struct bytes token = bytes_str(tokens[n % N_TOKENS]);
			CHECK(auth_verify(auth, token, now_ms, &id, NULL) == AUTH_OK);
			identity_fini(&id);
		}
		took_us = user_us() - begun_us;
	}
	printf("%-6s %-9s %8.0f tokens/s %8.1f us each\n", row->alg,
		row->kind != NULL ? row->kind : "secret", (double)n * 1e6 / (double)took_us,
		(double)took_us / (double)n);
	fflush(stdout);
	for (unsigned i = 0; i < N_TOKENS; i++) {
		free(tokens[i]);
	}
	auth_free(auth);
}

static bool is_asked_for(const char *alg, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], alg) == 0) {
			return true;
		}
	}
	return argc < 2;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (is_asked_for(rows[i].alg, argc, argv)) {
			measure(&rows[i]);
		}
	}
	pkeys_free();
	return 0;
}
