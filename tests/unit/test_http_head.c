#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/http_head.h"
#include "common/mem.h"
#include "tests/unit/test.h"

// Parses a copy of exactly that length, so that the sanitizer sees a byte read past it. The spans
// in `head` are not valid afterwards.
static int parse_exactly(struct bytes data, struct http_head *head)
{
	uint8_t *copy = xmemdup(data.data, data.len);
	int status = http_head_parse(bytes_make(copy, data.len), head);
	free(copy);
	return status;
}

// Every prefix says "more" up to some byte, and from there on what the whole says.
static int parse_at_every_length(struct bytes data)
{
	struct http_head head;
	int whole = parse_exactly(data, &head);
	int before = 1;
	for (size_t len = 0; len <= data.len; len++) {
		int status = parse_exactly(bytes_make(data.data, len), &head);
		assert_true(status == whole || status == 1);
		assert_true(before == 1 || status == before);
		before = status;
	}
	return whole;
}

static void parse_ok(const char *text, struct http_head *head)
{
	assert_int_equal(http_head_parse(bytes_str(text), head), 0);
}

static void reads_a_request(void **state)
{
	(void)state;
	static const char text[] = "GET /ws?token=a.b&x=%20 HTTP/1.1\r\n"
				   "Host: example.org:8080\r\n"
				   "X-Empty:\r\n"
				   "x-blank: \t a \t b \t\r\n"
				   "\r\n";
	struct http_head head;
	parse_ok(text, &head);
	assert_bytes_equal(head.method, "GET");
	assert_bytes_equal(head.target, "/ws?token=a.b&x=%20");
	assert_bytes_equal(head.path, "/ws");
	assert_bytes_equal(head.query, "token=a.b&x=%20");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.n_fields, 3);
	assert_bytes_equal(head.fields[0].name, "Host");
	assert_bytes_equal(head.fields[0].value, "example.org:8080");
	assert_bytes_equal(head.fields[1].value, "");
	assert_bytes_equal(head.fields[2].value, "a \t b");
	assert_int_equal(head.len, strlen(text));
	assert_false(head.has_body);
	assert_false(head.has_content_length);
	assert_int_equal(parse_at_every_length(bytes_str(text)), 0);
}

