// The keys that edges prove: option link-key-file, "FILE" for any edge or "NAME=FILE" for one.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "proto/policy/revocations.h"

struct fault;

struct link_keys {
	struct bytes *keys; // n; borrowed from `files`
	struct buf *files; // n; owned, wiped when freed
	char **edges; // n; owned; NULL: for any edge
	size_t n; // 0: no proof is asked (loopback and ipc)
};

// Fills the zeroed `keys` from the files. 0, or -1 with `fault` set and `keys` zeroed.
MUST_CHECK int link_keys_load(struct link_keys *keys, const struct conf_list *files,
	struct fault *fault);
void link_keys_fini(struct link_keys *keys);
// The key for seals of revocations, which no edge knows if some have keys of their own. False if
// none has.
MUST_CHECK bool link_keys_seal(const struct link_keys *keys, uint8_t key[REVOCATION_SEAL_LEN]);
// A key for one edge opens for no other, and that edge comes with no other.
bool link_keys_fit(const struct link_keys *keys, size_t index, struct bytes edge);
