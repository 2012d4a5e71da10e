// weir-edge: puts the parts together, in an order that matters. Everything that can be wrong with
// the options is found first; then addresses are bound, while still root; then root is dropped;
// only then come threads, since the identity of a process with threads is not easily changed, and
// the links, whose library starts its own.
//
// The main thread keeps time for the links, serves operators and catches signals. It never touches
// a client. Stopping: workers are notified and drain; when the last is empty, or drain-timeout is
// over, they are joined, then the links say goodbye, and only then is freed what both had in their
// hands.

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/https_get.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"
#include "common/notify.h"
#include "common/ops_http.h"
#include "common/probe.h"
#include "common/process.h"
#include "common/process_metrics.h"
#include "common/watchdog.h"
#include "edge/auth/key_watch.h"
#include "edge/client/accept.h"
#include "edge/client/worker.h"
#include "edge/metrics_page.h"
#include "edge/state/edge.h"
#include "edge/uplink/dispatch.h"
#include "proto/link/crypto_mem.h"
#include "proto/link_hello.h"

enum {
	// Descriptors beside those of clients: standard ones, links, operators, files; and for each
	// worker its listeners, its loop, its wake-ups.
	RESERVED_FILES = 128,
	RESERVED_FILES_WORKER = 8 + 2 * ACCEPT_LISTENERS_MAX,
	CONNECTIONS_MIN = 16,
	END_MAX_MS = 5000, // what has no client of ours is not waited for longer
};

struct program {
	int argc;
	char **argv;
	struct conf_result conf_result;
	struct settings *settings; // owned reference; those in use
	struct edge edge;
	struct dispatch dispatches[EDGE_LINKS_MAX];
	uint64_t reserved_files; // descriptors that are not for clients
	struct loop *loop;
	struct ops_http *ops;
	struct loop_signal sigterm;
	struct loop_signal sigint;
	struct loop_signal sighup;
	struct key_watch jwks_watch;
	struct buf jwks; // the set that jwks-url gave last
	struct loop_timer drain_timer;
	struct notify notify;
	struct watchdog watchdog;
	struct buf ready; // the line that names what was bound
};

// ---- start

static int fail(const struct program *p, const char *option, const char *what)
{
	struct buf line = { 0 };
	conf_fault(&edge_conf_spec, &p->conf_result, option, what, &line);
	buf_append(&line, "\n", 2); // with its NUL
	fputs((const char *)line.data, stderr);
	buf_fini(&line);
	return -1;
}

// `files` is how many descriptors the process may have.
static void limit_connections(struct program *p, uint64_t files)
{
	struct edge *edge = &p->edge;
	p->reserved_files = RESERVED_FILES + EDGE_SPARE_SOCKETS +
		(uint64_t)edge->n_workers * RESERVED_FILES_WORKER;
	edge->possible_connections = files > p->reserved_files ? files - p->reserved_files : 0;
}

static int check_limits(const struct program *p, const struct edge_conf *conf, struct fault *fault)
{
	uint64_t wanted = conf->max_connections > 0 ? conf->max_connections : CONNECTIONS_MIN;
	uint64_t possible = p->edge.possible_connections;
	if (possible >= wanted) {
		return 0;
	}
	return fault_set(fault, "max-connections",
		"%" PRIu64 " need %" PRIu64 " descriptors, the limit is %" PRIu64, wanted,
		p->reserved_files + wanted, p->reserved_files + possible);
}

static int fail_at(const struct program *p, struct fault *fault)
{
	int result = fail(p, fault->option, fault->what);
	fault_fini(fault);
	return result;
}

// Says that the address `text` of that option cannot be used, and why; `error` is a negative errno.
static int fail_address(struct program *p, const char *option, const char *text, int error)
{
	char *what = xasprintf("%s: %s", text, strerror(-error));
	int result = fail(p, option, what);
	free(what);
	return result;
}

typedef int worker_listen_fn(struct worker *w, struct net_addr *addr, bool exclusive);

static int listen_on(struct program *p, const char *option, const char *text,
	worker_listen_fn *worker_listen_on)
{
	struct net_addr addr;
	int result = net_addr_parse(&addr, text);
	for (unsigned i = 0; i < p->edge.n_workers && result == 0; i++) {
		result = worker_listen_on(p->edge.workers[i], &addr, i == 0);
	}
	if (result != 0) {
		return fail_address(p, option, text, result);
	}
	char bound[NET_ADDR_TEXT_MAX];
	net_addr_format(&addr, bound);
	bool first = p->ready.data[p->ready.len - 1] == '=';
	buf_printf(&p->ready, "%s%s", first ? "" : ",", bound);
	return 0;
}

