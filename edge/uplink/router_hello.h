// The edge's half of the opening of a link: answers the router's CHALLENGE with a HELLO, and checks
// its HELLO_ACK. Pure, but for the nonce.
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "link.pb-c.h"
#include "proto/link/link_resume.h"
#include "proto/link_hello.h"

struct rights_policy;
struct siblings;

// What an edge says of itself; all borrowed.
struct router_hello {
	struct bytes key; // link key; empty: none
	const char *name; // of this edge
	const uint8_t *boot; // LINK_BOOT_LEN bytes, random per process
	const struct rights_policy *policy;
	struct siblings *siblings;
	uint64_t token_life_ms; // 0: no limit
	unsigned n_workers;
};

// Answers the CHALLENGE `packed`: appends the signed HELLO, with what `session` offers, to
// `message`; `nonces` is filled. Else why the router is refused: a static text, and nothing
// appended.
MUST_CHECK const char *router_hello_answer(const struct router_hello *self, struct bytes packed,
	const struct link_session *session, struct link_nonces *nonces, struct buf *message);
// The HELLO_ACK, if the router has proved itself too: to be freed by
// weir__link__v1__hello_ack__free_unpacked(). Else NULL, and `*why` is a static text.
MUST_CHECK Weir__Link__V1__HelloAck *router_hello_check_ack(const struct router_hello *self,
	struct bytes packed, struct link_nonces *nonces, const char **why);
