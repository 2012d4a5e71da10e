// The sockets of the fleet: one epoll instance and any number of WebSocket connections on it. Bytes
// in, whole messages out; what they mean is the caller's. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/net.h"
#include "tests/bench/rng.h"
#include "tests/bench/ws_client.h"

struct ssl_ctx_st;
struct ssl_st;
struct wire_inflater;

enum conn_state {
	CONN_NONE, // no socket
	CONN_CONNECTING,
	CONN_UPGRADING,
	CONN_OPEN,
	CONN_CLOSING, // a close frame was sent
};

// Embed it, zeroed.
struct conn {
	int fd; // valid unless CONN_NONE
	struct ssl_st *tls; // owned; NULL: plain, or not connected yet
	enum conn_state state;
	bool dirty; // in wire.dirty
	bool blocked; // waiting until the socket takes more
	bool in_message; // between the fragments of one
	bool packed; // which is compressed
	uint8_t nonce[WS_NONCE_LEN];
	struct buf rest; // of what was read, less than a frame
	struct buf message; // fragments so far
	struct buf out;
	size_t written; // of out
	bool close_received;
	unsigned close_code;
	struct buf close_reason;
	STAILQ_ENTRY(conn) dirty_link;
};

enum conn_ending {
	CONN_CLOSED, // by a close frame; `code` is its code, 1005 if it had none
	CONN_LOST,
	CONN_UNREACHED,
	CONN_REFUSED, // by HTTP; `code` is the status
	CONN_BROKEN, // what came was no WebSocket
	CONN_ABORTED, // by us
};
// "close", "tcp", "connect", "http", "protocol", "aborted"
const char *conn_ending_name(enum conn_ending ending);

struct conn_end {
	enum conn_ending ending;
	unsigned code; // else 0
	struct bytes reason; // good until the callback returns
};

// None of them may call conn_open(); conn_send(), conn_close() and conn_abort() are fine.
struct conn_events {
	void (*opened)(void *arg, struct conn *c);
	// `message` is good until the callback returns.
	void (*message)(void *arg, struct conn *c, struct bytes message);
	// The server has begun the closing handshake. ended() follows when it closes the socket.
	void (*closing)(void *arg, struct conn *c);
	// The connection is CONN_NONE again.
	void (*ended)(void *arg, struct conn *c, const struct conn_end *end);
};

struct wire {
	struct ssl_ctx_st *tls; // owned; NULL: plain
	struct wire_inflater *inflater; // owned; NULL: compression is not offered
	const char *subprotocol; // borrowed; NULL: none. The caller's to set, as is the next one
	bool binary; // conn_send() sends binary messages
	int epoll;
	int timer;
	struct buf input; // what was read last
	STAILQ_HEAD(, conn) dirty;
	const struct conn_events *events;
	void *arg;
	struct rng *rng;
	uint64_t now_ns; // when the last bytes were read
	uint64_t wake_ns; // 0: the timer is off
};

// With `tls` all connections speak it, with `deflate` all agree on compression, or are broken.
// Returns 0 or -errno.
MUST_CHECK int wire_init(struct wire *w, const struct conn_events *events, void *arg,
	struct rng *rng, bool tls, bool deflate);
void wire_fini(struct wire *w);
// Writes what has gathered, waits up to `timeout_ms` or until wire_wake_at() for something to
// happen, and handles it.
void wire_turn(struct wire *w, int timeout_ms);
// The next turns return at `at_ns` at the latest; 0: no such time.
void wire_wake_at(struct wire *w, uint64_t at_ns);

// Connects `c`, which has no socket; `source` is NULL for any. Returns 0, or -errno if there is
// nothing to wait for; later failures are told by ended().
MUST_CHECK int conn_open(struct wire *w, struct conn *c, const struct net_addr *addr,
	const char *host, const struct net_addr *source, struct bytes target);
// Queues a message on a CONN_OPEN connection.
void conn_send(struct wire *w, struct conn *c, struct bytes message);
// Bytes queued and not yet taken by the socket.
size_t conn_queued(const struct conn *c);
// Begins the closing handshake; harmless if it is under way.
void conn_close(struct wire *w, struct conn *c, unsigned code);
// Drops the socket and tells ended() the reason, or how the server had closed before; harmless
// without a socket.
void conn_abort(struct wire *w, struct conn *c, struct bytes reason);
