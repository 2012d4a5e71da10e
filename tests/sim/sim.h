// A router, edges with their workers, links between them and clients in one thread under a virtual
// clock: all that happens follows from a seed. The tables, sessions, windows, lanes and pending
// requests are the product's; the simulation moves bytes between them, late, in order, and until a
// link is cut or a process dies. What the clients see is judged by the oracle.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "edge/auth/auth.h"
#include "edge/uplink/dispatch.h"
#include "edge/uplink/link_lanes.h"
#include "edge/uplink/siblings.h"
#include "edge/uplink/uplink.h"
#include "router/core/route.h"

enum {
	SIM_EDGES = 3,
	SIM_WORKERS = 2,
	SIM_CLIENTS = 9,
	SIM_ROOMS = 4, // the last one is not allowed to clients with an odd number
	SIM_REQUESTS_MAX = 4096,
	SIM_TICK_MS = 50,
	SIM_LINK_TIMEOUT_MS = 6000,
	SIM_REQUEST_TIMEOUT_MS = 1500,
	SIM_START_MS = 1000000,
};

struct sim;

// ---- what happens when

enum sim_event_kind {
	SIM_DIAL, // an edge dials
	SIM_HELLO, // reaches the router
	SIM_HELLO_ACK, // reaches the edge
	SIM_UP, // bytes reach the router
	SIM_DOWN, // bytes reach the edge
	SIM_HOLD, // the edge is asked to send nothing new, or no longer
	SIM_HELD, // the router learns where what the edge has sent ends
	SIM_GOAWAY, // the edge is told that it has lagged
	SIM_CUT, // a connection breaks
	SIM_EDGE_CUT, // the edge sees the end of a connection
	SIM_ROUTER_CUT, // the router does
	SIM_WORKER_TURN,
	SIM_ROUTER_TURN,
	SIM_EDGE_TICK,
	SIM_ROUTER_TICK,
	SIM_EDGE_START,
	SIM_ROUTER_START,
	SIM_CLIENT, // does something
	SIM_FAULT, // happens
};

struct sim_hello {
	struct link_offer offer;
	uint64_t boot;
	unsigned siblings; // a set of edges
};

struct sim_event {
	uint64_t at_ms;
	uint64_t serial; // order among those of one time
	enum sim_event_kind kind;
	unsigned edge; // or client
	unsigned worker;
	uint64_t number; // of the connection, or of the life of a process
	struct sim_hello hello;
	struct link_answer answer;
	uint64_t held; // HOLD: 1 or 0; HELD: seq of the next BATCH
	struct buf bytes; // owned
};

// ---- the actors

struct sim_peer { // an edge as the router knows it
	bool known;
	uint64_t boot;
	uint64_t conn; // 0: none
	bool hung_up;
	uint64_t heard_ms;
	struct table_edge *table;
	struct link_session session;
	struct buf tail; // elements that wait for the window
	struct buf parked; // a BATCH, or its rest, that waits to be routed
	bool lagged;
	uint64_t held_at; // 0: it has not said so
	bool has_lagged; // of this router: what it had for the edge was lost once
};

struct sim_router {
	bool up;
	uint64_t life;
	uint64_t started_ms;
	uint64_t frozen_until_ms;
	bool turn_due;
	bool holding; // for a planned restart
	uint64_t hold_until_ms;
	struct route route;
	struct sim_peer peers[SIM_EDGES];
	struct link_arena arena;
};

struct sim_worker {
	struct sim_edge *edge;
	unsigned index;
	struct uplink up;
	struct inbox inbox;
	struct fib fib;
	bool turn_due;
};

enum sim_link_state {
	SIM_LINK_DOWN,
	SIM_LINK_OPENING,
	SIM_LINK_READY,
};

