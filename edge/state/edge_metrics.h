// What an edge counts: one set a worker, written by its thread alone, added up when scraped.
#pragma once

#include <stddef.h>

#include "common/metrics.h"
#include "edge/codec/close_reason.h"
#include "edge/codec/codec.h"
#include "edge/http/api_route.h"

enum handshake_result {
	HANDSHAKE_OK,
	HANDSHAKE_400,
	HANDSHAKE_403,
	HANDSHAKE_404,
	HANDSHAKE_405,
	HANDSHAKE_408,
	HANDSHAKE_414,
	HANDSHAKE_426,
	HANDSHAKE_429,
	HANDSHAKE_431,
	HANDSHAKE_503,
	HANDSHAKE_505,
	HANDSHAKE_MISSING_TOKEN,
	HANDSHAKE_INVALID_TOKEN,
	HANDSHAKE_REVOKED,
	HANDSHAKE_TLS, // no TLS came about
	HANDSHAKE_PEER_GONE,
	HANDSHAKE_RESULT_COUNT,
};
const char *handshake_result_name(enum handshake_result result);
// The result called like the status; HANDSHAKE_400 for one that has no row.
enum handshake_result handshake_result_of(int status);

enum {
	API_STATUSES = 18, // that the API answers with, and one for any other
};

struct edge_metrics {
	struct counter connections; // now open
	struct counter *received; // owned; by message type
	struct counter *sent; // owned; by message type
	size_t n_types;
	struct counter handshakes[HANDSHAKE_RESULT_COUNT];
	struct counter closes[CLOSE_REASON_COUNT];
	struct counter dropped[CLOSE_REASON_COUNT]; // frames not sent, by how the connection ended
	struct counter dropped_slow; // messages not sent by the policy of their room
	struct counter rejected[ERROR_COUNT];
	struct counter bytes_in;
	struct counter bytes_out;
	struct counter queue_bytes; // now waiting
	struct histogram duration;
	struct histogram delivery;
	struct counter api[API_ROUTE_COUNT][API_STATUSES]; // requests, by edge_metrics_api_status()
	struct histogram api_seconds;
};
void edge_metrics_init(struct edge_metrics *m, size_t n_types);
void edge_metrics_fini(struct edge_metrics *m);
// Adds all of `from`, which has the same number of types.
void edge_metrics_add(struct edge_metrics *into, const struct edge_metrics *from);
// Counts a request of the API that was answered with `status`.
void edge_metrics_count_api(struct edge_metrics *m, enum api_route route, int status);
// The status of a column of `api`; 0: there is none.
int edge_metrics_api_status(size_t column);
