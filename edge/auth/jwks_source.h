// Keys from an identity provider: a thread that fetches a JWK set by HTTPS at the start, again when
// it is old, and when a token names a key that nobody knows.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/loop.h"

struct jwks_source;

struct jwks_source_options {
	const char *url; // borrowed, as is the next
	const char *ca_file; // NULL or empty: the system's authorities
	uint64_t refresh_ms; // age at which the set is fetched anew
};

// `on_set` is called in the loop's thread with each set that was fetched (borrowed) and returns
// whether it is good.
struct jwks_source *jwks_source_new(struct loop *loop, const struct jwks_source_options *options,
	bool (*on_set)(void *arg, struct bytes set), void *arg);
// Ends the thread, after a second at most. NULL is fine.
void jwks_source_free(struct jwks_source *source);

// From any thread: a key is missing. Fetches soon, but not more often than each
// JWKS_WANT_EVERY_MS. True if an attempt is under way, or will begin within `within_ms`; it is over
// when jwks_source_is_done() says so of `*ticket`. False for NULL.
enum {
	JWKS_WANT_EVERY_MS = 10000,
};
MUST_CHECK bool jwks_source_want(struct jwks_source *source, uint64_t within_ms, uint64_t *ticket);
// From any thread: the attempt has failed, or `on_set` has returned for what it brought. True for
// NULL.
bool jwks_source_is_done(struct jwks_source *source, uint64_t ticket);

enum jwks_state {
	JWKS_NONE, // no set has been fetched yet
	JWKS_FRESH,
	JWKS_STALE, // the last attempt failed; the keys are those of an earlier one
};
// From any thread.
enum jwks_state jwks_source_state(const struct jwks_source *source);
