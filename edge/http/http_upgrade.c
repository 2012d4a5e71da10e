// The opening handshake, judged from the head alone: no socket, no clock, no token check. The table
// of rules is the order in which a request is refused, so that the status tells what is wrong
// first: the wrong place (404, 405), not a WebSocket (426), a broken one (400), a page that may not
// (403), a broken offer or token (400). A bad token is none of its business; the connection is
// accepted first and then closed with a code, because a browser cannot see an HTTP status.
//
// What it keeps to: a token leaves this file only as `request->token`, never in an answer or in a
// text for the log. Two places that name different tokens are refused, because a proxy that looks
// at one and we at the other would disagree about who is connected. What is an
// allowed origin is origin.c's.
//
// Answers to refusals always close. A body behind a failed upgrade, or a request pipelined after
// it, would else be read as the next request by somebody. An offer of an extension that is not
// taken refuses nothing, as long as it is well formed (ws_offer.c).

#include "edge/http/http_upgrade.h"

#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "common/ascii.h"
#include "common/mem.h"
#include "edge/http/origin.h"

enum {
	KEY_LEN = 16, // decoded
	KEY_TEXT_LEN = 24, // RFC 6455 section 4.1
	SHA1_LEN = 20,
};

struct upgrade {
	const struct http_head *head;
	const struct upgrade_policy *policy;
	struct upgrade_request *request;
	struct buf *scratch;
};

static int refuse(struct upgrade *u, int status, const char *why)
{
	u->request->why = why;
	return status;
}

static int add_token(struct upgrade *u, struct bytes token)
{
	if (u->request->token.len > 0 && !bytes_equal(u->request->token, token)) {
		return refuse(u, 400, "more than one token");
	}
	u->request->token = token;
	return 0;
}

static bool list_has(const struct http_head *head, const char *name, const char *token)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	while (http_head_list_next(head, name, &cursor, &element)) {
		if (http_token_equal(element, token)) {
			return true;
		}
	}
	return false;
}

static int check_path(struct upgrade *u)
{
	bool known = bytes_equal_str(u->head->path, "/") || bytes_equal_str(u->head->path, "/ws");
	return known ? 0 : refuse(u, 404, "no such path");
}

static int check_method(struct upgrade *u)
{
	bool get = bytes_equal_str(u->head->method, "GET");
	return get ? 0 : refuse(u, 405, "only GET is allowed here");
}

// RFC 6455 section 4.2.1. A protocol switch we do not know is a plain GET (RFC 9110 section 7.8).
static int check_upgrade(struct upgrade *u)
{
	if (!list_has(u->head, "upgrade", "websocket")) {
		return refuse(u, 426, "this is a WebSocket endpoint");
	}
	if (u->head->minor == 0) {
		return refuse(u, 400, "HTTP/1.0 cannot be upgraded");
	}
	if (u->head->has_body) {
		return refuse(u, 400, "an upgrade must not have a body");
	}
	if (!list_has(u->head, "connection", "upgrade")) {
		return refuse(u, 400, "Connection does not name upgrade");
	}
	return 0;
}

static int check_version(struct upgrade *u)
{
	struct bytes version;
	size_t n = http_head_find(u->head, "sec-websocket-version", &version);
	bool ours = n == 1 && bytes_equal_str(version, "13");
	return ours ? 0 : refuse(u, 426, "only WebSocket version 13 is supported");
}

// Encoding what was decoded must give the same text: that leaves only the canonical form.
static bool key_valid(struct bytes text)
{
	uint8_t key[KEY_TEXT_LEN / 4 * 3];
	uint8_t again[KEY_TEXT_LEN + 1];
	if (text.len != KEY_TEXT_LEN ||
		EVP_DecodeBlock(key, text.data, KEY_TEXT_LEN) != (int)sizeof(key)) {
		return false;
	}
	EVP_EncodeBlock(again, key, KEY_LEN);
	return memcmp(again, text.data, KEY_TEXT_LEN) == 0;
}

