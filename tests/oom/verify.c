// No token is accepted for want of memory. Each of a set of tokens, a few good and most of them
// not, is verified with another allocation failing each time, in a process of its own, because
// memory that we cannot do without ends it. Where verifying comes to an end, a token that is not
// good is refused, one that is good is refused or gives the very identity it claims, and nothing is
// kept.
//
// That is no matter of course. libjwt 1.10 takes any signature for good, under the algorithm
// "none", if there is no memory for its copy of the key; and it does not notice if OpenSSL has made
// no HMAC, which here can be for want of memory too, though not in an edge (crypto_mem.c).
//
// Blocks are compared after a few warm-ups, since libraries keep what they have once looked up.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "common/check.h"
#include "edge/auth/auth.h"
#include "tests/oom/oom.h"
#include "tests/unit/tokens.h"

#define NOW_MS INT64_C(1700000000000)

enum {
	OUT_OF_MEMORY = 1, // how mem_exhausted() ends
	ACCEPTED = 2,
	ANOTHER_IDENTITY = 3,
	KEPT = 4,
	WARM_UPS = 3,
};

static const char key[] = "a key of the edge, long enough for HS512: 64 bytes and some more";
static const char other_key[] = "a key of somebody else, long enough for HS512: 64 bytes and more";

#define GOOD "{\"sub\":\"ann\",\"exp\":1700000100,\"roles\":[\"guest\"],\"username\":\"Ann\"}"

enum signer {
	SIGNED_BY_KEY,
	SIGNED_BY_OTHER_KEY,
	SIGNED_BY_NOBODY, // the signature is "AAAA"
	SIGNED_WITH_PUBLIC_KEY, // which is no secret, used as one
};

static const struct sample {
	const char *name;
	enum signer signer;
	const char *alg; // that signs
	const char *header;
	const char *payload;
	bool good;
} samples[] = {
	{ "good", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}", GOOD, true },
	{ "good with kid", SIGNED_BY_KEY, "HS512",
		"{\"alg\":\"HS512\",\"kid\":\"k\",\"typ\":\"JWT\"}", GOOD, true },
	{ "good with rights", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}",
		"{\"sub\":\"ann\",\"exp\":1700000100,\"weir\":{\"join\":[\"room-*\"]}}", true },
	{ "good by RSA", SIGNED_BY_KEY, "RS256", "{\"alg\":\"RS256\"}", GOOD, true },
	{ "good by ECDSA", SIGNED_BY_KEY, "ES256", "{\"alg\":\"ES256\"}", GOOD, true },
	{ "forged", SIGNED_BY_OTHER_KEY, "HS256", "{\"alg\":\"HS256\"}", GOOD, false },
	{ "forged admin", SIGNED_BY_OTHER_KEY, "HS256", "{\"alg\":\"HS256\"}",
		"{\"sub\":\"root\",\"exp\":1700000100,\"roles\":[\"admin\"]}", false },
	{ "forged by RSA", SIGNED_BY_OTHER_KEY, "RS256", "{\"alg\":\"RS256\"}", GOOD, false },
	{ "forged by ECDSA", SIGNED_BY_OTHER_KEY, "ES256", "{\"alg\":\"ES256\"}", GOOD, false },
	{ "public key as a secret", SIGNED_WITH_PUBLIC_KEY, "HS256", "{\"alg\":\"HS256\"}", GOOD,
		false },
	{ "public key and RS256", SIGNED_WITH_PUBLIC_KEY, "HS256", "{\"alg\":\"RS256\"}", GOOD,
		false },
	{ "any signature", SIGNED_BY_NOBODY, "HS256", "{\"alg\":\"HS256\"}", GOOD, false },
	{ "any signature with kid", SIGNED_BY_NOBODY, "HS512", "{\"alg\":\"HS512\",\"kid\":\"k\"}",
		GOOD, false },
	{ "none", SIGNED_BY_NOBODY, "HS256", "{\"alg\":\"none\"}", GOOD, false },
	{ "other algorithm", SIGNED_BY_KEY, "HS384", "{\"alg\":\"HS384\"}", GOOD, false },
	{ "signed with another than it says", SIGNED_BY_KEY, "HS512", "{\"alg\":\"HS256\"}", GOOD,
		false },
	{ "unknown kid", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\",\"kid\":\"x\"}", GOOD, false },
	{ "expired", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}",
		"{\"sub\":\"ann\",\"exp\":1699999900}", false },
	{ "not yet", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}",
		"{\"sub\":\"ann\",\"exp\":1700000100,\"nbf\":1700000090}", false },
	{ "no exp", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}", false },
	{ "no user", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\"}", "{\"exp\":1700000100}", false },
	{ "crit", SIGNED_BY_KEY, "HS256", "{\"alg\":\"HS256\",\"crit\":[\"x\"]}", GOOD, false },
};

static const char *kind_of(const char *alg)
{
	return strcmp(alg, "RS256") == 0 ? "RSA-2048" : "P-256";
}

