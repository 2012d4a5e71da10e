// A router and two edges that may say anything an item can hold. After each item the tables agree
// with themselves, and all that the router says is what an edge takes: one whole item, no larger
// than a frame.
//
// The first byte chooses the limits. Then come elements of a BATCH, as on the wire, and between
// them single bytes below the tag of an element: their bits choose the edge that speaks next, let
// time pass, and take the edge down and up again.

#include <stdlib.h>

#include "common/check.h"
#include "edge/client/conn_table.h"
#include "edge/uplink/dispatch.h"
#include "proto/link_frame.h"
#include "router/core/route.h"
#include "tests/fuzz/fuzz.h"

enum {
	N_EDGES = 2,
	ELEMENT_TAG = 0x0a,
	CONTROL_EDGE = 1 << 0,
	CONTROL_SECOND = 1 << 1,
	CONTROL_LATER = 1 << 2, // all that is kept is too old
	CONTROL_DOWN = 1 << 3,
};

static const struct route_options choices[] = {
	{ .history_age_ms = 300000, .history_messages = 100, .history_bytes = 4096 },
	{ .max_rooms = 2, .max_members_per_room = 2, .presence_events_max = 1 },
	{ .history_messages = 2, .history_bytes = 64, .history_total = 100, .dedup_total = 200 },
};

struct rig {
	struct route route;
	struct table_edge *edges[N_EDGES];
	struct rights_policy policy;
	struct loop *loop;
	struct inbox inbox; // of the one worker that every edge has
	struct dispatch dispatch;
	struct counter unknown;
	struct codec_options codec;
	struct link_arena arena;
	uint64_t now_ms;
};

static void on_inbox(void *arg)
{
	(void)arg; // taken where it is filled
}

// As the edge that gets it reads it.
static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct rig *rig = arg;
	struct bytes rest = element;
	struct bytes packed;
	uint64_t workers;
	struct buf taken = { 0 };
	CHECK(!edge->going && element.len <= LINK_BODY_MAX);
	CHECK(link_batch_next(&rest, &packed) == 1 && rest.len == 0);
	CHECK(dispatch_batch(&rig->dispatch, 1, element, &workers));
	inbox_take(&rig->inbox, &taken);
	inbox_records_drop(buf_bytes(&taken));
	buf_fini(&taken);
}

static void edge_up(struct rig *rig, unsigned e)
{
	const char name[] = { (char)('a' + e), '\0' };
	// The one does not say how many workers it has, the other has two.
	rig->edges[e] = route_edge_up(&rig->route, NULL, bytes_str(name), &rig->policy, 2 * e);
}

static void edge_down(struct rig *rig, unsigned e)
{
	route_edge_down(&rig->route, rig->edges[e]);
	while (route_purge(&rig->route, 1, rig->now_ms)) {
	}
}

static void rig_init(struct rig *rig, uint8_t choice)
{
	*rig = (struct rig){ .now_ms = 1000, .loop = loop_new() };
	rig->policy = (struct rights_policy){
		.defaults = rights_new(),
		.lobby = bytes_str("lobby"),
		.lobby_publish = LOBBY_PUBLISH_ADMIN,
	};
	CHECK(rights_add(rig->policy.defaults, RIGHT_ALL, bytes_str("*")));
	inbox_init(&rig->inbox, rig->loop, on_inbox, NULL);
	dispatch_init(&rig->dispatch, &rig->codec, 0, &rig->unknown);
	dispatch_add_worker(&rig->dispatch, &rig->inbox);
	route_init(&rig->route, &choices[choice % ARRAY_LEN(choices)], append, rig);
	for (unsigned e = 0; e < N_EDGES; e++) {
		edge_up(rig, e);
	}
}

static void rig_fini(struct rig *rig)
{
	for (unsigned e = 0; e < N_EDGES; e++) {
		edge_down(rig, e);
	}
	CHECK(rig->route.table.n_members == 0 && rig->route.table.n_clients == 0);
	CHECK(rig->route.table.users.n_entries == 0);
	route_fini(&rig->route);
	dispatch_fini(&rig->dispatch);
	inbox_fini(&rig->inbox);
	loop_free(rig->loop);
	rights_unref(rig->policy.defaults);
	link_arena_fini(&rig->arena);
}

