// What clients may see, by the promises of the client protocol. In a room a client stands at a
// place (epoch, seq), and the next message that it is sent is the next one, unless it is told of a
// gap or of another epoch; so nothing is missing and nothing comes twice (I1, I2). A place is one
// message for everybody (I3), in the order of its sender (I4); history too (I5). At rest members,
// places and answers are the router's (I1, I6, I8), and nobody was sent what he may not have (I7).

#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"
#include "tests/sim/sim.h"

enum {
	NOT_ASKED,
	RECOVERED,
	NOT_RECOVERED,
};

static void digest(struct sim *sim, uint64_t value)
{
	sim->digest = (sim->digest ^ value) * 0x100000001b3;
	sim->seen[SIM_JUDGED]++;
}

uint64_t message_number(struct sim *sim, struct bytes text)
{
	static const char mark[] = "\"n\":";
	const char *at = memmem(text.data, text.len, mark, sizeof(mark) - 1);
	if (at == NULL) {
		sim_fail(sim, "a message without a number");
	}
	return strtoull(at + sizeof(mark) - 1, NULL, 10); // ends with a brace
}

// ---- one message a place

static struct sim_truth *truth_of(struct sim *sim, unsigned room, uint64_t epoch)
{
	struct sim_log *log = &sim->logs[room];
	for (size_t i = 0; i < log->n_epochs; i++) {
		if (log->epochs[i].epoch == epoch) {
			return &log->epochs[i];
		}
	}
	log->epochs = xrealloc(log->epochs, (log->n_epochs + 1) * sizeof(log->epochs[0]));
	log->epochs[log->n_epochs] = (struct sim_truth){ .epoch = epoch };
	return &log->epochs[log->n_epochs++];
}

static void check_truth(struct sim *sim, unsigned room, uint64_t epoch, uint64_t seq, uint64_t n)
{
	struct sim_truth *truth = truth_of(sim, room, epoch);
	while (seq >= truth->cap) {
		size_t cap = truth->cap == 0 ? 64 : 2 * truth->cap;
		truth->n = xrealloc(truth->n, cap * sizeof(truth->n[0]));
		memset(truth->n + truth->cap, 0, (cap - truth->cap) * sizeof(truth->n[0]));
		truth->cap = cap;
	}
	if (truth->n[seq] != 0 && truth->n[seq] != n) {
		sim_fail(sim, "I3: seq %" PRIu64 " of room %u is both n %" PRIu64 " and %" PRIu64,
			seq, room, truth->n[seq], n);
	}
	for (uint64_t s = 1; truth->n[seq] == 0 && s < truth->cap; s++) {
		if (truth->n[s] == n) {
			sim_fail(sim, "I8: n %" PRIu64 " is both seq %" PRIu64 " and %" PRIu64, n,
				s, seq);
		}
	}
	truth->n[seq] = n;
}

void oracle_fini(struct sim *sim)
{
	for (unsigned room = 0; room < SIM_ROOMS; room++) {
		struct sim_log *log = &sim->logs[room];
		for (size_t i = 0; i < log->n_epochs; i++) {
			free(log->epochs[i].n);
		}
		free(log->epochs);
	}
}

// ---- what one client sees

static const struct sim_request *publish_of(struct sim *sim, uint64_t n)
{
	for (size_t i = 1; i < sim->n_requests; i++) {
		if (sim->requests[i].n == n) {
			return &sim->requests[i];
		}
	}
	sim_fail(sim, "I8: nobody has published n %" PRIu64, n);
}

// Of one sender's session, but for what it has asked twice.
static void check_order(struct sim *sim, const struct sim_client *c, unsigned room, uint64_t n)
{
	struct sim_place *place = &sim->clients[c->number].places[room];
	const struct sim_request *r = publish_of(sim, n);
	if (r->keyed) {
		return;
	}
	if (place->last[r->client].session == r->session && place->last[r->client].n >= n) {
		sim_fail(sim, "I4: client %u is sent n %" PRIu64 " after n %" PRIu64, c->number, n,
			place->last[r->client].n);
	}
	place->last[r->client].session = r->session;
	place->last[r->client].n = n;
}

