// Revocations at the router: it tells them to every edge, which then refuse the tokens, and closes
// who is there with one. Edges need not look through their connections: whatever order a connection
// and a revocation reach the router in, the later of the two finds the other here.
//
// The router keeps them in memory only. An edge holds what it was sent and returns it at each
// new session, so a router that was restarted has them back from the first edge that was there
// before, and passes on to the others what they lack. It believes what carries its own seal; an
// edge in other hands could else revoke anybody for ever. Without a key for seals, which is where
// all edges have the same link key, it believes each of them.

#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/policy/revocation_seal.h"
#include "router/core/route_out.h"
#include "router/core/route_parts.h"

enum {
	CHUNK_MAX = 256 // revocations in one item
};

// ---- out

static void send_chunk(struct route *r, struct table_edge *edge, const struct revocation *revs,
	size_t n, bool last)
{
	Weir__Link__V1__Revocation items[CHUNK_MAX];
	Weir__Link__V1__Revocation *refs[CHUNK_MAX];
	uint8_t seals[CHUNK_MAX][REVOCATION_SEAL_LEN];
	CHECK(n <= CHUNK_MAX);
	Weir__Link__V1__Revocation *lifted[CHUNK_MAX];
	Weir__Link__V1__RevocationSnapshot snapshot = WEIR__LINK__V1__REVOCATION_SNAPSHOT__INIT;
	snapshot.revocations = refs;
	snapshot.lifted = lifted;
	for (size_t i = 0; i < n; i++) {
		weir__link__v1__revocation__init(&items[i]);
		items[i].user = pb_data(revs[i].user);
		items[i].jti = pb_data(revs[i].jti);
		items[i].before_s = revs[i].before_s;
		items[i].since_ms = revs[i].since_ms;
		if (r->has_seal) {
			revocation_seal(r->seal_key, &revs[i], seals[i]);
			items[i].seal = pb_data(bytes_make(seals[i], sizeof(seals[i])));
		}
		if (revocation_is_lift(&revs[i])) {
			lifted[snapshot.n_lifted++] = &items[i];
		} else {
			refs[snapshot.n_revocations++] = &items[i];
		}
	}
	snapshot.last = last;
	route_send(r, edge, &LINK_ITEM(REVOCATION_SNAPSHOT, revocation_snapshot, &snapshot));
}

void route_tell_revocations(struct route *r, struct table_edge *edge)
{
	struct revocation *revs = xcalloc(CHUNK_MAX, sizeof(*revs));
	struct map_cursor cursor;
	size_t n = 0;
	map_walk(&r->revocations.entries, &cursor);
	while (revocations_next(&r->revocations, &cursor, &revs[n])) {
		if (++n == CHUNK_MAX) {
			send_chunk(r, edge, revs, n, false);
			n = 0;
		}
	}
	send_chunk(r, edge, revs, n, true);
	free(revs);
}

// ---- who is there

static bool is_hit(const struct route *r, const struct table_client *client)
{
	return revocations_hit(&r->revocations, user_name(client->user), bytes_str(client->jti),
		client->issued_s);
}

void route_check_revoked(struct route *r, const struct table_client *client)
{
	if (is_hit(r, client)) {
		route_kick(r, client, bytes_str("revoked"));
	}
}

static uint64_t close_of_user(struct route *r, struct bytes name)
{
	const struct table_user *user = room_table_user_find(&r->table, name);
	uint64_t n = 0;
	if (user == NULL) {
		return 0;
	}
	const struct table_client *client;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (!client->edge->going && is_hit(r, client)) {
			route_kick(r, client, bytes_str("revoked"));
			n++;
		}
	}
	return n;
}

static uint64_t close_of_jti(struct route *r, struct bytes jti)
{
	uint64_t n = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		const struct table_client *client;
		LIST_FOREACH (client, &edge->list, in_edge) {
			if (client->jti != NULL && bytes_equal_str(jti, client->jti) &&
				is_hit(r, client)) {
				route_kick(r, client, bytes_str("revoked"));
				n++;
			}
		}
	}
	return n;
}

