// A turn is one value under its number, so a commit appends one run of pages whatever the number of
// messages in it. Measured beside a row for each message: a tenth to a hundredth of the CPU. Turns
// that are not needed any more are deleted by the same transaction that makes them so; LMDB uses
// their pages again, so the file stays as large as it once was.
//
// The thread owns the database while it runs. It is handed one turn at a time and answers by a
// wake-up of the loop, or to whoever waits. No transaction is open between turns: an open reader
// would keep LMDB from using pages again.
//
// The map is grown when it is full, by the thread, between transactions. It is never written
// through: a full disk has to be an error of pwrite(), not a SIGBUS.
//
// LMDB without sync is not safe against a power cut, see store_mark.h.

#include "router/store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "router/core/store_record.h"
#include "router/store/store_mark.h"

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a turn's number is an integer key of LMDB");

#define MAP_MIN (UINT64_C(4) << 30) // of addresses; what is not written takes no memory
#define MAP_MAX (UINT64_C(1) << 40)

enum {
	DELETES_MAX = 4096 // turns a commit
};

struct store_file {
	char *dir; // owned
	bool sync;
	bool lost;
	int lock_fd;
	struct store_mark mark;
	MDB_env *env;
	MDB_dbi turns;
	uint64_t oldest; // number of the first turn in the database; the thread's

	struct loop_wake *wake;
	store_done_fn *done;
	void *arg;
	uint64_t begun_ns;
	struct histogram commit_seconds;
	struct log_limit refusal_log;

	bool started;
	pthread_t thread;
	pthread_mutex_t lock; // for what follows
	pthread_cond_t changed;
	struct store_turn turn;
	bool has_turn;
	bool has_result;
	bool closing;
	int error; // of the last turn: 0, or LMDB's
	int last_error; // of the last turn that was refused

	pthread_t job_thread;
	char *backup_to; // owned; NULL: the job is a check
	enum store_job_state job_state; // under the lock
	struct store_job job;
};

static const double commit_bounds[] = { 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
	25e-3, 100e-3, 1 };

// ---- opening

static int lock_folder(struct store_file *f, struct fault *fault)
{
	char *path = xasprintf("%s/lock", f->dir);
	f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int error = errno;
	free(path);
	if (f->lock_fd < 0) {
		return fault_set(fault, "store", "%s: %s", f->dir, strerrordesc_np(error));
	}
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		return fault_set(fault, "store", "%s: in use by another process", f->dir);
	}
	return 0;
}

static void remove_file(const struct store_file *f, const char *name)
{
	char *path = xasprintf("%s/%s", f->dir, name);
	if (unlink(path) != 0 && errno != ENOENT) {
		log_warn("store_file_left", LOG_STR("file", path));
	}
	free(path);
}

static void begin_anew(struct store_file *f)
{
	remove_file(f, "data.mdb");
	remove_file(f, "lock.mdb");
	f->mark = (struct store_mark){ .schema = STORE_SCHEMA };
	random_fill(f->mark.hash_key, sizeof(f->mark.hash_key));
}

static bool has_database(const struct store_file *f)
{
	char *path = xasprintf("%s/data.mdb", f->dir);
	bool found = access(path, F_OK) == 0;
	free(path);
	return found;
}

static int read_mark(struct store_file *f, struct fault *fault)
{
	int result = store_mark_read(f->dir, &f->mark);
	if (result == -ENOENT && !has_database(f)) {
		begin_anew(f);
		return 0;
	}
	if (result == -ENOENT || result == -EBADMSG) {
		return fault_set(fault, "store", "%s: not a store of weir-router", f->dir);
	}
	if (result != 0) {
		return fault_set(fault, "store", "%s: %s", f->dir, strerrordesc_np(-result));
	}
	if (f->mark.schema != STORE_SCHEMA) {
		return fault_set(fault, "store", "%s: of schema %u, this is %d", f->dir,
			f->mark.schema, STORE_SCHEMA);
	}
	if (!store_mark_is_trusted(&f->mark)) {
		f->lost = true;
		begin_anew(f);
	}
	return 0;
}

static int write_mark(struct store_file *f, bool clean)
{
	f->mark.sync = f->sync;
	f->mark.clean = clean;
	store_mark_boot(f->mark.boot);
	return store_mark_write(f->dir, &f->mark);
}

