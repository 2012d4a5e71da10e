// A router with one edge and a store's engine that does what a test says: it keeps what was written
// until the test lets it commit, refuse or forget it. For the tests of durable stores.
#pragma once

#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"
#include "router/core/route.h"
#include "tests/unit/test.h"

enum {
	RIG_TURNS_MAX = 4096,
	RIG_NOW_MS = 1000000,
	RIG_WALL_MS = 1700000000,
};

struct store_rig {
	struct route route;
	struct table_edge *edge;
	struct buf out;
	struct bytes unread;
	struct link_arena arena;
	struct buf log[RIG_TURNS_MAX]; // of turns committed, the one numbered n at n - 1
	uint64_t n_log;
	uint64_t keep_from;
	uint64_t writing_from; // keep_from of the turn under way
	struct buf writing;
	bool busy;
	enum store_result wait_result;
	uint64_t now_ms;
	int64_t wall_ms;
	struct route_load load; // of the last start
};

static inline void rig_append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct store_rig *rig = arg;
	(void)edge;
	buf_append_bytes(&rig->out, element);
}

static inline void rig_write(void *engine, const struct store_turn *turn)
{
	struct store_rig *rig = engine;
	assert_false(rig->busy);
	assert_int_equal(turn->number, rig->n_log + 1);
	rig->busy = true;
	rig->writing_from = turn->keep_from;
	rig->writing.len = 0;
	buf_append_bytes(&rig->writing, turn->head);
	buf_append_bytes(&rig->writing, turn->images);
	buf_append_bytes(&rig->writing, turn->records);
}

// What an engine does with the turn under way.
static inline void rig_keep(struct store_rig *rig, enum store_result result)
{
	assert_true(rig->busy);
	rig->busy = false;
	if (result == STORE_COMMITTED) {
		rig->keep_from = rig->writing_from;
		assert_true(rig->n_log < RIG_TURNS_MAX);
		buf_append_bytes(&rig->log[rig->n_log++], buf_bytes(&rig->writing));
	}
}

static inline enum store_result rig_wait(void *engine)
{
	struct store_rig *rig = engine;
	if (rig->wait_result != STORE_UNDECIDED) {
		rig_keep(rig, rig->wait_result);
	}
	return rig->wait_result;
}

static const struct store_engine_ops rig_ops = { .write = rig_write, .wait = rig_wait };
static const uint64_t rig_hash_key[2] = { 1, 2 };