// Adds it, tells every edge but `from`, and closes whom it hits. False if there is no room.
static bool take(struct route *r, const struct revocation *rev, size_t max,
	const struct table_edge *from, uint64_t *closed)
{
	*closed = 0;
	enum revocations_result result = revocations_add(&r->revocations, rev, max);
	if (result == REVOCATIONS_NEWS) {
		const struct revocation all = revocations_get(&r->revocations, rev);
		struct table_edge *edge;
		LIST_FOREACH (edge, &r->table.edges, in_table) {
			if (edge != from) {
				send_chunk(r, edge, &all, 1, false);
			}
		}
	}
	if (result != REVOCATIONS_FULL) {
		*closed =
			rev->user.len > 0 ? close_of_user(r, rev->user) : close_of_jti(r, rev->jti);
	}
	if (result == REVOCATIONS_NEWS && !revocation_is_lift(rev)) {
		recorder_add(&r->recorder,
			&(struct record){
				.kind = RECORD_REVOKED,
				.user = rev->user,
				.detail = rev->jti,
				.count = (uint32_t)*closed,
			});
	}
	return result != REVOCATIONS_FULL;
}

void route_set_seal(struct route *r, const uint8_t key[REVOCATION_SEAL_LEN])
{
	bool differs =
		key != NULL && (!r->has_seal || memcmp(r->seal_key, key, sizeof(r->seal_key)) != 0);
	r->has_seal = key != NULL;
	if (differs) {
		memcpy(r->seal_key, key, sizeof(r->seal_key));
		struct table_edge *edge;
		LIST_FOREACH (edge, &r->table.edges, in_table) {
			route_tell_revocations(r, edge);
		}
	}
}

bool route_revoke(struct route *r, const struct revocation *rev, uint64_t *closed)
{
	return take(r, rev, REVOCATIONS_MAX, NULL, closed);
}

// ---- in

static bool take_said(struct route_request *rq, const Weir__Link__V1__Revocation *said, bool lift)
{
	const struct revocation rev = {
		.user = pb_bytes(said->user),
		.jti = pb_bytes(said->jti),
		.before_s = lift ? 0 : said->before_s,
		.since_ms = said->since_ms,
		.seal = pb_bytes(said->seal),
	};
	uint64_t closed;
	if (!revocation_valid(&rev) || revocation_is_lift(&rev) != lift) {
		return false;
	}
	bool is_ours = !rq->r->has_seal || revocation_seal_fits(rq->r->seal_key, &rev);
	return !route_trusts(rq, is_ours ? DISTRUST_NONE : DISTRUST_REVOCATION) ||
		take(rq->r, &rev, REVOCATIONS_HARD_MAX, rq->edge, &closed);
}

int route_on_revocations(struct route_request *rq, const link_item *item)
{
	const Weir__Link__V1__RevocationSnapshot *snapshot = item->revocation_snapshot;
	bool fine = true;
	for (size_t i = 0; i < snapshot->n_revocations && fine; i++) {
		fine = take_said(rq, snapshot->revocations[i], false);
	}
	for (size_t i = 0; i < snapshot->n_lifted && fine; i++) {
		fine = take_said(rq, snapshot->lifted[i], true);
	}
	return fine ? 0 : -EPROTO;
}

// ---- time

uint64_t route_token_life_ms(const struct route *r)
{
	uint64_t longest = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		if (edge->token_life_ms == 0) {
			return 0;
		}
		longest = edge->token_life_ms > longest ? edge->token_life_ms : longest;
	}
	return longest;
}

void route_expire_revocations(struct route *r, int64_t wall_ms)
{
	revocations_expire(&r->revocations, wall_ms, route_token_life_ms(r));
}
