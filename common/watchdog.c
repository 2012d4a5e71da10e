// A watchdog that is fed by a timer alone proves that a timer works. Here the main loop feeds it,
// and only after it has seen every worker's own loop turn: a worker that hangs holds a share of the
// clients and answers nobody, while the main loop would go on happily.
//
// It looks four times in the time the supervisor allows, so a thread that was held up for a moment
// costs one look, and only one that stands still for most of the time gets the program restarted.
// What is not asked is whether a router is there: a restart would repair nothing, and break every
// client.

#include "common/watchdog.h"

#include "common/check.h"
#include "common/log.h"

enum {
	LOOKS = 4
};

void watchdog_observe(struct watchdog *w, const struct watchdog_pulse *pulse)
{
	CHECK(w->n_threads < WATCHDOG_THREADS_MAX);
	w->threads[w->n_threads++] = (struct watched_thread){ .pulse = pulse };
}

bool watchdog_look(struct watchdog *w)
{
	bool all_moved = true;
	for (size_t i = 0; i < w->n_threads; i++) {
		struct watched_thread *thread = &w->threads[i];
		uint32_t beats = atomic_load_explicit(&thread->pulse->beats, memory_order_relaxed);
		if (beats == thread->seen) {
			log_warn("thread_stands_still", LOG_UINT("thread", i));
			all_moved = false;
		}
		thread->seen = beats;
	}
	if (all_moved) {
		notify_alive(w->notify);
	}
	return all_moved;
}

static void arm(struct watchdog *w)
{
	loop_timer_start(&w->timer, w->notify->watchdog_ms / LOOKS);
}

static void on_time(void *arg)
{
	struct watchdog *w = arg;
	watchdog_look(w);
	arm(w);
}

void watchdog_start(struct watchdog *w, struct loop *loop, const struct notify *notify)
{
	w->notify = notify;
	loop_timer_init(loop, &w->timer, on_time, w);
	if (notify->watchdog_ms > 0) {
		arm(w);
	}
}

void watchdog_stop(struct watchdog *w)
{
	loop_timer_stop(&w->timer);
}
