// The same figures twice, for people and for programs. Counts are of the whole run, from the first
// connection on; rates, CPU and latencies are of the measured time only.
//
// The unit of work that CPU is divided by is what the mode is about: a delivery, or in churn a
// whole connection. Memory per connection divides the growth of a process by all connections of the
// run: the sum over all edges is then the price of a connection, however they were spread.

#include "tests/bench/report.h"

#include <inttypes.h>

#include "common/buf.h"
#include "common/jscan.h"
#include "tests/bench/protocol.h"

static const struct {
	const char *name;
	double share;
} quantiles[] = {
	{ "p50", 0.5 },
	{ "p90", 0.9 },
	{ "p99", 0.99 },
	{ "p999", 0.999 },
	{ "max", 1.0 },
};

static const struct {
	const char *name;
	const char *text;
	size_t offset;
} counts[] = {
	{ "published", "published", offsetof(struct tally, published) },
	{ "acked", "acked", offsetof(struct tally, acked) },
	{ "refused", "refused", offsetof(struct tally, refused) },
	{ "unknown", "unknown outcome", offsetof(struct tally, unknown) },
	{ "unanswered", "unanswered", offsetof(struct tally, unanswered) },
	{ "expected", "expected", offsetof(struct tally, expected) },
	{ "delivered", "delivered", offsetof(struct tally, delivered) },
	{ "recovered", "of these recovered", offsetof(struct tally, recovered) },
	{ "foreign", "of these foreign", offsetof(struct tally, foreign) },
	{ "lost", "lost", offsetof(struct tally, lost) },
	{ "announced", "announced missing", offsetof(struct tally, announced) },
	{ "duplicated", "duplicated", offsetof(struct tally, duplicated) },
	{ "outOfOrder", "out of order", offsetof(struct tally, out_of_order) },
	{ "stray", "astray", offsetof(struct tally, stray) },
	{ "failed", "connections failed", offsetof(struct tally, failed) },
	{ "closed", "closed unexpectedly", offsetof(struct tally, closed) },
	{ "reconnected", "reconnected", offsetof(struct tally, reconnected) },
	{ "restarted", "had to start over", offsetof(struct tally, restarted) },
	{ "cycles", "cycles", offsetof(struct tally, cycles) },
};

static uint64_t count_at(const struct tally *t, size_t offset)
{
	uint64_t value;
	memcpy(&value, (const char *)t + offset, sizeof(value));
	return value;
}

static double per_second(const struct report *r, uint64_t n)
{
	return r->measured_ns > 0 ? (double)n * 1e9 / (double)r->measured_ns : 0;
}

static double share(double value, uint64_t n)
{
	return n > 0 ? value / (double)n : 0;
}

static bool is_churn(const struct report *r)
{
	return r->conf->mode == MODE_CHURN;
}

static uint64_t work_of(const struct report *r)
{
	return is_churn(r) ? r->cycles : r->deliveries;
}

static uint64_t cpu_of(const struct server_report *server)
{
	uint64_t from = server->begin.cpu_us;
	return server->end.cpu_us > from ? server->end.cpu_us - from : 0;
}

static double growth_of(const struct report *r, uint64_t before, uint64_t after)
{
	return share((double)after - (double)before, r->connections);
}

static double cpu_us_each(const struct report *r)
{
	uint64_t cpu = 0;
	for (size_t i = 0; i < r->n_servers; i++) {
		cpu += cpu_of(&r->servers[i]);
	}
	return share((double)cpu, work_of(r));
}

static double pss_growth_of_all(const struct report *r)
{
	double growth = 0;
	for (size_t i = 0; i < r->n_servers; i++) {
		growth += growth_of(r, r->servers[i].before.pss, r->servers[i].end.pss);
	}
	return growth;
}

static bool all_there(const struct report *r)
{
	bool there = true;
	for (size_t i = 0; i < r->n_servers; i++) {
		there = there && !r->servers[i].gone;
	}
	return there;
}