// 0 or LMDB's error.
static int open_turns(struct store_file *f)
{
	MDB_txn *txn;
	int result = mdb_txn_begin(f->env, NULL, 0, &txn);
	if (result != 0) {
		return result;
	}
	result = mdb_dbi_open(txn, "turns", MDB_CREATE | MDB_INTEGERKEY, &f->turns);
	if (result != 0) {
		mdb_txn_abort(txn);
		return result;
	}
	return mdb_txn_commit(txn);
}

// A file that is shorter than it says would be a SIGBUS when it is read.
static int check_length(const struct store_file *f)
{
	MDB_envinfo info;
	MDB_stat stat_of;
	struct stat file;
	int fd;
	int result = mdb_env_info(f->env, &info);
	if (result == 0) {
		result = mdb_env_stat(f->env, &stat_of);
	}
	if (result == 0) {
		result = mdb_env_get_fd(f->env, &fd);
	}
	if (result != 0) {
		return result;
	}
	if (fstat(fd, &file) != 0) {
		return errno;
	}
	return (uint64_t)file.st_size < (info.me_last_pgno + 1) * stat_of.ms_psize ? MDB_CORRUPTED
										   : 0;
}

static int open_database(struct store_file *f)
{
	int result = mdb_env_create(&f->env);
	if (result == 0) {
		result = mdb_env_set_maxdbs(f->env, 1);
	}
	if (result == 0) {
		result = mdb_env_set_mapsize(f->env, MAP_MIN);
	}
	if (result == 0) {
		result = mdb_env_open(f->env, f->dir, f->sync ? 0 : MDB_NOSYNC, 0600);
	}
	if (result == 0) {
		result = check_length(f);
	}
	if (result == 0) {
		result = open_turns(f);
	}
	// What an earlier process left without sync; and the file itself, if it is new.
	return result == 0 ? mdb_env_sync(f->env, 1) : result;
}

static int open_all(struct store_file *f, struct fault *fault)
{
	if (mkdir(f->dir, 0700) != 0 && errno != EEXIST) {
		return fault_set(fault, "store", "%s: %s", f->dir, strerrordesc_np(errno));
	}
	if (lock_folder(f, fault) != 0 || read_mark(f, fault) != 0) {
		return -1;
	}
	int result = write_mark(f, false);
	if (result != 0) {
		return fault_set(fault, "store", "%s: %s", f->dir, strerrordesc_np(-result));
	}
	result = open_database(f);
	return result == 0 ? 0 : fault_set(fault, "store", "%s: %s", f->dir, mdb_strerror(result));
}

struct store_file *store_file_open(const char *dir, bool sync, struct fault *fault)
{
	struct store_file *f = xcalloc(1, sizeof(*f));
	f->dir = xstrdup(dir);
	f->sync = sync;
	f->lock_fd = -1;
	f->oldest = 1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	histogram_init(&f->commit_seconds, commit_bounds, ARRAY_LEN(commit_bounds));
	*fault = (struct fault){ 0 };
	if (open_all(f, fault) != 0) {
		f->sync = false; // nothing was written
		mdb_env_close(f->env);
		f->env = NULL;
		store_file_close(f);
		return NULL;
	}
	return f;
}

bool store_file_is_lost(const struct store_file *f)
{
	return f->lost;
}

const uint64_t *store_file_hash_key(const struct store_file *f)
{
	return f->mark.hash_key;
}

// ---- reading

