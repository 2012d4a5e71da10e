// An edge: its end of the link, as router_link.c has it, and for each worker what fanout.c and
// answer.c make of what comes down, with clients that only keep where they stand.

#include <stdlib.h>

#include "edge/uplink/handle.h"
#include "proto/link_frame.h"
#include "tests/sim/sim.h"

enum {
	REDIAL_MS = 150,
	SHORT_LIVED_PERCENT = 15, // of connections break within what a hello takes
	QUEUE_LIMIT = 1 << 20,
};

static void on_inbox(void *arg)
{
	(void)arg; // the loop never runs
}

// ---- what an uplink needs of its link

static void pump(struct sim_edge *edge)
{
	struct sim *sim = edge->sim;
	if (edge->state == SIM_LINK_READY) {
		if (!edge->holding) {
			link_lanes_pump(&edge->lanes, sim->now_ms);
		}
		link_lanes_close(&edge->lanes);
		sim_send(sim, SIM_UP, edge->number, edge->conn, &edge->lanes.session.window);
	}
}

static bool has_room(void *link, size_t more)
{
	struct sim_edge *edge = link;
	return link_lanes_queued_bytes(&edge->lanes) + more <= QUEUE_LIMIT;
}

static void flush(void *link, unsigned worker, struct link_outbox *outbox)
{
	struct sim_edge *edge = link;
	link_lanes_take(&edge->lanes, worker, outbox);
	pump(edge);
}

static void snapshot(void *link, unsigned worker, uint64_t session, struct link_outbox *outbox)
{
	struct sim_edge *edge = link;
	if (link_lanes_release(&edge->lanes, worker, session, outbox)) {
		pump(edge);
	}
}

static void consumed(void *link, unsigned worker, uint64_t mark)
{
	struct sim_edge *edge = link;
	link_lanes_consumed(&edge->lanes, worker, mark);
}

static bool was_sent(void *link, unsigned worker, uint64_t req)
{
	const struct sim_edge *edge = link;
	return link_lanes_was_sent(&edge->lanes, worker, req);
}

static struct router_link_status status(void *link)
{
	const struct sim_edge *edge = link;
	return (struct router_link_status){
		.up = edge->state == SIM_LINK_READY,
		.admitted = edge->admitted,
	};
}

static const struct uplink_ops ops = { has_room, flush, snapshot, consumed, was_sent, status };

// ---- life

void edge_turn_due(struct sim_worker *worker)
{
	struct sim_edge *edge = worker->edge;
	if (!worker->turn_due) {
		struct sim_event *event =
			sim_event_new(edge->sim, SIM_WORKER_TURN, edge->number, edge->life);
		worker->turn_due = true;
		event->worker = worker->index;
		sim_post(edge->sim, event, edge->sim->now_ms + sim_delay_ms(edge->sim));
	}
}

void edge_start(struct sim *sim, unsigned number)
{
	struct sim_edge *edge = &sim->edges[number];
	*edge = (struct sim_edge){
		.sim = sim,
		.number = number,
		.up = true,
		.life = ++sim->n_lives,
		.down_since_ms = sim->now_ms,
	};
	link_lanes_init(&edge->lanes, SIM_WORKERS);
	siblings_init(&edge->siblings);
	dispatch_init(&edge->dispatch, &sim->codec, 0, &edge->unknown);
	edge->dispatch.siblings = &edge->siblings;
	for (unsigned i = 0; i < SIM_WORKERS; i++) {
		struct sim_worker *w = &edge->workers[i];
		w->edge = edge;
		w->index = i;
		uplink_init(&w->up, &ops, edge, i);
		inbox_init(&w->inbox, sim->loop, on_inbox, NULL);
		inbox_own(&w->inbox);
		fib_init(&w->fib);
		dispatch_add_worker(&edge->dispatch, &w->inbox);
	}
	sim_say(sim, "edge %u starts", number);
	sim_post(sim, sim_event_new(sim, SIM_DIAL, number, edge->life), sim->now_ms);
	sim_post(sim, sim_event_new(sim, SIM_EDGE_TICK, number, edge->life), sim->now_ms);
}

