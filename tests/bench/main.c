// weir-bench: a run from its options to its exit status. Its phases: connect everybody, warm up,
// measure, wait for what is still under way, close, report. Idle and churn are the same run without
// a load; in churn the clients come and go by themselves.
//
// SIGINT and SIGTERM end the phase under way; the figures so far are reported all the same.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/bench/bench_conf.h"
#include "tests/bench/fleet.h"
#include "tests/bench/load.h"
#include "tests/bench/report.h"

enum {
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000,
	EXIT_UNUSABLE = 2, // options, or what they name
	CONNECT_PATIENCE_MS = 60000, // with option reconnect, which never settles by itself
};

struct run {
	struct bench_conf conf;
	struct fleet fleet;
	struct load load;
	struct report report;
	struct server_report *servers; // owned
	uint64_t start_ns;
	uint64_t next_line_ns;
	uint64_t last_delivered;
	uint64_t last_cycles;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signum)
{
	(void)signum;
	interrupted = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	CHECK(sigaction(SIGINT, &action, NULL) == 0);
	CHECK(sigaction(SIGTERM, &action, NULL) == 0);
}

// Progress

static void print_progress(struct run *run)
{
	const struct fleet *f = &run->fleet;
	const struct tally *t = &f->tally;
	fprintf(stderr, "%4.0f s  joined %u of %llu  in flight %llu  ",
		(double)(f->now_ns - run->start_ns) / NS_PER_S, f->n_joined,
		(unsigned long long)f->conf->clients, (unsigned long long)f->ledger.in_flight);
	if (f->conf->mode == MODE_CHURN) {
		fprintf(stderr, "cycles/s %llu",
			(unsigned long long)(t->cycles - run->last_cycles));
	} else {
		fprintf(stderr, "deliveries/s %llu  lost %llu  p99 %.3f ms",
			(unsigned long long)(t->delivered - run->last_delivered),
			(unsigned long long)t->lost,
			(double)hist_quantile(&f->latency, 0.99) / NS_PER_MS);
	}
	fprintf(stderr, "  closed %llu\n", (unsigned long long)t->closed);
	run->last_delivered = t->delivered;
	run->last_cycles = t->cycles;
}

static void turn(struct run *run, uint64_t wake_ns)
{
	fleet_turn(&run->fleet, wake_ns);
	if (run->conf.progress && run->fleet.now_ns >= run->next_line_ns) {
		print_progress(run);
		run->next_line_ns = run->fleet.now_ns + NS_PER_S;
	}
}

// Samples

enum moment {
	BEFORE,
	BEGIN,
	END,
};

static void sample_servers(struct run *run, enum moment moment)
{
	for (size_t i = 0; i < run->conf.pids.n; i++) {
		struct server_report *server = &run->servers[i];
		struct proc_stat *into = moment == BEFORE ? &server->before
			: moment == BEGIN                 ? &server->begin
							  : &server->end;
		if (proc_stat_read(server->pid, into) != 0) {
			server->gone = true;
		}
	}
}

static uint64_t own_cpu_us(void)
{
	struct rusage usage;
	CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000U +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// Phases

static void connect_all(struct run *run)
{
	uint64_t until_ns = run->start_ns + (uint64_t)CONNECT_PATIENCE_MS * NS_PER_MS;
	bool churns = run->conf.mode == MODE_CHURN;
	while (!churns && !interrupted && !fleet_is_settled(&run->fleet)) {
		if (run->conf.reconnect && run->fleet.now_ns > until_ns) {
			break;
		}
		turn(run, 0);
	}
	run->report.connect_ns = clock_mono_ns() - run->start_ns;
}

static void run_load(struct run *run, uint64_t until_ns)
{
	while (!interrupted && clock_mono_ns() < until_ns) {
		uint64_t wake_ns = load_pump(&run->load, until_ns);
		turn(run, wake_ns > 0 && wake_ns < until_ns ? wake_ns : until_ns);
	}
	if (run->conf.rate > 0) {
		load_pump(&run->load, until_ns); // a stall at the end delays what is due, no more
	}
}

static void measure(struct run *run)
{
	struct fleet *f = &run->fleet;
	sample_servers(run, BEGIN);
	uint64_t cpu_us = own_cpu_us();
	f->measure_from_ns = clock_mono_ns();
	f->measure_to_ns = f->measure_from_ns + run->conf.duration_ms * NS_PER_MS;
	run_load(run, f->measure_to_ns);
	uint64_t now_ns = clock_mono_ns();
	f->measure_to_ns = now_ns < f->measure_to_ns ? now_ns : f->measure_to_ns;
	run->report.client_cpu_us = own_cpu_us() - cpu_us;
	sample_servers(run, END);
	run->report.measured_ns = f->measure_to_ns - f->measure_from_ns;
	run->report.connections = f->n_joined;
}

static void drain(struct run *run)
{
	const struct fleet *f = &run->fleet;
	uint64_t until_ns = clock_mono_ns() + run->conf.drain_ms * NS_PER_MS;
	bool churns = run->conf.mode == MODE_CHURN;
	while (!churns && !interrupted && clock_mono_ns() < until_ns &&
		(ledger_is_waiting(&f->ledger) || !fleet_is_settled(f))) {
		turn(run, until_ns);
	}
}

static void run_all(struct run *run)
{
	run->start_ns = clock_mono_ns();
	run->next_line_ns = run->start_ns + NS_PER_S;
	sample_servers(run, BEFORE);
	connect_all(run);
	uint64_t now_ns = clock_mono_ns();
	load_init(&run->load, &run->fleet, now_ns);
	if (run->fleet.n_joined > 0 || run->conf.mode == MODE_CHURN) {
		run_load(run, now_ns + run->conf.warmup_ms * NS_PER_MS);
		measure(run);
		drain(run);
	}
	run->report.interrupted = interrupted != 0;
	fleet_close(&run->fleet);
}

static void fill_report(struct run *run)
{
	struct report *r = &run->report;
	const struct fleet *f = &run->fleet;
	r->conf = &run->conf;
	r->tally = &f->tally;
	r->endings = &f->endings;
	r->latency = &f->latency;
	r->joining = &f->joining;
	r->servers = run->servers;
	r->n_servers = run->conf.pids.n;
	r->deliveries = f->measured_deliveries;
	r->cycles = f->measured_cycles;
	r->late_max_ns = run->load.late_max_ns;
}

int main(int argc, char **argv)
{
	struct run *run = xcalloc(1, sizeof(*run));
	int status;
	if (!bench_conf_load(&run->conf, argc, argv, &status)) {
		free(run);
		return status;
	}
	catch_signals();
	run->servers = xcalloc(run->conf.pids.n + 1, sizeof(run->servers[0]));
	for (size_t i = 0; i < run->conf.pids.n; i++) {
		run->servers[i].pid = (int)strtol(run->conf.pids.items[i], NULL, 10);
	}
	status = EXIT_UNUSABLE;
	if (fleet_init(&run->fleet, &run->conf) == 0) {
		run_all(run);
		fill_report(run);
		if (run->conf.json) {
			report_print_json(&run->report, stdout);
		} else {
			report_print(&run->report, stdout);
		}
		status = report_is_clean(&run->report) ? EXIT_SUCCESS : EXIT_FAILURE;
		load_fini(&run->load);
	}
	fleet_fini(&run->fleet);
	free(run->servers);
	bench_conf_fini(&run->conf);
	free(run);
	return status;
}
