// One edge as the router's link knows it: its incarnation (name and boot id), what is on its way
// down to it, and the connection that carries it, if there is one. Outlives connections: a cut is
// resumed from here. The routing thread's; only the window is shared, with the connection's write
// callback, under the connection's mutex.
//
// What goes down passes three stages, each bounded: `fresh` gathers one routing turn, `tail` waits
// for the window (EDGE_TAIL_MAX, beyond it the edge has lagged and must announce itself anew), the
// window holds what is not acknowledged. What comes up is routed at once, unless it feeds an edge
// that is behind: then it is parked, unacknowledged, so its sender's window closes.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/log.h"
#include "proto/link/link_conn.h"
#include "proto/link/link_resume.h"
#include "proto/link_hello.h"

struct table_edge;

enum {
	EDGE_TAIL_MAX = 4 << 20,
	EDGE_STALLED_MS = 250,
	EDGE_SILENT_MS = 3000, // a living edge sends a PING each second
	EDGE_RIVAL_MS = 10000, // an edge that was refused dials again within three seconds
};

// What a HELLO of the edge's name is to the incarnation that is known.
enum edge_claim {
	EDGE_CLAIM_SAME, // its own
	EDGE_CLAIM_NEXT, // the next one's: the one known is gone
	EDGE_CLAIM_TAKEN, // another one's, while the one known lives or may live
};

struct edge_link {
	LIST_ENTRY(edge_link) in_server;
	char name[LINK_NAME_MAX + 1];
	uint8_t boot[LINK_BOOT_LEN];
	char *version; // owned
	int64_t since_ms; // Unix time of the first hello of this incarnation
	uint64_t heard_ms; // monotonic; last byte
	bool hung_up; // its other end closed the last connection, and no other has followed
	uint64_t asked_ns; // monotonic; PINGs from then on ask whether there is a rival; 0: none
	uint64_t rival_ms; // monotonic; when a rival was last there; 0: never
	struct table_edge *table; // in the routing tables
	struct link_conn *conn; // borrowed from the server's peer; NULL while cut
	pthread_mutex_t *conn_lock; // its mutex
	struct link_session session;
	struct buf fresh;
	struct buf tail;
	size_t tail_at;
	size_t waiting; // bytes of the tail, as of the last flush or ack
	uint64_t progress_ms; // monotonic; when it last acknowledged something
	bool lagged; // lost something: nothing more is sent before a new session
	bool blocked; // BATCHes are parked; else routed at once
	const struct edge_link *blocked_by; // the edge that is behind, if that is why; borrowed
	uint64_t slice_ns; // of the routing thread's time, used in this turn
	bool sliced; // blocked because that is enough for a turn
	struct buf parked; // BATCHes received and not routed
	size_t parked_at;
	uint64_t n_parked;
	bool touched; // in the server's list of links to flush
	bool busy; // flushed since the last edge_link_trim()
	uint32_t minor; // version that it speaks
	uint64_t held_at; // it sends no BATCH from this seq on; 0: it has not said so
	uint64_t ping_ms;
	struct log_limit distrust_log;
	uint64_t rtt_us; // of the last PING answered; 0: none yet
};

struct edge_link *edge_link_new(struct bytes name, const uint8_t boot[LINK_BOOT_LEN]);
// Detached before.
void edge_link_free(struct edge_link *link);

// What a HELLO with `boot` is. `timeout_ms` of silence are the end of any incarnation. One whose
// other end closed the connection counts as dead at once, unless it had a rival within
// EDGE_RIVAL_MS: another living edge that was refused its name. That one would get the name with
// every cut of this one's link.
enum edge_claim edge_link_claim(const struct edge_link *link, const uint8_t boot[LINK_BOOT_LEN],
	uint64_t timeout_ms, uint64_t now_ms);
// A HELLO was EDGE_CLAIM_TAKEN: asks this incarnation by a PING whether it lives too.
void edge_link_ask(struct edge_link *link, uint64_t now_ms);
// A PONG has come; `sent_ns` is when its PING was sent. True if it shows that two living edges have
// this name, and nothing did within the last EDGE_RIVAL_MS.
bool edge_link_answered(struct edge_link *link, uint64_t sent_ns, uint64_t now_ms);

// Whether nothing shows that it lives: it has no connection, or sends nothing on it.
bool edge_link_is_silent(const struct edge_link *link, uint64_t now_ms);

// A session has begun: nothing of the last one waits.
void edge_link_begin(struct edge_link *link);
// The connection carries this link from now on.
void edge_link_attach(struct edge_link *link, struct link_conn *conn, pthread_mutex_t *lock);
void edge_link_detach(struct edge_link *link);

// Takes one BATCH element; sent at the next flush. If it finds no room, the edge has lagged.
void edge_link_append(struct edge_link *link, struct bytes element);
// Moves what gathered towards the wire. False if the edge has lagged just now: it is to be notified
// and its connection closed.
MUST_CHECK bool edge_link_flush(struct edge_link *link);
// Gives back the memory of a burst that is over: call it each second or so.
void edge_link_trim(struct edge_link *link);
// (the connection's mutex held) The last write is complete: closes a BATCH with what waits.
void edge_link_on_drained(struct edge_link *link);
// The edge has taken in everything below `ack`. False for an ack of what was never sent.
MUST_CHECK bool edge_link_acked(struct edge_link *link, uint64_t ack);
// True if so much waits for the edge that who adds to it should be slowed: half the tail, until it
// has fallen to a quarter (`was` set). One that acknowledges nothing for EDGE_STALLED_MS does not
// read; it is not waited for and will lag alone.
bool edge_link_is_behind(const struct edge_link *link, bool was, uint64_t now_ms);
// Keeps a BATCH, or the rest of one, for later; false if the edge has sent more than its window
// allows.
MUST_CHECK bool edge_link_park(struct edge_link *link, struct bytes batch);
// What is left of the oldest BATCH parked, borrowed until the next call for this link; false if
// there is none.
bool edge_link_parked(const struct edge_link *link, struct bytes *batch);
// Its first `len` bytes have been routed.
void edge_link_unpark(struct edge_link *link, size_t len);
// All that came from the edge and is not parked is in the tables: its acknowledgement may be sent.
void edge_link_consume(struct edge_link *link);
// Sends an ACK if one is owed, and due or `now` is set.
void edge_link_tell_ack(struct edge_link *link, bool now);
void edge_link_ping(struct edge_link *link, uint64_t now_ms);

// True if the edge holds still: all it sent is routed, all it was sent is taken in.
bool edge_link_is_quiet(const struct edge_link *link);

// Bytes waiting for the window, and unacknowledged in it.
size_t edge_link_queue_bytes(const struct edge_link *link);
uint64_t edge_link_inflight_bytes(const struct edge_link *link);
