// The sending thread goes round: wait for the first notice and 50 ms or 100 notices more, make one
// request of them, and go on when it has been taken. A request that is not is made again, with the
// same id and body, after a delay of full jitter; what is too old by then leaves it, and then it is
// a request of another id. There is never more than one under way, so order is the queue's.
//
// The routing thread wakes the sender only when `wake_at` notices are there, which is the sender's
// to say: nothing while a request is under way.

#include "router/hooks/webhook.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/random.h"
#include "proto/policy/rights.h"
#include "router/hooks/hook_queue.h"
#include "router/hooks/hook_text.h"

enum {
	BATCH_MAX = 100, // notices in a request
	BATCH_BYTES = 1 << 20, // of their texts, but for the first
	GATHER_MS = 50,
	CONNECT_MS = 5000,
	REQUEST_MS = 10000,
	DELAY_MIN_MS = 500, // doubled with each failure
	DELAY_MAX_MS = 60000,
	FLUSH_MS = 1000, // at the end
	ANSWER_MAX = 64 << 10, // bytes of an answer's body
	ID_MAX = 40,
	SCRATCH_KEEP = 64 << 10,
	STATUS_GONE = 410,
};

const bool webhook_available = true;

struct batch { // what is being sent; the queue holds it until it has been taken
	char id[ID_MAX];
	size_t n; // notices; 0: none
	uint64_t last; // the number of its last one
	struct buf body;
};

struct webhook {
	struct webhook_options options;
	struct hook_queue queue;
	struct buf scratch; // the routing thread's
	_Atomic size_t wake_at; // notices; 0 never
	atomic_bool up;
	struct counter delivered;
	pthread_t thread;
	CURLM *multi;
	CURL *easy; // the thread's, as what follows
	struct batch batch;
	uint64_t next; // the number behind the last one that was delivered
	unsigned failures; // in a row
	size_t answer_len;
	struct log_limit failure_log;
	pthread_mutex_t lock; // for what follows
	struct hook_keys keys;
	bool gone; // the endpoint does not want to hear of us
	bool reloaded; // so that a delay ends
	uint64_t stop_by_ms; // 0: not yet
};

// ---- in

static bool room_wanted(const struct webhook *w, struct bytes room)
{
	const struct conf_list *rooms = w->options.rooms;
	for (size_t i = 0; i < rooms->n; i++) {
		if (rights_pattern_match(bytes_str(rooms->items[i]), room, bytes_str(NULL))) {
			return true;
		}
	}
	return room.len == 0;
}

static void take(void *arg, const struct notice *notice)
{
	struct webhook *w = arg;
	if (!room_wanted(w, notice->room)) {
		return;
	}
	buf_reset(&w->scratch, SCRATCH_KEEP);
	hook_text_notice(&w->scratch, notice, clock_wall_ms());
	size_t n = hook_queue_add(&w->queue, buf_bytes(&w->scratch), clock_mono_ms());
	size_t wake_at = w->wake_at;
	if (wake_at > 0 && n >= wake_at) {
		w->wake_at = 0;
		curl_multi_wakeup(w->multi);
	}
}

struct notices webhook_notices(struct webhook *w)
{
	struct notices notices = { .take = take, .arg = w };
	for (size_t i = 0; i < w->options.events->n; i++) {
		notices.wanted |= 1U << notice_kind_find(bytes_str(w->options.events->items[i]));
	}
	return notices;
}

// ---- a request

static void make_id(char id[ID_MAX])
{
	snprintf(id, ID_MAX, "msg_%016" PRIx64 "%016" PRIx64, random_u64(), random_u64());
}

static void drop(struct webhook *w, size_t n)
{
	hook_queue_remove(&w->queue, n, true);
	w->batch.n = 0;
}

// Takes off what is too old; a request under way that held some of it is none any more.
static void drop_old(struct webhook *w, uint64_t now_ms)
{
	struct hook_cursor cursor = { 0 };
	struct hook_entry entry;
	uint64_t max_ms = w->options.max_age_ms;
	size_t n = 0;
	while (max_ms > 0 && hook_queue_next(&w->queue, &cursor, &entry) &&
		entry.at_ms + max_ms < now_ms) {
		n++;
	}
	if (n > 0) {
		drop(w, n);
	}
}

