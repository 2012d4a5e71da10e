// Reads one request head and refuses everything that two parsers could read differently, because a
// proxy in front of us is the other parser: one space between the parts of the request line, CRLF
// and nothing else ends a line, no folding, one Host, one Content-Length, never Content-Length
// beside Transfer-Encoding. RFC 9112 lets a server repair much of that (a bare LF, empty lines
// ahead of the request, equal Content-Length twice); no client we know needs it, and every repair
// is a way to smuggle a request.
//
// It knows the grammar and the rules that hold for every request. What a path, a method or a field
// means is the caller's; percent-encoding is left as sent.
//
// Invariants: bytes are judged in order, so a refusal given to a prefix is given to every longer
// input, and the result does not depend on how the input was cut. Nothing is read past the empty
// line. Nothing is remembered between calls: one byte a call costs HTTP_HEAD_MAX^2 / 2 steps in
// all, a tenth of a second for a peer that sends 16384 packets, which is less than the packets
// cost. The alternative, a resumable parser, would need its state in every connection.

#include "common/http_head.h"

#include "common/ascii.h"
#include "common/check.h"

enum {
	NEED_MORE = 1,
	BAD_REQUEST = 400,
	URI_TOO_LONG = 414,
	HEAD_TOO_LARGE = 431,
	VERSION_NOT_SUPPORTED = 505,
};

static bool is_token_char(uint8_t c) // RFC 9110 section 5.6.2
{
	return ascii_is_alnum(c) || ascii_is_one_of(c, "!#$%&'*+-.^_`|~");
}

// A '#' is not part of a target (RFC 9112 section 3.2); servers differ in where they cut there.
static bool is_target_char(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '#';
}

// Registered names in the letters that host names are made of; RFC 3986 allows more, such as a
// comma, that only an attack would send.
static bool is_name_char(uint8_t c)
{
	return ascii_is_alnum(c) || ascii_is_one_of(c, "-._~");
}

static bool is_ipv6_char(uint8_t c)
{
	return ascii_hex_value(c) >= 0 || ascii_is_one_of(c, ":.");
}

static bool is_line_char(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_made_of(struct bytes text, bool (*is_member)(uint8_t))
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_member(text.data[i])) {
			return false;
		}
	}
	return text.len > 0;
}

// Takes the line at `*at` and moves past its CRLF. It must end, CRLF included, before `limit` (an
// offset into `data`), else the status is `over`.
static int take_line(struct bytes data, size_t limit, int over, size_t *at, struct bytes *line)
{
	size_t end = data.len < limit ? data.len : limit;
	for (size_t i = *at; i < end; i++) {
		uint8_t c = data.data[i];
		if (c == '\r') {
			if (i + 1 == end) {
				break;
			}
			if (data.data[i + 1] != '\n') {
				return BAD_REQUEST;
			}
			*line = bytes_make(data.data + *at, i - *at);
			*at = i + 2;
			return 0;
		}
		if (!is_line_char(c)) {
			return BAD_REQUEST;
		}
	}
	return data.len < limit ? NEED_MORE : over;
}

static int parse_version(struct bytes text, int *minor)
{
	if (text.len != 8 || !bytes_has_prefix(text, "HTTP/") || !ascii_is_digit(text.data[5]) ||
		text.data[6] != '.' || !ascii_is_digit(text.data[7])) {
		return BAD_REQUEST;
	}
	if (text.data[5] != '1') {
		return VERSION_NOT_SUPPORTED;
	}
	*minor = text.data[7] - '0';
	return 0;
}

// Takes the authority off a target in absolute form (RFC 9112 section 3.2.2) and leaves what an
// origin form would be, but for the slash of an empty path. A name before the host is refused, as
// RFC 9110 section 4.2.4 wants it.
static bool cut_absolute(struct bytes *target, struct bytes *authority)
{
	struct bytes scheme;
	struct bytes rest;
	struct bytes host;
	uint16_t port;
	bytes_cut(*target, ':', &scheme, &rest);
	if ((!http_token_equal(scheme, "http") && !http_token_equal(scheme, "https")) ||
		!bytes_has_prefix(rest, "//")) {
		return false;
	}
	rest = bytes_from(rest, 2);
	size_t len = 0;
	while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?') {
		len++;
	}
	*authority = bytes_make(rest.data, len);
	*target = bytes_from(rest, len);
	return http_authority_split(*authority, &host, &port);
}

static bool parse_target(struct http_head *head)
{
	struct bytes rest = head->target;
	if (bytes_equal_str(rest, "*")) {
		head->path = rest;
		return bytes_equal_str(head->method, "OPTIONS"); // RFC 9112 section 3.2.4
	}
	if (!is_made_of(rest, is_target_char) ||
		(!bytes_has_prefix(rest, "/") && !cut_absolute(&rest, &head->authority))) {
		return false;
	}
	bytes_cut(rest, '?', &head->path, &head->query);
	if (head->path.len == 0) {
		head->path = bytes_str("/");
	}
	return true;
}

static int parse_request_line(struct bytes line, struct http_head *head)
{
	struct bytes rest;
	struct bytes version;
	if (!bytes_cut(line, ' ', &head->method, &rest) ||
		!bytes_cut(rest, ' ', &head->target, &version)) {
		return BAD_REQUEST;
	}
	if (!http_is_token(head->method) || !parse_target(head)) {
		return BAD_REQUEST;
	}
	return parse_version(version, &head->minor);
}

