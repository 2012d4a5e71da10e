// A connection before it is a client: the PROXY header of a balancer, the request head, who it is,
// and the few plain pages of this port. What it becomes, conn.c's state table goes on with.
//
// A token that is missing or bad does not refuse the handshake: a browser cannot see the status of
// one, so the WebSocket is opened and then closed with a code.

#include "edge/client/conn_upgrade.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/auth/auth.h"
#include "edge/client/api.h"
#include "edge/client/conn_command.h"
#include "edge/client/conn_parts.h"
#include "edge/client/key_wait.h"
#include "edge/client/turn.h"
#include "edge/http/api_route.h"
#include "edge/http/client_addr.h"
#include "edge/http/http_page.h"
#include "edge/http/http_upgrade.h"
#include "edge/http/proxy_header.h"
#include "edge/http/web_page.h"
#include "edge/state/edge.h"
#include "edge/state/settings.h"

enum {
	RETRY_AFTER_S = 5
};

// ---- answers that are no WebSocket

// Answers a request that does not become a WebSocket, and lets the connection go.
static void answer_http(struct conn *c, struct bytes response)
{
	conn_push_raw(c, response);
	conn_set_state(c, CONN_LINGER);
}

static void refuse_http(struct conn *c, int status, const char *why, struct bytes origin)
{
	struct turn *t = turn_of(c);
	counter_add(&t->metrics.handshakes[handshake_result_of(status)], 1);
	conn_log_refused(c, status, why, origin);
	buf_reset(&t->out, TURN_KEEP);
	http_refuse(&t->out, status, why, RETRY_AFTER_S);
	answer_http(c, buf_bytes(&t->out));
}

void conn_on_abandoned(struct conn *c, enum close_reason reason)
{
	struct edge_metrics *m = &turn_of(c)->metrics;
	bool late = reason == CLOSE_HANDSHAKE_TIMEOUT;
	const struct bytes none = { 0 };
	c->reason = (uint8_t)reason;
	if (reason == CLOSE_PEER_GONE) {
		counter_add(&m->handshakes[HANDSHAKE_PEER_GONE], 1);
		conn_destroy(c);
	} else if (c->state == CONN_PROXY || transport_is_opening(c->stream.tls)) {
		// There is nobody yet who could read an answer: a balancer does not, nor does TLS.
		enum handshake_result timeout =
			c->stream.tls != NULL ? HANDSHAKE_TLS : HANDSHAKE_408;
		counter_add(&m->closes[reason], late ? 1 : 0);
		counter_add(&m->handshakes[late ? timeout : HANDSHAKE_503], 1);
		conn_destroy(c);
	} else if (late) {
		counter_add(&m->closes[reason], 1);
		refuse_http(c, 408, "the request did not arrive in time", none);
	} else {
		refuse_http(c, 503, close_reason_rule(reason)->name, none);
	}
}

// ---- the PROXY header

// A trusted proxy, who is not counted, has named the client.
static void take_address(struct conn *c, struct net_ip address)
{
	struct turn *t = turn_of(c);
	c->address = address;
	if (!c->counted && c->admission == ADMISSION_OK) {
		c->admission = (uint8_t)edge_admit(t->edge, t->settings, &c->address, t->mono_ms,
			&c->counted);
	}
}

// Reads what the header still lacks and no more: what follows is for whoever comes next.
void conn_on_proxy_readable(struct conn *c)
{
	struct turn *t = turn_of(c);
	struct proxy_header header;
	size_t missing = proxy_header_missing(buf_bytes(&c->in));
	ssize_t got = read(c->stream.fd, buf_reserve(&c->in, missing), missing);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		conn_close(c, CLOSE_PEER_GONE);
		return;
	}
	c->in.len += (size_t)got;
	counter_add(&t->metrics.bytes_in, (uint64_t)got);
	enum proxy_header_result result = proxy_header_parse(buf_bytes(&c->in), &header);
	if (result == PROXY_HEADER_MORE) {
		return;
	}
	if (result != PROXY_HEADER_OK) {
		turn_refuse_proxy(t, &c->address, HANDSHAKE_400, proxy_header_text(result));
		conn_destroy(c);
		return;
	}
	if (header.has_source) {
		take_address(c, header.source);
	}
	buf_fini(&c->in);
	conn_set_state(c, CONN_UPGRADE);
}

