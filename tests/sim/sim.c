// Runs seeds: `weir-sim [FIRST [COUNT]]`, or one with its trace: `weir-sim --trace SEED`.

#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
	STORM_MS = 6000,
	REST_MS = SIM_REQUEST_TIMEOUT_MS + 2 * SIM_LINK_TIMEOUT_MS,
	ACT_MS = 8, // between two things that clients do, about
	FAULT_MS = 250, // between two faults, about
	FREEZE_MS = 1500,
	DOWN_MS = 2500,
	REPEATED = 50, // seeds that run twice, to show that a seed is all there is
	COUNT_DEFAULT = 10000,
	SEEN_EACH = 20, // seeds, in one of which each kind of thing is seen at least
};

// ---- what is done to them

static void freeze(struct sim *sim, uint64_t *until_ms)
{
	if (*until_ms > sim->now_ms) {
		return; // what waits already keeps its order
	}
	*until_ms = sim->now_ms + sim_below(sim, FREEZE_MS);
	sim_say(sim, "%s stops for %" PRIu64 " ms",
		until_ms == &sim->router.frozen_until_ms ? "router" : "edge",
		*until_ms - sim->now_ms);
}

static void restart(struct sim *sim, enum sim_event_kind start, unsigned edge)
{
	if (start == SIM_ROUTER_START ? sim->router.up : sim->edges[edge].up) {
		start == SIM_ROUTER_START ? router_kill(sim) : edge_kill(sim, edge);
		sim_post(sim, sim_event_new(sim, start, edge, 0),
			sim->now_ms + sim_below(sim, DOWN_MS));
	}
}

static void do_fault(struct sim *sim)
{
	unsigned edge = sim_below(sim, SIM_EDGES);
	unsigned dice = sim_below(sim, 100);
	if (dice < 45) {
		sim_say(sim, "link of edge %u is cut", edge);
		sim_cut(sim, edge);
	} else if (dice < 60) {
		freeze(sim, &sim->edges[edge].frozen_until_ms);
	} else if (dice < 68) {
		freeze(sim, &sim->router.frozen_until_ms);
	} else if (dice < 78) {
		router_lag(sim, edge);
	} else if (dice < 88) {
		restart(sim, SIM_EDGE_START, edge);
	} else if (dice < 94) {
		router_hold(sim);
	} else {
		restart(sim, SIM_ROUTER_START, 0);
	}
}

// ---- the course of events

static void on_client(struct sim *sim)
{
	if (!sim->calm) {
		client_act(sim, &sim->clients[sim_below(sim, SIM_CLIENTS)]);
		sim_post(sim, sim_event_new(sim, SIM_CLIENT, 0, 0),
			sim->now_ms + sim_below(sim, 2 * ACT_MS));
	}
}

static void on_fault(struct sim *sim)
{
	if (!sim->calm) {
		do_fault(sim);
		sim_post(sim, sim_event_new(sim, SIM_FAULT, 0, 0),
			sim->now_ms + sim_below(sim, 2 * FAULT_MS));
	}
}

static bool is_of_edge(const struct sim *sim, const struct sim_event *event)
{
	return sim->edges[event->edge].up && sim->edges[event->edge].life == event->number;
}

static bool is_of_router(const struct sim *sim, const struct sim_event *event)
{
	return sim->router.up && sim->router.life == event->number;
}

static void on_edge_event(struct sim *sim, const struct sim_event *event)
{
	switch (event->kind) {
	case SIM_DIAL:
		edge_dial(sim, event->edge);
		break;
	case SIM_WORKER_TURN:
		edge_worker_turn(sim, event->edge, event->worker);
		break;
	default:
		edge_tick(sim, event->edge);
	}
}

static void happen(struct sim *sim, struct sim_event *event)
{
	switch (event->kind) {
	case SIM_DIAL:
	case SIM_WORKER_TURN:
	case SIM_EDGE_TICK:
		if (is_of_edge(sim, event)) {
			on_edge_event(sim, event);
		}
		break;
	case SIM_HOLD:
		edge_on_hold(sim, event);
		break;
	case SIM_HELD:
		router_on_held(sim, event);
		break;
	case SIM_HELLO:
		router_on_hello(sim, event);
		break;
	case SIM_HELLO_ACK:
		edge_on_hello_ack(sim, event);
		break;
	case SIM_UP:
		router_on_bytes(sim, event);
		break;
	case SIM_DOWN:
		edge_on_bytes(sim, event);
		break;
	case SIM_GOAWAY:
		edge_on_goaway(sim, event);
		break;
	case SIM_CUT:
		if (sim->alive[event->edge] == event->number) {
			sim_cut(sim, event->edge);
		}
		break;
	case SIM_EDGE_CUT:
		edge_on_cut(sim, event);
		break;
	case SIM_ROUTER_CUT:
		router_on_cut(sim, event);
		break;
	case SIM_ROUTER_TURN:
		if (is_of_router(sim, event)) {
			router_turn(sim);
		}
		break;
	case SIM_ROUTER_TICK:
		if (is_of_router(sim, event)) {
			router_tick(sim);
		}
		break;
	case SIM_EDGE_START:
		edge_start(sim, event->edge);
		break;
	case SIM_ROUTER_START:
		router_start(sim);
		break;
	case SIM_CLIENT:
		on_client(sim);
		break;
	case SIM_FAULT:
		on_fault(sim);
		break;
	}
}

