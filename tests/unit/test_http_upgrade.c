#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "edge/http/http_upgrade.h"
#include "proto/link/crypto_mem.h"
#include "tests/unit/test.h"

#define HOST       "Host: chat.example.org\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST       CONNECTION VERSION KEY
#define FIELDS     HOST UPGRADE REST
#define GET        "GET /ws HTTP/1.1\r\n"
#define END        "\r\n"

static const char *const listed_origins[] = { "https://good.example", "http://dev.example:3000" };

static const struct upgrade_policy plain = {
	.allowed_origins = listed_origins,
	.n_allowed_origins = ARRAY_LEN(listed_origins),
};
static const struct upgrade_policy tls = {
	.allowed_origins = listed_origins,
	.n_allowed_origins = ARRAY_LEN(listed_origins),
	.tls = true,
};

struct fixture {
	struct http_head head;
	struct upgrade_request request;
	struct buf scratch;
};

// The request must be a valid head. `f` stays usable until the next call.
static int check(struct fixture *f, const struct upgrade_policy *policy, const char *text)
{
	if (http_head_parse(bytes_str(text), &f->head) != 0) {
		fail_msg("no head: %s", text);
	}
	int status = http_upgrade_check(&f->head, policy, &f->request, &f->scratch);
	assert_true((status == 101) == (f->request.why == NULL));
	return status;
}

static void fini(struct fixture *f)
{
	buf_fini(&f->scratch);
}

struct row {
	int status;
	const char *what;
	const char *text;
};

static void check_rows(const struct row *rows, size_t n, const struct upgrade_policy *policy)
{
	struct fixture f = { 0 };
	for (size_t i = 0; i < n; i++) {
		int status = check(&f, policy, rows[i].text);
		if (status != rows[i].status) {
			fail_msg("%s: %d", rows[i].what, status);
		}
	}
	fini(&f);
}

