// The link up to one router: dial, hello, window, resume, snapshot, watchdog. It knows items, not
// rooms, and no WebSocket. Three kinds of thread meet here under one mutex: workers append what
// they gathered in a turn, one of them reads (or NNG's threads do, with TLS and ipc), the main loop
// keeps time, redials and frees.
//
// Sessions. A session begins with a HELLO_ACK that does not resume: the router knows nothing of
// this edge. Every worker is then notified (on_session), and answers with router_link_snapshot();
// what it queued is held back until it has. A cut that is resumed is not a new session and nobody
// hears of it. After `link-timeout` without the router the session is over even before the next one
// begins.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/loop.h"
#include "edge/uplink/link_lane.h"
#include "edge/uplink/router_hello.h"

struct nng_tls_config;
struct uplink_ops;
struct router_link;

enum {
	ROUTER_LINK_WORKERS_MAX = 64
}; // so that a set of them is 64 bits

// Called on the thread that reads, one call at a time; must not call back into the link.
struct router_link_ops {
	// A BATCH came in order. Hands its items (link_batch_next, link_item_unpack) to the
	// workers' inboxes, followed by `mark` in each inbox that got any; returns the set of those
	// workers as bits. Each of them calls router_link_consumed() with the mark when it has
	// worked it off. Marks rise over sessions. False if the batch is malformed.
	bool (*on_batch)(void *arg, uint64_t mark, struct bytes batch, uint64_t *workers);
	// A new session: every worker is to call router_link_snapshot(link, worker, session, ...).
	void (*on_session)(void *arg, uint64_t session);
};

struct router_link_options {
	const char *url; // tcp://, tls+tcp:// or ipc://
	struct nng_tls_config *tls; // for tls+tcp; NULL else
	struct router_hello hello; // n_workers: at most ROUTER_LINK_WORKERS_MAX
	struct loop *io_loop; // reads a connection that can be polled: a worker's, or the main loop
	uint64_t queue_limit; // publish-queue, bytes
};

// Starts dialling; `loop` is the main loop. All borrowed for the link's life. Before the thread of
// `io_loop` is started.
struct router_link *router_link_new(struct loop *loop, const struct router_link_options *options,
	const struct router_link_ops *ops, void *arg);
// From the main loop's thread, after the workers have ended. Says GOAWAY and waits at most 200 ms
// for it to leave.
void router_link_free(struct router_link *link);

// True if `more` bytes of requests still fit publish-queue. Cheap, approximate by what other
// workers add in the same turn.
bool router_link_has_room(struct router_link *link, size_t more);
// Takes over what is in the outbox and starts writing if nothing is under way.
void router_link_flush(struct router_link *link, unsigned worker, struct link_outbox *outbox);
// The worker's answer to on_session(): all its connections (ClientUp), their memberships (Rejoin)
// and the requests it asks again; goes before what it has queued. Ignored if the session is over.
void router_link_snapshot(struct router_link *link, unsigned worker, uint64_t session,
	struct link_outbox *outbox);
// The worker has appended everything before `mark` to its connections' queues.
void router_link_consumed(struct router_link *link, unsigned worker, uint64_t mark);

// True if request `req` of `worker` was ever written to a link (its outcome is not known to us).
// False, when its deadline has passed, means it never will be.
bool router_link_was_sent(struct router_link *link, unsigned worker, uint64_t req);

// The above for an uplink, which holds the link as its `void *`.
extern const struct uplink_ops router_link_uplink_ops;

struct router_link_status {
	bool up; // HELLO_ACK seen, the connection lives
	bool admitted; // has ever been up: clients may be accepted
	uint64_t resend_ms; // how long a publish may be sent again, by its last HELLO_ACK
	uint64_t down_since_ms; // monotonic; when it went down (or the link was made); 0 while up
	uint64_t canary_ms; // monotonic time a canary last came back through routing; 0: never
	uint64_t inflight_bytes;
	uint64_t queued_bytes;
};
// From any thread.
struct router_link_status router_link_status(struct router_link *link);
