// The router's end of the links, as link_server.c and edge_link.c have it: who may take a name,
// what resumes, what waits for a window and what waits to be routed.

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

enum {
	WALL_MS = 700000000, // so much later than the monotonic clock, in seconds
	PURGE_STEPS = 3,
	REPLAY_BYTES = 2048,
	REPLAY_BELOW = 8192,
	HOLD_MS = 1500,
};

static int64_t wall_ms(const struct sim *sim)
{
	return (int64_t)WALL_MS * 1000 + (int64_t)sim->now_ms;
}

static struct bytes edge_name(unsigned edge)
{
	static const char *const names[SIM_EDGES] = { "e0", "e1", "e2" };
	return bytes_str(names[edge]);
}

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct sim_peer *peer = edge->link;
	(void)arg;
	if (!peer->lagged) {
		buf_append_bytes(&peer->tail, element);
	}
}

static void turn_due(struct sim *sim)
{
	struct sim_router *router = &sim->router;
	if (router->up && !router->turn_due) {
		router->turn_due = true;
		sim_post(sim, sim_event_new(sim, SIM_ROUTER_TURN, 0, router->life), sim->now_ms);
	}
}

void router_start(struct sim *sim)
{
	struct sim_router *router = &sim->router;
	const struct route_options options = {
		.history_age_ms = 300000,
		.history_messages = sim_chance(sim, 50) ? 4 : 100,
		.history_bytes = 1 << 20,
		.dedup_total = 1 << 20,
	};
	*router = (struct sim_router){
		.up = true,
		.life = ++sim->n_lives,
		.started_ms = sim->now_ms,
	};
	route_init(&router->route, &options, append, sim);
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		link_session_init(&router->peers[e].session);
	}
	sim_say(sim, "router starts");
	sim_post(sim, sim_event_new(sim, SIM_ROUTER_TICK, 0, router->life), sim->now_ms);
}

void router_kill(struct sim *sim)
{
	struct sim_router *router = &sim->router;
	if (!router->up) {
		return;
	}
	sim_say(sim, "router is killed");
	router->up = false;
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		struct sim_peer *peer = &router->peers[e];
		sim_cut(sim, e);
		link_session_fini(&peer->session);
		buf_fini(&peer->tail);
		buf_fini(&peer->parked);
	}
	route_fini(&router->route);
	link_arena_fini(&router->arena);
}

// ---- sessions

static void end_session(struct sim *sim, struct sim_peer *peer)
{
	if (peer->table != NULL) {
		route_edge_down(&sim->router.route, peer->table);
		peer->table = NULL;
		(void)route_purge(&sim->router.route, PURGE_STEPS, sim->now_ms);
	}
	buf_reset(&peer->tail, 0);
	buf_reset(&peer->parked, 0);
	peer->lagged = false;
}

static void send_edges(struct sim *sim)
{
	struct route *route = &sim->router.route;
	struct bytes names[SIM_EDGES];
	size_t n = 0;
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		bool awaited = false;
		const char *missing;
		for (size_t i = 0; (missing = settling_missing(&route->settling, i)) != NULL; i++) {
			awaited = awaited || bytes_equal_str(edge_name(e), missing);
		}
		if (sim->router.peers[e].known || awaited) {
			names[n++] = edge_name(e);
		}
	}
	route_send_edges(route, names, n);
}

static void purge_edge(struct sim *sim, unsigned edge)
{
	struct sim_peer *peer = &sim->router.peers[edge];
	sim_say(sim, "edge %u is forgotten", edge);
	end_session(sim, peer);
	peer->known = false;
	send_edges(sim);
	peer->conn = 0;
	turn_due(sim);
}

