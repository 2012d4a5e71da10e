// The thread has the connection and all that is known of the store: the length of every slot's log,
// and the last turn that touched it. It is handed one turn at a time, cuts it by slot, and has a
// function append all pieces or none. Between turns it says that it lives.
//
// What a turn came to is never guessed. When an answer is missing, the thread connects anew under a
// new session, which shuts out whatever the old connection still holds, and asks for the last turn
// and all lengths: the turn is in the log, or it is sent again. If the store has less than it had,
// because it was restarted or an older copy took its place, the slots that differ are written anew
// from the router's memory, which is what their logs held; only then does the turn go on. So
// nothing that was acknowledged is lost while its router lives.
//
// The routing thread is asked for those images, some at a time: only it may look at rooms. As no
// turn is answered meanwhile, all of them are of the same moment.
//
// Rejected: several turns under way at once. A turn is cheap and grows with the load, and with one
// there are two states to come back to, before it and after it.

#include "router/store/store_redis.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "router/store/redis_first.h"
#include "router/store/redis_link.h"
#include "router/store/slot_cut.h"

enum {
	BEAT_MS = 250,
	WAIT_MAX_MS = 500, // for the routing thread
	REPLICA_WAIT_MS = 200,
	RETRY_MIN_MS = 20,
	RETRY_MAX_MS = 1000,
	IMAGES_BYTES = 1 << 20, // asked for at once, and one image more
};

struct store_redis {
	struct redis_target target;
	struct redis_url url;
	struct bytes password; // owned
	char *name; // owned
	uint64_t replicas;
	uint64_t hash_key[2];

	struct redis_owner owner; // the thread's, as all up to `lock`
	struct redis_link *link; // NULL: not connected
	uint64_t number; // of the last turn in the store
	uint64_t lengths[STORE_SLOTS];
	uint64_t turn_of[STORE_SLOTS]; // the last one in each log
	struct slot_cut cut; // of the turn under way
	bool is_cut;
	bool in_log; // the turn under way is; replicas may lack it
	struct slot_cut images;
	uint64_t retry_ms;
	uint64_t beaten_ms;
	uint64_t rng; // of jitter

	struct loop_wake *wake;
	struct loop_timer tick;
	struct store_redis_events events;
	uint64_t begun_ns;
	bool stalled;
	struct histogram commit_seconds;
	struct log_limit refusal_log;
	char refusal[128]; // of the last refused turn
	bool was_refused;

	_Atomic uint64_t alive_ms; // when it answered last
	_Atomic uint64_t turns; // of the routing thread's timer: it is what beats
	_Atomic uint64_t bytes; // of all logs
	_Atomic uint64_t reconnects;
	_Atomic uint64_t repaired;

	bool started;
	pthread_t thread;
	pthread_mutex_t lock; // for what follows
	pthread_cond_t changed;
	struct store_turn turn;
	bool has_turn;
	bool has_result;
	enum store_result result;
	char why[128]; // it was refused, or the link is down
	bool closing;
	bool taken;
	int fd; // of the link; -1: none
	bool asks; // for images of `wanted`, into `made`
	struct store_slot_set wanted;
	struct buf made;
};

static const double commit_bounds[] = { 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
	25e-3, 100e-3, 1 };

// ---- opening

static int fault_of(const struct store_redis *r, struct fault *fault)
{
	return fault_set(fault, "store", "%s: %s", r->target.text, redis_link_why(r->link));
}

static void sum_up(struct store_redis *r)
{
	uint64_t bytes = 0;
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		bytes += r->lengths[slot];
	}
	atomic_store(&r->bytes, bytes);
}

static int attach_first(struct store_redis *r, struct fault *fault)
{
	struct redis_others dead;
	struct redis_attached attached;
	if (redis_first_others(r->link, &r->target, &dead, fault) != 0) {
		return -1;
	}
	enum redis_result result = redis_link_hash_key(r->link, r->hash_key);
	if (result == REDIS_LINK_STALE) {
		random_fill(r->hash_key, sizeof(r->hash_key));
	} else if (result != REDIS_LINK_OK) {
		return fault_of(r, fault);
	}
	r->owner.session = 1;
	if (redis_link_attach(r->link, &r->owner, r->hash_key, &dead, &attached) != REDIS_LINK_OK) {
		return fault_of(r, fault);
	}
	r->owner.generation = attached.generation;
	memcpy(r->lengths, attached.lengths, sizeof(r->lengths));
	sum_up(r);
	return 0;
}