static void begin_batch(struct webhook *w, uint64_t first)
{
	make_id(w->batch.id);
	buf_reset(&w->batch.body, SCRATCH_KEEP);
	hook_text_begin(&w->batch.body,
		&(struct hook_batch){
			.router = w->options.router,
			.wall_ms = clock_wall_ms(),
			.first = first,
			.dropped = first - w->next,
		});
}

// Up to a hole, so that what was dropped is what lies between the last request and this one.
static void fill_batch(struct webhook *w)
{
	struct hook_cursor cursor = { 0 };
	struct hook_entry entry;
	size_t bytes = 0;
	struct batch *batch = &w->batch;
	while (batch->n < BATCH_MAX && hook_queue_next(&w->queue, &cursor, &entry)) {
		bytes += entry.text.len;
		if (batch->n == 0) {
			begin_batch(w, entry.number);
		} else if (bytes > BATCH_BYTES || entry.number != batch->last + 1) {
			break;
		}
		hook_text_add(&batch->body, entry.number, entry.text);
		batch->last = entry.number;
		batch->n++;
	}
	hook_text_end(&batch->body);
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
	struct webhook *w = arg;
	(void)data;
	w->answer_len += size * n;
	return w->answer_len <= ANSWER_MAX ? size * n : 0;
}

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);
	if (longer == NULL) {
		mem_exhausted();
	}
	return longer;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);
	struct curl_slist *longer = add_line(list, line);
	free(line);
	return longer;
}

static struct curl_slist *headers_of(struct webhook *w)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct buf signature = { 0 };
	char stamp[24];
	snprintf(stamp, sizeof(stamp), "%" PRId64, now_s);
	pthread_mutex_lock(&w->lock);
	hook_sign(&signature, &w->keys, w->batch.id, now_s, buf_bytes(&w->batch.body));
	pthread_mutex_unlock(&w->lock);
	buf_append_byte(&signature, '\0');
	struct curl_slist *list = add_header(NULL, "Content-Type", "application/json");
	list = add_header(list, "webhook-id", w->batch.id);
	list = add_header(list, "webhook-timestamp", stamp);
	list = add_header(list, "webhook-signature", (const char *)signature.data);
	list = add_line(list, "Expect:"); // no round trip before the body
	buf_fini(&signature);
	return list;
}

static uint64_t stop_by(struct webhook *w)
{
	pthread_mutex_lock(&w->lock);
	uint64_t by_ms = w->stop_by_ms;
	pthread_mutex_unlock(&w->lock);
	return by_ms;
}

static void check_multi(CURLMcode code)
{
	if (code == CURLM_OUT_OF_MEMORY) {
		mem_exhausted();
	}
	CHECK(code == CURLM_OK);
}

// Runs the request to its end. False if there is no time left for it.
static bool perform(struct webhook *w)
{
	int running = 1;
	while (running > 0) {
		uint64_t by_ms = stop_by(w);
		if (by_ms > 0 && clock_mono_ms() >= by_ms) {
			return false;
		}
		check_multi(curl_multi_perform(w->multi, &running));
		if (running > 0) {
			(void)curl_multi_poll(w->multi, NULL, 0, by_ms > 0 ? GATHER_MS : 1000,
				NULL);
		}
	}
	return true;
}

// The HTTP status, or 0 and why there is none.
static long status_of(struct webhook *w, const char **why)
{
	int left;
	long status = 0;
	const CURLMsg *msg = curl_multi_info_read(w->multi, &left);
	*why = "no time is left";
	if (msg != NULL && msg->msg == CURLMSG_DONE) {
		*why = curl_easy_strerror(msg->data.result);
		curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
		// Too long an answer is cut off, and its status counts.
		bool answered =
			msg->data.result == CURLE_OK || msg->data.result == CURLE_WRITE_ERROR;
		return answered ? status : 0;
	}
	return 0;
}

static void post(struct webhook *w, long *status, const char **why)
{
	struct curl_slist *headers = headers_of(w);
	curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, w->batch.body.data);
	curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->batch.body.len);
	w->answer_len = 0;
	check_multi(curl_multi_add_handle(w->multi, w->easy));
	*status = 0;
	*why = "no time is left";
	if (perform(w)) {
		*status = status_of(w, why);
	}
	curl_multi_remove_handle(w->multi, w->easy);
	curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}

