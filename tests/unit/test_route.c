#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"
#include "router/core/route.h"
#include "tests/unit/test.h"

// A router with two edges and a sink that keeps what each edge was told, as bytes of a batch. Tests
// say items, then look at what came out, item by item and in order.

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

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	(void)arg;
	buf_append_bytes(edge->link, element);
}

static struct table_edge *edge_up(struct rig *rig, unsigned e, const struct rights_policy *policy)
{
	const char name[] = { (char)('a' + e), '\0' };
	rig->edges[e] = route_edge_up(&rig->route, &rig->out[e], bytes_str(name), policy, 0);
	return rig->edges[e];
}

static void rig_init(struct rig *rig, const struct route_options *options)
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

static void rig_fini(struct rig *rig)
{
	route_fini(&rig->route);
	for (unsigned e = 0; e < N_EDGES; e++) {
		buf_fini(&rig->out[e]);
	}
	link_arena_fini(&rig->arena);
}

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = { .history_age_ms = 300000 };
	rig_init(rig, &options);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

// ---- in

static int try_item(struct rig *rig, unsigned e, const link_item *item)
{
	return route_item(&rig->route, rig->edges[e], item, rig->now_ms, rig->wall_ms);
}

static void say(struct rig *rig, unsigned e, const link_item *item)
{
	assert_int_equal(try_item(rig, e, item), 0);
}

static ProtobufCBinaryData text(const char *s)
{
	return pb_data(bytes_str(s));
}

struct client_up {
	link_item item;
	Weir__Link__V1__ClientUp up;
};

static Weir__Link__V1__ClientUp *make_client_up(struct client_up *m, uint64_t handle,
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

static void client_up(struct rig *rig, unsigned e, uint64_t handle, const char *user)
{
	struct client_up m;
	make_client_up(&m, handle, user);
	say(rig, e, &m.item);
}

static void admin_up(struct rig *rig, unsigned e, uint64_t handle, const char *user)
{
	struct client_up m;
	make_client_up(&m, handle, user)->admin = true;
	say(rig, e, &m.item);
}

// A client with one right pattern of its own; NULL: with none.
static void limited_up(struct rig *rig, unsigned e, uint64_t handle, const char *user,
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

static void client_down(struct rig *rig, unsigned e, uint64_t handle)
{
	Weir__Link__V1__ClientDown down = WEIR__LINK__V1__CLIENT_DOWN__INIT;
	down.client = handle;
	say(rig, e, &LINK_ITEM(CLIENT_DOWN, client_down, &down));
}

struct join {
	link_item item;
	Weir__Link__V1__Join join;
};

static Weir__Link__V1__Join *make_join(struct join *m, uint64_t handle, const char *room)
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

static void join(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct join m;
	make_join(&m, handle, room);
	say(rig, e, &m.item);
}

static void join_presence(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct join m;
	make_join(&m, handle, room)->presence = true;
	say(rig, e, &m.item);
}

static void leave(struct rig *rig, unsigned e, uint64_t handle, const char *room)
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

static Weir__Link__V1__Publish *make_publish(struct publish *m, uint64_t handle, const char *room)
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

static void publish(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	struct publish m;
	make_publish(&m, handle, room);
	say(rig, e, &m.item);
}

static int try_broadcast(struct rig *rig, unsigned e, uint64_t handle, const char *body)
{
	Weir__Link__V1__Broadcast message = WEIR__LINK__V1__BROADCAST__INIT;
	message.client = handle;
	message.req = 80;
	message.type = text("admin:broadcast");
	message.body = text(body);
	return try_item(rig, e, &LINK_ITEM(BROADCAST, broadcast, &message));
}

static void ask_presence(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__PresenceRequest message = WEIR__LINK__V1__PRESENCE_REQUEST__INIT;
	message.client = handle;
	message.req = 81;
	message.room = text(room);
	say(rig, e, &LINK_ITEM(PRESENCE_REQUEST, presence_request, &message));
}

static void ask_history(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__HistoryRequest message = WEIR__LINK__V1__HISTORY_REQUEST__INIT;
	message.client = handle;
	message.req = 82;
	message.room = text(room);
	say(rig, e, &LINK_ITEM(HISTORY_REQUEST, history_request, &message));
}

static void rejoin(struct rig *rig, unsigned e, uint64_t handle, const char *room, uint64_t epoch,
	uint64_t seq)
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

static void finish_snapshot(struct rig *rig, unsigned e)
{
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	say(rig, e, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
}

// And what the edge has missed follows at once.
static void snapshot_end(struct rig *rig, unsigned e)
{
	finish_snapshot(rig, e);
	while (route_has_replays(rig->edges[e])) {
		route_replay(&rig->route, rig->edges[e], SIZE_MAX, rig->now_ms);
	}
}

static void join_since(struct rig *rig, unsigned e, uint64_t handle, const char *room,
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
static const link_item *next(struct rig *rig, unsigned e)
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

static void assert_quiet(struct rig *rig, unsigned e)
{
	assert_null(next(rig, e));
}

static void forget_output(struct rig *rig)
{
	for (unsigned e = 0; e < N_EDGES; e++) {
		rig->out[e].len = 0;
		rig->unread[e] = (struct bytes){ 0 };
	}
}

static void assert_pb_equal(ProtobufCBinaryData data, const char *expected)
{
	assert_bytes_equal(pb_bytes(data), expected);
}

static const Weir__Link__V1__Joined *next_joined(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_JOINED);
	return item->joined;
}

static const Weir__Link__V1__Left *next_left(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEFT);
	return item->left;
}

static const Weir__Link__V1__Delivery *next_delivery(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_DELIVERY);
	return item->delivery;
}

static const Weir__Link__V1__Published *next_published(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	return item->published;
}

static const Weir__Link__V1__Gap *next_gap(struct rig *rig, unsigned e)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_GAP);
	return item->gap;
}

static void assert_refused(struct rig *rig, unsigned e, enum refusal code)
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

static void assert_event(struct rig *rig, unsigned e, const char *room, const char *user,
	bool joined)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT);
	assert_pb_equal(item->member_event->room, room);
	assert_pb_equal(item->member_event->user, user);
	assert_int_equal(item->member_event->joined, joined);
}

static uint64_t epoch_of(struct rig *rig, const char *room)
{
	return room_table_find(&rig->route.table, bytes_str(room))->epoch;
}

static uint64_t ignored(const struct rig *rig)
{
	return counter_get(&rig->route.counters.ignored);
}

// ---- clients

static void takes_a_client_announced_twice_once(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 1, "ann");
	assert_int_equal(rig->edges[EDGE_A]->n_clients, 1);
}

static void keeps_equal_handles_of_two_edges_apart(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	client_down(rig, EDGE_B, 1);
	assert_int_equal(rig->route.table.n_clients, 1);
	assert_int_equal(rig->route.table.n_members, 1);
}

static void keeps_what_the_edge_says_of_a_client(void **state)
{
	struct rig *rig = *state;
	struct client_up m;
	Weir__Link__V1__ClientUp *up = make_client_up(&m, 1, "ann");
	ProtobufCBinaryData roles[] = { text("x"), text("y") };
	up->username = text("Ann");
	up->roles = roles;
	up->n_roles = 2;
	up->address = text("10.0.0.1");
	up->codec = text("json");
	up->since_ms = 5;
	up->compressed = true;
	say(rig, EDGE_A, &m.item);
	Weir__Link__V1__ClientStats stats = WEIR__LINK__V1__CLIENT_STATS__INIT;
	stats.client = 1;
	stats.queue_bytes = 99;
	say(rig, EDGE_A, &LINK_ITEM(CLIENT_STATS, client_stats, &stats));
	const struct table_client *c = room_table_client_find(rig->edges[EDGE_A], 1);
	assert_string_equal(c->username, "Ann");
	assert_string_equal(c->roles[1], "y");
	assert_string_equal(c->address, "10.0.0.1");
	assert_string_equal(c->codec, "json");
	assert_int_equal(c->since_ms, 5);
	assert_true(c->compressed);
	assert_int_equal(c->queue_bytes, 99);
}