static void init_lock(struct store_redis *r)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static struct store_redis *make(const struct store_redis_options *options, struct fault *fault)
{
	struct store_redis *r = xcalloc(1, sizeof(*r));
	*fault = (struct fault){ 0 };
	const char *wrong = redis_url_parse(options->url, &r->url);
	if (wrong != NULL) {
		(void)fault_set(fault, "store", "%s: %s", options->url, wrong);
		free(r);
		return NULL;
	}
	r->password = bytes_make(xmemdup(options->password.data, options->password.len),
		options->password.len);
	r->name = xstrdup(options->name);
	r->target = (struct redis_target){
		.text = options->url,
		.url = r->url,
		.password = r->password,
		.timeout_ms = options->timeout_ms,
	};
	r->owner.name = r->name;
	snprintf(r->owner.incarnation, sizeof(r->owner.incarnation), "%016" PRIx64, random_u64());
	r->replicas = options->replicas;
	r->rng = random_u64();
	r->fd = -1;
	init_lock(r);
	histogram_init(&r->commit_seconds, commit_bounds, ARRAY_LEN(commit_bounds));
	return r;
}

static void free_all(struct store_redis *r)
{
	redis_link_close(r->link);
	redis_url_fini(&r->url);
	slot_cut_fini(&r->cut);
	slot_cut_fini(&r->images);
	buf_fini(&r->made);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	explicit_bzero((void *)r->password.data, r->password.len);
	free((void *)r->password.data);
	free(r->name);
	free(r);
}

struct store_redis *store_redis_open(const struct store_redis_options *options, struct fault *fault)
{
	struct store_redis *r = make(options, fault);
	if (r != NULL &&
		(redis_first_connect(&r->target, &r->link, fault) != 0 ||
			attach_first(r, fault) != 0)) {
		free_all(r);
		return NULL;
	}
	return r;
}

const uint64_t *store_redis_hash_key(const struct store_redis *r)
{
	return r->hash_key;
}

int store_redis_read(struct store_redis *r, store_slot_fn *each, void *arg, struct fault *fault)
{
	*fault = (struct fault){ 0 };
	return redis_link_read(r->link, each, arg) == REDIS_LINK_OK ? 0 : fault_of(r, fault);
}

// ---- the thread: its link

static void set_fd(struct store_redis *r, int fd)
{
	pthread_mutex_lock(&r->lock);
	r->fd = fd;
	if (fd >= 0 && r->closing) {
		(void)shutdown(fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&r->lock);
}

static void say_why(struct store_redis *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	snprintf(r->why, sizeof(r->why), "%s", why);
	pthread_mutex_unlock(&r->lock);
}

static void disconnect(struct store_redis *r)
{
	if (r->link != NULL) {
		say_why(r, redis_link_why(r->link));
		set_fd(r, -1);
		redis_link_close(r->link);
		r->link = NULL;
	}
}

static void end_as_taken(struct store_redis *r)
{
	pthread_mutex_lock(&r->lock);
	r->taken = true;
	pthread_mutex_unlock(&r->lock);
	loop_wake_post(r->wake);
}

// What a question came to that should have been REDIS_LINK_OK. False if the link is gone.
static bool follow(struct store_redis *r, enum redis_result result)
{
	if (result == REDIS_LINK_OK) {
		atomic_store(&r->alive_ms, clock_mono_ms());
		return true;
	}
	if (result == REDIS_LINK_TAKEN) {
		say_why(r, redis_link_why(r->link));
		end_as_taken(r);
	}
	disconnect(r);
	return false;
}

static void wait_until(struct store_redis *r, uint64_t ms)
{
	const struct timespec until = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000 * 1000000),
	};
	(void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

// So that many routers do not come back in the same moment.
static void wait_to_retry(struct store_redis *r)
{
	uint64_t next_ms = r->retry_ms * 2;
	r->rng = r->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	uint64_t until_ms = clock_mono_ms() + r->retry_ms / 2 + (r->rng >> 33) % r->retry_ms;
	r->retry_ms = next_ms < RETRY_MAX_MS ? next_ms : RETRY_MAX_MS;
	pthread_mutex_lock(&r->lock);
	while (!r->closing && clock_mono_ms() < until_ms) {
		wait_until(r, until_ms);
	}
	pthread_mutex_unlock(&r->lock);
}

// ---- the thread: what the store has

// The turn under way is in the log.
static void note_turn(struct store_redis *r, uint64_t number)
{
	for (size_t i = 0; i < r->cut.n; i++) {
		const struct slot_piece *piece = &r->cut.pieces[i];
		uint64_t before = piece->replaces ? 0 : r->lengths[piece->slot];
		r->lengths[piece->slot] = before + piece->len;
		r->turn_of[piece->slot] = number;
	}
	r->number = number;
	r->in_log = true;
	sum_up(r);
}

static void add_touched(const struct store_redis *r, struct store_slot_set *slots)
{
	for (size_t i = 0; i < r->cut.n; i++) {
		store_slot_add(slots, r->cut.pieces[i].slot);
	}
}

// Compares; the slots that the store has not as they were left.
static void find_lost(struct store_redis *r, const struct redis_attached *attached,
	struct store_slot_set *lost)
{
	bool knows = attached->turn >= 0 && (uint64_t)attached->turn <= r->number;
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		if (!knows || r->turn_of[slot] > (uint64_t)attached->turn ||
			r->lengths[slot] != attached->lengths[slot]) {
			store_slot_add(lost, slot);
		}
	}
}