static inline void rig_edge_up(struct store_rig *rig)
{
	struct rights *defaults = rights_new();
	assert_true(rights_add(defaults, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = { .defaults = defaults };
	rig->edge = route_edge_up(&rig->route, NULL, bytes_str("a"), &policy, 0);
	rig->edge->boot[0] = 42;
	rights_unref(defaults);
}

// The router alone, before it has read anything.
static inline void rig_prepare(struct store_rig *rig)
{
	const struct route_options options = {
		.history_age_ms = 300000,
		.history_messages = 100,
		.history_bytes = 1 << 20,
	};
	route_init(&rig->route, &options, rig_append, rig);
	route_use_store(&rig->route, rig_hash_key);
	rig->load = (struct route_load){ .now_ms = rig->now_ms, .wall_ms = rig->wall_ms };
}

// A log in the rig survives the router.
static inline void rig_start(struct store_rig *rig)
{
	rig_prepare(rig);
	for (uint64_t i = rig->keep_from > 0 ? rig->keep_from - 1 : 0; i < rig->n_log; i++) {
		route_load(&rig->route, &rig->load, i + 1, buf_bytes(&rig->log[i]));
	}
	route_loaded(&rig->route, &rig->load, &rig_ops, rig);
}

static inline void rig_stop(struct store_rig *rig)
{
	route_fini(&rig->route);
	rig->busy = false;
	rig->out.len = 0;
	rig->unread = bytes_make(NULL, 0);
}

static inline int rig_setup(void **state)
{
	struct store_rig *rig = xcalloc(1, sizeof(*rig));
	rig->now_ms = RIG_NOW_MS;
	rig->wall_ms = RIG_WALL_MS;
	rig_start(rig);
	rig_edge_up(rig);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct store_rig *rig = *state;
	route_fini(&rig->route);
	for (size_t i = 0; i < RIG_TURNS_MAX; i++) {
		buf_fini(&rig->log[i]);
	}
	buf_fini(&rig->writing);
	buf_fini(&rig->out);
	link_arena_fini(&rig->arena);
	free(rig);
	return 0;
}

// ---- what the edge says

static inline ProtobufCBinaryData rig_text(const char *s)
{
	return pb_data(bytes_str(s));
}

static inline void rig_say(struct store_rig *rig, const link_item *item)
{
	assert_int_equal(route_item(&rig->route, rig->edge, item, rig->now_ms, rig->wall_ms),
		ROUTE_DONE);
}

static inline void rig_client_up(struct store_rig *rig, uint64_t handle, const char *user)
{
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = handle;
	up.id = rig_text(user);
	up.user = rig_text(user);
	rig_say(rig, &LINK_ITEM(CLIENT_UP, client_up, &up));
}

static inline void rig_client_down(struct store_rig *rig, uint64_t handle)
{
	Weir__Link__V1__ClientDown down = WEIR__LINK__V1__CLIENT_DOWN__INIT;
	down.client = handle;
	rig_say(rig, &LINK_ITEM(CLIENT_DOWN, client_down, &down));
}

static inline void rig_join(struct store_rig *rig, uint64_t handle, uint64_t req, const char *room)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.req = req;
	join.room = rig_text(room);
	rig_say(rig, &LINK_ITEM(JOIN, join, &join));
}

static inline void rig_leave(struct store_rig *rig, uint64_t handle, uint64_t req, const char *room)
{
	Weir__Link__V1__Leave leave = WEIR__LINK__V1__LEAVE__INIT;
	leave.client = handle;
	leave.req = req;
	leave.room = rig_text(room);
	rig_say(rig, &LINK_ITEM(LEAVE, leave, &leave));
}

static inline void rig_history(struct store_rig *rig, uint64_t handle, uint64_t req,
	const char *room)
{
	Weir__Link__V1__HistoryRequest ask = WEIR__LINK__V1__HISTORY_REQUEST__INIT;
	ask.client = handle;
	ask.req = req;
	ask.room = rig_text(room);
	ask.limit = 100;
	rig_say(rig, &LINK_ITEM(HISTORY_REQUEST, history_request, &ask));
}

static inline Weir__Link__V1__Publish rig_publish_of(uint64_t handle, uint64_t req,
	const char *room, const char *body)
{
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = handle;
	publish.req = req;
	publish.room = rig_text(room);
	publish.type = rig_text("chat");
	publish.body = rig_text(body);
	return publish;
}

static inline void rig_publish(struct store_rig *rig, uint64_t handle, uint64_t req,
	const char *room)
{
	Weir__Link__V1__Publish publish = rig_publish_of(handle, req, room, "{}");
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
}

static inline void rig_publish_key(struct store_rig *rig, uint64_t handle, uint64_t req,
	const char *room, const char *key)
{
	Weir__Link__V1__Publish publish = rig_publish_of(handle, req, room, "{}");
	publish.key = rig_text(key);
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
}

static inline void rig_resend(struct store_rig *rig, uint64_t handle, uint64_t req,
	const char *room)
{
	Weir__Link__V1__Publish publish = rig_publish_of(handle, req, room, "{}");
	publish.resent = true;
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
}

// ---- what the store says

// The turn ends; true if one is under way then.
static inline bool rig_end_turn(struct store_rig *rig)
{
	route_end_turn(&rig->route);
	return rig->busy;
}

static inline void rig_answer(struct store_rig *rig, enum store_result result)
{
	rig_keep(rig, result);
	route_committed(&rig->route, result, rig->now_ms, rig->wall_ms);
}

// Until nothing is under way.
static inline void rig_commit(struct store_rig *rig)
{
	while (rig_end_turn(rig)) {
		rig_answer(rig, STORE_COMMITTED);
	}
}

// ---- what the edge hears

static inline const link_item *rig_next(struct store_rig *rig)
{
	struct bytes packed;
	if (rig->unread.len == 0) {
		rig->unread = buf_bytes(&rig->out);
	}
	if (link_batch_next(&rig->unread, &packed) != 1) {
		return NULL;
	}
	const link_item *item = link_item_unpack(&rig->arena, packed);
	assert_non_null(item);
	if (rig->unread.len == 0) {
		rig->out.len = 0;
	}
	return item;
}

static inline void rig_quiet(struct store_rig *rig)
{
	assert_null(rig_next(rig));
}

static inline void rig_forget_output(struct store_rig *rig)
{
	while (rig_next(rig) != NULL) {
	}
}

static inline void rig_expect_delivery(struct store_rig *rig, uint64_t seq)
{
	const link_item *item = rig_next(rig);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_DELIVERY);
	assert_int_equal(item->delivery->seq, seq);
}

static inline void rig_expect_published(struct store_rig *rig, uint64_t req, uint64_t seq)
{
	const link_item *item = rig_next(rig);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_PUBLISHED);
	assert_int_equal(item->published->req, req);
	assert_int_equal(item->published->seq, seq);
}

static inline void rig_expect_refused(struct store_rig *rig, uint64_t req)
{
	const link_item *item = rig_next(rig);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_REFUSED);
	assert_int_equal(item->refused->req, req);
	assert_int_equal(item->refused->code, REFUSAL_UNAVAILABLE);
}

static inline void rig_expect_history(struct store_rig *rig, uint64_t req, size_t n)
{
	const link_item *item = rig_next(rig);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_HISTORY);
	assert_int_equal(item->history->req, req);
	assert_int_equal(item->history->n_messages, n);
}

static inline void rig_expect_left(struct store_rig *rig, uint64_t req)
{
	const link_item *item = rig_next(rig);
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEFT);
	assert_int_equal(item->left->req, req);
}
