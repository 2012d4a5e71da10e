// Clients: come and go, join, leave, publish and ask for history, each with rights of its own. One
// that was told "unknown" of a publish with a key asks again.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge/uplink/handle.h"
#include "tests/sim/sim.h"

enum {
	HISTORY_MOST = 50, // messages of one history answer
};

static const char *const rooms[SIM_ROOMS] = { "r0", "r1", "r2", "r3" };

struct bytes room_name_of(unsigned room)
{
	return bytes_str(rooms[room]);
}

unsigned room_number_of(struct sim *sim, struct bytes name)
{
	if (name.len != 2 || name.data[0] != 'r') {
		sim_fail(sim, "a room with another name");
	}
	return (unsigned)(name.data[1] - '0');
}

bool client_may(const struct sim_client *client, unsigned room)
{
	return room < SIM_ROOMS - 1 || client->number % 2 == 0;
}

static void announce(struct sim *sim, struct sim_client *c)
{
	const struct announcement facts = {
		.handle = c->handle,
		.id = bytes_str(c->identity.user),
		.identity = &c->identity,
		.codec = "json",
		.rooms = &c->rooms,
	};
	uplink_client_up(&c->worker->up, &facts);
	edge_turn_due(c->worker);
	sim_say(sim, "client %u comes to edge %u", c->number, c->edge->number);
}

void client_connect(struct sim *sim, struct sim_client *c)
{
	struct sim_edge *edge = &sim->edges[sim_below(sim, SIM_EDGES)];
	if (!edge->up || !edge->admitted) {
		return;
	}
	c->connected = true;
	c->edge = edge;
	c->worker = &edge->workers[sim_below(sim, SIM_WORKERS)];
	c->handle = handle_make(c->worker->index, ++sim->n_generations, c->number);
	c->session++;
	LIST_INIT(&c->rooms);
	announce(sim, c);
}

void client_close(struct sim *sim, struct sim_client *c, bool tell)
{
	fib_leave_all(&c->worker->fib, &c->rooms);
	if (tell) {
		uplink_client_down(&c->worker->up, c->handle, bytes_str("closed"));
		edge_turn_due(c->worker);
	}
	c->connected = false;
	for (unsigned i = 0; i < SIM_ROOMS; i++) {
		c->places[i].in = false;
	}
	for (size_t i = 1; i < sim->n_requests; i++) {
		struct sim_request *r = &sim->requests[i];
		if (r->client == c->number && r->outcome == SIM_WAITS) {
			r->outcome = SIM_GONE;
		}
	}
	sim_say(sim, "client %u goes", c->number);
}

// ---- requests

static void ask(struct sim *sim, struct sim_client *c, const struct request *asked,
	const struct sim_request *of)
{
	char id[24];
	struct request request = *asked;
	if (sim->n_requests == SIM_REQUESTS_MAX) {
		return;
	}
	size_t number = sim->n_requests++;
	sim->requests[number] = *of;
	sim->requests[number].client = c->number;
	sim->requests[number].session = c->session;
	sim->requests[number].kind = request.kind;
	snprintf(id, sizeof(id), "%zu", number);
	request.conn = c->handle;
	request.id = bytes_str(id);
	request.room = room_name_of(of->room);
	sim_say(sim, "client %u asks %zu: kind %d, room %u, n %" PRIu64, c->number, number,
		(int)request.kind, of->room, of->n);
	if (!uplink_ask(&c->worker->up, &request, sim->now_ms + SIM_REQUEST_TIMEOUT_MS)) {
		view_answer(sim, number, SIM_REFUSED);
	}
	edge_turn_due(c->worker);
}

static void publish(struct sim *sim, struct sim_client *c, struct sim_request of)
{
	char body[64];
	char key[24];
	snprintf(body, sizeof(body), "{\"n\":%" PRIu64 "}", of.n);
	snprintf(key, sizeof(key), "k%" PRIu64, of.n);
	struct request request = {
		.kind = COMMAND_PUBLISH,
		.type = bytes_str("chat"),
		.body = bytes_str(body),
		.key = of.keyed ? bytes_str(key) : bytes_make(NULL, 0),
	};
	ask(sim, c, &request, &of);
}

static void publish_new(struct sim *sim, struct sim_client *c, unsigned room)
{
	publish(sim, c,
		(struct sim_request){
			.room = room,
			.n = ++sim->n_messages,
			.keyed = sim_chance(sim, 30),
		});
}

// The last one with a key whose outcome the client does not know.
static void publish_again(struct sim *sim, struct sim_client *c)
{
	for (size_t i = sim->n_requests; i-- > 1;) {
		const struct sim_request *r = &sim->requests[i];
		if (r->client == c->number && r->keyed &&
			(r->outcome == SIM_UNKNOWN || r->outcome == SIM_GONE)) {
			publish(sim, c,
				(struct sim_request){
					.room = r->room,
					.n = r->n,
					.keyed = true,
				});
			return;
		}
	}
}

static bool is_under_way(const struct sim *sim, const struct sim_client *c, unsigned room)
{
	for (size_t i = 1; i < sim->n_requests; i++) {
		const struct sim_request *r = &sim->requests[i];
		if (r->client == c->number && r->outcome == SIM_WAITS && r->room == room &&
			(r->kind == COMMAND_JOIN || r->kind == COMMAND_LEAVE)) {
			return true;
		}
	}
	return false;
}

static void join(struct sim *sim, struct sim_client *c, unsigned room)
{
	struct sim_place *place = &c->places[room];
	struct request request = { .kind = COMMAND_JOIN };
	if (place->in || is_under_way(sim, c, room)) {
		return;
	}
	if (place->known && sim_chance(sim, 80)) {
		request.has_since = true;
		request.since_epoch = place->epoch;
		request.since_seq = place->seq;
	}
	place->asked_epoch = place->epoch;
	place->asked_seq = place->seq;
	const struct sim_request of = { .room = room };
	ask(sim, c, &request, &of);
}

static void leave(struct sim *sim, struct sim_client *c, unsigned room)
{
	if (c->places[room].in && !is_under_way(sim, c, room)) {
		struct request request = { .kind = COMMAND_LEAVE };
		const struct sim_request of = { .room = room };
		ask(sim, c, &request, &of);
	}
}

static void ask_history(struct sim *sim, struct sim_client *c, unsigned room)
{
	struct request request = {
		.kind = COMMAND_HISTORY,
		.limit = 1 + sim_below(sim, HISTORY_MOST),
	};
	const struct sim_request of = { .room = room };
	ask(sim, c, &request, &of);
}

void client_act(struct sim *sim, struct sim_client *c)
{
	unsigned room = sim_below(sim, SIM_ROOMS);
	unsigned dice = sim_below(sim, 100);
	if (!c->connected) {
		client_connect(sim, c);
	} else if (dice < 30) {
		join(sim, c, room);
	} else if (dice < 33) {
		leave(sim, c, room);
	} else if (dice < 38) {
		ask_history(sim, c, room);
	} else if (dice < 40) {
		client_close(sim, c, true);
	} else if (dice < 44) {
		publish_again(sim, c);
	} else if (c->places[room].in) {
		publish_new(sim, c, room);
	}
}
