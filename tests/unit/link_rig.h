// A real link over the loopback, both ends in one process and one loop: the router's link_server
// with its tables, and the router_link of an edge with one worker, which is this file.
#pragma once

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "edge/uplink/router_link.h"
#include "edge/uplink/siblings.h"
#include "proto/link/crypto_mem.h"
#include "proto/link_items.h"
#include "router/core/route.h"
#include "router/link/link_keys.h"
#include "router/link/link_server.h"
#include "tests/unit/loop_until.h"
#include "tests/unit/test.h"

enum {
	RIG_CLIENT = 7,
	RIG_DEADLINE_MS = 60000, // of requests: none passes
};

struct rig_edge {
	struct router_link *link;
	struct siblings siblings;
	uint8_t boot[LINK_BOOT_LEN];
	unsigned n_sessions;
	uint64_t session; // begun and not answered by a snapshot yet; 0: none
	unsigned n_items[64]; // that came down, by kind
	bool refuses; // takes the next BATCH for malformed
};

struct rig {
	struct loop *loop;
	struct route route;
	struct link_keys keys;
	char *url; // that the server got
	struct link_server *server;
	struct rights_policy policy;
};

static inline void rig_start_server(struct rig *rig, const char *url)
{
	static const struct route_options options = { .history_age_ms = 60000 };
	const struct link_server_options server_options = {
		.url = url,
		.name = "router",
		.keys = &rig->keys,
		.link_timeout_ms = 60000, // no test waits for it
	};
	const char *why = NULL;
	route_init(&rig->route, &options, NULL, NULL);
	rig->server = link_server_new(rig->loop, &server_options, &rig->route, &why);
	if (rig->server == NULL) {
		fail_msg("%s: %s", url, why);
	}
}

static inline int rig_setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	log_set_level(LOG_ERROR);
	rig->loop = loop_new();
	rig->policy.defaults = rights_new();
	assert_true(rights_add(rig->policy.defaults, RIGHT_ALL, bytes_str("*")));
	rig_start_server(rig, "tcp://127.0.0.1:0");
	rig->url = xstrdup(link_server_url(rig->server));
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;
	link_server_free(rig->server);
	route_fini(&rig->route);
	rights_unref(rig->policy.defaults);
	loop_free(rig->loop);
	free(rig->url);
	free(rig);
	return 0;
}

// ---- an edge

static bool rig_on_batch(void *arg, uint64_t mark, struct bytes batch, uint64_t *workers)
{
	struct rig_edge *edge = arg;
	struct link_arena arena = { 0 };
	struct bytes packed;
	*workers = 0; // taken in at once
	(void)mark;
	while (link_batch_next(&batch, &packed) > 0) {
		const link_item *item = link_item_unpack(&arena, packed);
		assert_non_null(item);
		edge->n_items[item->kind_case]++;
	}
	link_arena_fini(&arena);
	return !edge->refuses;
}

static void rig_on_session(void *arg, uint64_t session)
{
	struct rig_edge *edge = arg;
	edge->n_sessions++;
	edge->session = session;
}

// Dials the rig's URL. `boot` tells incarnations apart.
static inline void rig_edge_start(struct rig *rig, struct rig_edge *edge, uint8_t boot,
	const char *key)
{
	static const struct router_link_ops ops = { rig_on_batch, rig_on_session };
	memset(edge, 0, sizeof(*edge));
	edge->boot[0] = boot;
	siblings_init(&edge->siblings);
	const struct router_link_options options = {
		.url = rig->url,
		.hello = {
			.key = bytes_str(key),
			.name = "edge-1",
			.boot = edge->boot,
			.policy = &rig->policy,
			.siblings = &edge->siblings,
			.n_workers = 1,
		},
		.io_loop = rig->loop,
		.queue_limit = 1 << 20,
	};
	edge->link = router_link_new(rig->loop, &options, &ops, edge);
}

static inline void rig_edge_stop(struct rig_edge *edge)
{
	router_link_free(edge->link);
	siblings_fini(&edge->siblings);
}

static bool rig_has_session(void *arg)
{
	return ((struct rig_edge *)arg)->session != 0;
}

// Waits for a session and announces one client.
static inline void rig_edge_announce(struct rig *rig, struct rig_edge *edge)
{
	struct link_outbox outbox = { 0 };
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	assert_true(loop_until(rig->loop, rig_has_session, edge));
	up.client = RIG_CLIENT;
	char prefix[CLIENT_PREFIX_LEN + 1];
	char id[sizeof(prefix) + 2];
	client_prefix(edge->boot, prefix);
	snprintf(id, sizeof(id), "%s-1", prefix);
	up.id = pb_data(bytes_str(id));
	up.user = pb_data(bytes_str("ada"));
	link_outbox_add_fact(&outbox, &LINK_ITEM(CLIENT_UP, client_up, &up));
	link_outbox_add_fact(&outbox, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
	router_link_snapshot(edge->link, 0, edge->session, &outbox);
	edge->session = 0;
	link_outbox_fini(&outbox);
}

static inline void rig_edge_join(struct rig_edge *edge, uint64_t req)
{
	struct link_outbox outbox = { 0 };
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = RIG_CLIENT;
	join.req = req;
	join.room = pb_data(bytes_str("r"));
	link_outbox_add_request(&outbox, &LINK_ITEM(JOIN, join, &join), req,
		clock_mono_ms() + RIG_DEADLINE_MS);
	router_link_flush(edge->link, 0, &outbox);
	link_outbox_fini(&outbox);
}

static inline unsigned rig_edge_joined(const struct rig_edge *edge)
{
	return edge->n_items[WEIR__LINK__V1__ITEM__KIND_JOINED];
}

static bool rig_has_joined(void *arg)
{
	return rig_edge_joined(arg) > 0;
}

static inline unsigned rig_count_edges(const struct rig *rig)
{
	unsigned n = 0;
	for (struct edge_link *e = NULL; (e = link_server_next(rig->server, e)) != NULL;) {
		n++;
	}
	return n;
}
