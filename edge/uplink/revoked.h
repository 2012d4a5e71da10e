// The revocations that an edge holds against who comes: sent by the router, sent again to the next
// one. From any thread.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/link_items.h"
#include "proto/policy/revocations.h"

struct identity;
struct link_outbox;

struct revoked {
	pthread_mutex_t lock;
	struct revocations set;
	uint64_t token_life_ms; // see revocations_expire()
	atomic_bool is_known; // a router has sent all it has: clients may come in
};

void revoked_init(struct revoked *revoked, uint64_t token_life_ms);
void revoked_fini(struct revoked *revoked);

// What a router says. False if it makes no sense.
MUST_CHECK bool revoked_take(struct revoked *revoked,
	const Weir__Link__V1__RevocationSnapshot *snapshot, int64_t now_ms);
bool revoked_is_known(const struct revoked *revoked);
// True if this client's token is revoked.
bool revoked_has(struct revoked *revoked, const struct identity *identity);
// Says all to a router, whose session with this edge is new.
void revoked_tell(struct revoked *revoked, struct link_outbox *outbox);
