// The router's end of all links: accepts connections, has edges prove themselves, feeds their items
// to route and carries what route says back. Decides when an edge is gone. Knows no rooms.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "router/core/route.h"
#include "router/link/edge_link.h"

struct link_keys;
struct link_server;
struct nng_tls_config;

struct link_server_options {
	const char *url; // tcp://, tls+tcp:// or ipc://
	struct nng_tls_config *tls; // for tls+tcp; NULL else
	const char *name; // of this router
	const struct link_keys *keys; // may change at any time; links that are up stay
	uint64_t link_timeout_ms;
};

// Listens and serves in `loop`, the routing thread's; it is `route`'s sink from then on. Options
// and `route` are borrowed. NULL and `*why` (static or errno text) if the address cannot be bound.
struct link_server *link_server_new(struct loop *loop, const struct link_server_options *options,
	struct route *route, const char **why);
// Asks all edges, also those that come, to send nothing new; or no longer.
void link_server_hold(struct link_server *server, bool holding);
// True if they all hold still and nothing is under way in either direction. An edge that is cut off
// does not hold still before it is back or forgotten.
bool link_server_is_quiet(struct link_server *server);
// Tells the edges that the router stops, and closes all. The loop runs no more after that.
void link_server_free(struct link_server *server);

// The URL that is bound, port 0 replaced. Borrowed.
const char *link_server_url(const struct link_server *server);

// How long BATCHes took to route. Borrowed.
const struct histogram *link_server_route_seconds(const struct link_server *server);

// Walks the edges: NULL starts; NULL ends.
struct edge_link *link_server_next(struct link_server *server, struct edge_link *link);
