// The HTTP API on a client connection: one request at a time, each with a token of its own, done by
// the same commands as a WebSocket client's messages. See conn_ops, which these belong to.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/http_head.h"
#include "edge/codec/codec.h"

struct api;
struct conn;

// The request whose head is at the front of the input is the API's: so are all that follow it.
void api_begin(struct conn *c);
// CONN_API: uses one whole request of the input, or nothing.
size_t api_on_input(struct conn *c, uint8_t *data, size_t len);
// What a command of the request came to.
void api_on_event(struct conn *c, const struct client_event *event);
// The connection is asked to end: at once, or when its request is answered.
void api_on_close(struct conn *c);
// The request did not arrive in time.
void api_on_timeout(struct conn *c);
// True while a request is being answered.
bool api_is_busy(const struct conn *c);
void api_free(struct api *api); // NULL is fine
