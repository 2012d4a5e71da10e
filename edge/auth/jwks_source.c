// The keys in use are never touched by a failure: who runs the provider's server restarts it now
// and then, and tokens go on being good. What cannot be fetched is tried again with a back-off; the
// log says so, and /ready.
//
// A token with an unknown kid may be the first of a rotation or nonsense of anybody's, so it only
// hints that it is time to look: at most once in JWKS_WANT_EVERY_MS, whatever comes. Who brought it
// may wait for an attempt (edge/client/key_wait.h bounds how long, and how many): a ticket is the
// number of that attempt.

#include "edge/auth/jwks_source.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/https_get.h"
#include "common/log.h"
#include "common/mem.h"
#include "edge/auth/jwks.h"

enum {
	FETCH_LIMIT_MS = 10000,
	RETRY_MIN_MS = 2000,
	RETRY_MAX_MS = 60000,
};

struct jwks_source {
	struct jwks_source_options options;
	bool (*on_set)(void *arg, struct bytes set);
	void *arg;
	struct loop_wake *wake;
	pthread_t thread;
	atomic_bool stop;
	atomic_int state; // enum jwks_state

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted;
	uint64_t begun; // attempts, the last of them at `last_ms`
	uint64_t done; // of them
	uint64_t last_ms;
	struct buf set; // fetched by the attempt `set_of`, and not taken yet
	uint64_t set_of;
};

static void wait_until(struct jwks_source *s, uint64_t due_ms)
{
	struct timespec until = {
		.tv_sec = (time_t)(due_ms / 1000),
		.tv_nsec = (long)(due_ms % 1000) * 1000000,
	};
	pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

// Sleeps until the next attempt is due, or is wanted and allowed. False: the end.
static bool wait_for_turn(struct jwks_source *s, uint64_t pause_ms)
{
	pthread_mutex_lock(&s->lock);
	uint64_t now_ms = clock_mono_ms();
	uint64_t due_ms = s->last_ms + pause_ms;
	while (!atomic_load(&s->stop) && now_ms < due_ms) {
		uint64_t allowed_ms = s->last_ms + JWKS_WANT_EVERY_MS;
		if (s->wanted && now_ms >= allowed_ms) {
			break;
		}
		wait_until(s, s->wanted && allowed_ms < due_ms ? allowed_ms : due_ms);
		now_ms = clock_mono_ms();
	}
	s->wanted = false;
	pthread_mutex_unlock(&s->lock);
	return !atomic_load(&s->stop);
}

static void note_failure(struct jwks_source *s, const char *why)
{
	if (atomic_load(&s->state) == JWKS_FRESH) {
		atomic_store(&s->state, JWKS_STALE);
	}
	log_warn("jwks_failed", LOG_STR("url", s->options.url), LOG_STR("reason", why));
}

static void begin_attempt(struct jwks_source *s)
{
	pthread_mutex_lock(&s->lock);
	s->begun++;
	s->last_ms = clock_mono_ms();
	pthread_mutex_unlock(&s->lock);
}

static void end_attempt(struct jwks_source *s, uint64_t number)
{
	pthread_mutex_lock(&s->lock);
	s->done = number > s->done ? number : s->done;
	pthread_mutex_unlock(&s->lock);
}

static bool fetch(struct jwks_source *s)
{
	const struct https_request request = {
		.url = s->options.url,
		.ca_file = s->options.ca_file,
		.timeout_ms = FETCH_LIMIT_MS,
		.max = JWKS_FILE_MAX,
		.stop = &s->stop,
	};
	struct buf set = { 0 };
	char *why = NULL;
	if (https_get(&request, &set, &why) != 0) {
		if (!atomic_load(&s->stop)) {
			note_failure(s, why);
		}
		free(why);
		buf_fini(&set);
		end_attempt(s, s->begun); // this thread alone writes `begun`
		return false;
	}
	pthread_mutex_lock(&s->lock);
	buf_fini(&s->set);
	s->set = set;
	s->set_of = s->begun;
	pthread_mutex_unlock(&s->lock);
	loop_wake_post(s->wake);
	return true;
}

static void *run(void *arg)
{
	struct jwks_source *s = arg;
	uint64_t retry_ms = RETRY_MIN_MS;
	uint64_t pause_ms;
	do {
		begin_attempt(s);
		if (fetch(s)) {
			retry_ms = RETRY_MIN_MS;
			pause_ms = s->options.refresh_ms;
		} else {
			pause_ms = retry_ms;
			retry_ms = retry_ms * 2 < RETRY_MAX_MS ? retry_ms * 2 : RETRY_MAX_MS;
		}
	} while (wait_for_turn(s, pause_ms));
	return NULL;
}

// In the loop's thread: a set has come.
static void on_wake(void *arg)
{
	struct jwks_source *s = arg;
	pthread_mutex_lock(&s->lock);
	struct buf set = s->set;
	uint64_t number = s->set_of;
	s->set = (struct buf){ 0 };
	pthread_mutex_unlock(&s->lock);
	if (set.len > 0 && s->on_set(s->arg, buf_bytes(&set))) {
		atomic_store(&s->state, JWKS_FRESH);
	} else if (set.len > 0) {
		note_failure(s, "no set of keys that can be used");
	}
	end_attempt(s, number);
	buf_fini(&set);
}

struct jwks_source *jwks_source_new(struct loop *loop, const struct jwks_source_options *options,
	bool (*on_set)(void *arg, struct bytes set), void *arg)
{
	struct jwks_source *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;
	s->options = *options;
	s->on_set = on_set;
	s->arg = arg;
	s->wake = loop_wake_new(loop, on_wake, s);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	CHECK(pthread_create(&s->thread, NULL, run, s) == 0);
	return s;
}

void jwks_source_free(struct jwks_source *source)
{
	if (source == NULL) {
		return;
	}
	atomic_store(&source->stop, true);
	pthread_mutex_lock(&source->lock);
	pthread_cond_signal(&source->changed);
	pthread_mutex_unlock(&source->lock);
	pthread_join(source->thread, NULL);
	loop_wake_free(source->wake);
	pthread_cond_destroy(&source->changed);
	pthread_mutex_destroy(&source->lock);
	buf_fini(&source->set);
	free(source);
}

bool jwks_source_want(struct jwks_source *source, uint64_t within_ms, uint64_t *ticket)
{
	if (source == NULL) {
		return false;
	}
	pthread_mutex_lock(&source->lock);
	bool busy = source->done < source->begun;
	bool soon = clock_mono_ms() + within_ms >= source->last_ms + JWKS_WANT_EVERY_MS;
	*ticket = busy ? source->begun : source->begun + 1;
	if (!busy) {
		source->wanted = true;
		pthread_cond_signal(&source->changed);
	}
	pthread_mutex_unlock(&source->lock);
	return busy || soon;
}

bool jwks_source_is_done(struct jwks_source *source, uint64_t ticket)
{
	if (source == NULL) {
		return true;
	}
	pthread_mutex_lock(&source->lock);
	bool done = source->done >= ticket;
	pthread_mutex_unlock(&source->lock);
	return done;
}

enum jwks_state jwks_source_state(const struct jwks_source *source)
{
	return (enum jwks_state)atomic_load(&source->state);
}
