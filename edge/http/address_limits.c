// An entry lives while its address has a connection, and after that until its rate is paid off; so an
// address that comes and goes is remembered just as long as it matters. Entries without a connection
// are in order of their leaving, and are looked at, oldest first, as others come.
//
// Who is refused for a limit is still counted while the refusal is being told, or a host could hold
// any number of sockets that are about to be refused.

#include "edge/http/address_limits.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rate.h"

enum {
	V6_NETWORK_LEN = 8,
	// How many more sockets than its limit an address may hold to be told that it is refused.
	REFUSED_MIN = 16,
};

struct address_entry {
	struct map_node node;
	TAILQ_ENTRY(address_entry) in_idle; // only with n == 0
	struct net_ip key;
	uint64_t n;
	struct rate rate;
};

static struct bytes key_of(const struct map_node *node)
{
	const struct address_entry *e = CONTAINER_OF(node, const struct address_entry, node);
	return bytes_make(e->key.bytes, sizeof(e->key.bytes));
}

static struct net_ip key_for(const struct net_ip *ip)
{
	static const uint8_t v4[NET_IP_LEN - 4] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct net_ip key = *ip;
	if (memcmp(ip->bytes, v4, sizeof(v4)) != 0) {
		memset(key.bytes + V6_NETWORK_LEN, 0, NET_IP_LEN - V6_NETWORK_LEN);
	}
	return key;
}

static struct address_entry *find(const struct address_limits *limits, const struct net_ip *key)
{
	struct map_node *node = map_find(&limits->entries, bytes_make(key->bytes, NET_IP_LEN));
	return node != NULL ? CONTAINER_OF(node, struct address_entry, node) : NULL;
}

static void unidle(struct address_limits *limits, struct address_entry *e)
{
	TAILQ_REMOVE(&limits->idle, e, in_idle);
	limits->n_idle--;
}

static void forget(struct address_limits *limits, struct address_entry *e)
{
	unidle(limits, e);
	map_remove(&limits->entries, &e->node);
	free(e);
}

// Two for each that comes, so that they cannot pile up.
static void forget_some(struct address_limits *limits, uint64_t now_ms)
{
	struct address_entry *e;
	for (int i = 0; i < 2 && (e = TAILQ_FIRST(&limits->idle)) != NULL; i++) {
		if (e->rate.paid_until_us > now_ms * 1000 && limits->n_idle <= ADDRESS_IDLE_MAX) {
			return;
		}
		forget(limits, e);
	}
}

static struct address_entry *obtain(struct address_limits *limits, const struct net_ip *ip)
{
	struct net_ip key = key_for(ip);
	struct address_entry *e = find(limits, &key);
	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->key = key;
		map_insert(&limits->entries, &e->node);
	} else if (e->n == 0) {
		unidle(limits, e);
	}
	e->n++;
	return e;
}

static void release(struct address_limits *limits, struct address_entry *e, uint64_t now_ms)
{
	if (--e->n == 0) {
		TAILQ_INSERT_TAIL(&limits->idle, e, in_idle);
		limits->n_idle++;
		forget_some(limits, now_ms);
	}
}

void address_limits_init(struct address_limits *limits)
{
	*limits = (struct address_limits){ 0 };
	CHECK(pthread_mutex_init(&limits->lock, NULL) == 0);
	map_init(&limits->entries, key_of);
	TAILQ_INIT(&limits->idle);
}

void address_limits_fini(struct address_limits *limits)
{
	while (!TAILQ_EMPTY(&limits->idle)) {
		forget(limits, TAILQ_FIRST(&limits->idle));
	}
	CHECK(limits->entries.n_entries == 0);
	map_fini(&limits->entries);
	pthread_mutex_destroy(&limits->lock);
}

enum admission address_enter(struct address_limits *limits, const struct net_ip *ip, uint64_t max,
	const struct conf_rate *rate, uint64_t now_ms)
{
	enum admission result = ADMISSION_OK;
	pthread_mutex_lock(&limits->lock);
	struct address_entry *e = obtain(limits, ip);
	if (max > 0 && e->n > 2 * max + REFUSED_MIN) {
		result = ADMISSION_FLOOD;
		release(limits, e, now_ms);
	} else if (max > 0 && e->n > max) {
		result = ADMISSION_TOO_MANY;
	} else if (!rate_take(&e->rate, rate->per_s, rate->burst, 1, now_ms)) {
		result = ADMISSION_TOO_FAST;
	}
	pthread_mutex_unlock(&limits->lock);
	return result;
}

void address_leave(struct address_limits *limits, const struct net_ip *ip, uint64_t now_ms)
{
	struct net_ip key = key_for(ip);
	pthread_mutex_lock(&limits->lock);
	struct address_entry *e = find(limits, &key);
	CHECK(e != NULL && e->n > 0);
	release(limits, e, now_ms);
	pthread_mutex_unlock(&limits->lock);
}
