// A loop that runs until what a test waits for has come.
#pragma once

#include <stdbool.h>

#include "common/clock.h"
#include "common/loop.h"

enum {
	LOOP_UNTIL_MS = 20000, // on a busy machine, under a sanitizer
	LOOP_STEP_MS = 2,
};

static void loop_until_stop(void *arg)
{
	loop_stop(arg);
}

// True once `has_come` is; false if it is not within LOOP_UNTIL_MS.
static inline bool loop_until(struct loop *loop, bool (*has_come)(void *arg), void *arg)
{
	struct loop_timer timer;
	uint64_t deadline_ms = clock_mono_ms() + LOOP_UNTIL_MS;
	loop_timer_init(loop, &timer, loop_until_stop, loop);
	while (!has_come(arg) && clock_mono_ms() < deadline_ms) {
		loop_timer_start(&timer, LOOP_STEP_MS);
		loop_run(loop);
	}
	loop_timer_stop(&timer);
	return has_come(arg);
}
