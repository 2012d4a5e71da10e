// One thread's event loop: descriptors, timers, signals, wake-ups from other threads, work put off
// to the end of the turn. The only user of libevent. Everything but loop_wake_post() and
// loop_stop() is for the loop's own thread.
//
// A turn is: wait, run the callbacks of all that is ready, then the turn-end hooks in the order in
// which they were added, then the deferred calls. So what callbacks gather leaves in one piece, and
// nothing is freed while a callback still stands on it.
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
// Ends loop_run() after the turn under way, or the next one after its first turn. From any thread, or
// a signal callback.
void loop_stop(struct loop *loop);

typedef void loop_fn(void *arg);

// Runs `fn` at the end of each turn, for the loop's life.
void loop_at_turn_end(struct loop *loop, loop_fn *fn, void *arg);
// Runs `fn` once, after the turn-end hooks of this turn. Deferring from a deferred call is allowed
// and runs in the next turn, which does not wait.
void loop_defer(struct loop *loop, loop_fn *fn, void *arg);

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
