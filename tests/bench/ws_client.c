// Bytes to meaning and back, no socket and no state. The server has this code in mirror image
// (edge/ws/ws_frame.c, edge/http/http_upgrade.c); it is written a second time on purpose: a
// generator that shared it would agree with the server on the server's mistakes. Only the names of
// the opcodes are taken from there.
//
// Strict about what a server must not do (masking, extensions nobody offered, long forms of short
// lengths), because this client also stands witness in the tests.

#include "tests/bench/ws_client.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "common/ascii.h"
#include "common/http_head.h"

enum {
	SHA1_LEN = 20,
	// Base64 with the NUL that EVP_EncodeBlock() writes.
	KEY_SIZE = (WS_NONCE_LEN + 2) / 3 * 4 + 1,
	ACCEPT_SIZE = (SHA1_LEN + 2) / 3 * 4 + 1,
};

static const char deflate_offer[] =
	"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
	"client_no_context_takeover\r\n";

static void key_text(const uint8_t nonce[WS_NONCE_LEN], char out[KEY_SIZE])
{
	EVP_EncodeBlock((unsigned char *)out, nonce, WS_NONCE_LEN);
}

static void accept_text(const uint8_t nonce[WS_NONCE_LEN], char out[ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_SIZE - 1 + sizeof(guid)];
	key_text(nonce, text);
	memcpy(text + KEY_SIZE - 1, guid, sizeof(guid));
	uint8_t digest[EVP_MAX_MD_SIZE];
	CHECK(EVP_Digest(text, sizeof(text) - 1, digest, NULL, EVP_sha1(), NULL) == 1);
	EVP_EncodeBlock((unsigned char *)out, digest, SHA1_LEN);
}

void ws_client_request(struct buf *out, const char *host, struct bytes target,
	const uint8_t nonce[WS_NONCE_LEN], const char *subprotocol, bool deflate)
{
	char key[KEY_SIZE];
	key_text(nonce, key);
	buf_append_str(out, "GET ");
	buf_append_bytes(out, target);
	buf_printf(out,
		" HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s",
		host, key, deflate ? deflate_offer : "");
	if (subprotocol != NULL) {
		buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
	}
	buf_append_str(out, "\r\n");
}

// The line at the front of `*rest`, without its CRLF; both are cut off. False if none is complete.
static bool take_line(struct bytes *rest, struct bytes *line)
{
	const uint8_t *end = rest->len > 0 ? memmem(rest->data, rest->len, "\r\n", 2) : NULL;
	if (end == NULL) {
		return false;
	}
	*line = bytes_make(rest->data, (size_t)(end - rest->data));
	*rest = bytes_from(*rest, line->len + 2);
	return true;
}

// "HTTP/1.1 101 Switching Protocols"; 0 for anything else.
static int status_of(struct bytes line)
{
	static const char version[] = "HTTP/1.1 ";
	size_t at = sizeof(version) - 1;
	if (!bytes_has_prefix(line, version) || line.len < at + 3) {
		return 0;
	}
	uint64_t status;
	bool ends = line.len == at + 3 || line.data[at + 3] == ' ';
	return ends && ascii_uint(bytes_make(line.data + at, 3), &status) ? (int)status : 0;
}

// True if `line` is the field `name`; then `*value` is set.
static bool field_is(struct bytes line, const char *name, struct bytes *value)
{
	size_t len = strlen(name);
	if (line.len <= len || line.data[len] != ':' ||
		strncasecmp((const char *)line.data, name, len) != 0) {
		return false;
	}
	*value = ascii_trim(bytes_from(line, len + 1), HTTP_BLANKS);
	return true;
}

// It was offered without context takeover by the server, who must say that it keeps to that
// (RFC 7692 section 7.1.1.1).
static bool takes_deflate(struct bytes value)
{
	static const char promise[] = "server_no_context_takeover";
	return bytes_has_prefix(value, "permessage-deflate") &&
		memchr(value.data, ',', value.len) == NULL &&
		memmem(value.data, value.len, promise, sizeof(promise) - 1) != NULL;
}

static bool upgrade_is_right(struct bytes fields, const uint8_t nonce[WS_NONCE_LEN], bool *deflate)
{
	char accept[ACCEPT_SIZE];
	accept_text(nonce, accept);
	unsigned upgrade = 0;
	unsigned connection = 0;
	unsigned accepted = 0;
	unsigned extended = 0;
	struct bytes line;
	struct bytes value;
	while (take_line(&fields, &line)) {
		if (field_is(line, "Upgrade", &value)) {
			upgrade += http_token_equal(value, "websocket") ? 1 : 2;
		} else if (field_is(line, "Connection", &value)) {
			connection += http_token_equal(value, "upgrade") ? 1 : 2;
		} else if (field_is(line, "Sec-WebSocket-Accept", &value)) {
			accepted += bytes_equal_str(value, accept) ? 1 : 2;
		} else if (field_is(line, "Sec-WebSocket-Extensions", &value)) {
			extended += takes_deflate(value) ? 1 : 2;
		}
	}
	*deflate = extended == 1;
	return upgrade == 1 && connection == 1 && accepted == 1 && extended <= 1;
}