static int listen_on_all(struct program *p)
{
	const struct conf_list *list = &p->settings->conf.listen;
	if (list->n >= ACCEPT_LISTENERS_MAX) {
		return fail(p, "listen", "too many addresses");
	}
	for (size_t i = 0; i < list->n; i++) {
		if (listen_on(p, "listen", list->items[i], worker_listen) != 0) {
			return -1;
		}
	}
	if (p->settings->conf.listen_tls[0] == '\0') {
		return 0;
	}
	buf_append_str(&p->ready, " listen-tls=");
	return listen_on(p, "listen-tls", p->settings->conf.listen_tls, worker_listen_tls);
}

static void serve_metrics(void *arg, struct ops_reply *reply)
{
	const struct program *p = arg;
	reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_page_write(&p->edge, &reply->body);
}

static void serve_health(void *arg, struct ops_reply *reply)
{
	(void)arg;
	buf_append_str(&reply->body, "ok\n");
}

static void serve_ready(void *arg, struct ops_reply *reply)
{
	const struct program *p = arg;
	const struct edge_readiness r = edge_readiness(&p->edge, p->settings, clock_mono_ms());
	reply->status = r.ready ? 200 : 503;
	buf_printf(&reply->body, "%s\n", r.text);
}

static int listen_for_operators(struct program *p)
{
	static const struct ops_route routes[] = {
		{ "/metrics", serve_metrics },
		{ "/health", serve_health },
		{ "/ready", serve_ready },
		{ NULL, NULL },
	};
	const char *text = p->settings->conf.ops_listen;
	if (text[0] == '\0') {
		return 0;
	}
	struct net_addr addr;
	int result = net_addr_parse(&addr, text);
	if (result == 0) {
		result = ops_http_new(p->loop, &addr, routes, p, &p->ops);
	}
	if (result != 0) {
		return fail_address(p, "ops-listen", text, result);
	}
	char bound[NET_ADDR_TEXT_MAX];
	net_addr_format(&addr, bound);
	buf_printf(&p->ready, " ops=%s", bound);
	return 0;
}

static int become_user(struct program *p)
{
	const char *user = p->settings->conf.user;
	const char *why;
	if (user[0] == '\0') {
		return 0;
	}
	return process_become(user, &why) == 0 ? 0 : fail(p, "user", why);
}

// ---- links

static bool on_batch(void *arg, uint64_t mark, struct bytes batch, uint64_t *workers)
{
	return dispatch_batch(arg, mark, batch, workers);
}

static void on_session(void *arg, uint64_t session)
{
	dispatch_session(arg, session);
}

static void start_links(struct program *p)
{
	static const struct router_link_ops ops = {
		.on_batch = on_batch,
		.on_session = on_session,
	};
	struct edge *edge = &p->edge;
	const struct edge_conf *conf = &edge->startup->conf;
	edge->link_ops = &router_link_uplink_ops;
	for (unsigned i = 0; i < edge->n_links; i++) {
		struct router_link_options options = {
			.url = conf->router.items[i],
			.tls = edge->link_tls[i],
			.hello = {
				.key = buf_bytes(&edge->link_key),
				.name = conf->name,
				.boot = edge->boot,
				.policy = &edge->policy,
				.siblings = &edge->siblings[i],
				.token_life_ms = edge_token_life_ms(edge),
				.n_workers = edge->n_workers,
			},
			.io_loop = worker_loop(edge->workers[0]),
			.queue_limit = conf->publish_queue,
		};
		dispatch_init(&p->dispatches[i], &edge->codec, (uint8_t)i, &edge->unknown_items[i]);
		p->dispatches[i].use = &edge->codec_use;
		p->dispatches[i].revoked = &edge->revoked;
		p->dispatches[i].siblings = &edge->siblings[i];
		for (unsigned j = 0; j < edge->n_workers; j++) {
			dispatch_add_worker(&p->dispatches[i], worker_inbox(edge->workers[j]));
		}
		edge->links[i] = router_link_new(p->loop, &options, &ops, &p->dispatches[i]);
		for (unsigned j = 0; j < edge->n_workers; j++) {
			worker_attach(edge->workers[j], i, edge->link_ops, edge->links[i]);
		}
	}
}

// ---- stop

static void on_all_done(void *arg)
{
	struct program *p = arg;
	loop_stop(p->loop);
}

static void on_drain_timeout(void *arg)
{
	struct program *p = arg;
	log_warn("drain_timeout", LOG_UINT("connections", atomic_load(&p->edge.n_open)));
	loop_stop(p->loop);
}

static void on_stop_signal(void *arg)
{
	struct program *p = arg;
	if (atomic_exchange(&p->edge.stopping, true)) {
		loop_stop(p->loop); // asked twice: at once
		return;
	}
	log_info("stopping", LOG_UINT("connections", atomic_load(&p->edge.n_open)));
	notify_stopping(&p->notify);
	loop_timer_start(&p->drain_timer, p->settings->conf.drain_timeout_ms);
	for (unsigned i = 0; i < p->edge.n_workers; i++) {
		worker_post(p->edge.workers[i]);
	}
}