bool report_is_clean(const struct report *r)
{
	const struct tally *t = r->tally;
	bool faults = t->lost + t->duplicated + t->out_of_order + t->stray + t->failed > 0;
	bool told = t->announced + t->closed > 0;
	return !faults && (r->conf->reconnect || !told) && (r->connections > 0 || is_churn(r));
}

// For people

static void print_latency(const char *name, const struct hist *h, FILE *out)
{
	if (h->n == 0) {
		return;
	}
	fprintf(out, "%-20s", name);
	for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
		fprintf(out, " %s %.3f", quantiles[i].name,
			(double)hist_quantile(h, quantiles[i].share) / 1e6);
	}
	fprintf(out, " ms (%" PRIu64 " samples)\n", h->n);
}

static void print_rates(const struct report *r, FILE *out)
{
	if (is_churn(r)) {
		fprintf(out, "%-20s %.0f\n", "cycles/s", per_second(r, r->cycles));
	} else {
		fprintf(out, "%-20s %" PRIu32 ", all within %.2f s\n", "connections",
			r->connections, (double)r->connect_ns / 1e9);
	}
	if (r->conf->publishers > 0) {
		fprintf(out, "%-20s %.0f\n", "deliveries/s", per_second(r, r->deliveries));
	}
	print_latency("latency", r->latency, out);
	print_latency("connect to joined", r->joining, out);
	if (r->conf->rate > 0) {
		fprintf(out, "%-20s %.3f ms at most\n", "sent late", (double)r->late_max_ns / 1e6);
	}
}

static void print_server(const struct report *r, const struct server_report *server, FILE *out)
{
	fprintf(out, "%-20s", server->before.name);
	if (server->gone) {
		fprintf(out, " pid %d was not there all the time\n", server->pid);
		return;
	}
	if (work_of(r) > 0) {
		fprintf(out, " %.2f us, ", share((double)cpu_of(server), work_of(r)));
	}
	fprintf(out,
		" %.1f %% of a core, pss %.1f MiB, rss %.1f MiB, grown by %.0f / %.0f bytes a "
		"connection\n",
		share((double)cpu_of(server) * 1e5, r->measured_ns),
		(double)server->end.pss / 1048576, (double)server->end.rss / 1048576,
		growth_of(r, server->before.pss, server->end.pss),
		growth_of(r, server->before.rss, server->end.rss));
}

static void print_servers(const struct report *r, FILE *out)
{
	for (size_t i = 0; i < r->n_servers; i++) {
		print_server(r, &r->servers[i], out);
	}
	if (r->n_servers > 0 && all_there(r)) {
		fprintf(out, "%-20s", "all servers");
		if (work_of(r) > 0) {
			fprintf(out, " %.2f us CPU a %s,", cpu_us_each(r),
				is_churn(r) ? "cycle" : "delivery");
		}
		fprintf(out, " pss grown by %.0f bytes a connection\n", pss_growth_of_all(r));
	}
	fprintf(out, "%-20s %.1f %% of a core\n", "this program",
		share((double)r->client_cpu_us * 1e5, r->measured_ns));
}

void report_print(const struct report *r, FILE *out)
{
	fprintf(out, "%s: seed %" PRIu64 ", %.1f s measured%s\n", bench_mode_name(r->conf->mode),
		r->conf->seed, (double)r->measured_ns / 1e9, r->interrupted ? ", interrupted" : "");
	print_rates(r, out);
	print_servers(r, out);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		uint64_t n = count_at(r->tally, counts[i].offset);
		if (n > 0) {
			fprintf(out, "%-20s %" PRIu64 "\n", counts[i].text, n);
		}
	}
	for (size_t i = 0; i < r->endings->n_rows; i++) {
		fprintf(out, "%20" PRIu64 " %s\n", r->endings->rows[i].n, r->endings->rows[i].text);
	}
	fprintf(out, "%s\n", report_is_clean(r) ? "ok" : "NOT CLEAN");
}

// For programs

static void json_latency(const char *name, const struct hist *h, FILE *out)
{
	fprintf(out, ",\"%s\":{\"samples\":%" PRIu64, name, h->n);
	for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
		fprintf(out, ",\"%s\":%.3f", quantiles[i].name,
			(double)hist_quantile(h, quantiles[i].share) / 1e3);
	}
	fprintf(out, "}");
}

