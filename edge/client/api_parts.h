// What the files of the HTTP API on a connection share: a request in hand, who asks, and how it is
// answered. api_reply.c has these; api_command.c and api_stream.c are what may be asked, api.c
// reads requests.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/http_head.h"
#include "edge/client/api_refusals.h"
#include "edge/client/conn.h"
#include "edge/http/api_answer.h"
#include "edge/http/api_route.h"

struct api {
	struct buf token; // the one that the identity is of
	bool announced;
	bool continued; // 100 Continue was sent for the request that is arriving
	bool busy;
	bool close; // after the answer
	// The request that is being answered.
	enum api_route route;
	struct api_manner manner; // its spans lie in `texts`
	struct buf texts;
	uint64_t began_ns;
	struct buf *results; // owned; of a batch, in its order
	size_t n_results;
	size_t n_open; // of them, not answered yet
	uint64_t n_requests; // of this connection
};

// A request begins: who asks for it and how it wants its answer is taken from its head.
void api_begin_request(struct conn *c, const struct http_head *head,
	const struct api_target *target);
// True if the request comes from somebody who may ask, by the bearer token or else by `token`; else
// it is answered, or the connection waits for the token's key, and the request is to begin anew.
bool api_identify(struct conn *c, const struct http_head *head, struct bytes token);
// True if the user may make one more request; else it is answered.
bool api_within_rate(struct conn *c);

// Each answers the request and ends it.
void api_answer(struct conn *c, int status, const char *type, struct bytes body);
void api_problem(struct conn *c, enum api_refusal refusal, const char *detail, const char *outcome);
// Answers what an EVENT_ERROR says.
void api_refuse(struct conn *c, const struct client_event *refusal);
// The answer is queued already.
void api_finish(struct conn *c, int status);
// All results of a batch are there.
void api_answer_batch(struct conn *c);
// The head of an endless answer is sent: the connection is open, a reader of events, and announced.
void api_become_events(struct conn *c);

// What is asked, once who asks is known. Events answer it, now or later.
void api_run_command(struct conn *c, const struct http_head *head, const struct api_target *target,
	struct bytes body);
// Begins a stream of the target's rooms, or answers the request that asked for it.
void api_run_stream(struct conn *c, const struct http_head *head, const struct api_target *target);