// `*oldest` is the number of the first; left alone if there is none.
static int read_turns(MDB_cursor *cursor, store_turn_fn *each, void *arg, uint64_t *oldest)
{
	MDB_val key;
	MDB_val value;
	int result = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	for (bool first = true; result == 0; first = false) {
		uint64_t number;
		if (key.mv_size != sizeof(number)) {
			return MDB_CORRUPTED;
		}
		memcpy(&number, key.mv_data, sizeof(number));
		*oldest = first ? number : *oldest;
		each(arg, number, bytes_make(value.mv_data, value.mv_size));
		result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return result == MDB_NOTFOUND ? 0 : result;
}

struct reading {
	store_turn_fn *each;
	void *arg;
	const uint8_t *from, *to; // in the map: all that was read
};

static void on_read(void *arg, uint64_t number, struct bytes turn)
{
	struct reading *r = arg;
	const uint8_t *to = turn.data + turn.len;
	r->from = r->from == NULL || turn.data < r->from ? turn.data : r->from;
	r->to = to > r->to ? to : r->to;
	r->each(r->arg, number, turn);
}

// What was read stays mapped, and would count as this process's memory until the kernel needs it.
static void forget_pages(const struct reading *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uint8_t *from = r->from + (page - (uintptr_t)r->from % page) % page;
	if (r->to > from) {
		(void)madvise((void *)from, (size_t)(r->to - from), MADV_DONTNEED);
	}
}

int store_file_read(struct store_file *f, store_turn_fn *each, void *arg, struct fault *fault)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	struct reading reading = { .each = each, .arg = arg };
	int result = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &txn);
	if (result == 0) {
		result = mdb_cursor_open(txn, f->turns, &cursor);
		if (result == 0) {
			result = read_turns(cursor, on_read, &reading, &f->oldest);
			mdb_cursor_close(cursor);
		}
		mdb_txn_abort(txn);
	}
	if (reading.from != NULL) {
		forget_pages(&reading);
	}
	return result == 0 ? 0 : fault_set(fault, "store", "%s: %s", f->dir, mdb_strerror(result));
}

// ---- the thread

// Deletes turns that are not needed behind this one, some at a time. `*oldest` is the first left.
static int delete_turns(const struct store_file *f, MDB_txn *txn, uint64_t keep_from,
	uint64_t *oldest)
{
	*oldest = f->oldest;
	for (int n = 0; n < DELETES_MAX && *oldest < keep_from; n++) {
		MDB_val key = { .mv_size = sizeof(*oldest), .mv_data = oldest };
		int result = mdb_del(txn, f->turns, &key, NULL);
		if (result != 0 && result != MDB_NOTFOUND) {
			return result;
		}
		(*oldest)++;
	}
	return 0;
}

static void copy(uint8_t **at, struct bytes part)
{
	if (part.len > 0) {
		memcpy(*at, part.data, part.len);
		*at += part.len;
	}
}

static int put_turn(const struct store_file *f, MDB_txn *txn, const struct store_turn *turn)
{
	uint64_t number = turn->number;
	MDB_val key = { .mv_size = sizeof(number), .mv_data = &number };
	MDB_val value = { .mv_size = turn->head.len + turn->images.len + turn->records.len };
	int result = mdb_put(txn, f->turns, &key, &value, MDB_APPEND | MDB_RESERVE);
	if (result == 0) {
		uint8_t *at = value.mv_data;
		copy(&at, turn->head);
		copy(&at, turn->images);
		copy(&at, turn->records);
	}
	return result;
}

static int try_commit(struct store_file *f, const struct store_turn *turn)
{
	MDB_txn *txn;
	uint64_t oldest;
	int result = mdb_txn_begin(f->env, NULL, 0, &txn);
	if (result != 0) {
		return result;
	}
	result = delete_turns(f, txn, turn->keep_from, &oldest);
	if (result == 0) {
		result = put_turn(f, txn, turn);
	}
	if (result != 0) {
		mdb_txn_abort(txn);
		return result;
	}
	result = mdb_txn_commit(txn);
	if (result == 0) {
		f->oldest = oldest;
	}
	return result;
}

