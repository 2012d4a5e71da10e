// When a router starts nothing is known: the store may be away for a moment, read its data, or
// belong to a router that lives. Redis knows whose connection it has lost; where it has not, or may
// not be asked, only time shows who is dead.

#include "router/store/redis_first.h"

#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	LEASE_MS = 1200, // who does not beat for so long is dead
	LOOK_MS = 100, // between two looks
	LOOKS_LOG = 50, // between two lines of the log
};

static void sleep_a_while(void)
{
	const struct timespec time = { .tv_nsec = LOOK_MS * 1000000L };
	(void)nanosleep(&time, NULL);
}

static int fault_of(const struct redis_target *target, const struct redis_link *link,
	struct fault *fault)
{
	return fault_set(fault, "store", "%s: %s", target->text, redis_link_why(link));
}

static bool is_loading(const struct buf *why)
{
	return bytes_has_prefix(buf_bytes(why), "loading") ||
		bytes_has_prefix(buf_bytes(why), "LOADING");
}

int redis_first_connect(const struct redis_target *target, struct redis_link **link,
	struct fault *fault)
{
	struct buf why = { 0 };
	uint64_t until_ms = clock_mono_ms() + target->timeout_ms;
	enum redis_open_result result;
	for (uint64_t looks = 0;; looks++) {
		result = redis_link_open(target, link, &why);
		bool loads = is_loading(&why);
		if (result != REDIS_AWAY || (!loads && clock_mono_ms() >= until_ms)) {
			break;
		}
		if (loads && looks % LOOKS_LOG == 0) {
			log_warn("store_loading");
		}
		sleep_a_while();
	}
	if (result != REDIS_OPEN) {
		(void)fault_set(fault, "store", "%s: %.*s", target->text, (int)why.len,
			(const char *)why.data);
	}
	buf_fini(&why);
	return result == REDIS_OPEN ? 0 : -1;
}

// One of these that is connected, and whose beat is another than it was.
static const struct redis_other *find_alive(const struct redis_others *before,
	const struct redis_others *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct redis_other *other = &now->others[i];
		for (size_t k = 0; k < before->n; k++) {
			if (strcmp(before->others[k].incarnation, other->incarnation) == 0 &&
				strcmp(before->others[k].beat, other->beat) != 0) {
				return other;
			}
		}
	}
	return NULL;
}

static bool is_any_connected(const struct redis_others *others)
{
	for (size_t i = 0; i < others->n; i++) {
		if (others->others[i].connected) {
			return true;
		}
	}
	return false;
}

int redis_first_others(struct redis_link *link, const struct redis_target *target,
	struct redis_others *dead, struct fault *fault)
{
	struct redis_others now;
	uint64_t until_ms = clock_mono_ms() + LEASE_MS;
	if (redis_link_others(link, dead) != REDIS_LINK_OK) {
		return fault_of(target, link, fault);
	}
	now = *dead;
	while (is_any_connected(&now) && clock_mono_ms() < until_ms) {
		sleep_a_while();
		if (redis_link_others(link, &now) != REDIS_LINK_OK) {
			return fault_of(target, link, fault);
		}
		const struct redis_other *alive = find_alive(dead, &now);
		if (alive != NULL) {
			return fault_set(fault, "store",
				"%s: in use by router %s, which lives; a store is for one router",
				target->text, alive->name);
		}
	}
	return 0;
}
