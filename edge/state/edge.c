// Turns options into what the threads use, and answers the two questions that depend on the whole
// process: may a client come in, and is this edge ready. Everything a file can make wrong is found
// here, before anything listens.

#include "edge/state/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/secret_file.h"
#include "edge/uplink/uplink.h"
#include "proto/link/link_tls.h"
#include "proto/link_hello.h"

static const char *const *list_items(const struct conf_list *list)
{
	return (const char *const *)list->items;
}

static void init_codec(struct edge *edge)
{
	const struct edge_conf *conf = &edge->startup->conf;
	edge->codec = (struct codec_options){
		.lobby = bytes_str(conf->lobby),
		.message_types = list_items(&conf->message_types),
		.n_message_types = conf->message_types.n,
		.ephemeral_types = list_items(&conf->ephemeral_types),
		.n_ephemeral_types = conf->ephemeral_types.n,
	};
}

static int init_policy(struct edge *edge, struct fault *fault)
{
	const struct edge_conf *conf = &edge->startup->conf;
	edge->policy = (struct rights_policy){
		.defaults = rights_new(),
		.lobby = bytes_str(conf->lobby),
		.lobby_publish = (enum lobby_publish)conf->lobby_publish,
	};
	for (size_t i = 0; i < conf->default_rights.n; i++) {
		const char *text = conf->default_rights.items[i];
		if (!rights_add_option(edge->policy.defaults, text)) {
			return fault_set(fault, "default-rights",
				"\"%s\" is not RIGHT+RIGHT=PATTERN", text);
		}
	}
	return 0;
}

static int init_link_key(struct edge *edge, struct fault *fault)
{
	const char *path = edge->startup->conf.link_key_file;
	const char *why = NULL;
	if (path[0] == '\0') {
		return 0;
	}
	if (secret_file_read(path, EDGE_LINK_KEY_MAX, &edge->link_key, &why) == 0 &&
		edge->link_key.len < LINK_KEY_MIN) {
		why = "shorter than 32 bytes";
	}
	return why == NULL ? 0 : fault_set(fault, "link-key-file", "%s: %s", path, why);
}

static int init_link_tls(struct edge *edge, struct fault *fault)
{
	const struct edge_conf *conf = &edge->startup->conf;
	const struct link_tls_files files = {
		.cert = conf->link_tls_cert,
		.key = conf->link_tls_key,
		.ca = conf->link_tls_ca,
	};
	for (size_t i = 0; i < conf->router.n && i < EDGE_LINKS_MAX; i++) {
		const char *url = conf->router.items[i];
		if (!link_url_is_tls(url)) {
			continue;
		}
		edge->link_tls[i] = link_tls_new(LINK_ROLE_EDGE, &files, url, fault);
		if (edge->link_tls[i] == NULL) {
			return -1;
		}
	}
	return 0;
}

int edge_init(struct edge *edge, struct settings *startup, struct fault *fault)
{
	const struct edge_conf *conf = &startup->conf;
	edge->startup = settings_ref(startup);
	edge->ws_limits = (struct ws_limits){
		.message_max = conf->max_message,
		.fragments_max = EDGE_FRAGMENTS_MAX,
	};
	pack_locks_init(&edge->pack_locks);
	address_limits_init(&edge->addresses);
	api_rates_init(&edge->api_rates);
	revoked_init(&edge->revoked, edge_token_life_ms(edge));
	for (size_t i = 0; i < EDGE_LINKS_MAX; i++) {
		siblings_init(&edge->siblings[i]);
	}
	random_fill(edge->boot, sizeof(edge->boot));
	client_prefix(edge->boot, edge->instance);
	trusted_proxies_init(&edge->trusted, &conf->trusted_proxies);
	init_codec(edge);
	if (init_policy(edge, fault) != 0 || init_link_key(edge, fault) != 0) {
		return -1;
	}
	return init_link_tls(edge, fault);
}

uint64_t edge_token_life_ms(const struct edge *edge)
{
	const struct edge_conf *conf = &edge->startup->conf;
	uint64_t life_ms = conf->jwt_max_lifetime_ms;
	// An iat may lie ahead by the leeway, and exp is forgiven as much.
	return conf->auth == EDGE_AUTH_JWT && life_ms > 0 ? life_ms + 2 * conf->jwt_leeway_ms : 0;
}

void edge_fini(struct edge *edge)
{
	rights_unref(edge->policy.defaults);
	if (edge->startup != NULL) {
		revoked_fini(&edge->revoked);
		pack_locks_fini(&edge->pack_locks);
		api_rates_fini(&edge->api_rates);
		for (size_t i = 0; i < EDGE_LINKS_MAX; i++) {
			siblings_fini(&edge->siblings[i]);
		}
	}
	secret_file_free(&edge->link_key);
	trusted_proxies_fini(&edge->trusted);
	address_limits_fini(&edge->addresses);
	for (size_t i = 0; i < EDGE_LINKS_MAX; i++) {
		link_tls_free(edge->link_tls[i]);
	}
	settings_unref(edge->startup);
}

