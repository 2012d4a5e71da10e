// What moves the bytes of one connection of the link. There are two ways, and link_conn.c, the only
// user, knows of neither: NNG's threads (link_transport_nng.c) or the owner's loop
// (link_transport_polled.c). A transport knows no frame and no window.
//
// Threads and the mark (locked) are those of link_conn.h. The reader is the loop's thread if the
// transport is polled, else one of NNG's threads at a time.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct link_transport;
struct loop;
struct nng_stream;

enum {
	LINK_TRANSPORT_IOV_MAX = 3
};

// Calls to the user; `arg` is the one given to link_transport_new().
struct link_transport_ops {
	// `len` bytes have come to where the room began. The room for the next ones is set before
	// the return. False closes the transport. On the reader, without the mutex.
	bool (*on_bytes)(void *arg, size_t len);
	// (locked) The write under way has ended, and `len` bytes have left, perhaps none. What is
	// unsent may be written now.
	void (*on_written)(void *arg, size_t len);
	// Nothing more will come. Once, on the reader, without the mutex. A polled transport is not
	// touched any more after the call, since another thread may free it meanwhile.
	void (*on_end)(void *arg);
};

struct link_transport_type {
	bool is_polled;
	void (*start)(struct link_transport *t);
	ssize_t (*write)(struct link_transport *t, const struct iovec *iov, unsigned n);
	void (*wait_writable)(struct link_transport *t);
	void (*poll)(struct link_transport *t);
	bool (*peer_has_closed)(const struct link_transport *t);
	void (*free)(struct link_transport *t);
};

// The first member of each transport.
struct link_transport {
	const struct link_transport_type *type;
	struct nng_stream *stream; // owned
	pthread_mutex_t *lock; // the owner's, borrowed
	const struct link_transport_ops *ops;
	void *arg;
	bool closed; // (locked)
	uint8_t *room; // where the next bytes go; the user's, touched by the reader only
	size_t room_len;
};

// Takes over `stream`. With the stream's own `fd` (link_socket_of()) the transport is polled on
// `loop`; -1 leaves it to NNG's threads. The room has to be set before the start.
struct link_transport *link_transport_new(struct nng_stream *stream, int fd, struct loop *loop,
	pthread_mutex_t *lock, const struct link_transport_ops *ops, void *arg);
// Begins to read. If polled, on the loop's thread. on_end() may run before this returns.
void link_transport_start(struct link_transport *t);

// (locked) Writes once; not while a write is under way. Returns how many bytes have left, which may
// be a part of them. -EINPROGRESS: a write is under way, on_written() follows. -EAGAIN: so it is,
// but only link_transport_wait_writable() makes it go on. Any other negative errno: the connection
// is broken, and the caller closes it.
ssize_t link_transport_write(struct link_transport *t, const struct iovec *iov, unsigned n);
// (locked) After -EAGAIN, on the loop's thread: on_written() follows when there is room. Harmless
// else.
void link_transport_wait_writable(struct link_transport *t);
// Moves at once what can be moved, for a time in which the loop does not run. On the loop's thread.
void link_transport_poll(struct link_transport *t);
// (locked) True if the peer has closed the stream, which the reader may not have read yet. One
// system call if polled; else false, since NNG does not tell.
bool link_transport_peer_has_closed(const struct link_transport *t);

// (locked) Shuts the stream down; on_end() follows, unless the transport is freed first.
// Idempotent.
void link_transport_close(struct link_transport *t);
// After link_transport_close(). Calls may still come until this returns. Without the mutex, not on
// an NNG thread; if polled, on the loop's thread, or after on_end(), or while the loop does not
// run.
void link_transport_free(struct link_transport *t);

// For link_transport_new(): the two ways, with all but `stream` zeroed in the base.
struct link_transport *link_transport_nng_new(struct nng_stream *stream);
struct link_transport *link_transport_polled_new(struct nng_stream *stream, int fd,
	struct loop *loop);
