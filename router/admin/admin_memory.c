// `memory`: what takes it, in the router and in each edge, pool by pool beside the bound that an
// option sets. What a process holds beyond its pools is named too ("unaccounted"): that the pools
// tell nearly all of it is the point. Edges are asked as for `explain`; the workers' pools of one
// name are one row.
//
// Sizes of the router's tables are counts times what the allocator sets aside for one, so that the
// answer does not walk a million members.

#include <malloc.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/process_metrics.h"
#include "router/admin/admin_call.h"
#include "router/admin/admin_verdict.h"

enum {
	POOLS_MAX = 24, // of one process
	CLIENT_TEXTS = 160, // of a client: id, address, roles, about
};

struct pool {
	struct bytes name;
	uint64_t bytes;
	uint64_t limit;
	uint64_t objects;
};

struct pools {
	struct pool all[POOLS_MAX];
	size_t n;
};

static void add(struct pools *pools, struct bytes name, uint64_t bytes, uint64_t limit,
	uint64_t objects)
{
	size_t i = 0;
	while (i < pools->n && !bytes_equal(pools->all[i].name, name)) {
		i++;
	}
	if (i == POOLS_MAX) {
		return;
	}
	struct pool *pool = &pools->all[i];
	if (i == pools->n) {
		*pool = (struct pool){ .name = name };
		pools->n++;
	}
	pool->bytes += bytes;
	pool->limit += limit;
	pool->objects += objects;
}

static void say(struct admin_call *call, const char *process, const struct pool *pool)
{
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "process", bytes_str(process));
	admin_reply_text(reply, "pool", pool->name);
	admin_reply_number(reply, "bytes", pool->bytes);
	if (pool->limit > 0) {
		admin_reply_number(reply, "limit", pool->limit);
	} else {
		admin_reply_null(reply, "limit");
	}
	if (pool->objects > 0) {
		admin_reply_number(reply, "objects", pool->objects);
	} else {
		admin_reply_null(reply, "objects");
	}
	admin_reply_end_row(reply);
}

// All pools, and behind them what they do not tell of the resident memory, which is the last one.
static void say_all(struct admin_call *call, const char *process, const struct pools *pools)
{
	uint64_t known = 0;
	uint64_t resident = 0;
	for (size_t i = 0; i < pools->n; i++) {
		bool is_sum = bytes_equal_str(pools->all[i].name, "resident");
		known += is_sum ? 0 : pools->all[i].bytes;
		resident += is_sum ? pools->all[i].bytes : 0;
		say(call, process, &pools->all[i]);
	}
	const struct pool rest = {
		.name = bytes_str("unaccounted"),
		.bytes = resident > known ? resident - known : 0,
	};
	say(call, process, &rest);
}

// ---- the router

static uint64_t block_of(size_t size)
{
	enum {
		HEAD = sizeof(size_t),
		ALIGN = 2 * sizeof(size_t),
		SMALLEST = 4 * sizeof(size_t),
	};
	size_t block = (size + HEAD + ALIGN - 1) / ALIGN * ALIGN;
	return block > SMALLEST ? block : SMALLEST;
}

static uint64_t heads_of(const struct map *map)
{
	return (map->now.n + map->old.n) * sizeof(struct map_node *);
}

static void add_tables(struct pools *pools, const struct room_table *t)
{
	enum {
		NAME = 24 // of a room or a user, about
	};
	uint64_t room =
		block_of(sizeof(struct table_room) + NAME) + block_of(2 * sizeof(struct room_edge));
	uint64_t user = block_of(sizeof(struct table_user) + NAME);
	uint64_t client = block_of(sizeof(struct table_client)) + block_of(CLIENT_TEXTS);
	uint64_t handles = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &t->edges, in_table) {
		handles += heads_of(&edge->clients);
	}
	add(pools, bytes_str("rooms"), t->rooms.n_entries * room + heads_of(&t->rooms), 0,
		t->rooms.n_entries);
	add(pools, bytes_str("members"),
		t->n_members * sizeof(struct membership) +
			t->room_users.n_entries * block_of(sizeof(struct room_user)) +
			heads_of(&t->room_users),
		0, t->n_members);
	add(pools, bytes_str("clients"), t->n_clients * client + handles, 0, t->n_clients);
	add(pools, bytes_str("users"), t->users.n_entries * user + heads_of(&t->users), 0,
		t->users.n_entries);
}

static void add_router(struct admin_call *call, struct pools *pools)
{
	const struct route *r = call->ctx->route;
	uint64_t queued = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &r->table.edges, in_table) {
		struct admin_edge_figures figures = { 0 };
		call->ctx->edge_figures(call->ctx->arg, edge, &figures);
		queued += figures.queue_bytes + figures.inflight_bytes;
	}
	add_tables(pools, &r->table);
	add(pools, bytes_str("history"), r->store.bytes, r->options.history_total, 0);
	add(pools, bytes_str("keys"), r->dedup.bytes, r->options.dedup_total, 0);
	add(pools, bytes_str("recorder"), record_ring_used(&r->recorder.ring),
		record_ring_size(&r->recorder.ring), 0);
	add(pools, bytes_str("links"), queued, 0, r->table.n_edges);
	add(pools, bytes_str("base"), call->ctx->base_bytes, 0, 0);
	add(pools, bytes_str("free"), process_free_bytes(), 0, 0);
	add(pools, bytes_str("resident"), process_resident_bytes(), 0, 0);
}

// ---- edges

static void say_edge(struct admin_call *call, const struct evidence *e, uint32_t number)
{
	struct pools pools = { 0 };
	for (size_t i = 0; i < e->n; i++) {
		const Weir__Link__V1__Testimony *t = e->answers[i].testimony;
		for (size_t j = 0; e->answers[i].edge == number && j < t->n_pools; j++) {
			const Weir__Link__V1__Pool *pool = t->pools[j];
			add(&pools, pb_bytes(pool->name), pool->bytes, pool->limit, pool->objects);
		}
	}
	say_all(call, recorder_edge_name(&call->ctx->route->recorder, number), &pools);
}

static void conclude(struct admin_call *call, const struct inquiry *q)
{
	struct evidence e;
	struct pools pools = { 0 };
	evidence_gather(&e, q);
	call->reply->table = true;
	add_router(call, &pools);
	say_all(call, call->ctx->name, &pools);
	for (size_t i = 0; i < q->n_edges && !admin_reply_is_full(call->reply); i++) {
		say_edge(call, &e, q->edges[i].number);
	}
	evidence_fini(&e);
}

void admin_cmd_memory(struct admin_call *call)
{
	struct route *r = call->ctx->route;
	if (call->state == NULL) {
		admin_refuse(call, "too many requests at once: try again");
		return;
	}
	if (*call->state == 0) {
		*call->state =
			route_inquire(r, &(struct route_question){ .memory = true }, call->now_ms);
	}
	struct inquiry *q = inquiry_find(&r->inquiries, *call->state);
	if (q == NULL) {
		admin_refuse(call, "too many requests at once: try again");
	} else if (!inquiry_is_over(q, call->now_ms)) {
		call->reply->hold = true;
	} else {
		conclude(call, q);
		inquiry_close(q);
	}
}
