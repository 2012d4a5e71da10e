// The resources of the HTTP API, /v1/..., as pure functions of one request head: which one is asked
// for, and for which room or user. Knows no connection and no token.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/http_head.h"

enum api_route {
	API_NONE, // under /v1/, but nothing of ours
	API_PUBLISH,
	API_BATCH,
	API_BROADCAST,
	API_HISTORY,
	API_PRESENCE,
	API_EVENTS, // of one room
	API_EVENTS_MANY, // of the rooms in the query
	API_DISCONNECT,
	API_WHOAMI,
	API_OPENAPI,
	API_PREFLIGHT, // OPTIONS
	API_ROUTE_COUNT,
};
// As a metric label: "publish".
const char *api_route_name(enum api_route route);

// True if the path is the API's to answer, be it with 404.
bool api_path_is(struct bytes path);

struct api_target {
	enum api_route route;
	struct bytes name; // of the room or user, decoded; borrowed from `scratch`
	const char *allow; // of a 405 and of OPTIONS: "GET, HEAD, OPTIONS"
	bool has_body; // what comes with it is read: POST
	bool head_only; // HEAD
};
// 0, or the status that refuses it: 400 (an escape is malformed), 404, 405. `scratch` is
// overwritten.
MUST_CHECK int api_route_find(const struct http_head *head, struct buf *scratch,
	struct api_target *target);

// The value of `name` in a query, decoded onto the end of `scratch`. 1 if it is there, 0 if not, -1
// if it is malformed or given twice. With `*cursor` not NULL, the next one of several: `*cursor` is
// what is left of the query.
MUST_CHECK int api_query_find(struct bytes query, const char *name, struct bytes *cursor,
	struct buf *scratch, struct bytes *value);
// The same as a number in [0, 2^53).
MUST_CHECK int api_query_uint(struct bytes query, const char *name, uint64_t *value);