static void worker_fini(struct sim_worker *w)
{
	struct buf records = { 0 };
	inbox_take(&w->inbox, &records);
	inbox_records_drop(buf_bytes(&records));
	buf_fini(&records);
	inbox_fini(&w->inbox);
	uplink_fini(&w->up);
	fib_fini(&w->fib);
}

void edge_kill(struct sim *sim, unsigned number)
{
	struct sim_edge *edge = &sim->edges[number];
	if (!edge->up) {
		return;
	}
	sim_say(sim, "edge %u is killed", number);
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		if (sim->clients[i].connected && sim->clients[i].edge == edge) {
			client_close(sim, &sim->clients[i], false);
		}
	}
	sim_cut(sim, number);
	edge->up = false;
	for (unsigned i = 0; i < SIM_WORKERS; i++) {
		worker_fini(&edge->workers[i]);
	}
	dispatch_fini(&edge->dispatch);
	siblings_fini(&edge->siblings);
	link_lanes_fini(&edge->lanes);
	link_arena_fini(&edge->arena);
}

// ---- the link

static void redial(struct sim_edge *edge)
{
	edge->state = SIM_LINK_DOWN;
	edge->conn = 0;
	edge->down_since_ms = edge->sim->now_ms;
	sim_post(edge->sim, sim_event_new(edge->sim, SIM_DIAL, edge->number, edge->life),
		edge->sim->now_ms + 1 + sim_below(edge->sim, REDIAL_MS));
}

// As what a HELLO says of them.
static unsigned siblings_of(struct sim_edge *edge)
{
	Weir__Link__V1__Hello hello = WEIR__LINK__V1__HELLO__INIT;
	unsigned set = 0;
	siblings_fill_hello(&edge->siblings, &hello);
	for (size_t i = 0; i < hello.n_edges; i++) {
		set |= 1U << (hello.edges[i].data[1] - '0');
	}
	free(hello.edges);
	return set;
}

void edge_dial(struct sim *sim, unsigned number)
{
	struct sim_edge *edge = &sim->edges[number];
	if (!sim->router.up) {
		redial(edge);
		return;
	}
	edge->state = SIM_LINK_OPENING;
	edge->conn = ++sim->n_conns;
	sim->alive[number] = edge->conn;
	struct sim_event *hello = sim_event_new(sim, SIM_HELLO, number, edge->conn);
	hello->hello = (struct sim_hello){
		.offer = link_offer_make(&edge->lanes.session),
		.boot = edge->life,
		.siblings = siblings_of(edge),
	};
	sim->up_last_ms[number] = sim->now_ms;
	sim->down_last_ms[number] = sim->now_ms;
	sim_post_in_order(sim, hello, true);
	if (!sim->calm && sim_chance(sim, SHORT_LIVED_PERCENT)) {
		struct sim_event *cut = sim_event_new(sim, SIM_CUT, number, edge->conn);
		sim_post(sim, cut, sim->now_ms + sim_delay_ms(sim));
	}
}

void edge_on_cut(struct sim *sim, const struct sim_event *event)
{
	struct sim_edge *edge = &sim->edges[event->edge];
	if (edge->up && edge->conn == event->number) {
		sim_say(sim, "edge %u loses its link", event->edge);
		redial(edge);
	}
}

void edge_on_goaway(struct sim *sim, const struct sim_event *event)
{
	struct sim_edge *edge = &sim->edges[event->edge];
	if (edge->up && edge->conn == event->number) {
		sim_cut(sim, event->edge);
		redial(edge);
	}
}

static bool is_of(const struct sim *sim, const struct sim_edge *edge, const struct sim_event *event)
{
	return edge->up && edge->conn == event->number && sim->alive[event->edge] == event->number;
}

