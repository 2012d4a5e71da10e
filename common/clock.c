// The source is the only thing at file scope that can change, beside the logger. Passing it to
// everybody who reads the time was rejected: it would be a parameter of nearly all that is built,
// for tests alone.

#include "common/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t system_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

static int64_t system_wall_ms(void)
{
	return (int64_t)(now_ns(CLOCK_REALTIME) / 1000000U);
}

static const struct clock_source system_source = {
	.mono_ns = system_mono_ns,
	.wall_ms = system_wall_ms,
};
static const struct clock_source *source = &system_source;

void clock_use(const struct clock_source *other)
{
	source = other != NULL ? other : &system_source;
}

uint64_t clock_mono_ms(void)
{
	return source->mono_ns() / 1000000U;
}

uint64_t clock_mono_ns(void)
{
	return source->mono_ns();
}

int64_t clock_wall_ms(void)
{
	return source->wall_ms();
}
