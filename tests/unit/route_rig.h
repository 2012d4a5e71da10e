// A router with two edges and a sink that keeps what each edge was told, as bytes of a batch. Tests
// say items, then look at what came out, item by item and in order.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"
#include "router/core/route.h"
#include "tests/unit/test.h"

enum {
	EDGE_A,
	EDGE_B,
	N_EDGES,
	START_MS = 1000,
	START_WALL_MS = 1700000000000,
};

struct rig {
	struct route route;
	struct table_edge *edges[N_EDGES];
	struct buf out[N_EDGES];
	struct bytes unread[N_EDGES];
	struct link_arena arena;
	uint64_t refused[REFUSAL_COUNT]; // so often, as far as the test has looked
	unsigned n_distrusted;
	uint64_t now_ms;
	int64_t wall_ms;
};

static inline void append(void *arg, struct table_edge *edge, struct bytes element)
{
	(void)arg;
	buf_append_bytes(edge->link, element);
}

static inline struct table_edge *edge_up(struct rig *rig, unsigned e,
	const struct rights_policy *policy)
{
	const char name[] = { (char)('a' + e), '\0' };
	rig->edges[e] = route_edge_up(&rig->route, &rig->out[e], bytes_str(name), policy, 0);
	return rig->edges[e];
}

static inline void rig_init(struct rig *rig, const struct route_options *options)
{
	*rig = (struct rig){ .now_ms = START_MS, .wall_ms = START_WALL_MS };
	route_init(&rig->route, options, append, rig);
	struct rights *defaults = rights_new();
	assert_true(rights_add(defaults, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = {
		.defaults = defaults,
		.lobby = bytes_str("lobby"),
		.lobby_publish = LOBBY_PUBLISH_ADMIN,
	};
	for (unsigned e = 0; e < N_EDGES; e++) {
		edge_up(rig, e, &policy);
	}
	rights_unref(defaults);
}

static inline void rig_fini(struct rig *rig)
{
	route_fini(&rig->route);
	for (unsigned e = 0; e < N_EDGES; e++) {
		buf_fini(&rig->out[e]);
	}
	link_arena_fini(&rig->arena);
}

static inline int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = { .history_age_ms = 300000 };
	rig_init(rig, &options);
	*state = rig;
	return 0;
}

static inline int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

// ---- in

static inline int try_item(struct rig *rig, unsigned e, const link_item *item)
{
	return route_item(&rig->route, rig->edges[e], item, rig->now_ms, rig->wall_ms);
}

static inline void say(struct rig *rig, unsigned e, const link_item *item)
{
	assert_int_equal(try_item(rig, e, item), 0);
}

static inline ProtobufCBinaryData text(const char *s)
{
	return pb_data(bytes_str(s));
}

struct client_up {
	link_item item;
	Weir__Link__V1__ClientUp up;
};

static inline Weir__Link__V1__ClientUp *make_client_up(struct client_up *m, uint64_t handle,
	const char *user)
{
	weir__link__v1__item__init(&m->item);
	weir__link__v1__client_up__init(&m->up);
	m->item.kind_case = WEIR__LINK__V1__ITEM__KIND_CLIENT_UP;
	m->item.client_up = &m->up;
	m->up.client = handle;
	m->up.id = text(user);
	m->up.user = text(user);
	return &m->up;
}

static inline void client_up(struct rig *rig, unsigned e, uint64_t handle, const char *user)
{
	struct client_up m;
	make_client_up(&m, handle, user);
	say(rig, e, &m.item);
}

static inline void admin_up(struct rig *rig, unsigned e, uint64_t handle, const char *user)
{
	struct client_up m;
	make_client_up(&m, handle, user)->admin = true;
	say(rig, e, &m.item);
}

// A client with one right pattern of its own; NULL: with none.
static inline void limited_up(struct rig *rig, unsigned e, uint64_t handle, const char *user,
	unsigned mask, const char *pattern)
{
	struct client_up m;
	Weir__Link__V1__ClientUp *up = make_client_up(&m, handle, user);
	Weir__Link__V1__Right right = WEIR__LINK__V1__RIGHT__INIT;
	Weir__Link__V1__Right *rights[] = { &right };
	up->has_rights = true;
	if (pattern != NULL) {
		right.mask = mask;
		right.pattern = text(pattern);
		up->n_rights = 1;
		up->rights = rights;
	}
	say(rig, e, &m.item);
}

static inline void client_down(struct rig *rig, unsigned e, uint64_t handle)
{
	Weir__Link__V1__ClientDown down = WEIR__LINK__V1__CLIENT_DOWN__INIT;
	down.client = handle;
	say(rig, e, &LINK_ITEM(CLIENT_DOWN, client_down, &down));
}

struct join {
	link_item item;
	Weir__Link__V1__Join join;
};

static inline Weir__Link__V1__Join *make_join(struct join *m, uint64_t handle, const char *room)
{
	weir__link__v1__item__init(&m->item);
	weir__link__v1__join__init(&m->join);
	m->item.kind_case = WEIR__LINK__V1__ITEM__KIND_JOIN;
	m->item.join = &m->join;
	m->join.client = handle;
	m->join.req = 77;
	m->join.room = text(room);
	return &m->join;
}

static inline void join(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct join m;
	make_join(&m, handle, room);
	say(rig, e, &m.item);
}

static inline void join_presence(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct join m;
	make_join(&m, handle, room)->presence = true;
	say(rig, e, &m.item);
}

static inline void leave(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__Leave message = WEIR__LINK__V1__LEAVE__INIT;
	message.client = handle;
	message.req = 78;
	message.room = text(room);
	say(rig, e, &LINK_ITEM(LEAVE, leave, &message));
}

struct publish {
	link_item item;
	Weir__Link__V1__Publish publish;
};

static inline Weir__Link__V1__Publish *make_publish(struct publish *m, uint64_t handle,
	const char *room)
{
	weir__link__v1__item__init(&m->item);
	weir__link__v1__publish__init(&m->publish);
	m->item.kind_case = WEIR__LINK__V1__ITEM__KIND_PUBLISH;
	m->item.publish = &m->publish;
	m->publish.client = handle;
	m->publish.req = 79;
	m->publish.room = text(room);
	m->publish.type = text("chat");
	m->publish.body = text("{\"text\":\"hi\"}");
	return &m->publish;
}

static inline void publish(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct publish m;
	make_publish(&m, handle, room);
	say(rig, e, &m.item);
}

static inline int try_broadcast(struct rig *rig, unsigned e, uint64_t handle, const char *body)
{
	Weir__Link__V1__Broadcast message = WEIR__LINK__V1__BROADCAST__INIT;
	message.client = handle;
	message.req = 80;
	message.type = text("admin:broadcast");
	message.body = text(body);
	return try_item(rig, e, &LINK_ITEM(BROADCAST, broadcast, &message));
}

static inline void ask_presence(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__PresenceRequest message = WEIR__LINK__V1__PRESENCE_REQUEST__INIT;
	message.client = handle;
	message.req = 81;
	message.room = text(room);
	say(rig, e, &LINK_ITEM(PRESENCE_REQUEST, presence_request, &message));
}

static inline void ask_history(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__HistoryRequest message = WEIR__LINK__V1__HISTORY_REQUEST__INIT;
	message.client = handle;
	message.req = 82;
	message.room = text(room);
	say(rig, e, &LINK_ITEM(HISTORY_REQUEST, history_request, &message));
}

static inline void rejoin(struct rig *rig, unsigned e, uint64_t handle, const char *room,
	uint64_t epoch, uint64_t seq)
{
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	place.room = text(room);
	place.epoch = epoch;
	place.seq = seq;
	place.join_seq = 1;
	Weir__Link__V1__Place *places[] = { &place };
	Weir__Link__V1__Rejoin message = WEIR__LINK__V1__REJOIN__INIT;
	message.client = handle;
	message.n_places = 1;
	message.places = places;
	say(rig, e, &LINK_ITEM(REJOIN, rejoin, &message));
}

static inline void finish_snapshot(struct rig *rig, unsigned e)
{
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	say(rig, e, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
}

// And what the edge has missed follows at once.
static inline void snapshot_end(struct rig *rig, unsigned e)
{
	finish_snapshot(rig, e);
	while (route_has_replays(rig->edges[e])) {
		route_replay(&rig->route, rig->edges[e], SIZE_MAX, rig->now_ms);
	}
}

static inline void join_since(struct rig *rig, unsigned e, uint64_t handle, const char *room,
	uint64_t epoch, uint64_t seq)
{
	struct join m;
	Weir__Link__V1__Join *message = make_join(&m, handle, room);
	message->has_since = true;
	message->since_epoch = epoch;
	message->since_seq = seq;
	say(rig, e, &m.item);
}

// ---- out

// The next item told to an edge; NULL if there is none.
static inline const link_item *next(struct rig *rig, unsigned e)
{
	if (rig->unread[e].len == 0) {
		rig->unread[e] = buf_bytes(&rig->out[e]);
	}
	struct bytes packed;
	if (link_batch_next(&rig->unread[e], &packed) != 1) {
		return NULL;
	}
	if (rig->unread[e].len == 0) {
		rig->out[e].len = 0;
	}
	const link_item *item = link_item_unpack(&rig->arena, packed);
	assert_non_null(item);
	return item;
}

static inline void assert_quiet(struct rig *rig, unsigned e)
{
	assert_null(next(rig, e));
}

static inline void forget_output(struct rig *rig)
{
	for (unsigned e = 0; e < N_EDGES; e++) {
		rig->out[e].len = 0;
		rig->unread[e] = (struct bytes){ 0 };
	}
}

static inline void assert_pb_equal(ProtobufCBinaryData data, const char *expected)
{
	assert_bytes_equal(pb_bytes(data), expected);
}

static inline const Weir__Link__V1__Joined *next_joined(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOINED);
	return item->joined;
}

static inline const Weir__Link__V1__Left *next_left(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEFT);
	return item->left;
}

