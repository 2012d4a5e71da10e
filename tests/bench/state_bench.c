// How much state the router's core bears, and what it costs: 1,000,000 memberships (100,000 rooms
// of ten), said by two edges as items, and the death of a third edge with 100,000 members more.
//
//     state-bench [DIVISOR]     a DIVISOR of 100 does a hundredth of it: to see that it works
//
// What it prints, and what was promised of it:
//     bytes a membership     <= 64     growth of the heap while clients joined existing rooms
//     joins/s                >= 300000 item in, Joined out, of this thread's CPU time
//     the lost edge is gone after <= 200 ms of work, in steps of <= 5 ms, others between them
//
// The last is measured twice: with nobody listening, and with a member of each room on each edge
// who hears of users that go. Steps are as the router takes them (link_server.c: 2 ms, 64 at a
// time). The figures of time are CPU time, so that a busy machine shows less in them; memory is
// counted by the allocator and does not vary. The exit status says whether the promises hold; with
// a DIVISOR only memory's.
//
// Refuses to know sockets and threads: link-bench has those.

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "proto/link_items.h"
#include "router/core/route.h"

enum {
	N_ROOMS = 100000,
	MEMBERS = 10, // of a room, and rooms of a client
	LOST_CLIENTS = 10000, // of the third edge, in as many rooms each
	FAR_EDGE = 2,
	N_EDGES = 3,
	BYTES_MAX = 64,
	JOINS_MIN = 300000,
	LOSS_MS_MAX = 200,
	STEP_MS_MAX = 5,
	PURGE_NS = 2000000,
	PURGE_STEPS = 64,
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
};

struct bench {
	struct route route;
	struct table_edge *edges[N_EDGES];
	struct rights_policy policy;
	unsigned n_rooms;
	uint64_t n_said; // elements that the sink took
};

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct bench *b = arg;
	(void)edge;
	(void)element;
	b->n_said++;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static struct bytes name_of(char text[16], char kind, unsigned n)
{
	int len = snprintf(text, 16, "%c-%06u", kind, n);
	return bytes_make(text, (size_t)len);
}

// ---- what edges say

static void say(struct bench *b, unsigned edge, const link_item *item)
{
	CHECK(route_item(&b->route, b->edges[edge], item, 1000, 1700000000000) == 0);
}

static void client_up(struct bench *b, unsigned edge, unsigned client)
{
	char text[16];
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = client + 1;
	up.user = pb_data(name_of(text, 'u', client));
	up.id = up.user;
	say(b, edge, &LINK_ITEM(CLIENT_UP, client_up, &up));
}

static void join(struct bench *b, unsigned edge, unsigned client, unsigned room, bool presence)
{
	char text[16];
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = client + 1;
	join.req = 1;
	join.room = pb_data(name_of(text, 'r', room));
	join.presence = presence;
	say(b, edge, &LINK_ITEM(JOIN, join, &join));
}

// ---- what is measured

// The clients' own rooms lie far apart, so that a join finds nothing in the cache that the one
// before has brought there.
static unsigned room_of(const struct bench *b, unsigned client, unsigned i)
{
	return (client + i * (b->n_rooms / MEMBERS + 1)) % b->n_rooms;
}

static void join_all(struct bench *b, unsigned edge, unsigned first, unsigned end)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		for (unsigned client = first; client < end; client++) {
			join(b, edge < N_EDGES ? edge : client % 2, client, room_of(b, client, i),
				false);
		}
	}
}

static bool measure_joins(struct bench *b)
{
	char text[16];
	for (unsigned i = 0; i < b->n_rooms; i++) {
		client_up(b, i % 2, i);
		CHECK(room_table_open(&b->route.table, name_of(text, 'r', i), 1000) != NULL);
	}
	size_t before = heap_bytes();
	uint64_t begun_ns = cpu_ns();
	join_all(b, N_EDGES, 0, b->n_rooms);
	double took_s = (double)(cpu_ns() - begun_ns) / NS_PER_S;
	uint64_t n = b->route.table.n_members;
	double bytes = (double)(heap_bytes() - before) / (double)n;
	CHECK(n == (uint64_t)b->n_rooms * MEMBERS && b->n_said >= n);
	printf("memberships=%llu bytes_each=%.1f joins_per_s=%.0f\n", (unsigned long long)n, bytes,
		(double)n / took_s);
	bool fast = b->n_rooms < N_ROOMS || (double)n / took_s >= JOINS_MIN;
	return bytes <= BYTES_MAX && fast;
}