static void step(struct sim *sim, struct sim_client *c, unsigned room, uint64_t epoch, uint64_t seq)
{
	struct sim_place *place = &c->places[room];
	if (!place->in || !client_may(c, room)) {
		sim_fail(sim, "I7: client %u is sent a message of room %u", c->number, room);
	}
	if (place->epoch != epoch || place->seq + 1 != seq) {
		sim_fail(sim,
			"I1, I2: client %u in room %u stands at %" PRIx64 ":%" PRIu64
			" and is sent %" PRIx64 ":%" PRIu64,
			c->number, room, place->epoch, place->seq, epoch, seq);
	}
	place->seq = seq;
	digest(sim, seq);
}

void view_message(struct sim *sim, struct sim_client *c, unsigned room, uint64_t epoch,
	uint64_t seq, uint64_t n)
{
	sim_say(sim, "client %u, room %u: seq %" PRIu64 " is n %" PRIu64, c->number, room, seq, n);
	step(sim, c, room, epoch, seq);
	check_truth(sim, room, epoch, seq, n);
	check_order(sim, c, room, n);
	digest(sim, n);
}

void view_joined(struct sim *sim, struct sim_client *c, const Weir__Link__V1__Joined *m)
{
	unsigned room = room_number_of(sim, pb_bytes(m->room));
	struct sim_place *place = &c->places[room];
	sim_say(sim,
		"client %u, room %u: joined at %" PRIx64 ":%" PRIu64 ", recovery %u, %zu messages",
		c->number, room, m->epoch, m->seq, m->recovery, m->n_messages);
	if (place->in && place->epoch == m->epoch) {
		if (place->seq !=
			m->seq) { // a join asked again, for the first was not answered in time
			sim_fail(sim, "I1: client %u joins room %u again, elsewhere", c->number,
				room);
		}
		return;
	}
	if (place->in && m->seq > 0 && !sim->router.peers[c->edge->number].has_lagged) {
		sim_fail(sim, "client %u is not sent the first %" PRIu64 " of room %u's new epoch",
			c->number, m->seq, room);
	}
	sim->seen[SIM_SEEN_NEW_EPOCH] += place->in ? 1 : 0;
	sim->seen[SIM_SEEN_NOT_RECOVERED] += m->recovery == NOT_RECOVERED ? 1 : 0;
	place->in = true;
	if (m->recovery == RECOVERED) {
		sim->seen[SIM_SEEN_RECOVERED] += m->n_messages > 0 ? 1 : 0;
		if (m->epoch != place->asked_epoch || m->seq - place->asked_seq != m->n_messages) {
			sim_fail(sim, "I1: client %u recovers %zu messages of room %u", c->number,
				m->n_messages, room);
		}
		place->epoch = place->asked_epoch;
		place->seq = place->asked_seq;
		for (size_t i = 0; i < m->n_messages; i++) {
			view_message(sim, c, room, m->epoch, m->messages[i]->seq,
				message_number(sim, pb_bytes(m->messages[i]->body)));
		}
	}
	place->known = true;
	place->epoch = m->epoch;
	place->seq = m->seq;
	digest(sim, m->seq);
}

void view_gap(struct sim *sim, struct sim_client *c, unsigned room, uint64_t from, uint64_t to)
{
	struct sim_place *place = &c->places[room];
	sim_say(sim, "client %u, room %u: gap %" PRIu64 " to %" PRIu64, c->number, room, from, to);
	if (!place->in || from != place->seq + 1 || to < from) {
		sim_fail(sim,
			"I1: client %u in room %u stands at %" PRIu64 ", its gap is %" PRIu64
			" to %" PRIu64,
			c->number, room, place->seq, from, to);
	}
	place->seq = to;
	sim->seen[SIM_SEEN_GAP]++;
	digest(sim, to);
}

void view_left(struct sim *sim, struct sim_client *c, unsigned room)
{
	sim_say(sim, "client %u, room %u: left", c->number, room);
	c->places[room].in = false;
	digest(sim, room);
}

void view_history(struct sim *sim, const Weir__Link__V1__History *m)
{
	unsigned room = room_number_of(sim, pb_bytes(m->room));
	for (size_t i = 0; i < m->n_messages; i++) {
		uint64_t seq = m->messages[i]->seq;
		if (i > 0 && seq != m->messages[i - 1]->seq + 1) {
			sim_fail(sim, "I5: history of room %u has a hole at %" PRIu64, room, seq);
		}
		check_truth(sim, room, m->epoch, seq,
			message_number(sim, pb_bytes(m->messages[i]->body)));
		digest(sim, seq);
	}
}