static bool is_none(const struct store_slot_set *slots)
{
	for (size_t i = 0; i < ARRAY_LEN(slots->bits); i++) {
		if (slots->bits[i] != 0) {
			return false;
		}
	}
	return true;
}

// Images are of the moment before the turn under way, so if that is in the log and not answered,
// what it touched is written as it was, and then the turn again.
static void take_back_turn(struct store_redis *r, struct store_slot_set *lost)
{
	if (r->in_log) {
		add_touched(r, lost);
		r->in_log = false;
		r->number--;
	}
}

// ---- the thread: repairing

// Has the routing thread make images of some of the slots. False if the store is being closed.
static bool ask_for_images(struct store_redis *r, struct store_slot_set *slots)
{
	pthread_mutex_lock(&r->lock);
	r->wanted = *slots;
	r->made.len = 0;
	r->asks = true;
	pthread_cond_broadcast(&r->changed);
	loop_wake_post(r->wake);
	while (r->asks && !r->closing) {
		pthread_cond_wait(&r->changed, &r->lock);
	}
	bool made = !r->asks;
	r->asks = false;
	*slots = r->wanted;
	pthread_mutex_unlock(&r->lock);
	return made;
}

static bool write_images(struct store_redis *r, bool last)
{
	const struct bytes none = { 0 };
	CHECK(slot_cut_make(&r->images, r->hash_key, buf_bytes(&r->made), none));
	if (!follow(r,
		    redis_link_image(r->link, &r->owner, last ? &r->number : NULL, &r->images,
			    r->lengths))) {
		return false;
	}
	for (size_t i = 0; i < r->images.n; i++) {
		r->lengths[r->images.pieces[i].slot] = r->images.pieces[i].len;
	}
	atomic_fetch_add(&r->repaired, r->images.n);
	return true;
}

static bool repair(struct store_redis *r, struct store_slot_set *lost)
{
	log_warn("store_repairs", LOG_STR("reason", "it has less than it had"));
	while (!is_none(lost)) {
		if (!ask_for_images(r, lost) || !write_images(r, is_none(lost))) {
			return false;
		}
	}
	sum_up(r);
	return true;
}

// ---- the thread: attaching again

static bool compare(struct store_redis *r, const struct redis_attached *attached)
{
	struct store_slot_set lost = { 0 };
	if (r->is_cut && !r->in_log && attached->turn == (int64_t)r->number + 1) {
		note_turn(r, r->number + 1);
	}
	find_lost(r, attached, &lost);
	if (is_none(&lost)) {
		return true;
	}
	take_back_turn(r, &lost);
	memcpy(r->lengths, attached->lengths, sizeof(r->lengths));
	return repair(r, &lost);
}

static bool attach_again(struct store_redis *r)
{
	struct redis_attached attached;
	const struct redis_others nobody = { 0 };
	r->owner.session++;
	if (!follow(r, redis_link_attach(r->link, &r->owner, r->hash_key, &nobody, &attached))) {
		return false;
	}
	r->owner.generation = attached.generation;
	return compare(r, &attached);
}

// False if it has to be tried again.
static bool connect_again(struct store_redis *r)
{
	struct buf why = { 0 };
	enum redis_open_result result = redis_link_open(&r->target, &r->link, &why);
	if (result != REDIS_OPEN) {
		buf_append_byte(&why, '\0');
		say_why(r, (const char *)why.data);
	}
	buf_fini(&why);
	if (result != REDIS_OPEN) {
		return false;
	}
	set_fd(r, redis_link_fd(r->link));
	if (!attach_again(r)) {
		disconnect(r);
		return false;
	}
	atomic_fetch_add(&r->reconnects, 1);
	r->retry_ms = RETRY_MIN_MS;
	return true;
}

