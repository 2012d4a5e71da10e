// The core of the router: every rule about rooms that a client can notice is in this file and its
// parts (route_room: who is in which and has seen what; route_message: what is said there), or in
// the tables they move. It refuses to know how an item travels: it is handed decoded items and
// appends encoded ones, so all of it is tested without a thread or a socket.
//
// Order is the point. All items of all edges pass here one after the other, so a room has one
// order, and whatever one item causes is appended before the next is looked at: - a Delivery goes
// to each edge before the sender's Published on the same link; - Joined goes out before the
// MemberEvent and before any later Delivery; - a room's stamps follow its seq: the wall clock may
// jump back, a stamp does not.
//
// What no conforming edge sends (a name that cannot be, a body without braces, an item of the other
// direction) ends its link. An edge is not trusted further than that: what it sends for others is
// looked at before it is passed on (distrust.h), and refused alone, since a later version may find
// more to refuse than an edge of today.
// What may happen by a race between a client that goes and its last words is ignored and counted.

#include "router/core/route.h"

#include <errno.h>
#include <stddef.h>

#include "router/core/route_out.h"
#include "router/core/route_parts.h"

enum {
	SWEEP_MAX = 256 // rooms a call
};

static void forget_log(void *arg, struct table_room *room)
{
	struct route *r = arg;
	journal_forget_room(&r->journal, room);
	store_forget(&r->store, &room->log);
}

static struct store_limits store_limits_of(const struct route_options *options)
{
	return (struct store_limits){
		.messages = options->history_messages,
		.bytes = options->history_bytes,
		.age_ms = options->history_age_ms,
		.total_bytes = options->history_total,
	};
}

// What rules of rooms do not say, the options do.
static void follow_limits(struct route *r)
{
	struct room_rules *rules = &r->table.rules;
	room_rules_set_defaults(rules, &r->store.limits, r->options.max_members_per_room);
	r->store.min_age_ms = room_rules_min_age_ms(rules);
}

void route_init(struct route *r, const struct route_options *options, route_append_fn *append,
	void *arg)
{
	const struct store_limits limits = store_limits_of(options);
	*r = (struct route){ .options = *options, .append = append, .arg = arg };
	room_table_init(&r->table, options->max_rooms, options->max_members_per_room);
	r->table.forget = forget_log;
	r->table.forget_arg = r;
	store_init(&r->store, &limits);
	follow_limits(r);
	dedup_init(&r->dedup, options->dedup_total, DEDUP_AGE_MS);
	dedup_init(&r->origins, ORIGIN_BYTES_MAX, ORIGIN_AGE_MS);
	journal_init(&r->journal);
	revocations_init(&r->revocations);
	settling_init(&r->settling);
	absences_init(&r->absences);
	recorder_init(&r->recorder, options->recorder_bytes);
}

void route_set_options(struct route *r, const struct route_options *options)
{
	r->options = *options;
	r->table.max_rooms = options->max_rooms;
	r->store.limits = store_limits_of(options);
	follow_limits(r);
	r->dedup.total_bytes = options->dedup_total;
}

void route_set_sink(struct route *r, route_append_fn *append, void *arg)
{
	r->append = append;
	r->arg = arg;
}

void route_on_distrust(struct route *r, route_distrust_fn *fn, void *arg)
{
	r->on_distrust = fn;
	r->distrust_arg = arg;
}

void route_set_rooms(struct route *r, const struct conf_list *options, const struct conf_list *slow)
{
	room_table_set_rules(&r->table, options, slow);
	follow_limits(r);
}

void route_set_edges(struct route *r, const struct conf_list *options)
{
	edge_rules_fini(&r->edge_rules);
	edge_rules_init(&r->edge_rules, options);
}

void route_fini(struct route *r)
{
	journal_clear(&r->journal);
	room_table_fini(&r->table);
	store_fini(&r->store);
	dedup_fini(&r->dedup);
	dedup_fini(&r->origins);
	journal_fini(&r->journal);
	link_arena_fini(&r->arena);
	revocations_fini(&r->revocations);
	edge_rules_fini(&r->edge_rules);
	settling_fini(&r->settling);
	absences_fini(&r->absences);
	recorder_fini(&r->recorder);
	inquiries_fini(&r->inquiries);
	buf_fini(&r->element);
}

// ---- in

// One row a kind of item that an edge sends. Where the message names a client, that client must be
// known: an item about one that is gone is a race, not a fault.
struct item_row {
	size_t client; // offset of the client's handle in the message; 0: none
	size_t req; // and of the request's number
	size_t room; // and of the room it is about; 0: of none
	bool is_request; // asked for a client: see route_must_wait()
	bool in_order; // never before what its client has asked
	int (*run)(struct route_request *rq, const link_item *item);
};