static void accepts_the_example_of_the_rfc(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	assert_int_equal(check(&f, &plain, GET FIELDS END), 101);
	assert_string_equal(f.request.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(f.request.subprotocol, SUBPROTOCOL_NONE);
	assert_int_equal(f.request.token.len, 0);
	assert_int_equal(f.request.origin.len, 0);
	assert_true(f.request.autojoin);
	fini(&f);
}

static const struct row handshakes[] = {
	{ 101, "the root", "GET / HTTP/1.1\r\n" FIELDS END },
	{ 404, "another path", "GET /wss HTTP/1.1\r\n" FIELDS END },
	{ 404, "a slash behind it", "GET /ws/ HTTP/1.1\r\n" FIELDS END },
	{ 404, "two slashes", "GET //ws HTTP/1.1\r\n" FIELDS END },
	{ 404, "dots", "GET /ws/..%2f HTTP/1.1\r\n" FIELDS END },
	{ 404, "an escaped path", "GET /%77s HTTP/1.1\r\n" FIELDS END },
	{ 404, "another letter case", "GET /WS HTTP/1.1\r\n" FIELDS END },
	{ 404, "another path and method", "POST /x HTTP/1.1\r\n" HOST END },
	{ 405, "POST", "POST /ws HTTP/1.1\r\n" FIELDS END },
	{ 405, "HEAD", "HEAD / HTTP/1.1\r\n" FIELDS END },
	{ 405, "get", "get /ws HTTP/1.1\r\n" FIELDS END },
	{ 405, "POST without upgrade", "POST /ws HTTP/1.1\r\n" HOST END },
	{ 426, "a plain GET", "GET / HTTP/1.1\r\n" HOST END },
	{ 426, "a plain GET in HTTP/1.0", "GET / HTTP/1.0\r\n" END },
	{ 426, "an empty Upgrade", GET HOST "Upgrade:\r\n" REST END },
	{ 426, "another upgrade", GET HOST "Upgrade: h2c\r\n" REST END },
	{ 426, "an upgrade that only begins like it", GET HOST "Upgrade: websockets\r\n" REST END },
	{ 101, "several upgrades", GET HOST "Upgrade: h2c, WebSocket\r\n" REST END },
	{ 101, "several Upgrade fields", GET HOST "Upgrade: h2c\r\n" UPGRADE REST END },
	{ 400, "HTTP/1.0", "GET /ws HTTP/1.0\r\n" FIELDS END },
	{ 400, "a body", GET FIELDS "Content-Length: 10\r\n" END },
	{ 400, "a chunked body", GET FIELDS "Transfer-Encoding: chunked\r\n" END },
	{ 101, "an empty body", GET FIELDS "Content-Length: 0\r\n" END },
	{ 400, "no Connection", GET HOST UPGRADE VERSION KEY END },
	{ 400, "another connection option",
		GET HOST UPGRADE "Connection: keep-alive\r\n" VERSION KEY END },
	{ 400, "connection close", GET HOST UPGRADE "Connection: close\r\n" VERSION KEY END },
	{ 101, "keep-alive, Upgrade",
		GET HOST UPGRADE "Connection: keep-alive, Upgrade\r\n" VERSION KEY END },
	{ 101, "odd letter case",
		GET "hOST: a\r\nUPGRADE: WEBSOCKET\r\ncONNECTION: uPGRADE\r\n"
		    "sec-websocket-version: 13\r\nSEC-WEBSOCKET-KEY: "
		    "dGhlIHNhbXBsZSBub25jZQ==\r\n" END },
	{ 426, "no version", GET HOST UPGRADE CONNECTION KEY END },
	{ 426, "version 8", GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n" END },
	{ 426, "version 13, 8",
		GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n" END },
	{ 426, "version 013",
		GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 013\r\n" END },
	{ 426, "two versions", GET FIELDS VERSION END },
	{ 426, "version 8 without a key",
		GET HOST UPGRADE CONNECTION "Sec-WebSocket-Version: 8\r\n" END },
	{ 400, "no key", GET HOST UPGRADE CONNECTION VERSION END },
	{ 400, "two keys", GET FIELDS KEY END },
	{ 101, "an extension is passed over",
		GET FIELDS "Sec-WebSocket-Extensions: permessage-deflate\r\n" END },
	{ 400, "a malformed extension", GET FIELDS "Sec-WebSocket-Extensions: x;\r\n" END },
	{ 400, "no extension", GET FIELDS "Sec-WebSocket-Extensions:\r\n" END },
};

static void refuses_what_is_no_opening_handshake(void **state)
{
	(void)state;
	check_rows(handshakes, ARRAY_LEN(handshakes), &plain);
}

static void takes_only_the_canonical_base64_of_16_bytes_for_a_key(void **state)
{
	(void)state;
	static const char *const invalid[] = {
		"",
		"dGhlIHNhbXBsZSBub25jZQ", // no padding
		"dGhlIHNhbXBsZSBub25jZQ=", // half of it
		"dGhlIHNhbXBsZSBub25jZQ===", // too much
		"dGhlIHNhbXBsZSBub25jZQE=", // 17 bytes
		"dGhlIHNhbXBsZSBub25jZQEC", // 18 bytes
		"dGhlIHNhbXBsZSBub25j", // 15 bytes
		"dGhlIHNhbXBsZSBub25jZR==", // bits in the padding
		"dGhlIHNhbXBsZSBub25jZ_==", // base64url
		"dGhl HNhbXBsZSBub25jZQ==", // a space
		"dGhlIHNhbXBsZSBub25=ZQ==", // padding inside
		"dGhlIHNhbXBsZSBub25j====", // padding for a digit
		"\xc3\xa4hlIHNhbXBsZSBub25jZQ==",
	};
	struct fixture f = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
		char *text = xasprintf(GET HOST UPGRADE CONNECTION VERSION
			"Sec-WebSocket-Key: %s\r\n" END,
			invalid[i]);
		int status = check(&f, &plain, text);
		free(text);
		if (status != 400) {
			fail_msg("%s: %d", invalid[i], status);
		}
	}
	assert_int_equal(check(&f, &plain,
				 GET HOST UPGRADE CONNECTION VERSION
				 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" END),
		101);
	fini(&f);
}

struct origin_row {
	int status_plain; // on a listener without TLS
	int status_tls;
	const char *host;
	const char *origin;
};

static const struct origin_row origins[] = {
	// The same host.
	{ 101, 403, "chat.example", "http://chat.example" },
	{ 403, 101, "chat.example", "https://chat.example" },
	{ 101, 403, "chat.example:8080", "http://chat.example:8080" },
	{ 403, 101, "chat.example:8443", "https://chat.example:8443" },
	{ 101, 403, "Chat.Example", "http://chat.example" },
	{ 101, 403, "chat.example:80", "http://chat.example" },
	{ 101, 403, "chat.example", "http://chat.example:80" },
	{ 403, 101, "chat.example:443", "https://chat.example" },
	{ 403, 101, "chat.example", "https://chat.example:443" },
	{ 101, 403, "[::1]:8080", "http://[::1]:8080" },
	// Another port.
	{ 403, 403, "chat.example:443", "http://chat.example" },
	{ 403, 403, "chat.example", "http://chat.example:443" },
	{ 403, 403, "chat.example:8080", "http://chat.example" },
	{ 403, 403, "chat.example:8080", "http://chat.example:8081" },
	{ 403, 403, "chat.example:80", "https://chat.example" },
	// Another host.
	{ 403, 403, "chat.example", "http://evil.example" },
	{ 403, 403, "chat.example", "https://chat.example.evil.example" },
	{ 403, 403, "chat.example", "http://chat.exampl" },
	{ 403, 403, "chat.example", "http://xchat.example" },
	{ 403, 403, "127.0.0.1", "http://localhost" },
	// No origin of a page.
	{ 403, 403, "chat.example", "null" },
	{ 403, 403, "chat.example", "" },
	{ 403, 403, "chat.example", "chat.example" },
	{ 403, 403, "chat.example", "//chat.example" },
	{ 403, 403, "chat.example", "ws://chat.example" },
	{ 403, 403, "chat.example", "http://chat.example/" },
	{ 403, 403, "chat.example", "http://u@chat.example" },
	{ 403, 403, "chat.example", "http://" },
	{ 403, 403, "chat.example", "http://chat.example http://chat.example" },
	// Listed, letter by letter.
	{ 101, 101, "chat.example", "https://good.example" },
	{ 101, 101, "chat.example", "http://dev.example:3000" },
	{ 403, 403, "chat.example", "http://good.example" },
	{ 403, 403, "chat.example", "https://good.example:8443" },
	{ 403, 403, "chat.example", "https://good.example.evil.example" },
	{ 403, 403, "chat.example", "https://sub.good.example" },
	{ 403, 403, "chat.example", "https://good.exampl" },
	{ 403, 403, "chat.example", "http://dev.example" },
};

static void allows_pages_of_the_same_host_and_listed_ones(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		const struct origin_row *row = &origins[i];
		char *text = xasprintf(GET "Host: %s\r\nOrigin: %s\r\n" UPGRADE REST END, row->host,
			row->origin);
		int status_plain = check(&f, &plain, text);
		int status_tls = check(&f, &tls, text);
		if (status_plain != row->status_plain || status_tls != row->status_tls) {
			fail_msg("%s on %s: %d, %d", row->origin, row->host, status_plain,
				status_tls);
		}
		if (status_tls == 101) {
			assert_bytes_equal(f.request.origin, row->origin);
		}
		free(text);
	}
	fini(&f);
}

// RFC 9112 section 3.2.2.
static void takes_the_own_host_from_an_absolute_target(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ 101, "no origin", "GET http://other/ws HTTP/1.1\r\n" FIELDS END },
		{ 101, "nothing behind the host", "GET http://other HTTP/1.1\r\n" FIELDS END },
		{ 404, "another path", "GET http://other/x HTTP/1.1\r\n" FIELDS END },
		{ 101, "a page of the target's host",
			"GET http://other:81/ws HTTP/1.1\r\nOrigin: http://other:81\r\n" FIELDS
				END },
		{ 101, "the scheme of the target counts for nothing",
			"GET https://other/ws HTTP/1.1\r\nOrigin: http://other\r\n" FIELDS END },
		{ 403, "a page of Host's",
			"GET http://other/ws HTTP/1.1\r\nOrigin: http://chat.example.org\r\n" FIELDS
				END },
		{ 403, "the target's host at another port",
			"GET http://other:81/ws HTTP/1.1\r\nOrigin: http://other\r\n" FIELDS END },
		{ 101, "a listed page",
			"GET http://other/ws HTTP/1.1\r\nOrigin: https://good.example\r\n" FIELDS
				END },
	};
	check_rows(rows, ARRAY_LEN(rows), &plain);
	struct fixture f = { 0 };
	assert_int_equal(
		check(&f, &plain, "GET http://a?token=t&autojoin=0 HTTP/1.1\r\n" FIELDS END), 101);
	assert_bytes_equal(f.request.token, "t");
	assert_false(f.request.autojoin);
	fini(&f);
}

static void allows_null_and_all_when_the_list_says_so(void **state)
{
	(void)state;
	static const char *const null_listed[] = { "null" };
	static const char *const all_listed[] = { "https://good.example", "*" };
	const struct upgrade_policy allow_null = { null_listed, ARRAY_LEN(null_listed), false };
	const struct upgrade_policy allow_all = { all_listed, ARRAY_LEN(all_listed), false };
	static const char null_origin[] = GET FIELDS "Origin: null\r\n" END;
	static const char evil_origin[] = GET FIELDS "Origin: https://evil.example\r\n" END;
	struct fixture f = { 0 };
	assert_int_equal(check(&f, &allow_null, null_origin), 101);
	assert_int_equal(check(&f, &allow_null, evil_origin), 403);
	assert_int_equal(check(&f, &allow_all, evil_origin), 101);
	assert_int_equal(
		check(&f, &allow_all, GET FIELDS "Origin: http://a\r\nOrigin: http://a\r\n" END),
		400);
	fini(&f);
}

struct offer_row {
	int status;
	enum subprotocol subprotocol;
	const char *token;
	const char *offers;
};

static const struct offer_row offer_rows[] = {
	{ 101, SUBPROTOCOL_JSON, "", "Sec-WebSocket-Protocol: weir.v1.json\r\n" },
	{ 101, SUBPROTOCOL_JSON, "", "Sec-WebSocket-Protocol: chat, weir.v1.json, soap\r\n" },
	{ 101, SUBPROTOCOL_PROTO, "", "Sec-WebSocket-Protocol: weir.v1.proto\r\n" },
	{ 101, SUBPROTOCOL_PROTO, "", "Sec-WebSocket-Protocol: weir.v1.proto, weir.v1.json\r\n" },
	{ 101, SUBPROTOCOL_JSON, "", "Sec-WebSocket-Protocol: weir.v1.json, weir.v1.proto\r\n" },
	{ 101, SUBPROTOCOL_PROTO, "t",
		"Sec-WebSocket-Protocol: weir.v2.json, weir.v1.proto, bearer.t\r\n" },
	{ 101, SUBPROTOCOL_JSON, "a.b-c_d",
		"Sec-WebSocket-Protocol: weir.v1.json, bearer.a.b-c_d\r\n" },
	{ 101, SUBPROTOCOL_JSON, "a.b", "Sec-WebSocket-Protocol: bearer.a.b,weir.v1.json\r\n" },
	{ 101, SUBPROTOCOL_JSON, "t",
		"Sec-WebSocket-Protocol: weir.v1.json\r\nSec-WebSocket-Protocol: bearer.t\r\n" },
	{ 101, SUBPROTOCOL_JSON, "t",
		"Sec-WebSocket-Protocol: bearer.t, weir.v1.json, bearer.t\r\n" },
	{ 101, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: ,\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: chat\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: WEIR.V1.JSON\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: weir.v1.jsonx, weir.v1\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: bearer.t\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: chat, bearer.t\r\n" },
	{ 400, SUBPROTOCOL_NONE, "", "Sec-WebSocket-Protocol: weir.v2.proto, bearer.t\r\n" },
	{ 400, SUBPROTOCOL_JSON, "", "Sec-WebSocket-Protocol: weir.v1.json, bearer.\r\n" },
	{ 400, SUBPROTOCOL_JSON, "",
		"Sec-WebSocket-Protocol: weir.v1.json, bearer.t, bearer.u\r\n" },
};

static void picks_the_json_subprotocol_and_the_token_beside_it(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(offer_rows); i++) {
		const struct offer_row *row = &offer_rows[i];
		char *text = xasprintf(GET FIELDS "%s" END, row->offers);
		int status = check(&f, &plain, text);
		if (status != row->status) {
			fail_msg("%s: %d", row->offers, status);
		}
		if (status == 101) {
			assert_int_equal(f.request.subprotocol, row->subprotocol);
			assert_bytes_equal(f.request.token, row->token);
		}
		free(text);
	}
	fini(&f);
}

struct token_row {
	int status;
	const char *token;
	const char *query;
	const char *fields;
};

#define JSON_BEARER(token) "Sec-WebSocket-Protocol: weir.v1.json, bearer." token "\r\n"

static const struct token_row token_rows[] = {
	// The query.
	{ 101, "a.b.c", "?token=a.b.c", "" },
	{ 101, "a.b.c", "?x=1&token=a.b.c&y", "" },
	{ 101, "a=b=", "?token=a=b=", "" },
	{ 101, "a.b&c", "?token=a%2Eb%26c", "" },
	{ 101, "\xff j", "?token=%fF%20%6a", "" },
	{ 101, "a+b", "?token=a+b", "" },
	{ 101, "", "?token=", "" },
	{ 101, "", "?token", "" },
	{ 101, "", "?&&=&", "" },
	{ 101, "", "?Token=a&tokens=b&xtoken=c&token%3d=d", "" },
	{ 400, "", "?token=a&token=b", "" },
	{ 400, "", "?token=a&token=a", "" },
	{ 400, "", "?token=&token=a", "" },
	{ 400, "", "?token&token=a", "" },
	{ 400, "", "?token=%00", "" },
	{ 400, "", "?token=a%00b", "" },
	{ 400, "", "?token=%zz", "" },
	{ 400, "", "?token=%g0", "" },
	{ 400, "", "?token=%0g", "" },
	{ 400, "", "?token=a%", "" },
	{ 400, "", "?token=a%4", "" },
	{ 400, "", "?token=%2%35", "" },
	{ 400, "", "?token=a&x=%zz", "" },
	{ 400, "", "?%zz", "" },
	// Authorization.
	{ 101, "a.b-_~+/c==", "", "Authorization: Bearer a.b-_~+/c==\r\n" },
	{ 101, "t", "", "authorization: bEARER   t\r\n" },
	{ 101, "", "", "Authorization: Basic dTpw\r\n" },
	{ 101, "", "", "Authorization: Bearerx t\r\n" },
	{ 101, "", "", "Authorization:\r\n" },
	{ 101, "q", "?token=q", "Authorization: Basic dTpw\r\n" },
	{ 400, "", "", "Authorization: Bearer\r\n" },
	{ 400, "", "", "Authorization: Bearer \r\n" },
	{ 400, "", "", "Authorization: Bearer a b\r\n" },
	{ 400, "", "", "Authorization: Bearer a,b\r\n" },
	{ 400, "", "", "Authorization: Bearer a=b\r\n" },
	{ 400, "", "", "Authorization: Bearer ==\r\n" },
	{ 400, "", "", "Authorization: Bearer \"t\"\r\n" },
	{ 400, "", "", "Authorization: Bearer t\r\nAuthorization: Bearer t\r\n" },
	{ 400, "", "", "Authorization: Bearer t\r\nAuthorization: Basic dTpw\r\n" },
	// Several places.
	{ 101, "t", "?token=t", "Authorization: Bearer t\r\n" JSON_BEARER("t") },
	{ 101, "t", "?token=%74", "Authorization: Bearer t\r\n" },
	{ 101, "t", "?token=", "Authorization: Bearer t\r\n" },
	{ 400, "", "?token=u", "Authorization: Bearer t\r\n" },
	{ 400, "", "?token=u", JSON_BEARER("t") },
	{ 400, "", "", "Authorization: Bearer u\r\n" JSON_BEARER("t") },
	{ 400, "", "?token=tt", "Authorization: Bearer t\r\n" },
};

static void finds_one_token_in_three_places(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(token_rows); i++) {
		const struct token_row *row = &token_rows[i];
		char *text =
			xasprintf("GET /%s HTTP/1.1\r\n" FIELDS "%s" END, row->query, row->fields);
		int status = check(&f, &plain, text);
		if (status != row->status) {
			fail_msg("%s %s: %d", row->query, row->fields, status);
		}
		if (status == 101) {
			assert_bytes_equal(f.request.token, row->token);
		}
		free(text);
	}
	fini(&f);
}

