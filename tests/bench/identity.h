// Who the clients are: the token each of them brings.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "tests/bench/bench_conf.h"

struct identity {
	const char *prefix; // borrowed from the options
	struct buf key;
	struct buf text; // of the token file
	struct buf tokens; // spans (struct bytes) of `text`, one after another
};

// Reads what options key and token-file name into zeroed memory. Returns 0, or -1 with a line on
// standard error.
MUST_CHECK int identity_init(struct identity *id, const struct bench_conf *conf);
void identity_fini(struct identity *id);
// Appends the token of the client; nothing if neither option was given.
void identity_append_token(const struct identity *id, uint32_t client, struct buf *out);