static void ignores_and_counts_what_unknown_clients_say(void **state)
{
	struct rig *rig = *state;
	client_down(rig, EDGE_A, 9);
	join(rig, EDGE_A, 9, "r");
	leave(rig, EDGE_A, 9, "r");
	publish(rig, EDGE_A, 9, "r");
	ask_presence(rig, EDGE_A, 9, "r");
	ask_history(rig, EDGE_A, 9, "r");
	rejoin(rig, EDGE_A, 9, "r", 1, 1);
	assert_int_equal(try_broadcast(rig, EDGE_A, 9, "{}"), 0);
	assert_int_equal(ignored(rig), 8);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void takes_renewed_rights_at_once(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "keep");
	join(rig, EDGE_A, 1, "lose");
	join_presence(rig, EDGE_B, 1, "lose");
	forget_output(rig);
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "keep");
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_pb_equal(left->room, "lose");
	assert_pb_equal(left->reason, "forbidden");
	assert_int_equal(left->req, 0);
	assert_quiet(rig, EDGE_A);
	assert_event(rig, EDGE_B, "lose", "ann", false);
	publish(rig, EDGE_A, 1, "keep");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

// ---- join

static void answers_a_join_with_the_place_in_the_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_B);
	assert_int_equal(joined->client, 1);
	assert_int_equal(joined->req, 77);
	assert_pb_equal(joined->room, "r");
	assert_int_equal(joined->epoch, epoch_of(rig, "r"));
	assert_int_not_equal(joined->epoch, 0);
	assert_int_equal(joined->seq, 1);
	assert_int_equal(joined->members, 2);
	assert_int_equal(joined->recovery, 0);
	assert_false(joined->presence);
}

static void answers_a_repeated_join_again(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	next_joined(rig, EDGE_A);
	join_presence(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->members, 1);
	assert_true(joined->presence);
	assert_quiet(rig, EDGE_A); // a repeated join is no coming
}

static void recovers_only_where_nothing_was_missed(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	const struct {
		uint64_t epoch;
		uint64_t seq;
		unsigned recovery;
	} cases[] = {
		{ epoch, 2, 1 },
		{ epoch, 1, 2 },
		{ epoch, 3, 2 },
		{ epoch + 1, 2, 2 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		forget_output(rig);
		struct join m;
		Weir__Link__V1__Join *message = make_join(&m, 1, "r");
		message->has_since = true;
		message->since_epoch = cases[i].epoch;
		message->since_seq = cases[i].seq;
		say(rig, EDGE_A, &m.item);
		assert_int_equal(next_joined(rig, EDGE_A)->recovery, cases[i].recovery);
	}
}

static void cannot_recover_in_a_room_made_anew(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	struct join m;
	make_join(&m, 1, "r")->has_since = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_joined(rig, EDGE_A)->recovery, 2);
}

static void refuses_a_join_without_the_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "only");
	join(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void refuses_the_whole_join_without_the_presence_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	join_presence(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.n_members, 0);
}

static void refuses_a_bad_room_name(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	void (*const requests[])(struct rig *, unsigned, uint64_t, const char *) = {
		join,
		leave,
		publish,
		ask_presence,
		ask_history,
	};
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		requests[i](rig, EDGE_A, 1, "a\nb");
		assert_refused(rig, EDGE_A, REFUSAL_BAD_ROOM);
	}
}

static void refuses_an_automatic_join_silently(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, NULL);
	struct join m;
	make_join(&m, 1, "r")->automatic = true;
	say(rig, EDGE_A, &m.item);
	assert_refused(rig, EDGE_A, REFUSAL_SILENT);
}

static void lets_a_user_into_the_own_room_only(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "user:ann");
	next_joined(rig, EDGE_A);
	join(rig, EDGE_A, 1, "user:bob");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

static void holds_the_limits_of_rooms_and_members(void **state)
{
	(void)state;
	const struct route_options options = { .max_rooms = 1, .max_members_per_room = 1 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "bob");
	join(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_B, 1, "r");
	assert_refused(&rig, EDGE_B, REFUSAL_LIMIT);
	publish(&rig, EDGE_B, 1, "s");
	const link_item *item = next(&rig, EDGE_B);
	assert_int_equal(item->refused->code, REFUSAL_LIMIT);
	rig_fini(&rig);
}

// ---- options of rooms

static void set_rooms(struct rig *rig, char *value)
{
	const struct conf_list options = { &value, 1 };
	const struct conf_list none = { 0 };
	route_set_rooms(&rig->route, &options, &none);
}

static void a_room_has_the_limits_of_its_rule(void **state)
{
	struct rig *rig = *state;
	char rule[] = "small* max-members=1 history-messages=2 history-bytes=64KiB";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "small");
	join(rig, EDGE_B, 1, "small");
	assert_refused(rig, EDGE_B, REFUSAL_LIMIT);
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_B, 1, "small");
	}
	const struct table_room *room = room_table_find(&rig->route.table, bytes_str("small"));
	assert_int_equal(room->seq, 3);
	assert_int_equal(store_first(&room->log), 2);
}

static void nobody_sees_who_is_in_a_room_without_presence(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join_presence(rig, EDGE_A, 1, "quiet");
	forget_output(rig);
	char rule[] = "quiet* presence=no";
	set_rooms(rig, rule);
	join(rig, EDGE_B, 1, "quiet");
	assert_quiet(rig, EDGE_A); // who asked before hears no more of it
	ask_presence(rig, EDGE_A, 1, "quiet");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	join_presence(rig, EDGE_A, 1, "quiet-2"); // a room that has no record yet
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
}

static void a_room_that_is_ephemeral_numbers_and_keeps_nothing(void **state)
{
	struct rig *rig = *state;
	char rule[] = "cursor* ephemeral=yes";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "cursors");
	join(rig, EDGE_B, 1, "cursors");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "cursors")->key = text("k");
	for (int i = 0; i < 2; i++) { // a repeat is known by its key all the same
		say(rig, EDGE_A, &m.item);
		const link_item *item = next(rig, EDGE_A);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
		assert_int_equal(item->published->seq, 0);
		assert_int_equal(item->published->duplicate, i == 1);
	}
	assert_int_equal(next(rig, EDGE_B)->delivery->seq, 0);
	assert_quiet(rig, EDGE_B);
	const struct table_room *room = room_table_find(&rig->route.table, bytes_str("cursors"));
	assert_int_equal(room->seq, 0);
	assert_int_equal(store_first(&room->log), 0);
}

static void edges_hear_the_slow_policy_of_a_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "tick");
	forget_output(rig);
	char rule[] = "tick slow=conflate";
	set_rooms(rig, rule); // told with the next message, also to who is a member
	publish(rig, EDGE_A, 1, "tick");
	assert_int_equal(next(rig, EDGE_A)->delivery->manner, SLOW_CONFLATE);
	forget_output(rig);
	publish(rig, EDGE_A, 1, "tock");
	join(rig, EDGE_A, 1, "tock");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "tock");
	assert_int_equal(next(rig, EDGE_A)->delivery->manner, SLOW_DISCONNECT);
}

static void a_room_may_be_for_admins_to_publish_in(void **state)
{
	struct rig *rig = *state;
	char rule[] = "news* lobby-publish=admin";
	set_rooms(rig, rule);
	client_up(rig, EDGE_A, 1, "ann");
	admin_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "news");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	publish(rig, EDGE_B, 1, "news");
	assert_int_equal(next(rig, EDGE_B)->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	char none[] = "news* lobby-publish=none";
	set_rooms(rig, none);
	publish(rig, EDGE_B, 1, "news");
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

// ---- limits of users

static void assert_kicked(struct rig *rig, unsigned e, uint64_t handle, const char *reason)
{
	const link_item *item = next(rig, e);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, handle);
	assert_pb_equal(item->kick->reason, reason);
}

static void since_up(struct rig *rig, unsigned e, uint64_t handle, const char *user,
	int64_t since_ms)
{
	struct client_up m;
	make_client_up(&m, handle, user)->since_ms = since_ms;
	say(rig, e, &m.item);
}

