// The modes differ in nothing but their shape: how many clients are in how many rooms, who of them
// publishes, and what happens once they have joined. The shape is settled here from whatever was
// given, so that the fleet and the load need not know the modes apart.
//
// A fault in the options exits with 2, as with other measuring tools, so that scripts can tell "you
// asked wrongly" from "a message was lost".

#include "tests/bench/bench_conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http_head.h"
#include "common/mem.h"
#include "proto/names.h"
#include "tests/bench/protocol.h"

enum {
	EXIT_USAGE = 2,
	CLIENTS_MAX = 1000000,
	PREFIX_MAX = 32,
};

static const char *const mode_names[] = {
	[MODE_IDLE] = "idle",
	[MODE_FANOUT] = "fanout",
	[MODE_ROOMS] = "rooms",
	[MODE_ECHO] = "echo",
	[MODE_CHURN] = "churn",
};

static const char *check_edge(const char *value)
{
	struct bytes host;
	uint16_t port = 0;
	bool ok = http_authority_split(bytes_str(value), &host, &port) && port != 0;
	return ok ? NULL : "not HOST:PORT";
}

static const char *check_pid(const char *value)
{
	size_t digits = strspn(value, "0123456789");
	return digits > 0 && digits < 10 && value[digits] == '\0' ? NULL : "not a process id";
}

// It goes into JSON and tokens as it is.
static const char *check_prefix(const char *value)
{
	size_t len = strlen(value);
	bool ok = len <= PREFIX_MAX;
	for (size_t i = 0; ok && i < len; i++) {
		ok = strchr("\"\\", value[i]) == NULL && value[i] > ' ' && value[i] <= '~';
	}
	return ok ? NULL : "not up to 32 printable ASCII characters without quotes";
}

static const char *const codec_names[] = { "json", "proto", NULL };

