// The list is looked at in each tick of the worker, so what waits learns of a set a tick late: the
// thread that fetches knows no workers, and a handshake that comes with a new key is rare.
//
// A handshake that waits keeps its request as input that has not been used, and is tried again as
// if it had just arrived; so is a request of the HTTP API. Of a renewal, which is a message that
// has been taken, the token is kept.

#include "edge/client/key_wait.h"

#include <stdlib.h>

#include "common/mem.h"
#include "edge/auth/jwks_source.h"
#include "edge/client/conn.h"
#include "edge/client/turn.h"
#include "edge/state/edge.h"

static bool take_place(struct edge *edge)
{
	if (atomic_fetch_add(&edge->n_key_waits, 1) < KEY_WAITS_MAX) {
		return true;
	}
	atomic_fetch_sub(&edge->n_key_waits, 1);
	return false;
}

bool key_wait_begin(struct conn *c, struct bytes token, struct bytes id)
{
	struct turn *t = turn_of(c);
	uint64_t ticket;
	if (c->key_waited || !jwks_source_want(t->edge->jwks, KEY_WAIT_MS, &ticket) ||
		!take_place(t->edge)) {
		return false;
	}
	struct key_wait *wait = xcalloc(1, sizeof(*wait));
	wait->conn = c;
	wait->ticket = ticket;
	wait->until_ms = t->mono_ms + KEY_WAIT_MS;
	buf_append_bytes(&wait->token, token);
	buf_append_bytes(&wait->id, id);
	TAILQ_INSERT_TAIL(&t->key_waits, wait, in_turn);
	c->awaits_key = true;
	return true;
}

static void unlink_wait(struct turn *t, struct key_wait *wait)
{
	TAILQ_REMOVE(&t->key_waits, wait, in_turn);
	atomic_fetch_sub(&t->edge->n_key_waits, 1);
	wait->conn->awaits_key = false;
}

void key_wait_free(struct key_wait *wait)
{
	buf_fini(&wait->token);
	buf_fini(&wait->id);
	free(wait);
}

void key_wait_end(struct conn *c)
{
	struct turn *t = turn_of(c);
	struct key_wait *wait = c->awaits_key ? TAILQ_FIRST(&t->key_waits) : NULL;
	while (wait != NULL && wait->conn != c) {
		wait = TAILQ_NEXT(wait, in_turn);
	}
	if (wait != NULL) {
		unlink_wait(t, wait);
		key_wait_free(wait);
	}
}

struct key_wait *key_wait_next_over(struct turn *t)
{
	struct key_wait *wait;
	TAILQ_FOREACH (wait, &t->key_waits, in_turn) {
		if (wait->until_ms <= t->mono_ms ||
			jwks_source_is_done(t->edge->jwks, wait->ticket)) {
			unlink_wait(t, wait);
			wait->conn->key_waited = true;
			return wait;
		}
	}
	return NULL;
}
