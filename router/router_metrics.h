// The router's /metrics, by the names of the client protocol.
#pragma once

#include <stdint.h>

struct buf;
struct link_server;
struct route;

// Appends the whole page.
void router_metrics_write(struct buf *out, const struct route *route, struct link_server *server,
	uint64_t reload_failed);
