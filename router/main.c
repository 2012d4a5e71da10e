// weir-router: options, keys, the routing loop, and an orderly end. The main thread is the routing
// thread: links, admin commands, the ops listener and signals all run in its loop, so nothing here
// needs a lock.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/notify.h"
#include "common/ops_http.h"
#include "common/probe.h"
#include "common/process.h"
#include "common/process_metrics.h"
#include "common/secret_file.h"
#include "common/watchdog.h"
#include "proto/link/crypto_mem.h"
#include "proto/link/link_tls.h"
#include "proto/link_hello.h"
#include "proto/policy/revocation_seal.h"
#include "router/admin/admin_server.h"
#include "router/core/route.h"
#include "router/hooks/webhook.h"
#include "router/link/link_keys.h"
#include "router/link/link_server.h"
#include "router/router_conf.h"
#include "router/router_metrics.h"
#include "router/router_store.h"
#include "router/ui/ui.h"

enum {
	STOP_MAX_MS = 2000, // an edge that does not hold still by then is not waited for
	QUIET_LOOK_MS = 5,
	END_MAX_MS = 5000, // what has no data of ours is not waited for longer
	REVOCATION_KEY_MAX = 4096,
	PREPARED_MS = 30000, // who asked for rest and does not stop us by then has changed his mind
};