// ---- the opening handshake

static void accept_upgrade(struct conn *c, const struct upgrade_request *request)
{
	struct turn *t = turn_of(c);
	buf_reset(&t->out, TURN_KEEP);
	http_upgrade_accept(&t->out, request);
	conn_push_raw(c, buf_bytes(&t->out));
	c->compressed = request->compression.compressed;
	c->codec = request->subprotocol == SUBPROTOCOL_PROTO ? CODEC_PROTO : CODEC_JSON;
	conn_set_state(c, CONN_OPEN);
}

struct verdict {
	bool must_wait; // for a key; the rest says nothing
	enum close_reason reason; // CLOSE_NONE: it may stay
	const char *cause; // more about an invalid token
	const char *claim; // the one at fault, NULL: none
};

// Who the client is, or why it may not stay.
static struct verdict identify(struct conn *c, struct bytes token)
{
	const struct auth *auth = turn_of(c)->settings->auth;
	struct verdict verdict = { .reason = CLOSE_NONE };
	if (auth == NULL) {
		char id[CLIENT_ID_MAX];
		struct bytes user = conn_client_id(c, id);
		c->identity.user = xstrndup(user.data, user.len);
		return verdict;
	}
	if (token.len == 0) {
		verdict.reason = CLOSE_MISSING_TOKEN;
		return verdict;
	}
	enum auth_result result = edge_verify(turn_of(c)->edge, turn_of(c)->settings, token,
		&c->identity, &verdict.claim);
	verdict.must_wait =
		result == AUTH_KEY && key_wait_begin(c, bytes_make(NULL, 0), bytes_make(NULL, 0));
	c->key_waited = false;
	if (result != AUTH_OK) {
		verdict.reason = CLOSE_INVALID_TOKEN;
		verdict.cause = auth_result_cause(result);
	} else if (revoked_has(&turn_of(c)->edge->revoked, &c->identity)) {
		verdict.reason = CLOSE_REVOKED;
	}
	return verdict;
}

static void refuse_identity(struct conn *c, const struct verdict *verdict)
{
	const char *name = close_reason_rule(verdict->reason)->name;
	bool invalid = verdict->reason == CLOSE_INVALID_TOKEN;
	conn_log_token_refused(c, invalid ? verdict->cause : name, verdict->claim);
	if (invalid) {
		conn_close_for_token(c, verdict->cause);
	} else {
		conn_close(c, verdict->reason);
	}
}

static void send_connected(struct conn *c)
{
	const struct edge_conf *conf = &turn_of(c)->settings->conf;
	char id[CLIENT_ID_MAX];
	conn_send_event(c,
		&(struct client_event){
			.kind = EVENT_CONNECTED,
			.from = conn_client_id(c, id),
			.user = bytes_str(c->identity.user),
			.username = bytes_str(c->identity.username),
			.roles = (const char *const *)c->identity.roles,
			.n_roles = c->identity.n_roles,
			.timestamp_ms = clock_wall_ms(),
			.heartbeat_interval_s = conf->heartbeat_interval_ms / 1000,
			.heartbeat_timeout_s = conf->heartbeat_timeout_ms / 1000,
			.expires_s = c->identity.expires_s,
			.max_message = conf->max_message,
		});
}

// From here on it is a client: counted, announced, greeted.
static void enter_open(struct conn *c, bool autojoin)
{
	conn_enter_open(c);
	send_connected(c);
	client_announce(c);
	if (autojoin) {
		client_autojoin(c);
	}
	conn_rearm(c);
}

static bool is_admitted(struct conn *c, struct bytes origin)
{
	if (c->admission == ADMISSION_OK) {
		return true;
	}
	bool fast = c->admission == ADMISSION_TOO_FAST;
	refuse_http(c, fast ? 429 : 503,
		fast ? "too fast from one address" : "too many from one address", origin);
	return false;
}

static struct bytes origin_of(const struct http_head *head)
{
	struct bytes origin = { 0 };
	return http_head_find(head, "origin", &origin) > 0 ? origin : bytes_make(NULL, 0);
}

