// The head of one HTTP/1.1 request (RFC 9112): bytes in, fields or a status out. Strict, without
// state and without allocation; "incomplete" is just asking again with more bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"

enum {
	HTTP_LINE_MAX = 8192, // request line, without CRLF: 414 beyond
	HTTP_HEAD_MAX = 16384, // whole head: 431 beyond
	HTTP_FIELDS_MAX = 64, // 431 beyond
};

#define HTTP_BLANKS " \t" // OWS, RFC 9110 section 5.6.3

struct http_field {
	struct bytes name; // as sent
	struct bytes value; // without surrounding white space
};

// All spans borrow from the parsed bytes, except the path of a target without one.
struct http_head {
	struct bytes method;
	struct bytes target; // as sent: origin form, absolute form of http or https, or "*"
	struct bytes path; // of target, before '?'
	struct bytes query; // after '?', empty if none
	struct bytes authority; // host and port asked for: of target, else of Host; empty: none
	int minor; // HTTP/1.minor
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t n_fields;
	size_t len; // bytes up to and including the empty line
	bool has_body; // Content-Length > 0 or any Transfer-Encoding
	bool has_transfer_encoding;
	bool has_content_length;
	uint64_t content_length;
};

// Returns 0 when `head` is complete, 1 when more bytes are needed, or the status (400, 414, 431,
// 505) that refuses the request; then `head` is not to be used. Refused: bare CR or LF, NUL or
// control bytes, space before the colon, obs-fold, no (HTTP/1.1) or several Host, an empty or
// malformed Host, several or malformed Content-Length, Content-Length together with
// Transfer-Encoding, Transfer-Encoding other than "chunked", a target of another form than those
// above. The scheme of an absolute form is not looked at, since a proxy may have ended TLS. A
// refusal of the first bytes is the refusal of all that may follow them.
MUST_CHECK int http_head_parse(struct bytes data, struct http_head *head);

// Returns the number of fields called `name` (any letter case); `*value` gets the first one's value
// and is left alone if there is none.
size_t http_head_find(const struct http_head *head, const char *name, struct bytes *value);

// Iterates the comma-separated elements of all fields called `name`, in order, empty ones skipped
// (RFC 9110 section 5.6.1). Start with a zeroed cursor; false at the end. Linear time in all.
struct http_list_cursor {
	size_t field;
	size_t offset;
};
bool http_head_list_next(const struct http_head *head, const char *name,
	struct http_list_cursor *cursor, struct bytes *element);
// Splits "host", "host:port" or "[v6]:port" as in Host and Origin. `*host` keeps the brackets;
// `*port` is 0 if there is none. False if it is malformed.
MUST_CHECK bool http_authority_split(struct bytes authority, struct bytes *host, uint16_t *port);
// RFC 9110 section 5.6.2.
bool http_is_token(struct bytes text);
// Letter case ignored.
bool http_token_equal(struct bytes a, const char *b);

// Every status that our programs send, with the text beside it; ends with a row of code 0.
struct http_status {
	int code;
	const char *text;
};
extern const struct http_status http_statuses[];
// "OK", "Bad Request" ... The status must have a row.
const char *http_status_text(int status);

// Appends `text` with its %XX decoded. False for an escape that is malformed or means NUL.
MUST_CHECK bool http_percent_decode(struct bytes text, struct buf *out);