// ---- the thread: turns

static void answer(struct store_redis *r, enum store_result result)
{
	r->is_cut = false;
	r->in_log = false;
	pthread_mutex_lock(&r->lock);
	r->result = result;
	r->has_turn = false;
	r->has_result = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	loop_wake_post(r->wake);
}

static void append_turn(struct store_redis *r)
{
	enum redis_result result =
		redis_link_append(r->link, &r->owner, r->number + 1, &r->cut, r->lengths);
	if (result == REDIS_LINK_REFUSED) {
		say_why(r, redis_link_why(r->link));
		answer(r, STORE_REFUSED);
	} else if (follow(r, result)) {
		note_turn(r, r->number + 1);
	}
}

static bool have_replicas(struct store_redis *r)
{
	uint64_t n = 0;
	if (r->replicas == 0) {
		return true;
	}
	if (!follow(r, redis_link_replicas(r->link, r->replicas, REPLICA_WAIT_MS, &n))) {
		return false;
	}
	if (n < r->replicas) {
		say_why(r, "too few replicas have what was written");
	}
	return n >= r->replicas;
}

// Brings the turn on; it is called again until it is answered.
static void go_on(struct store_redis *r, const struct store_turn *turn)
{
	if (!r->is_cut) {
		CHECK(slot_cut_make(&r->cut, r->hash_key, turn->images, turn->records));
		r->is_cut = true;
	}
	if (!r->in_log) {
		append_turn(r);
	}
	if (r->in_log && have_replicas(r)) {
		answer(r, STORE_COMMITTED);
	}
}

static void beat(struct store_redis *r)
{
	uint64_t now_ms = clock_mono_ms();
	if (r->link != NULL && now_ms >= r->beaten_ms + BEAT_MS) {
		r->beaten_ms = now_ms;
		(void)follow(r, redis_link_beat(r->link, &r->owner, atomic_load(&r->turns)));
	}
}

// What is to be done next; false at the end.
static bool next(struct store_redis *r, struct store_turn *turn, bool *has_turn)
{
	pthread_mutex_lock(&r->lock);
	if (!r->has_turn && !r->closing && r->link != NULL) {
		wait_until(r, r->beaten_ms + BEAT_MS);
	}
	*has_turn = r->has_turn;
	*turn = r->turn;
	bool goes_on = !r->closing && !r->taken;
	pthread_mutex_unlock(&r->lock);
	return goes_on;
}

static void *run(void *arg)
{
	struct store_redis *r = arg;
	struct store_turn turn;
	bool has_turn;
	while (next(r, &turn, &has_turn)) {
		if (r->link == NULL) {
			if (!connect_again(r)) {
				wait_to_retry(r);
			}
			continue;
		}
		if (has_turn) {
			go_on(r, &turn);
		}
		beat(r);
	}
	return NULL;
}

// ---- the routing thread

