// Makes the tokens of the fleet: JSON Web Tokens (RFC 7519) signed with HS256.
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"

// Appends a token for the user `user`, a plain ASCII name, good from now until `expires_s` (Unix
// seconds).
void token_append(struct buf *out, struct bytes key, const char *user, int64_t expires_s);
