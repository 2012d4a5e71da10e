// The WebSocket opening handshake (RFC 6455 section 4.2) as a pure function of one request head:
// accept it, with the token it brought, or refuse it with an HTTP status. Strict; the tokens of the
// three places protocol allows (query, Authorization, Sec-WebSocket-Protocol) are found here and
// nowhere else, and never repeated in an answer.
#pragma once

#include <stdbool.h>

#include "common/buf.h"
#include "common/http_head.h"
#include "edge/ws/ws_offer.h"

enum subprotocol {
	SUBPROTOCOL_NONE, // none offered: JSON
	SUBPROTOCOL_JSON, // weir.v1.json
	SUBPROTOCOL_PROTO, // weir.v1.proto
	SUBPROTOCOL_COUNT,
};

struct upgrade_request {
	char accept[29]; // Sec-WebSocket-Accept
	enum subprotocol subprotocol; // of those offered, the first supported one
	struct bytes
		token; // borrowed from the head, or from `scratch` if percent-decoded; empty: none
	bool autojoin; // false: autojoin=0 in the query
	struct bytes origin; // empty: none
	struct ws_agreement compression;
	const char *why; // refused: static text for the answer and the log, never of the request
};

struct upgrade_policy {
	const char *const *allowed_origins; // n_allowed_origins, see origin.h
	size_t n_allowed_origins;
	bool local_only; // "same host" is one of this machine: else a name that is rebound is, too
	bool tls; // the scheme of "same host" is https
	struct ws_offer_policy compression;
};

// Returns 101 and fills `request`, or the status that refuses it (400, 403, 404, 405, 426) with
// `request->why`. `scratch` is overwritten.
MUST_CHECK int http_upgrade_check(const struct http_head *head, const struct upgrade_policy *policy,
	struct upgrade_request *request, struct buf *scratch);

// Appends the 101 response head.
void http_upgrade_accept(struct buf *out, const struct upgrade_request *request);
// Appends a complete refusal: status line, Connection: close, Sec-WebSocket-Version and Upgrade on
// 426, Allow: GET on 405, Retry-After on 503 and 429, `why` as the one line of a text body.
// `retry_after_s` 0: no such field.
void http_refuse(struct buf *out, int status, const char *why, unsigned retry_after_s);
// The beginning and the end of any answer after which the connection closes, with a line of text as
// its body; between the two, the caller may append fields.
void http_answer_begin(struct buf *out, int status);
void http_answer_end(struct buf *out, const char *line, bool head_only);

// Whether pages of this origin may do what those of our own host may.
bool http_origin_is_listed(const struct upgrade_policy *policy, struct bytes origin);
