// What the files of a connection share: conn.c tells its life, conn_upgrade.c how it begins,
// conn_stream.c what its stream tells it.
#pragma once

#include "common/bytes.h"
#include "common/log.h"
#include "edge/client/conn.h"

enum {
	// Beside the message types, for frames that no counter is for.
	FRAME_CONTROL = UINT32_MAX,
	FRAME_PONG = UINT32_MAX - 1,
};

// The only writer of the state; checks that the change is legal and sets the timer.
void conn_set_state(struct conn *c, enum conn_state state);
// Closes the descriptor; the rest goes when the turn is over.
void conn_destroy(struct conn *c);
// From here on it is a client: counted.
void conn_enter_open(struct conn *c);
// A request is answered: what was kept of the input may be the next one.
void conn_resume_input(struct conn *c);
// Goes on with an end that waited for the queue to empty.
void conn_step_ending(struct conn *c);
// Queues the Pong that waits, once the one before it has left.
void conn_push_pong(struct conn *c);
// Queues bytes that are no frame.
void conn_push_raw(struct conn *c, struct bytes bytes);
// One line about the connection.
void conn_log(const struct conn *c, enum log_level level, const char *event);