struct sim_edge {
	struct sim *sim;
	unsigned number;
	bool up;
	uint64_t life; // also its boot id
	uint64_t frozen_until_ms;
	enum sim_link_state state;
	uint64_t conn;
	uint64_t down_since_ms;
	bool admitted;
	bool holding;
	struct link_lanes lanes;
	struct dispatch dispatch;
	struct siblings siblings;
	struct counter unknown;
	struct link_arena arena;
	struct sim_worker workers[SIM_WORKERS];
};

// Where a client stands in a room, by what it was sent.
struct sim_place {
	bool in;
	bool known; // epoch and seq are to be asked from
	uint64_t epoch;
	uint64_t seq;
	uint64_t asked_epoch; // since, of the join under way
	uint64_t asked_seq;
	struct {
		uint64_t session;
		uint64_t n;
	} last[SIM_CLIENTS]; // message of each sender
};

struct sim_client {
	unsigned number;
	bool connected;
	struct sim_edge *edge;
	struct sim_worker *worker;
	uint64_t handle;
	uint64_t session;
	struct identity identity;
	struct fib_member_list rooms;
	struct sim_place places[SIM_ROOMS];
};

enum sim_outcome {
	SIM_WAITS,
	SIM_GONE, // its client was closed before an answer came
	SIM_ACKED,
	SIM_REFUSED,
	SIM_NONE, // unavailable, outcome none
	SIM_UNKNOWN, // unavailable, outcome unknown
};

struct sim_request {
	enum command_kind kind;
	unsigned client;
	uint64_t session;
	unsigned room;
	uint64_t n; // a publish; the same again for one that is asked again by its key
	bool keyed;
	enum sim_outcome outcome;
};

// What was numbered: n by place.
struct sim_truth {
	uint64_t epoch;
	uint64_t *n; // owned; by seq; 0: nobody has seen it
	size_t cap;
};

struct sim_log { // of one room
	struct sim_truth *epochs; // owned
	size_t n_epochs;
};

// What has to be seen in enough seeds: where it never happens nothing is judged.
enum sim_sight {
	SIM_JUDGED, // what the oracle has looked at
	SIM_SEEN_ACKED,
	SIM_SEEN_REFUSED,
	SIM_SEEN_NONE,
	SIM_SEEN_UNKNOWN,
	SIM_SEEN_RECOVERED,
	SIM_SEEN_NOT_RECOVERED,
	SIM_SEEN_NEW_EPOCH,
	SIM_SEEN_GAP,
	SIM_SEEN_DUPLICATE, // the ack of a repeat
	SIM_SEEN_RESUMED, // a link
	SIM_SEEN_BEGUN,
	SIM_SEEN_LAGGED,
	SIM_SEEN_PLANNED, // restart, with nothing under way
	SIM_SIGHTS,
};

struct sim {
	uint64_t seed;
	uint64_t random;
	bool trace;
	bool calm; // no more faults, no more requests
	uint64_t now_ms;
	struct sim_event **heap; // owned
	size_t n_events;
	size_t heap_cap;
	uint64_t n_serials;
	uint64_t n_conns;
	uint64_t n_lives;
	uint64_t alive[SIM_EDGES]; // the connection whose bytes still arrive; 0: none
	uint64_t up_last_ms[SIM_EDGES]; // when the last bytes arrive: bytes keep their order
	uint64_t down_last_ms[SIM_EDGES];
	struct loop *loop; // never run
	struct codec_options codec;
	struct sim_router router;
	struct sim_edge edges[SIM_EDGES];
	struct sim_client clients[SIM_CLIENTS];
	uint32_t n_generations;
	struct sim_request requests[SIM_REQUESTS_MAX];
	size_t n_requests;
	uint64_t n_messages;
	struct sim_log logs[SIM_ROOMS];
	uint64_t seen[SIM_SIGHTS];
	uint64_t digest; // of all that clients saw, but for epochs, which are random
};

// ---- chance and time

uint64_t sim_random(struct sim *sim);
// Less than `n`, which is not 0.
unsigned sim_below(struct sim *sim, unsigned n);
bool sim_chance(struct sim *sim, unsigned percent);
// Mostly short, seldom long.
uint64_t sim_delay_ms(struct sim *sim);
// To be filled in, then given to sim_post().
struct sim_event *sim_event_new(struct sim *sim, enum sim_event_kind kind, unsigned edge,
	uint64_t number);
