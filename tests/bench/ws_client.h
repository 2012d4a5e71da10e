// The client's side of RFC 6455 as pure functions: opening handshake, masked frames out, the
// headers of a server's frames in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "edge/ws/ws_frame.h" // opcodes and close codes; none of its functions

enum {
	WS_NONCE_LEN = 16,
	WS_RESPONSE_MAX = 16384, // bytes of a response head
};

// Appends the request for `target` ("/", "/ws?x=y"). `subprotocol`: NULL asks for none. With
// `deflate` it offers permessage-deflate.
void ws_client_request(struct buf *out, const char *host, struct bytes target,
	const uint8_t nonce[WS_NONCE_LEN], const char *subprotocol, bool deflate);

struct ws_response {
	int status; // 101 only if the handshake is complete and right
	bool deflate; // permessage-deflate was taken, and no other extension
	size_t len; // of the head
};
// Returns 0 and fills `response`, 1 when more bytes are needed, -EBADMSG for what is no HTTP, too
// long, or a 101 without the right Upgrade, Connection and Sec-WebSocket-Accept.
MUST_CHECK int ws_client_response(struct bytes data, const uint8_t nonce[WS_NONCE_LEN],
	struct ws_response *response);

struct ws_incoming {
	bool fin;
	bool packed; // RSV1: the message is compressed
	uint8_t opcode;
	size_t header_len;
	uint64_t payload_len;
};
// Decodes the header at the start of `data`. Returns 0, 1 when more bytes are needed, -EBADMSG for
// what no server may send to a client with no extension but permessage-deflate, if `deflate` is
// set.
MUST_CHECK int ws_client_decode(struct bytes data, bool deflate, struct ws_incoming *frame);

// Appends one whole frame. `mask` must be unpredictable only where an intermediary could be fooled
// (section 10.3); a load generator takes it from its seeded generator.
void ws_client_append(struct buf *out, enum ws_opcode opcode, struct bytes payload, uint32_t mask);
