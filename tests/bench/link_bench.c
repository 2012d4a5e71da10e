// Measures the edge-router link with what really travels on it: protobuf items, routed by the real
// tables, over the real window. The router runs in a child process (forked before anything of NNG
// is touched), the edges in this one, each a router_link with one worker thread.
//
//     link-bench up   EDGES BATCH SECONDS   each edge publishes to a room that only it is in
//     link-bench down EDGES BATCH SECONDS   edge 0 publishes to one room, every edge has a member
//
// Prints one line: items routed and delivered a second, router CPU (user + system) per item, the
// cores it had, its peak memory. BATCH items are flushed at once.

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/random.h"
#include "edge/uplink/router_link.h"
#include "edge/uplink/siblings.h"
#include "proto/link_hello.h"
#include "router/link/link_keys.h"
#include "router/link/link_server.h"
#include "tests/bench/proc_stat.h"

enum {
	BODY_LEN = 128,
	EDGES_MAX = 64,
	SECONDS_MAX = 60,
};

struct bench_edge {
	struct router_link *link;
	pthread_t thread;
	unsigned index;
	bool publishes;
	unsigned batch;
	uint8_t boot[LINK_BOOT_LEN];
	char name[16];
	char room[32];
	_Atomic uint64_t session;
	_Atomic uint64_t answered;
	_Atomic uint64_t delivered;
	struct link_arena arena;
	struct siblings siblings;
};

static atomic_bool running = true;

// The router's process

static void on_term(void *arg)
{
	loop_stop(arg);
}

static void run_router(int url_fd)
{
	struct loop *loop = loop_new();
	struct loop_signal term = { 0 };
	struct route route;
	const struct route_options route_options = { .history_age_ms = 60000 };
	const struct link_keys no_keys = { 0 };
	const struct link_server_options options = {
		.url = "tcp://127.0.0.1:0",
		.name = "bench",
		.keys = &no_keys,
		.link_timeout_ms = 6000,
	};
	const char *why = NULL;
	route_init(&route, &route_options, NULL, NULL);
	struct link_server *server = link_server_new(loop, &options, &route, &why);
	CHECK(server != NULL);
	dprintf(url_fd, "%s", link_server_url(server));
	close(url_fd);
	loop_signal_start(loop, &term, SIGTERM, on_term, loop);
	loop_run(loop);
	loop_signal_stop(&term);
	link_server_free(server);
	route_fini(&route);
	loop_free(loop);
	_exit(0);
}

static pid_t start_router(char url[64])
{
	int fds[2];
	CHECK(pipe(fds) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		run_router(fds[1]);
	}
	close(fds[1]);
	ssize_t len = read(fds[0], url, 63);
	CHECK(len > 0);
	url[len] = '\0';
	close(fds[0]);
	return pid;
}

// Edges

static bool on_batch(void *arg, uint64_t mark, struct bytes batch, uint64_t *workers)
{
	struct bench_edge *edge = arg;
	struct bytes packed;
	(void)mark;
	*workers = 0;
	while (link_batch_next(&batch, &packed) == 1) {
		const link_item *item = link_item_unpack(&edge->arena, packed);
		CHECK(item != NULL);
		if (item->kind_case == WEIR__LINK__V1__ITEM__KIND_PUBLISHED) {
			atomic_fetch_add(&edge->answered, 1);
		} else if (item->kind_case == WEIR__LINK__V1__ITEM__KIND_DELIVERY) {
			atomic_fetch_add(&edge->delivered, 1);
		}
	}
	return true;
}

static void on_session(void *arg, uint64_t session)
{
	struct bench_edge *edge = arg;
	atomic_store(&edge->session, session);
}

static const struct router_link_ops ops = { .on_batch = on_batch, .on_session = on_session };

static void add_client(struct link_outbox *outbox)
{
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	up.client = 1;
	up.id = pb_data(bytes_str("client"));
	up.user = pb_data(bytes_str("user"));
	up.address = pb_data(bytes_str("127.0.0.1"));
	up.codec = pb_data(bytes_str("json"));
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_CLIENT_UP;
	item.client_up = &up;
	link_outbox_add_fact(outbox, &item);
}

static void add_join(struct link_outbox *outbox, const char *room)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	join.client = 1;
	join.req = 1;
	join.room = pb_data(bytes_str(room));
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_JOIN;
	item.join = &join;
	link_outbox_add_request(outbox, &item, 1, UINT64_MAX);
}

static void add_publish(struct link_outbox *outbox, const char *room, uint64_t req)
{
	static const char body[BODY_LEN + 1] =
		"{\"text\":\"0123456789012345678901234567890123456789012345678901234567890123456"
		"789012345678901234567890123456789012345678901\"}";
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	publish.client = 1;
	publish.req = req;
	publish.room = pb_data(bytes_str(room));
	publish.type = pb_data(bytes_str("chat"));
	publish.body = pb_data(bytes_str(body));
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_PUBLISH;
	item.publish = &publish;
	link_outbox_add_request(outbox, &item, req, UINT64_MAX);
}

