// A listening socket that hands out what it accepts. Takes in a bounded number a turn; without
// descriptors left it sheds one client, pauses, and comes back.
#pragma once

#include "common/check.h"
#include "common/loop.h"
#include "common/net.h"

struct listener;

// A new, non-blocking, close-on-exec descriptor, the callee's to close.
typedef void listener_fn(void *arg, int fd, const struct net_addr *peer);

// Binds and starts. `addr` gets the port if it was 0. 0 and `*made`, or the negative errno if it
// cannot be bound.
MUST_CHECK int listener_new(struct loop *loop, struct net_addr *addr, bool exclusive,
	listener_fn *fn, void *arg, struct listener **made);
void listener_free(struct listener *l); // NULL is fine
