// Two pages of one line each. Balancers and pages in browsers read them; the latter only get to see
// an answer that names their origin, which is what option allowed-origins decides here as it does
// for the WebSocket. A page of the same origin asks no permission, so its own host plays no part.
//
// Whoever may not read an answer gets it nevertheless, without the fields: a browser keeps it from
// the page, and everybody else never needed them. Refusing with 403 was rejected: it would turn a
// health check behind a proxy that adds Origin into an outage. Only the question before, the
// preflight, is refused, since it asks for nothing else.
//
// It refuses to know what ready means, and sockets. Credentials are not allowed: nothing here
// depends on who asks.

#include "edge/http/http_page.h"

#include "edge/http/http_upgrade.h"

#define METHODS "GET, HEAD, OPTIONS"

enum http_page http_page_of(const struct http_head *head)
{
	if (bytes_equal_str(head->path, "/health")) {
		return HTTP_PAGE_HEALTH;
	}
	return bytes_equal_str(head->path, "/ready") ? HTTP_PAGE_READY : HTTP_PAGE_NONE;
}

// The origin of the page that asks; false if there is none, or one that may not read the answer.
static bool allowed_origin(const struct http_head *head, const struct upgrade_policy *policy,
	struct bytes *origin)
{
	return http_head_find(head, "origin", origin) == 1 &&
		http_origin_is_listed(policy, *origin);
}

// Caches must not show one origin the answer to another, nor to nobody's.
static void append_cors(struct buf *out, const struct http_head *head,
	const struct upgrade_policy *policy)
{
	struct bytes origin;
	if (policy->n_allowed_origins == 0) {
		return;
	}
	buf_append_str(out, "Vary: Origin\r\n");
	if (allowed_origin(head, policy, &origin)) {
		buf_append_str(out, "Access-Control-Allow-Origin: ");
		buf_append_bytes(out, origin);
		buf_append_str(out, "\r\n");
	}
}

static int answer_line(struct buf *out, const struct http_head *head,
	const struct upgrade_policy *policy, int status, const char *line)
{
	http_answer_begin(out, status);
	if (status == 405) {
		buf_append_str(out, "Allow: " METHODS "\r\n");
	}
	append_cors(out, head, policy);
	http_answer_end(out, line, bytes_equal_str(head->method, "HEAD"));
	return status;
}

// What the page wants to send along (Access-Control-Request-Headers) is allowed, whatever it is: it
// is not looked at.
static int answer_options(struct buf *out, const struct http_head *head,
	const struct upgrade_policy *policy)
{
	struct bytes origin;
	struct bytes fields;
	bool preflight = http_head_find(head, "access-control-request-method", &fields) > 0;
	if (preflight && !allowed_origin(head, policy, &origin)) {
		return answer_line(out, head, policy, 403, "this origin is not allowed");
	}
	http_answer_begin(out, 204);
	buf_append_str(out, "Allow: " METHODS "\r\n");
	append_cors(out, head, policy);
	if (preflight) {
		buf_append_str(out, "Access-Control-Allow-Methods: " METHODS "\r\n");
		if (http_head_find(head, "access-control-request-headers", &fields) == 1) {
			buf_append_str(out, "Access-Control-Allow-Headers: ");
			buf_append_bytes(out, fields);
			buf_append_str(out, "\r\n");
		}
		buf_append_str(out, "Access-Control-Max-Age: 600\r\n");
	}
	buf_append_str(out, "\r\n"); // RFC 9110 section 15.3.5: no content, and no length of it
	return 204;
}

int http_page_answer(struct buf *out, const struct http_head *head,
	const struct upgrade_policy *policy, bool good, const char *line)
{
	if (bytes_equal_str(head->method, "OPTIONS")) {
		return answer_options(out, head, policy);
	}
	if (!bytes_equal_str(head->method, "GET") && !bytes_equal_str(head->method, "HEAD")) {
		return answer_line(out, head, policy, 405, "only GET is allowed here");
	}
	return answer_line(out, head, policy, good ? 200 : 503, line);
}