static void refuses_one_connection_too_many_of_a_user(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 2 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "ann");
	client_up(&rig, EDGE_A, 2, "ann");
	assert_kicked(&rig, EDGE_A, 2, "overloaded");
	client_up(&rig, EDGE_A, 3, "bob");
	join(&rig, EDGE_A, 2, "r"); // said before it heard: nobody knows it
	client_down(&rig, EDGE_A, 2);
	client_up(&rig, EDGE_A, 1, "ann"); // a renewed token is no new connection
	assert_quiet(&rig, EDGE_A);
	client_down(&rig, EDGE_B, 1);
	client_up(&rig, EDGE_A, 4, "ann");
	assert_quiet(&rig, EDGE_A);
	assert_int_equal(rig.route.table.n_members, 0);
	rig_fini(&rig);
}

static void lets_the_newest_connection_of_a_user_win(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 2, .newest_wins = true };
	struct rig rig;
	rig_init(&rig, &options);
	since_up(&rig, EDGE_A, 1, "ann", 2000);
	since_up(&rig, EDGE_B, 1, "ann", 1000); // announced later, but here for longer
	since_up(&rig, EDGE_A, 2, "ann", 3000);
	assert_kicked(&rig, EDGE_B, 1, "replaced");
	since_up(&rig, EDGE_A, 3, "ann", 4000); // nobody is told twice
	assert_kicked(&rig, EDGE_A, 1, "replaced");
	assert_quiet(&rig, EDGE_B);
	join(&rig, EDGE_A, 3, "r");
	next_joined(&rig, EDGE_A);
	rig_fini(&rig);
}

static void limits_what_a_user_publishes_over_all_connections(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_MESSAGES] = { .per_s = 1, .burst = 2 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "ann");
	client_up(&rig, EDGE_B, 2, "bob");
	publish(&rig, EDGE_A, 1, "r");
	next_published(&rig, EDGE_A);
	publish(&rig, EDGE_B, 1, "r");
	next_published(&rig, EDGE_B);
	publish(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	publish(&rig, EDGE_B, 2, "r");
	next_published(&rig, EDGE_B);
	rig.now_ms += 1000;
	publish(&rig, EDGE_A, 1, "r");
	assert_int_equal(next_published(&rig, EDGE_A)->seq, 4); // what was refused took no number
	rig_fini(&rig);
}

static void limits_how_many_connections_a_user_reaches(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_DELIVERIES] = { .per_s = 2, .burst = 2 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	for (uint64_t handle = 2; handle <= 5; handle++) {
		client_up(&rig, EDGE_B, handle, "bob");
		join(&rig, EDGE_B, handle, "r");
	}
	publish(&rig, EDGE_A, 1, "r"); // four are more than may ever be saved up
	next_published(&rig, EDGE_A);
	publish(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	rig.now_ms += 2000;
	publish(&rig, EDGE_A, 1, "r");
	next_published(&rig, EDGE_A);
	rig_fini(&rig);
}

static void who_comes_and_goes_pays_for_all_who_are_told(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_DELIVERIES] = { .per_s = 4, .burst = 8 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	for (uint64_t handle = 1; handle <= 4; handle++) {
		client_up(&rig, EDGE_B, handle, "bob");
		join_presence(&rig, EDGE_B, handle, "r");
	}
	client_up(&rig, EDGE_A, 1, "ann");
	join(&rig, EDGE_A, 1, "r");
	leave(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_A, 1, "r"); // on credit
	forget_output(&rig);
	leave(&rig, EDGE_A, 1, "r");
	next_left(&rig, EDGE_A);
	join(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	rig.now_ms += 2000;
	join(&rig, EDGE_A, 1, "r");
	next_joined(&rig, EDGE_A);
	rig_fini(&rig);
}

static void answers_are_paid_for_when_their_size_is_known(void **state)
{
	(void)state;
	const struct route_options options = {
		.budgets.rates[BUDGET_ANSWERS] = { .per_s = 100, .burst = 600 },
	};
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_A, 2, "bob");
	join(&rig, EDGE_A, 1, "r");
	join(&rig, EDGE_A, 2, "r");
	forget_output(&rig);
	ask_presence(&rig, EDGE_A, 1, "r");
	assert_int_equal(next(&rig, EDGE_A)->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	ask_presence(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	ask_history(&rig, EDGE_A, 1, "r");
	assert_refused(&rig, EDGE_A, REFUSAL_RATE_LIMITED);
	ask_presence(&rig, EDGE_A, 2, "r"); // another user's
	assert_int_equal(next(&rig, EDGE_A)->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	rig_fini(&rig);
}

// ---- leave, presence

static void answers_a_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	leave(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_int_equal(left->client, 1);
	assert_int_equal(left->req, 78);
	assert_pb_equal(left->room, "r");
	assert_int_equal(left->reason.len, 0);
	leave(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_NOT_MEMBER);
}

static void says_not_member_of_an_unknown_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	leave(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_NOT_MEMBER);
}

static void announces_first_and_last_connections_of_a_user(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "bob");
	join_presence(rig, EDGE_A, 1, "r");
	forget_output(rig);

	join(rig, EDGE_B, 1, "r");
	assert_event(rig, EDGE_A, "r", "bob", true);
	join(rig, EDGE_B, 2, "r");
	leave(rig, EDGE_B, 1, "r");
	assert_quiet(rig, EDGE_A);
	client_down(rig, EDGE_B, 2);
	assert_event(rig, EDGE_A, "r", "bob", false);
	assert_quiet(rig, EDGE_A);
}

static void tells_of_a_going_only_when_the_user_stays_away(void **state)
{
	(void)state;
	const struct route_options options = { .presence_linger_ms = 5000 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	join_presence(&rig, EDGE_A, 1, "r");
	client_up(&rig, EDGE_B, 1, "bob");
	join(&rig, EDGE_B, 1, "r");
	forget_output(&rig);

	client_down(&rig, EDGE_B, 1);
	rig.now_ms += 4000;
	(void)route_sweep(&rig.route, rig.now_ms);
	client_up(&rig, EDGE_B, 2, "bob");
	join(&rig, EDGE_B, 2, "r");
	rig.now_ms += 9000;
	(void)route_sweep(&rig.route, rig.now_ms);
	assert_quiet(&rig, EDGE_A); // neither that he went nor that he came

	leave(&rig, EDGE_B, 2, "r");
	rig.now_ms += 5000;
	assert_quiet(&rig, EDGE_A);
	(void)route_sweep(&rig.route, rig.now_ms);
	assert_event(&rig, EDGE_A, "r", "bob", false);
	join(&rig, EDGE_B, 2, "r");
	assert_event(&rig, EDGE_A, "r", "bob", true);
	rig_fini(&rig);
}

static void announces_only_to_edges_that_asked(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	next_joined(rig, EDGE_A);
	next_joined(rig, EDGE_B);
	assert_quiet(rig, EDGE_A);
	assert_quiet(rig, EDGE_B);
}

static void answers_the_join_before_it_announces(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	join_presence(rig, EDGE_A, 1, "r");
	forget_output(rig);
	join(rig, EDGE_A, 2, "r");
	next_joined(rig, EDGE_A);
	assert_event(rig, EDGE_A, "r", "bob", true);
	leave(rig, EDGE_A, 2, "r");
	next_left(rig, EDGE_A);
	assert_event(rig, EDGE_A, "r", "bob", false);
}

static void announces_nobody_in_a_large_room(void **state)
{
	(void)state;
	const struct route_options options = { .presence_events_max = 2 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	client_up(&rig, EDGE_B, 1, "bob");
	client_up(&rig, EDGE_B, 2, "cid");
	join_presence(&rig, EDGE_A, 1, "r");
	forget_output(&rig);
	join(&rig, EDGE_B, 1, "r");
	assert_event(&rig, EDGE_A, "r", "bob", true);
	join(&rig, EDGE_B, 2, "r");
	leave(&rig, EDGE_B, 2, "r");
	assert_quiet(&rig, EDGE_A);
	leave(&rig, EDGE_B, 1, "r");
	assert_event(&rig, EDGE_A, "r", "bob", false);
	rig_fini(&rig);
}

static void lists_the_users_present(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "ann");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	ask_presence(rig, EDGE_B, 1, "r");
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	const Weir__Link__V1__Presence *presence = item->presence;
	assert_int_equal(presence->client, 1);
	assert_int_equal(presence->req, 81);
	assert_pb_equal(presence->room, "r");
	assert_int_equal(presence->users, 2);
	assert_int_equal(presence->connections, 3);
	assert_int_equal(presence->n_members, 2);
	assert_pb_equal(presence->members[0]->user, "ann");
	assert_int_equal(presence->members[0]->clients, 2);
	assert_pb_equal(presence->members[1]->user, "bob");
	assert_int_equal(presence->members[1]->clients, 1);
}

static void lists_nobody_in_an_unknown_room(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	ask_presence(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PRESENCE);
	assert_int_equal(item->presence->users, 0);
	assert_int_equal(item->presence->n_members, 0);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void lists_at_most_a_thousand_users(void **state)
{
	struct rig *rig = *state;
	for (uint64_t i = 1; i <= 1001; i++) {
		char user[24];
		snprintf(user, sizeof(user), "u%u", (unsigned)i);
		client_up(rig, EDGE_A, i, user);
		join(rig, EDGE_A, i, "r");
	}
	forget_output(rig);
	ask_presence(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->presence->users, 1001);
	assert_int_equal(item->presence->n_members, 1000);
}

static void lists_no_more_names_than_fit_a_frame(void **state)
{
	struct rig *rig = *state;
	static char long_name[8193];
	memset(long_name, 'x', sizeof(long_name) - 1);
	for (uint64_t i = 1; i <= 200; i++) {
		char user[24];
		snprintf(user, sizeof(user), "u%u", (unsigned)i);
		struct client_up m;
		make_client_up(&m, i, user)->username = text(long_name);
		say(rig, EDGE_A, &m.item);
		join(rig, EDGE_A, i, "r");
	}
	forget_output(rig);
	ask_presence(rig, EDGE_A, 1, "r");
	assert_in_range(rig->out[EDGE_A].len, 1, 512 << 10);
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->presence->users, 200);
	assert_in_range(item->presence->n_members, 1, 199);
}

static void asks_for_rights_on_presence_and_history(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN | RIGHT_HISTORY, "*");
	limited_up(rig, EDGE_B, 1, "bob", RIGHT_JOIN | RIGHT_PRESENCE, "*");
	ask_presence(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	ask_history(rig, EDGE_B, 1, "r");
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

static void answers_history_with_the_rooms_place(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	ask_history(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_A);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY);
	assert_int_equal(item->history->epoch, 0);
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	ask_history(rig, EDGE_A, 1, "r");
	item = next(rig, EDGE_A);
	assert_int_equal(item->history->req, 82);
	assert_pb_equal(item->history->room, "r");
	assert_int_equal(item->history->epoch, epoch_of(rig, "r"));
	assert_int_equal(item->history->seq, 1);
	assert_int_equal(item->history->n_messages, 0);
}

// ---- publish

static void delivers_to_every_edge_with_members_once(void **state)
{
	struct rig *rig = *state;
	struct client_up m;
	make_client_up(&m, 1, "ann")->username = text("Ann");
	say(rig, EDGE_A, &m.item);
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "r");
	const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_B);
	assert_pb_equal(d->room, "r");
	assert_int_equal(d->epoch, epoch_of(rig, "r"));
	assert_int_equal(d->seq, 1);
	assert_int_equal(d->timestamp_ms, START_WALL_MS);
	assert_pb_equal(d->type, "chat");
	assert_pb_equal(d->from, "ann");
	assert_pb_equal(d->user, "ann");
	assert_pb_equal(d->username, "Ann");
	assert_pb_equal(d->body, "{\"text\":\"hi\"}");
	assert_int_equal(d->except, 0);
	assert_quiet(rig, EDGE_B);
	assert_int_equal(counter_get(&rig->route.counters.published), 1);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 3);
}