static void begin_session(struct sim *sim, unsigned edge, const struct sim_hello *hello)
{
	struct route *route = &sim->router.route;
	struct sim_peer *peer = &sim->router.peers[edge];
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		if ((hello->siblings >> e & 1) != 0) {
			settling_await(&route->settling, edge_name(e));
		}
	}
	struct rights *rights = rights_new();
	CHECK(rights_add(rights, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = { .defaults = rights };
	peer->table = route_edge_up(route, peer, edge_name(edge), &policy, SIM_WORKERS);
	rights_unref(rights);
	route_tell_revocations(route, peer->table);
	send_edges(sim);
}

static void send_hold(struct sim *sim, unsigned edge)
{
	struct sim_event *event = sim_event_new(sim, SIM_HOLD, edge, sim->router.peers[edge].conn);
	event->held = sim->router.holding ? 1 : 0;
	sim->router.peers[edge].held_at = 0;
	sim_post_in_order(sim, event, false);
}

// False if the name is another incarnation's that may live.
static bool yield_name(struct sim *sim, const struct sim_event *event)
{
	struct sim_peer *peer = &sim->router.peers[event->edge];
	if (!peer->known || peer->boot == event->hello.boot) {
		peer->hung_up = false;
		return true;
	}
	bool dead = peer->conn == 0 && peer->hung_up;
	if (!dead && sim->now_ms - peer->heard_ms < SIM_LINK_TIMEOUT_MS) {
		return false;
	}
	purge_edge(sim, event->edge);
	return true;
}

static void refuse(struct sim *sim, const struct sim_event *event)
{
	sim_post_in_order(sim, sim_event_new(sim, SIM_EDGE_CUT, event->edge, event->number), false);
}

static void wait_for_purge(struct sim *sim, const struct sim_event *event)
{
	struct sim_event *again = sim_event_new(sim, SIM_HELLO, event->edge, event->number);
	again->hello = event->hello;
	sim_post(sim, again, sim->now_ms + 1);
}

void router_on_hello(struct sim *sim, struct sim_event *event)
{
	struct sim_peer *peer = &sim->router.peers[event->edge];
	struct route *route = &sim->router.route;
	if (!sim->router.up || sim->alive[event->edge] != event->number) {
		return;
	}
	if (!yield_name(sim, event)) {
		refuse(sim, event);
		return;
	}
	if (!peer->known && route_is_purging(route, edge_name(event->edge))) {
		wait_for_purge(sim, event);
		return;
	}
	bool resumable = peer->known && !peer->lagged && peer->table != NULL;
	peer->known = true;
	peer->boot = event->hello.boot;
	peer->conn = 0;
	struct link_answer answer = link_offer_decide(&peer->session, &event->hello.offer,
		resumable, sim_random(sim) | 1);
	if (!answer.resumed) {
		end_session(sim, peer);
		if (route_is_purging(route, edge_name(event->edge))) {
			wait_for_purge(sim, event);
			return;
		}
		begin_session(sim, event->edge, &event->hello);
	}
	peer->conn = event->number;
	peer->heard_ms = sim->now_ms;
	sim->seen[answer.resumed ? SIM_SEEN_RESUMED : SIM_SEEN_BEGUN]++;
	sim_say(sim, "edge %u is up, %s, knows edges %#x", event->edge,
		answer.resumed ? "resumed" : "new", event->hello.siblings);
	struct sim_event *ack = sim_event_new(sim, SIM_HELLO_ACK, event->edge, event->number);
	ack->answer = answer;
	sim_post_in_order(sim, ack, false);
	peer->held_at = 0;
	if (sim->router.holding) {
		send_hold(sim, event->edge);
	}
	turn_due(sim);
}

void router_on_cut(struct sim *sim, const struct sim_event *event)
{
	struct sim_peer *peer = &sim->router.peers[event->edge];
	if (sim->router.up && peer->conn == event->number) {
		peer->conn = 0;
		peer->hung_up = true;
	}
}

// ---- items

// Routes the batch up to what has to wait, which is parked.
static void route_batch(struct sim *sim, struct sim_peer *peer, struct bytes batch)
{
	struct bytes packed;
	struct bytes rest = batch;
	int result;
	while ((result = link_batch_next(&rest, &packed)) > 0) {
		const link_item *item = link_item_unpack(&sim->router.arena, packed);
		CHECK(item != NULL);
		result = route_item(&sim->router.route, peer->table, item, sim->now_ms,
			wall_ms(sim));
		if (result == ROUTE_LATER) {
			break;
		}
		if (result != ROUTE_DONE) {
			sim_fail(sim, "an item of kind %d is refused", (int)item->kind_case);
		}
		batch = rest;
	}
	CHECK(result >= 0);
	buf_append_bytes(&peer->parked, batch);
}

static void on_frame(struct sim *sim, struct sim_peer *peer, const struct link_frame *frame)
{
	struct link_window *window = &peer->session.window;
	if (link_window_acked(window, frame->ack) != 0) {
		sim_fail(sim, "the router gets an ack of what it has not sent");
	}
	if (frame->type != LINK_BATCH) {
		return;
	}
	int result = link_window_accept(window, frame->seq, LINK_HEAD_LEN + frame->body.len);
	if (result < 0) {
		sim_fail(sim, "the router gets BATCH %llu out of order",
			(unsigned long long)frame->seq);
	}
	if (result == 0 && peer->parked.len > 0) {
		buf_append_bytes(&peer->parked, frame->body);
	} else if (result == 0) {
		route_batch(sim, peer, frame->body);
	}
}

void router_on_bytes(struct sim *sim, const struct sim_event *event)
{
	struct sim_peer *peer = &sim->router.peers[event->edge];
	struct bytes rest = buf_bytes(&event->bytes);
	struct link_frame frame;
	size_t used;
	if (!sim->router.up || sim->alive[event->edge] != event->number ||
		peer->conn != event->number) {
		return;
	}
	peer->heard_ms = sim->now_ms;
	while (rest.len > 0) {
		CHECK(link_frame_parse(rest, &frame, &used) == 0);
		on_frame(sim, peer, &frame);
		rest = bytes_from(rest, used);
	}
	turn_due(sim);
}

// ---- a planned restart

static void set_holding(struct sim *sim, bool holding)
{
	sim->router.holding = holding;
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		if (sim->router.peers[e].conn != 0) {
			send_hold(sim, e);
		}
	}
}