static const struct conf_option options[] = {
	{ .name = "edge",
		.type = CONF_LIST,
		.offset = offsetof(struct bench_conf, edges),
		.def = "127.0.0.1:8080",
		.check = check_edge,
		.help = "HOST:PORT to connect to; clients take turns (repeatable)" },
	{ .name = "tls",
		.type = CONF_BOOL,
		.offset = offsetof(struct bench_conf, tls),
		.help = "speak TLS with the edges; their certificates are not checked" },
	{ .name = "deflate",
		.type = CONF_BOOL,
		.offset = offsetof(struct bench_conf, deflate),
		.help = "agree on permessage-deflate, and inflate what comes" },
	{ .name = "protocol",
		.type = CONF_ENUM,
		.offset = offsetof(struct bench_conf, protocol),
		.choices = bench_protocol_names,
		.help = "what the clients speak" },
	{ .name = "codec",
		.type = CONF_ENUM,
		.offset = offsetof(struct bench_conf, codec),
		.choices = codec_names,
		.help = "of Weir: text, or binary frames of weir.v1.proto" },
	{ .name = "key",
		.type = CONF_STRING,
		.offset = offsetof(struct bench_conf, key_file),
		.help = "file with the HS256 key; each client gets a token and a user of its own" },
	{ .name = "token-file",
		.type = CONF_STRING,
		.offset = offsetof(struct bench_conf, token_file),
		.help = "file with tokens, one a line; clients take turns" },
	{ .name = "prefix",
		.type = CONF_STRING,
		.offset = offsetof(struct bench_conf, prefix),
		.shown = "bench- and the seed",
		.check = check_prefix,
		.help = "begin the names of rooms and users with this" },
	{ .name = "seed",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, seed),
		.shown = "from the clock",
		.help = "make the same choices again" },

	{ .name = "clients",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, clients),
		.max = CLIENTS_MAX,
		.shown = "idle 1000, echo 100, churn 50; else by members",
		.help = "connections; in churn, how many at once" },
	{ .name = "rooms",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, rooms),
		.max = CLIENTS_MAX,
		.shown = "rooms 100, idle 0",
		.help = "rooms (modes rooms and idle)" },
	{ .name = "members",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, members),
		.max = CLIENTS_MAX,
		.shown = "fanout 1000, rooms 10",
		.help = "connections in each room (modes fanout and rooms)" },
	{ .name = "publishers",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, publishers),
		.max = CLIENTS_MAX,
		.shown = "1",
		.help = "members that publish (mode fanout)" },

	{ .name = "size",
		.type = CONF_SIZE,
		.offset = offsetof(struct bench_conf, size),
		.def = "128",
		.max = 1 << 20,
		.help = "bytes of a published message, all its JSON" },
	{ .name = "window",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, window),
		.shown = "fanout: 4 messages, rooms and echo: one for each room",
		.help = "deliveries kept in flight, all rooms together" },
	{ .name = "rate",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, rate),
		.max = 10000000,
		.help = "messages a second at fixed times, instead of a window; 0: window" },

	{ .name = "warmup",
		.type = CONF_DURATION,
		.offset = offsetof(struct bench_conf, warmup_ms),
		.def = "2s",
		.help = "load before the figures are taken" },
	{ .name = "duration",
		.type = CONF_DURATION,
		.offset = offsetof(struct bench_conf, duration_ms),
		.def = "10s",
		.min = 1,
		.help = "load while the figures are taken; in idle, time to hold" },
	{ .name = "drain",
		.type = CONF_DURATION,
		.offset = offsetof(struct bench_conf, drain_ms),
		.def = "5s",
		.help = "longest wait for what is still under way at the end" },
	{ .name = "timeout",
		.type = CONF_DURATION,
		.offset = offsetof(struct bench_conf, timeout_ms),
		.def = "10s",
		.min = 100,
		.help = "longest time from connecting to having joined" },
	{ .name = "connect-rate",
		.type = CONF_UINT,
		.offset = offsetof(struct bench_conf, connect_rate),
		.max = 1000000,
		.help = "new connections a second; 0: as the servers take them" },
	{ .name = "reconnect",
		.type = CONF_BOOL,
		.offset = offsetof(struct bench_conf, reconnect),
		.help = "come back after a close, as it advises, and recover" },

	{ .name = "pid",
		.type = CONF_LIST,
		.offset = offsetof(struct bench_conf, pids),
		.check = check_pid,
		.help = "server process to report CPU and memory of (repeatable)" },
	{ .name = "json",
		.type = CONF_BOOL,
		.offset = offsetof(struct bench_conf, json),
		.help = "print the report as one JSON object" },
	{ .name = "progress",
		.type = CONF_BOOL,
		.offset = offsetof(struct bench_conf, progress),
		.def = "yes",
		.help = "a line each second on standard error" },
};

static uint64_t or_default(uint64_t value, uint64_t def)
{
	return value > 0 ? value : def;
}

// The option that has no meaning in this mode but was given, or NULL.
static const char *misplaced(const struct bench_conf *conf)
{
	bool sized = conf->mode == MODE_FANOUT || conf->mode == MODE_ROOMS;
	if (conf->clients > 0 && sized) {
		return "clients";
	}
	if (conf->members > 0 && !sized) {
		return "members";
	}
	if (conf->rooms > 0 && conf->mode != MODE_ROOMS && conf->mode != MODE_IDLE) {
		return "rooms";
	}
	if (conf->publishers > 0 && conf->mode != MODE_FANOUT) {
		return "publishers";
	}
	if ((conf->window > 0 || conf->rate > 0) &&
		(conf->mode == MODE_IDLE || conf->mode == MODE_CHURN)) {
		return conf->window > 0 ? "window" : "rate";
	}
	return NULL;
}