// ---- what becomes of it

static void on_delivered(struct webhook *w)
{
	counter_add(&w->delivered, w->batch.n);
	hook_queue_remove(&w->queue, w->batch.n, false);
	w->batch.n = 0;
	w->next = w->batch.last + 1;
	w->failures = 0;
	if (!w->up) {
		log_info("webhook_up");
	}
	w->up = true;
}

static void on_failed(struct webhook *w, long status, const char *why)
{
	uint32_t suppressed;
	w->up = false;
	w->failures++;
	if (status == STATUS_GONE) {
		pthread_mutex_lock(&w->lock);
		w->gone = true;
		pthread_mutex_unlock(&w->lock);
		log_error("webhook_gone", LOG_STR("reason", "410, disabled until reload"));
		return;
	}
	if (log_limit_pass(&w->failure_log, clock_mono_ms(), &suppressed)) {
		log_warn("webhook_failed", log_unless_zero("status", (uint64_t)status),
			log_unless_empty("reason", bytes_str(status == 0 ? why : "")),
			LOG_UINT("failures", w->failures),
			log_unless_zero("suppressed", suppressed));
	}
}

static void send_batch(struct webhook *w)
{
	long status;
	const char *why;
	post(w, &status, &why);
	if (status >= 200 && status < 300) {
		on_delivered(w);
	} else {
		on_failed(w, status, why);
	}
}

// ---- the thread

// Full jitter: anything up to a bound that doubles.
static uint64_t delay_ms(unsigned failures)
{
	uint64_t most = DELAY_MAX_MS;
	if (failures < 8) {
		most = (uint64_t)DELAY_MIN_MS << failures;
	}
	most = most < DELAY_MAX_MS ? most : DELAY_MAX_MS;
	return random_u64() % (most + 1);
}

// Waits until `until_ms`, or until `n` notices are there, or it is to end or to look again.
static void wait_for(struct webhook *w, size_t n, uint64_t until_ms)
{
	w->wake_at = n;
	uint64_t now_ms = clock_mono_ms();
	if (now_ms < until_ms && (n == 0 || hook_queue_count(&w->queue) < n)) {
		(void)curl_multi_poll(w->multi, NULL, 0, (int)(until_ms - now_ms), NULL);
	}
	w->wake_at = 0;
}

// When the first notice has waited long enough for others.
static uint64_t gathered_ms(struct webhook *w)
{
	struct hook_cursor cursor = { 0 };
	struct hook_entry first;
	return hook_queue_next(&w->queue, &cursor, &first) ? first.at_ms + GATHER_MS : 0;
}

static bool is_gone(struct webhook *w)
{
	pthread_mutex_lock(&w->lock);
	bool gone = w->gone;
	pthread_mutex_unlock(&w->lock);
	return gone;
}

static void gather(struct webhook *w)
{
	if (hook_queue_count(&w->queue) == 0) {
		wait_for(w, 1, clock_mono_ms() + DELAY_MAX_MS);
	}
	uint64_t until_ms = gathered_ms(w);
	while (stop_by(w) == 0 && clock_mono_ms() < until_ms &&
		hook_queue_count(&w->queue) < BATCH_MAX) {
		wait_for(w, BATCH_MAX, until_ms);
	}
}

static bool take_reloaded(struct webhook *w)
{
	pthread_mutex_lock(&w->lock);
	bool reloaded = w->reloaded;
	w->reloaded = false;
	pthread_mutex_unlock(&w->lock);
	return reloaded;
}

// After a failure: as long as the delay lasts, unless it is to end or was reloaded.
static void back_off(struct webhook *w)
{
	uint64_t until_ms = clock_mono_ms() + delay_ms(w->failures - 1);
	while (stop_by(w) == 0 && !take_reloaded(w) && clock_mono_ms() < until_ms) {
		wait_for(w, 0, until_ms);
	}
}

// Nothing is to be posted: what comes is dropped.
static void rest(struct webhook *w)
{
	drop(w, hook_queue_count(&w->queue));
	w->failures = 0;
	wait_for(w, 1, clock_mono_ms() + DELAY_MAX_MS);
}

