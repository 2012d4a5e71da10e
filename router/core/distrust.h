// What an edge sends for others is looked at before it is passed on: an edge that holds a key may
// have fallen into other hands, and must not be able to write to clients of other edges what the
// gateway itself never writes. Pure.
#pragma once

#include "common/bytes.h"
#include "common/check.h"

enum distrust {
	DISTRUST_NONE, // nothing is wrong
	DISTRUST_TYPE, // of a message: reserved, or no type
	DISTRUST_UTF8, // a body that is no UTF-8
	DISTRUST_JSON, // a body that is not exactly one JSON object
	DISTRUST_FIELD, // a field of the body that only the gateway sets, in whatever letter case
	DISTRUST_CLIENT_ID, // of another edge's client
	DISTRUST_NAME, // a text about a client that cannot be read, or reads as another
	DISTRUST_USER, // a client of a user who is not the edge's, by edge-options
	DISTRUST_ADMIN, // an admin's, where it may have none
	DISTRUST_REVOCATION, // one that no router has made
	DISTRUST_COUNT,
};
// "type", "utf8"...: the label of weir_router_edge_refused_total, and the reason in the log.
const char *distrust_name(enum distrust distrust);

// What is wrong with a message for `room` (empty: a broadcast). Its lengths are the caller's to
// have checked.
MUST_CHECK enum distrust distrust_message(struct bytes room, struct bytes type, struct bytes body);