static int parse_field(struct bytes line, struct http_head *head)
{
	if (head->n_fields == HTTP_FIELDS_MAX) {
		return HEAD_TOO_LARGE;
	}
	struct http_field *field = &head->fields[head->n_fields];
	// A folded line starts with a blank, which no name contains.
	if (!bytes_cut(line, ':', &field->name, &field->value) || !http_is_token(field->name)) {
		return BAD_REQUEST;
	}
	field->value = ascii_trim(field->value, HTTP_BLANKS);
	head->n_fields++;
	return 0;
}

// The length of the host at the start of `authority`, 0 if there is no valid one.
static size_t host_len(struct bytes authority)
{
	struct bytes host;
	struct bytes rest;
	if (bytes_has_prefix(authority, "[")) {
		bool closed = bytes_cut(bytes_from(authority, 1), ']', &host, &rest);
		return closed && is_made_of(host, is_ipv6_char) ? host.len + 2 : 0;
	}
	bytes_cut(authority, ':', &host, &rest);
	return is_made_of(host, is_name_char) ? host.len : 0;
}

bool http_is_token(struct bytes text)
{
	return is_made_of(text, is_token_char);
}

bool http_authority_split(struct bytes authority, struct bytes *host, uint16_t *port)
{
	size_t len = host_len(authority);
	struct bytes rest = bytes_from(authority, len);
	uint64_t number = 0;
	if (len == 0 || (rest.len > 0 && rest.data[0] != ':')) {
		return false;
	}
	if (rest.len > 1 &&
		(!ascii_uint(bytes_from(rest, 1), &number) || number == 0 || number > UINT16_MAX)) {
		return false;
	}
	*host = bytes_make(authority.data, len);
	*port = (uint16_t)number;
	return true;
}

// Host has to be right even where the target names a host, and then says nothing (RFC 9112 sections
// 3.2 and 3.2.2).
static bool take_host(struct http_head *head)
{
	struct bytes value;
	struct bytes host;
	uint16_t port;
	size_t n = http_head_find(head, "host", &value);
	if (n == 0) {
		return head->minor == 0;
	}
	if (head->authority.len == 0) {
		head->authority = value;
	}
	return n == 1 && http_authority_split(value, &host, &port);
}

// RFC 9112 section 6.3, without its repairs.
static bool framing_valid(struct http_head *head)
{
	struct bytes length;
	struct bytes coding;
	size_t n_lengths = http_head_find(head, "content-length", &length);
	size_t n_codings = http_head_find(head, "transfer-encoding", &coding);
	head->has_content_length = n_lengths > 0;
	head->has_transfer_encoding = n_codings > 0;
	if (n_lengths + n_codings > 1) {
		return false;
	}
	if (head->has_content_length && !ascii_uint(length, &head->content_length)) {
		return false;
	}
	if (head->has_transfer_encoding &&
		(head->minor == 0 || !http_token_equal(coding, "chunked"))) {
		return false;
	}
	head->has_body = head->has_transfer_encoding || head->content_length > 0;
	return true;
}

int http_head_parse(struct bytes data, struct http_head *head)
{
	struct bytes line;
	size_t at = 0;
	*head = (struct http_head){ 0 };
	int status = take_line(data, HTTP_LINE_MAX + strlen("\r\n"), URI_TOO_LONG, &at, &line);
	if (status == 0) {
		status = parse_request_line(line, head);
	}
	while (status == 0) {
		status = take_line(data, HTTP_HEAD_MAX, HEAD_TOO_LARGE, &at, &line);
		if (status == 0 && line.len == 0) {
			head->len = at;
			return take_host(head) && framing_valid(head) ? 0 : BAD_REQUEST;
		}
		if (status == 0) {
			status = parse_field(line, head);
		}
	}
	return status;
}

size_t http_head_find(const struct http_head *head, const char *name, struct bytes *value)
{
	size_t n = 0;
	for (size_t i = 0; i < head->n_fields; i++) {
		if (http_token_equal(head->fields[i].name, name)) {
			if (n == 0) {
				*value = head->fields[i].value;
			}
			n++;
		}
	}
	return n;
}

bool http_head_list_next(const struct http_head *head, const char *name,
	struct http_list_cursor *cursor, struct bytes *element)
{
	while (cursor->field < head->n_fields) {
		const struct http_field *field = &head->fields[cursor->field];
		struct bytes left = bytes_from(field->value, cursor->offset);
		if (left.len == 0 || !http_token_equal(field->name, name)) {
			cursor->field++;
			cursor->offset = 0;
			continue;
		}
		struct bytes rest;
		bytes_cut(left, ',', element, &rest);
		cursor->offset += element->len + 1;
		*element = ascii_trim(*element, HTTP_BLANKS);
		if (element->len > 0) {
			return true;
		}
	}
	return false;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

bool http_token_equal(struct bytes a, const char *b)
{
	if (a.len != strlen(b)) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.data[i]) != lower((uint8_t)b[i])) {
			return false;
		}
	}
	return true;
}

const struct http_status http_statuses[] = {
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 411, "Length Required" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
	{ 0, NULL },
};

const char *http_status_text(int status)
{
	const struct http_status *row = http_statuses;
	while (row->code != 0 && row->code != status) {
		row++;
	}
	CHECK(row->code != 0);
	return row->text;
}

bool http_percent_decode(struct bytes text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '%') {
			if (text.len - i < 3) {
				return false;
			}
			int high = ascii_hex_value(text.data[i + 1]);
			int low = ascii_hex_value(text.data[i + 2]);
			if (high < 0 || low < 0 || high + low == 0) {
				return false;
			}
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		buf_append_byte(out, c);
	}
	return true;
}
