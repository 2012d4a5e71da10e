// With a key each client is a user of its own, and its token is made when it connects: the server
// pays what it pays in production, a signature to check for each, and nothing is kept here. Tokens
// from a file are for servers whose key is not at hand.

#include "tests/bench/identity.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/secret_file.h"
#include "tests/bench/token.h"

enum {
	KEY_FILE_MAX = 4096,
	TOKEN_FILE_MAX = 16 * 1024 * 1024,
	TOKEN_LIFE_S = 24 * 3600,
	USER_MAX = 64,
};

static int fail(const char *option, const char *path, const char *why)
{
	fprintf(stderr, "error: %s: %s: %s\n", option, path, why);
	return -1;
}

static void split_lines(struct identity *id)
{
	struct bytes rest = buf_bytes(&id->text);
	while (rest.len > 0) {
		const uint8_t *newline = memchr(rest.data, '\n', rest.len);
		size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
		struct bytes line = bytes_make(rest.data, len);
		rest = bytes_from(rest, len + 1);
		if (line.len > 0) {
			buf_append(&id->tokens, &line, sizeof(line));
		}
	}
}

static size_t n_tokens(const struct identity *id)
{
	return id->tokens.len / sizeof(struct bytes);
}

int identity_init(struct identity *id, const struct bench_conf *conf)
{
	const char *why;
	const char *key = conf->key_file;
	const char *file = conf->token_file;
	id->prefix = conf->prefix;
	if (key[0] != '\0' && secret_file_read(key, KEY_FILE_MAX, &id->key, &why) != 0) {
		return fail("key", key, why);
	}
	if (file[0] != '\0') {
		if (secret_file_read(file, TOKEN_FILE_MAX, &id->text, &why) != 0) {
			return fail("token-file", file, why);
		}
		split_lines(id);
		if (n_tokens(id) == 0) {
			return fail("token-file", file, "no token in it");
		}
	}
	return 0;
}

void identity_fini(struct identity *id)
{
	secret_file_free(&id->key);
	secret_file_free(&id->text);
	buf_fini(&id->tokens);
}

void identity_append_token(const struct identity *id, uint32_t client, struct buf *out)
{
	if (n_tokens(id) > 0) {
		struct bytes token;
		memcpy(&token, id->tokens.data + client % n_tokens(id) * sizeof(token),
			sizeof(token));
		buf_append_bytes(out, token);
	} else if (id->key.len > 0) {
		char user[USER_MAX];
		snprintf(user, sizeof(user), "%s-%u", id->prefix, client);
		token_append(out, buf_bytes(&id->key), user, clock_wall_ms() / 1000 + TOKEN_LIFE_S);
	}
}
