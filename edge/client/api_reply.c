// A connection of the API is announced to the routers like a client, with the token's user and
// rights, when the first request needs them; another user's token on the same connection announces
// it anew. Its messages carry no `from` (ClientUp.no_sender).
//
// A token that was found good is not checked again while its bytes, its time and the revocations
// allow that: a backend sends the same one with every request.

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jscan.h"
#include "common/mem.h"
#include "edge/client/api.h"
#include "edge/client/api_parts.h"
#include "edge/client/clients.h"
#include "edge/client/conn_command.h"
#include "edge/client/conn_parts.h"
#include "edge/codec/codec_json.h"
#include "edge/state/settings.h"

enum {
	RETRY_AFTER_S = 5
};

void api_free(struct api *api)
{
	if (api == NULL) {
		return;
	}
	for (size_t i = 0; i < api->n_results; i++) {
		buf_fini(&api->results[i]);
	}
	free(api->results);
	buf_fini(&api->token);
	buf_fini(&api->texts);
	free(api);
}

bool api_is_busy(const struct conn *c)
{
	return c->api->busy;
}

static const struct edge_conf *conf_of(const struct conn *c)
{
	return &turn_of(c)->settings->conf;
}

// ---- the answer

static void count(struct conn *c, int status)
{
	struct edge_metrics *m = &turn_of(c)->metrics;
	edge_metrics_count_api(m, c->api->route, status);
	histogram_observe_ns(&m->api_seconds, clock_mono_ns() - c->api->began_ns);
}

// The answer is queued: the next request may come, or the connection ends.
void api_finish(struct conn *c, int status)
{
	struct api *api = c->api;
	count(c, status);
	for (size_t i = 0; i < api->n_results; i++) {
		buf_fini(&api->results[i]);
	}
	free(api->results);
	api->results = NULL;
	api->n_results = 0;
	api->busy = false;
	if (api->manner.close || api->close) {
		conn_set_state(c, CONN_LINGER);
	} else {
		conn_set_state(c, CONN_API); // its time begins anew
		conn_resume_input(c);
	}
}

void api_answer(struct conn *c, int status, const char *type, struct bytes body)
{
	struct buf out = { 0 };
	c->api->manner.close = c->api->manner.close || c->api->close;
	api_answer_json(&out, &c->api->manner, status, type, body);
	conn_push_raw(c, buf_bytes(&out));
	buf_fini(&out);
	api_finish(c, status);
}

static void answer_problem(struct conn *c, int status, const char *code, const char *detail,
	const char *outcome, struct bytes needs)
{
	struct buf out = { 0 };
	struct api_manner *manner = &c->api->manner;
	manner->close = manner->close || c->api->close;
	manner->retry_after_s = status == 503 || status == 429 ? RETRY_AFTER_S : 0;
	api_answer_problem(&out, manner, status, code, detail, outcome, needs);
	conn_push_raw(c, buf_bytes(&out));
	buf_fini(&out);
	api_finish(c, status);
}

void api_problem(struct conn *c, enum api_refusal refusal, const char *detail, const char *outcome)
{
	const struct api_refusal_row *row = api_refusal_row(refusal);
	answer_problem(c, row->status, row->code, detail, outcome, bytes_make(NULL, 0));
}

static const char *outcome_text(enum outcome outcome)
{
	return outcome == OUTCOME_NONE ? "none" : outcome == OUTCOME_UNKNOWN ? "unknown" : "";
}

void api_refuse(struct conn *c, const struct client_event *refusal)
{
	struct buf needs = { 0 };
	codec_put_needs(&needs, refusal);
	answer_problem(c, api_status_of(refusal->error), client_error_code(refusal->error),
		client_error_message(refusal->error), outcome_text(refusal->outcome),
		buf_bytes(&needs));
	buf_fini(&needs);
}

// ---- what the commands come to

// The members of an event as the codec writes them, without its type.
static void render(struct conn *c, const struct client_event *event, struct buf *out)
{
	struct client_event plain = *event;
	struct buf *json = &turn_of(c)->out;
	plain.id = bytes_make(NULL, 0);
	buf_reset(json, TURN_KEEP);
	codec_json.encode(json, &plain);
	api_result_append(out, buf_bytes(json));
}

