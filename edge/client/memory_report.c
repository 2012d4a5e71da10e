// Counted when it is asked for, so that nobody pays for it otherwise: a walk over the worker's
// connections. A frame that many queues hold counts in each by its share, so that all shares of all
// workers make one frame.

#include "edge/client/memory_report.h"

#include <malloc.h>
#include <string.h>

#include "common/process_metrics.h"
#include "edge/client/conn.h"
#include "edge/state/settings.h"

enum {
	EVENT_BYTES = 160, // of libevent, for a descriptor that is watched
};

static void add(struct memory_report *report, const char *name, uint64_t bytes, uint64_t limit,
	uint64_t objects)
{
	CHECK(report->n < MEMORY_POOLS_MAX);
	Weir__Link__V1__Pool *pool = &report->pools[report->n];
	weir__link__v1__pool__init(pool);
	pool->name = pb_data(bytes_str(name));
	pool->bytes = bytes;
	pool->limit = limit;
	pool->objects = objects;
	report->refs[report->n++] = pool;
}

// What the allocator has set aside for the block; NULL is fine.
static uint64_t block(const void *data)
{
	return data != NULL ? malloc_usable_size((void *)data) + sizeof(size_t) : 0;
}

static uint64_t identity_bytes(const struct identity *identity)
{
	uint64_t bytes = block(identity->user) + block(identity->username) + block(identity->jti) +
		block(identity->roles);
	for (size_t i = 0; i < identity->n_roles; i++) {
		bytes += block(identity->roles[i]);
	}
	return bytes;
}

static uint64_t queue_bytes(const struct conn *c)
{
	const struct out_queue *q = &c->stream.out;
	uint64_t bytes = block(q->ring) + block(c->stream.blocked);
	for (uint32_t i = 0; i < q->n; i++) {
		const struct frame *f = out_queue_at(q, i);
		uint32_t refs = atomic_load_explicit(&f->refs, memory_order_relaxed);
		bytes += block(f) / (refs > 0 ? refs : 1);
	}
	return bytes;
}

static uint64_t membership_bytes(const struct clients *cl, uint64_t *n)
{
	uint64_t bytes = 0;
	struct map_cursor cursor;
	struct map_node *node;
	map_walk(&cl->fib.rooms, &cursor);
	*n = 0;
	while ((node = map_walk_next(&cl->fib.rooms, &cursor)) != NULL) {
		const struct fib_room *room = CONTAINER_OF(node, const struct fib_room, node);
		const struct fib_member *first = LIST_FIRST(&room->members);
		bytes += block(room) + room->n_members * block(first);
		*n += room->n_members;
	}
	const struct map *rooms = &cl->fib.rooms;
	return bytes + (rooms->now.n + rooms->old.n) * sizeof(struct map_node *);
}

static void add_connections(struct memory_report *report, struct clients *cl)
{
	const struct turn *t = &cl->turn;
	uint64_t conns = t->conns.cap * sizeof(struct conn_slot);
	uint64_t identities = 0;
	uint64_t queues = 0;
	uint64_t input = 0;
	uint32_t cursor = 0;
	const struct conn *c;
	while ((c = conn_table_walk(&t->conns, &cursor)) != NULL) {
		conns += block(c) + EVENT_BYTES;
		identities += identity_bytes(&c->identity);
		queues += queue_bytes(c);
		input += block(c->in.data) + block(c->pong);
	}
	const struct edge_conf *conf = &t->settings->conf;
	add(report, "connections", conns, 0, t->conns.n);
	add(report, "identities", identities, 0, t->conns.n);
	add(report, "queues", queues, conf->queue_total / t->edge->n_workers, 0);
	add(report, "input", input, 0, 0);
}

static void add_process(struct memory_report *report, const struct clients *cl,
	const struct uplink *up)
{
	const struct router_link_status status = up->ops->status(up->link);
	add(report, "link", status.queued_bytes + status.inflight_bytes,
		cl->turn.settings->conf.publish_queue, 0);
	add(report, "base", cl->turn.edge->base_bytes, 0, 0);
	add(report, "free", process_free_bytes(), 0, 0);
	add(report, "resident", process_resident_bytes(), 0, 0);
}

void memory_report_fill(struct memory_report *report, struct clients *cl, const struct uplink *up)
{
	const struct turn *t = &cl->turn;
	uint64_t members;
	uint64_t bytes = membership_bytes(cl, &members);
	add_connections(report, cl);
	add(report, "memberships", bytes, 0, members);
	add(report, "requests", block(up->pending.ring), 0, up->pending.next - up->pending.first);
	add(report, "buffers", t->out.cap + t->decoded.cap + cl->arena.cap, 0, 0);
	add(report, "recorder", record_ring_used(&t->recorder.ring),
		record_ring_size(&t->recorder.ring), 0);
	if (t->index == 0) {
		add_process(report, cl, up);
	}
}
