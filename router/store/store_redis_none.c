// Where hiredis is missing: nothing opens, so nothing else here is ever called.

#include "router/store/store_redis.h"

const struct store_engine_ops store_redis_ops = { 0 };

static int missing(const struct store_redis_options *options, struct fault *fault)
{
	*fault = (struct fault){ 0 };
	return fault_set(fault, "store", "%s: this program was built without hiredis",
		options->url);
}

struct store_redis *store_redis_open(const struct store_redis_options *options, struct fault *fault)
{
	(void)missing(options, fault);
	return NULL;
}

void store_redis_close(struct store_redis *r)
{
	(void)r;
}

const uint64_t *store_redis_hash_key(const struct store_redis *r)
{
	(void)r;
	return NULL;
}

int store_redis_read(struct store_redis *r, store_slot_fn *each, void *arg, struct fault *fault)
{
	(void)r;
	(void)each;
	(void)arg;
	(void)fault;
	return -1;
}

void store_redis_start(struct store_redis *r, struct loop *loop,
	const struct store_redis_events *events)
{
	(void)r;
	(void)loop;
	(void)events;
}

void store_redis_figures(struct store_redis *r, struct store_redis_figures *figures)
{
	(void)r;
	*figures = (struct store_redis_figures){ 0 };
}

const char *store_redis_error(const struct store_redis *r)
{
	(void)r;
	return NULL;
}

int store_redis_check(const struct store_redis_options *options, struct store_redis_check *check,
	struct fault *fault)
{
	*check = (struct store_redis_check){ 0 };
	return missing(options, fault);
}
