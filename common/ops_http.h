// The operators' HTTP listeners of both programs: GET and HEAD on a few paths, one request a
// connection. Bounded: at most 64 connections, 5 s each, head parsed by http_head. What is over is
// closed; nothing an unreading client does holds the loop. A stream may stay for longer, as long as
// its client reads: only who leaves sent bytes unread for 5 s is closed.
#pragma once

#include "common/buf.h"
#include "common/check.h"
#include "common/loop.h"
#include "common/net.h"

struct http_head;
struct ops_http;

struct ops_reply {
	int status; // set to 200 before the handler runs
	const char *content_type; // set to "text/plain; charset=utf-8" before
	struct buf body;
	const struct http_head *head; // of the request; borrowed for the call
	const char *fields; // more fields of the answer's head, each with its CRLF; NULL: none
	unsigned again_ms; // > 0: the handler is not done, and is to be run again after that time
	bool stream; // with again_ms: the body is sent now, and what later runs add behind it
	struct buf *note; // the handler's own between its runs; empty at first
};

typedef void ops_handler(void *arg, struct ops_reply *reply);

struct ops_route {
	const char *path; // "/metrics"; with "*" at its end every path that begins so
	ops_handler *handler;
};

// Listens on `addr` (its port is filled in) and serves `routes` (borrowed, ending with a NULL path)
// until ops_http_free(). 0 and `*made`, or the negative errno if the address cannot be bound.
MUST_CHECK int ops_http_new(struct loop *loop, struct net_addr *addr,
	const struct ops_route *routes, void *arg, struct ops_http **made);
void ops_http_free(struct ops_http *ops);