struct router {
	int argc;
	char **argv;
	struct router_conf conf;
	struct conf_result conf_result;
	struct loop *loop;
	struct route route;
	struct router_store store;
	struct link_server *links;
	struct ops_http *ops;
	struct ops_http *ui; // NULL: no page for operators
	struct admin_context admin_context;
	struct admin_server *admin;
	struct loop_signal sigterm;
	struct loop_signal sigint;
	struct loop_signal sighup;
	struct loop_timer stopping;
	uint64_t stop_by_ms; // monotonic; 0: nobody wants it to stop
	struct loop_timer prepared;
	uint64_t rest_by_ms; // monotonic; 0: nobody has asked for rest
	struct notify notify;
	struct watchdog watchdog;
	struct counter reload_failed;
	struct webhook *webhook; // NULL: none
	struct hook_keys hook_keys; // until the webhook has them
	struct link_keys keys;
	struct buf revocation_key; // empty: made of the link keys
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

static int fail_at(const struct router *router, struct fault *fault)
{
	int result = fail(router, fault->option, NULL, fault->what);
	fault_fini(fault);
	return result;
}

// ---- files

static int load_keys(struct router *router)
{
	struct fault fault;
	return link_keys_load(&router->keys, &router->conf.link_key_file, &fault) == 0
		? 0
		: fail_at(router, &fault);
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
	struct fault fault;
	router->tls = link_tls_new(LINK_ROLE_ROUTER, &files, router->conf.listen, &fault);
	return router->tls != NULL ? 0 : fail_at(router, &fault);
}

static int load_hook_keys(struct router *router)
{
	struct fault fault;
	return hook_keys_load(&router->hook_keys, &router->conf.webhook_key_file, &fault) == 0
		? 0
		: fail_at(router, &fault);
}

static int load_revocation_key(struct router *router)
{
	const char *path = router->conf.revocation_key_file;
	const char *why = NULL;
	if (path[0] != '\0' &&
		secret_file_read(path, REVOCATION_KEY_MAX, &router->revocation_key, &why) == 0 &&
		router->revocation_key.len < LINK_KEY_MIN) {
		why = "shorter than 32 bytes";
	}
	return why == NULL ? 0 : fail(router, "revocation-key-file", path, why);
}

// What proves revocations that edges bring; after the keys have changed, too.
static void set_seal(struct router *router)
{
	uint8_t key[REVOCATION_SEAL_LEN];
	const struct bytes own = buf_bytes(&router->revocation_key);
	bool has_seal = own.len > 0 || link_keys_seal(&router->keys, key);
	if (own.len > 0) {
		revocation_seal_key(&own, 1, key);
	}
	route_set_seal(&router->route, has_seal ? key : NULL);
}

static int load_store_files(struct router *router)
{
	struct fault fault;
	return router_store_load_files(&router->store, &router->conf, &fault) == 0
		? 0
		: fail_at(router, &fault);
}

static int load_files(struct router *router)
{
	return load_keys(router) != 0 || load_revocation_key(router) != 0 ||
			load_tls(router) != 0 || load_hook_keys(router) != 0 ||
			load_store_files(router) != 0
		? 1
		: 0;
}

// ---- webhooks

static int open_webhook(struct router *router)
{
	const struct router_conf *conf = &router->conf;
	const struct webhook_options options = {
		.url = conf->webhook_url,
		.ca = conf->webhook_ca,
		.router = conf->name,
		.events = &conf->webhook_events,
		.rooms = &conf->webhook_rooms,
		.queue_bytes = conf->webhook_queue,
		.max_age_ms = conf->webhook_max_age_ms,
	};
	struct fault fault;
	if (options.url[0] == '\0') {
		return 0;
	}
	router->webhook = webhook_new(&options, &router->hook_keys, &fault);
	if (router->webhook == NULL) {
		return fail_at(router, &fault);
	}
	router->route.notices = webhook_notices(router->webhook);
	return 0;
}

// ---- ops listener

static void on_metrics(void *arg, struct ops_reply *reply)
{
	struct router *router = arg;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	router_metrics_write(&reply->body, &router->route, router->links,
		counter_get(&router->reload_failed));
	if (router->webhook != NULL) {
		webhook_metrics(router->webhook, &reply->body);
	}
	router_store_metrics(&router->store, &reply->body);
}

static void on_alive(void *arg, struct ops_reply *reply)
{
	(void)arg;
	buf_append_str(&reply->body, "ok\n");
}

// Runs in the routing thread, so an answer proves that it turns.
static void on_ready(void *arg, struct ops_reply *reply)
{
	const struct router *router = arg;
	if (!journal_is_up(&router->route.journal)) {
		reply->status = 503;
		buf_append_str(&reply->body, "the store refuses, or does not answer\n");
		return;
	}
	buf_append_str(&reply->body, "ok\n");
}

static const struct ops_route ops_routes[] = {
	{ "/metrics", on_metrics },
	{ "/health", on_alive },
	{ "/ready", on_ready },
	{ 0 },
};

// `bound` is empty if the option is.
static int listen_http(struct router *router, const char *option, const char *text,
	const struct ops_route *routes, void *arg, struct ops_http **made,
	char bound[NET_ADDR_TEXT_MAX])
{
	struct net_addr addr;
	bound[0] = '\0';
	if (text[0] == '\0') {
		return 0;
	}
	if (net_addr_parse(&addr, text) != 0) {
		return fail(router, option, text, "not an address");
	}
	int result = ops_http_new(router->loop, &addr, routes, arg, made);
	if (result != 0) {
		return fail(router, option, text, strerrordesc_np(-result));
	}
	net_addr_format(&addr, bound);
	return 0;
}

static int listen_ops(struct router *router, char bound[NET_ADDR_TEXT_MAX])
{
	return listen_http(router, "ops-listen", router->conf.ops_listen, ops_routes, router,
		&router->ops, bound);
}

static int listen_ui(struct router *router, char bound[NET_ADDR_TEXT_MAX])
{
	return listen_http(router, "ui-listen", router->conf.ui_listen, ui_routes,
		&router->admin_context, &router->ui, bound);
}

// ---- reload

static struct route_options route_options_of(const struct router_conf *conf)
{
	return (struct route_options){
		.max_rooms = conf->max_rooms,
		.max_members_per_room = conf->max_members_per_room,
		.max_connections_per_user = conf->max_connections_per_user.n,
		.newest_wins = conf->max_connections_per_user.choice == ROUTER_BEYOND_NEWEST_WINS,
		.budgets.rates = {
			[BUDGET_MESSAGES] = conf->rate_user,
			[BUDGET_BYTES] = conf->rate_user_bytes,
			[BUDGET_DELIVERIES] = conf->rate_fanout,
			[BUDGET_FANOUT_BYTES] = conf->rate_fanout_bytes,
			[BUDGET_ANSWERS] = conf->rate_answers,
			[BUDGET_ROOMS] = conf->rate_rooms,
		},
		.presence_linger_ms = conf->presence_linger_ms,
		.presence_events_max = conf->presence_events_max,
		.history_age_ms = conf->history_age_ms,
		.history_messages = conf_limit(conf->history_messages),
		.history_bytes = conf->history_bytes,
		.history_total = conf->history_total,
		.dedup_total = conf->dedup_total,
		.recorder_bytes = conf->recorder_bytes,
	};
}

// What is read anew by a reload.
struct files {
	struct link_keys keys;
	struct hook_keys hook_keys;
};

static int load_anew(struct router *router, struct router_conf *conf, struct files *files,
	struct buf *error, struct buf *ignored)
{
	struct fault fault;
	if (conf_reload(&router_conf_spec, &router->conf, conf, router->argc, router->argv, error,
		    ignored) != 0) {
		return -1;
	}
	if (link_keys_load(&files->keys, &conf->link_key_file, &fault) != 0 ||
		hook_keys_load(&files->hook_keys, &conf->webhook_key_file, &fault) != 0) {
		link_keys_fini(&files->keys);
		conf_fault(&router_conf_spec, &router->conf_result, fault.option, fault.what,
			error);
		fault_fini(&fault);
		router_conf_fini(conf);
		return -1;
	}
	return 0;
}

// Takes over what `files` holds; `conf` is only read. The options of the start stay, as texts of
// them are borrowed everywhere; what a reload may change is copied from here.
static void use(struct router *router, const struct router_conf *conf, struct files *files)
{
	const struct route_options options = route_options_of(conf);
	link_keys_fini(&router->keys);
	router->keys = files->keys;
	set_seal(router);
	if (router->webhook != NULL) {
		webhook_reload(router->webhook, &files->hook_keys);
	}
	hook_keys_fini(&files->hook_keys);
	route_set_options(&router->route, &options);
	route_set_rooms(&router->route, &conf->room_options, &conf->room_slow_policy);
	log_set_level((enum log_level)conf->log_level);
}

static void on_hangup(void *arg)
{
	struct router *router = arg;
	struct router_conf conf = { 0 };
	struct files files = { 0 };
	struct buf error = { 0 };
	struct buf ignored = { 0 };
	notify_reloading(&router->notify);
	if (load_anew(router, &conf, &files, &error, &ignored) == 0) {
		use(router, &conf, &files);
		router_conf_fini(&conf);
		log_info("reloaded", LOG_BYTES("needs_restart", buf_bytes(&ignored)));
	} else {
		counter_add(&router->reload_failed, 1);
		log_error("reload_failed", LOG_BYTES("error", buf_bytes(&error)));
	}
	notify_ready(&router->notify);
	buf_fini(&error);
	buf_fini(&ignored);
}

// ---- life

static void on_stopping(void *arg)
{
	struct router *router = arg;
	uint64_t now_ms = clock_mono_ms();
	bool quiet = link_server_is_quiet(router->links);
	if (quiet || now_ms >= router->stop_by_ms) {
		log_info("stopped", LOG_UINT("quiet", quiet));
		loop_stop(router->loop);
		return;
	}
	loop_timer_start(&router->stopping, QUIET_LOOK_MS);
}

// Edges keep what their clients ask for the next router, and what they have asked is answered. A
// second signal does not wait for that.
static void on_stop(void *arg)
{
	struct router *router = arg;
	if (router->stop_by_ms > 0) {
		loop_stop(router->loop);
		return;
	}
	log_info("stopping");
	notify_stopping(&router->notify);
	link_server_hold(router->links, true);
	router->stop_by_ms = clock_mono_ms() + STOP_MAX_MS;
	loop_timer_start(&router->stopping, 0);
}

static void end_rest(void *arg)
{
	struct router *router = arg;
	log_warn("restart_prepare_over");
	loop_timer_stop(&router->prepared);
	router->rest_by_ms = 0;
	link_server_hold(router->links, false);
}

static enum admin_rest rest(void *arg)
{
	struct router *router = arg;
	uint64_t now_ms = clock_mono_ms();
	if (router->rest_by_ms == 0) {
		router->rest_by_ms = now_ms + STOP_MAX_MS;
		link_server_hold(router->links, true);
		loop_timer_start(&router->prepared, PREPARED_MS);
	}
	if (link_server_is_quiet(router->links)) {
		return ADMIN_REST_REACHED;
	}
	if (now_ms < router->rest_by_ms) {
		return ADMIN_REST_NOT_YET;
	}
	end_rest(router);
	return ADMIN_REST_GIVEN_UP;
}

static int listen_links(struct router *router)
{
	const struct link_server_options options = {
		.url = router->conf.listen,
		.tls = router->tls,
		.name = router->conf.name,
		.keys = &router->keys,
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
		.silent = edge_link_is_silent(edge, clock_mono_ms()),
	};
}

static int listen_admin(struct router *router)
{
	const char *why = NULL;
	router->admin_context = (struct admin_context){
		.route = &router->route,
		.name = router->conf.name,
		.store = router->conf.store,
		.store_ops = router_store_admin(&router->store),
		.store_arg = &router->store,
		.started_ms = clock_wall_ms(),
		.base_bytes = process_resident_bytes(),
		.edge_figures = edge_figures,
		.rest = rest,
		.arg = router,
	};
	router->admin =
		admin_server_new(router->loop, router->conf.admin, &router->admin_context, &why);
	return router->admin != NULL ? 0 : fail(router, "admin", router->conf.admin, why);
}

static int serve(struct router *router)
{
	char ops[NET_ADDR_TEXT_MAX];
	char ui[NET_ADDR_TEXT_MAX];
	if (listen_links(router) != 0 || listen_admin(router) != 0 ||
		listen_ops(router, ops) != 0 || listen_ui(router, ui) != 0) {
		return 1;
	}
	loop_timer_init(router->loop, &router->stopping, on_stopping, router);
	loop_timer_init(router->loop, &router->prepared, end_rest, router);
	loop_signal_start(router->loop, &router->sigterm, SIGTERM, on_stop, router);
	loop_signal_start(router->loop, &router->sigint, SIGINT, on_stop, router);
	loop_signal_start(router->loop, &router->sighup, SIGHUP, on_hangup, router);
	char *line =
		xasprintf("ready listen=%s admin=%s ops=%s%s%s", link_server_url(router->links),
			router->conf.admin, ops, ui[0] != '\0' ? " ui=" : "", ui);
	log_raw(line);
	free(line);
	if (router->keys.n == 0 && strncmp(router->conf.listen, "ipc:", 4) != 0) {
		log_warn("link_open_to_this_machine", LOG_STR("hint", "option link-key-file"));
	}
	watchdog_start(&router->watchdog, router->loop, &router->notify);
	notify_ready(&router->notify);
	loop_run(router->loop);
	watchdog_stop(&router->watchdog);
	loop_timer_stop(&router->stopping);
	loop_timer_stop(&router->prepared);
	loop_signal_stop(&router->sigterm);
	loop_signal_stop(&router->sigint);
	loop_signal_stop(&router->sighup);
	return router->store.taken ? 1 : 0;
}

// Before anything is bound, so that sockets of ipc URLs belong to that user; no port of a router
// needs root.
static int become_user(struct router *router)
{
	const char *user = router->conf.user;
	const char *why;
	if (user[0] == '\0') {
		return 0;
	}
	return process_become(user, &why) == 0 ? 0 : fail(router, "user", user, why);
}

static int open_store(struct router *router)
{
	struct fault fault;
	return router_store_open(&router->store, &router->conf, &router->route, router->loop,
		       &fault) == 0
		? 0
		: fail_at(router, &fault);
}

static int run(struct router *router)
{
	const struct route_options options = route_options_of(&router->conf);
	log_start(STDERR_FILENO, (enum log_format)router->conf.log_format,
		(enum log_level)router->conf.log_level);
	if (geteuid() == 0) {
		log_warn("running_as_root");
	}
	notify_open(&router->notify);
	router->loop = loop_new();
	route_init(&router->route, &options, NULL, NULL);
	route_set_rooms(&router->route, &router->conf.room_options, &router->conf.room_slow_policy);
	route_set_edges(&router->route, &router->conf.edge_options);
	set_seal(router);
	int result = open_webhook(router) != 0 || open_store(router) != 0 ? 1 : serve(router);
	process_end_within(END_MAX_MS, result);
	ops_http_free(router->ops);
	ops_http_free(router->ui);
	link_server_free(router->links); // edges learn of it whatever becomes of the rest
	admin_server_free(router->admin);
	router_store_close(&router->store);
	webhook_free(router->webhook);
	route_fini(&router->route);
	loop_free(router->loop);
	notify_close(&router->notify);
	log_stop();
	return result;
}

static int check_store(struct router *router)
{
	struct fault fault;
	if (load_store_files(router) != 0) {
		return 1;
	}
	int64_t damaged = router_store_check(&router->store, &router->conf, &fault);
	return damaged < 0 ? fail_at(router, &fault) : damaged > 0;
}

int main(int argc, char **argv)
{
	crypto_mem_init();
	struct router router = { .argc = argc, .argv = argv };
	router.conf_result = router_conf_load(&router.conf, argc, argv);
	int result = 0;
	switch (router.conf_result.action) {
	case CONF_FAIL:
		result = 1;
		break;
	case CONF_EXIT:
		break;
	case CONF_PROBE:
		result = probe_run(router.conf_result.probe_url);
		break;
	case CONF_CHECK:
		result = load_files(&router);
		break;
	case CONF_OWN:
		result = check_store(&router);
		break;
	case CONF_RUN:
		process_prepare();
		result = load_files(&router);
		if (result == 0) {
			result = become_user(&router);
		}
		if (result == 0) {
			result = run(&router);
		}
		break;
	}
	link_keys_fini(&router.keys);
	secret_file_free(&router.revocation_key);
	hook_keys_fini(&router.hook_keys);
	router_store_close(&router.store);
	link_tls_free(router.tls);
	router_conf_fini(&router.conf);
	return result;
}
