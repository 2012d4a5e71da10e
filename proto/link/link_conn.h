// One connection of the link: an NNG byte stream that carries frames. Owns the stream, through the
// transport that moves its bytes, and the receive buffer; writes control frames, and the unsent
// part of a window once one is attached. Knows no handshake and no session.
//
// Threads. The owner has a mutex; everything marked (locked) is called with it held, and the
// callbacks that touch the window take it themselves. on_frame and on_closed run one at a time,
// without the mutex: on the loop's thread if the connection is polled, else on NNG's threads.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "proto/link_frame.h"
#include "proto/reasons.h"

struct link_conn;
struct link_window;
struct loop;
struct nng_stream;

struct link_conn_ops {
	// A frame came; its body is borrowed until the return. False closes the connection.
	bool (*on_frame)(void *arg, struct link_conn *conn, const struct link_frame *frame);
	// (locked) All that was handed out has been written: the moment to close a BATCH with what
	// has gathered; it is written next.
	void (*on_drained)(void *arg, struct link_conn *conn);
	// (locked) Polled only: the socket takes no more. To be answered by
	// link_conn_wait_writable().
	void (*on_full)(void *arg, struct link_conn *conn);
	// Nothing more will come. Called once, also after link_conn_close(); the owner then has
	// link_conn_free() called from a thread that is not NNG's. A polled connection is not
	// touched any more once this has returned.
	void (*on_closed)(void *arg, struct link_conn *conn);
};

// Takes over `stream` and begins to read once link_conn_start() is called. A frame whose body is
// over `body_max` bytes (at most LINK_BODY_MAX) closes the connection before it is buffered. With
// the stream's own `fd` (link_socket_of()) the connection is polled on `loop`; -1 leaves it to
// NNG's threads.
struct link_conn *link_conn_new(struct nng_stream *stream, int fd, struct loop *loop,
	size_t body_max, pthread_mutex_t *lock, const struct link_conn_ops *ops, void *arg);
bool link_conn_is_polled(const struct link_conn *conn);
// If polled, on the loop's thread.
void link_conn_start(struct link_conn *conn);
// (locked) Polled, on the loop's thread: has the rest written when there is room. Harmless if there
// is none.
void link_conn_wait_writable(struct link_conn *conn);
// Moves what can be moved at once, if polled: for a time in which the loop does not run.
void link_conn_poll(struct link_conn *conn);
// Ends what is under way; on_closed may still run before this returns. Not with the mutex held, not
// on an NNG thread; if polled, on the loop's thread, after on_closed(), or while the loop does not
// run. NULL is fine.
void link_conn_free(struct link_conn *conn);

// From any thread: changes the bound given to link_conn_new().
void link_conn_set_body_max(struct link_conn *conn, size_t body_max);
// (locked) From now on the window's unsent frames are written. NULL detaches.
void link_conn_attach(struct link_conn *conn, struct link_window *window);
// (locked) Queues a frame that is not counted or kept (all but BATCH) and writes it as soon as no
// write is under way. False if 64 KiB of these wait already: the peer does not read.
bool link_conn_control(struct link_conn *conn, enum link_frame_type type, uint64_t ack,
	struct bytes body);
// (locked) The same for a GOAWAY, which says why the connection is about to be closed.
bool link_conn_goaway(struct link_conn *conn, enum goaway_reason reason);
// (locked) Writes what is unsent, unless a write is under way (then it follows).
void link_conn_kick(struct link_conn *conn);
// (locked) True if the peer has closed the stream already, though on_closed may be still to come:
// what is written now is lost. Only a polled connection can know.
bool link_conn_peer_has_closed(const struct link_conn *conn);
// (locked) Closes the stream; on_closed follows. Idempotent.
void link_conn_close(struct link_conn *conn);
// (locked) True while a write is under way.
bool link_conn_is_writing(const struct link_conn *conn);

// Monotonic milliseconds of the last byte in. From any thread.
uint64_t link_conn_last_rx_ms(const struct link_conn *conn);