// ---- what must hold

static uint64_t check_room(const struct table_room *room)
{
	uint32_t n = 0;
	uint32_t n_presence = 0;
	const struct membership *m;
	TAILQ_FOREACH (m, &room->members, in_room) {
		CHECK(m->room == room);
		n++;
		n_presence += m->presence;
	}
	CHECK(n == room->n_members && room->n_users <= n && room->n_edges <= N_EDGES);
	for (uint32_t i = 0; i < room->n_edges; i++) {
		CHECK(room->edges[i].n_members > 0);
		n -= room->edges[i].n_members;
		n_presence -= room->edges[i].n_presence;
	}
	CHECK(n == 0 && n_presence == 0);
	CHECK(room->is_idle == (room->n_members == 0) && room->epoch != 0);
	return room->n_members;
}

static void check_clients(const struct room_table *t)
{
	uint64_t n_clients = 0;
	uint64_t n_members = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &t->edges, in_table) {
		const struct table_client *client;
		uint32_t n = 0;
		LIST_FOREACH (client, &edge->list, in_edge) {
			const struct membership *m;
			uint32_t n_rooms = 0;
			LIST_FOREACH (m, &client->rooms, in_client) {
				n_rooms++;
			}
			CHECK(client->edge == edge && n_rooms == client->n_rooms);
			n++;
		}
		CHECK(n == edge->n_clients);
		n_clients += n;
		n_members += edge->n_memberships;
	}
	CHECK(n_clients == t->n_clients && n_members == t->n_members);
}

static void check_tables(const struct rig *rig)
{
	const struct route *r = &rig->route;
	struct map_cursor cursor;
	const struct table_room *room;
	uint64_t n_members = 0;
	uint64_t kept = 0;
	map_walk(&r->table.rooms, &cursor);
	while ((room = table_room_of(map_walk_next(&r->table.rooms, &cursor))) != NULL) {
		n_members += check_room(room);
		kept += room->log.bytes;
		CHECK(r->options.history_messages == 0 ||
			room->log.n <= r->options.history_messages);
	}
	CHECK(n_members == r->table.n_members && kept == r->store.bytes);
	CHECK(r->options.max_rooms == 0 || r->table.rooms.n_entries <= r->options.max_rooms);
	CHECK(r->options.history_total == 0 || kept <= r->options.history_total);
	check_clients(&r->table);
}

// ---- the input

// What is done between two items; returns the edge that speaks next.
static unsigned control(struct rig *rig, uint8_t bits)
{
	unsigned e = (bits & CONTROL_EDGE) != 0;
	if ((bits & CONTROL_SECOND) != 0) {
		rig->now_ms += 1000;
	}
	if ((bits & CONTROL_LATER) != 0) {
		rig->now_ms += 600000;
		route_sweep(&rig->route, rig->now_ms);
	}
	if ((bits & CONTROL_DOWN) != 0) {
		edge_down(rig, e);
		edge_up(rig, e);
	}
	return e;
}

// An item that no conforming edge sends ends its session.
static void take_item(struct rig *rig, unsigned e, struct bytes packed)
{
	const link_item *item = link_item_unpack(&rig->arena, packed);
	if (item == NULL ||
		route_item(&rig->route, rig->edges[e], item, rig->now_ms,
			1700000000000 + (int64_t)rig->now_ms) < 0) {
		control(rig, (uint8_t)(CONTROL_DOWN | e));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	struct bytes packed;
	struct rig rig;
	unsigned e = 0;
	rig_init(&rig, fuzz_take_byte(&input));
	while (input.len > 0) {
		if (input.data[0] < ELEMENT_TAG) {
			e = control(&rig, fuzz_take_byte(&input));
		} else if (link_batch_next(&input, &packed) > 0) {
			take_item(&rig, e, packed);
		} else {
			break;
		}
		check_tables(&rig);
	}
	rig_fini(&rig);
	return 0;
}
