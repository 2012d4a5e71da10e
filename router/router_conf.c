// One row an option; the row is the documentation, the parser and the default at once. Checks that
// need a file or a socket are not made here: they belong to whoever opens it, and are reported by
// conf_fault().
//
// What is marked CONF_RELOADABLE is what SIGHUP is for: keys, limits, log level.

#include "router/router_conf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/conf_check.h"
#include "common/mem.h"
#include "proto/admin_path.h"
#include "proto/link_hello.h"
#include "router/core/edge_rules.h"
#include "router/core/room_rules.h"
#include "router/hooks/webhook.h"
#include "router/store/redis_url.h"

enum {
	MESSAGE_DEFAULT = 102400, // max-message of an edge that does not set it
	LINK_TIMEOUT_MIN_MS = 200,
	RECORDER_MAX = 1 << 30,
	WEBHOOK_QUEUE_MIN = 1 << 20, // some of the largest messages
	WEBHOOK_QUEUE_MAX = 1 << 30,
};

static const char *const store_fsync_choices[] = { "never", "commit", NULL };
static const char *const beyond_choices[] = { "reject", "newest-wins", NULL };
static const char *const log_level_choices[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_format_choices[] = { "text", "json", NULL };

static const char *check_name(const char *value)
{
	return link_name_valid(bytes_str(value)) ? NULL
						 : "not a name (1-64 letters, digits and . _ - :)";
}

// "FILE" or "NAME=FILE".
static const char *check_link_key(const char *value)
{
	const char *equals = strchr(value, '=');
	if (equals == NULL) {
		return NULL;
	}
	bool named = link_name_valid(bytes_make(value, (size_t)(equals - value)));
	return named && equals[1] != '\0' ? NULL : "not FILE or NAME=FILE";
}

static const char *check_ui_listen(const char *value)
{
	const char *fault = conf_check_address(value);
	return fault == NULL && !conf_address_is_local(value) ? "not a loopback address" : fault;
}

static const char *check_store(const char *value)
{
	if (strcmp(value, "memory") == 0) {
		return NULL;
	}
	size_t prefix = strlen(ROUTER_STORE_FILE);
	if (strncmp(value, ROUTER_STORE_FILE, prefix) == 0 && value[prefix] != '\0') {
		return NULL;
	}
	if (redis_url_is(value)) {
		struct redis_url url;
		const char *wrong = redis_url_parse(value, &url);
		redis_url_fini(&url);
		return wrong;
	}
	return "neither memory, file:DIR nor redis://HOST";
}

#define FIELD(name) .offset = offsetof(struct router_conf, name)
#define RELOADABLE  .flags = CONF_RELOADABLE

static const struct conf_option options[] = {
	{ "listen", CONF_STRING, FIELD(listen), .def = "tcp://127.0.0.1:7070",
		.check = conf_check_listen_url, .help = "URL for edges" },
	{ "link-key-file", CONF_LIST, FIELD(link_key_file), RELOADABLE, .check = check_link_key,
		.help = "files with keys that edges must prove, FILE or NAME=FILE for one edge" },
	{ "edge-options", CONF_LIST, FIELD(edge_options), .check = edge_rules_check,
		.help = "NAME users=PATTERN rooms=PATTERN admin=no: what edge NAME may send; "
			"NAME * stands for all others" },
	{ "revocation-key-file", CONF_STRING, FIELD(revocation_key_file),
		.help = "file with the key that authenticates revocations which edges return; "
			"empty: derived from the keys of edges" },
	{ "link-tls-cert", CONF_STRING, FIELD(link_tls_cert),
		.help = "the router's certificate for the link, a PEM file" },
	{ "link-tls-key", CONF_STRING, FIELD(link_tls_key),
		.help = "the router's private key for the link, a PEM file" },
	{ "link-tls-ca", CONF_STRING, FIELD(link_tls_ca),
		.help = "certificate authorities for edges' certificates, a PEM file" },
	{ "admin", CONF_STRING, FIELD(admin), .check = conf_check_ipc_url,
		.shown = "ipc:///run/weir/router.sock, or under $XDG_RUNTIME_DIR or /tmp",
		.help = "URL of the socket for weirctl" },
	{ "ops-listen", CONF_STRING, FIELD(ops_listen), .def = "127.0.0.1:9170",
		.check = conf_check_address,
		.help = "address of /metrics, /health and /ready; empty: none" },
	{ "ui-listen", CONF_STRING, FIELD(ui_listen), .check = check_ui_listen,
		.help = "loopback address of the operators' page; empty: none" },
	{ "name", CONF_STRING, FIELD(name), .check = check_name, .shown = "router and process id",
		.help = "name of this router" },
	{ "user", CONF_STRING, FIELD(user), .check = conf_check_user,
		.help = "user to switch to after the key files are read, before binding" },

	{ "store", CONF_STRING, FIELD(store), .def = "memory", .check = check_store,
		.help = "where rooms are kept: memory, file:DIR or "
			"redis://[USER@]HOST[:PORT][/DB]" },
	{ "store-fsync", CONF_ENUM, FIELD(store_fsync), .choices = store_fsync_choices,
		.help = "when a file store is on the disk: at its end, or at each commit" },
	{ "store-password-file", CONF_STRING, FIELD(store_password_file),
		.help = "file with the password of a Redis store" },
	{ "store-timeout", CONF_DURATION, FIELD(store_timeout_ms), .def = "2s", .min = 100,
		.max = 60000, .help = "after which a Redis store that does not answer is down" },
	{ "store-replicas", CONF_UINT, FIELD(store_replicas), .def = "0",
		.help = "replicas of a Redis store that must have what is acknowledged" },
	{ "history-messages", CONF_UINT, FIELD(history_messages), RELOADABLE, .def = "100",
		.help = "most messages kept per room; 0: unlimited" },
	{ "history-bytes", CONF_SIZE, FIELD(history_bytes), RELOADABLE, .def = "256KiB",
		.help = "most bytes kept per room; a larger message is not kept" },
	{ "history-age", CONF_DURATION, FIELD(history_age_ms), RELOADABLE, .def = "300s",
		.help = "messages and idle rooms are kept for this long; 0: unlimited" },
	{ "history-total", CONF_SIZE, FIELD(history_total), RELOADABLE, .def = "256MiB",
		.help = "most bytes kept for all rooms; 0: unlimited" },
	{ "dedup-total", CONF_SIZE, FIELD(dedup_total), RELOADABLE, .def = "64MiB",
		.help = "most bytes of idempotency keys; 0: unlimited" },

	{ "max-rooms", CONF_UINT, FIELD(max_rooms), RELOADABLE, .def = "1000000",
		.help = "most rooms; 0: unlimited" },
	{ "max-members-per-room", CONF_UINT, FIELD(max_members_per_room), RELOADABLE,
		.help = "most connections in a room; 0: unlimited" },
	{ "max-connections-per-user", CONF_BOUND, FIELD(max_connections_per_user), RELOADABLE,
		.choices = beyond_choices,
		.help = "most connections of a user, N reject or N newest-wins; 0: "
			"unlimited" },
	{ "rate-user", CONF_RATE, FIELD(rate_user), RELOADABLE,
		.help = "most messages of a user, over all connections; 0: unlimited" },
	{ "rate-user-bytes", CONF_RATE, FIELD(rate_user_bytes), RELOADABLE,
		.def = "400KiB/s burst 640KiB",
		.help = "bytes that a user publishes, as one receiver gets them; 0: "
			"unlimited" },
	{ "rate-fanout", CONF_RATE, FIELD(rate_fanout), RELOADABLE, .def = "1000000",
		.help = "deliveries that a user may cause in a second; 0: unlimited" },
	{ "rate-fanout-bytes", CONF_RATE, FIELD(rate_fanout_bytes), RELOADABLE,
		.def = "64MiB/s burst 128MiB",
		.help = "bytes that a user may cause to be delivered to all; 0: "
			"unlimited" },
	{ "rate-answers", CONF_RATE, FIELD(rate_answers), RELOADABLE, .def = "4MiB/s burst 16MiB",
		.help = "bytes of presence, history and recovery that a user is "
			"answered; 0: unlimited" },
	{ "rate-rooms", CONF_RATE, FIELD(rate_rooms), RELOADABLE, .def = "20/s burst 1000",
		.help = "rooms that a user makes by joining or publishing; 0: unlimited" },
	{ "presence-events-max", CONF_UINT, FIELD(presence_events_max), RELOADABLE, .def = "1000",
		.help = "a room with more members reports only their number" },
	{ "presence-linger", CONF_DURATION, FIELD(presence_linger_ms), RELOADABLE,
		.help = "a user who left is reported after this time, unless they are "
			"back" },
	{ "room-options", CONF_LIST, FIELD(room_options), RELOADABLE, .check = room_rules_check,
		.help = "PATTERN key=value ... for rooms whose name matches; the first one "
			"counts" },
	{ "room-slow-policy", CONF_LIST, FIELD(room_slow_policy), RELOADABLE,
		.check = room_rules_check_slow,
		.help = "PATTERN=disconnect, drop-oldest or conflate for slow receivers" },
	{ "recorder-bytes", CONF_SIZE, FIELD(recorder_bytes), .def = "16MiB", .max = RECORDER_MAX,
		.help = "memory for weirctl explain; 0: none" },
	{ "webhook-url", CONF_STRING, FIELD(webhook_url), .check = webhook_check_url,
		.help = "http or https URL to which events are posted; empty: none" },
	{ "webhook-key-file", CONF_LIST, FIELD(webhook_key_file), RELOADABLE,
		.help = "files with keys that sign the posts, whsec_ and base64 in each" },
	{ "webhook-events", CONF_LIST, FIELD(webhook_events), .check = webhook_check_event,
		.def = "client.connected,client.disconnected,room.occupied,room.vacated",
		.help = "events that are posted" },
	{ "webhook-rooms", CONF_LIST, FIELD(webhook_rooms), .check = webhook_check_pattern,
		.def = "*", .help = "patterns of rooms whose events are posted" },
	{ "webhook-queue", CONF_SIZE, FIELD(webhook_queue), .def = "16MiB",
		.min = WEBHOOK_QUEUE_MIN, .max = WEBHOOK_QUEUE_MAX,
		.help = "memory for events that wait; what does not fit is dropped" },
	{ "webhook-max-age", CONF_DURATION, FIELD(webhook_max_age_ms), .def = "300s",
		.help = "time after which an event that was not taken is dropped; 0: never" },
	{ "webhook-ca", CONF_STRING, FIELD(webhook_ca),
		.help = "file with the authorities of the https endpoint; empty: the system's" },
	{ "link-timeout", CONF_DURATION, FIELD(link_timeout_ms), .def = "6s",
		.min = LINK_TIMEOUT_MIN_MS,
		.help = "an edge that is silent for this long is forgotten" },
	{ "log-level", CONF_ENUM, FIELD(log_level), RELOADABLE, .def = "info",
		.choices = log_level_choices, .help = "lowest level that is logged" },
	{ "log-format", CONF_ENUM, FIELD(log_format), .choices = log_format_choices,
		.help = "format of log lines" },
};

static const char *complete(void *arg, const char **what)
{
	struct router_conf *conf = arg;
	if (conf->admin[0] == '\0') {
		char *admin = router_admin_default(what);
		if (admin == NULL) {
			return "admin";
		}
		free(conf->admin);
		conf->admin = admin;
		*what = conf_check_ipc_url(admin);
		if (*what != NULL) {
			return "admin";
		}
	}
	if (conf->name[0] == '\0') {
		free(conf->name);
		conf->name = xasprintf("router-%ld", (long)getpid());
	}
	if (conf->listen[0] == '\0') {
		*what = "empty value";
		return "listen";
	}
	if (conf->link_key_file.n == 0 && !conf_url_is_local(conf->listen)) {
		*what = "required where listen is not a loopback address";
		return "link-key-file";
	}
	*what = edge_rules_check_keys(&conf->edge_options, &conf->link_key_file);
	if (*what != NULL) {
		return "edge-options";
	}
	if (conf->webhook_url[0] != '\0' && conf->webhook_key_file.n == 0) {
		*what = "required by webhook-url";
		return "webhook-key-file";
	}
	if (conf->store[0] == '\0') {
		*what = "empty value";
		return "store";
	}
	if (conf->history_bytes < MESSAGE_DEFAULT) {
		*what = "too small, at least 100KiB, which is the default of max-message";
		return "history-bytes";
	}
	return NULL;
}

const struct conf_spec router_conf_spec = {
	.program = "weir-router",
	.env_prefix = "WEIR_ROUTER_",
	.summary = "Owns the rooms: their members, their messages and the order of these.",
	.own = "store-check",
	.own_help = "check all data in the store, print damage, and exit",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.size = sizeof(struct router_conf),
	.complete = complete,
};

struct conf_result router_conf_load(struct router_conf *conf, int argc, char **argv)
{
	return conf_start(&router_conf_spec, conf, argc, argv);
}

void router_conf_fini(struct router_conf *conf)
{
	conf_fini(&router_conf_spec, conf);
}
