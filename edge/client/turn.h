// What all connections of a worker share while a turn of its loop runs: clocks, settings, timers,
// buffers, counters, the way out, and the list of those with something to do at its end. It knows
// no connection beyond that list, and nobody above it.
//
// Two clocks. `mono_ms` is the monotonic one, as of the callback under way. turn_client_ms() stands
// still while the thread did: silence of a client is measured in time during which this thread
// could have heard it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/log.h"
#include "common/net_ip.h"
#include "common/wheel.h"
#include "edge/client/conn_table.h"
#include "edge/client/edge_recorder.h"
#include "edge/client/key_wait.h"
#include "edge/codec/codec.h"
#include "edge/send/pack.h"
#include "edge/send/stream.h"
#include "edge/state/edge_metrics.h"
#include "edge/ws/ws_session.h"

struct conn;
struct conn_ops;
struct edge;
struct settings;

enum {
	TURN_KEEP = 64 * 1024, // capacity a working buffer keeps
	// TLS handshakes that are taken a step further in one turn. A step may hold a signature,
	// with RSA more than half a millisecond; the clients that are in wait no longer than for
	// these.
	TURN_TLS_STEPS = 8,
};

TAILQ_HEAD(conn_list, conn);

struct turn {
	struct edge *edge; // borrowed
	struct settings *settings; // owned reference
	_Atomic(struct settings *) offered; // owned reference; those to be used from now on
	unsigned index; // of the worker
	struct loop *loop; // borrowed
	const struct conn_ops *conn_ops; // borrowed; gets what happens to a connection

	uint64_t mono_ms;
	uint64_t stalled_ms; // time so far in which this thread did not run
	bool stalled; // since the last tick
	bool renewed; // since the last tick: settings were replaced
	bool link_up; // as of the last tick

	struct conn_table conns;
	struct conn_list deferred; // connections with something to do at the end of the turn
	struct stream_group streams;
	struct wheel wheel;
	struct packer packer; // what goes to who agreed on compression
	struct ws_limits packed_limits; // and what comes from them; owns the inflater
	struct buf out; // an event or an answer being rendered
	struct buf decoded; // what decoding a message or a head needs
	struct edge_metrics metrics;
	struct edge_recorder recorder;
	struct frame *event_of; // owned reference; the last frame made an event, and the event
	struct frame *event;
	struct key_waits key_waits; // of connections that wait for the key of their token
	struct log_limit proxy_log;
	struct log_limit refusal_log;
	struct log_limit token_log;
	struct log_limit connection_log; // of who comes and goes
	uint64_t next_number;
	unsigned tls_steps; // taken in this turn
};

void turn_init(struct turn *t, struct edge *edge, unsigned index, struct loop *loop,
	const struct stream_ops *stream_ops, const struct conn_ops *conn_ops);
void turn_fini(struct turn *t);

// Reads the clocks, first in each callback of the loop, and takes the settings that are offered:
// who comes after a reload was reported meets its result.
void turn_touch(struct turn *t);
static inline uint64_t turn_client_ms(const struct turn *t)
{
	return t->streams.client_ms;
}

// A frame of one event of the edge's own making (not EVENT_MESSAGE), with one reference.
struct frame *turn_render(struct turn *t, enum codec_id codec, const struct client_event *event);
// True if one more TLS handshake may be taken a step further in this turn.
MUST_CHECK bool turn_may_open_tls(struct turn *t);
// Counts and logs a connection that came without a proxy's word that could be believed.
void turn_refuse_proxy(struct turn *t, const struct net_ip *peer, enum handshake_result result,
	const char *why);