static void write_turn(void *engine, const struct store_turn *turn)
{
	struct store_redis *r = engine;
	r->begun_ns = clock_mono_ns();
	pthread_mutex_lock(&r->lock);
	CHECK(!r->has_turn && !r->has_result);
	r->turn = *turn;
	r->has_turn = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static enum store_result result_of(struct store_redis *r, enum store_result result)
{
	uint32_t suppressed;
	histogram_observe_ns(&r->commit_seconds, clock_mono_ns() - r->begun_ns);
	if (result == STORE_REFUSED) {
		pthread_mutex_lock(&r->lock);
		memcpy(r->refusal, r->why, sizeof(r->refusal));
		pthread_mutex_unlock(&r->lock);
		r->was_refused = true;
		if (log_limit_pass(&r->refusal_log, clock_mono_ms(), &suppressed)) {
			log_error("store_refused", LOG_STR("reason", r->refusal),
				LOG_UINT("suppressed", suppressed));
		}
	}
	return result;
}

// The lock is held, and given up meanwhile: the thread waits for us.
static void give_images(struct store_redis *r)
{
	pthread_mutex_unlock(&r->lock);
	r->events.image(r->events.arg, &r->wanted, &r->made);
	pthread_mutex_lock(&r->lock);
	r->asks = false;
	pthread_cond_broadcast(&r->changed);
}

static enum store_result wait_for_turn(void *engine)
{
	struct store_redis *r = engine;
	uint64_t until_ms = clock_mono_ms() + WAIT_MAX_MS;
	pthread_mutex_lock(&r->lock);
	while (!r->has_result && clock_mono_ms() < until_ms) {
		if (r->asks) {
			give_images(r);
		} else {
			wait_until(r, until_ms);
		}
	}
	bool has_result = r->has_result;
	enum store_result result = r->result;
	r->has_result = false;
	pthread_mutex_unlock(&r->lock);
	return has_result ? result_of(r, result) : STORE_UNDECIDED;
}

static void on_wake(void *arg)
{
	struct store_redis *r = arg;
	pthread_mutex_lock(&r->lock);
	bool has_result = r->has_result; // else somebody has waited for it
	enum store_result result = r->result;
	bool taken = r->taken;
	r->has_result = false;
	pthread_mutex_unlock(&r->lock);
	if (has_result) {
		r->events.done(r->events.arg, result_of(r, result));
	}
	pthread_mutex_lock(&r->lock);
	if (r->asks) {
		give_images(r);
	}
	pthread_mutex_unlock(&r->lock);
	if (taken) {
		r->events.taken(r->events.arg);
	}
}

static bool is_stalled(struct store_redis *r, uint64_t now_ms)
{
	pthread_mutex_lock(&r->lock);
	bool has_turn = r->has_turn;
	pthread_mutex_unlock(&r->lock);
	uint64_t alive_ms = atomic_load(&r->alive_ms);
	return (now_ms > alive_ms && now_ms - alive_ms > r->target.timeout_ms) ||
		(has_turn && now_ms - r->begun_ns / 1000000 > r->target.timeout_ms);
}

static void on_tick(void *arg)
{
	struct store_redis *r = arg;
	bool stalled = is_stalled(r, clock_mono_ms());
	atomic_fetch_add(&r->turns, 1);
	loop_timer_start(&r->tick, BEAT_MS / 2);
	if (stalled == r->stalled) {
		return;
	}
	r->stalled = stalled;
	if (stalled) {
		char why[sizeof(r->why)];
		pthread_mutex_lock(&r->lock);
		memcpy(why, r->why, sizeof(why));
		pthread_mutex_unlock(&r->lock);
		log_error("store_down", LOG_STR("reason", why));
	} else {
		log_info("store_up");
	}
	r->events.stall(r->events.arg, stalled);
}

const struct store_engine_ops store_redis_ops = { .write = write_turn, .wait = wait_for_turn };

void store_redis_start(struct store_redis *r, struct loop *loop,
	const struct store_redis_events *events)
{
	r->events = *events;
	r->wake = loop_wake_new(loop, on_wake, r);
	r->retry_ms = RETRY_MIN_MS;
	atomic_store(&r->alive_ms, clock_mono_ms());
	r->fd = redis_link_fd(r->link);
	loop_timer_init(loop, &r->tick, on_tick, r);
	loop_timer_start(&r->tick, 0);
	CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
	r->started = true;
}

static void end_thread(struct store_redis *r)
{
	pthread_mutex_lock(&r->lock);
	r->closing = true;
	if (r->fd >= 0 && r->has_turn) {
		(void)shutdown(r->fd, SHUT_RDWR); // what it is asked may never be answered
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	loop_timer_stop(&r->tick);
	loop_wake_free(r->wake);
}

void store_redis_close(struct store_redis *r)
{
	if (r == NULL) {
		return;
	}
	if (r->started) {
		end_thread(r);
	}
	if (r->link != NULL && !r->taken) {
		(void)redis_link_detach(r->link, &r->owner);
	}
	free_all(r);
}

void store_redis_figures(struct store_redis *r, struct store_redis_figures *figures)
{
	*figures = (struct store_redis_figures){
		.commit_seconds = &r->commit_seconds,
		.bytes = atomic_load(&r->bytes),
		.reconnects = atomic_load(&r->reconnects),
		.repaired = atomic_load(&r->repaired),
	};
}

const char *store_redis_error(const struct store_redis *r)
{
	return r->was_refused ? r->refusal : NULL;
}

// ---- a check

static void check_log(void *arg, uint32_t slot, struct bytes log)
{
	struct store_redis_check *check = arg;
	struct store_record record;
	int result;
	(void)slot;
	check->logs++;
	while ((result = store_record_next(&log, &record)) > 0) {
		check->records++;
	}
	check->damaged += result < 0;
}

int store_redis_check(const struct store_redis_options *options, struct store_redis_check *check,
	struct fault *fault)
{
	struct store_redis *r = make(options, fault);
	*check = (struct store_redis_check){ 0 };
	if (r == NULL) {
		return -1;
	}
	int result = redis_first_connect(&r->target, &r->link, fault);
	if (result == 0) {
		result = store_redis_read(r, check_log, check, fault);
	}
	free_all(r);
	return result;
}