// RFC 6455 section 4.2.2.
static void accept_key(struct bytes key, char accept[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t input[KEY_TEXT_LEN + sizeof(guid) - 1];
	uint8_t digest[SHA1_LEN];
	memcpy(input, key.data, KEY_TEXT_LEN);
	memcpy(input + KEY_TEXT_LEN, guid, sizeof(guid) - 1);
	if (EVP_Digest(input, sizeof(input), digest, NULL, EVP_sha1(), NULL) != 1) {
		mem_exhausted(); // nothing else makes it fail
	}
	EVP_EncodeBlock((uint8_t *)accept, digest, SHA1_LEN);
}

static int check_key(struct upgrade *u)
{
	struct bytes key;
	size_t n = http_head_find(u->head, "sec-websocket-key", &key);
	if (n != 1 || !key_valid(key)) {
		return refuse(u, 400, "Sec-WebSocket-Key is not the base64 of 16 bytes");
	}
	accept_key(key, u->request->accept);
	return 0;
}

static bool host_is_local(struct bytes host)
{
	static const char *const names[] = { "localhost", "[::1]", "::1", "127.0.0.1" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (host.len == strlen(names[i]) &&
			strncasecmp((const char *)host.data, names[i], host.len) == 0) {
			return true;
		}
	}
	return false;
}

// Scheme, host and port of the page are those this request came to.
static bool origin_is_own(const struct upgrade *u, struct bytes origin)
{
	const char *scheme = u->policy->tls ? "https://" : "http://";
	const uint16_t default_port = u->policy->tls ? 443 : 80;
	struct bytes page_host;
	struct bytes host;
	uint16_t page_port;
	uint16_t port;
	if (!bytes_has_prefix(origin, scheme) ||
		!http_authority_split(bytes_from(origin, strlen(scheme)), &page_host, &page_port)) {
		return false;
	}
	if (!http_authority_split(u->head->authority, &host, &port)) {
		return false;
	}
	if (u->policy->local_only && !host_is_local(host)) {
		return false;
	}
	page_port = page_port > 0 ? page_port : default_port;
	port = port > 0 ? port : default_port;
	return page_port == port && page_host.len == host.len &&
		strncasecmp((const char *)page_host.data, (const char *)host.data, host.len) == 0;
}

bool http_origin_is_listed(const struct upgrade_policy *policy, struct bytes origin)
{
	for (size_t i = 0; i < policy->n_allowed_origins; i++) {
		if (origin_entry_matches(policy->allowed_origins[i], origin)) {
			return true;
		}
	}
	return false;
}

// A browser always names the page's origin, so who names none is no browser and holds no cookies or
// network position of a victim's.
static int check_origin(struct upgrade *u)
{
	struct bytes origin;
	size_t n = http_head_find(u->head, "origin", &origin);
	if (n == 0) {
		return 0;
	}
	if (n > 1) {
		return refuse(u, 400, "more than one Origin");
	}
	if (!origin_is_own(u, origin) && !http_origin_is_listed(u->policy, origin)) {
		return refuse(u, 403, "this origin is not allowed");
	}
	u->request->origin = origin;
	return 0;
}

static const char *const subprotocols[SUBPROTOCOL_COUNT] = {
	[SUBPROTOCOL_JSON] = "weir.v1.json",
	[SUBPROTOCOL_PROTO] = "weir.v1.proto",
};

// SUBPROTOCOL_NONE for one that is not supported.
static enum subprotocol find_subprotocol(struct bytes name)
{
	enum subprotocol found = SUBPROTOCOL_NONE + 1;
	while (found < SUBPROTOCOL_COUNT && !bytes_equal_str(name, subprotocols[found])) {
		found++;
	}
	return found < SUBPROTOCOL_COUNT ? found : SUBPROTOCOL_NONE;
}

// Browsers can send a token nowhere else than in the URL or among the subprotocols.
static int check_subprotocols(struct upgrade *u)
{
	static const char bearer[] = "bearer.";
	struct http_list_cursor cursor = { 0 };
	struct bytes offer;
	bool offered = false;
	while (http_head_list_next(u->head, "sec-websocket-protocol", &cursor, &offer)) {
		int status = 0;
		offered = true;
		if (u->request->subprotocol == SUBPROTOCOL_NONE) {
			u->request->subprotocol = find_subprotocol(offer);
		}
		if (bytes_equal_str(offer, bearer)) {
			status = refuse(u, 400, "an empty bearer subprotocol");
		} else if (bytes_has_prefix(offer, bearer)) {
			status = add_token(u, bytes_from(offer, strlen(bearer)));
		}
		if (status != 0) {
			return status;
		}
	}
	if (offered && u->request->subprotocol == SUBPROTOCOL_NONE) {
		return refuse(u, 400, "none of the offered subprotocols is supported");
	}
	return 0;
}

static int check_extensions(struct upgrade *u)
{
	bool well_formed =
		ws_offer_choose(u->head, u->policy->compression, &u->request->compression);
	return well_formed ? 0 : refuse(u, 400, "malformed Sec-WebSocket-Extensions");
}

static bool is_token68(struct bytes text) // RFC 9110 section 11.2
{
	while (text.len > 0 && text.data[text.len - 1] == '=') {
		text.len--;
	}
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (!ascii_is_alnum(c) && strchr("-._~+/", c) == NULL) {
			return false;
		}
	}
	return text.len > 0;
}