void edge_on_hello_ack(struct sim *sim, const struct sim_event *event)
{
	struct sim_edge *edge = &sim->edges[event->edge];
	if (!is_of(sim, edge, event)) {
		return;
	}
	enum link_follow follow = link_lanes_follow(&edge->lanes, &event->answer);
	if (follow == LINK_BROKEN) {
		sim_cut(sim, event->edge);
		redial(edge);
		return;
	}
	if (follow == LINK_BEGUN) {
		dispatch_session(&edge->dispatch, edge->lanes.n_sessions);
		for (unsigned i = 0; i < SIM_WORKERS; i++) {
			edge_turn_due(&edge->workers[i]);
		}
	}
	edge->state = SIM_LINK_READY;
	edge->holding = false;
	edge->admitted = true;
	pump(edge);
}

void edge_on_hold(struct sim *sim, const struct sim_event *event)
{
	struct sim_edge *edge = &sim->edges[event->edge];
	if (!is_of(sim, edge, event)) {
		return;
	}
	edge->holding = event->held != 0;
	if (edge->holding) {
		struct sim_event *held = sim_event_new(sim, SIM_HELD, event->edge, event->number);
		held->held = edge->lanes.session.window.tx_next;
		sim_post_in_order(sim, held, true);
	}
	pump(edge);
}

static void on_batch(struct sim_edge *edge, const struct link_frame *frame)
{
	uint64_t mark;
	uint64_t workers;
	int result =
		link_lanes_accept(&edge->lanes, frame->seq, LINK_HEAD_LEN + frame->body.len, &mark);
	if (result < 0) {
		sim_fail(edge->sim, "edge %u gets BATCH %llu out of order", edge->number,
			(unsigned long long)frame->seq);
	}
	if (result > 0) {
		return;
	}
	CHECK(dispatch_batch(&edge->dispatch, mark, frame->body, &workers));
	link_lanes_delivered(&edge->lanes, mark, workers);
	for (unsigned i = 0; i < SIM_WORKERS; i++) {
		if ((workers >> i & 1) != 0) {
			edge_turn_due(&edge->workers[i]);
		}
	}
}

void edge_on_bytes(struct sim *sim, const struct sim_event *event)
{
	struct sim_edge *edge = &sim->edges[event->edge];
	struct bytes rest = buf_bytes(&event->bytes);
	struct link_frame frame;
	size_t used;
	if (!is_of(sim, edge, event)) {
		return;
	}
	while (rest.len > 0) {
		CHECK(link_frame_parse(rest, &frame, &used) == 0);
		if (link_window_acked(&edge->lanes.session.window, frame.ack) != 0) {
			sim_fail(sim, "edge %u gets an ack of what it has not sent", event->edge);
		}
		if (frame.type == LINK_BATCH) {
			on_batch(edge, &frame);
		}
		rest = bytes_from(rest, used);
	}
	pump(edge);
}

void edge_tick(struct sim *sim, unsigned number)
{
	struct sim_edge *edge = &sim->edges[number];
	if (edge->state != SIM_LINK_READY && edge->lanes.session.id != 0 &&
		sim->now_ms - edge->down_since_ms > SIM_LINK_TIMEOUT_MS) {
		link_lanes_end_session(&edge->lanes);
	}
	for (unsigned i = 0; i < SIM_WORKERS; i++) {
		if (pending_oldest(&edge->workers[i].up.pending) != NULL) {
			edge_turn_due(&edge->workers[i]); // requests may be past their time
		}
	}
	pump(edge);
	sim_post(sim, sim_event_new(sim, SIM_EDGE_TICK, number, edge->life),
		sim->now_ms + SIM_TICK_MS);
}

// ---- what comes down

static struct sim_client *client_of(struct sim_worker *w, uint64_t handle)
{
	struct sim *sim = w->edge->sim;
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		struct sim_client *c = &sim->clients[i];
		if (c->connected && c->worker == w && c->handle == handle) {
			return c;
		}
	}
	return NULL;
}

// A worker that is late may have the answers already: a link that resumes takes in all that came.
bool edge_has_sent_requests(struct sim_edge *edge)
{
	for (unsigned i = 0; i < SIM_WORKERS; i++) {
		if (edge->workers[i].turn_due) {
			continue;
		}
		struct uplink *up = &edge->workers[i].up;
		for (uint64_t req = up->pending.first; req < up->pending.next; req++) {
			const struct pending_entry *entry = pending_find(&up->pending, req);
			if (entry != NULL && uplink_was_sent(up, entry) &&
				client_of(&edge->workers[i], entry->conn) != NULL) {
				return true;
			}
		}
	}
	return false;
}

