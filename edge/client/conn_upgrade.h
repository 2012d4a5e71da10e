// What a connection brings before it is a client. See conn_ops, which these belong to.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "edge/codec/close_reason.h"

struct conn;

void conn_on_proxy_readable(struct conn *c);
size_t conn_on_request(struct conn *c, uint8_t *data, size_t len);
void conn_on_abandoned(struct conn *c, enum close_reason reason);
