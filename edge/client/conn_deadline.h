// When the timer of a connection is to fire: per state, a time of the worker's clock, computed from
// what the connection remembers. Nothing here changes anything.
#pragma once

#include <stdint.h>

#include "edge/client/conn.h"

enum {
	MESSAGE_TIMEOUT_MS = 30000, // for all fragments of one message
};

// A request, of a handshake or of the HTTP API, is to be there by then.
uint64_t conn_request_deadline(const struct conn *c);
// The earliest of what an open connection waits for: its next ping, silence, an incomplete message,
// no progress of a slow reader, its token's end.
uint64_t conn_open_deadline(const struct conn *c);
// Of the token: first its notice, then, once that is given, its end and the leeway. The identity
// has an end.
uint64_t conn_expiry_deadline(const struct conn *c);
// The peer's Close is to be there by then.
uint64_t conn_closing_deadline(const struct conn *c);
// The peer is to have ended its side of TCP by then.
uint64_t conn_linger_deadline(const struct conn *c);