static void answers_the_sender_after_its_delivery(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_delivery(rig, EDGE_A)->seq, 1);
	const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
	assert_int_equal(p->client, 1);
	assert_int_equal(p->req, 79);
	assert_int_equal(p->epoch, epoch_of(rig, "r"));
	assert_int_equal(p->seq, 1);
	assert_int_equal(p->timestamp_ms, START_WALL_MS);
	assert_int_equal(p->members, 2);
	assert_false(p->duplicate);
}

static void needs_no_membership_to_publish(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_published(rig, EDGE_A)->members, 1);
	assert_quiet(rig, EDGE_A);
}

static void numbers_messages_by_room_and_keeps_time_from_running_back(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	const struct {
		const char *room;
		int64_t wall_ms;
		uint64_t seq;
		int64_t stamp_ms;
	} steps[] = {
		{ "r", 1000, 1, 1000 },
		{ "r", 900, 2, 1000 },
		{ "s", 900, 1, 900 },
		{ "r", 1001, 3, 1001 },
	};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		rig->wall_ms = steps[i].wall_ms;
		publish(rig, EDGE_A, 1, steps[i].room);
		const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
		assert_int_equal(p->seq, steps[i].seq);
		assert_int_equal(p->timestamp_ms, steps[i].stamp_ms);
		assert_int_equal(p->members, 0);
	}
}

static void leaves_the_sender_out_when_asked(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "cid");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	join(rig, EDGE_A, 2, "r");
	join(rig, EDGE_B, 1, "r");
	for (unsigned ephemeral = 0; ephemeral < 2; ephemeral++) {
		forget_output(rig);
		struct publish m;
		Weir__Link__V1__Publish *p = make_publish(&m, 1, "r");
		p->ephemeral = ephemeral == 1;
		p->no_echo = ephemeral == 0;
		say(rig, EDGE_A, &m.item);
		const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_A);
		assert_int_equal(d->except, 1);
		assert_int_equal(d->seq, ephemeral ? 0 : 1);
		assert_int_equal(next_published(rig, EDGE_A)->seq, ephemeral ? 0 : 1);
		assert_int_equal(next_delivery(rig, EDGE_B)->except, 0);
	}
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 4);
	assert_int_equal(room_table_find(&rig->route.table, bytes_str("r"))->seq, 1);
}

static void tells_nothing_to_an_edge_with_the_left_out_sender_only(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->no_echo = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_published(rig, EDGE_A)->members, 1);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 0);
}

static void leaves_nobody_out_for_a_sender_who_is_no_member(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	join(rig, EDGE_A, 2, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->no_echo = true;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_A)->except, 0);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 1);
}

static void refuses_a_publish_without_the_right(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "*");
	publish(rig, EDGE_A, 1, "r");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void keeps_others_from_a_lobby_of_the_admins(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	admin_up(rig, EDGE_B, 1, "root");
	publish(rig, EDGE_A, 1, "lobby");
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	publish(rig, EDGE_B, 1, "lobby");
	next_published(rig, EDGE_B);
}

static void broadcasts_for_admins_to_every_edge(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "root");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{\"a\":1}"), 0);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const link_item *item = next(rig, e);
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_BROADCAST_DELIVERY);
		const Weir__Link__V1__BroadcastDelivery *d = item->broadcast_delivery;
		assert_pb_equal(d->type, "admin:broadcast");
		assert_pb_equal(d->body, "{\"a\":1}");
		assert_pb_equal(d->from, "root");
		assert_int_equal(d->timestamp_ms, START_WALL_MS);
	}
	const Weir__Link__V1__Published *p = next_published(rig, EDGE_A);
	assert_int_equal(p->req, 80);
	assert_int_equal(p->seq, 0);
	assert_int_equal(p->members, 3);
	assert_int_equal(counter_get(&rig->route.counters.deliveries), 3);

	assert_int_equal(try_broadcast(rig, EDGE_B, 1, "{}"), 0);
	assert_refused(rig, EDGE_B, REFUSAL_FORBIDDEN);
}

static void publishes_for_the_admin_plane_without_a_sender(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join(rig, EDGE_A, 1, "r");
	forget_output(rig);
	const struct route_message message = {
		.room = bytes_str("r"),
		.type = bytes_str("note"),
		.body = bytes_str("{}"),
	};
	struct route_result result;
	assert_int_equal(route_publish(&rig->route, &message, rig->now_ms, 5, &result),
		REFUSAL_NONE);
	assert_int_equal(result.seq, 1);
	assert_int_equal(result.members, 1);
	const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_A);
	assert_int_equal(d->from.len, 0);
	assert_int_equal(d->user.len, 0);
	assert_pb_equal(d->type, "note");
}