void edge_worker_done(struct edge *edge)
{
	if (atomic_fetch_sub(&edge->n_working, 1) == 1) {
		loop_wake_post(edge->all_done);
	}
}

bool edge_is_draining(const struct edge *edge)
{
	return atomic_load_explicit(&edge->stopping, memory_order_relaxed) ||
		atomic_load_explicit(&edge->draining, memory_order_relaxed);
}

size_t edge_max_connections(const struct edge *edge, const struct settings *settings)
{
	uint64_t wanted = settings->conf.max_connections;
	return wanted > 0 ? wanted : edge->possible_connections;
}

enum admission edge_admit(struct edge *edge, const struct settings *settings,
	const struct net_ip *ip, uint64_t now_ms, bool *counted)
{
	uint64_t max = settings->conf.max_connections_per_ip;
	const struct conf_rate *rate = &settings->conf.accept_rate;
	*counted = false;
	if ((max == 0 && rate->per_s == 0) || trusted_proxies_have(&edge->trusted, ip)) {
		return ADMISSION_OK;
	}
	enum admission admission = address_enter(&edge->addresses, ip, max, rate, now_ms);
	*counted = admission != ADMISSION_FLOOD;
	return admission;
}

void edge_release(struct edge *edge, const struct net_ip *ip, uint64_t now_ms)
{
	address_leave(&edge->addresses, ip, now_ms);
}

const char *edge_refusal(const struct edge *edge, const struct settings *settings, uint64_t now_ms)
{
	if (atomic_load_explicit(&edge->stopping, memory_order_relaxed)) {
		return "stopping";
	}
	if (atomic_load_explicit(&edge->draining, memory_order_relaxed)) {
		return "draining";
	}
	if (atomic_load_explicit(&edge->n_open, memory_order_relaxed) >=
		edge_max_connections(edge, settings)) {
		return "full";
	}
	for (unsigned i = 0; i < edge->n_links; i++) {
		struct router_link_status status = edge->link_ops->status(edge->links[i]);
		if (!status.admitted || !revoked_is_known(&edge->revoked)) {
			return "no router met yet";
		}
		// The link may have gone down after the caller read its clock.
		uint64_t until = status.down_since_ms + settings->conf.router_grace_ms;
		if (!status.up && until < now_ms) {
			return "no router";
		}
	}
	return NULL;
}

// NULL if it is ready; else why not.
static const char *unready(const struct edge *edge, const struct settings *settings,
	uint64_t now_ms)
{
	if (edge_is_draining(edge)) {
		return "draining";
	}
	for (unsigned i = 0; i < edge->n_links; i++) {
		struct router_link_status status = edge->link_ops->status(edge->links[i]);
		if (status.canary_ms == 0 || !revoked_is_known(&edge->revoked)) {
			return "no message has come back from a router yet";
		}
		// A canary may have come after the caller read its clock.
		uint64_t seen = status.canary_ms + settings->conf.router_grace_ms;
		if (seen < now_ms) {
			return "no message has come back from a router for router-grace";
		}
	}
	return NULL;
}

enum auth_result edge_verify(struct edge *edge, const struct settings *settings, struct bytes token,
	struct identity *id, const char **claim)
{
	enum auth_result result = auth_verify(settings->auth, token, clock_wall_ms(), id, claim);
	if (result == AUTH_KEY) {
		uint64_t ticket;
		(void)!jwks_source_want(edge->jwks, 0, &ticket);
	}
	return result;
}

// What ails the keys of jwks-url; NULL: nothing.
static const char *keys_text(const struct edge *edge, const struct settings *settings)
{
	if (edge->jwks == NULL || settings->auth == NULL) {
		return NULL;
	}
	if (!auth_has_keys(settings->auth)) {
		return "no keys of jwks-url yet";
	}
	return jwks_source_state(edge->jwks) == JWKS_FRESH
		? NULL
		: "ok, jwks-url cannot be fetched, older keys are in use";
}

struct edge_readiness edge_readiness(const struct edge *edge, const struct settings *settings,
	uint64_t now_ms)
{
	const char *why = unready(edge, settings, now_ms);
	const char *keys = keys_text(edge, settings);
	if (why == NULL && keys != NULL && !auth_has_keys(settings->auth)) {
		why = keys;
	}
	struct edge_readiness r = { .ready = why == NULL };
	snprintf(r.text, sizeof(r.text), "%s", why != NULL ? why : keys != NULL ? keys : "ok");
	for (unsigned i = 0; r.ready && i < edge->n_links; i++) {
		struct router_link_status status = edge->link_ops->status(edge->links[i]);
		if (!status.up) {
			// The link may have gone down after the caller read its clock.
			uint64_t lost_ms =
				now_ms > status.down_since_ms ? now_ms - status.down_since_ms : 0;
			snprintf(r.text, sizeof(r.text), "ok, router lost %llu s ago",
				(unsigned long long)(lost_ms / 1000));
		}
	}
	return r;
}
