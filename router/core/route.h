// What the router does: items in, items out. Takes what edges say, checks it, changes the tables
// and appends what is to be sent to whom. Pure: no socket, no clock, no log; time is a parameter,
// output goes to a sink. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "common/metrics.h"
#include "proto/link_items.h"
#include "proto/policy/revocations.h"
#include "proto/policy/rights.h"
#include "router/core/absence.h"
#include "router/core/budget.h"
#include "router/core/dedup.h"
#include "router/core/distrust.h"
#include "router/core/edge_rules.h"
#include "router/core/inquiry.h"
#include "router/core/journal.h"
#include "router/core/notices.h"
#include "router/core/recorder.h"
#include "router/core/room_table.h"
#include "router/core/settling.h"
#include "router/core/store.h"
#include "router/core/store_engine.h"

struct route_options {
	uint64_t max_rooms; // 0: no limit
	uint64_t max_members_per_room; // 0: no limit
	uint64_t max_connections_per_user; // 0: no limit
	bool newest_wins; // beyond it the oldest goes, not the one that comes
	struct budget_limits budgets; // of each user, all connections together
	uint64_t presence_linger_ms; // after which it is announced that a user has gone
	uint64_t presence_events_max; // larger rooms announce nobody; 0: no limit
	uint64_t history_age_ms; // messages, and a room's epoch and seq, are kept; 0: for ever
	uint64_t history_messages; // per room; 0: none are kept
	uint64_t history_bytes; // per room
	uint64_t history_total; // bytes of all rooms; 0: no limit
	uint64_t dedup_total; // bytes of idempotency keys; 0: no limit
	uint64_t recorder_bytes; // of what happened of late, from the start on; 0: nothing is kept
};

// Takes one element of a BATCH for `edge` (see link_item_append()); copies it, the span is reused.
// It must not call back into route: an edge found dead here is taken down later.
typedef void route_append_fn(void *arg, struct table_edge *edge, struct bytes element);

// An edge has sent what is not passed on.
typedef void route_distrust_fn(void *arg, const struct table_edge *edge, enum distrust distrust);

struct route_counters {
	struct counter published; // broadcasts and ephemeral messages too
	struct counter deliveries; // connections reached
	struct counter ignored; // items that speak of a client we do not know
	struct counter unknown; // items of a kind we do not know
	struct counter rejected[REFUSAL_COUNT];
	struct counter rooms_full; // REFUSAL_LIMIT for max-rooms
	struct counter over_budget[BUDGET_COUNT]; // REFUSAL_RATE_LIMITED, by what was exceeded
	struct counter distrusted[DISTRUST_COUNT]; // what an edge sent and was not passed on
};

struct route {
	struct room_table table; // for reading; the admin plane walks it
	struct route_options options;
	struct route_counters counters;
	struct store store;
	struct dedup dedup;
	struct dedup origins; // with a durable store
	struct journal journal;
	struct absences absences;
	struct revocations revocations;
	struct edge_rules edge_rules;
	bool has_seal;
	uint8_t seal_key[REVOCATION_SEAL_LEN]; // for revocations, if has_seal
	struct settling settling; // after a restart
	struct recorder recorder;
	struct notices notices; // outside receivers; set once, before the first item
	struct inquiries inquiries;
	route_append_fn *append;
	void *arg;
	route_distrust_fn *on_distrust; // NULL: no report
	void *distrust_arg;
	struct buf element; // scratch: what is being appended
	struct budget_excess excess; // of the last REFUSAL_RATE_LIMITED or REFUSAL_LIMIT
	struct link_arena arena; // of items that had to wait
	struct table_edge *cause; // on whose account a turn of the store is applied; NULL: none's
};

// A NULL `append` is set by route_set_sink() before the first item.
void route_init(struct route *r, const struct route_options *options, route_append_fn *append,
	void *arg);
void route_set_sink(struct route *r, route_append_fn *append, void *arg);
// Gets reports of an edge that sends what is not passed on; it must not call back into route.
void route_on_distrust(struct route *r, route_distrust_fn *fn, void *arg);
void route_fini(struct route *r);
// Other limits from now on. What is kept beyond them goes with the next message of its room.
void route_set_options(struct route *r, const struct route_options *options);
// Values of room-options and room-slow-policy, which were checked; they hold in the rooms that
// there are as well. A history that has become too long is trimmed as above.
void route_set_rooms(struct route *r, const struct conf_list *options,
	const struct conf_list *slow);