static void kicks_through_the_clients_edge(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_B, 4, "ann");
	join(rig, EDGE_B, 4, "r");
	forget_output(rig);
	route_kick(&rig->route, room_table_client_find(rig->edges[EDGE_B], 4),
		bytes_str("revoked"));
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, 4);
	assert_pb_equal(item->kick->reason, "revoked");
	assert_int_equal(rig->route.table.n_members, 1); // until its edge says that it is gone
}

// ---- edges that go and come

static void lets_the_clients_of_a_lost_edge_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	client_up(rig, EDGE_B, 1, "ann");
	client_up(rig, EDGE_B, 2, "cid");
	join_presence(rig, EDGE_A, 1, "r");
	join_presence(rig, EDGE_A, 2, "r");
	join(rig, EDGE_B, 1, "r");
	join_presence(rig, EDGE_B, 2, "r");
	forget_output(rig);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	assert_false(route_purge(&rig->route, 100, rig->now_ms));
	assert_event(rig, EDGE_B, "r", "bob", false); // ann is still there
	assert_quiet(rig, EDGE_B);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_edges, 1);
	assert_int_equal(rig->route.table.n_members, 2);
}

static uint32_t members_of(const struct rig *rig, const char *room)
{
	return room_table_find(&rig->route.table, bytes_str(room))->n_members;
}

static void lets_the_clients_of_a_lost_edge_leave_one_by_one(void **state)
{
	struct rig *rig = *state;
	static const char *const users[] = { "bob", "bob", "cid", "dan" };
	client_up(rig, EDGE_B, 1, "ann");
	join_presence(rig, EDGE_B, 1, "r");
	for (unsigned i = 0; i < ARRAY_LEN(users); i++) {
		client_up(rig, EDGE_A, 2 + i, users[i]);
		join(rig, EDGE_A, 2 + i, "r");
	}
	forget_output(rig);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	assert_int_equal(members_of(rig, "r"), 5);

	// Each step takes one membership, one client or the edge away; who has left is told at
	// once.
	unsigned told = 0;
	uint32_t n_members = 5;
	bool more = true;
	for (unsigned step = 0; more; step++) {
		assert_true(step < 2 * ARRAY_LEN(users) + 1);
		assert_true(route_is_purging(&rig->route, bytes_str("a")));
		more = route_purge(&rig->route, 1, rig->now_ms);
		assert_true(
			members_of(rig, "r") == n_members || members_of(rig, "r") == n_members - 1);
		n_members = members_of(rig, "r");
		const link_item *item = next(rig, EDGE_B);
		if (item != NULL) {
			assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_MEMBER_EVENT);
			assert_false(item->member_event->joined);
			told++;
			assert_quiet(rig, EDGE_B);
		}
		assert_int_equal(room_table_find(&rig->route.table, bytes_str("r"))->n_users,
			4 - told);
	}
	assert_int_equal(told, 3);
	assert_int_equal(n_members, 1);
	assert_false(route_is_purging(&rig->route, bytes_str("a")));
	assert_int_equal(rig->route.table.n_members, 1);
	assert_int_equal(rig->route.table.n_clients, 1);
}

static void tells_of_nobody_who_came_back_before_the_old_connection_left(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_B, 1, "ann");
	join_presence(rig, EDGE_B, 1, "r");
	client_up(rig, EDGE_A, 1, "bob");
	join(rig, EDGE_A, 1, "r");
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	client_up(rig, EDGE_B, 2, "bob");
	join(rig, EDGE_B, 2, "r");
	forget_output(rig);
	assert_false(route_purge(&rig->route, 100, rig->now_ms));
	assert_quiet(rig, EDGE_B);
	leave(rig, EDGE_B, 2, "r");
	next_left(rig, EDGE_B);
	assert_event(rig, EDGE_B, "r", "bob", false);
}

static void says_nothing_to_a_lost_edge_whose_clients_have_yet_to_leave(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	join_presence(rig, EDGE_A, 1, "r");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	const struct table_client *ann = room_table_client_find(rig->edges[EDGE_A], 1);
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	publish(rig, EDGE_B, 1, "r");
	leave(rig, EDGE_B, 1, "r");
	route_kick(&rig->route, ann, bytes_str("revoked"));
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_edges, 1);
}

static void counts_no_connection_of_a_lost_edge_against_its_user(void **state)
{
	(void)state;
	const struct route_options options = { .max_connections_per_user = 1 };
	struct rig rig;
	rig_init(&rig, &options);
	client_up(&rig, EDGE_A, 1, "ann");
	route_edge_down(&rig.route, rig.edges[EDGE_A]);
	client_up(&rig, EDGE_B, 1, "ann");
	assert_quiet(&rig, EDGE_B);
	const struct revocation rev = { .user = bytes_str("ann"), .before_s = INT64_MAX };
	uint64_t closed;
	assert_true(route_revoke(&rig.route, &rev, &closed));
	assert_int_equal(closed, 1);
	rig_fini(&rig); // with one that has yet to leave
}

static void kicks_who_comes_with_a_revoked_token(void **state)
{
	struct rig *rig = *state;
	const struct revocation rev = { .user = bytes_str("ann"), .before_s = INT64_MAX };
	uint64_t closed;
	assert_true(route_revoke(&rig->route, &rev, &closed));
	forget_output(rig);
	client_up(rig, EDGE_A, 1, "bob");
	assert_quiet(rig, EDGE_A);
	client_up(rig, EDGE_A, 2, "ann"); // at an edge that has not heard of it yet
	const link_item *item = next(rig, EDGE_A);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_KICK);
	assert_int_equal(item->kick->client, 2);
	assert_pb_equal(item->kick->reason, "revoked");
	assert_quiet(rig, EDGE_A);
}

static void gives_a_rejoined_room_its_new_epoch(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	rejoin(rig, EDGE_A, 1, "r", 12345, 7);
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->req, 0);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->epoch, epoch_of(rig, "r"));
	assert_int_equal(joined->seq, 0);
	assert_quiet(rig, EDGE_A);
}

// Members have seen what the log has lost: numbers must not be given twice in one epoch.
static void a_seq_of_the_future_ends_the_epoch(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_B, 1, "r", epoch, 1);
	forget_output(rig);
	rejoin(rig, EDGE_A, 1, "r", epoch, 2);
	assert_int_not_equal(epoch_of(rig, "r"), epoch);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const Weir__Link__V1__Joined *joined = next_joined(rig, e);
		assert_int_equal(joined->recovery, 2);
		assert_int_equal(joined->req, 0);
		assert_int_equal(joined->epoch, epoch_of(rig, "r"));
		assert_int_equal(joined->seq, 0);
		assert_quiet(rig, e);
	}
	publish(rig, EDGE_A, 1, "r");
	const link_item *item = next(rig, EDGE_B);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_DELIVERY);
	assert_int_equal(item->delivery->seq, 1);
}

static void says_nothing_to_a_rejoin_that_missed_nothing(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_A, 1, "r", epoch_of(rig, "r"), 1);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(rig->route.table.n_members, 1);
}

static void tells_an_edge_once_what_its_room_missed(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_A, 2, "bob");
	client_up(rig, EDGE_B, 1, "cid");
	for (int i = 0; i < 5; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_A, 1, "r", epoch, 2);
	rejoin(rig, EDGE_A, 2, "r", epoch, 2);
	assert_quiet(rig, EDGE_A);
	snapshot_end(rig, EDGE_A);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_A);
	assert_pb_equal(gap->room, "r");
	assert_int_equal(gap->epoch, epoch);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 5);
	assert_pb_equal(gap->reason, "link");
	assert_quiet(rig, EDGE_A);
	rejoin(rig, EDGE_B, 1, "r", epoch, 4);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_gap(rig, EDGE_B)->from, 5);
}

static void keeps_the_join_seq_of_a_rejoin(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	rejoin(rig, EDGE_A, 1, "r", epoch_of(rig, "r"), 2);
	const struct table_client *c = room_table_client_find(rig->edges[EDGE_A], 1);
	assert_int_equal(LIST_FIRST(&c->rooms)->join_seq, 1);
}

