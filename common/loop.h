// One thread's event loop: descriptors, timers, signals, wake-ups from other threads, work put off
// to the end of the turn. The only user of libevent. Everything but loop_wake_post() and
// loop_stop() is for the loop's own thread.
//
// A turn is: wait until something is ready, run the callbacks of all that is, then the turn-end
// hooks in the order in which they were added, then the deferred calls. So what callbacks gather
// leaves in one piece, and nothing is freed while a callback still stands on it.
//
// A turn polls without waiting in two cases only: calls are left that deferred calls of the last
// turn have deferred, or somebody has called loop_skip_wait(). What a hook defers is not left: it
// runs in the turn of the hook. So a hook with work left for the next turn calls loop_skip_wait().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/event_struct.h>

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *loop);
// Runs turns until loop_stop(). May be called again.
void loop_run(struct loop *loop);
// Ends loop_run() after the turn under way, or the next one after its first turn. From any thread,
// or a signal callback.
void loop_stop(struct loop *loop);

typedef void loop_fn(void *arg);

// Runs `fn` at the end of each turn, for the loop's life.
void loop_at_turn_end(struct loop *loop, loop_fn *fn, void *arg);
// Runs `fn` once, after the turn-end hooks of this turn, also if a hook calls this. Deferring from
// a deferred call is allowed and runs in the next turn, which does not wait.
void loop_defer(struct loop *loop, loop_fn *fn, void *arg);
// The next turn, and no other, does not wait. From a callback, a hook or a deferred call.
void loop_skip_wait(struct loop *loop);
// The turns so far that waited, or would have if nothing had been ready. For tests, in which
// something is always ready.
uint64_t loop_waits(const struct loop *loop);

enum {
	LOOP_READ = EV_READ,
	LOOP_WRITE = EV_WRITE,
};

// A descriptor being watched; embed it. The descriptor stays the caller's.
struct loop_io {
	struct event ev;
};
typedef void loop_io_fn(evutil_socket_t fd, short what, void *arg);
// Watches `fd` for `what` (LOOP_READ, LOOP_WRITE) until loop_io_stop().
void loop_io_start(struct loop *loop, struct loop_io *io, int fd, short what, loop_io_fn *fn,
	void *arg);
// Harmless if zeroed or stopped already.
void loop_io_stop(struct loop_io *io);

// A one-shot timer; embed it, zeroed or after loop_timer_init().
struct loop_timer {
	struct event ev;
	loop_fn *fn;
	void *arg;
};
void loop_timer_init(struct loop *loop, struct loop_timer *timer, loop_fn *fn, void *arg);
// (Re)arms it to fire once, `delay_ms` from now.
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);

// Runs `fn` in this loop's thread soon after another thread posted; several posts may become one
// call.
struct loop_wake;
struct loop_wake *loop_wake_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_wake_free(struct loop_wake *wake);
void loop_wake_post(struct loop_wake *wake);

struct loop_signal {
	struct event ev;
	loop_fn *fn;
	void *arg;
};
void loop_signal_start(struct loop *loop, struct loop_signal *sig, int signum, loop_fn *fn,
	void *arg);
// From now on the signal is ignored: a second SIGTERM does not kill a program that is ending.
void loop_signal_stop(struct loop_signal *sig);
