// The router's /metrics, by the names of the client protocol.
#pragma once

#include <stdint.h>

struct buf;
struct histogram;
struct link_server;
struct route;
struct store_redis_figures;

// Appends the whole page.
void router_metrics_write(struct buf *out, const struct route *route, struct link_server *server,
	uint64_t reload_failed);
// Appends what there is to say of a durable store.
void router_metrics_write_store(struct buf *out, uint64_t file_bytes,
	const struct histogram *commit_seconds);
void router_metrics_write_redis(struct buf *out, const struct store_redis_figures *figures);