// `by_tls`: so the client came to the proxy before us. False if the request is to be tried again:
// the connection waits for the key of its token.
static bool try_upgrade(struct conn *c, const struct http_head *head, bool by_tls)
{
	struct turn *t = turn_of(c);
	struct bytes origin = origin_of(head);
	if (!is_admitted(c, origin)) {
		return true;
	}
	const char *why = edge_refusal(t->edge, t->settings, t->mono_ms);
	if (why != NULL) {
		refuse_http(c, 503, why, origin);
		return true;
	}
	struct upgrade_request request;
	buf_reset(&t->decoded, TURN_KEEP);
	struct upgrade_policy policy = t->settings->upgrade;
	policy.tls = c->stream.tls != NULL || by_tls;
	int status = http_upgrade_check(head, &policy, &request, &t->decoded);
	if (status != 101) {
		refuse_http(c, status, request.why, origin);
		return true;
	}
	struct verdict verdict = identify(c, request.token);
	if (verdict.must_wait) {
		return false;
	}
	accept_upgrade(c, &request);
	static const enum handshake_result results[CLOSE_REASON_COUNT] = {
		[CLOSE_NONE] = HANDSHAKE_OK,
		[CLOSE_MISSING_TOKEN] = HANDSHAKE_MISSING_TOKEN,
		[CLOSE_INVALID_TOKEN] = HANDSHAKE_INVALID_TOKEN,
		[CLOSE_REVOKED] = HANDSHAKE_REVOKED,
	};
	counter_add(&t->metrics.handshakes[results[verdict.reason]], 1);
	if (verdict.reason == CLOSE_NONE) {
		enter_open(c, request.autojoin);
	} else {
		refuse_identity(c, &verdict);
	}
	return true;
}

// A file that is served as it is; those of the demo page with option demo only.
static const struct web_file *find_file(const struct conn *c, const struct http_head *head)
{
	bool demo = bytes_has_prefix(head->path, "/demo");
	return demo && !turn_of(c)->settings->conf.demo ? NULL : web_file_find(head->path);
}

// True if the request was for one of the few plain pages or files of this port.
static bool answer_page(struct conn *c, const struct http_head *head)
{
	struct turn *t = turn_of(c);
	enum http_page page = http_page_of(head);
	const struct web_file *file = find_file(c, head);
	if (page == HTTP_PAGE_NONE && file == NULL) {
		return false;
	}
	struct edge_readiness r = { .ready = true, .text = "ok" };
	if (page == HTTP_PAGE_READY) {
		r = edge_readiness(t->edge, t->settings, t->mono_ms);
	}
	buf_reset(&t->out, TURN_KEEP);
	int status = file != NULL
		? web_page_answer(&t->out, head, file)
		: http_page_answer(&t->out, head, &t->settings->upgrade, r.ready, r.text);
	if (status == 403 || status == 405) {
		counter_add(&t->metrics.handshakes[handshake_result_of(status)], 1);
	}
	answer_http(c, buf_bytes(&t->out));
	return true;
}

// Of a head that cannot be read: whether it asks the API, which refuses it in its own form.
static bool asks_api(struct bytes head)
{
	struct bytes method;
	struct bytes rest;
	return bytes_cut(head, ' ', &method, &rest) && api_path_is(rest);
}

// How much of the input is used: nothing if the request is read again there.
static size_t become_api(struct conn *c, struct bytes origin, size_t len)
{
	if (!is_admitted(c, origin)) {
		return len;
	}
	api_begin(c);
	return 0;
}

size_t conn_on_request(struct conn *c, uint8_t *data, size_t len)
{
	struct http_head head;
	int status = http_head_parse(bytes_make(data, len), &head);
	if (status == 1) {
		return 0;
	}
	if (status != 0 && asks_api(bytes_make(data, len))) {
		return become_api(c, bytes_make(NULL, 0), len);
	}
	if (status != 0) {
		refuse_http(c, status, http_status_text(status), bytes_make(NULL, 0));
		return len;
	}
	const struct trusted_proxies *trusted = &turn_of(c)->edge->trusted;
	bool by_tls = client_came_by_tls(trusted, c->address, &head);
	take_address(c, client_addr_find(trusted, c->address, &head));
	if (api_path_is(head.path)) {
		return become_api(c, origin_of(&head), len);
	}
	return answer_page(c, &head) || try_upgrade(c, &head, by_tls) ? head.len : 0;
}