static void edge_up(struct bench *b, unsigned edge)
{
	const char name[] = { (char)('a' + edge), '\0' };
	b->edges[edge] = route_edge_up(&b->route, b, bytes_str(name), &b->policy, 0);
}

// One turn of the router; false when nobody is left. `*worst_ns` is the longest so far.
static bool purge_turn(struct bench *b, uint64_t *worst_ns)
{
	uint64_t begun_ns = cpu_ns();
	uint64_t now_ns = begun_ns;
	bool more = true;
	while (more && now_ns - begun_ns < PURGE_NS) {
		more = route_purge(&b->route, PURGE_STEPS, 2000);
		now_ns = cpu_ns();
	}
	*worst_ns = now_ns - begun_ns > *worst_ns ? now_ns - begun_ns : *worst_ns;
	return more;
}

static bool measure_loss(struct bench *b, const char *listeners)
{
	unsigned n_clients = LOST_CLIENTS / (N_ROOMS / b->n_rooms);
	unsigned first = b->n_rooms;
	edge_up(b, FAR_EDGE);
	for (unsigned i = 0; i < n_clients; i++) {
		client_up(b, FAR_EDGE, first + i);
	}
	join_all(b, FAR_EDGE, first, first + n_clients);
	uint64_t left = b->route.table.n_members;
	uint64_t said = b->n_said;
	uint64_t begun_ns = cpu_ns();
	uint64_t worst_ns = 0;
	route_edge_down(&b->route, b->edges[FAR_EDGE]);
	while (purge_turn(b, &worst_ns)) {
	}
	double took_ms = (double)(cpu_ns() - begun_ns) / NS_PER_MS;
	left -= b->route.table.n_members;
	CHECK(left == (uint64_t)n_clients * MEMBERS);
	printf("lost=%llu listeners=%s told=%llu ms=%.1f longest_step_ms=%.2f\n",
		(unsigned long long)left, listeners, (unsigned long long)(b->n_said - said),
		took_ms, (double)worst_ns / NS_PER_MS);
	return b->n_rooms < N_ROOMS ||
		(took_ms <= LOSS_MS_MAX && worst_ns <= (uint64_t)STEP_MS_MAX * NS_PER_MS);
}

// On each of the two edges one member of each room listens from now on.
static void listen(struct bench *b)
{
	for (unsigned room = 0; room < b->n_rooms; room++) {
		const struct membership *m;
		bool heard[N_EDGES] = { false };
		TAILQ_FOREACH (m,
			&room_table_find(&b->route.table, name_of((char[16]){ 0 }, 'r', room))
				 ->members,
			in_room) {
			unsigned edge = m->client->edge == b->edges[1];
			if (!heard[edge]) {
				heard[edge] = true;
				join(b, edge, (unsigned)m->client->handle - 1, room, true);
			}
		}
	}
}

int main(int argc, char **argv)
{
	unsigned divisor = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
	if (divisor == 0 || LOST_CLIENTS % divisor != 0) {
		fprintf(stderr, "usage: state-bench [DIVISOR]\n");
		return 2;
	}
	struct bench *b = xcalloc(1, sizeof(*b));
	const struct route_options options = { .history_age_ms = 300000 };
	b->n_rooms = N_ROOMS / divisor;
	b->policy.defaults = rights_new();
	CHECK(rights_add(b->policy.defaults, RIGHT_ALL, bytes_str("*")));
	route_init(&b->route, &options, append, b);
	edge_up(b, 0);
	edge_up(b, 1);
	bool kept = measure_joins(b);
	kept = measure_loss(b, "none") && kept;
	listen(b);
	kept = measure_loss(b, "two") && kept;
	route_fini(&b->route);
	rights_unref(b->policy.defaults);
	free(b);
	return kept ? EXIT_SUCCESS : EXIT_FAILURE;
}