static uint64_t request_of(const struct pending_entry *entry)
{
	return entry->id != NULL ? strtoull(entry->id, NULL, 10) : 0;
}

// A client that is gone is told nothing, and its requests are settled already.
static void answer(struct sim_worker *w, struct pending_entry *entry, enum sim_outcome outcome)
{
	if (entry != NULL && client_of(w, entry->conn) != NULL) {
		view_answer(w->edge->sim, request_of(entry), outcome);
	}
}

static void on_joined(struct sim_worker *w, struct sim_client *c, const Weir__Link__V1__Joined *m)
{
	bool added;
	if (c == NULL) {
		return;
	}
	struct fib_member *member =
		fib_join(&w->fib, &c->rooms, c, pb_bytes(m->room), m->epoch, m->seq, &added);
	fib_follow(member->room, m->epoch, m->seq);
	member->join_seq = m->seq;
	view_joined(w->edge->sim, c, m);
}

static void on_left(struct sim_worker *w, struct sim_client *c, const Weir__Link__V1__Left *m)
{
	struct fib_member *member =
		c != NULL ? fib_member_find(&w->fib, &c->rooms, c, pb_bytes(m->room)) : NULL;
	if (member != NULL) {
		fib_leave(&w->fib, member);
		view_left(w->edge->sim, c, room_number_of(w->edge->sim, pb_bytes(m->room)));
	}
}

static void on_gap(struct sim_worker *w, const Weir__Link__V1__Gap *m)
{
	struct fib_room *room = fib_find(&w->fib, pb_bytes(m->room));
	const struct fib_member *member;
	if (room == NULL || m->epoch != room->epoch || m->to <= room->last_seq) {
		return;
	}
	uint64_t first = m->from > room->last_seq ? m->from : room->last_seq + 1;
	room->last_seq = m->to;
	LIST_FOREACH (member, &room->members, in_room) {
		uint64_t from = member->join_seq < first ? first : member->join_seq + 1;
		if (from <= m->to) {
			view_gap(w->edge->sim, member->conn,
				room_number_of(w->edge->sim, pb_bytes(m->room)), from, m->to);
		}
	}
}

static void on_item(struct sim_worker *w, const struct inbox_record *record)
{
	struct sim_edge *edge = w->edge;
	const link_item *item = link_item_unpack(&edge->arena, record->text);
	CHECK(item != NULL);
	struct sim_client *c = client_of(w, link_item_client(item));
	struct pending_entry *entry = NULL;
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_JOINED:
		entry = pending_find(&w->up.pending, item->joined->req);
		on_joined(w, c, item->joined);
		answer(w, entry, SIM_ACKED);
		break;
	case WEIR__LINK__V1__ITEM__KIND_LEFT:
		entry = pending_find(&w->up.pending, item->left->req);
		on_left(w, c, item->left);
		answer(w, entry, SIM_ACKED);
		break;
	case WEIR__LINK__V1__ITEM__KIND_PUBLISHED:
		entry = pending_find(&w->up.pending, item->published->req);
		if (entry != NULL && c != NULL) {
			view_ack(edge->sim, request_of(entry), item->published);
		}
		break;
	case WEIR__LINK__V1__ITEM__KIND_REFUSED:
		entry = pending_find(&w->up.pending, item->refused->req);
		answer(w, entry,
			item->refused->code == REFUSAL_UNAVAILABLE ? SIM_NONE : SIM_REFUSED);
		break;
	case WEIR__LINK__V1__ITEM__KIND_HISTORY:
		entry = pending_find(&w->up.pending, item->history->req);
		if (entry != NULL && c != NULL) {
			view_history(edge->sim, item->history);
		}
		answer(w, entry, SIM_ACKED);
		break;
	case WEIR__LINK__V1__ITEM__KIND_GAP:
		on_gap(w, item->gap);
		break;
	default:
		sim_fail(edge->sim, "nobody asked for item %d", (int)item->kind_case);
	}
	if (entry != NULL) {
		uplink_close(&w->up, entry, record->text.len);
	}
}

