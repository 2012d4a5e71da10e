// What a run is summed up in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/bench/bench_conf.h"
#include "tests/bench/endings.h"
#include "tests/bench/hist.h"
#include "tests/bench/proc_stat.h"
#include "tests/bench/tally.h"

struct server_report {
	int pid;
	struct proc_stat before; // anything was connected
	struct proc_stat begin, end; // of the measured time
	bool gone; // it could not be read at one of these times
};

struct report {
	const struct bench_conf *conf; // all borrowed
	const struct tally *tally;
	const struct endings *endings;
	const struct hist *latency;
	const struct hist *joining;
	const struct server_report *servers;
	size_t n_servers;

	uint32_t connections; // joined when the measured time ended
	uint64_t connect_ns; // until all had joined
	uint64_t measured_ns;
	uint64_t deliveries; // within
	uint64_t cycles; // churn, within
	uint64_t client_cpu_us; // within
	uint64_t late_max_ns; // open loop
	bool interrupted;
};

// True if all is well: nothing lost, repeated, out of order or astray, everybody connected; what
// the server announced as missing, and closed connections, only with option reconnect.
bool report_is_clean(const struct report *r);
void report_print(const struct report *r, FILE *out);
void report_print_json(const struct report *r, FILE *out);
