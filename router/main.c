// weir-router: options, keys, the routing loop, and an orderly end. The main thread is the routing
// thread: links, admin commands, the ops listener and signals all run in its loop, so nothing here
// needs a lock.

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/ops_http.h"
#include "common/process.h"
#include "proto/link_tls.h"
#include "router/admin_server.h"
#include "router/link_server.h"
#include "router/route.h"
#include "router/router_conf.h"
#include "router/router_metrics.h"

enum {
	LINK_KEY_MAX = 4096
};

struct router {
	struct router_conf conf;
	struct conf_result conf_result;
	struct loop *loop;
	struct route route;
	struct link_server *links;
	struct ops_http *ops;
	struct admin_context admin_context;
	struct admin_server *admin;
	struct loop_signal sigterm;
	struct loop_signal sigint;
	struct link_key *keys; // owned, n_keys
	struct buf *key_bytes; // owned, n_keys
	size_t n_keys;
	struct nng_tls_config *tls; // for tls+tcp
};

// One line in the form of all startup errors; `value` names which value of the option, or is NULL.
static int fail(const struct router *router, const char *option, const char *value,
	const char *what)
{
	struct buf line = { 0 };
	char *text = value != NULL ? xasprintf("%s: %s", value, what) : xstrdup(what);
	log_stop();
	conf_fault(&router_conf_spec, &router->conf_result, option, text, &line);
	dprintf(STDERR_FILENO, "%.*s\n", (int)line.len, (const char *)line.data);
	buf_fini(&line);
	free(text);
	return 1;
}

// ---- keys

// "FILE", or "NAME=FILE" for one edge.
static const char *load_key(const char *value, struct link_key *key, struct buf *bytes)
{
	const char *equals = strchr(value, '=');
	const char *path = equals != NULL ? equals + 1 : value;
	const char *why = NULL;
	if (conf_secret_read(path, LINK_KEY_MAX, bytes, &why) != 0) {
		return why;
	}
	if (bytes->len < LINK_KEY_MIN) {
		return "shorter than 32 bytes";
	}
	key->key = buf_bytes(bytes);
	if (equals != NULL) {
		char *name = xstrndup(value, (size_t)(equals - value));
		key->edge = name;
		if (!link_name_valid(bytes_str(name))) {
			return "no such edge name";
		}
	}
	return NULL;
}

static int load_keys(struct router *router)
{
	const struct conf_list *files = &router->conf.link_key_file;
	router->keys = xcalloc(files->n, sizeof(router->keys[0]));
	router->key_bytes = xcalloc(files->n, sizeof(router->key_bytes[0]));
	router->n_keys = files->n;
	for (size_t i = 0; i < files->n; i++) {
		const char *why =
			load_key(files->items[i], &router->keys[i], &router->key_bytes[i]);
		if (why != NULL) {
			return fail(router, "link-key-file", files->items[i], why);
		}
	}
	return 0;
}

static int load_tls(struct router *router)
{
	const struct link_tls_files files = {
		.cert = router->conf.link_tls_cert,
		.key = router->conf.link_tls_key,
		.ca = router->conf.link_tls_ca,
	};
	if (!link_url_is_tls(router->conf.listen)) {
		return 0;
	}
	char *why;
	router->tls = link_tls_new(LINK_ROLE_ROUTER, &files, router->conf.listen, &why);
	if (router->tls == NULL) {
		int result = fail(router, "listen", NULL, why);
		free(why);
		return result;
	}
	return 0;
}

static int load_files(struct router *router)
{
	return load_keys(router) != 0 || load_tls(router) != 0 ? 1 : 0;
}

static void free_keys(struct router *router)
{
	for (size_t i = 0; i < router->n_keys; i++) {
		conf_secret_free(&router->key_bytes[i]);
		free((char *)router->keys[i].edge);
	}
	free(router->keys);
	free(router->key_bytes);
	link_tls_free(router->tls);
}

// ---- ops listener

static void on_metrics(void *arg, struct ops_reply *reply)
{
	struct router *router = arg;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	router_metrics_write(&reply->body, &router->route, router->links);
}

static void on_alive(void *arg, struct ops_reply *reply)
{
	(void)arg;
	buf_append_str(&reply->body, "ok\n");
}

// /ready runs in the routing thread, so an answer proves that it turns.
static const struct ops_route ops_routes[] = {
	{ "/metrics", on_metrics },
	{ "/health", on_alive },
	{ "/ready", on_alive },
	{ 0 },
};