// ---- reload

static struct settings *load_anew(struct program *p, struct buf *error, struct buf *ignored)
{
	struct edge_conf conf = { 0 };
	struct fault fault = { 0 };
	if (conf_reload(&edge_conf_spec, &p->settings->conf, &conf, p->argc, p->argv, error,
		    ignored) != 0) {
		return NULL;
	}
	struct settings *fresh = check_limits(p, &conf, &fault) == 0
		? settings_new(&conf, buf_bytes(&p->jwks), &fault)
		: NULL;
	if (fresh == NULL) {
		conf_fault(&edge_conf_spec, &p->conf_result, fault.option, fault.what, error);
		fault_fini(&fault);
		edge_conf_fini(&conf);
	}
	return fresh;
}

static void on_jwks_changed(void *arg);

static void watch_jwks(struct program *p)
{
	key_watch_stop(&p->jwks_watch);
	key_watch_start(&p->jwks_watch, p->loop, p->settings->conf.jwks_file, on_jwks_changed, p);
}

static void use_settings(struct program *p, struct settings *fresh)
{
	settings_unref(p->settings);
	p->settings = fresh;
	watch_jwks(p);
	log_set_level((enum log_level)fresh->conf.log_level);
	for (unsigned i = 0; i < p->edge.n_workers; i++) {
		worker_offer(p->edge.workers[i], fresh);
	}
}

static void on_hangup(void *arg)
{
	struct program *p = arg;
	struct buf error = { 0 };
	struct buf ignored = { 0 };
	notify_reloading(&p->notify);
	struct settings *fresh = load_anew(p, &error, &ignored);
	if (fresh != NULL) {
		use_settings(p, fresh);
		log_info("reloaded", LOG_BYTES("needs_restart", buf_bytes(&ignored)));
	} else {
		counter_add(&p->edge.reload_failed, 1);
		log_error("reload_failed", LOG_BYTES("error", buf_bytes(&error)));
	}
	notify_ready(&p->notify);
	buf_fini(&error);
	buf_fini(&ignored);
}

// Whoever keeps the set up to date need not know that somebody uses it. Nothing but the keys is
// read again: a configuration may be in the middle of being written.
static void on_jwks_changed(void *arg)
{
	struct program *p = arg;
	struct fault fault = { 0 };
	struct settings *fresh = settings_renew_keys(p->settings, buf_bytes(&p->jwks), &fault);
	if (fresh != NULL) {
		use_settings(p, fresh);
		log_info("keys_reloaded", LOG_STR("file", p->settings->conf.jwks_file));
	} else {
		counter_add(&p->edge.reload_failed, 1);
		log_error("reload_failed", LOG_STR("option", fault.option),
			LOG_STR("error", fault.what));
		fault_fini(&fault);
	}
}

// A set came from jwks-url. False if it is no good; the keys in use stay.
static bool on_jwks_set(void *arg, struct bytes set)
{
	struct program *p = arg;
	struct fault fault = { 0 };
	if (bytes_equal(set, buf_bytes(&p->jwks))) {
		return true;
	}
	struct settings *fresh = settings_renew_keys(p->settings, set, &fault);
	if (fresh == NULL) {
		log_error("jwks_refused", LOG_STR("error", fault.what));
		fault_fini(&fault);
		return false;
	}
	buf_reset(&p->jwks, SIZE_MAX);
	buf_append_bytes(&p->jwks, set);
	use_settings(p, fresh);
	log_info("keys_fetched", LOG_STR("url", p->settings->conf.jwks_url));
	return true;
}

static void start_jwks(struct program *p)
{
	const struct edge_conf *conf = &p->edge.startup->conf;
	const struct jwks_source_options options = {
		.url = conf->jwks_url,
		.ca_file = conf->jwks_ca,
		.refresh_ms = conf->jwks_refresh_ms,
	};
	if (conf->auth == EDGE_AUTH_JWT && conf->jwks_url[0] != '\0') {
		p->edge.jwks = jwks_source_new(p->loop, &options, on_jwks_set, p);
	}
}

