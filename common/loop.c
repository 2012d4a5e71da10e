// libevent 2.1 underneath, one base a thread and no libevent locking: threads meet only in
// loop_wake_post(), which is a write to an eventfd. A turn is one event_base_loop(EVLOOP_ONCE), so
// every callback that was ready has run when the hooks begin. The alternative, bufferevents with
// deferred callbacks, was not taken: it costs kilobytes a connection and hides when a write leaves.

#include "common/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/mem.h"

struct hook {
	loop_fn *fn;
	void *arg;
};

struct hooks {
	struct hook *items; // owned
	size_t n;
	size_t cap;
};

struct loop {
	struct event_base *base;
	struct hooks at_turn_end;
	struct hooks deferred;
	struct hooks running; // the deferred calls of the turn that is ending
	bool skip_wait; // in the next turn
	uint64_t waits;
	atomic_bool stopping;
	struct loop_wake *stop_wake;
};

struct loop_wake {
	struct event ev;
	int fd;
	loop_fn *fn;
	void *arg;
};

static void hooks_push(struct hooks *hooks, loop_fn *fn, void *arg)
{
	if (hooks->n == hooks->cap) {
		hooks->cap = hooks->cap > 0 ? 2 * hooks->cap : 16;
		hooks->items = xrealloc(hooks->items, hooks->cap * sizeof(hooks->items[0]));
	}
	hooks->items[hooks->n++] = (struct hook){ .fn = fn, .arg = arg };
}

static void on_stop_wake(void *arg)
{
	(void)arg; // the post alone ends the wait; loop_run() looks at `stopping`
}

struct loop *loop_new(void)
{
	// What it cannot do without memory, we cannot do without. The same each time, so from any
	// thread.
	event_set_mem_functions(xmalloc, xrealloc, free);
	struct loop *loop = xcalloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();
	CHECK(config != NULL);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	CHECK(loop->base != NULL);
	loop->stop_wake = loop_wake_new(loop, on_stop_wake, NULL);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL) {
		return;
	}
	loop_wake_free(loop->stop_wake);
	event_base_free(loop->base);
	free(loop->at_turn_end.items);
	free(loop->deferred.items);
	free(loop->running.items);
	free(loop);
}

static void run_deferred(struct loop *loop)
{
	struct hooks calls = loop->deferred;
	loop->deferred = loop->running;
	loop->running = calls;
	for (size_t i = 0; i < calls.n; i++) {
		calls.items[i].fn(calls.items[i].arg);
	}
	loop->running.n = 0;
}

static void poll_events(struct loop *loop)
{
	// EVLOOP_NONBLOCK alone polls again and again until nothing is ready any more.
	int flags = EVLOOP_ONCE;
	if (loop->skip_wait || loop->deferred.n > 0) {
		flags |= EVLOOP_NONBLOCK;
	} else {
		loop->waits++;
	}
	loop->skip_wait = false;
	int result = event_base_loop(loop->base, flags);
	CHECK(result >= 0);
}

static void run_turn(struct loop *loop)
{
	poll_events(loop);
	for (size_t i = 0; i < loop->at_turn_end.n; i++) {
		loop->at_turn_end.items[i].fn(loop->at_turn_end.items[i].arg);
	}
	run_deferred(loop);
}

void loop_run(struct loop *loop)
{
	do {
		run_turn(loop);
	} while (!atomic_exchange_explicit(&loop->stopping, false, memory_order_acq_rel));
}

void loop_stop(struct loop *loop)
{
	atomic_store_explicit(&loop->stopping, true, memory_order_release);
	loop_wake_post(loop->stop_wake);
}

void loop_at_turn_end(struct loop *loop, loop_fn *fn, void *arg)
{
	hooks_push(&loop->at_turn_end, fn, arg);
}

void loop_defer(struct loop *loop, loop_fn *fn, void *arg)
{
	hooks_push(&loop->deferred, fn, arg);
}

void loop_skip_wait(struct loop *loop)
{
	loop->skip_wait = true;
}

uint64_t loop_waits(const struct loop *loop)
{
	return loop->waits;
}

void loop_io_start(struct loop *loop, struct loop_io *io, int fd, short what, loop_io_fn *fn,
	void *arg)
{
	event_assign(&io->ev, loop->base, fd, (short)(what | EV_PERSIST), fn, arg);
	CHECK(event_add(&io->ev, NULL) == 0);
}

void loop_io_stop(struct loop_io *io)
{
	if (event_initialized(&io->ev)) {
		event_del(&io->ev);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

void loop_timer_init(struct loop *loop, struct loop_timer *timer, loop_fn *fn, void *arg)
{
	timer->fn = fn;
	timer->arg = arg;
	event_assign(&timer->ev, loop->base, -1, 0, on_timer, timer);
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
	struct timeval tv = {
		.tv_sec = (time_t)(delay_ms / 1000),
		.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000),
	};
	CHECK(event_add(&timer->ev, &tv) == 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (event_initialized(&timer->ev)) {
		event_del(&timer->ev);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop_wake *wake = arg;
	uint64_t count;
	(void)what;
	ssize_t got = read(fd, &count, sizeof(count));
	(void)got; // EAGAIN: another turn has taken the count already
	wake->fn(wake->arg);
}

struct loop_wake *loop_wake_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct loop_wake *wake = xcalloc(1, sizeof(*wake));
	wake->fn = fn;
	wake->arg = arg;
	wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(wake->fd >= 0);
	event_assign(&wake->ev, loop->base, wake->fd, EV_READ | EV_PERSIST, on_wake, wake);
	CHECK(event_add(&wake->ev, NULL) == 0);
	return wake;
}

void loop_wake_free(struct loop_wake *wake)
{
	if (wake == NULL) {
		return;
	}
	event_del(&wake->ev);
	close(wake->fd);
	free(wake);
}

void loop_wake_post(struct loop_wake *wake)
{
	uint64_t one = 1;
	ssize_t put = write(wake->fd, &one, sizeof(one));
	(void)put; // EAGAIN: the counter is at its top, so a wake-up is pending anyhow
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *sig = arg;
	(void)fd;
	(void)what;
	sig->fn(sig->arg);
}

void loop_signal_start(struct loop *loop, struct loop_signal *sig, int signum, loop_fn *fn,
	void *arg)
{
	sig->fn = fn;
	sig->arg = arg;
	event_assign(&sig->ev, loop->base, signum, EV_SIGNAL | EV_PERSIST, on_signal, sig);
	CHECK(event_add(&sig->ev, NULL) == 0);
}

void loop_signal_stop(struct loop_signal *sig)
{
	sigset_t all;
	sigset_t before;
	if (!event_initialized(&sig->ev)) {
		return;
	}
	// libevent sets the default, by which one that comes now would kill.
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	event_del(&sig->ev);
	signal(event_get_signal(&sig->ev), SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