static int listen_ops(struct router *router, char bound[NET_ADDR_TEXT_MAX])
{
	struct net_addr addr;
	const char *text = router->conf.ops_listen;
	bound[0] = '\0';
	if (text[0] == '\0') {
		return 0;
	}
	if (net_addr_parse(&addr, text) != 0) {
		return fail(router, "ops-listen", text, "not an address");
	}
	router->ops = ops_http_new(router->loop, &addr, ops_routes, router);
	if (router->ops == NULL) {
		return fail(router, "ops-listen", text, strerror(errno));
	}
	net_addr_format(&addr, bound);
	return 0;
}

// ---- life

static void on_stop(void *arg)
{
	struct router *router = arg;
	log_info("stopping");
	loop_stop(router->loop);
}

static int listen_links(struct router *router)
{
	const struct link_server_options options = {
		.url = router->conf.listen,
		.tls = router->tls,
		.name = router->conf.name,
		.keys = router->keys,
		.n_keys = router->n_keys,
		.link_timeout_ms = router->conf.link_timeout_ms,
	};
	const char *why = NULL;
	router->links = link_server_new(router->loop, &options, &router->route, &why);
	return router->links != NULL ? 0 : fail(router, "listen", router->conf.listen, why);
}

// What the links know of an edge, for weirctl.
static void edge_figures(void *arg, const struct table_edge *table,
	struct admin_edge_figures *figures)
{
	const struct edge_link *edge = table->link;
	(void)arg;
	*figures = (struct admin_edge_figures){
		.queue_bytes = edge_link_queue_bytes(edge),
		.inflight_bytes = edge_link_inflight_bytes(edge),
		.rtt_us = edge->rtt_us,
		.since_ms = edge->since_ms,
		.version = edge->version,
	};
}

static int listen_admin(struct router *router)
{
	const char *why = NULL;
	router->admin_context = (struct admin_context){
		.route = &router->route,
		.name = router->conf.name,
		.started_ms = clock_wall_ms(),
		.edge_figures = edge_figures,
	};
	router->admin =
		admin_server_new(router->loop, router->conf.admin, &router->admin_context, &why);
	return router->admin != NULL ? 0 : fail(router, "admin", router->conf.admin, why);
}

static int serve(struct router *router)
{
	char ops[NET_ADDR_TEXT_MAX];
	if (listen_links(router) != 0 || listen_admin(router) != 0 ||
		listen_ops(router, ops) != 0) {
		return 1;
	}
	loop_signal_start(router->loop, &router->sigterm, SIGTERM, on_stop, router);
	loop_signal_start(router->loop, &router->sigint, SIGINT, on_stop, router);
	char *line = xasprintf("ready listen=%s admin=%s ops=%s", link_server_url(router->links),
		router->conf.admin, ops);
	log_raw(line);
	free(line);
	loop_run(router->loop);
	loop_signal_stop(&router->sigterm);
	loop_signal_stop(&router->sigint);
	return 0;
}

static int run(struct router *router)
{
	const struct route_options options = {
		.max_rooms = router->conf.max_rooms,
		.max_members_per_room = router->conf.max_members_per_room,
		.presence_events_max = router->conf.presence_events_max,
		.history_age_ms = router->conf.history_age_ms,
		.history_messages = conf_limit(router->conf.history_messages),
		.history_bytes = router->conf.history_bytes,
		.history_total = router->conf.history_total,
		.dedup_total = router->conf.dedup_total,
	};
	log_start(STDERR_FILENO, (enum log_format)router->conf.log_format,
		(enum log_level)router->conf.log_level);
	if (geteuid() == 0) {
		log_warn("running_as_root");
	}
	router->loop = loop_new();
	route_init(&router->route, &options, link_server_append, NULL);
	int result = serve(router);
	ops_http_free(router->ops);
	admin_server_free(router->admin);
	link_server_free(router->links);
	route_fini(&router->route);
	loop_free(router->loop);
	log_stop();
	return result;
}

int main(int argc, char **argv)
{
	struct router router = { 0 };
	router.conf_result = router_conf_load(&router.conf, argc, argv);
	int result = 0;
	switch (router.conf_result.action) {
	case CONF_FAIL:
		result = 1;
		break;
	case CONF_EXIT:
		break;
	case CONF_PROBE:
		result = process_probe(router.conf_result.probe_url);
		break;
	case CONF_CHECK:
		result = load_files(&router);
		break;
	case CONF_RUN:
		process_prepare();
		result = load_files(&router);
		if (result == 0) {
			result = run(&router);
		}
		break;
	}
	free_keys(&router);
	router_conf_fini(&router.conf);
	return result;
}
