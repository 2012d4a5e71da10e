// One row an option; the row is the documentation, the parser and the default at once. Checks that
// need a file or a socket are not made here: they belong to whoever opens it, and are reported by
// conf_fault().
//
// What is marked CONF_RELOADABLE is what SIGHUP is for: keys, limits, log level. The rest is built
// into sockets, threads or the link and stays until a restart.

#include "edge/state/edge_conf.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/conf_check.h"
#include "common/https_get.h"
#include "common/mem.h"
#include "common/memory_limit.h"
#include "edge/http/client_addr.h"
#include "edge/http/origin.h"
#include "edge/uplink/router_link.h"
#include "proto/link_hello.h"
#include "proto/names.h"
#include "proto/policy/rights.h"

enum {
	QUEUE_SHARE = 4, // of the memory may be queues
	TIMEOUT_MIN_MS = 100, // a tick of the timers
	RECORDER_MAX = 1 << 30,
};

static const char *const auth_choices[] = { "jwt", "none", NULL };
static const char *const lobby_publish_choices[] = { "all", "admin", "none", NULL };
static const char *const compression_choices[] = { "off", "shared", NULL };
static const char *const log_level_choices[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_format_choices[] = { "text", "json", NULL };

static const char *check_name(const char *value)
{
	return link_name_valid(bytes_str(value)) ? NULL
						 : "not a name (1-64 letters, digits and . _ - :)";
}

static const char *check_jwt_key(const char *value)
{
	static const char fault[] = "not ALG:FILE or ALG:kid=FILE";
	const char *colon = strchr(value, ':');
	if (colon == NULL || colon == value || colon[1] == '\0' || colon[1] == '=') {
		return fault;
	}
	const char *equals = strchr(colon, '=');
	return equals != NULL && equals[1] == '\0' ? fault : NULL;
}

static const char *check_jwks_url(const char *value)
{
	if (strncmp(value, "https://", 8) != 0 || value[8] == '\0') {
		return "not an address that begins with https://";
	}
	return https_is_built() ? NULL : "this build has no libcurl";
}

static const char *check_room(const char *value)
{
	if (strlen(value) > ROOM_NAME_MAX) {
		return "longer than a room name may be (128 bytes)";
	}
	bool good = value[0] == '\0' || room_name_valid(bytes_str(value));
	return good ? NULL : "no name of a room (UTF-8 without control characters and *)";
}

static const char *check_type(const char *value)
{
	return strlen(value) > TYPE_NAME_MAX ? "longer than a type may be (64 bytes)" : NULL;
}

static const char *check_right(const char *value)
{
	struct rights *rights = rights_new();
	bool ok = rights_add_option(rights, value);
	rights_unref(rights);
	return ok ? NULL : "not RIGHT+RIGHT=PATTERN (RIGHT: join, publish, presence or history)";
}

#define FIELD(name) .offset = offsetof(struct edge_conf, name)
#define RELOADABLE  .flags = CONF_RELOADABLE

#define UNSET "9223372036854775807" // computed; the value 0 means something else

static const struct conf_option options[] = {
	{ "listen", CONF_LIST, FIELD(listen), .def = "0.0.0.0:8080", .check = conf_check_address,
		.help = "addresses for WebSocket and HTTP clients; empty: none" },
	{ "listen-tls", CONF_STRING, FIELD(listen_tls), .check = conf_check_address,
		.help = "address for clients that use TLS" },
	{ "tls-cert", CONF_STRING, FIELD(tls_cert), RELOADABLE,
		.help = "certificate chain for listen-tls, a PEM file" },
	{ "tls-key", CONF_STRING, FIELD(tls_key), RELOADABLE,
		.help = "private key for listen-tls, a PEM file" },
	{ "tls-client-ca", CONF_STRING, FIELD(tls_client_ca), RELOADABLE,
		.help = "certificate authorities, a PEM file; if set, clients must "
			"present a certificate" },
	{ "tls-ticket-key-file", CONF_STRING, FIELD(tls_ticket_key_file), RELOADABLE,
		.help = "file with session ticket keys shared by all edges, one per "
			"line, newest first" },
	{ "ops-listen", CONF_STRING, FIELD(ops_listen), .def = "127.0.0.1:9180",
		.check = conf_check_address,
		.help = "address of /metrics, /health and /ready; empty: none" },
	{ "router", CONF_LIST, FIELD(router), .def = "tcp://127.0.0.1:7070",
		.check = conf_check_dial_url, .help = "URLs of the routers" },
	{ "link-key-file", CONF_STRING, FIELD(link_key_file),
		.help = "file with the key that edge and router prove to each other" },
	{ "link-tls-cert", CONF_STRING, FIELD(link_tls_cert),
		.help = "this edge's certificate for the link, a PEM file" },
	{ "link-tls-key", CONF_STRING, FIELD(link_tls_key),
		.help = "this edge's private key for the link, a PEM file" },
	{ "link-tls-ca", CONF_STRING, FIELD(link_tls_ca),
		.help = "certificate authorities for the router's certificate, a PEM "
			"file" },
	{ "name", CONF_STRING, FIELD(name), .shown = "host and pid", .check = check_name,
		.help = "name of this edge, unique among the edges of a router" },
	{ "threads", CONF_UINT, FIELD(threads), .shown = "cores", .min = 1,
		.max = ROUTER_LINK_WORKERS_MAX, .help = "number of worker threads" },
	{ "user", CONF_STRING, FIELD(user), .check = conf_check_user,
		.help = "user to switch to after binding the ports" },

	{ "auth", CONF_ENUM, FIELD(auth), .choices = auth_choices,
		.help = "client authentication: jwt or none" },
	{ "insecure", CONF_BOOL, FIELD(insecure),
		.help = "allow auth=none on addresses that other machines can reach" },
	{ "jwt-key", CONF_LIST, FIELD(jwt_key), RELOADABLE, .check = check_jwt_key,
		.help = "keys that verify tokens, ALG:FILE or ALG:kid=FILE; for HS256 "
			"the key is the bytes of FILE without one trailing newline, or "
			"decoded from base64 with ALG:base64=FILE; otherwise FILE is a "
			"public key in PEM" },
	{ "jwks-file", CONF_STRING, FIELD(jwks_file), RELOADABLE,
		.help = "file with a JSON Web Key Set; reloaded when it changes" },
	{ "jwks-url", CONF_STRING, FIELD(jwks_url), .check = check_jwks_url,
		.help = "https:// address of a JSON Web Key Set; fetched at start, by "
			"age, and when a token has an unknown kid (every 10 s at most)" },
	{ "jwks-ca", CONF_STRING, FIELD(jwks_ca),
		.help = "certificate authorities for jwks-url, a PEM file; empty: the "
			"system's" },
	{ "jwks-refresh", CONF_DURATION, FIELD(jwks_refresh_ms), .def = "10m", .min = 1000,
		.help = "the set of jwks-url is fetched again at this age" },
	{ "jwt-issuer", CONF_STRING, FIELD(jwt_issuer), RELOADABLE,
		.help = "required value of the claim iss; empty: not checked" },
	{ "jwt-audience", CONF_STRING, FIELD(jwt_audience), RELOADABLE,
		.help = "value that the claim aud must contain; empty: not checked" },
	{ "jwt-user-claim", CONF_STRING, FIELD(jwt_user_claim), RELOADABLE,
		.shown = "sub, else userId",
		.help = "path of the claim with the user (a.b is b in the object a)" },
	{ "jwt-username-claim", CONF_STRING, FIELD(jwt_username_claim), RELOADABLE,
		.def = "username", .help = "path of the claim with the display name" },
	{ "jwt-roles-claim", CONF_STRING, FIELD(jwt_roles_claim), RELOADABLE, .shown = "roles",
		.help = "path of the claim with the roles; if set, a string is accepted "
			"as one role" },
	{ "jwt-rights-claim", CONF_STRING, FIELD(jwt_rights_claim), RELOADABLE, .def = "weir",
		.help = "path of the claim with the rights" },
	{ "jwt-leeway", CONF_DURATION, FIELD(jwt_leeway_ms), RELOADABLE, .def = "30s",
		.help = "tolerated clock difference when times in a token are checked" },
	{ "jwt-max-lifetime", CONF_DURATION, FIELD(jwt_max_lifetime_ms), RELOADABLE,
		.help = "longest time from iat to exp of a token; 0: unlimited" },
	{ "default-rights", CONF_LIST, FIELD(default_rights),
		.def = "join+publish+presence+history=*", .check = check_right,
		.help = "rights of tokens without the claim, as RIGHT+RIGHT=PATTERN" },
	{ "admin-role", CONF_STRING, FIELD(admin_role), RELOADABLE, .def = "admin",
		.help = "role with all rights; empty: none" },
	{ "lobby", CONF_STRING, FIELD(lobby), .def = "lobby", .check = check_room,
		.help = "room that every client joins automatically; empty: none" },
	{ "lobby-publish", CONF_ENUM, FIELD(lobby_publish), .choices = lobby_publish_choices,
		.help = "who may publish to the lobby" },
	{ "allowed-origins", CONF_LIST, FIELD(allowed_origins), RELOADABLE,
		.check = origin_entry_check,
		.help = "other origins whose pages may connect: scheme://host[:port], port * for "
			"any; "
			"null; * for all" },
	{ "message-types", CONF_LIST, FIELD(message_types), .check = check_type,
		.help = "the only message types that clients may publish; empty: all" },
	{ "ephemeral-types", CONF_LIST, FIELD(ephemeral_types), .def = "typing",
		.check = check_type,
		.help = "message types that are neither numbered nor kept in history" },

	{ "max-message", CONF_SIZE, FIELD(max_message), .def = "102400", .min = 64,
		.max = MESSAGE_MAX,
		.help = "largest message of a client, in bytes after decompression" },
	{ "max-connections", CONF_UINT, FIELD(max_connections),
		.shown = "0, as many as descriptors allow", RELOADABLE,
		.help = "most connections of this edge" },
	{ "max-connections-per-ip", CONF_UINT, FIELD(max_connections_per_ip), RELOADABLE,
		.help = "most connections from one address (IPv6: one /64); 0: "
			"unlimited" },
	{ "accept-rate", CONF_RATE, FIELD(accept_rate), RELOADABLE,
		.help = "most new connections from one address (IPv6: one /64); 0: "
			"unlimited" },
	{ "max-rooms-per-connection", CONF_UINT, FIELD(max_rooms_per_connection), RELOADABLE,
		.def = "100", .help = "most rooms that a connection may join; 0: unlimited" },
	{ "api-rate", CONF_RATE, FIELD(api_rate), RELOADABLE, .def = "1000/s burst 2000",
		.help = "most HTTP API requests of a user on this edge; 0: unlimited" },
	{ "rate-messages", CONF_RATE, FIELD(rate_messages), RELOADABLE, .def = "50/s burst 100",
		.help = "most messages of a connection; 0: unlimited" },
	{ "rate-admin", CONF_RATE, FIELD(rate_admin), RELOADABLE, .def = "1000/s burst 2000",
		.help = "most messages of a connection with admin-role; 0: unlimited" },
	{ "rate-bytes", CONF_RATE, FIELD(rate_bytes), RELOADABLE, .def = "256KiB/s burst 512KiB",
		.help = "most bytes of a connection (an admin: 16 times that), at least "
			"one message; 0: unlimited" },
	{ "queue-limit", CONF_SIZE, FIELD(queue_limit), RELOADABLE, .def = "1048576", .min = 1,
		.help = "most bytes queued for a connection; beyond that it is closed "
			"as slow" },
	{ "queue-total", CONF_SIZE, FIELD(queue_total), RELOADABLE, .def = UNSET,
		.shown = "a quarter of the memory",
		.help = "most bytes queued for all connections; beyond that those "
			"without progress for the longest time are closed as slow; 0: "
			"unlimited" },
	{ "slow-timeout", CONF_DURATION, FIELD(slow_timeout_ms), RELOADABLE, .def = "30s",
		.min = TIMEOUT_MIN_MS,
		.help = "a connection that takes no data for this long is closed as "
			"slow" },
	{ "heartbeat-interval", CONF_DURATION, FIELD(heartbeat_interval_ms), .def = "30s",
		.min = TIMEOUT_MIN_MS,
		.help = "a connection that is silent for this long is pinged" },
	{ "heartbeat-timeout", CONF_DURATION, FIELD(heartbeat_timeout_ms), .def = "35s",
		.min = TIMEOUT_MIN_MS,
		.help = "a connection that is silent for this long is closed" },
	{ "handshake-timeout", CONF_DURATION, FIELD(handshake_timeout_ms), .def = "10s",
		.min = TIMEOUT_MIN_MS, .help = "a request must arrive within this time" },
	{ "publish-queue", CONF_SIZE, FIELD(publish_queue), .def = "16MiB", .min = 1,
		.help = "most bytes of requests that wait for the router" },
	{ "publish-timeout", CONF_DURATION, FIELD(publish_timeout_ms), .def = "10s",
		.min = TIMEOUT_MIN_MS,
		.help = "a request without an answer for this long is answered "
			"unavailable" },

	{ "compression", CONF_ENUM, FIELD(compression), .choices = compression_choices,
		.def = "shared",
		.help = "permessage-deflate, done once for all receivers, or off" },
	{ "compression-level", CONF_UINT, FIELD(compression_level), .def = "3", .min = 1, .max = 9,
		.help = "zlib level, 1 (fastest) to 9 (smallest)" },
	{ "compression-mem-level", CONF_UINT, FIELD(compression_mem_level), .def = "7", .min = 1,
		.max = 9, .help = "zlib memory level, 1 (least memory) to 9" },
	{ "compression-threshold", CONF_SIZE, FIELD(compression_threshold), .def = "512",
		.help = "messages with fewer bytes are not compressed" },
	{ "trusted-proxies", CONF_LIST, FIELD(trusted_proxies), .check = trusted_proxies_check,
		.help = "networks (CIDR) whose X-Forwarded-For and X-Real-IP are "
			"believed" },
	{ "proxy-protocol", CONF_BOOL, FIELD(proxy_protocol),
		.help = "require a PROXY v2 header, accepted from trusted-proxies only" },
	{ "router-grace", CONF_DURATION, FIELD(router_grace_ms), RELOADABLE, .def = "30s",
		.help = "new clients are accepted for this long without a router" },
	{ "drain-timeout", CONF_DURATION, FIELD(drain_timeout_ms), RELOADABLE, .def = "20s",
		.help = "a drain closes all connections within this time" },
	{ "recorder-bytes", CONF_SIZE, FIELD(recorder_bytes), .def = "4MiB", .max = RECORDER_MAX,
		.help = "memory for weirctl explain; 0: none" },
	{ "demo", CONF_BOOL, FIELD(demo), RELOADABLE, .help = "serve a chat page at /demo" },
	{ "log-level", CONF_ENUM, FIELD(log_level), RELOADABLE, .def = "info",
		.choices = log_level_choices, .help = "lowest level that is logged" },
	{ "log-connections", CONF_BOOL, FIELD(log_connections), RELOADABLE, .def = "yes",
		.help = "log when clients connect and disconnect, at most 50 lines per "
			"second and thread" },
	{ "log-format", CONF_ENUM, FIELD(log_format), .choices = log_format_choices,
		.help = "format of log lines" },
};

// "HOST-PID", of the host's name only what a name may hold.
static char *default_name(void)
{
	char host[LINK_NAME_MAX - 11] = "edge"; // '-' and ten digits
	char whole[256];
	if (gethostname(whole, sizeof(whole)) == 0 && whole[0] != '\0') {
		whole[sizeof(whole) - 1] = '\0';
		size_t len = strnlen(whole, sizeof(host) - 1);
		memcpy(host, whole, len);
		host[len] = '\0';
	}
	for (size_t i = 0; host[i] != '\0'; i++) {
		if (!link_name_valid(bytes_make(&host[i], 1))) {
			host[i] = '-';
		}
	}
	return xasprintf("%s-%ld", host, (long)getpid());
}

// The cores that this process may use, which in a container are fewer than there are.
static uint64_t default_threads(void)
{
	cpu_set_t cores;
	long n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores)
								  : sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1) {
		return 1;
	}
	return n < ROUTER_LINK_WORKERS_MAX ? (uint64_t)n : ROUTER_LINK_WORKERS_MAX;
}