void router_hold(struct sim *sim)
{
	if (sim->router.up && !sim->router.holding) {
		sim_say(sim, "router asks its edges to hold still");
		sim->router.hold_until_ms = sim->now_ms + HOLD_MS;
		set_holding(sim, true);
	}
}

void router_on_held(struct sim *sim, const struct sim_event *event)
{
	struct sim_peer *peer = &sim->router.peers[event->edge];
	if (sim->router.up && peer->conn == event->number &&
		sim->alive[event->edge] == event->number) {
		peer->held_at = sim->router.holding ? event->held : 0;
		turn_due(sim);
	}
}

static bool is_quiet(const struct sim *sim)
{
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		const struct sim_peer *peer = &sim->router.peers[e];
		if (peer->known &&
			(peer->conn == 0 || peer->held_at == 0 || peer->parked.len > 0 ||
				peer->session.window.rx_next < peer->held_at ||
				peer->tail.len > 0 ||
				link_window_inflight(&peer->session.window) > 0)) {
			return false;
		}
	}
	return true;
}

// What was under way in an earlier session is lost already, and the edge may yet have to say so.
static bool is_whole(const struct sim_peer *peer)
{
	return peer->known && peer->table != NULL && peer->table->is_announced && !peer->has_lagged;
}

// Ends the router once nothing is under way, or lets the edges go on.
static void watch_hold(struct sim *sim)
{
	if (is_quiet(sim)) {
		for (unsigned e = 0; e < SIM_EDGES; e++) {
			if (is_whole(&sim->router.peers[e]) && sim->edges[e].up &&
				edge_has_sent_requests(&sim->edges[e])) {
				sim_fail(sim, "edge %u has requests under way in the quiet", e);
			}
		}
		sim->seen[SIM_SEEN_PLANNED]++;
		router_kill(sim);
		sim_post(sim, sim_event_new(sim, SIM_ROUTER_START, 0, 0), sim->now_ms + 1);
	} else if (sim->now_ms >= sim->router.hold_until_ms) {
		set_holding(sim, false);
	}
}