static inline const Weir__Link__V1__Delivery *next_delivery(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_DELIVERY);
	return item->delivery;
}

static inline const Weir__Link__V1__Published *next_published(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	return item->published;
}

static inline const Weir__Link__V1__Gap *next_gap(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_GAP);
	return item->gap;
}

static inline void assert_refused(struct rig *rig, unsigned e, enum refusal code)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_REFUSED);
	assert_int_equal(item->refused->code, code);
	assert_int_not_equal(item->refused->client, 0);
	assert_int_not_equal(item->refused->req, 0);
	assert_int_equal(counter_get(&rig->route.counters.rejected[code]), ++rig->refused[code]);
	assert_quiet(rig, e);
}

static inline void assert_event(struct rig *rig, unsigned e, const char *room, const char *user,
	bool joined)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT);
	assert_pb_equal(item->member_event->room, room);
	assert_pb_equal(item->member_event->user, user);
	assert_int_equal(item->member_event->joined, joined);
}

static inline uint64_t epoch_of(struct rig *rig, const char *room)
{
	return room_table_find(&rig->route.table, bytes_str(room))->epoch;
}

static inline uint64_t ignored(const struct rig *rig)
{
	return counter_get(&rig->route.counters.ignored);
}

static inline void set_rooms(struct rig *rig, char *value)
{
	const struct conf_list options = { &value, 1 };
	const struct conf_list none = { 0 };
	route_set_rooms(&rig->route, &options, &none);
}

static inline int setup_kept(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = {
		.history_age_ms = 300000,
		.history_messages = 5,
		.history_bytes = 1 << 20,
	};
	rig_init(rig, &options);
	*state = rig;
	return 0;
}

#define RIG_TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define KEPT_TEST(f) cmocka_unit_test_setup_teardown(f, setup_kept, teardown)
