// One file from an HTTPS server, by libcurl (Meson feature `curl`). Blocks, so it is for a thread
// that may.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"

struct https_request {
	const char *url; // https:// only, as is whatever it redirects to
	const char *ca_file; // PEM of the authorities; NULL or empty: the system's
	uint64_t timeout_ms;
	size_t max; // bytes of the body
	const atomic_bool *stop; // another thread sets it to give up; may be NULL
};

// Before other threads start.
void https_init(void);
// Whether this build has libcurl.
bool https_is_built(void);
// Appends the body of a 200. Else -1 with `*why`, NUL-terminated, which is the caller's to free.
MUST_CHECK int https_get(const struct https_request *request, struct buf *body, char **why);
