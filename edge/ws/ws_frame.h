// RFC 6455 frames: header bytes to a header or a close code, and back. Server side. Stateless;
// what needs history (fragmentation, sizes, UTF-8) is ws_session's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

enum ws_opcode { // RFC 6455 section 5.2
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xa,
};

enum ws_close_code { // RFC 6455 section 7.4.1
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL_ERROR = 1002,
	WS_CLOSE_UNSUPPORTED_DATA = 1003,
	WS_CLOSE_NO_STATUS = 1005,
	WS_CLOSE_BAD_UTF8 = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
};

enum {
	WS_CLIENT_HEADER_MAX = 14,
	WS_SERVER_HEADER_MAX = 10,
	WS_CONTROL_MAX = 125,
};

struct ws_header {
	bool fin;
	bool rsv1;
	uint8_t opcode;
	uint8_t mask[4];
	uint64_t payload_len;
	size_t header_len;
};

// Decodes the header at the start of `data`. Returns 0 when complete, 1 when more bytes are needed
// (`header->header_len` then says how many the header takes, as far as is known), or the close code
// (1002) of a header no client may send: unmasked, RSV2 or RSV3, RSV1 unless `allow_rsv1` and the
// opcode starts a data message, a reserved opcode, a control frame fragmented or over 125 bytes, a
// length not in its shortest form or with its top bit set.
MUST_CHECK int ws_header_decode(struct bytes data, bool allow_rsv1, struct ws_header *header);

// Where the payload begins in a frame that ws_header_encode() made the header of.
size_t ws_header_len(const uint8_t *frame);
// Writes the header of an unmasked, unfragmented server frame; returns its length.
size_t ws_header_encode(uint8_t out[WS_SERVER_HEADER_MAX], enum ws_opcode opcode, bool rsv1,
	uint64_t payload_len);

// Applies the mask in place, `offset` bytes into the payload (RFC 6455 section 5.3).
void ws_unmask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t offset);

// True if a Close frame may carry it (section 7.4: 1000-1003, 1007-1014, 3000-4999).
bool ws_close_code_valid(unsigned code);