static void reads_autojoin(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	assert_int_equal(check(&f, &plain, "GET /?autojoin=0&token=t HTTP/1.1\r\n" FIELDS END),
		101);
	assert_false(f.request.autojoin);
	assert_bytes_equal(f.request.token, "t");
	assert_int_equal(check(&f, &plain, "GET /?autojoin=1 HTTP/1.1\r\n" FIELDS END), 101);
	assert_true(f.request.autojoin);
	assert_int_equal(check(&f, &plain, "GET /?autojoin HTTP/1.1\r\n" FIELDS END), 101);
	assert_true(f.request.autojoin);
	fini(&f);
}

static void refuses_for_the_first_rule_broken(void **state)
{
	(void)state;
#define EVIL    "Origin: https://evil.example\r\n"
#define UNKNOWN "Sec-WebSocket-Protocol: chat\r\n"
	static const struct row rows[] = {
		{ 404, "path before method",
			"POST /x?token=%zz HTTP/1.1\r\n" HOST EVIL UNKNOWN END },
		{ 405, "method before upgrade",
			"POST /?token=%zz HTTP/1.1\r\n" HOST EVIL UNKNOWN END },
		{ 426, "upgrade before origin",
			"GET /?token=%zz HTTP/1.1\r\n" HOST EVIL UNKNOWN END },
		{ 403, "origin before offers",
			"GET /?token=%zz HTTP/1.1\r\n" FIELDS EVIL UNKNOWN END },
	};
	check_rows(rows, ARRAY_LEN(rows), &plain);
}