// ---- turns

static void release(struct sim *sim, struct sim_peer *peer)
{
	if (peer->parked.len > 0 && !route_must_wait(&sim->router.route, peer->table)) {
		struct buf parked = peer->parked;
		peer->parked = (struct buf){ 0 };
		route_batch(sim, peer, buf_bytes(&parked));
		buf_fini(&parked);
	}
}

static void flush(struct sim *sim, unsigned edge, struct sim_peer *peer)
{
	struct bytes rest = buf_bytes(&peer->tail);
	struct bytes before = rest;
	struct bytes packed;
	while (link_batch_next(&rest, &packed) > 0 &&
		link_window_add(&peer->session.window,
			bytes_make(before.data, before.len - rest.len))) {
		before = rest;
	}
	buf_consume(&peer->tail, peer->tail.len - before.len);
	link_window_close(&peer->session.window);
	sim_send(sim, SIM_DOWN, edge, peer->conn, &peer->session.window);
}

static void cut_off(struct sim *sim, unsigned edge, struct sim_peer *peer)
{
	sim_say(sim, "edge %u has lagged", edge);
	sim->seen[SIM_SEEN_LAGGED]++;
	sim_post_in_order(sim, sim_event_new(sim, SIM_GOAWAY, edge, peer->conn), false);
	peer->conn = 0;
}

void router_turn(struct sim *sim)
{
	struct sim_router *router = &sim->router;
	router->turn_due = false;
	route_tell_time(&router->route, wall_ms(sim));
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		struct sim_peer *peer = &router->peers[e];
		if (peer->table != NULL && peer->conn != 0 && !peer->lagged &&
			route_has_replays(peer->table) && peer->tail.len < REPLAY_BELOW) {
			route_replay(&router->route, peer->table, REPLAY_BYTES, sim->now_ms);
		}
	}
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		release(sim, &router->peers[e]);
	}
	route_end_turn(&router->route);
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		struct sim_peer *peer = &router->peers[e];
		if (peer->table != NULL && peer->parked.len == 0) {
			link_window_consumed(&peer->session.window, peer->session.window.rx_next);
		}
		if (peer->conn != 0 && peer->lagged) {
			cut_off(sim, e, peer);
		} else if (peer->conn != 0) {
			flush(sim, e, peer);
		}
	}
	if (router->holding) {
		watch_hold(sim);
	}
}

void router_tick(struct sim *sim)
{
	struct sim_router *router = &sim->router;
	(void)route_purge(&router->route, PURGE_STEPS, sim->now_ms);
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		struct sim_peer *peer = &router->peers[e];
		if (peer->conn != 0) {
			peer->heard_ms = sim->now_ms;
		} else if (peer->known && sim->now_ms - peer->heard_ms > SIM_LINK_TIMEOUT_MS) {
			purge_edge(sim, e);
		}
	}
	if (!router->route.settling.over &&
		sim->now_ms - router->started_ms >= SIM_LINK_TIMEOUT_MS) {
		settling_end(&router->route.settling);
		send_edges(sim);
	}
	(void)route_sweep(&router->route, sim->now_ms);
	turn_due(sim);
	sim_post(sim, sim_event_new(sim, SIM_ROUTER_TICK, 0, router->life),
		sim->now_ms + SIM_TICK_MS);
}

void router_lag(struct sim *sim, unsigned edge)
{
	struct sim_peer *peer = &sim->router.peers[edge];
	if (sim->router.up && peer->conn != 0 && peer->table != NULL) {
		peer->lagged = true;
		peer->has_lagged = true;
		buf_reset(&peer->tail, 0);
		turn_due(sim);
	}
}