static void append_error(struct buf *out, const struct client_event *event)
{
	buf_printf(out, "{\"status\":%d,\"code\":\"%s\",\"message\":\"%s\"",
		api_status_of(event->error), client_error_code(event->error),
		client_error_message(event->error));
	if (event->outcome != OUTCOME_NOT_SAID) {
		buf_printf(out, ",\"outcome\":\"%s\"", outcome_text(event->outcome));
	}
	struct buf needs = { 0 };
	codec_put_needs(&needs, event);
	if (needs.len > 0) {
		buf_append_str(out, ",\"needs\":");
		jscan_append_string(out, buf_bytes(&needs));
	}
	buf_fini(&needs);
	buf_append_byte(out, '}');
}

void api_answer_batch(struct conn *c)
{
	struct buf body = { 0 };
	for (size_t i = 0; i < c->api->n_results; i++) {
		buf_append_byte(&body, i == 0 ? '[' : ',');
		buf_append_bytes(&body, buf_bytes(&c->api->results[i]));
	}
	buf_append_str(&body, c->api->n_results == 0 ? "[]" : "]");
	api_answer(c, 200, "application/json", buf_bytes(&body));
	buf_fini(&body);
}

// The place in the batch is the id of its command.
static void take_result(struct conn *c, const struct client_event *event)
{
	struct api *api = c->api;
	size_t i = 0;
	for (size_t d = 0; d < event->id.len; d++) {
		i = i * 10 + (event->id.data[d] - '0');
	}
	CHECK(i < api->n_results && api->results[i].len == 0);
	struct buf *result = &api->results[i];
	if (event->kind == EVENT_ERROR) {
		append_error(result, event);
	} else {
		struct buf members = { 0 };
		render(c, event, &members);
		buf_append_str(result, "{\"status\":200,");
		buf_append_bytes(result, bytes_from(buf_bytes(&members), 1));
		buf_fini(&members);
	}
	if (--api->n_open == 0) {
		api_answer_batch(c);
	}
}

void api_on_event(struct conn *c, const struct client_event *event)
{
	if (!c->api->busy) {
		return; // the request was given up
	}
	if (c->api->route == API_BATCH) {
		take_result(c, event);
	} else if (event->kind == EVENT_ERROR) {
		api_refuse(c, event);
	} else {
		struct buf body = { 0 };
		render(c, event, &body);
		api_answer(c, 200, "application/json", buf_bytes(&body));
		buf_fini(&body);
	}
}

// ---- who asks

static struct bytes bearer_of(const struct http_head *head)
{
	struct bytes value;
	struct bytes scheme;
	struct bytes token;
	if (http_head_find(head, "authorization", &value) != 1 ||
		!bytes_cut(value, ' ', &scheme, &token) || !http_token_equal(scheme, "bearer")) {
		return bytes_make(NULL, 0);
	}
	return token;
}

static bool is_known(struct conn *c, struct bytes token)
{
	const struct api *api = c->api;
	int64_t until_ms = c->identity.expires_s * 1000 + (int64_t)conf_of(c)->jwt_leeway_ms;
	return api->announced && bytes_equal(token, buf_bytes(&api->token)) &&
		clock_wall_ms() < until_ms &&
		!revoked_has(&turn_of(c)->edge->revoked, &c->identity);
}

static void announce(struct conn *c, struct identity *fresh)
{
	struct api *api = c->api;
	bool other = c->identity.user != NULL && strcmp(c->identity.user, fresh->user) != 0;
	if (api->announced && other) {
		client_on_left(c);
	}
	identity_fini(&c->identity);
	c->identity = *fresh;
	c->was_open = true;
	api->announced = true;
	client_announce(c);
}