static void answers_an_upgrade_without_the_token(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	struct buf out = { 0 };
	assert_int_equal(check(&f, &plain,
				 "GET /?token=secret HTTP/1.1\r\n" FIELDS JSON_BEARER("secret")
					 END),
		101);
	http_upgrade_accept(&out, &f.request);
	assert_bytes_equal(buf_bytes(&out),
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		"Sec-WebSocket-Protocol: weir.v1.json\r\n"
		"\r\n");
	buf_fini(&out);
	fini(&f);
}

static void names_no_subprotocol_when_none_was_offered(void **state)
{
	(void)state;
	struct fixture f = { 0 };
	struct buf out = { 0 };
	assert_int_equal(check(&f, &plain, GET FIELDS END), 101);
	http_upgrade_accept(&out, &f.request);
	assert_bytes_equal(buf_bytes(&out),
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		"\r\n");
	buf_fini(&out);
	fini(&f);
}

static void answers_an_offer_of_compression_if_it_may(void **state)
{
	(void)state;
	static const struct upgrade_policy compressing = { .compression = { 9, 15 } };
	static const char request[] = GET FIELDS
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n" END;
	struct fixture f = { 0 };
	struct buf out = { 0 };
	assert_int_equal(check(&f, &plain, request), 101);
	assert_false(f.request.compression.compressed);
	assert_int_equal(check(&f, &compressing, request), 101);
	assert_int_equal(f.request.compression.window_bits, 10);
	http_upgrade_accept(&out, &f.request);
	assert_bytes_equal(buf_bytes(&out),
		"HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
		"client_no_context_takeover; server_max_window_bits=10\r\n"
		"\r\n");
	buf_fini(&out);
	fini(&f);
}