static char *make_token(const struct sample *sample)
{
	unsigned which = sample->signer == SIGNED_BY_OTHER_KEY;
	char *token;
	if (sample->signer == SIGNED_WITH_PUBLIC_KEY) {
		char *pem = pkey_pem(pkey_of_kind("RSA-2048", 0), false);
		token = token_make(sample->alg, bytes_str(pem), sample->header, sample->payload);
		free(pem);
	} else if (sample->alg[0] == 'H') {
		token = token_make(sample->alg, bytes_str(which == 0 ? key : other_key),
			sample->header, sample->payload);
	} else {
		token = token_make_with(sample->alg, pkey_of_kind(kind_of(sample->alg), which),
			sample->header, sample->payload);
	}
	if (sample->signer == SIGNED_BY_NOBODY) {
		memcpy(strrchr(token, '.') + 1, "AAAA", sizeof("AAAA"));
	}
	return token;
}

static char *write_public_key(const struct key_dir *dir, const char *alg, const char *prefix)
{
	char *pem = pkey_pem(pkey_of_kind(kind_of(alg), 0), false);
	char *spec = key_dir_write(dir, alg, bytes_str(pem), 0600, prefix);
	free(pem);
	return spec;
}

static struct auth *make_auth(void)
{
	struct key_dir dir;
	struct fault fault = { 0 };
	key_dir_init(&dir);
	char *keys[] = {
		key_dir_write(&dir, "plain", bytes_str(key), 0600, "HS256:"),
		key_dir_write(&dir, "named", bytes_str(key), 0600, "HS512:k="),
		write_public_key(&dir, "RS256", "RS256:"),
		write_public_key(&dir, "ES256", "ES256:"),
	};
	struct auth *auth = auth_new(
		&(struct auth_options){
			.keys = (const char *const *)keys,
			.n_keys = ARRAY_LEN(keys),
			.leeway_ms = 30000,
			.admin_role = "admin",
		},
		&fault);
	CHECK(auth != NULL);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		free(keys[i]);
	}
	key_dir_fini(&dir);
	return auth;
}

static bool is_whole(const struct identity *id)
{
	return id->user != NULL && strcmp(id->user, "ann") == 0 && !id->admin &&
		id->expires_s == NOW_MS / 1000 + 100 &&
		(id->rights != NULL ? rights_count(id->rights) == 1
				    : id->n_roles == 1 && strcmp(id->roles[0], "guest") == 0 &&
					id->username != NULL);
}

// Verifies the token while the `nth` allocation fails; the exit code of its process.
static int verify(const struct auth *auth, const struct sample *sample, const char *token,
	uint64_t nth, bool for_good)
{
	struct identity id;
	int64_t live = oom_live_blocks();
	oom_arm(nth, for_good);
	enum auth_result result = auth_verify(auth, bytes_str(token), NOW_MS, &id, NULL);
	(void)oom_disarm();
	bool whole = result != AUTH_OK || is_whole(&id);
	identity_fini(&id);
	OPENSSL_thread_stop(); // what is kept of errors for the thread
	if (result == AUTH_OK && !sample->good) {
		return ACCEPTED;
	}
	if (!whole) {
		return ANOTHER_IDENTITY;
	}
	return oom_live_blocks() > live ? KEPT : 0;
}

static const char *meaning_of(int status)
{
	if (!WIFEXITED(status)) {
		return strsignal(WTERMSIG(status));
	}
	switch (WEXITSTATUS(status)) {
	case 0:
	case OUT_OF_MEMORY:
		return NULL;
	case ACCEPTED:
		return "accepted";
	case ANOTHER_IDENTITY:
		return "taken for somebody else";
	case KEPT:
		return "memory is kept";
	default:
		return "another exit code";
	}
}

// True if all is well.
static bool try(const struct auth *auth, const struct sample *sample, const char *token,
	uint64_t nth, bool for_good)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		_exit(verify(auth, sample, token, nth, for_good));
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	const char *wrong = meaning_of(status);
	if (wrong != NULL) {
		printf("# %s, allocation %" PRIu64 "%s: %s\n", sample->name, nth,
			for_good ? " and all after it" : "", wrong);
	}
	return wrong == NULL;
}

// How many allocations verifying takes. The first time more, for what libraries keep.
static uint64_t count_allocations(const struct auth *auth, const struct sample *sample,
	const char *token)
{
	uint64_t n = 0;
	for (int i = 0; i < WARM_UPS; i++) {
		struct identity id;
		oom_arm(0, false);
		enum auth_result result = auth_verify(auth, bytes_str(token), NOW_MS, &id, NULL);
		n = oom_disarm();
		CHECK((result == AUTH_OK) == sample->good);
		identity_fini(&id);
		OPENSSL_thread_stop();
	}
	return n;
}

int main(void)
{
	struct auth *auth = make_auth();
	uint64_t n_tried = 0;
	unsigned n_bad = 0;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		char *token = make_token(&samples[i]);
		uint64_t n = count_allocations(auth, &samples[i], token);
		for (uint64_t nth = 1; nth <= n; nth++) {
			n_bad += !try(auth, &samples[i], token, nth, false);
			n_bad += !try(auth, &samples[i], token, nth, true);
			n_tried += 2;
		}
		free(token);
	}
	auth_free(auth);
	pkeys_free();
	printf("%zu tokens, %" PRIu64 " failures, %u bad ends\n", ARRAY_LEN(samples), n_tried,
		n_bad);
	return n_tried > 0 && n_bad == 0 ? 0 : 1;
}