// True if the request comes from somebody who may ask; else it is answered, or waits for a key.
static bool identify(struct conn *c, struct bytes token)
{
	const struct auth *auth = turn_of(c)->settings->auth;
	struct identity fresh = { 0 };
	if (auth == NULL) {
		if (!c->api->announced) {
			char id[CLIENT_ID_MAX];
			struct bytes user = conn_client_id(c, id);
			fresh.user = xstrndup(user.data, user.len);
			announce(c, &fresh);
		}
		return true;
	}
	if (token.len == 0) {
		api_problem(c, API_MISSING_TOKEN, "A bearer token is needed", "");
		return false;
	}
	if (is_known(c, token)) {
		return true;
	}
	const char *claim;
	enum auth_result result =
		edge_verify(turn_of(c)->edge, turn_of(c)->settings, token, &fresh, &claim);
	bool waits =
		result == AUTH_KEY && key_wait_begin(c, bytes_make(NULL, 0), bytes_make(NULL, 0));
	c->key_waited = false;
	if (waits) {
		return false;
	}
	if (result != AUTH_OK) {
		conn_log_token_refused(c, auth_result_cause(result), claim);
		api_problem(c, API_INVALID_TOKEN, auth_result_text(result), "");
		return false;
	}
	if (revoked_has(&turn_of(c)->edge->revoked, &fresh)) {
		identity_fini(&fresh);
		conn_log_token_refused(c, close_reason_rule(CLOSE_REVOKED)->name, NULL);
		api_problem(c, API_REVOKED, "The token is revoked", "");
		return false;
	}
	announce(c, &fresh);
	buf_reset(&c->api->token, SIZE_MAX);
	buf_append_bytes(&c->api->token, token);
	return true;
}

bool api_identify(struct conn *c, const struct http_head *head, struct bytes token)
{
	struct bytes bearer = bearer_of(head);
	return identify(c, bearer.len > 0 ? bearer : token);
}

bool api_within_rate(struct conn *c)
{
	const struct conf_rate *rate = &conf_of(c)->api_rate;
	struct turn *t = turn_of(c);
	if (api_rates_take(&t->edge->api_rates, bytes_str(c->identity.user), rate, t->mono_ms)) {
		return true;
	}
	api_problem(c, API_RATE_LIMITED, "Too many requests of this user", "");
	return false;
}

// ---- a request

// The caller's id if it is one, else ours.
static void take_request_id(struct conn *c, const struct http_head *head)
{
	struct api *api = c->api;
	struct bytes id;
	bool fine = http_head_find(head, "x-request-id", &id) == 1 && id.len > 0 &&
		id.len <= API_REQUEST_ID_MAX;
	for (size_t i = 0; fine && i < id.len; i++) {
		fine = id.data[i] > 0x20 && id.data[i] < 0x7f;
	}
	if (fine) {
		buf_append_bytes(&api->texts, id);
	} else {
		char ours[CLIENT_ID_MAX];
		buf_append_bytes(&api->texts, conn_client_id(c, ours));
		buf_printf(&api->texts, ".%llu", (unsigned long long)api->n_requests);
	}
}

void api_begin_request(struct conn *c, const struct http_head *head,
	const struct api_target *target)
{
	struct api *api = c->api;
	struct api_manner manner = { 0 };
	api->n_requests++;
	api->continued = false;
	api->busy = true;
	api->route = target->route;
	api->began_ns = clock_mono_ns();
	buf_reset(&api->texts, SIZE_MAX);
	api_manner_of(&manner, head, &turn_of(c)->settings->upgrade);
	buf_append_bytes(&api->texts, manner.origin);
	take_request_id(c, head);
	manner.request_id = bytes_from(buf_bytes(&api->texts), manner.origin.len);
	manner.origin = bytes_make(api->texts.data, manner.origin.len);
	manner.allow = target->allow;
	api->manner = manner;
}

void api_become_events(struct conn *c)
{
	struct api *api = c->api;
	struct buf out = { 0 };
	api->manner.close = true; // nothing follows it on this connection
	api_answer_events(&out, &api->manner);
	conn_push_raw(c, buf_bytes(&out));
	buf_fini(&out);
	count(c, 200);
	client_on_left(c); // as who it was announced so far
	api_free(api);
	c->api = NULL;
	c->events = true;
	conn_set_state(c, CONN_OPEN);
	conn_enter_open(c);
	client_announce(c);
	conn_rearm(c);
}