static bool listens_beyond_loopback(const struct edge_conf *conf)
{
	for (size_t i = 0; i < conf->listen.n; i++) {
		if (!conf_address_is_local(conf->listen.items[i])) {
			return true;
		}
	}
	return conf->listen_tls[0] != '\0' && !conf_address_is_local(conf->listen_tls);
}

// Of what listen-tls cannot do without, the option that is missing; NULL if nothing is.
static const char *missing_for_tls(const struct edge_conf *conf)
{
	if (conf->listen_tls[0] == '\0') {
		return NULL;
	}
	if (conf->tls_cert[0] == '\0') {
		return "tls-cert";
	}
	return conf->tls_key[0] == '\0' ? "tls-key" : NULL;
}

static const char *complete(void *arg, const char **what)
{
	struct edge_conf *conf = arg;
	if (conf->name[0] == '\0') {
		free(conf->name);
		conf->name = default_name();
	}
	if (conf->threads == 0) {
		conf->threads = default_threads();
	}
	if (conf->queue_total == INT64_MAX) {
		conf->queue_total = memory_limit("") / QUEUE_SHARE;
	}
	if (conf->router.n == 0) {
		*what = "empty value, an edge needs a router";
		return "router";
	}
	if (conf->auth == EDGE_AUTH_JWT && conf->jwt_key.n == 0 && conf->jwks_file[0] == '\0' &&
		conf->jwks_url[0] == '\0') {
		*what = "required with auth=jwt, or jwks-file or jwks-url";
		return "jwt-key";
	}
	if (conf->auth == EDGE_AUTH_NONE && !conf->insecure && listens_beyond_loopback(conf)) {
		*what = "none lets everybody in: listen on loopback addresses only, or set "
			"insecure";
		return "auth";
	}
	if (missing_for_tls(conf) != NULL) {
		*what = "required with listen-tls";
		return missing_for_tls(conf);
	}
	if (conf->heartbeat_timeout_ms <= conf->heartbeat_interval_ms) {
		*what = "must be longer than heartbeat-interval";
		return "heartbeat-timeout";
	}
	if (conf->proxy_protocol && conf->trusted_proxies.n == 0) {
		*what = "needs trusted-proxies, else no client can connect";
		return "proxy-protocol";
	}
	return NULL;
}

const struct conf_spec edge_conf_spec = {
	.program = "weir-edge",
	.env_prefix = "WEIR_EDGE_",
	.summary = "Accepts WebSocket clients and forwards their messages to the router.",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.size = sizeof(struct edge_conf),
	.complete = complete,
};

struct conf_result edge_conf_load(struct edge_conf *conf, int argc, char **argv)
{
	return conf_start(&edge_conf_spec, conf, argc, argv);
}

void edge_conf_fini(struct edge_conf *conf)
{
	conf_fini(&edge_conf_spec, conf);
}
