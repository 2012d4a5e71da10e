// One set for all workers under one lock, which is taken for each token that is presented and found
// good, next to a signature. A set for each worker would need none, and as many copies as threads.
//
// It is filled on the link's thread, before anything of the same batch reaches a worker. So when
// the router closes a client by a revocation, the edge refuses its token already.
//
// An edge never closes a client by its own set: the router knows of every connection, and finds
// those that came while the revocation was on its way.

#include "edge/uplink/revoked.h"

#include <stdlib.h>

#include "common/mem.h"
#include "edge/auth/auth.h"
#include "edge/uplink/link_lane.h"

enum {
	CHUNK_MAX = 256 // revocations in one item
};

void revoked_init(struct revoked *revoked, uint64_t token_life_ms)
{
	*revoked = (struct revoked){ .token_life_ms = token_life_ms };
	pthread_mutex_init(&revoked->lock, NULL);
	revocations_init(&revoked->set);
}

void revoked_fini(struct revoked *revoked)
{
	revocations_fini(&revoked->set);
	pthread_mutex_destroy(&revoked->lock);
}

// (locked)
static bool take(struct revoked *revoked, const Weir__Link__V1__Revocation *said)
{
	const struct revocation rev = {
		.user = pb_bytes(said->user),
		.jti = pb_bytes(said->jti),
		.before_s = said->before_s,
		.since_ms = said->since_ms,
		.seal = pb_bytes(said->seal),
	};
	return revocation_valid(&rev) &&
		revocations_add(&revoked->set, &rev, REVOCATIONS_HARD_MAX) != REVOCATIONS_FULL;
}

bool revoked_take(struct revoked *revoked, const Weir__Link__V1__RevocationSnapshot *snapshot,
	int64_t now_ms)
{
	bool fine = true;
	pthread_mutex_lock(&revoked->lock);
	revocations_expire(&revoked->set, now_ms, revoked->token_life_ms);
	for (size_t i = 0; i < snapshot->n_revocations && fine; i++) {
		fine = snapshot->revocations[i]->before_s > 0 &&
			take(revoked, snapshot->revocations[i]);
	}
	for (size_t i = 0; i < snapshot->n_lifted && fine; i++) {
		snapshot->lifted[i]->before_s = 0;
		fine = take(revoked, snapshot->lifted[i]);
	}
	pthread_mutex_unlock(&revoked->lock);
	if (fine && snapshot->last) {
		atomic_store(&revoked->is_known, true);
	}
	return fine;
}

bool revoked_is_known(const struct revoked *revoked)
{
	return atomic_load(&revoked->is_known);
}

bool revoked_has(struct revoked *revoked, const struct identity *identity)
{
	pthread_mutex_lock(&revoked->lock);
	bool hit = revocations_hit(&revoked->set, bytes_str(identity->user),
		bytes_str(identity->jti), identity->issued_s);
	pthread_mutex_unlock(&revoked->lock);
	return hit;
}

static void tell_chunk(struct link_outbox *outbox, Weir__Link__V1__Revocation **refs, size_t n)
{
	Weir__Link__V1__Revocation *lifted[CHUNK_MAX];
	Weir__Link__V1__RevocationSnapshot snapshot = WEIR__LINK__V1__REVOCATION_SNAPSHOT__INIT;
	snapshot.revocations = refs;
	snapshot.lifted = lifted;
	for (size_t i = 0; i < n; i++) {
		if (refs[i]->before_s == 0) {
			lifted[snapshot.n_lifted++] = refs[i];
		} else {
			refs[snapshot.n_revocations++] = refs[i];
		}
	}
	link_outbox_add_fact(outbox,
		&LINK_ITEM(REVOCATION_SNAPSHOT, revocation_snapshot, &snapshot));
}

void revoked_tell(struct revoked *revoked, struct link_outbox *outbox)
{
	Weir__Link__V1__Revocation items[CHUNK_MAX];
	Weir__Link__V1__Revocation *refs[CHUNK_MAX];
	struct map_cursor cursor;
	struct revocation rev;
	size_t n = 0;
	pthread_mutex_lock(&revoked->lock);
	map_walk(&revoked->set.entries, &cursor);
	while (revocations_next(&revoked->set, &cursor, &rev)) {
		weir__link__v1__revocation__init(&items[n]);
		items[n].user = pb_data(rev.user);
		items[n].jti = pb_data(rev.jti);
		items[n].before_s = rev.before_s;
		items[n].since_ms = rev.since_ms;
		items[n].seal = pb_data(rev.seal);
		refs[n] = &items[n];
		if (++n == CHUNK_MAX) {
			tell_chunk(outbox, refs, n);
			n = 0;
		}
	}
	if (n > 0) {
		tell_chunk(outbox, refs, n);
	}
	pthread_mutex_unlock(&revoked->lock);
}