static void takes_a_rejoin_without_the_right_for_left(void **state)
{
	struct rig *rig = *state;
	limited_up(rig, EDGE_A, 1, "ann", RIGHT_JOIN, "only");
	rejoin(rig, EDGE_A, 1, "r", 1, 1);
	const Weir__Link__V1__Left *left = next_left(rig, EDGE_A);
	assert_int_equal(left->req, 0);
	assert_pb_equal(left->room, "r");
	assert_pb_equal(left->reason, "forbidden");
	assert_int_equal(rig->route.table.n_members, 0);
}

static void announces_a_rejoin_only_of_a_user_who_was_away(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	join_presence(rig, EDGE_A, 1, "r");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	uint64_t epoch = epoch_of(rig, "r");
	rejoin(rig, EDGE_B, 1, "r", epoch, 0);
	assert_quiet(rig, EDGE_A);
	rejoin(rig, EDGE_B, 2, "r", epoch, 0);
	assert_event(rig, EDGE_A, "r", "cid", true);
}

static void takes_the_end_of_a_snapshot(void **state)
{
	struct rig *rig = *state;
	snapshot_end(rig, EDGE_A);
	assert_quiet(rig, EDGE_A);
}

static void a_session_waits_for_the_snapshots_of_all_workers(void **state)
{
	struct rig *rig = *state;
	const struct rights_policy policy = { 0 };
	struct table_edge *edge =
		route_edge_up(&rig->route, &rig->out[EDGE_A], bytes_str("x"), &policy, 3);
	assert_int_equal(edge->snapshots_due, 3);
}

static void sends_names_of_edges_to_every_edge(void **state)
{
	struct rig *rig = *state;
	const struct bytes names[] = { bytes_str("b"), bytes_str("a") };
	route_send_edges(&rig->route, names, 2);
	for (unsigned e = 0; e < N_EDGES; e++) {
		const link_item *item = next(rig, e);
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_EDGE_LIST);
		assert_int_equal(item->edge_list->n_names, 2);
		assert_pb_equal(item->edge_list->names[0], "b");
		assert_pb_equal(item->edge_list->names[1], "a");
	}
	route_edge_down(&rig->route, rig->edges[EDGE_A]);
	route_send_edges(&rig->route, names, 1);
	assert_quiet(rig, EDGE_A);
	assert_int_equal(next(rig, EDGE_B)->edge_list->n_names, 1);
}

// ---- after a restart

static void leaves_requests_for_later_while_an_edge_is_awaited(void **state)
{
	struct rig *rig = *state;
	struct publish m;
	settling_await(&rig->route.settling, bytes_str("a"));
	settling_await(&rig->route.settling, bytes_str("b"));
	client_up(rig, EDGE_A, 1, "ann");
	rejoin(rig, EDGE_A, 1, "r", 7, 3);
	snapshot_end(rig, EDGE_A);
	forget_output(rig);
	make_publish(&m, 1, "r");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), ROUTE_LATER);
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{}"), ROUTE_LATER);
	assert_quiet(rig, EDGE_A);
	client_up(rig, EDGE_B, 1, "bob");
	rejoin(rig, EDGE_B, 1, "r", 7, 3);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_joined(rig, EDGE_B)->seq, 0);
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
}

// ---- what is kept

static int setup_kept(void **state)
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

static void recovers_what_is_kept_all_or_nothing(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	for (int i = 0; i < 7; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	join_since(rig, EDGE_A, 1, "r", epoch, 2); // 3 .. 7 are kept
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->recovery, 1);
	assert_int_equal(joined->seq, 7);
	assert_int_equal(joined->n_messages, 5);
	assert_int_equal(joined->messages[0]->seq, 3);
	assert_int_equal(joined->messages[4]->seq, 7);
	assert_pb_equal(joined->messages[0]->type, "chat");
	assert_pb_equal(joined->messages[0]->user, "ann");
	assert_pb_equal(joined->messages[0]->body, "{\"text\":\"hi\"}");
	join_since(rig, EDGE_A, 1, "r", epoch, 1);
	joined = next_joined(rig, EDGE_A);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->n_messages, 0);
}

static const Weir__Link__V1__History *page(struct rig *rig, bool has_before, uint64_t before,
	uint32_t limit)
{
	Weir__Link__V1__HistoryRequest message = WEIR__LINK__V1__HISTORY_REQUEST__INIT;
	message.client = 1;
	message.room = text("r");
	message.has_before = has_before;
	message.before = before;
	message.limit = limit;
	const link_item item = LINK_ITEM(HISTORY_REQUEST, history_request, &message);
	forget_output(rig);
	say(rig, EDGE_A, &item);
	const link_item *answer = next(rig, EDGE_A);
	assert_non_null(answer);
	assert_int_equal(answer->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY);
	return answer->history;
}

