// Names and help texts stand here once, next to the code that prints them. No label ever holds a
// room, a user or a client: the sets are closed, so a scrape costs the same whatever clients do.

#include "edge/metrics_page.h"

#include <stdio.h>

#include "common/log.h"
#include "common/process_metrics.h"
#include "edge/client/worker.h"
#include "edge/state/edge.h"
#include "edge/state/edge_metrics.h"
#include "edge/uplink/uplink.h"
#include "proto/reasons.h"

static void write_sample(struct buf *out, const char *name, const char *label, const char *word,
	uint64_t value)
{
	struct buf labels = { 0 };
	buf_printf(&labels, "%s=\"", label);
	for (const char *at = word; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\') {
			buf_append_byte(&labels, '\\');
		}
		buf_append_byte(&labels, (uint8_t)*at);
	}
	buf_append(&labels, "\"", 2); // with its NUL
	metrics_sample(out, name, (const char *)labels.data, value);
	buf_fini(&labels);
}

static void write_types(struct buf *out, const char *name, const char *help,
	const struct codec_options *codec, const struct counter *counters)
{
	metrics_head(out, name, "counter", help);
	for (size_t i = 0; i < codec_type_count(codec); i++) {
		const char *label = codec_type_label(codec, i);
		if (codec_type_index(codec, bytes_str(label)) == i) {
			write_sample(out, name, "type", label, counter_get(&counters[i]));
		}
	}
}

static void write_close_reasons(struct buf *out, const char *name, const char *help,
	const struct counter *counters)
{
	metrics_head(out, name, "counter", help);
	for (unsigned i = CLOSE_NONE + 1; i < CLOSE_REASON_COUNT; i++) {
		write_sample(out, name, "reason", close_reason_rule((enum close_reason)i)->name,
			counter_get(&counters[i]));
	}
}

static void write_handshakes(struct buf *out, const struct edge_metrics *m)
{
	const char *name = "weir_edge_handshakes_total";
	metrics_head(out, name, "counter", "Opening handshakes by result.");
	for (unsigned i = 0; i < HANDSHAKE_RESULT_COUNT; i++) {
		write_sample(out, name, "result", handshake_result_name((enum handshake_result)i),
			counter_get(&m->handshakes[i]));
	}
}

static void write_rejected(struct buf *out, const struct edge_metrics *m)
{
	const char *name = "weir_edge_rejected_total";
	metrics_head(out, name, "counter", "Client messages refused, by error code.");
	for (unsigned i = ERROR_NONE + 1; i < ERROR_COUNT; i++) {
		uint64_t n = counter_get(&m->rejected[i]);
		if (i == ERROR_STARRED_ROOM) {
			continue; // counted with those of its code
		}
		if (i == ERROR_BAD_ROOM) {
			n += counter_get(&m->rejected[ERROR_STARRED_ROOM]);
		}
		write_sample(out, name, "code", client_error_code((enum client_error)i), n);
	}
}

// Only what has happened: a column for each route and status would be mostly zeros.
static void write_api(struct buf *out, const struct edge_metrics *m)
{
	const char *name = "weir_edge_api_requests_total";
	metrics_head(out, name, "counter", "Requests of the HTTP API, by route and status.");
	for (unsigned r = 0; r < API_ROUTE_COUNT; r++) {
		for (size_t i = 0; i < API_STATUSES; i++) {
			uint64_t n = counter_get(&m->api[r][i]);
			char labels[64];
			snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"",
				api_route_name((enum api_route)r), edge_metrics_api_status(i));
			if (n > 0) {
				metrics_sample(out, name, labels, n);
			}
		}
	}
	metrics_histogram(out, "weir_edge_api_seconds",
		"From a whole request of the HTTP API to its answer.", &m->api_seconds);
}

static void write_links(struct buf *out, const struct edge *edge)
{
	const char *name = "weir_edge_router_up";
	uint64_t inflight = 0;
	uint64_t unknown = 0;
	metrics_head(out, name, "gauge", "Whether the link to the router is up.");
	for (unsigned i = 0; i < edge->n_links; i++) {
		struct router_link_status status = edge->link_ops->status(edge->links[i]);
		inflight += status.inflight_bytes;
		unknown += counter_get(&edge->unknown_items[i]);
		write_sample(out, name, "router", edge->startup->conf.router.items[i],
			status.up ? 1 : 0);
	}
	metrics_simple(out, "weir_edge_link_inflight_bytes", "gauge",
		"Bytes sent to routers and not acknowledged.", inflight);
	metrics_simple(out, "weir_edge_unknown_items_total", "counter",
		"Items from routers of a kind that this version does not know.", unknown);
}

static void write_traffic(struct buf *out, const struct edge *edge, const struct edge_metrics *m)
{
	metrics_simple(out, "websocket_active_connections", "gauge", "WebSocket clients now.",
		counter_get(&m->connections));
	write_types(out, "websocket_messages_received_total", "Messages from clients, by type.",
		&edge->codec, m->received);
	write_types(out, "websocket_messages_sent_total", "Messages to clients, by type.",
		&edge->codec, m->sent);
	metrics_histogram(out, "websocket_connection_duration_seconds",
		"How long WebSocket connections lasted.", &m->duration);
	const char *bytes = "weir_edge_bytes_total";
	metrics_head(out, bytes, "counter", "Bytes of client connections.");
	write_sample(out, bytes, "direction", "in", counter_get(&m->bytes_in));
	write_sample(out, bytes, "direction", "out", counter_get(&m->bytes_out));
	metrics_simple(out, "weir_edge_queue_bytes", "gauge",
		"Bytes waiting for clients to take them.", counter_get(&m->queue_bytes));
	metrics_histogram(out, "weir_edge_delivery_seconds",
		"From the router's stamp to the socket, sampled.", &m->delivery);
}

void metrics_page_write(const struct edge *edge, struct buf *out)
{
	struct edge_metrics sum;
	edge_metrics_init(&sum, codec_type_count(&edge->codec));
	for (unsigned i = 0; i < edge->n_workers; i++) {
		edge_metrics_add(&sum, worker_metrics(edge->workers[i]));
	}
	write_traffic(out, edge, &sum);
	write_handshakes(out, &sum);
	write_close_reasons(out, "weir_edge_closes_total", "Ended connections by reason.",
		sum.closes);
	write_close_reasons(out, "weir_edge_dropped_total",
		"Messages not sent because the connection ended, by its reason; slow: it goes on.",
		sum.dropped);
	write_sample(out, "weir_edge_dropped_total", "reason", gap_reason_name(GAP_SLOW),
		counter_get(&sum.dropped_slow));
	write_rejected(out, &sum);
	write_api(out, &sum);
	write_links(out, edge);
	metrics_simple(out, "weir_log_dropped_total", "counter", "Log lines lost to a full ring.",
		log_dropped());
	metrics_simple(out, "weir_reload_failed_total", "counter",
		"Reloads that kept the old state.", counter_get(&edge->reload_failed));
	process_metrics_write(out);
	metrics_head(out, "weir_build_info", "gauge", "Constant 1; the version is a label.");
	write_sample(out, "weir_build_info", "version", WEIR_VERSION, 1);
	edge_metrics_fini(&sum);
}
