// Where LMDB is missing: nothing opens, so nothing else here is ever called.

#include "router/store/store_file.h"

const struct store_engine_ops store_file_ops = { 0 };

struct store_file *store_file_open(const char *dir, bool sync, struct fault *fault)
{
	(void)sync;
	*fault = (struct fault){ 0 };
	(void)fault_set(fault, "store", "%s: this program was built without LMDB", dir);
	return NULL;
}

void store_file_close(struct store_file *f)
{
	(void)f;
}

bool store_file_is_lost(const struct store_file *f)
{
	(void)f;
	return false;
}

const uint64_t *store_file_hash_key(const struct store_file *f)
{
	(void)f;
	return NULL;
}

int store_file_read(struct store_file *f, store_turn_fn *each, void *arg, struct fault *fault)
{
	(void)f;
	(void)each;
	(void)arg;
	(void)fault;
	return -1;
}

void store_file_start(struct store_file *f, struct loop *loop, store_done_fn *done, void *arg)
{
	(void)f;
	(void)loop;
	(void)done;
	(void)arg;
}

const struct histogram *store_file_commit_seconds(const struct store_file *f)
{
	(void)f;
	return NULL;
}

uint64_t store_file_bytes(struct store_file *f)
{
	(void)f;
	return 0;
}

const char *store_file_error(const struct store_file *f)
{
	(void)f;
	return NULL;
}

bool store_file_begin_job(struct store_file *f, const char *backup_to)
{
	(void)f;
	(void)backup_to;
	return false;
}

enum store_job_state store_file_job(struct store_file *f, struct store_job *job)
{
	(void)f;
	(void)job;
	return STORE_JOB_NONE;
}

int store_file_check(const char *dir, struct store_job *job, struct fault *fault)
{
	(void)job;
	*fault = (struct fault){ 0 };
	return fault_set(fault, "store", "%s: this program was built without LMDB", dir);
}