#define ITEM(KIND)            WEIR__LINK__V1__ITEM__KIND_##KIND
#define FIELD(Message, field) offsetof(Weir__Link__V1__##Message, field)
#define OF_EDGE(KIND, fn)     [ITEM(KIND)] = { .run = (fn) }
#define OF_CLIENT(KIND, Message, fn)                                                               \
	[ITEM(KIND)] = { .client = FIELD(Message, client), .run = (fn) }
#define IN_ROOM(Message) FIELD(Message, room)
#define NO_ROOM          0
#define X(KIND, Message, name, room_at)                                                            \
	[ITEM(KIND)] = {                                                                           \
		.client = FIELD(Message, client),                                                  \
		.req = FIELD(Message, req),                                                        \
		.room = (room_at),                                                                 \
		.is_request = true,                                                                \
		.in_order = true,                                                                  \
		.run = route_on_##name,                                                            \
	},

static const struct item_row rows[] = {
	LINK_REQUESTS(X) OF_EDGE(CLIENT_UP, route_on_client_up),
	OF_EDGE(SNAPSHOT_END, route_on_snapshot_end),
	OF_EDGE(REVOCATION_SNAPSHOT, route_on_revocations),
	OF_EDGE(EDGE_STATE, route_on_edge_state),
	OF_EDGE(TESTIMONY, route_on_testimony),
	[ITEM(CLIENT_DOWN)] = { .client = FIELD(ClientDown, client),
		.in_order = true,
		.run = route_on_client_down },
	OF_CLIENT(CLIENT_STATS, ClientStats, route_on_client_stats),
	OF_CLIENT(REJOIN, Rejoin, route_on_rejoin),
};
#undef X

static uint64_t field_at(const link_item *item, size_t offset)
{
	uint64_t value = 0;
	if (offset > 0) {
		// Of any kind: the union holds a pointer to the message.
		memcpy(&value, (const char *)(const void *)item->join + offset, sizeof(value));
	}
	return value;
}

// False if the item speaks of a client that we do not know.
static bool find_client(struct route_request *rq, const struct item_row *row, const link_item *item,
	uint64_t handle)
{
	rq->req = field_at(item, row->req);
	rq->room_at = row->room;
	rq->client = room_table_client_find(rq->edge, handle);
	return rq->client != NULL;
}

bool route_must_wait(const struct route *r, const struct table_edge *edge)
{
	return settling_is_on(&r->settling) || route_has_replays(edge) ||
		journal_is_full(&r->journal);
}

// True if the item has to wait for what its client has under way. A publish may follow others;
// whether it is one more is its handler's to say.
static bool must_follow(const struct item_row *row, const struct table_client *client, bool after)
{
	return row->in_order &&
		((client->n_proposed > 0 && row->run != route_on_publish) ||
			(!after && !STAILQ_EMPTY(&client->waiting)));
}

int route_item(struct route *r, struct table_edge *edge, const link_item *item, uint64_t now_ms,
	int64_t wall_ms)
{
	struct route_request rq = {
		.r = r,
		.edge = edge,
		.item = item,
		.now_ms = now_ms,
		.wall_ms = wall_ms,
	};
	r->recorder.wall_ms = wall_ms;
	int result = route_run(&rq, item, false);
	if (result == ROUTE_AFTER) {
		route_encode(r, item);
		journal_defer(&r->journal, rq.client, buf_bytes(&r->element));
		return ROUTE_DONE;
	}
	return result;
}

int route_run(struct route_request *rq, const link_item *item, bool after)
{
	struct route *r = rq->r;
	if (item->kind_case == WEIR__LINK__V1__ITEM__KIND__NOT_SET) {
		counter_add(&r->counters.unknown, 1);
		return ROUTE_DONE;
	}
	if ((size_t)item->kind_case >= ARRAY_LEN(rows) || rows[item->kind_case].run == NULL) {
		return -EPROTO; // of the other direction
	}
	const struct item_row *row = &rows[item->kind_case];
	if (row->is_request && !after && route_must_wait(r, rq->edge)) {
		return ROUTE_LATER;
	}
	if (row->client > 0) {
		uint64_t handle = field_at(item, row->client);
		if (handle == 0) {
			return -EPROTO;
		}
		if (!find_client(rq, row, item, handle)) {
			counter_add(&r->counters.ignored, 1);
			return ROUTE_DONE;
		}
		if (must_follow(row, rq->client, after)) {
			return ROUTE_AFTER;
		}
	}
	return row->run(rq, item);
}

// ---- time

bool route_sweep(struct route *r, uint64_t now_ms)
{
	store_sweep(&r->store, now_ms);
	dedup_expire(&r->dedup, now_ms);
	dedup_expire(&r->origins, now_ms); // an image would hold them
	r->journal.probing = r->journal.down;
	route_tell_gone(r, now_ms);
	room_table_sweep(&r->table, now_ms, SWEEP_MAX);
	return r->table.sweep_at != NULL;
}
