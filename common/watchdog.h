// Tells the supervisor that the program is alive, as long as that is true: the loop it runs in
// turns, and every thread that it knows of has moved since it last looked.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/notify.h"

enum {
	WATCHDOG_THREADS_MAX = 64
};

// How often a thread has come round. The thread adds, from its loop, several times a second at
// least.
struct watchdog_pulse {
	_Atomic uint32_t beats;
};

static inline void watchdog_beat(struct watchdog_pulse *pulse)
{
	uint32_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);
	atomic_store_explicit(&pulse->beats, beats + 1, memory_order_relaxed);
}

struct watched_thread {
	const struct watchdog_pulse *pulse; // borrowed
	uint32_t seen;
};

// Zeroed, then watchdog_observe() for each thread, then watchdog_start().
struct watchdog {
	const struct notify *notify; // borrowed
	struct loop_timer timer;
	struct watched_thread threads[WATCHDOG_THREADS_MAX];
	size_t n_threads;
};

void watchdog_observe(struct watchdog *w, const struct watchdog_pulse *pulse);
// Does nothing if the supervisor did not ask. `notify` is borrowed until watchdog_stop().
void watchdog_start(struct watchdog *w, struct loop *loop, const struct notify *notify);
// Harmless if it was not started.
void watchdog_stop(struct watchdog *w);

// Looks once: true if all have moved, and then says so. Public for tests; the timer calls it.
bool watchdog_look(struct watchdog *w);
