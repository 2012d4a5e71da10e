// The plain pages of the client port, /health and /ready, as pure functions of one request head:
// also for pages of other origins, as far as option allowed-origins lets them (CORS).
#pragma once

#include "common/buf.h"
#include "common/http_head.h"

struct upgrade_policy;

enum http_page {
	HTTP_PAGE_NONE, // no page of ours: the request is for the WebSocket
	HTTP_PAGE_HEALTH,
	HTTP_PAGE_READY,
};

// Which page the path names, whatever the method.
enum http_page http_page_of(const struct http_head *head);
// Appends the whole answer, after which the connection closes; returns its status. `good`: 200,
// else 503; `line` is its text. An OPTIONS is answered as to a browser that asks before it fetches.
int http_page_answer(struct buf *out, const struct http_head *head,
	const struct upgrade_policy *policy, bool good, const char *line);
