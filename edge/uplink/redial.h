// How long an edge waits before it dials its router again. Pure: time and chance are parameters.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct redial {
	uint64_t bound_ms; // upper bound of the next delay
	bool slow; // refused by the router: retrying at once would not help
	uint64_t planned_until_ms; // monotonic; a restart of the router is expected until then
};

void redial_init(struct redial *r);
// A session has begun or goes on.
void redial_on_admitted(struct redial *r);
// The router refused this edge, and would again.
void redial_on_refused(struct redial *r);
// The router stops and is expected back.
void redial_on_planned(struct redial *r, uint64_t now_ms);
// The router ended the connection for a reason that another one may not meet.
void redial_on_retry(struct redial *r);
// The next delay. `resumable`: there is a session that the next connection can resume. `chance` is
// random.
uint64_t redial_delay_ms(struct redial *r, bool resumable, uint64_t now_ms, uint32_t chance);