static void *run_edge(void *arg)
{
	struct bench_edge *edge = arg;
	struct link_outbox outbox = { 0 };
	while (atomic_load(&edge->session) == 0) {
		usleep(1000);
	}
	add_client(&outbox);
	router_link_snapshot(edge->link, 0, atomic_load(&edge->session), &outbox);
	add_join(&outbox, edge->room);
	router_link_flush(edge->link, 0, &outbox);
	uint64_t req = 1;
	while (edge->publishes && atomic_load(&running)) {
		if (!router_link_has_room(edge->link, (size_t)edge->batch * 256)) {
			usleep(100);
			continue;
		}
		for (unsigned i = 0; i < edge->batch; i++) {
			add_publish(&outbox, edge->room, ++req);
		}
		router_link_flush(edge->link, 0, &outbox);
	}
	link_outbox_fini(&outbox);
	return NULL;
}

static void *run_main_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

// Figures

struct figures {
	uint64_t published;
	uint64_t delivered;
	double router_cpu_s;
};

static double cpu_seconds(pid_t pid)
{
	struct proc_stat stat;
	CHECK(proc_stat_read(pid, &stat) == 0);
	return (double)stat.cpu_us / 1e6;
}

static struct figures measure(struct bench_edge *edges, unsigned n_edges, pid_t router)
{
	struct figures f = { .router_cpu_s = cpu_seconds(router) };
	for (unsigned i = 0; i < n_edges; i++) {
		f.published += atomic_load(&edges[i].answered);
		f.delivered += atomic_load(&edges[i].delivered);
	}
	return f;
}

static void report(const char *mode, unsigned n_edges, unsigned batch, double seconds,
	struct figures a, struct figures b, const struct rusage *usage)
{
	uint64_t published = b.published - a.published;
	uint64_t delivered = b.delivered - a.delivered;
	double cpu = b.router_cpu_s - a.router_cpu_s;
	printf("%-4s edges=%-2u batch=%-3u published/s=%.0f delivered/s=%.0f router_us/item=%.2f "
	       "router_cores=%.2f router_peak_kib=%ld\n",
		mode, n_edges, batch, (double)published / seconds, (double)delivered / seconds,
		cpu * 1e6 / (double)(published + delivered > 0 ? published + delivered : 1),
		cpu / seconds, usage->ru_maxrss);
}

static void start_edge(struct bench_edge *edge, struct loop *loop, const char *url,
	const struct rights_policy *policy)
{
	const struct router_link_options options = {
		.url = url,
		.hello = {
			.name = edge->name,
			.boot = edge->boot,
			.policy = policy,
			.siblings = &edge->siblings,
			.n_workers = 1,
		},
		.io_loop = loop,
		.queue_limit = 4 << 20,
	};
	random_fill(edge->boot, sizeof(edge->boot));
	siblings_init(&edge->siblings);
	edge->link = router_link_new(loop, &options, &ops, edge);
	CHECK(pthread_create(&edge->thread, NULL, run_edge, edge) == 0);
}

static int run(const char *mode, unsigned n_edges, unsigned batch, unsigned seconds)
{
	static struct bench_edge edges[EDGES_MAX];
	char url[64];
	bool down = strcmp(mode, "down") == 0;
	log_set_level(LOG_ERROR);
	pid_t router = start_router(url);
	struct loop *loop = loop_new();
	pthread_t main_thread;
	struct rights_policy policy = { .defaults = rights_new() };
	CHECK(rights_add_option(policy.defaults, "join+publish=*"));
	for (unsigned i = 0; i < n_edges; i++) {
		edges[i].index = i;
		edges[i].batch = batch;
		edges[i].publishes = !down || i == 0;
		snprintf(edges[i].name, sizeof(edges[i].name), "edge-%u", i);
		snprintf(edges[i].room, sizeof(edges[i].room), "room-%u", down ? 0 : i);
		start_edge(&edges[i], loop, url, &policy);
	}
	CHECK(pthread_create(&main_thread, NULL, run_main_loop, loop) == 0);
	sleep(1);
	struct figures before = measure(edges, n_edges, router);
	uint64_t begun_ns = clock_mono_ns();
	sleep(seconds);
	struct figures after = measure(edges, n_edges, router);
	double elapsed = (double)(clock_mono_ns() - begun_ns) / 1e9;
	atomic_store(&running, false);
	for (unsigned i = 0; i < n_edges; i++) {
		pthread_join(edges[i].thread, NULL);
	}
	loop_stop(loop);
	pthread_join(main_thread, NULL);
	struct rusage usage;
	kill(router, SIGTERM);
	wait4(router, NULL, 0, &usage);
	report(mode, n_edges, batch, elapsed, before, after, &usage);
	for (unsigned i = 0; i < n_edges; i++) {
		router_link_free(edges[i].link);
		link_arena_fini(&edges[i].arena);
		siblings_fini(&edges[i].siblings);
	}
	loop_free(loop);
	rights_unref(policy.defaults);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned n_edges = argc == 5 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	unsigned batch = argc == 5 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	unsigned seconds = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	bool fine = argc == 5 && (strcmp(argv[1], "up") == 0 || strcmp(argv[1], "down") == 0) &&
		n_edges > 0 && n_edges <= EDGES_MAX && batch > 0 && batch <= 512 && seconds > 0 &&
		seconds <= SECONDS_MAX;
	if (!fine) {
		fprintf(stderr, "usage: link-bench up|down EDGES BATCH SECONDS\n");
		return 2;
	}
	return run(argv[1], n_edges, batch, seconds);
}