static void on_delivery(struct sim_worker *w, const struct inbox_record *record)
{
	struct sim *sim = w->edge->sim;
	struct fib_room *room = fib_find(&w->fib, record->text);
	const struct fib_member *member;
	if (room == NULL || !fib_advance(room, record->epoch, record->seq)) {
		return;
	}
	unsigned number = room_number_of(sim, record->text);
	uint64_t n = message_number(sim, frame_payload(record->frames[CODEC_JSON]));
	LIST_FOREACH (member, &room->members, in_room) {
		if (member->join_seq < record->seq) {
			view_message(sim, member->conn, number, record->epoch, record->seq, n);
		}
	}
}

// ---- a worker's turn

struct announcing {
	struct sim_worker *worker;
	unsigned next;
};

static bool each(void *arg, struct announcement *facts)
{
	struct announcing *a = arg;
	struct sim *sim = a->worker->edge->sim;
	while (a->next < SIM_CLIENTS) {
		struct sim_client *c = &sim->clients[a->next++];
		if (c->connected && c->worker == a->worker) {
			*facts = (struct announcement){
				.handle = c->handle,
				.id = bytes_str(c->identity.user),
				.identity = &c->identity,
				.codec = "json",
				.rooms = &c->rooms,
			};
			return true;
		}
	}
	return false;
}

static void lost(void *arg, struct pending_entry *entry)
{
	struct announcing *a = arg;
	answer(a->worker, entry, SIM_UNKNOWN);
	uplink_close(&a->worker->up, entry, 0);
}

static void on_record(struct sim_worker *w, const struct inbox_record *record)
{
	struct announcing announcing = { .worker = w };
	switch (record->kind) {
	case INBOX_SESSION:
		uplink_snapshot(&w->up, record->seq, each, lost, &announcing);
		break;
	case INBOX_ITEM:
		on_item(w, record);
		break;
	case INBOX_DELIVERY:
		on_delivery(w, record);
		break;
	case INBOX_MARK:
		uplink_consumed(&w->up, record->seq);
		break;
	default:
		sim_fail(w->edge->sim, "nobody asked for record %d", (int)record->kind);
	}
}

static void expire(struct sim_worker *w)
{
	struct pending_entry *entry;
	while ((entry = pending_oldest(&w->up.pending)) != NULL &&
		entry->deadline_ms <= w->edge->sim->now_ms) {
		answer(w, entry, uplink_was_sent(&w->up, entry) ? SIM_UNKNOWN : SIM_NONE);
		uplink_close(&w->up, entry, 0);
	}
}

static bool is_there(void *arg, uint64_t conn)
{
	return client_of(arg, conn) != NULL;
}

// Recoveries take turns.
static void go_on(struct sim_worker *w)
{
	struct pending_entry *entry;
	if (w->edge->state != SIM_LINK_READY) {
		uplink_ask_all(&w->up);
	}
	uplink_close_gone(&w->up, is_there, w);
	while ((entry = uplink_next_turn(&w->up)) != NULL) {
		if (client_of(w, entry->conn) != NULL) {
			uplink_ask_waiting(&w->up, entry);
		} else {
			uplink_close(&w->up, entry, 0);
		}
	}
}

void edge_worker_turn(struct sim *sim, unsigned edge, unsigned worker)
{
	struct sim_worker *w = &sim->edges[edge].workers[worker];
	struct buf records = { 0 };
	struct inbox_record record;
	w->turn_due = false;
	inbox_take(&w->inbox, &records);
	struct bytes rest = buf_bytes(&records);
	while (inbox_record_next(&rest, &record)) {
		on_record(w, &record);
		inbox_record_drop(&record);
	}
	buf_fini(&records);
	expire(w);
	go_on(w);
	uplink_flush(&w->up);
}
