// The operators' HTTP listener of both programs: GET and HEAD on a few fixed paths, one request a
// connection. Bounded: at most 64 connections, 5 s each, head parsed by http_head. What is over is
// closed; nothing an unreading client does holds the loop.
#pragma once

#include "common/buf.h"
#include "common/check.h"
#include "common/loop.h"
#include "common/net.h"

struct ops_http;

struct ops_reply {
	int status; // set to 200 before the handler runs
	const char *content_type; // set to "text/plain; charset=utf-8" before
	struct buf body;
};

typedef void ops_handler(void *arg, struct ops_reply *reply);

struct ops_route {
	const char *path; // "/metrics"
	ops_handler *handler;
};

// Listens on `addr` (its port is filled in) and serves `routes` (borrowed, ending with a NULL path)
// until ops_http_free(). 0 and `*made`, or the negative errno if the address cannot be bound.
MUST_CHECK int ops_http_new(struct loop *loop, struct net_addr *addr,
	const struct ops_route *routes, void *arg, struct ops_http **made);
void ops_http_free(struct ops_http *ops);
