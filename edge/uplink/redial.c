// The bound of the random delay doubles to REDIAL_MAX_MS: after an outage many edges do not come
// back in step. It stays small while clients wait for a router that has announced its restart, and
// while the session can be resumed: a dial after its end loses what an earlier one had saved.

#include "edge/uplink/redial.h"

enum {
	REDIAL_MIN_MS = 20,
	REDIAL_MAX_MS = 2000,
	REDIAL_PLANNED_MS = 50,
	REDIAL_RESUME_MS = 100,
	PLANNED_MAX_MS = 60000, // a restart that takes longer is treated as an outage
};

void redial_init(struct redial *r)
{
	*r = (struct redial){ .bound_ms = REDIAL_MIN_MS };
}

void redial_on_admitted(struct redial *r)
{
	redial_init(r);
}

void redial_on_refused(struct redial *r)
{
	r->slow = true;
	r->planned_until_ms = 0;
}

void redial_on_planned(struct redial *r, uint64_t now_ms)
{
	r->slow = false;
	r->planned_until_ms = now_ms + PLANNED_MAX_MS;
}

void redial_on_retry(struct redial *r)
{
	r->slow = false;
	r->planned_until_ms = 0;
}

static uint64_t next_bound(struct redial *r, bool resumable, uint64_t now_ms)
{
	if (now_ms < r->planned_until_ms) {
		return REDIAL_PLANNED_MS;
	}
	if (r->slow) {
		return REDIAL_MAX_MS;
	}
	if (resumable) {
		return REDIAL_RESUME_MS;
	}
	uint64_t bound = r->bound_ms;
	r->bound_ms = 2 * bound < REDIAL_MAX_MS ? 2 * bound : REDIAL_MAX_MS;
	return bound;
}

uint64_t redial_delay_ms(struct redial *r, bool resumable, uint64_t now_ms, uint32_t chance)
{
	uint64_t bound = next_bound(r, resumable, now_ms);
	uint64_t least = r->slow ? REDIAL_MAX_MS / 2 : 1;
	return least + chance % bound;
}