// Values of edge-options, which were checked: before the first edge is up.
void route_set_edges(struct route *r, const struct conf_list *options);

// A session with an edge begins: it holds no client yet. `link` comes back as edge->link; name and
// policy (from HELLO) are copied. `n_workers` of it will tell their places; 0: it did not say.
struct table_edge *route_edge_up(struct route *r, void *link, struct bytes name,
	const struct rights_policy *policy, uint32_t n_workers);
// What happens from now on happens at that time; items bring their own.
static inline void route_tell_time(struct route *r, int64_t wall_ms)
{
	r->recorder.wall_ms = wall_ms;
}
// The session is over: nothing is sent to the edge any more, and neither `edge` nor its link are
// used again. Its clients are members until route_purge() lets them leave.
void route_edge_down(struct route *r, struct table_edge *edge);
// Lets clients of edges that went down leave their rooms and tells the members elsewhere: `max`
// steps, a membership or a client each, so that a large edge does not hold up what is to be routed.
// False when none is left.
bool route_purge(struct route *r, size_t max, uint64_t now_ms);
// True while clients of an edge of that name, which went down, have yet to leave. It must not come
// up before: its clients, announced again, would be in their rooms twice.
bool route_is_purging(const struct route *r, struct bytes name);

// After a session began: what the edge's members have missed and history holds, with a gap for the
// rest. True if some of it has yet to be sent.
static inline bool route_has_replays(const struct table_edge *edge)
{
	return edge->is_announced && edge->replays_at < edge->replays.len;
}
// Sends about `max_bytes` of it. What is said meanwhile in a room that waits follows from its
// history.
void route_replay(struct route *r, struct table_edge *edge, size_t max_bytes, uint64_t now_ms);

// Sends every edge the names of all edges, at most LINK_EDGES_MAX, for the next router.
void route_send_edges(struct route *r, const struct bytes *names, size_t n);

enum route_result_code {
	ROUTE_DONE,
	ROUTE_LATER, // nothing was done: to be given again when route_must_wait() is over
	ROUTE_AFTER, // among the files of route: it waits for what its client has under way
};
// True while requests of the edge are not routed: an edge of the last router is awaited, this edge
// has not been sent all that its members have missed, or the store is too far behind. A publish
// must not be answered before the message itself, which waits behind those.
bool route_must_wait(const struct route *r, const struct table_edge *edge);
// One item from an edge; of a kind that a newer edge knows, it is ignored. ROUTE_DONE, ROUTE_LATER,
// or negative if no conforming edge sends it: then its link is to be closed.
MUST_CHECK int route_item(struct route *r, struct table_edge *edge, const link_item *item,
	uint64_t now_ms, int64_t wall_ms);

// Revocations that edges bring are believed only under this key (copied) from now on, and sent to
// all under it; NULL: whatever they bring.
void route_set_seal(struct route *r, const uint8_t key[REVOCATION_SEAL_LEN]);
// All revocations, for an edge whose session begins.
void route_tell_revocations(struct route *r, struct table_edge *edge);
// Revokes tokens, or lifts that: every edge is notified, and who is there with one is closed;
// `*closed` of them. False if there are too many.
MUST_CHECK bool route_revoke(struct route *r, const struct revocation *rev, uint64_t *closed);
// How long a token may be good after it was issued, by what the edges said; 0: any time.
uint64_t route_token_life_ms(const struct route *r);
// Forgets revocations that no token can need any more.
void route_expire_revocations(struct route *r, int64_t wall_ms);

// ---- a durable store

// What is being read from a log; zeroed but for the first two.
struct route_load {
	uint64_t now_ms;
	int64_t wall_ms;
	uint64_t number; // of the last turn
	uint64_t n_messages;
	uint64_t n_damaged; // places in the log
};

