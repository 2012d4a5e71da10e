// Server-sent events (WHATWG HTML, section 9.2): a connection of the HTTP API that has become a
// client like any other, but only hears. What others get as a WebSocket frame it gets as an event.
#pragma once

#include "edge/codec/close_reason.h"

struct conn;
struct frame;

// The event for a frame of JSON text, with one reference; takes over the frame's.
struct frame *sse_frame(struct conn *c, struct frame *f);
// Tells that the stream ends: an event `close`, and how long to wait.
void sse_push_close(struct conn *c, enum close_reason reason);
// A comment, so that the peer and what is between know that it lives.
void sse_push_ping(struct conn *c);