static void json_string(const char *text, FILE *out)
{
	struct buf quoted = { 0 };
	jscan_append_string(&quoted, bytes_str(text));
	fwrite(quoted.data, 1, quoted.len, out);
	buf_fini(&quoted);
}

// Null where part of it is missing.
static void json_number(double value, bool known, FILE *out)
{
	if (known) {
		fprintf(out, "%.3f", value);
	} else {
		fprintf(out, "null");
	}
}

static void json_server(const struct report *r, const struct server_report *server, FILE *out)
{
	fprintf(out, "{\"pid\":%d,\"name\":", server->pid);
	json_string(server->before.name, out);
	fprintf(out,
		",\"complete\":%s,\"cpuUs\":%" PRIu64 ",\"cpuUsEach\":%.3f,\"pss\":%" PRIu64
		",\"rss\":%" PRIu64 ",\"pssPerConnection\":%.1f,\"rssPerConnection\":%.1f}",
		server->gone ? "false" : "true", cpu_of(server),
		share((double)cpu_of(server), work_of(r)), server->end.pss, server->end.rss,
		growth_of(r, server->before.pss, server->end.pss),
		growth_of(r, server->before.rss, server->end.rss));
}

static void json_servers(const struct report *r, FILE *out)
{
	fprintf(out, ",\"servers\":[");
	for (size_t i = 0; i < r->n_servers; i++) {
		fprintf(out, "%s", i > 0 ? "," : "");
		json_server(r, &r->servers[i], out);
	}
	fprintf(out, "],\"serverCpuUsEach\":");
	json_number(cpu_us_each(r), all_there(r), out);
	fprintf(out, ",\"serverPssPerConnection\":");
	json_number(pss_growth_of_all(r), all_there(r), out);
	fprintf(out, ",\"clientCpuUs\":%" PRIu64, r->client_cpu_us);
}

static void json_endings(const struct endings *e, FILE *out)
{
	fprintf(out, ",\"endings\":{");
	for (size_t i = 0; i < e->n_rows; i++) {
		fprintf(out, "%s", i > 0 ? "," : "");
		json_string(e->rows[i].text, out);
		fprintf(out, ":%" PRIu64, e->rows[i].n);
	}
	fprintf(out, "}");
}

void report_print_json(const struct report *r, FILE *out)
{
	const struct bench_conf *conf = r->conf;
	fprintf(out,
		"{\"mode\":\"%s\",\"protocol\":\"%s\",\"seed\":%" PRIu64 ",\"clients\":%" PRIu64
		",\"rooms\":%" PRIu64 ",\"members\":%" PRIu64 ",\"publishers\":%" PRIu64
		",\"size\":%" PRIu64 ",\"window\":%" PRIu64 ",\"rate\":%" PRIu64,
		bench_mode_name(conf->mode), bench_protocols[conf->protocol]->name, conf->seed,
		conf->clients, conf->rooms, conf->members, conf->publishers, conf->size,
		conf->window, conf->rate);
	fprintf(out,
		",\"connections\":%" PRIu32 ",\"connectMs\":%.1f,\"measuredMs\":%.1f"
		",\"deliveries\":%" PRIu64 ",\"deliveriesPerS\":%.1f,\"cyclesPerS\":%.1f"
		",\"lateMaxUs\":%.3f",
		r->connections, (double)r->connect_ns / 1e6, (double)r->measured_ns / 1e6,
		r->deliveries, per_second(r, r->deliveries), per_second(r, r->cycles),
		(double)r->late_max_ns / 1e3);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		fprintf(out, ",\"%s\":%" PRIu64, counts[i].name,
			count_at(r->tally, counts[i].offset));
	}
	json_latency("latencyUs", r->latency, out);
	json_latency("joiningUs", r->joining, out);
	json_servers(r, out);
	json_endings(r->endings, out);
	fprintf(out, ",\"interrupted\":%s,\"clean\":%s}\n", r->interrupted ? "true" : "false",
		report_is_clean(r) ? "true" : "false");
}