void sim_post(struct sim *sim, struct sim_event *event, uint64_t at_ms);
// The same event later, where it keeps its place among those of its time.
void sim_repost(struct sim *sim, struct sim_event *event, uint64_t at_ms);
// NULL if nothing happens any more. The caller's, to be freed or posted again.
struct sim_event *sim_next(struct sim *sim);
void sim_event_free(struct sim_event *event);
void sim_say(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Says what is wrong and ends the process.
_Noreturn void sim_fail(struct sim *sim, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// ---- links

// Puts what the window has not sent on the way, and an ACK if one is owed.
void sim_send(struct sim *sim, enum sim_event_kind kind, unsigned edge, uint64_t conn,
	struct link_window *window);
// The event that follows all that was sent on that way before.
void sim_post_in_order(struct sim *sim, struct sim_event *event, bool up);
// The connection of the edge breaks, and what is under way on it is lost.
void sim_cut(struct sim *sim, unsigned edge);

// ---- the router

void router_start(struct sim *sim);
void router_kill(struct sim *sim);
void router_on_hello(struct sim *sim, struct sim_event *event);
void router_on_bytes(struct sim *sim, const struct sim_event *event);
void router_on_cut(struct sim *sim, const struct sim_event *event);
void router_turn(struct sim *sim);
void router_tick(struct sim *sim);
// A planned restart begins, which takes place when nothing is under way.
void router_hold(struct sim *sim);
void router_on_held(struct sim *sim, const struct sim_event *event);
// So much waits for the edge that it is cut off.
void router_lag(struct sim *sim, unsigned edge);

// ---- edges

void edge_start(struct sim *sim, unsigned edge);
void edge_kill(struct sim *sim, unsigned edge);
void edge_dial(struct sim *sim, unsigned edge);
void edge_on_hello_ack(struct sim *sim, const struct sim_event *event);
void edge_on_bytes(struct sim *sim, const struct sim_event *event);
void edge_on_hold(struct sim *sim, const struct sim_event *event);
// True if a request is under way that the router may have carried out.
bool edge_has_sent_requests(struct sim_edge *edge);
void edge_on_goaway(struct sim *sim, const struct sim_event *event);
void edge_on_cut(struct sim *sim, const struct sim_event *event);
void edge_worker_turn(struct sim *sim, unsigned edge, unsigned worker);
void edge_tick(struct sim *sim, unsigned edge);
void edge_turn_due(struct sim_worker *worker);

// ---- clients

struct bytes room_name_of(unsigned room);
unsigned room_number_of(struct sim *sim, struct bytes name);
bool client_may(const struct sim_client *client, unsigned room);
void client_connect(struct sim *sim, struct sim_client *client);
void client_close(struct sim *sim, struct sim_client *client, bool tell);
// One random thing.
void client_act(struct sim *sim, struct sim_client *client);

// ---- the oracle

// The number in a message's body, `{"n":NUMBER}`.
uint64_t message_number(struct sim *sim, struct bytes text);
void view_joined(struct sim *sim, struct sim_client *client, const Weir__Link__V1__Joined *m);
void view_message(struct sim *sim, struct sim_client *client, unsigned room, uint64_t epoch,
	uint64_t seq, uint64_t n);
void view_gap(struct sim *sim, struct sim_client *client, unsigned room, uint64_t from,
	uint64_t to);
void view_left(struct sim *sim, struct sim_client *client, unsigned room);
void view_history(struct sim *sim, const Weir__Link__V1__History *m);
void view_answer(struct sim *sim, uint64_t request, enum sim_outcome outcome);
void view_ack(struct sim *sim, uint64_t request, const Weir__Link__V1__Published *m);
// When all has come to rest.
void judge_rest(struct sim *sim);
void oracle_fini(struct sim *sim);
