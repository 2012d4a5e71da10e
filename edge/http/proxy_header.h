// The PROXY protocol header, version 2: what a load balancer that does not look into the stream
// puts before its first byte, to say whose stream it is. Bytes in, an address or a refusal out;
// whether the sender may be believed is the caller's question.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/net_ip.h"

enum proxy_header_result {
	PROXY_HEADER_OK,
	PROXY_HEADER_MORE, // as far as it goes it is one
	// What it is not. A refusal of the first bytes is the refusal of all that may follow them.
	PROXY_HEADER_NONE, // something else
	PROXY_HEADER_TEXT, // version 1
	PROXY_HEADER_VERSION,
	PROXY_HEADER_COMMAND,
	PROXY_HEADER_FAMILY, // unknown, or not a stream
	PROXY_HEADER_SHORT, // no room for the addresses of its family
	PROXY_HEADER_TLV, // what follows the addresses does not add up
	PROXY_HEADER_CHECKSUM,
	PROXY_HEADER_RESULT_COUNT,
};

enum {
	PROXY_HEADER_MAX = 16 + 65535, // what the length field can say
};

struct proxy_header {
	size_t len; // the stream begins behind it
	bool has_source; // else it is the balancer's own connection, or one without an IP address
	struct net_ip source;
};

MUST_CHECK enum proxy_header_result proxy_header_parse(struct bytes data,
	struct proxy_header *header);
// Of the beginning of a header: how much has to be read next, so that nothing behind it is. What
// does not look like a header at all is refused before that matters.
size_t proxy_header_missing(struct bytes so_far);
// For the log.
const char *proxy_header_text(enum proxy_header_result result);
