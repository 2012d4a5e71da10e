// The counters of one worker, and their sum. How a scrape prints them is metrics_page's.

#include "edge/state/edge_metrics.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

static const double duration_bounds[] = { 60, 300, 900, 1800, 3600, 7200 };
static const double delivery_bounds[] = { 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
	2.5, 5 };

static const struct {
	const char *name;
	int status; // 0: not an HTTP status
} results[HANDSHAKE_RESULT_COUNT] = {
	[HANDSHAKE_OK] = { "ok", 0 },
	[HANDSHAKE_400] = { "400", 400 },
	[HANDSHAKE_403] = { "403", 403 },
	[HANDSHAKE_404] = { "404", 404 },
	[HANDSHAKE_405] = { "405", 405 },
	[HANDSHAKE_408] = { "408", 408 },
	[HANDSHAKE_414] = { "414", 414 },
	[HANDSHAKE_426] = { "426", 426 },
	[HANDSHAKE_429] = { "429", 429 },
	[HANDSHAKE_431] = { "431", 431 },
	[HANDSHAKE_503] = { "503", 503 },
	[HANDSHAKE_505] = { "505", 505 },
	[HANDSHAKE_MISSING_TOKEN] = { "missing_token", 0 },
	[HANDSHAKE_INVALID_TOKEN] = { "invalid_token", 0 },
	[HANDSHAKE_REVOKED] = { "revoked", 0 },
	[HANDSHAKE_TLS] = { "tls", 0 },
	[HANDSHAKE_PEER_GONE] = { "peer_gone", 0 },
};

const char *handshake_result_name(enum handshake_result result)
{
	CHECK(result < HANDSHAKE_RESULT_COUNT);
	return results[result].name;
}

enum handshake_result handshake_result_of(int status)
{
	for (unsigned i = 0; i < HANDSHAKE_RESULT_COUNT; i++) {
		if (results[i].status == status) {
			return (enum handshake_result)i;
		}
	}
	return HANDSHAKE_400;
}

void edge_metrics_init(struct edge_metrics *m, size_t n_types)
{
	*m = (struct edge_metrics){
		.received = xcalloc(n_types, sizeof(m->received[0])),
		.sent = xcalloc(n_types, sizeof(m->sent[0])),
		.n_types = n_types,
	};
	histogram_init(&m->duration, duration_bounds, ARRAY_LEN(duration_bounds));
	histogram_init(&m->delivery, delivery_bounds, ARRAY_LEN(delivery_bounds));
	histogram_init(&m->api_seconds, delivery_bounds, ARRAY_LEN(delivery_bounds));
}

void edge_metrics_fini(struct edge_metrics *m)
{
	free(m->received);
	free(m->sent);
}

static void add_array(struct counter *into, const struct counter *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		counter_add(&into[i], counter_get(&from[i]));
	}
}

void edge_metrics_add(struct edge_metrics *into, const struct edge_metrics *from)
{
	add_array(&into->connections, &from->connections, 1);
	add_array(into->received, from->received, into->n_types);
	add_array(into->sent, from->sent, into->n_types);
	add_array(into->handshakes, from->handshakes, HANDSHAKE_RESULT_COUNT);
	add_array(into->closes, from->closes, CLOSE_REASON_COUNT);
	add_array(into->dropped, from->dropped, CLOSE_REASON_COUNT);
	add_array(&into->dropped_slow, &from->dropped_slow, 1);
	add_array(into->rejected, from->rejected, ERROR_COUNT);
	add_array(&into->bytes_in, &from->bytes_in, 1);
	add_array(&into->bytes_out, &from->bytes_out, 1);
	add_array(&into->queue_bytes, &from->queue_bytes, 1);
	histogram_merge(&into->duration, &from->duration);
	histogram_merge(&into->delivery, &from->delivery);
	for (size_t i = 0; i < API_ROUTE_COUNT; i++) {
		add_array(into->api[i], from->api[i], API_STATUSES);
	}
	histogram_merge(&into->api_seconds, &from->api_seconds);
}

// The last one, 0, is for a status that is in none of the others.
static const int api_statuses[API_STATUSES] = { 200, 204, 400, 401, 403, 404, 405, 408, 411, 413,
	414, 415, 422, 429, 431, 503, 505 };

int edge_metrics_api_status(size_t column)
{
	CHECK(column < API_STATUSES);
	return api_statuses[column];
}

void edge_metrics_count_api(struct edge_metrics *m, enum api_route route, int status)
{
	size_t column = 0;
	while (column + 1 < API_STATUSES && api_statuses[column] != status) {
		column++;
	}
	counter_add(&m->api[route][column], 1);
}
