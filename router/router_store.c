// Opens, reads and tells of whatever engine `store` names. Rejected: a table of functions that all
// engines have. They differ in how a log is read, what is known of it and who else may use it, so
// half of the table would be empty for each.

#include "router/router_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/secret_file.h"
#include "router/router_conf.h"
#include "router/router_metrics.h"
#include "router/store/redis_url.h"
#include "router/store/store_file.h"
#include "router/store/store_redis.h"

enum {
	PASSWORD_MAX = 4096,
	REDIS_LOG_MIN = 16 << 20, // memory is dearer than a disk
};

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
	enum store_result result = store->file != NULL ? store_file_ops.wait(store->file)
						       : store_redis_ops.wait(store->redis);
	if (result == STORE_UNDECIDED) {
		return fault_set(fault, "store", "%s: it does not answer", store->conf->store);
	}
	on_committed(store, result);
	const char *error = store->file != NULL ? store_file_error(store->file)
						: store_redis_error(store->redis);
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

// ---- Redis

static void on_slot(void *arg, uint32_t slot, struct bytes log)
{
	struct router_store *store = arg;
	route_load_slot(store->route, &store->load, slot, log);
}

static void on_stall(void *arg, bool stalled)
{
	struct router_store *store = arg;
	route_stall(store->route, stalled, clock_mono_ms(), clock_wall_ms());
}

static void on_image(void *arg, struct store_slot_set *slots, struct buf *out)
{
	struct router_store *store = arg;
	route_image_slots(store->route, slots, out, 1 << 20);
}

// Whatever this router would still say may differ from what the other says.
static void on_taken(void *arg)
{
	struct router_store *store = arg;
	store->taken = true;
	log_error("store_taken", LOG_STR("reason", "another router has it"));
	loop_stop(store->loop);
}

static struct store_redis_options redis_options(const struct router_store *store)
{
	return (struct store_redis_options){
		.url = store->conf->store,
		.password = buf_bytes(&store->password),
		.name = store->conf->name,
		.timeout_ms = store->conf->store_timeout_ms,
		.replicas = store->conf->store_replicas,
	};
}

static int open_redis(struct router_store *store, struct loop *loop, struct fault *fault)
{
	const struct store_redis_events events = {
		.done = on_committed,
		.stall = on_stall,
		.image = on_image,
		.taken = on_taken,
		.arg = store,
	};
	const struct store_redis_options options = redis_options(store);
	store->loop = loop;
	store->redis = store_redis_open(&options, fault);
	if (store->redis == NULL) {
		return -1;
	}
	begin_load(store);
	route_use_store(store->route, store_redis_hash_key(store->redis));
	store->route->journal.log_min = REDIS_LOG_MIN;
	if (store_redis_read(store->redis, on_slot, store, fault) != 0) {
		return -1;
	}
	log_load(store);
	store_redis_start(store->redis, loop, &events);
	route_loaded(store->route, &store->load, &store_redis_ops, store->redis);
	return void_damage(store, fault);
}

int router_store_load_files(struct router_store *store, const struct router_conf *conf,
	struct fault *fault)
{
	const char *path = conf->store_password_file;
	const char *why;
	*fault = (struct fault){ 0 };
	if (path[0] == '\0' || secret_file_read(path, PASSWORD_MAX, &store->password, &why) == 0) {
		return 0;
	}
	return fault_set(fault, "store-password-file", "%s: %s", path, why);
}

int router_store_open(struct router_store *store, const struct router_conf *conf,
	struct route *route, struct loop *loop, struct fault *fault)
{
	store->conf = conf;
	store->route = route;
	*fault = (struct fault){ 0 };
	if (redis_url_is(conf->store)) {
		return open_redis(store, loop, fault);
	}
	return folder_of(conf) != NULL ? open_file(store, loop, fault) : 0;
}

// ---- a check of a Redis

// By a thread and over a connection of its own.
struct router_store_check {
	struct store_redis_options options; // what it names is the router's
	struct store_redis_check found;
	bool good;
	_Atomic bool is_over;
	pthread_t thread;
};

