// Connections whose token names a key that nobody knows yet: they wait for the next set of
// jwks-url, each for KEY_WAIT_MS at most, and KEY_WAITS_MAX of them on an edge. Nothing is read
// from a connection meanwhile.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

struct conn;
struct turn;

enum {
	KEY_WAIT_MS = 5000,
	KEY_WAITS_MAX = 256,
};

struct key_wait {
	TAILQ_ENTRY(key_wait) in_turn;
	struct conn *conn; // borrowed; key_wait_end() before it goes
	uint64_t ticket; // see jwks_source_want()
	uint64_t until_ms; // monotonic
	struct buf token; // of a renewal; else empty
	struct buf id; // of the message that asked for it
};
TAILQ_HEAD(key_waits, key_wait);

// The token of `c` is AUTH_KEY. True if `c` waits now; false if that makes no sense (no jwks-url,
// it has waited for this one already, no attempt is due soon) or too many wait. `token` and `id`
// are kept for a renewal.
MUST_CHECK bool key_wait_begin(struct conn *c, struct bytes token, struct bytes id);
// It waits no longer. For one that does not wait nothing happens.
void key_wait_end(struct conn *c);
// One that is over, because there was an attempt or for its time: then its connection does not wait
// any more and is to be looked at again. NULL if there is none. The caller owns it.
struct key_wait *key_wait_next_over(struct turn *t);
void key_wait_free(struct key_wait *wait);
