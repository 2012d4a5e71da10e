// How an answer of the HTTP API is written. Pure: appends bytes.
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/http_head.h"

struct upgrade_policy;

enum {
	API_REQUEST_ID_MAX = 64
};

// What of a request its answer depends on. Borrowed.
struct api_manner {
	struct bytes request_id; // X-Request-Id
	struct bytes origin; // allowed to read the answer; empty: none, or it may not
	const char *allow; // of the resource; for 405 and OPTIONS
	bool vary; // some origins are allowed
	bool close; // the connection ends after it
	bool head_only;
	uint64_t retry_after_s; // 0: not said
};
// Fills in `origin`, `vary`, `head_only` and `close`; the caller has the rest.
void api_manner_of(struct api_manner *manner, const struct http_head *head,
	const struct upgrade_policy *policy);

// A whole answer with a JSON body.
void api_answer_json(struct buf *out, const struct api_manner *manner, int status, const char *type,
	struct bytes body);
// RFC 9457: application/problem+json with `code` of the client protocol; `outcome` may be "",
// and so may `needs`, what would allow the request.
void api_answer_problem(struct buf *out, const struct api_manner *manner, int status,
	const char *code, const char *detail, const char *outcome, struct bytes needs);
// What a browser asks before it sends another request than a plain GET.
void api_answer_preflight(struct buf *out, const struct api_manner *manner,
	const struct http_head *head);
// The head of an endless answer, text/event-stream.
void api_answer_events(struct buf *out, const struct api_manner *manner);

// Appends {"status":..., the members of `object` without its first member "type"...}.
void api_result_append(struct buf *out, struct bytes object);