static void tear_down(struct program *p)
{
	struct edge *edge = &p->edge;
	loop_signal_stop(&p->sigterm);
	loop_signal_stop(&p->sigint);
	loop_signal_stop(&p->sighup);
	key_watch_stop(&p->jwks_watch);
	loop_timer_stop(&p->drain_timer);
	watchdog_stop(&p->watchdog);
	notify_close(&p->notify);
	for (unsigned i = 0; i < edge->n_workers; i++) {
		worker_stop(edge->workers[i]);
	}
	for (unsigned i = 0; i < edge->n_links; i++) {
		router_link_free(edge->links[i]);
		dispatch_fini(&p->dispatches[i]);
	}
	ops_http_free(p->ops);
	jwks_source_free(edge->jwks);
	edge->jwks = NULL;
	for (unsigned i = 0; i < edge->n_workers; i++) {
		worker_free(edge->workers[i]);
	}
	loop_wake_free(edge->all_done);
	loop_free(p->loop);
	buf_fini(&p->ready);
	buf_fini(&p->jwks);
}

// ---- all of it

static void make_threads_parts(struct program *p)
{
	struct edge *edge = &p->edge;
	p->loop = loop_new();
	loop_timer_init(p->loop, &p->drain_timer, on_drain_timeout, p);
	edge->all_done = loop_wake_new(p->loop, on_all_done, p);
	edge->n_workers = (unsigned)p->settings->conf.threads;
	atomic_store(&edge->n_working, edge->n_workers);
	for (unsigned i = 0; i < edge->n_workers; i++) {
		edge->workers[i] = worker_new(edge, i);
	}
}

static int prepare(struct program *p)
{
	make_threads_parts(p);
	p->edge.base_bytes = process_resident_bytes();
	buf_append_str(&p->ready, "ready listen=");
	limit_connections(p, process_prepare());
	struct fault fault = { 0 };
	if (check_limits(p, &p->settings->conf, &fault) != 0) {
		return fail_at(p, &fault);
	}
	if (listen_on_all(p) != 0 || listen_for_operators(p) != 0) {
		return -1;
	}
	buf_append_byte(&p->ready, '\0');
	return become_user(p);
}

// Signals are for the main thread, so all others are started with them blocked.
static void start_threads(struct program *p)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	log_start(STDERR_FILENO, (enum log_format)p->settings->conf.log_format,
		(enum log_level)p->settings->conf.log_level);
	start_links(p);
	start_jwks(p);
	for (unsigned i = 0; i < p->edge.n_workers; i++) {
		worker_start(p->edge.workers[i]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void report_to_supervisor(struct program *p)
{
	notify_open(&p->notify);
	for (unsigned i = 0; i < p->edge.n_workers; i++) {
		watchdog_observe(&p->watchdog, worker_pulse(p->edge.workers[i]));
	}
	watchdog_start(&p->watchdog, p->loop, &p->notify);
	notify_ready(&p->notify);
}

static int run(struct program *p)
{
	if (prepare(p) != 0) {
		return 1;
	}
	loop_signal_start(p->loop, &p->sigterm, SIGTERM, on_stop_signal, p);
	loop_signal_start(p->loop, &p->sigint, SIGINT, on_stop_signal, p);
	loop_signal_start(p->loop, &p->sighup, SIGHUP, on_hangup, p);
	watch_jwks(p);
	start_threads(p);
	if (geteuid() == 0) {
		log_warn("running_as_root", LOG_STR("hint", "option user"));
	}
	log_raw((const char *)p->ready.data);
	report_to_supervisor(p);
	loop_run(p->loop);
	process_end_within(END_MAX_MS, 0);
	tear_down(p);
	log_info("stopped");
	log_stop();
	return 0;
}

// Takes over what `conf` holds.
static int load(struct program *p, struct edge_conf *conf)
{
	struct fault fault = { 0 };
	p->edge.n_links = 1;
	p->settings = settings_new(conf, bytes_make(NULL, 0), &fault);
	if (p->settings == NULL) {
		edge_conf_fini(conf);
		return fail_at(p, &fault);
	}
	if (edge_init(&p->edge, p->settings, &fault) != 0) {
		return fail_at(p, &fault);
	}
	if (p->settings->conf.router.n != 1) {
		return fail(p, "router", "more than one is not available yet");
	}
	return 0;
}

static void unload(struct program *p)
{
	edge_fini(&p->edge);
	settings_unref(p->settings);
}

int main(int argc, char **argv)
{
	static struct program program;
	struct program *p = &program;
	struct edge_conf conf = { 0 };
	crypto_mem_init();
	https_init();
	p->argc = argc;
	p->argv = argv;
	p->conf_result = edge_conf_load(&conf, argc, argv);
	switch (p->conf_result.action) {
	case CONF_EXIT:
		edge_conf_fini(&conf);
		return 0;
	case CONF_FAIL:
		return 1;
	case CONF_PROBE:
		return probe_run(p->conf_result.probe_url);
	case CONF_OWN:
	case CONF_CHECK:
	case CONF_RUN:
		break;
	}
	int result = load(p, &conf);
	if (result == 0 && p->conf_result.action == CONF_RUN) {
		result = run(p);
	}
	unload(p);
	return result == 0 ? 0 : 1;
}
