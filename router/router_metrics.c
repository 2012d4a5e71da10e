// One row a metric where one number is asked; what has labels or buckets is written out below.

#include "router/router_metrics.h"

#include <stdio.h>

#include "common/log.h"
#include "common/metrics.h"
#include "common/process_metrics.h"
#include "router/core/route.h"
#include "router/link/link_server.h"
#include "router/store/store_redis.h"

static const char *const refusal_labels[REFUSAL_COUNT] = {
	[REFUSAL_BAD_ROOM] = "reason=\"bad_room\"",
	[REFUSAL_FORBIDDEN] = "reason=\"forbidden\"",
	[REFUSAL_NOT_MEMBER] = "reason=\"not_member\"",
	[REFUSAL_LIMIT] = "reason=\"limit\"",
	[REFUSAL_RATE_LIMITED] = "reason=\"rate_limited\"",
	[REFUSAL_UNAVAILABLE] = "reason=\"unavailable\"",
};

static void write_rejected(struct buf *out, const struct route *route)
{
	metrics_head(out, "weir_router_rejected_total", "counter", "Requests refused.");
	for (size_t i = 0; i < REFUSAL_COUNT; i++) {
		if (refusal_labels[i] != NULL) {
			metrics_sample(out, "weir_router_rejected_total", refusal_labels[i],
				counter_get(&route->counters.rejected[i]));
		}
	}
}

static void write_over_budget(struct buf *out, const struct route *route)
{
	const char *name = "weir_router_over_budget_total";
	metrics_head(out, name, "counter", "Requests refused as rate_limited.");
	for (unsigned kind = 0; kind < BUDGET_COUNT; kind++) {
		char label[64];
		snprintf(label, sizeof(label), "limit=\"%s\"", budget_option(kind));
		metrics_sample(out, name, label, counter_get(&route->counters.over_budget[kind]));
	}
}

static void write_distrusted(struct buf *out, const struct route *route)
{
	const char *name = "weir_router_edge_refused_total";
	metrics_head(out, name, "counter", "What edges sent and was not passed on.");
	for (unsigned i = DISTRUST_NONE + 1; i < DISTRUST_COUNT; i++) {
		char label[64];
		snprintf(label, sizeof(label), "reason=\"%s\"", distrust_name(i));
		metrics_sample(out, name, label, counter_get(&route->counters.distrusted[i]));
	}
}

static void write_ignored(struct buf *out, const struct route *route)
{
	const char *name = "weir_router_ignored_items_total";
	metrics_head(out, name, "counter", "Items from edges that meant nothing.");
	metrics_sample(out, name, "reason=\"unknown_client\"",
		counter_get(&route->counters.ignored));
	metrics_sample(out, name, "reason=\"unknown_kind\"", counter_get(&route->counters.unknown));
}

static uint64_t queue_bytes(struct link_server *server)
{
	uint64_t bytes = 0;
	struct edge_link *edge = NULL;
	while ((edge = link_server_next(server, edge)) != NULL) {
		bytes += edge_link_queue_bytes(edge);
	}
	return bytes;
}

void router_metrics_write(struct buf *out, const struct route *route, struct link_server *server,
	uint64_t reload_failed)
{
	const struct room_table *table = &route->table;
	const struct {
		const char *name;
		const char *type;
		const char *help;
		uint64_t value;
	} rows[] = {
		{ "weir_router_edges", "gauge", "Edges known.", table->n_edges },
		{ "weir_router_rooms", "gauge", "Rooms with a record.", table->rooms.n_entries },
		{ "weir_router_members", "gauge", "Memberships in all rooms.", table->n_members },
		{ "weir_router_published_total", "counter", "Messages published.",
			counter_get(&route->counters.published) },
		{ "weir_router_deliveries_total", "counter", "Connections reached.",
			counter_get(&route->counters.deliveries) },
		{ "weir_router_history_bytes", "gauge", "Bytes of messages kept.",
			route->store.bytes },
		{ "weir_router_link_queue_bytes", "gauge", "Bytes waiting for links to edges.",
			queue_bytes(server) },
		{ "weir_store_up", "gauge",
			"0: the store refuses what it is given, or does not answer.",
			journal_is_up(&route->journal) ? 1 : 0 },
		{ "weir_store_queue_bytes", "gauge", "Bytes on their way into the store.",
			journal_queue_bytes(&route->journal) },
		{ "weir_log_dropped_total", "counter", "Log lines lost.", log_dropped() },
		{ "weir_reload_failed_total", "counter", "Reloads that kept the old state.",
			reload_failed },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metrics_simple(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
	}
	write_rejected(out, route);
	write_distrusted(out, route);
	write_over_budget(out, route);
	write_ignored(out, route);
	metrics_histogram(out, "weir_router_route_seconds", "Time to route one BATCH of an edge.",
		link_server_route_seconds(server));
	process_metrics_write(out);
	metrics_head(out, "weir_build_info", "gauge", "Always 1.");
	metrics_sample(out, "weir_build_info",
		"program=\"weir-router\",version=\"" WEIR_VERSION "\"", 1);
}

void router_metrics_write_store(struct buf *out, uint64_t file_bytes,
	const struct histogram *commit_seconds)
{
	metrics_simple(out, "weir_store_file_bytes", "gauge", "Bytes of the database in use.",
		file_bytes);
	metrics_histogram(out, "weir_store_commit_seconds", "Time for a turn to be committed.",
		commit_seconds);
}

void router_metrics_write_redis(struct buf *out, const struct store_redis_figures *figures)
{
	metrics_simple(out, "weir_store_redis_bytes", "gauge", "Bytes of all logs in the Redis.",
		figures->bytes);
	metrics_simple(out, "weir_store_reconnects_total", "counter",
		"Times that the Redis was lost and found again.", figures->reconnects);
	metrics_simple(out, "weir_store_repaired_total", "counter",
		"Slots written anew, because the Redis had lost something.", figures->repaired);
	metrics_histogram(out, "weir_store_commit_seconds", "Time for a turn to be committed.",
		figures->commit_seconds);
}