// ---- answers

void view_answer(struct sim *sim, uint64_t request, enum sim_outcome outcome)
{
	struct sim_request *r = &sim->requests[request];
	if (r->outcome != SIM_WAITS) {
		sim_fail(sim, "I8: request %" PRIu64 " is answered twice", request);
	}
	sim_say(sim, "answer to %" PRIu64 ": %d", request, (int)outcome);
	r->outcome = outcome;
	sim->seen[SIM_SEEN_ACKED + (outcome - SIM_ACKED)]++;
	digest(sim, request * SIM_UNKNOWN + outcome);
}

void view_ack(struct sim *sim, uint64_t request, const Weir__Link__V1__Published *m)
{
	const struct sim_request *r = &sim->requests[request];
	const struct sim_place *place = &sim->clients[r->client].places[r->room];
	view_answer(sim, request, SIM_ACKED);
	check_truth(sim, r->room, m->epoch, m->seq, r->n);
	if (place->in && place->epoch == m->epoch && place->seq < m->seq) {
		sim_fail(sim, "client %u has the ack of n %" PRIu64 " before the message",
			r->client, r->n);
	}
	sim->seen[SIM_SEEN_DUPLICATE] += m->duplicate ? 1 : 0;
}

// ---- at rest

static bool was_published(struct sim *sim, const struct sim_request *r)
{
	const struct sim_log *log = &sim->logs[r->room];
	for (size_t i = 0; i < log->n_epochs; i++) {
		for (size_t seq = 1; seq < log->epochs[i].cap; seq++) {
			if (log->epochs[i].n[seq] == r->n) {
				return true;
			}
		}
	}
	return false;
}

static bool is_asked_again(struct sim *sim, const struct sim_request *of)
{
	unsigned n = 0;
	for (size_t i = 1; i < sim->n_requests; i++) {
		n += sim->requests[i].n == of->n ? 1 : 0;
	}
	return n > 1;
}

static void judge_requests(struct sim *sim)
{
	for (size_t i = 1; i < sim->n_requests; i++) {
		const struct sim_request *r = &sim->requests[i];
		bool lost = r->outcome == SIM_NONE || r->outcome == SIM_REFUSED;
		if (r->outcome == SIM_WAITS) {
			sim_fail(sim, "I8: request %zu is not answered", i);
		}
		if (r->kind == COMMAND_PUBLISH && lost && !is_asked_again(sim, r) &&
			was_published(sim, r)) {
			sim_fail(sim, "I8: n %" PRIu64 " was refused and published", r->n);
		}
	}
}

static void judge_place(struct sim *sim, const struct sim_client *c,
	const struct table_client *client, unsigned number)
{
	const struct sim_place *place = &c->places[number];
	const struct table_room *room =
		room_table_find(&sim->router.route.table, room_name_of(number));
	bool in = room != NULL && client != NULL && membership_find(room, client) != NULL;
	sim->seen[SIM_JUDGED]++;
	if (in != place->in) {
		sim_fail(sim, "I6: client %u %s room %u, the router says otherwise", c->number,
			place->in ? "is in" : "is not in", number);
	}
	if (in && (room->epoch != place->epoch || room->seq != place->seq)) {
		sim_fail(sim,
			"I1: client %u in room %u stands at %" PRIu64 ", the router at %" PRIu64,
			c->number, number, place->seq, room->seq);
	}
}

void judge_rest(struct sim *sim)
{
	uint64_t n = 0;
	judge_requests(sim);
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		const struct sim_client *c = &sim->clients[i];
		if (!c->connected) {
			continue;
		}
		const struct table_edge *edge = sim->router.peers[c->edge->number].table;
		const struct table_client *client =
			edge != NULL ? room_table_client_find(edge, c->handle) : NULL;
		if (client == NULL) {
			sim_fail(sim, "I6: the router does not know client %u", i);
		}
		for (unsigned room = 0; room < SIM_ROOMS; room++) {
			judge_place(sim, c, client, room);
		}
		n++;
	}
	if (sim->router.route.table.n_clients != n) {
		sim_fail(sim, "I6: the router has %" PRIu64 " clients of %" PRIu64,
			sim->router.route.table.n_clients, n);
	}
}
