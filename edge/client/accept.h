// The listeners of one worker, and who is let in: what is accepted becomes a connection unless the
// edge or the client's address has too many.
#pragma once

#include "common/check.h"
#include "common/net.h"

struct listener;
struct turn;

enum {
	ACCEPT_LISTENERS_MAX = 16
};

struct accept {
	struct turn *turn; // borrowed
	struct listener *listeners[ACCEPT_LISTENERS_MAX]; // owned
	unsigned n;
};

void accept_init(struct accept *a, struct turn *turn);
// Stops listening; may be called before the end.
void accept_stop(struct accept *a);
// Adds a listener; replaces port 0 in `addr`. With `exclusive` a port in use is refused even if it
// could be shared. 0 or negative errno.
MUST_CHECK int accept_listen(struct accept *a, struct net_addr *addr, bool exclusive);
// The same for clients that speak TLS; the settings have a context for it.
MUST_CHECK int accept_listen_tls(struct accept *a, struct net_addr *addr, bool exclusive);