#define CLOSING(length)                                                                            \
	"Content-Type: text/plain; charset=utf-8\r\n"                                              \
	"Content-Length: " length "\r\n"                                                           \
	"Cache-Control: no-store\r\n"                                                              \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"\r\n"

struct refusal {
	int status;
	unsigned retry_after_s;
	const char *expected;
};

static const struct refusal refusals[] = {
	{ 400, 0, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n" CLOSING("4") "why\n" },
	{ 400, 7, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n" CLOSING("4") "why\n" },
	{ 405, 0,
		"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n" CLOSING(
			"4") "why\n" },
	{ 426, 0,
		"HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nUpgrade: "
		"websocket\r\n"
		"Sec-WebSocket-Version: 13\r\n" CLOSING("4") "why\n" },
	{ 429, 1,
		"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n" CLOSING(
			"4") "why\n" },
	{ 503, 30,
		"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: "
		"30\r\n" CLOSING("4") "why\n" },
	{ 503, 0,
		"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n" CLOSING("4") "why\n" },
};

static void refuses_with_a_complete_answer_that_closes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct buf out = { 0 };
		buf_append_str(&out, "before ");
		http_refuse(&out, refusals[i].status, "why", refusals[i].retry_after_s);
		assert_bytes_equal(bytes_from(buf_bytes(&out), strlen("before ")),
			refusals[i].expected);
		buf_fini(&out);
	}
}

int main(void)
{
	crypto_mem_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_example_of_the_rfc),
		cmocka_unit_test(refuses_what_is_no_opening_handshake),
		cmocka_unit_test(takes_only_the_canonical_base64_of_16_bytes_for_a_key),
		cmocka_unit_test(allows_pages_of_the_same_host_and_listed_ones),
		cmocka_unit_test(takes_the_own_host_from_an_absolute_target),
		cmocka_unit_test(allows_null_and_all_when_the_list_says_so),
		cmocka_unit_test(picks_the_json_subprotocol_and_the_token_beside_it),
		cmocka_unit_test(finds_one_token_in_three_places),
		cmocka_unit_test(reads_autojoin),
		cmocka_unit_test(refuses_for_the_first_rule_broken),
		cmocka_unit_test(answers_an_upgrade_without_the_token),
		cmocka_unit_test(names_no_subprotocol_when_none_was_offered),
		cmocka_unit_test(answers_an_offer_of_compression_if_it_may),
		cmocka_unit_test(refuses_with_a_complete_answer_that_closes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
