// Opens, reads and tells of whatever engine `store` names. Rejected: a table of functions that all
// engines have. They differ in how a log is read, what is known of it and who else may use it, so
// half of the table would be empty for each.

#include "router/router_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "router/router_conf.h"
#include "router/router_metrics.h"
#include "router/store/store_file.h"

static const char *folder_of(const struct router_conf *conf)
{
	size_t prefix = strlen(ROUTER_STORE_FILE);
	return strncmp(conf->store, ROUTER_STORE_FILE, prefix) == 0 ? conf->store + prefix : NULL;
}

static void on_turn(void *arg, uint64_t number, struct bytes turn)
{
	struct router_store *store = arg;
	route_load(store->route, &store->load, number, turn);
}

static void on_committed(void *arg, enum store_result result)
{
	struct router_store *store = arg;
	route_committed(store->route, result, clock_mono_ms(), clock_wall_ms());
}

// If parts of it were damaged, that they are void is written before anything else.
static int void_damage(struct router_store *store, struct fault *fault)
{
	if (route_is_idle(store->route)) {
		return 0;
	}
	route_end_turn(store->route);
	on_committed(store, store_file_ops.wait(store->file));
	const char *error = store_file_error(store->file);
	return error == NULL ? 0 : fault_set(fault, "store", "%s: %s", store->conf->store, error);
}

static void begin_load(struct router_store *store)
{
	store->load.now_ms = clock_mono_ms();
	store->load.wall_ms = clock_wall_ms();
}

static void log_load(const struct router_store *store)
{
	const struct route_load *load = &store->load;
	if (load->n_damaged > 0) {
		log_error("store_damaged", LOG_UINT("places", load->n_damaged));
	}
	log_info("store_read", LOG_UINT("messages", load->n_messages),
		LOG_UINT("rooms", store->route->table.rooms.n_entries),
		LOG_UINT("ms", clock_mono_ms() - load->now_ms));
}

static int open_file(struct router_store *store, struct loop *loop, struct fault *fault)
{
	store->file = store_file_open(folder_of(store->conf),
		store->conf->store_fsync == ROUTER_FSYNC_COMMIT, fault);
	if (store->file == NULL) {
		return -1;
	}
	if (store_file_is_lost(store->file)) {
		log_error("store_lost", LOG_STR("reason", "the machine has been down"));
	}
	begin_load(store);
	route_use_store(store->route, store_file_hash_key(store->file));
	if (store_file_read(store->file, on_turn, store, fault) != 0) {
		return -1;
	}
	log_load(store);
	store_file_start(store->file, loop, on_committed, store);
	route_loaded(store->route, &store->load, &store_file_ops, store->file);
	return void_damage(store, fault);
}

int router_store_open(struct router_store *store, const struct router_conf *conf,
	struct route *route, struct loop *loop, struct fault *fault)
{
	store->conf = conf;
	store->route = route;
	*fault = (struct fault){ 0 };
	return folder_of(conf) != NULL ? open_file(store, loop, fault) : 0;
}

void router_store_close(struct router_store *store)
{
	store_file_close(store->file);
	store->file = NULL;
}

void router_store_metrics(struct router_store *store, struct buf *out)
{
	if (store->file != NULL) {
		router_metrics_write_store(out, store_file_bytes(store->file),
			store_file_commit_seconds(store->file));
	}
}

// ---- weirctl

static uint64_t file_bytes(void *arg)
{
	const struct router_store *store = arg;
	return store_file_bytes(store->file);
}

static enum admin_job file_job(void *arg, const char *backup_to, bool again,
	struct admin_store_job *answer)
{
	const struct router_store *store = arg;
	struct store_job job = { .why = "it has ended meanwhile" };
	if (!again && !store_file_begin_job(store->file, backup_to)) {
		answer->why = "another check or backup is under way";
		return ADMIN_JOB_FAILED;
	}
	enum store_job_state state = store_file_job(store->file, &job);
	*answer = (struct admin_store_job){
		.turns = job.turns,
		.records = job.records,
		.damaged = job.damaged,
		.why = job.why,
	};
	return state == STORE_JOB_RUNS    ? ADMIN_JOB_NOT_YET
		: state == STORE_JOB_DONE ? ADMIN_JOB_DONE
					  : ADMIN_JOB_FAILED;
}

static const struct admin_store_ops file_ops = { .file_bytes = file_bytes, .job = file_job };

const struct admin_store_ops *router_store_admin(const struct router_store *store)
{
	return store->file != NULL ? &file_ops : NULL;
}

// ---- without a router

static int64_t check_file(const char *folder, struct fault *fault)
{
	struct store_job job;
	if (store_file_check(folder, &job, fault) != 0) {
		return -1;
	}
	printf("turns=%" PRIu64 " records=%" PRIu64 " damaged=%" PRIu64 "\n", job.turns,
		job.records, job.damaged);
	return (int64_t)job.damaged;
}

int64_t router_store_check(const struct router_conf *conf, struct fault *fault)
{
	const char *folder = folder_of(conf);
	*fault = (struct fault){ 0 };
	if (folder == NULL) {
		return fault_set(fault, "store", "%s: no folder, there is nothing to check",
			conf->store);
	}
	return check_file(folder, fault);
}
