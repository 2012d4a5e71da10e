// A browser asks again each time (no-cache) and gets 304 while it has what is served, so an edge
// that was upgraded never runs with yesterday's page. A time to live was rejected: it would save
// one small answer.
//
// The page may load and connect to nothing but its own origin: there is nothing else that a text of
// a chat, should it ever get into the page as markup, could make it do.

#include "edge/http/web_page.h"

#include "edge/http/http_upgrade.h"

#define METHODS "GET, HEAD"

static bool takes_gzip(const struct http_head *head)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes coding;
	while (http_head_list_next(head, "accept-encoding", &cursor, &coding)) {
		struct bytes name;
		struct bytes weight;
		bool weighed = bytes_cut(coding, ';', &name, &weight);
		if (!weighed && http_token_equal(name, "gzip")) {
			return true;
		}
	}
	return false;
}

static bool has_it(const struct http_head *head, const struct web_file *file)
{
	struct http_list_cursor cursor = { 0 };
	struct bytes tag;
	while (http_head_list_next(head, "if-none-match", &cursor, &tag)) {
		tag = bytes_has_prefix(tag, "W/") ? bytes_from(tag, 2) : tag;
		if (bytes_equal_str(tag, file->etag) || bytes_equal_str(tag, "*")) {
			return true;
		}
	}
	return false;
}

static void append_fields(struct buf *out, const struct web_file *file)
{
	buf_printf(out, "ETag: %s\r\n", file->etag);
	buf_append_str(out,
		"Cache-Control: no-cache\r\n"
		"Vary: Accept-Encoding\r\n"
		"Access-Control-Allow-Origin: *\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
		"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
		"frame-ancestors 'none'\r\n");
}

int web_page_answer(struct buf *out, const struct http_head *head, const struct web_file *file)
{
	bool head_only = bytes_equal_str(head->method, "HEAD");
	if (!head_only && !bytes_equal_str(head->method, "GET")) {
		http_answer_begin(out, 405);
		buf_append_str(out, "Allow: " METHODS "\r\n");
		http_answer_end(out, "only GET is allowed here", false);
		return 405;
	}
	if (has_it(head, file)) {
		http_answer_begin(out, 304);
		append_fields(out, file);
		buf_append_str(out, "\r\n");
		return 304;
	}
	bool packed = file->gzip != NULL && takes_gzip(head);
	struct bytes body =
		packed ? bytes_make(file->gzip, file->gzip_len) : bytes_make(file->data, file->len);
	http_answer_begin(out, 200);
	append_fields(out, file);
	buf_append_str(out, packed ? "Content-Encoding: gzip\r\n" : "");
	buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", file->type, body.len);
	if (!head_only) {
		buf_append_bytes(out, body);
	}
	return 200;
}