// No transaction may be open meanwhile: a job's is waited for.
static int grow_map(struct store_file *f)
{
	MDB_envinfo info;
	pthread_mutex_lock(&f->lock);
	while (f->job_state == STORE_JOB_RUNS) {
		pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	int result = mdb_env_info(f->env, &info);
	if (result != 0 || info.me_mapsize >= MAP_MAX) {
		return result != 0 ? result : MDB_MAP_FULL;
	}
	return mdb_env_set_mapsize(f->env, info.me_mapsize * 2);
}

static int commit(struct store_file *f, const struct store_turn *turn)
{
	int result;
	while ((result = try_commit(f, turn)) == MDB_MAP_FULL && grow_map(f) == 0) {
	}
	return result;
}

static void *run(void *arg)
{
	struct store_file *f = arg;
	pthread_mutex_lock(&f->lock);
	for (;;) {
		while (!f->has_turn && !f->closing) {
			pthread_cond_wait(&f->changed, &f->lock);
		}
		if (!f->has_turn) {
			break;
		}
		struct store_turn turn = f->turn;
		pthread_mutex_unlock(&f->lock);
		int error = commit(f, &turn);
		pthread_mutex_lock(&f->lock);
		f->error = error;
		f->has_turn = false;
		f->has_result = true;
		pthread_cond_broadcast(&f->changed);
		loop_wake_post(f->wake);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

// ---- the routing thread

static void write_turn(void *engine, const struct store_turn *turn)
{
	struct store_file *f = engine;
	f->begun_ns = clock_mono_ns();
	pthread_mutex_lock(&f->lock);
	CHECK(!f->has_turn && !f->has_result);
	f->turn = *turn;
	f->has_turn = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static enum store_result result_of(struct store_file *f, int error)
{
	uint32_t suppressed;
	histogram_observe_ns(&f->commit_seconds, clock_mono_ns() - f->begun_ns);
	if (error == 0) {
		return STORE_COMMITTED;
	}
	f->last_error = error;
	if (log_limit_pass(&f->refusal_log, clock_mono_ms(), &suppressed)) {
		log_error("store_refused", LOG_STR("folder", f->dir),
			LOG_STR("reason", mdb_strerror(error)), LOG_UINT("suppressed", suppressed));
	}
	return STORE_REFUSED;
}

static enum store_result wait_for_turn(void *engine)
{
	struct store_file *f = engine;
	pthread_mutex_lock(&f->lock);
	while (!f->has_result) {
		pthread_cond_wait(&f->changed, &f->lock);
	}
	f->has_result = false;
	int error = f->error;
	pthread_mutex_unlock(&f->lock);
	return result_of(f, error);
}

static void on_wake(void *arg)
{
	struct store_file *f = arg;
	pthread_mutex_lock(&f->lock);
	bool has_result = f->has_result; // else somebody has waited for it
	int error = f->error;
	f->has_result = false;
	pthread_mutex_unlock(&f->lock);
	if (has_result) {
		f->done(f->arg, result_of(f, error));
	}
}

const struct store_engine_ops store_file_ops = { .write = write_turn, .wait = wait_for_turn };

void store_file_start(struct store_file *f, struct loop *loop, store_done_fn *done, void *arg)
{
	f->done = done;
	f->arg = arg;
	f->wake = loop_wake_new(loop, on_wake, f);
	CHECK(pthread_create(&f->thread, NULL, run, f) == 0);
	f->started = true;
}

static void end_thread(struct store_file *f)
{
	pthread_mutex_lock(&f->lock);
	f->closing = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	loop_wake_free(f->wake);
}

// ---- jobs

static void check_turn(void *arg, uint64_t number, struct bytes turn)
{
	struct store_job *job = arg;
	struct store_slot_set slots;
	struct store_record record;
	int result = -EBADMSG;
	(void)number;
	job->turns++;
	if (store_turn_open(&turn, &slots)) {
		while ((result = store_record_next(&turn, &record)) > 0) {
			job->records++;
		}
	}
	job->damaged += result < 0;
}

static int check_all(struct store_file *f, struct store_job *job)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	uint64_t oldest;
	int result = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &txn);
	if (result != 0) {
		return result;
	}
	result = mdb_cursor_open(txn, f->turns, &cursor);
	if (result == 0) {
		result = read_turns(cursor, check_turn, job, &oldest);
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return result;
}

static int sync_file(const char *dir)
{
	char *path = xasprintf("%s/data.mdb", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int result = fd < 0 || fsync(fd) != 0 ? errno : 0;
	if (fd >= 0) {
		close(fd);
	}
	free(path);
	return result;
}

static int open_to_read(struct store_file *f)
{
	MDB_txn *txn;
	int result = mdb_env_create(&f->env);
	if (result == 0) {
		result = mdb_env_set_maxdbs(f->env, 1);
	}
	if (result == 0) {
		result = mdb_env_open(f->env, f->dir, MDB_RDONLY, 0600);
	}
	if (result == 0) {
		result = check_length(f);
	}
	if (result == 0) {
		result = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &txn);
	}
	if (result == 0) {
		result = mdb_dbi_open(txn, "turns", MDB_INTEGERKEY, &f->turns);
		(void)mdb_txn_commit(txn); // else the handle ends with it
	}
	return result;
}

static int check_folder(struct store_file *f, struct store_job *job, struct fault *fault)
{
	struct stat stat_of;
	if (stat(f->dir, &stat_of) != 0) {
		return fault_set(fault, "store", "%s: %s", f->dir, strerrordesc_np(errno));
	}
	int result = store_mark_read(f->dir, &f->mark);
	if (result != 0 || f->mark.schema != STORE_SCHEMA) {
		return fault_set(fault, "store", "%s: not a store of weir-router", f->dir);
	}
	if (lock_folder(f, fault) != 0) {
		return -1;
	}
	if (!store_mark_is_trusted(&f->mark)) {
		return fault_set(fault, "store",
			"%s: written without sync, and the machine has been down since", f->dir);
	}
	result = open_to_read(f);
	if (result == 0) {
		result = check_all(f, job);
	}
	return result == 0 ? 0 : fault_set(fault, "store", "%s: %s", f->dir, mdb_strerror(result));
}

int store_file_check(const char *dir, struct store_job *job, struct fault *fault)
{
	struct store_file f = { .lock_fd = -1 };
	f.dir = xstrdup(dir);
	*job = (struct store_job){ 0 };
	*fault = (struct fault){ 0 };
	int result = check_folder(&f, job, fault);
	mdb_env_close(f.env);
	if (f.lock_fd >= 0) {
		close(f.lock_fd);
	}
	free(f.dir);
	return result;
}

static int back_up(struct store_file *f, const char *dir)
{
	struct store_mark mark = f->mark;
	if (mkdir(dir, 0700) != 0) {
		return errno;
	}
	int result = mdb_env_copy2(f->env, dir, MDB_CP_COMPACT);
	if (result == 0) {
		result = sync_file(dir);
	}
	mark.clean = true;
	return result == 0 ? -store_mark_write(dir, &mark) : result;
}

static void *run_job(void *arg)
{
	struct store_file *f = arg;
	struct store_job job = { 0 };
	int result = f->backup_to != NULL ? back_up(f, f->backup_to) : check_all(f, &job);
	job.why = result != 0 ? mdb_strerror(result) : NULL;
	pthread_mutex_lock(&f->lock);
	f->job = job;
	f->job_state = result == 0 ? STORE_JOB_DONE : STORE_JOB_FAILED;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

enum store_job_state store_file_job(struct store_file *f, struct store_job *job)
{
	pthread_mutex_lock(&f->lock);
	enum store_job_state state = f->job_state;
	pthread_mutex_unlock(&f->lock);
	if (state == STORE_JOB_DONE || state == STORE_JOB_FAILED) {
		pthread_join(f->job_thread, NULL);
		*job = f->job;
		free(f->backup_to);
		f->backup_to = NULL;
		f->job_state = STORE_JOB_NONE;
	}
	return state;
}

bool store_file_begin_job(struct store_file *f, const char *backup_to)
{
	struct store_job unasked;
	(void)store_file_job(f, &unasked);
	pthread_mutex_lock(&f->lock);
	bool may = f->job_state == STORE_JOB_NONE;
	if (may) {
		f->job_state = STORE_JOB_RUNS;
		f->backup_to = backup_to != NULL ? xstrdup(backup_to) : NULL;
		CHECK(pthread_create(&f->job_thread, NULL, run_job, f) == 0);
	}
	pthread_mutex_unlock(&f->lock);
	return may;
}

static void end_job(struct store_file *f)
{
	if (f->job_state != STORE_JOB_NONE) {
		pthread_join(f->job_thread, NULL);
		free(f->backup_to);
	}
}

void store_file_close(struct store_file *f)
{
	if (f == NULL) {
		return;
	}
	end_job(f);
	if (f->started) {
		end_thread(f);
	}
	if (f->env != NULL) {
		int result = mdb_env_sync(f->env, 1);
		mdb_env_close(f->env);
		result = result == 0 ? write_mark(f, true) : result;
		if (result != 0) {
			log_error("store_not_closed", LOG_STR("folder", f->dir));
		}
	}
	if (f->lock_fd >= 0) {
		close(f->lock_fd);
	}
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->dir);
	free(f);
}

// ---- figures

const struct histogram *store_file_commit_seconds(const struct store_file *f)
{
	return &f->commit_seconds;
}

uint64_t store_file_bytes(struct store_file *f)
{
	MDB_envinfo info;
	MDB_stat stat;
	if (mdb_env_info(f->env, &info) != 0 || mdb_env_stat(f->env, &stat) != 0) {
		return 0;
	}
	return (info.me_last_pgno + 1) * stat.ms_psize;
}

const char *store_file_error(const struct store_file *f)
{
	return f->last_error != 0 ? mdb_strerror(f->last_error) : NULL;
}