// Rooms are kept in a log, in slots by that hash key: before the first item. Then comes a
// route_load() for each turn that the log holds, in order, and route_loaded() at its end.
void route_use_store(struct route *r, const uint64_t hash_key[2]);
void route_load(struct route *r, struct route_load *load, uint64_t number, struct bytes turn);
// The same of a log that the engine keeps slot by slot: one for each slot that has any.
void route_load_slot(struct route *r, struct route_load *load, uint32_t slot, struct bytes log);
// Everything published from now on is committed by the engine before anybody hears of it. If
// something was damaged, a turn that says so is to be written first: route_is_idle() is false.
void route_loaded(struct route *r, const struct route_load *load,
	const struct store_engine_ops *ops, void *engine);
// Hands what was proposed to the engine, if that is free: call it at the end of each turn of the
// loop, before what was appended leaves.
void route_end_turn(struct route *r);
// The engine's answer: what the turn held is delivered and acknowledged, or refused.
void route_committed(struct route *r, enum store_result result, uint64_t now_ms, int64_t wall_ms);
// The engine does not answer: what is not in its hands is refused, and so is what comes, until it
// is no longer stalled. What it has begun stays under way.
void route_stall(struct route *r, bool stalled, uint64_t now_ms, int64_t wall_ms);
// Appends images of some of the slots, which it removes from the set, and of no more when there are
// about `max_bytes`: what a log holds of them when all turns that were answered are in it.
void route_image_slots(const struct route *r, struct store_slot_set *slots, struct buf *out,
	size_t max_bytes);
// Writes images of all slots in the turns that follow, so that the log holds nothing else; it is
// done when the journal's n_compacting is 0.
void route_compact(struct route *r);
// False while something is on its way into the store.
static inline bool route_is_idle(const struct route *r)
{
	return journal_is_idle(&r->journal);
}

// Forgets rooms whose time is over, some at a time: call each second or so. True if there may be
// more.
bool route_sweep(struct route *r, uint64_t now_ms);

struct route_message {
	struct bytes room; // not for broadcasts
	struct bytes type;
	struct bytes body;
	const struct table_client *from; // NULL: no client's (weirctl)
	struct bytes key; // of idempotency; empty: none
	struct bytes trace; // what its sender calls it; empty: nothing
	bool no_echo;
	bool ephemeral;
	struct bytes origin; // with a durable store; empty: none
	bool resent; // the edge may have sent it before
};
struct route_result {
	uint64_t epoch;
	uint64_t seq; // 0: ephemeral, or a broadcast
	int64_t timestamp_ms;
	uint32_t members; // connections
	bool duplicate; // a repeat: the other fields are the first one's, but for members
	bool proposed; // among the files of route: on its way into the store
	bool pending; // the same, of what it repeats
};
// Publishes without a question of rights; only the room's options may forbid it to a client.
// REFUSAL_NONE and the result, or why not. With a durable store it returns when that has committed,
// so it is for what happens rarely; REFUSAL_UNAVAILABLE if the store takes long, and then the
// message may be said later.
MUST_CHECK enum refusal route_publish(struct route *r, const struct route_message *message,
	uint64_t now_ms, int64_t wall_ms, struct route_result *result);
void route_broadcast(struct route *r, const struct route_message *message, int64_t wall_ms,
	struct route_result *result);

// Asks the client's edge to close it; it leaves its rooms when the edge says that it has.
void route_kick(struct route *r, const struct table_client *client, struct bytes reason);
// The same with a text for the client to read; empty: none.
void route_kick_saying(struct route *r, const struct table_client *client, struct bytes reason,
	struct bytes text);
// Has the edge send its clients away, `rate` a second (0: as it sees fit), and keep others out; or
// no longer. What it makes of that it says itself (table_edge's `draining`).
void route_drain(struct route *r, struct table_edge *edge, bool active, uint32_t rate);

// What became of a message, or of whom. Spans may be empty; seq may be 0.
struct route_question {
	struct bytes room;
	struct bytes user;
	struct bytes client;
	uint64_t epoch;
	uint64_t seq;
	bool memory; // what takes it, and nothing of the above
};
// Asks all edges. The number under which `inquiries` gathers the answers; 0: too many ask.
MUST_CHECK uint64_t route_inquire(struct route *r, const struct route_question *question,
	uint64_t now_ms);

// What the router decides of a client that asks for a right; weirctl explains with it.
struct rights_decision route_decide(const struct table_client *client, enum right right,
	struct bytes room);