// Another scheme than Bearer is for a proxy in front of us.
static int check_authorization(struct upgrade *u)
{
	struct bytes value;
	struct bytes scheme;
	struct bytes token;
	size_t n = http_head_find(u->head, "authorization", &value);
	if (n > 1) {
		return refuse(u, 400, "more than one Authorization");
	}
	if (n == 0) {
		return 0;
	}
	bytes_cut(value, ' ', &scheme, &token);
	if (!http_token_equal(scheme, "bearer")) {
		return 0;
	}
	while (bytes_has_prefix(token, " ")) {
		token = bytes_from(token, 1);
	}
	return is_token68(token) ? add_token(u, token) : refuse(u, 400, "malformed Bearer token");
}

static int check_query(struct upgrade *u)
{
	struct bytes rest = u->head->query;
	struct bytes token = { 0 };
	bool has_token = false;
	// Everything must decode, also what nobody here reads.
	buf_reset(u->scratch, SIZE_MAX);
	if (!http_percent_decode(rest, u->scratch)) {
		return refuse(u, 400, "malformed escape in the query");
	}
	while (rest.len > 0) {
		struct bytes pair;
		struct bytes name;
		struct bytes value;
		bytes_cut(rest, '&', &pair, &rest);
		bytes_cut(pair, '=', &name, &value);
		if (bytes_equal_str(name, "autojoin") && bytes_equal_str(value, "0")) {
			u->request->autojoin = false;
		}
		if (bytes_equal_str(name, "token")) {
			if (has_token) {
				return refuse(u, 400, "more than one token in the query");
			}
			has_token = true;
			token = value;
		}
	}
	if (token.len == 0) {
		return 0;
	}
	if (memchr(token.data, '%', token.len) != NULL) {
		buf_reset(u->scratch, SIZE_MAX);
		CHECK(http_percent_decode(token, u->scratch));
		token = buf_bytes(u->scratch);
	}
	return add_token(u, token);
}

// In the order in which a request is refused.
static int (*const rules[])(struct upgrade *u) = {
	check_path,
	check_method,
	check_upgrade,
	check_version,
	check_key,
	check_origin,
	check_subprotocols,
	check_extensions,
	check_authorization,
	check_query,
};

int http_upgrade_check(const struct http_head *head, const struct upgrade_policy *policy,
	struct upgrade_request *request, struct buf *scratch)
{
	struct upgrade u = {
		.head = head,
		.policy = policy,
		.request = request,
		.scratch = scratch,
	};
	*request = (struct upgrade_request){ .autojoin = true };
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		int status = rules[i](&u);
		if (status != 0) {
			return status;
		}
	}
	return 101;
}

static void append_status_line(struct buf *out, int status)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
}

static void append_field(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s: %s\r\n", name, value);
}

// The fields of every answer that ends the connection. A URL may hold a token, so the page that
// shows the answer must not hand it on, nor a cache keep it.
static void append_closing_fields(struct buf *out, const char *content_type, size_t content_length)
{
	append_field(out, "Content-Type", content_type);
	buf_printf(out, "Content-Length: %zu\r\n", content_length);
	append_field(out, "Cache-Control", "no-store");
	append_field(out, "Referrer-Policy", "no-referrer");
}

void http_upgrade_accept(struct buf *out, const struct upgrade_request *request)
{
	append_status_line(out, 101);
	append_field(out, "Upgrade", "websocket");
	append_field(out, "Connection", "Upgrade");
	append_field(out, "Sec-WebSocket-Accept", request->accept);
	if (request->subprotocol != SUBPROTOCOL_NONE) {
		append_field(out, "Sec-WebSocket-Protocol", subprotocols[request->subprotocol]);
	}
	if (request->compression.compressed) {
		buf_append_str(out, "Sec-WebSocket-Extensions: ");
		ws_offer_answer(out, &request->compression);
		buf_append_str(out, "\r\n");
	}
	buf_append_str(out, "\r\n");
}

void http_answer_begin(struct buf *out, int status)
{
	append_status_line(out, status);
	append_field(out, "Connection", status == 426 ? "close, Upgrade" : "close");
}

void http_answer_end(struct buf *out, const char *line, bool head_only)
{
	append_closing_fields(out, "text/plain; charset=utf-8", strlen(line) + 1);
	buf_append_str(out, "\r\n");
	if (!head_only) {
		buf_append_str(out, line);
		buf_append_byte(out, '\n');
	}
}

void http_refuse(struct buf *out, int status, const char *why, unsigned retry_after_s)
{
	http_answer_begin(out, status);
	if (status == 426) { // RFC 9110 section 15.5.22, RFC 6455 section 4.4
		append_field(out, "Upgrade", "websocket");
		append_field(out, "Sec-WebSocket-Version", "13");
	}
	if (status == 405) {
		append_field(out, "Allow", "GET");
	}
	if ((status == 503 || status == 429) && retry_after_s > 0) {
		buf_printf(out, "Retry-After: %u\r\n", retry_after_s);
	}
	http_answer_end(out, why, false);
}
