// Fields stand in one order. Nothing that a client sent is repeated but its X-Request-Id, which was
// held against printable ASCII, and an origin that is allowed. An answer depends on the token, so
// no cache may keep it.

#include "edge/http/api_answer.h"

#include "common/jscan.h"
#include "edge/http/http_upgrade.h"

void api_manner_of(struct api_manner *manner, const struct http_head *head,
	const struct upgrade_policy *policy)
{
	struct bytes origin;
	struct http_list_cursor cursor = { 0 };
	struct bytes option;
	manner->vary = policy->n_allowed_origins > 0;
	if (http_head_find(head, "origin", &origin) == 1 && http_origin_is_listed(policy, origin)) {
		manner->origin = origin;
	}
	manner->head_only = bytes_equal_str(head->method, "HEAD");
	manner->close = head->minor == 0;
	while (http_head_list_next(head, "connection", &cursor, &option)) {
		manner->close = manner->close || http_token_equal(option, "close");
	}
}

static void append_field(struct buf *out, const char *name, struct bytes value)
{
	buf_append_str(out, name);
	buf_append_str(out, ": ");
	buf_append_bytes(out, value);
	buf_append_str(out, "\r\n");
}

static void begin(struct buf *out, const struct api_manner *manner, int status)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	append_field(out, "X-Request-Id", manner->request_id);
	if (manner->close) {
		buf_append_str(out, "Connection: close\r\n");
	}
	if (manner->vary) {
		buf_append_str(out, "Vary: Origin\r\n");
	}
	if (manner->origin.len > 0) {
		append_field(out, "Access-Control-Allow-Origin", manner->origin);
		buf_append_str(out, "Access-Control-Expose-Headers: X-Request-Id, Retry-After\r\n");
	}
}

static void end(struct buf *out, const struct api_manner *manner, const char *type,
	struct bytes body)
{
	buf_printf(out,
		"Content-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n\r\n", type,
		body.len);
	if (!manner->head_only) {
		buf_append_bytes(out, body);
	}
}

void api_answer_json(struct buf *out, const struct api_manner *manner, int status, const char *type,
	struct bytes body)
{
	begin(out, manner, status);
	end(out, manner, type, body);
}

void api_answer_problem(struct buf *out, const struct api_manner *manner, int status,
	const char *code, const char *detail, const char *outcome, struct bytes needs)
{
	struct buf body = { 0 };
	buf_append_str(&body, "{\"type\":\"about:blank\",\"title\":");
	jscan_append_string(&body, bytes_str(http_status_text(status)));
	buf_printf(&body, ",\"status\":%d,\"code\":", status);
	jscan_append_string(&body, bytes_str(code));
	buf_append_str(&body, ",\"detail\":");
	jscan_append_string(&body, bytes_str(detail));
	if (outcome[0] != '\0') {
		buf_append_str(&body, ",\"outcome\":");
		jscan_append_string(&body, bytes_str(outcome));
	}
	if (needs.len > 0) {
		buf_append_str(&body, ",\"needs\":");
		jscan_append_string(&body, needs);
	}
	buf_append_byte(&body, '}');
	begin(out, manner, status);
	if (status == 401) {
		buf_append_str(out, "WWW-Authenticate: Bearer\r\n");
	}
	if (status == 405) {
		append_field(out, "Allow", bytes_str(manner->allow));
	}
	if (manner->retry_after_s > 0) {
		buf_printf(out, "Retry-After: %llu\r\n", (unsigned long long)manner->retry_after_s);
	}
	end(out, manner, "application/problem+json", buf_bytes(&body));
	buf_fini(&body);
}

void api_answer_preflight(struct buf *out, const struct api_manner *manner,
	const struct http_head *head)
{
	struct bytes fields;
	begin(out, manner, 204);
	append_field(out, "Allow", bytes_str(manner->allow));
	if (manner->origin.len > 0) {
		append_field(out, "Access-Control-Allow-Methods", bytes_str(manner->allow));
		if (http_head_find(head, "access-control-request-headers", &fields) == 1) {
			append_field(out, "Access-Control-Allow-Headers", fields);
		}
		buf_append_str(out, "Access-Control-Max-Age: 600\r\n");
	}
	buf_append_str(out, "\r\n"); // RFC 9110 section 15.3.5: no content, and no length of it
}

void api_answer_events(struct buf *out, const struct api_manner *manner)
{
	begin(out, manner, 200);
	buf_append_str(out,
		"Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
		"X-Accel-Buffering: no\r\n\r\n");
}

void api_result_append(struct buf *out, struct bytes object)
{
	struct bytes first;
	struct bytes rest;
	bytes_cut(object, ',', &first, &rest);
	buf_append_byte(out, '{');
	buf_append_bytes(out, rest.len > 0 ? rest : bytes_str("}"));
}