static void leaves_what_follows_the_head(void **state)
{
	(void)state;
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\x81\x80 \n\0";
	struct http_head head;
	assert_int_equal(http_head_parse(bytes_make(text, sizeof(text)), &head), 0);
	assert_int_equal(head.len, strlen("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_int_equal(head.query.len, 0);
}

#define HOST "Host: a\r\n"

struct accepted {
	const char *text;
	bool has_body;
	uint64_t content_length;
};

static const struct accepted accepted[] = {
	{ "GET / HTTP/1.0\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.0\r\n" HOST "\r\n", false, 0 },
	{ "GET / HTTP/1.9\r\n" HOST "\r\n", false, 0 },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", false, 0 },
	{ "GET //a/..;b?c?d HTTP/1.1\r\n" HOST "\r\n", false, 0 },
	{ "M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\n" HOST "\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\nhOST:a.b-c_d~\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\nHost: [fe80::A]:80\r\n\r\n", false, 0 },
	{ "GET / HTTP/1.1\r\n" HOST "X: \x80\xff\r\n\r\n", false, 0 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", false, 0 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n", true, 7 },
	{ "POST / HTTP/1.1\r\n" HOST "content-length: 18446744073709551615\r\n\r\n", true,
		UINT64_MAX },
	{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", true, 0 },
};

static void accepts_what_the_grammar_allows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct http_head head;
		parse_ok(accepted[i].text, &head);
		assert_int_equal(head.has_body, accepted[i].has_body);
		assert_int_equal(head.content_length, accepted[i].content_length);
		assert_int_equal(head.len, strlen(accepted[i].text));
		assert_int_equal(parse_at_every_length(bytes_str(accepted[i].text)), 0);
	}
}

// What is for which host (RFC 9112 section 3.2.2): Host counts only where the target names none.
static void reads_every_form_of_target(void **state)
{
	(void)state;
	static const struct {
		const char *target;
		const char *path;
		const char *query;
		const char *authority;
	} rows[] = {
		{ "/ws?a=b", "/ws", "a=b", "host:8080" },
		{ "//a/b", "//a/b", "", "host:8080" },
		{ "/http://a/b", "/http://a/b", "", "host:8080" },
		{ "http://a/ws?a=b?c", "/ws", "a=b?c", "a" },
		{ "https://a:8443/ws", "/ws", "", "a:8443" },
		{ "HTTP://A.example/", "/", "", "A.example" },
		{ "http://a", "/", "", "a" },
		{ "http://a?", "/", "", "a" },
		{ "http://a?b=/c", "/", "b=/c", "a" },
		{ "http://a//ws", "//ws", "", "a" },
		{ "http://[::1]:80/ws", "/ws", "", "[::1]:80" },
		{ "http://a:/ws", "/ws", "", "a:" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head head;
		char *text =
			xasprintf("GET %s HTTP/1.1\r\nHost: host:8080\r\n\r\n", rows[i].target);
		parse_ok(text, &head);
		assert_bytes_equal(head.target, rows[i].target);
		assert_bytes_equal(head.path, rows[i].path);
		assert_bytes_equal(head.query, rows[i].query);
		assert_bytes_equal(head.authority, rows[i].authority);
		assert_int_equal(parse_at_every_length(bytes_str(text)), 0);
		free(text);
	}
	struct http_head head;
	parse_ok("GET / HTTP/1.0\r\n\r\n", &head);
	assert_int_equal(head.authority.len, 0);
	parse_ok("GET http://a/b HTTP/1.0\r\n\r\n", &head);
	assert_bytes_equal(head.authority, "a");
}

struct refused {
	int status;
	const char *why;
	const char *text;
};

static const struct refused refused[] = {
	// The request line.
	{ 400, "an empty line first", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "no target", "GET HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "HTTP/0.9", "GET /\r\n" },
	{ 400, "an empty method", " / HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "a method that is no token", "G(T / HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "a space at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n" },
	{ 400, "a tab for a space", "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "a tab in the target", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "raw UTF-8 in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form of another scheme", "GET ws://a/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form without slashes", "GET http:a/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with one slash", "GET http:/a/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form without a host", "GET http:///a HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a port alone", "GET http://:80/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a user", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a password", "GET http://u:1@a/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a bad port", "GET http://a:0/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with an escaped host", "GET http://%61/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a backslash", "GET http://a\\b/ HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form with a fragment", "GET http://a/#b HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n" },
	{ 400, "absolute form with two Hosts", "GET http://a/ HTTP/1.1\r\n" HOST HOST "\r\n" },
	{ 400, "absolute form with a bad Host", "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n" },
	{ 400, "nothing but a scheme", "GET http:// HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "no slash", "GET ws HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "authority form", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "a star for GET", "GET * HTTP/1.1\r\n" HOST "\r\n" },
	{ 400, "the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
	{ 400, "a lower-case version", "GET / http/1.1\r\n" HOST "\r\n" },
	{ 400, "no minor version", "GET / HTTP/1\r\n" HOST "\r\n" },
	{ 400, "a long minor version", "GET / HTTP/1.10\r\n" HOST "\r\n" },
	{ 400, "a version with a comma", "GET / HTTP/1,1\r\n" HOST "\r\n" },
	{ 400, "a minor version of letters", "GET / HTTP/1.x\r\n" HOST "\r\n" },
	{ 505, "HTTP/2", "GET / HTTP/2.0\r\n" HOST "\r\n" },
	{ 505, "HTTP/0", "GET / HTTP/0.9\r\n" HOST "\r\n" },
	// Line ends and bytes.
	{ 400, "a bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n" },
	{ 400, "a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n" },
	{ 400, "a bare LF as the empty line", "GET / HTTP/1.1\r\n" HOST "\n" },
	{ 400, "a bare CR in a value", "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n" },
	{ 400, "CR CR LF", "GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n" },
	{ 400, "a bare CR as the empty line", "GET / HTTP/1.1\r\n" HOST "\rX: a\r\n\r\n" },
	{ 400, "a control byte in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n" },
	{ 400, "DEL in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n" },
	{ 400, "a TLS hello", "\x16\x03\x01\x02" },
	// Fields.
	{ 400, "space before the colon", "GET / HTTP/1.1\r\n" HOST "Key : v\r\n\r\n" },
	{ 400, "tab before the colon", "GET / HTTP/1.1\r\n" HOST "Key\t: v\r\n\r\n" },
	{ 400, "a folded line", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b: c\r\n\r\n" },
	{ 400, "a line folded with a tab", "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb: c\r\n\r\n" },
	{ 400, "a blank before the first field", "GET / HTTP/1.1\r\n " HOST "\r\n" },
	{ 400, "no colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n" },
	{ 400, "an empty name", "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n" },
	{ 400, "UTF-8 in a name", "GET / HTTP/1.1\r\n" HOST "\xc3\xa4: a\r\n\r\n" },
	// Host.
	{ 400, "no Host", "GET / HTTP/1.1\r\n\r\n" },
	{ 400, "two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n" },
	{ 400, "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n" },
	{ 400, "an empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n" },
	{ 400, "a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
	{ 400, "a Host list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n" },
	{ 400, "a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
	{ 400, "a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
	{ 400, "a Host without name", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n" },
	{ 400, "a port of letters", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n" },
	{ 400, "port 0", "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n" },
	{ 400, "port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n" },
	{ 400, "a signed port", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n" },
	{ 400, "two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n" },
	{ 400, "an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" },
	{ 400, "empty brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n" },
	{ 400, "text behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n" },
	{ 400, "a name in brackets", "GET / HTTP/1.1\r\nHost: [host]\r\n\r\n" },
	// Body framing.
	{ 400, "both framings",
		"POST / HTTP/1.1\r\n" HOST
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ 400, "differing lengths",
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" },
	{ 400, "the same length twice",
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n" },
	{ 400, "a length list", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5,5\r\n\r\n" },
	{ 400, "a signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n" },
	{ 400, "a negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n" },
	{ 400, "a hexadecimal length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n" },
	{ 400, "an empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n" },
	{ 400, "a length with a space", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1 0\r\n\r\n" },
	{ 400, "a length of 2^64",
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n" },
	{ 400, "a length of 4 * 10^19",
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 40000000000000000000\r\n\r\n" },
	{ 400, "another coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n" },
	{ 400, "a coding before chunked",
		"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n" },
	{ 400, "chunked twice",
		"POST / HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
		"\r\n" },
	{ 400, "an empty coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n" },
	{ 400, "chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
};

static void refuses_what_two_parsers_could_read_differently(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int status = parse_at_every_length(bytes_str(refused[i].text));
		if (status != refused[i].status) {
			fail_msg("%s: %d", refused[i].why, status);
		}
	}
}

static void refuses_nul_wherever_it_stands(void **state)
{
	(void)state;
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: abc\r\n\r\n";
	for (size_t at = 0; at < strlen(text); at++) {
		char copy[sizeof(text)];
		memcpy(copy, text, sizeof(text));
		copy[at] = '\0';
		assert_int_equal(parse_at_every_length(bytes_make(copy, strlen(text))), 400);
	}
}

// A request line of `line` bytes, then `n_fields` short fields after Host, then one field that
// brings the whole head to `total` bytes if that is not 0.
static void build(struct buf *out, size_t line, size_t n_fields, size_t total)
{
	static const char version[] = " HTTP/1.1";
	buf_reset(out, SIZE_MAX);
	buf_append_str(out, "GET /");
	while (out->len < line - strlen(version)) {
		buf_append_byte(out, 'a');
	}
	buf_append_str(out, version);
	buf_append_str(out, "\r\n" HOST);
	for (size_t i = 0; i < n_fields; i++) {
		buf_append_str(out, "Xx:\r\n");
	}
	if (total > 0) {
		buf_append_str(out, "Y: ");
		while (out->len < total - strlen("\r\n\r\n")) {
			buf_append_byte(out, 'b');
		}
		buf_append_str(out, "\r\n");
	}
	buf_append_str(out, "\r\n");
}

static int parse_built(size_t line, size_t n_fields, size_t total)
{
	struct buf text = { 0 };
	struct http_head head;
	build(&text, line, n_fields, total);
	int status = parse_exactly(buf_bytes(&text), &head);
	buf_fini(&text);
	return status;
}

static void limits_line_head_and_fields_exactly(void **state)
{
	(void)state;
	assert_int_equal(parse_built(HTTP_LINE_MAX, 0, 0), 0);
	assert_int_equal(parse_built(HTTP_LINE_MAX + 1, 0, 0), 414);
	assert_int_equal(parse_built(HTTP_HEAD_MAX, 0, 0), 414);
	assert_int_equal(parse_built(20, 0, HTTP_HEAD_MAX), 0);
	assert_int_equal(parse_built(20, 0, HTTP_HEAD_MAX + 1), 431);
	assert_int_equal(parse_built(20, HTTP_FIELDS_MAX - 1, 0), 0);
	assert_int_equal(parse_built(20, HTTP_FIELDS_MAX, 0), 431);
}

static void refuses_an_endless_line_without_waiting_for_its_end(void **state)
{
	(void)state;
	struct buf text = { 0 };
	struct http_head head;
	build(&text, HTTP_LINE_MAX + 100, 0, 0);
	assert_int_equal(parse_exactly(bytes_make(text.data, HTTP_LINE_MAX), &head), 1);
	assert_int_equal(parse_exactly(bytes_make(text.data, HTTP_LINE_MAX + 2), &head), 414);
	build(&text, 20, 0, HTTP_HEAD_MAX + 100);
	assert_int_equal(parse_exactly(bytes_make(text.data, HTTP_HEAD_MAX - 1), &head), 1);
	assert_int_equal(parse_exactly(bytes_make(text.data, HTTP_HEAD_MAX), &head), 431);
	buf_fini(&text);
}

static void finds_fields_in_any_letter_case_and_counts_them(void **state)
{
	(void)state;
	struct http_head head;
	struct bytes value = bytes_str("untouched");
	parse_ok("GET / HTTP/1.1\r\n" HOST "Key: first\r\nKEY: second\r\nKeys: x\r\n\r\n", &head);
	assert_int_equal(http_head_find(&head, "missing", &value), 0);
	assert_bytes_equal(value, "untouched");
	assert_int_equal(http_head_find(&head, "kEy", &value), 2);
	assert_bytes_equal(value, "first");
}

static void walks_lists_over_several_fields(void **state)
{
	(void)state;
	static const char *const expected[] = { "a", "b c", "d;e=\"f", "g\"", "h" };
	struct http_head head;
	parse_ok("GET / HTTP/1.1\r\n" HOST "L: ,a,, b c \t,\r\nM: no\r\nl:\r\nL: d;e=\"f,g\"\r\n"
		 "l: ,\r\nL: h\r\n\r\n",
		&head);
	struct http_list_cursor cursor = { 0 };
	struct bytes element;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_true(http_head_list_next(&head, "l", &cursor, &element));
		assert_bytes_equal(element, expected[i]);
	}
	assert_false(http_head_list_next(&head, "l", &cursor, &element));
	assert_false(http_head_list_next(&head, "l", &cursor, &element));
}

static void splits_authorities(void **state)
{
	(void)state;
	struct bytes host;
	uint16_t port;
	assert_true(http_authority_split(bytes_str("a.b:8080"), &host, &port));
	assert_bytes_equal(host, "a.b");
	assert_int_equal(port, 8080);
	assert_true(http_authority_split(bytes_str("[::1]"), &host, &port));
	assert_bytes_equal(host, "[::1]");
	assert_int_equal(port, 0);
	assert_true(http_authority_split(bytes_str("[::1]:443"), &host, &port));
	assert_bytes_equal(host, "[::1]");
	assert_int_equal(port, 443);
	assert_false(http_authority_split(bytes_str(""), &host, &port));
}

static void compares_tokens_without_letter_case(void **state)
{
	(void)state;
	assert_true(http_token_equal(bytes_str("WebSocket"), "websocket"));
	assert_true(http_token_equal(bytes_str("x-@["), "X-@["));
	assert_false(http_token_equal(bytes_str("websocke"), "websocket"));
	assert_false(
		http_token_equal(bytes_str("@"), "`")); // they differ in the letter-case bit only
	assert_false(http_token_equal(bytes_str("["), "{"));
}

static void names_every_status_it_returns(void **state)
{
	(void)state;
	assert_string_equal(http_status_text(101), "Switching Protocols");
	assert_string_equal(http_status_text(400), "Bad Request");
	assert_string_equal(http_status_text(414), "URI Too Long");
	assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
	assert_string_equal(http_status_text(505), "HTTP Version Not Supported");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(leaves_what_follows_the_head),
		cmocka_unit_test(accepts_what_the_grammar_allows),
		cmocka_unit_test(reads_every_form_of_target),
		cmocka_unit_test(refuses_what_two_parsers_could_read_differently),
		cmocka_unit_test(refuses_nul_wherever_it_stands),
		cmocka_unit_test(limits_line_head_and_fields_exactly),
		cmocka_unit_test(refuses_an_endless_line_without_waiting_for_its_end),
		cmocka_unit_test(finds_fields_in_any_letter_case_and_counts_them),
		cmocka_unit_test(walks_lists_over_several_fields),
		cmocka_unit_test(splits_authorities),
		cmocka_unit_test(compares_tokens_without_letter_case),
		cmocka_unit_test(names_every_status_it_returns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