static void pages_through_the_history_backwards(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	for (int i = 0; i < 7; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	const struct {
		bool has_before;
		uint64_t before;
		uint32_t limit;
		size_t n;
		uint64_t first;
	} rows[] = {
		{ false, 0, 50, 5, 3 },
		{ false, 0, 2, 2, 6 },
		{ true, 6, 2, 2, 4 },
		{ true, 4, 2, 1, 3 },
		{ true, 3, 2, 0, 0 },
		{ true, 0, 2, 0, 0 },
		{ true, 99, 1, 1, 7 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const Weir__Link__V1__History *history =
			page(rig, rows[i].has_before, rows[i].before, rows[i].limit);
		assert_int_equal(history->seq, 7);
		assert_int_equal(history->n_messages, rows[i].n);
		for (size_t j = 0; j < rows[i].n; j++) {
			assert_int_equal(history->messages[j]->seq, rows[i].first + j);
		}
	}
}

static void brings_an_edge_what_it_missed_once_and_holds_live_messages_back(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	client_up(rig, EDGE_B, 2, "cid");
	for (int i = 0; i < 4; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch, 3);
	publish(rig, EDGE_A, 1, "r"); // live, while the snapshot goes on
	rejoin(rig, EDGE_B, 2, "r", epoch, 2);
	assert_quiet(rig, EDGE_B);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	for (uint64_t seq = 3; seq <= 6; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

// What is live must not overtake what one worker's members have missed because another worker,
// whose members have missed nothing, was faster to say where they stand.
static void holds_live_messages_back_until_the_last_worker_has_told(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	forget_output(rig);
	rig->edges[EDGE_B]->snapshots_due = 2;
	client_up(rig, EDGE_B, 1, "bob");
	rejoin(rig, EDGE_B, 1, "r", epoch, 2);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	assert_quiet(rig, EDGE_B);
	client_up(rig, EDGE_B, 2, "cid");
	rejoin(rig, EDGE_B, 2, "r", epoch, 1);
	snapshot_end(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	for (uint64_t seq = 2; seq <= 4; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

static void tells_of_a_new_epoch_and_then_brings_all_of_it(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r"); // the other edge was back first
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r") + 1, 40);
	snapshot_end(rig, EDGE_B);
	const Weir__Link__V1__Joined *joined = next_joined(rig, EDGE_B);
	assert_int_equal(joined->recovery, 2);
	assert_int_equal(joined->seq, 0);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_quiet(rig, EDGE_B);
}

static void begins_a_new_epoch_with_what_is_kept(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 6; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r") + 1, 40);
	snapshot_end(rig, EDGE_B);
	assert_int_equal(next_joined(rig, EDGE_B)->seq, 1);
	for (uint64_t seq = 2; seq <= 6; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

static void brings_what_is_kept_after_a_gap_for_the_rest(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 9; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 2); // 5 .. 9 are kept
	snapshot_end(rig, EDGE_B);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_B);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 4);
	assert_pb_equal(gap->reason, "trimmed");
	for (uint64_t seq = 5; seq <= 9; seq++) {
		assert_int_equal(next_delivery(rig, EDGE_B)->seq, seq);
	}
	assert_quiet(rig, EDGE_B);
}

// Two rooms, a message a step; what is said meanwhile is neither lost nor early.
static void replays_at_the_pace_that_is_asked_for(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_A, 1, "r");
		publish(rig, EDGE_A, 1, "s");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	rejoin(rig, EDGE_B, 1, "s", epoch_of(rig, "s"), 1);
	rig->edges[EDGE_B]->is_announced = true;
	for (uint64_t seq = 2; seq <= 4; seq++) {
		assert_true(route_has_replays(rig->edges[EDGE_B]));
		route_replay(&rig->route, rig->edges[EDGE_B], 1, rig->now_ms);
		if (seq == 2) {
			publish(rig, EDGE_A, 1, "r"); // 4
		}
		const Weir__Link__V1__Delivery *d = next_delivery(rig, EDGE_B);
		assert_int_equal(d->seq, seq);
		assert_pb_equal(d->room, "r");
		assert_quiet(rig, EDGE_B);
	}
	publish(rig, EDGE_A, 1, "r"); // live again
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 5);
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 3);
	assert_false(route_has_replays(rig->edges[EDGE_B]));
	assert_quiet(rig, EDGE_B);
}

static void a_room_that_missed_nothing_does_not_wait_for_a_replay(void **state)
{
	struct rig *rig = *state;
	struct table_edge *edge = rig->edges[EDGE_B];
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	edge->snapshots_due = 2;
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	edge->snapshots_due = 1;
	finish_snapshot(rig, EDGE_B);
	publish(rig, EDGE_A, 1, "r");
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
}

static void answers_no_publish_before_the_replay_that_its_message_waits_for(void **state)
{
	struct rig *rig = *state;
	struct publish m;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	publish(rig, EDGE_A, 1, "r");
	publish(rig, EDGE_A, 1, "r");
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	finish_snapshot(rig, EDGE_B);
	make_publish(&m, 1, "r");
	assert_int_equal(try_item(rig, EDGE_B, &m.item), ROUTE_LATER);
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	say(rig, EDGE_B, &m.item);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 3);
	assert_int_equal(next_published(rig, EDGE_B)->seq, 3);
}

// A paced replay may be overtaken by the trimming of its history.
static void says_what_was_trimmed_while_a_replay_waited(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	for (int i = 0; i < 3; i++) {
		publish(rig, EDGE_A, 1, "r");
	}
	forget_output(rig);
	rejoin(rig, EDGE_B, 1, "r", epoch_of(rig, "r"), 1);
	rig->edges[EDGE_B]->is_announced = true;
	route_replay(&rig->route, rig->edges[EDGE_B], 1, rig->now_ms);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	for (int i = 0; i < 6; i++) {
		publish(rig, EDGE_A, 1, "r"); // 5 .. 9 are kept
	}
	route_replay(&rig->route, rig->edges[EDGE_B], SIZE_MAX, rig->now_ms);
	const Weir__Link__V1__Gap *gap = next_gap(rig, EDGE_B);
	assert_int_equal(gap->from, 3);
	assert_int_equal(gap->to, 4);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 5);
}

static void publishes_a_key_once(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	struct publish m;
	make_publish(&m, 1, "r")->key = text("k");
	say(rig, EDGE_A, &m.item);
	say(rig, EDGE_A, &m.item);
	const Weir__Link__V1__Published *first = next_published(rig, EDGE_A);
	assert_int_equal(first->seq, 1);
	assert_false(first->duplicate);
	const Weir__Link__V1__Published *again = next_published(rig, EDGE_A);
	assert_int_equal(again->seq, 1);
	assert_true(again->duplicate);
	assert_int_equal(again->members, 1);
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 1);
	assert_quiet(rig, EDGE_B);
	say(rig, EDGE_B, &m.item); // another user's key of the same name
	assert_int_equal(next_delivery(rig, EDGE_B)->seq, 2);
	assert_int_equal(next_published(rig, EDGE_B)->seq, 2);
	rig->now_ms += DEDUP_AGE_MS;
	say(rig, EDGE_A, &m.item);
	assert_int_equal(next_published(rig, EDGE_A)->seq, 3);
}

static void forgets_an_empty_room_after_the_history_age(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	publish(rig, EDGE_A, 1, "r");
	uint64_t epoch = epoch_of(rig, "r");
	(void)route_sweep(&rig->route, START_MS + 299999);
	assert_non_null(room_table_find(&rig->route.table, bytes_str("r")));
	(void)route_sweep(&rig->route, START_MS + 300000);
	assert_null(room_table_find(&rig->route.table, bytes_str("r")));
	publish(rig, EDGE_A, 1, "r");
	assert_int_not_equal(epoch_of(rig, "r"), epoch);
}

// ---- what no conforming edge sends

static void refuses_a_client_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_id[42];
	memset(long_id, 'x', sizeof(long_id) - 1);
	client_up(rig, EDGE_A, 1, "ann");
	struct client_up m;

	make_client_up(&m, 0, "ann");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "a\nb");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->id = text("");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->id = text(long_id);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 2, "ann")->username = pb_data(bytes_make("a\0b", 3));
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	ProtobufCBinaryData role = pb_data(bytes_make("a\0b", 3));
	make_client_up(&m, 2, "ann")->roles = &role;
	m.up.n_roles = 1;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_client_up(&m, 1, "bob"); // a handle does not change its user
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.n_clients, 1);
}

static void refuses_a_right_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_pattern[RIGHTS_PATTERN_LEN_MAX + 2];
	memset(long_pattern, 'x', sizeof(long_pattern) - 1);
	struct client_up m;
	Weir__Link__V1__ClientUp *up = make_client_up(&m, 1, "ann");
	Weir__Link__V1__Right right = WEIR__LINK__V1__RIGHT__INIT;
	Weir__Link__V1__Right *rights[] = { &right };
	right.mask = RIGHT_JOIN;
	right.pattern = text(long_pattern);
	up->has_rights = true;
	up->n_rights = 1;
	up->rights = rights;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.n_clients, 0);
}

static void refuses_a_message_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	static char long_text[TYPE_NAME_MAX + 2];
	memset(long_text, 'x', sizeof(long_text) - 1);
	admin_up(rig, EDGE_A, 1, "ann");
	static const char *const bodies[] = { "", "{", "[]", "{]", "x}" };
	struct publish m;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		make_publish(&m, 1, "r")->body = text(bodies[i]);
		assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
		assert_int_equal(try_broadcast(rig, EDGE_A, 1, bodies[i]), -EPROTO);
	}
	make_publish(&m, 1, "r")->type = text("");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 1, "r")->type = text(long_text);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 1, "r")->key = text(long_text);
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	make_publish(&m, 0, "r");
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
	assert_quiet(rig, EDGE_A);
}

static void count_distrust(void *arg, const struct table_edge *edge, enum distrust distrust)
{
	struct rig *rig = arg;
	assert_ptr_equal(edge, rig->edges[EDGE_A]);
	assert_int_equal(distrust, DISTRUST_FIELD);
	rig->n_distrusted++;
}

static void passes_nothing_on_that_speaks_for_the_gateway(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, EDGE_A, 1, "ann");
	client_up(rig, EDGE_B, 1, "bob");
	join(rig, EDGE_B, 1, "r");
	forget_output(rig);
	route_on_distrust(&rig->route, count_distrust, rig);
	struct publish m;
	make_publish(&m, 1, "r")->body = text("{\"From\":\"bob\"}");
	say(rig, EDGE_A, &m.item);
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_int_equal(try_broadcast(rig, EDGE_A, 1, "{\"user\":\"bob\"}"), 0);
	assert_refused(rig, EDGE_A, REFUSAL_FORBIDDEN);
	assert_quiet(rig, EDGE_B);
	assert_int_equal(rig->n_distrusted, 2);
	assert_int_equal(counter_get(&rig->route.counters.distrusted[DISTRUST_FIELD]), 2);
	publish(rig, EDGE_A, 1, "r");
	(void)next_delivery(rig, EDGE_B);
}

// So that with the names of its sender it fits a frame to the members' edges.
static void refuses_a_message_larger_than_any_edge_takes(void **state)
{
	struct rig *rig = *state;
	char *body = xmalloc(MESSAGE_MAX + 1);
	struct publish m;
	memset(body, ' ', MESSAGE_MAX + 1);
	body[0] = '{';
	admin_up(rig, EDGE_A, 1, "ann");
	body[MESSAGE_MAX] = '}';
	make_publish(&m, 1, "r")->body = pb_data(bytes_make(body, MESSAGE_MAX + 1));
	assert_int_equal(try_item(rig, EDGE_A, &m.item), -EPROTO);
	body[MESSAGE_MAX - 1] = '}';
	m.publish.body.len = MESSAGE_MAX;
	assert_int_equal(try_item(rig, EDGE_A, &m.item), 0);
	free(body);
}