int ws_client_response(struct bytes data, const uint8_t nonce[WS_NONCE_LEN],
	struct ws_response *response)
{
	static const char http[] = "HTTP/1.1 ";
	size_t known = data.len < sizeof(http) - 1 ? data.len : sizeof(http) - 1;
	if (known > 0 && memcmp(data.data, http, known) != 0) {
		return -EBADMSG;
	}
	const uint8_t *end = data.len > 0 ? memmem(data.data, data.len, "\r\n\r\n", 4) : NULL;
	if (end == NULL) {
		return data.len < WS_RESPONSE_MAX ? 1 : -EBADMSG;
	}
	response->len = (size_t)(end - data.data) + 4;
	struct bytes fields = bytes_make(data.data, response->len - 2);
	struct bytes line;
	bool complete = take_line(&fields, &line);
	response->status = complete ? status_of(line) : 0;
	if (response->status == 0 ||
		(response->status == 101 && !upgrade_is_right(fields, nonce, &response->deflate))) {
		return -EBADMSG;
	}
	return 0;
}

static uint64_t big_endian(const uint8_t *data, size_t len)
{
	uint64_t value = 0;
	for (size_t i = 0; i < len; i++) {
		value = value << 8 | data[i];
	}
	return value;
}

static bool opcode_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

int ws_client_decode(struct bytes data, bool deflate, struct ws_incoming *frame)
{
	if (data.len < 2) {
		return 1;
	}
	uint8_t length = data.data[1] & 0x7f;
	bool control = (data.data[0] & 0x08) != 0;
	frame->fin = (data.data[0] & 0x80) != 0;
	frame->opcode = data.data[0] & 0x0f;
	frame->packed = (data.data[0] & 0x40) != 0;
	bool may_be_packed = deflate && !control && frame->opcode != WS_CONTINUATION;
	// RFC 6455 sections 5.2 and 5.5: no other extension was offered, a server never masks.
	if ((data.data[0] & (may_be_packed ? 0x30 : 0x70)) != 0 || (data.data[1] & 0x80) != 0 ||
		!opcode_known(frame->opcode) || (control && (!frame->fin || length > 125))) {
		return -EBADMSG;
	}
	size_t extended = length < 126 ? 0 : length == 126 ? 2 : 8;
	frame->header_len = 2 + extended;
	if (data.len < frame->header_len) {
		return 1;
	}
	frame->payload_len = extended == 0 ? length : big_endian(data.data + 2, extended);
	bool shortest = extended == 0 || frame->payload_len >= (extended == 2 ? 126 : 65536);
	return shortest && frame->payload_len <= INT64_MAX ? 0 : -EBADMSG;
}

static void append_header(struct buf *out, enum ws_opcode opcode, size_t len, uint32_t mask)
{
	uint8_t header[WS_CLIENT_HEADER_MAX];
	size_t extended = len < 126 ? 0 : len < 65536 ? 2 : 8;
	header[0] = (uint8_t)(0x80 | opcode);
	header[1] = (uint8_t)(0x80 | (extended == 0 ? len : extended == 2 ? 126 : 127));
	for (size_t i = 0; i < extended; i++) {
		header[2 + i] = (uint8_t)((uint64_t)len >> 8 * (extended - 1 - i));
	}
	memcpy(header + 2 + extended, &mask, sizeof(mask));
	buf_append(out, header, 2 + extended + sizeof(mask));
}

void ws_client_append(struct buf *out, enum ws_opcode opcode, struct bytes payload, uint32_t mask)
{
	append_header(out, opcode, payload.len, mask);
	uint8_t *to = buf_reserve(out, payload.len);
	uint64_t wide = (uint64_t)mask << 32 | mask;
	uint8_t key[sizeof(mask)];
	memcpy(key, &mask, sizeof(key));
	size_t i = 0;
	for (; i + sizeof(wide) <= payload.len; i += sizeof(wide)) {
		uint64_t word;
		memcpy(&word, payload.data + i, sizeof(word));
		word ^= wide;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < payload.len; i++) {
		to[i] = payload.data[i] ^ key[i % sizeof(key)];
	}
	out->len += payload.len;
}