static void *run_check(void *arg)
{
	struct router_store_check *check = arg;
	struct fault fault;
	check->good = store_redis_check(&check->options, &check->found, &fault) == 0;
	if (!check->good) {
		log_error("store_check_failed", LOG_STR("reason", fault.what));
		fault_fini(&fault);
	}
	atomic_store(&check->is_over, true);
	return NULL;
}

static void end_check(struct router_store *store)
{
	if (store->check != NULL) {
		pthread_join(store->check->thread, NULL);
		free(store->check);
		store->check = NULL;
	}
}

void router_store_close(struct router_store *store)
{
	store_file_close(store->file);
	store->file = NULL;
	end_check(store);
	store_redis_close(store->redis);
	store->redis = NULL;
	secret_file_free(&store->password);
}

void router_store_metrics(struct router_store *store, struct buf *out)
{
	if (store->file != NULL) {
		router_metrics_write_store(out, store_file_bytes(store->file),
			store_file_commit_seconds(store->file));
	}
	if (store->redis != NULL) {
		struct store_redis_figures figures;
		store_redis_figures(store->redis, &figures);
		router_metrics_write_redis(out, &figures);
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

static uint64_t redis_bytes(void *arg)
{
	const struct router_store *store = arg;
	struct store_redis_figures figures;
	store_redis_figures(store->redis, &figures);
	return figures.bytes;
}

static void begin_check(struct router_store *store)
{
	store->check = xcalloc(1, sizeof(*store->check));
	store->check->options = redis_options(store);
	CHECK(pthread_create(&store->check->thread, NULL, run_check, store->check) == 0);
}

static enum admin_job redis_job(void *arg, const char *backup_to, bool again,
	struct admin_store_job *answer)
{
	struct router_store *store = arg;
	struct router_store_check *check = store->check;
	if (backup_to != NULL) {
		answer->why = "a Redis is copied by its own tools: redis-cli --rdb FILE, or BGSAVE";
		return ADMIN_JOB_FAILED;
	}
	if (check == NULL && !again) {
		begin_check(store);
		return ADMIN_JOB_NOT_YET;
	}
	if (check == NULL) {
		answer->why = "it has ended meanwhile";
		return ADMIN_JOB_FAILED;
	}
	if (!atomic_load(&check->is_over)) {
		return ADMIN_JOB_NOT_YET;
	}
	*answer = (struct admin_store_job){
		.turns = check->found.logs,
		.records = check->found.records,
		.damaged = check->found.damaged,
		.why = "the Redis did not answer all of it: see the log",
	};
	bool good = check->good;
	end_check(store);
	return good ? ADMIN_JOB_DONE : ADMIN_JOB_FAILED;
}

static const struct admin_store_ops redis_ops = {
	.by_slot = true,
	.file_bytes = redis_bytes,
	.job = redis_job,
	.compact_refusal = "a Redis keeps its own files short: redis-cli BGREWRITEAOF",
};

const struct admin_store_ops *router_store_admin(const struct router_store *store)
{
	return store->file != NULL ? &file_ops : store->redis != NULL ? &redis_ops : NULL;
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

static int64_t check_redis(struct router_store *store, struct fault *fault)
{
	struct store_redis_check found;
	const struct store_redis_options options = redis_options(store);
	if (store_redis_check(&options, &found, fault) != 0) {
		return -1;
	}
	printf("logs=%" PRIu64 " records=%" PRIu64 " damaged=%" PRIu64 "\n", found.logs,
		found.records, found.damaged);
	return (int64_t)found.damaged;
}

int64_t router_store_check(struct router_store *store, const struct router_conf *conf,
	struct fault *fault)
{
	const char *folder = folder_of(conf);
	*fault = (struct fault){ 0 };
	store->conf = conf;
	if (redis_url_is(conf->store)) {
		return check_redis(store, fault);
	}
	if (folder == NULL) {
		return fault_set(fault, "store", "%s: no folder, there is nothing to check",
			conf->store);
	}
	return check_file(folder, fault);
}