static void refuses_an_item_of_the_other_direction(void **state)
{
	struct rig *rig = *state;
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	assert_int_equal(try_item(rig, EDGE_A, &LINK_ITEM(DELIVERY, delivery, &delivery)), -EPROTO);
}

static void ignores_and_counts_an_item_of_a_newer_edge(void **state)
{
	struct rig *rig = *state;
	const link_item item = WEIR__LINK__V1__ITEM__INIT;
	assert_int_equal(try_item(rig, EDGE_A, &item), 0);
	assert_int_equal(counter_get(&rig->route.counters.unknown), 1);
	assert_quiet(rig, EDGE_A);
}

static void refuses_a_rejoin_of_a_room_that_cannot_be(void **state)
{
	struct rig *rig = *state;
	client_up(rig, EDGE_A, 1, "ann");
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	Weir__Link__V1__Place *places[] = { &place };
	Weir__Link__V1__Rejoin message = WEIR__LINK__V1__REJOIN__INIT;
	message.client = 1;
	message.n_places = 1;
	message.places = places;
	const link_item item = LINK_ITEM(REJOIN, rejoin, &message);
	assert_int_equal(try_item(rig, EDGE_A, &item), -EPROTO);
	place.room = text("a\nb");
	assert_int_equal(try_item(rig, EDGE_A, &item), -EPROTO);
	assert_quiet(rig, EDGE_A);
}

#define RIG_TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define KEPT_TEST(f) cmocka_unit_test_setup_teardown(f, setup_kept, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(takes_a_client_announced_twice_once),
		RIG_TEST(keeps_equal_handles_of_two_edges_apart),
		RIG_TEST(keeps_what_the_edge_says_of_a_client),
		RIG_TEST(ignores_and_counts_what_unknown_clients_say),
		RIG_TEST(takes_renewed_rights_at_once),
		RIG_TEST(answers_a_join_with_the_place_in_the_room),
		RIG_TEST(answers_a_repeated_join_again),
		RIG_TEST(recovers_only_where_nothing_was_missed),
		RIG_TEST(cannot_recover_in_a_room_made_anew),
		RIG_TEST(refuses_a_join_without_the_right),
		RIG_TEST(refuses_the_whole_join_without_the_presence_right),
		RIG_TEST(refuses_a_bad_room_name),
		RIG_TEST(refuses_an_automatic_join_silently),
		RIG_TEST(lets_a_user_into_the_own_room_only),
		cmocka_unit_test(holds_the_limits_of_rooms_and_members),
		KEPT_TEST(a_room_has_the_limits_of_its_rule),
		RIG_TEST(nobody_sees_who_is_in_a_room_without_presence),
		RIG_TEST(a_room_that_is_ephemeral_numbers_and_keeps_nothing),
		RIG_TEST(edges_hear_the_slow_policy_of_a_room),
		RIG_TEST(a_room_may_be_for_admins_to_publish_in),
		cmocka_unit_test(refuses_one_connection_too_many_of_a_user),
		cmocka_unit_test(lets_the_newest_connection_of_a_user_win),
		cmocka_unit_test(limits_what_a_user_publishes_over_all_connections),
		cmocka_unit_test(limits_how_many_connections_a_user_reaches),
		cmocka_unit_test(who_comes_and_goes_pays_for_all_who_are_told),
		cmocka_unit_test(answers_are_paid_for_when_their_size_is_known),
		RIG_TEST(answers_a_leave),
		RIG_TEST(says_not_member_of_an_unknown_room),
		RIG_TEST(announces_first_and_last_connections_of_a_user),
		cmocka_unit_test(tells_of_a_going_only_when_the_user_stays_away),
		RIG_TEST(announces_only_to_edges_that_asked),
		RIG_TEST(answers_the_join_before_it_announces),
		cmocka_unit_test(announces_nobody_in_a_large_room),
		RIG_TEST(lists_the_users_present),
		RIG_TEST(lists_nobody_in_an_unknown_room),
		RIG_TEST(lists_at_most_a_thousand_users),
		RIG_TEST(lists_no_more_names_than_fit_a_frame),
		RIG_TEST(asks_for_rights_on_presence_and_history),
		RIG_TEST(answers_history_with_the_rooms_place),
		RIG_TEST(delivers_to_every_edge_with_members_once),
		RIG_TEST(answers_the_sender_after_its_delivery),
		RIG_TEST(needs_no_membership_to_publish),
		RIG_TEST(numbers_messages_by_room_and_keeps_time_from_running_back),
		RIG_TEST(leaves_the_sender_out_when_asked),
		RIG_TEST(tells_nothing_to_an_edge_with_the_left_out_sender_only),
		RIG_TEST(leaves_nobody_out_for_a_sender_who_is_no_member),
		RIG_TEST(refuses_a_publish_without_the_right),
		RIG_TEST(keeps_others_from_a_lobby_of_the_admins),
		RIG_TEST(broadcasts_for_admins_to_every_edge),
		RIG_TEST(publishes_for_the_admin_plane_without_a_sender),
		RIG_TEST(kicks_through_the_clients_edge),
		RIG_TEST(lets_the_clients_of_a_lost_edge_leave),
		RIG_TEST(lets_the_clients_of_a_lost_edge_leave_one_by_one),
		RIG_TEST(tells_of_nobody_who_came_back_before_the_old_connection_left),
		RIG_TEST(says_nothing_to_a_lost_edge_whose_clients_have_yet_to_leave),
		cmocka_unit_test(counts_no_connection_of_a_lost_edge_against_its_user),
		RIG_TEST(kicks_who_comes_with_a_revoked_token),
		RIG_TEST(gives_a_rejoined_room_its_new_epoch),
		RIG_TEST(a_seq_of_the_future_ends_the_epoch),
		RIG_TEST(says_nothing_to_a_rejoin_that_missed_nothing),
		RIG_TEST(tells_an_edge_once_what_its_room_missed),
		RIG_TEST(keeps_the_join_seq_of_a_rejoin),
		RIG_TEST(takes_a_rejoin_without_the_right_for_left),
		RIG_TEST(announces_a_rejoin_only_of_a_user_who_was_away),
		KEPT_TEST(recovers_what_is_kept_all_or_nothing),
		KEPT_TEST(pages_through_the_history_backwards),
		KEPT_TEST(brings_an_edge_what_it_missed_once_and_holds_live_messages_back),
		KEPT_TEST(holds_live_messages_back_until_the_last_worker_has_told),
		KEPT_TEST(tells_of_a_new_epoch_and_then_brings_all_of_it),
		KEPT_TEST(begins_a_new_epoch_with_what_is_kept),
		KEPT_TEST(brings_what_is_kept_after_a_gap_for_the_rest),
		KEPT_TEST(replays_at_the_pace_that_is_asked_for),
		KEPT_TEST(a_room_that_missed_nothing_does_not_wait_for_a_replay),
		KEPT_TEST(says_what_was_trimmed_while_a_replay_waited),
		KEPT_TEST(answers_no_publish_before_the_replay_that_its_message_waits_for),
		KEPT_TEST(publishes_a_key_once),
		RIG_TEST(takes_the_end_of_a_snapshot),
		RIG_TEST(a_session_waits_for_the_snapshots_of_all_workers),
		RIG_TEST(sends_names_of_edges_to_every_edge),
		RIG_TEST(leaves_requests_for_later_while_an_edge_is_awaited),
		RIG_TEST(forgets_an_empty_room_after_the_history_age),
		RIG_TEST(refuses_a_client_that_cannot_be),
		RIG_TEST(refuses_a_right_that_cannot_be),
		RIG_TEST(refuses_a_message_that_cannot_be),
		RIG_TEST(passes_nothing_on_that_speaks_for_the_gateway),
		RIG_TEST(refuses_a_message_larger_than_any_edge_takes),
		RIG_TEST(refuses_an_item_of_the_other_direction),
		RIG_TEST(refuses_a_rejoin_of_a_room_that_cannot_be),
		RIG_TEST(ignores_and_counts_an_item_of_a_newer_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