// Until when the process that it is for does nothing; 0: that is not stopped.
static uint64_t stopped_until(const struct sim *sim, const struct sim_event *event)
{
	switch (event->kind) {
	case SIM_HELLO:
	case SIM_HELD:
	case SIM_UP:
	case SIM_ROUTER_CUT:
	case SIM_ROUTER_TURN:
	case SIM_ROUTER_TICK:
		return sim->router.frozen_until_ms;
	case SIM_CUT:
	case SIM_EDGE_START:
	case SIM_ROUTER_START:
	case SIM_CLIENT:
	case SIM_FAULT:
		return 0;
	default:
		return sim->edges[event->edge].frozen_until_ms;
	}
}

static void run_until(struct sim *sim, uint64_t end_ms)
{
	struct sim_event *event;
	while ((event = sim_next(sim)) != NULL) {
		if (event->at_ms > end_ms) {
			sim_repost(sim, event, event->at_ms);
			break;
		}
		sim->now_ms = event->at_ms;
		uint64_t until_ms = stopped_until(sim, event);
		if (until_ms > sim->now_ms) {
			sim_repost(sim, event, until_ms);
		} else {
			happen(sim, event);
			sim_event_free(event);
		}
	}
	sim->now_ms = end_ms;
}

// ---- one seed

static void start(struct sim *sim)
{
	static char users[SIM_CLIENTS][8];
	router_start(sim);
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		edge_start(sim, e);
	}
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		struct sim_client *c = &sim->clients[i];
		snprintf(users[i], sizeof(users[i]), "u%u", i / 2); // some users have two
		c->number = i;
		c->identity.user = users[i];
		c->identity.rights = rights_new();
		for (unsigned room = 0; room < SIM_ROOMS; room++) {
			CHECK(!client_may(c, room) ||
				rights_add(c->identity.rights, RIGHT_ALL, room_name_of(room)));
		}
	}
	sim_post(sim, sim_event_new(sim, SIM_CLIENT, 0, 0), sim->now_ms + SIM_TICK_MS);
	sim_post(sim, sim_event_new(sim, SIM_FAULT, 0, 0), sim->now_ms + FAULT_MS);
}

static void end(struct sim *sim)
{
	struct sim_event *event;
	for (unsigned e = 0; e < SIM_EDGES; e++) {
		edge_kill(sim, e);
	}
	router_kill(sim);
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		rights_unref(sim->clients[i].identity.rights);
	}
	while ((event = sim_next(sim)) != NULL) {
		sim_event_free(event);
	}
	free(sim->heap);
	oracle_fini(sim);
}

// Returns what clients saw, as a number.
static uint64_t run_seed(struct loop *loop, uint64_t seed, bool trace, uint64_t seen[SIM_SIGHTS])
{
	struct sim *sim = xcalloc(1, sizeof(*sim));
	sim->loop = loop;
	sim->seed = seed;
	sim->random = seed;
	sim->trace = trace;
	sim->now_ms = SIM_START_MS;
	sim->n_requests = 1; // 0 is none
	start(sim);
	run_until(sim, SIM_START_MS + STORM_MS);
	sim->calm = true;
	sim_say(sim, "calm");
	run_until(sim, SIM_START_MS + STORM_MS + REST_MS);
	judge_rest(sim);
	uint64_t digest = sim->digest;
	for (unsigned i = 0; i < SIM_SIGHTS; i++) {
		seen[i] += sim->seen[i];
	}
	end(sim);
	free(sim);
	return digest;
}

// False if something has not been seen often enough to say that it was judged.
static bool tell(const uint64_t seen[SIM_SIGHTS], uint64_t count)
{
	static const char *const names[SIM_SIGHTS] = { "judgements", "acked", "refused", "none",
		"unknown", "recovered", "not recovered", "new epochs", "gaps", "duplicates",
		"links resumed", "links begun", "lagged", "planned restarts" };
	bool enough = true;
	for (unsigned i = 0; i < SIM_SIGHTS; i++) {
		enough = enough && seen[i] >= count / SEEN_EACH;
		printf("%s%" PRIu64 " %s", i > 0 ? ", " : "", seen[i], names[i]);
	}
	printf("\n");
	return enough;
}

static bool run_seeds(struct loop *loop, uint64_t first, uint64_t count)
{
	uint64_t seen[SIM_SIGHTS] = { 0 };
	uint64_t begun_ms = clock_mono_ms();
	for (uint64_t seed = first; seed < first + count; seed++) {
		uint64_t digest = run_seed(loop, seed, false, seen);
		if (seed - first < REPEATED && run_seed(loop, seed, false, seen) != digest) {
			printf("seed %" PRIu64 ": two runs of it differ\n", seed);
			return false;
		}
	}
	bool enough = tell(seen, count);
	printf("%" PRIu64 " seeds in %" PRIu64 " ms: %s\n", count, clock_mono_ms() - begun_ms,
		enough ? "all hold" : "too little was seen");
	return enough;
}

int main(int argc, char **argv)
{
	struct loop *loop = loop_new();
	uint64_t seen[SIM_SIGHTS] = { 0 };
	bool good = true;
	if (argc == 3 && strcmp(argv[1], "--trace") == 0) {
		(void)run_seed(loop, strtoull(argv[2], NULL, 10), true, seen);
	} else {
		good = run_seeds(loop, argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
			argc > 2 ? strtoull(argv[2], NULL, 10) : COUNT_DEFAULT);
	}
	loop_free(loop);
	return good ? 0 : 1;
}
