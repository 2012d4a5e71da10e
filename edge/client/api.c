// A request is worked on when all of it is here; until then its bytes wait in the connection's
// input, of which there is at most a head and the largest body. The next request is read when this
// one is answered, so a connection holds one at a time, whatever is sent.

#include "edge/client/api.h"

#include "common/mem.h"
#include "edge/client/api_parts.h"
#include "edge/client/clients.h"
#include "edge/client/conn_parts.h"
#include "edge/http/web_files.h"
#include "edge/state/settings.h"

enum {
	BATCH_BYTES_MAX = 1 << 20
};

static const struct edge_conf *conf_of(const struct conn *c)
{
	return &turn_of(c)->settings->conf;
}

static void answer_openapi(struct conn *c)
{
	const struct web_file *file = web_file_find(bytes_str("/v1/openapi.json"));
	CHECK(file != NULL);
	api_answer(c, 200, "application/json", bytes_make(file->data, file->len));
}

static void answer_preflight(struct conn *c, const struct http_head *head)
{
	struct buf out = { 0 };
	api_answer_preflight(&out, &c->api->manner, head);
	conn_push_raw(c, buf_bytes(&out));
	buf_fini(&out);
	api_finish(c, 204);
}

// ---- a request

static bool is_json(const struct http_head *head)
{
	struct bytes type;
	struct bytes media;
	struct bytes parameters;
	if (http_head_find(head, "content-type", &type) != 1) {
		return false;
	}
	bytes_cut(type, ';', &media, &parameters);
	while (media.len > 0 && media.data[media.len - 1] == ' ') {
		media.len--;
	}
	return http_token_equal(media, "application/json");
}

// What needs no token, then who asks, then what is asked.
static void serve(struct conn *c, const struct http_head *head, const struct api_target *target,
	struct bytes body)
{
	const struct turn *t = turn_of(c);
	const char *why = edge_refusal(t->edge, t->settings, t->mono_ms);
	if (target->route == API_PREFLIGHT) {
		answer_preflight(c, head);
	} else if (target->route == API_OPENAPI) {
		answer_openapi(c);
	} else if (why != NULL) {
		api_problem(c, API_UNAVAILABLE, why, "none");
	} else if (target->has_body && !is_json(head)) {
		api_problem(c, API_MEDIA_TYPE, "Content-Type is not application/json", "");
	} else if (api_identify(c, head, bytes_make(NULL, 0)) && api_within_rate(c)) {
		api_run_command(c, head, target, body);
	}
}

// 0, or the status that refuses the request before its body is read.
static int judge_body(const struct conn *c, const struct http_head *head,
	const struct api_target *target)
{
	uint64_t max = target->route == API_BATCH ? BATCH_BYTES_MAX : conf_of(c)->max_message;
	if (head->has_transfer_encoding || (target->has_body && !head->has_content_length)) {
		return 411;
	}
	return head->content_length > (target->has_body ? max : 0) ? 413 : 0;
}

// Refuses what cannot be read on after, so the connection ends with it.
static void refuse_request(struct conn *c, const struct http_head *head,
	const struct api_target *target, int status)
{
	api_begin_request(c, head, target);
	c->api->manner.close = c->api->manner.close || head->has_body || status == 400;
	api_problem(c, api_refusal_of_status(status), http_status_text(status), "");
}

static void ask_to_continue(struct conn *c, const struct http_head *head)
{
	struct bytes expect;
	if (!c->api->continued && http_head_find(head, "expect", &expect) == 1 &&
		http_token_equal(expect, "100-continue")) {
		c->api->continued = true;
		conn_push_raw(c, bytes_str("HTTP/1.1 100 Continue\r\n\r\n"));
	}
}

static bool is_stream(const struct api_target *target)
{
	return (target->route == API_EVENTS || target->route == API_EVENTS_MANY) &&
		!target->head_only;
}

static void begin_stream(struct conn *c, const struct http_head *head,
	const struct api_target *target)
{
	const struct turn *t = turn_of(c);
	const char *why = edge_refusal(t->edge, t->settings, t->mono_ms);
	if (why != NULL) {
		api_problem(c, API_UNAVAILABLE, why, "none");
	} else {
		api_run_stream(c, head, target);
	}
}

static size_t take_request(struct conn *c, const struct http_head *head, struct bytes input)
{
	struct buf name = { 0 };
	struct api_target target;
	int status = api_path_is(head->path) ? api_route_find(head, &name, &target) : 404;
	if (!api_path_is(head->path)) {
		target = (struct api_target){ .allow = "" };
	}
	size_t len = head->len;
	if (status == 0) {
		status = judge_body(c, head, &target);
	}
	if (status != 0) {
		refuse_request(c, head, &target, status);
	} else if (input.len - head->len < head->content_length) {
		ask_to_continue(c, head);
		len = 0;
	} else if (is_stream(&target)) {
		api_begin_request(c, head, &target);
		begin_stream(c, head, &target);
	} else {
		len += (size_t)head->content_length;
		api_begin_request(c, head, &target);
		serve(c, head, &target,
			bytes_make(input.data + head->len, (size_t)head->content_length));
	}
	buf_fini(&name);
	if (c->awaits_key) {
		c->api->busy = false;
		return 0;
	}
	return len;
}

size_t api_on_input(struct conn *c, uint8_t *data, size_t len)
{
	struct http_head head;
	if (c->api->busy) {
		return 0;
	}
	int status = http_head_parse(bytes_make(data, len), &head);
	if (status == 1) {
		return 0;
	}
	if (status != 0) {
		head = (struct http_head){ .minor = 1, .has_body = true };
		refuse_request(c, &head, &(struct api_target){ .allow = "" }, status);
		return len;
	}
	return take_request(c, &head, bytes_make(data, len));
}

// ---- its beginning and its end

void api_begin(struct conn *c)
{
	c->api = xcalloc(1, sizeof(*c->api));
	conn_set_state(c, CONN_API);
}

void api_on_close(struct conn *c)
{
	if (c->api->busy) {
		c->api->close = true;
	} else {
		conn_destroy(c);
	}
}

void api_on_timeout(struct conn *c)
{
	if (c->in.len == 0) {
		conn_destroy(c); // it only kept the connection
		return;
	}
	api_begin_request(c, &(struct http_head){ .minor = 1 },
		&(struct api_target){ .allow = "" });
	c->api->close = true;
	api_problem(c, API_TIMEOUT, "The request did not arrive in time", "");
}