static void go_round(struct webhook *w)
{
	if (is_gone(w)) {
		rest(w);
		return;
	}
	gather(w);
	drop_old(w, clock_mono_ms());
	if (w->batch.n == 0 && hook_queue_count(&w->queue) > 0) {
		fill_batch(w);
	}
	if (w->batch.n == 0) {
		return;
	}
	send_batch(w);
	if (w->failures > 0 && stop_by(w) == 0 && !is_gone(w)) {
		back_off(w);
	}
}

static void *run(void *arg)
{
	struct webhook *w = arg;
	while (stop_by(w) == 0) {
		go_round(w);
	}
	while (w->failures == 0 && hook_queue_count(&w->queue) > 0 &&
		clock_mono_ms() < stop_by(w)) {
		go_round(w);
	}
	return NULL;
}

// ---- life

static void set_up(struct webhook *w)
{
	CURL *easy = w->easy;
	curl_easy_setopt(easy, CURLOPT_URL, w->options.url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // not held up by a name server
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_MS);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir-router/" WEIR_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, w);
	if (w->options.ca[0] != '\0') {
		curl_easy_setopt(easy, CURLOPT_CAINFO, w->options.ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); // no other authority
	}
}

struct webhook *webhook_new(const struct webhook_options *options, struct hook_keys *keys,
	struct fault *fault)
{
	*fault = (struct fault){ 0 };
	if (options->ca[0] != '\0' && access(options->ca, R_OK) != 0) {
		(void)fault_set(fault, "webhook-ca", "%s: cannot be read", options->ca);
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		mem_exhausted(); // nothing else makes it fail
	}
	struct webhook *w = xcalloc(1, sizeof(*w));
	w->options = *options;
	w->keys = *keys;
	*keys = (struct hook_keys){ 0 };
	w->up = true;
	w->next = 1;
	hook_queue_init(&w->queue, (size_t)options->queue_bytes);
	CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
	w->multi = curl_multi_init();
	w->easy = curl_easy_init();
	if (w->multi == NULL || w->easy == NULL) {
		mem_exhausted();
	}
	set_up(w);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	CHECK(pthread_create(&w->thread, NULL, run, w) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w;
}

void webhook_free(struct webhook *w)
{
	if (w == NULL) {
		return;
	}
	pthread_mutex_lock(&w->lock);
	w->stop_by_ms = clock_mono_ms() + FLUSH_MS;
	pthread_mutex_unlock(&w->lock);
	curl_multi_wakeup(w->multi);
	pthread_join(w->thread, NULL);
	size_t left = hook_queue_count(&w->queue);
	if (left > 0) {
		log_warn("webhook_lost", LOG_UINT("events", left));
	}
	curl_easy_cleanup(w->easy);
	curl_multi_cleanup(w->multi);
	curl_global_cleanup();
	hook_keys_fini(&w->keys);
	hook_queue_fini(&w->queue);
	pthread_mutex_destroy(&w->lock);
	buf_fini(&w->batch.body);
	buf_fini(&w->scratch);
	free(w);
}

void webhook_reload(struct webhook *w, struct hook_keys *keys)
{
	pthread_mutex_lock(&w->lock);
	hook_keys_fini(&w->keys);
	w->keys = *keys;
	w->gone = false;
	w->reloaded = true;
	pthread_mutex_unlock(&w->lock);
	*keys = (struct hook_keys){ 0 };
	curl_multi_wakeup(w->multi);
}

void webhook_metrics(struct webhook *w, struct buf *out)
{
	const char *name = "weir_router_webhook_events_total";
	metrics_head(out, name, "counter", "Events for the webhook's endpoint.");
	metrics_sample(out, name, "result=\"delivered\"", counter_get(&w->delivered));
	metrics_sample(out, name, "result=\"dropped\"", hook_queue_dropped(&w->queue));
	metrics_simple(out, "weir_router_webhook_queue_bytes", "gauge",
		"Bytes of events that wait.", hook_queue_bytes(&w->queue));
	metrics_simple(out, "weir_router_webhook_up", "gauge",
		"0: the last request failed, or the endpoint is gone.", w->up);
}
