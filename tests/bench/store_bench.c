// What a durable store costs the router, and how long it takes to start from it: messages of 200
// bytes in 10,000 rooms, a fixed number in each turn, each turn committed before the next begins.
//
//     store-bench FOLDER [N [never]]     N messages (1,000,000), in a new folder FOLDER/store
//
// Says for each mode of store-fsync and size of a turn: messages a second, time of a turn until all
// of it is acked (p50, p99), CPU of the whole process a message, bytes of the file a message. And,
// for the last of them, how long a start takes. The exit status says whether its CPU time, in which
// a busy machine shows less, is below the two seconds that were promised (of 1,000,000; a smaller N
// only shows that it works).
//
// Edges and links are not in these figures: link-bench and weir-bench have those.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "router/core/route.h"
#include "router/store/store_file.h"

enum {
	N_ROOMS = 10000,
	BODY_LEN = 200,
	START_MS_MAX = 2000,
	PROMISED = 1000000,
	NS_PER_US = 1000,
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
};

struct bench {
	char *dir; // owned
	struct route route;
	struct table_edge *edge;
	struct route_load load;
	struct loop *loop;
	struct store_file *file;
	char body[BODY_LEN + 1];
	uint64_t n_said; // elements for the edge
};

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct bench *b = arg;
	(void)edge;
	(void)element;
	b->n_said++;
}

static void on_turn(void *arg, uint64_t number, struct bytes turn)
{
	struct bench *b = arg;
	route_load(&b->route, &b->load, number, turn);
}

static void on_done(void *arg, enum store_result result)
{
	(void)arg;
	(void)result;
}

static void start(struct bench *b, bool sync)
{
	const struct route_options options = {
		.history_messages = 100,
		.history_bytes = 256 << 10,
		.history_age_ms = 300000,
	};
	struct fault fault = { 0 };
	route_init(&b->route, &options, append, b);
	b->loop = loop_new();
	b->file = store_file_open(b->dir, sync, &fault);
	if (b->file == NULL) {
		fprintf(stderr, "%s: %s\n", fault.option, fault.what);
		exit(1);
	}
	route_use_store(&b->route, store_file_hash_key(b->file));
	b->load = (struct route_load){ .now_ms = clock_mono_ms(), .wall_ms = clock_wall_ms() };
	CHECK(store_file_read(b->file, on_turn, b, &fault) == 0);
	store_file_start(b->file, b->loop, on_done, b);
	route_loaded(&b->route, &b->load, &store_file_ops, b->file);
}

static void stop(struct bench *b)
{
	store_file_close(b->file);
	route_fini(&b->route);
	loop_free(b->loop);
}

static void remove_store(const struct bench *b)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "lock", "weir-store", "" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path = xasprintf("%s/%s", b->dir, names[i]);
		(void)remove(path);
		free(path);
	}
}

static void edge_up(struct bench *b)
{
	struct rights *defaults = rights_new();
	CHECK(rights_add(defaults, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = { .defaults = defaults };
	b->edge = route_edge_up(&b->route, NULL, bytes_str("a"), &policy, 0);
	rights_unref(defaults);
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = 1;
	up.id = pb_data(bytes_str("client-1"));
	up.user = pb_data(bytes_str("alice"));
	CHECK(route_item(&b->route, b->edge, &LINK_ITEM(CLIENT_UP, client_up, &up), clock_mono_ms(),
		      clock_wall_ms()) == ROUTE_DONE);
}

static void publish(struct bench *b, uint64_t n)
{
	char room[16];
	snprintf(room, sizeof(room), "r-%05u", (unsigned)(n * 7919 % N_ROOMS));
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = 1;
	publish.req = n + 1;
	publish.room = pb_data(bytes_str(room));
	publish.type = pb_data(bytes_str("chat"));
	publish.body = pb_data(bytes_make(b->body, BODY_LEN));
	CHECK(route_item(&b->route, b->edge, &LINK_ITEM(PUBLISH, publish, &publish),
		      clock_mono_ms(), clock_wall_ms()) == ROUTE_DONE);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x;
	uint64_t y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

// One turn of messages, until all of them are acked; how long that took.
static uint64_t one_turn(struct bench *b, uint64_t first, unsigned n)
{
	uint64_t begun_ns = clock_mono_ns();
	for (unsigned i = 0; i < n; i++) {
		publish(b, first + i);
	}
	route_end_turn(&b->route);
	enum store_result result = store_file_ops.wait(b->file);
	CHECK(result == STORE_COMMITTED);
	route_committed(&b->route, result, clock_mono_ms(), clock_wall_ms());
	return clock_mono_ns() - begun_ns;
}

static void run(struct bench *b, bool sync, unsigned size, uint64_t total)
{
	uint64_t turns = total / size;
	uint64_t *ns = xcalloc(turns, sizeof(*ns));
	remove_store(b);
	start(b, sync);
	edge_up(b);
	uint64_t begun_ns = clock_mono_ns();
	uint64_t begun_cpu_ns = cpu_ns();
	for (uint64_t i = 0; i < turns; i++) {
		ns[i] = one_turn(b, i * size, size);
	}
	double took = (double)(clock_mono_ns() - begun_ns) / NS_PER_S;
	double cpu_us = (double)(cpu_ns() - begun_cpu_ns) / NS_PER_US / (double)(turns * size);
	qsort(ns, turns, sizeof(*ns), by_size);
	printf("fsync %-6s %4u a turn: %8.0f messages/s, a turn p50 %5llu us, p99 %6llu us, "
	       "%.2f us CPU and %llu bytes a message\n",
		sync ? "commit" : "never", size, (double)(turns * size) / took,
		(unsigned long long)(ns[turns / 2] / NS_PER_US),
		(unsigned long long)(ns[turns * 99 / 100] / NS_PER_US), cpu_us,
		(unsigned long long)(store_file_bytes(b->file) / (turns * size)));
	CHECK(b->n_said >= turns * size);
	free(ns);
	stop(b);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = { 1, 64, 256, 1024 };
	struct bench b = { 0 };
	uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 10) : PROMISED;
	if (argc < 2 || total < sizes[ARRAY_LEN(sizes) - 1]) {
		fprintf(stderr, "usage: %s FOLDER [N [never]]\n", argv[0]);
		return 2;
	}
	b.dir = xasprintf("%s/store", argv[1]);
	snprintf(b.body, sizeof(b.body), "{\"text\":\"%0*d\"}", BODY_LEN - 11, 0);
	bool both = argc < 4 || strcmp(argv[3], "never") != 0;
	for (int sync = both ? 1 : 0; sync >= 0; sync--) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			uint64_t n = sizes[i] == 1 ? total / 100 : total;
			run(&b, sync == 1, sizes[i], n < sizes[i] ? sizes[i] : n);
		}
	}
	uint64_t begun_ns = clock_mono_ns();
	uint64_t begun_cpu_ns = cpu_ns();
	start(&b, false);
	uint64_t cpu_ms = (cpu_ns() - begun_cpu_ns) / NS_PER_MS;
	printf("start with %llu messages in %zu rooms: %llu ms, %llu ms of CPU\n",
		(unsigned long long)b.load.n_messages, b.route.table.rooms.n_entries,
		(unsigned long long)((clock_mono_ns() - begun_ns) / NS_PER_MS),
		(unsigned long long)cpu_ms);
	stop(&b);
	remove_store(&b);
	free(b.dir);
	return total >= PROMISED && cpu_ms > START_MS_MAX ? 1 : 0;
}
