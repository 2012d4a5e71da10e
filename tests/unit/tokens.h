// Tokens and key files made by hand, so that what is tested is not used to make the test.
#pragma once

#include <sys/types.h>

#include "common/bytes.h"

// Unpadded base64url. Owned by the caller, as all texts from here.
char *token_encode(struct bytes data);
// `header`.`payload`.signature, the signature by HMAC with the hash that `alg` ("HS256") names,
// whatever the header says.
char *token_make(const char *alg, struct bytes key, const char *header, const char *payload);
// `text`.signature
char *token_seal(const char *alg, struct bytes key, const char *text);

// A folder of files for one test program.
struct key_dir {
	char path[64];
};
void key_dir_init(struct key_dir *dir);
void key_dir_fini(struct key_dir *dir); // with all that is in it
// Writes `data` to file `name` with `mode` and returns "PREFIX" + its path.
char *key_dir_write(const struct key_dir *dir, const char *name, struct bytes data, mode_t mode,
	const char *prefix);
