// What the two files of a connection share: conn.c tells its life, conn_upgrade.c how it begins.
#pragma once

#include "common/bytes.h"
#include "common/log.h"
#include "edge/client/conn.h"

// The only writer of the state; checks that the change is legal and sets the timer.
void conn_set_state(struct conn *c, enum conn_state state);
// Closes the descriptor; the rest goes when the turn is over.
void conn_destroy(struct conn *c);
// Queues bytes that are no frame.
void conn_push_raw(struct conn *c, struct bytes bytes);
// One line about the connection.
void conn_log(const struct conn *c, enum log_level level, const char *event);
