// The options of weir-bench.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/conf/conf.h"

enum bench_mode {
	MODE_IDLE,
	MODE_FANOUT,
	MODE_ROOMS,
	MODE_ECHO,
	MODE_CHURN,
	MODE_COUNT,
};

struct bench_conf {
	enum bench_mode mode;

	struct conf_list edges; // HOST:PORT
	bool tls;
	bool deflate;
	int protocol; // index into bench_protocols
	int codec; // of Weir: 1 makes another protocol of it
	char *key_file;
	char *token_file;
	char *prefix; // of rooms and users
	uint64_t seed;

	// As given; after bench_conf_load() as they are: clients in blocks of `members` in `rooms`
	// rooms, the first `publishers` of all publish.
	uint64_t clients;
	uint64_t rooms;
	uint64_t members;
	uint64_t publishers;

	uint64_t size;
	uint64_t window; // deliveries in flight; 0 with a rate
	uint64_t rate; // messages a second; 0: closed loop

	uint64_t warmup_ms;
	uint64_t duration_ms;
	uint64_t drain_ms;
	uint64_t timeout_ms;
	uint64_t connect_rate; // 0: none
	bool reconnect;

	struct conf_list pids;
	bool json;
	bool progress;
};

const char *bench_mode_name(enum bench_mode mode);

// Reads `weir-bench MODE [options]` into the zeroed `conf`. Returns true to run; else `*status` is
// how to exit.
bool bench_conf_load(struct bench_conf *conf, int argc, char **argv, int *status);
void bench_conf_fini(struct bench_conf *conf);
