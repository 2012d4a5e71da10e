// One of the edge's threads: a loop with its listeners, connections, room index, timers and counters.
// Workers share nothing but what edge.h lists and the links; what a link brings comes by the inbox.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/net.h"
#include "common/watchdog.h"
#include "common/wheel.h"
#include "edge/client/backlog.h"
#include "edge/client/conn.h"
#include "edge/client/conn_table.h"
#include "edge/client/drain.h"
#include "edge/client/fib.h"
#include "edge/send/pack.h"
#include "edge/send/send_batch.h"
#include "edge/state/edge.h"
#include "edge/state/edge_metrics.h"
#include "edge/tls/transport.h"
#include "edge/uplink/inbox.h"
#include "edge/uplink/uplink.h"

struct listener;

enum {
	WORKER_LISTENERS_MAX = 16,
	WORKER_KEEP = 64 * 1024, // capacity a working buffer keeps
	// TLS handshakes that are taken a step further in one turn. A step may hold a signature, with RSA
	// more than half a millisecond; the clients that are in wait no longer than for these.
	WORKER_TLS_STEPS = 8,
	// A message for more connections than this is sent to so many in a turn, after everything else.
	WORKER_CROWD = SEND_BATCH_MAX,
};

struct worker {
	struct edge *edge; // borrowed
	struct settings *settings; // owned reference
	_Atomic(struct settings *) offered; // owned reference; those to be used from now on
	unsigned index;
	struct loop *loop; // owned
	pthread_t thread;
	bool started;
	struct loop_timer tick;
	struct watchdog_pulse pulse; // beats with each tick
	struct loop_wake *control; // posted when `edge->stopping` or `offered` changed
	struct listener *listeners[WORKER_LISTENERS_MAX]; // owned
	unsigned n_listeners;

	struct conn_table conns;
	struct conn_list dirty; // have something to send
	struct conn_list crowd; // likewise, only of what goes to many: some of them each turn
	bool to_crowd; // what is being queued goes to many
	struct conn_list agenda; // have something to do at the end of the turn
	struct backlog backlog;
	struct wheel wheel;
	struct fib fib;
	struct uplink uplinks[EDGE_LINKS_MAX];
	struct inbox inbox;
	struct link_arena arena;
	struct buf records; // taken from the inbox
	struct buf out; // an event being rendered
	struct buf decoded; // what decoding a message or a head needs
	uint64_t next_number;

	uint64_t touched_ms; // monotonic time of the callback under way
	uint64_t stalled_ms; // time so far in which this thread did not run
	bool stalled; // since the last tick
	bool renewed; // since the last tick: settings were replaced
	bool link_up; // as of the last tick
	struct drain drain;
	bool stopping; // takes nobody any more
	bool done; // and nobody is left
	int64_t stamp_ms; // of the first delivery of this turn that reached somebody; 0: none

	struct log_limit proxy_log;
	struct edge_metrics metrics;
	unsigned tls_steps; // taken in this turn
	struct transport_buffers buffers;
	struct packer packer; // what goes to who agreed on compression
	struct ws_limits packed_limits; // and what comes from them; owns the inflater
	struct send_batch *sends; // owned; NULL: one by one
};

struct worker *worker_new(struct edge *edge, unsigned index);
// Adds a listener; replaces port 0 in `addr`. With `exclusive` a port in use is refused even if it
// could be shared. 0 or negative errno.
MUST_CHECK int worker_listen(struct worker *w, struct net_addr *addr, bool exclusive);
// The same for clients that speak TLS; edge->tls has a context.
MUST_CHECK int worker_listen_tls(struct worker *w, struct net_addr *addr, bool exclusive);
void worker_attach(struct worker *w, unsigned i, struct router_link *link);
void worker_start(struct worker *w);
// From the main thread: it uses these settings from its next callback on. Takes a reference.
void worker_offer(struct worker *w, struct settings *settings);
// From the main thread: wakes it to see that the edge is stopping; it stops accepting, answers what is
// under way, closes its clients, and calls edge_worker_done().
void worker_post(struct worker *w);
// Ends the thread, waits for it, and cuts off who is left. The links hear of it and may then go.
void worker_stop(struct worker *w);
// After worker_stop(), and when nothing puts into its inbox any more. NULL is fine.
void worker_free(struct worker *w);

// Ten times a second: timers, requests past their deadline, the drain. Public for tests, which bring
// their own clock.
void worker_on_tick(struct worker *w);

// Reads the clock, at the start of each callback, and takes the settings that are offered: who comes
// after a reload was reported meets its result. A thread that was stopped, or busy, for long has
// not read its sockets; that time is taken out of the worker's clock, so that no client is blamed
// for it.
void worker_touch(struct worker *w);
// Milliseconds of the worker's clock: monotonic, but standing still while the thread did.
static inline uint64_t worker_now(const struct worker *w)
{
	return w->touched_ms - w->stalled_ms;
}

// Counts and logs a connection that came without a proxy's word that could be believed.
void worker_refuse_proxy(struct worker *w, const struct net_ip *peer, enum handshake_result result,
	const char *why);
// True if one more TLS handshake may be taken a step further in this turn.
bool worker_may_open_tls(struct worker *w);

// The link to the router that owns `room`.
struct uplink *worker_link_for(struct worker *w, struct bytes room);
// A frame of one event of the edge's own making (not EVENT_MESSAGE), with one reference.
struct frame *worker_render(struct worker *w, const struct client_event *event);