static void settle_shape(struct bench_conf *conf)
{
	switch (conf->mode) {
	case MODE_IDLE:
		conf->clients = or_default(conf->clients, 1000);
		conf->rooms = conf->rooms < conf->clients ? conf->rooms : conf->clients;
		conf->members =
			conf->rooms > 0 ? (conf->clients + conf->rooms - 1) / conf->rooms : 0;
		conf->warmup_ms = 0;
		break;
	case MODE_FANOUT:
		conf->rooms = 1;
		conf->members = or_default(conf->members, 1000);
		conf->clients = conf->members;
		conf->publishers = or_default(conf->publishers, 1);
		break;
	case MODE_ROOMS:
		conf->rooms = or_default(conf->rooms, 100);
		conf->members = or_default(conf->members, 10);
		conf->clients = conf->rooms * conf->members;
		conf->publishers = conf->clients;
		break;
	case MODE_ECHO:
	case MODE_CHURN:
		conf->clients = or_default(conf->clients, conf->mode == MODE_ECHO ? 100 : 50);
		conf->rooms = conf->clients;
		conf->members = 1;
		conf->publishers = conf->mode == MODE_ECHO ? conf->clients : 0;
		break;
	case MODE_COUNT:
		break;
	}
	uint64_t in_flight = conf->mode == MODE_FANOUT ? 4 : conf->rooms;
	conf->window = conf->rate > 0 ? 0 : or_default(conf->window, in_flight * conf->members);
}

static const char *complete(void *arg, const char **what)
{
	struct bench_conf *conf = arg;
	const char *name = misplaced(conf);
	if (name != NULL) {
		*what = "has no meaning in this mode";
		return name;
	}
	if (conf->window > 0 && conf->rate > 0) {
		*what = "not together with rate";
		return "window";
	}
	if (conf->key_file[0] != '\0' && conf->token_file[0] != '\0') {
		*what = "not together with token-file";
		return "key";
	}
	if (conf->codec != 0 && conf->protocol != BENCH_PROTOCOL_WEIR) {
		*what = "protocol weir alone has one";
		return "codec";
	}
	if (conf->codec != 0) {
		conf->protocol = BENCH_PROTOCOL_WEIR_PROTO;
	}
	settle_shape(conf);
	if (conf->clients > CLIENTS_MAX) {
		*what = "more than 1000000 clients in all";
		return "members";
	}
	if (conf->publishers > conf->clients) {
		*what = "more than members";
		return "publishers";
	}
	if (conf->seed == 0) {
		conf->seed = (clock_mono_ns() ^ (uint64_t)getpid() << 16) & UINT32_MAX;
	}
	if (conf->prefix[0] == '\0') {
		free(conf->prefix);
		conf->prefix = xasprintf("bench-%" PRIx32, (uint32_t)conf->seed);
	}
	return NULL;
}

static const struct conf_spec spec = {
	.program = "weir-bench idle|fanout|rooms|echo|churn",
	.env_prefix = "WEIR_BENCH_",
	.summary =
		"Lets a fleet of clients loose on a server, and says what became of each message.",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.size = sizeof(struct bench_conf),
	.complete = complete,
};

const char *bench_mode_name(enum bench_mode mode)
{
	return mode_names[mode];
}

static bool take_mode(struct bench_conf *conf, const char *word)
{
	for (unsigned i = 0; i < MODE_COUNT; i++) {
		if (strcmp(word, mode_names[i]) == 0) {
			conf->mode = (enum bench_mode)i;
			return true;
		}
	}
	return false;
}

bool bench_conf_load(struct bench_conf *conf, int argc, char **argv, int *status)
{
	int skip = 0;
	if (argc > 1 && take_mode(conf, argv[1])) {
		skip = 1;
	} else if (argc < 2 || argv[1][0] != '-') {
		fprintf(stderr,
			"error: command line: argument: the first must be idle, fanout, "
			"rooms, echo or churn\n");
		*status = EXIT_USAGE;
		return false;
	}
	struct conf_result result = conf_start(&spec, conf, argc - skip, argv + skip);
	bool run = result.action == CONF_RUN && skip == 1;
	bool said = result.action == CONF_EXIT || result.action == CONF_CHECK;
	if (!run && !said && result.action != CONF_FAIL) {
		fprintf(stderr, "error: command line: argument: the mode comes first\n");
	}
	*status = said ? EXIT_SUCCESS : EXIT_USAGE;
	if (!run) {
		bench_conf_fini(conf);
	}
	return run;
}

void bench_conf_fini(struct bench_conf *conf)
{
	conf_fini(&spec, conf);
}
