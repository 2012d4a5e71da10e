// What the files of a connection share: conn.c tells its life, conn_upgrade.c how it begins,
// conn_stream.c what its stream tells it, conn_out.c how its frames leave, conn_log.c what the log
// says of it.
#pragma once

#include "common/bytes.h"
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
// The frame in the form that this connection gets, as an event or compressed; takes over one
// reference and returns one.
struct frame *conn_dress(struct conn *c, struct frame *f);
// Drops from the queue what the policies of its rooms let it: what has been replaced, or, past the
// limit, what is oldest. False if the queue is past its limit all the same.
MUST_CHECK bool conn_make_room(struct conn *c);
// Queues bytes that are no frame.
void conn_push_raw(struct conn *c, struct bytes bytes);

// What the log says about it. Lines that anybody on the network can cause come at a rate, and say
// how many before them were left out.
void conn_log_opened(const struct conn *c);
void conn_log_closed(const struct conn *c);
// A request that became no WebSocket; `origin` is the request's, empty if it named none.
void conn_log_refused(const struct conn *c, int status, const char *why, struct bytes origin);
// A token: `cause` is a word of ours, `claim` the claim at fault, NULL if there is none.
void conn_log_token_refused(const struct conn *c, const char *cause, const char *claim);
