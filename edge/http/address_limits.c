// An entry lives while its address has a connection, and after that until its rate is paid off; so
// an address that comes and goes is remembered just as long as it matters. Entries without a
// connection are in order of their leaving, and are looked at, oldest first, as others come.
//
// A refused connection is still counted while its refusal is sent, or a host could hold
// any number of sockets that are about to be refused.

#include "edge/http/address_limits.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rate.h"

enum {
	V6_NETWORK_LEN = 8,
	// How many more sockets than its limit an address may hold to get its refusals.
	REFUSED_MIN = 16,
};

struct address_entry {
	struct aged_node aged; // held while n > 0
	struct net_ip key;
	uint64_t n;
	struct rate rate;
};

static struct bytes key_of(const struct map_node *node)
{
	const struct address_entry *e = CONTAINER_OF(node, const struct address_entry, aged.node);
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
	struct aged_node *node =
		aged_map_find(&limits->entries, bytes_make(key->bytes, NET_IP_LEN));
	return node != NULL ? CONTAINER_OF(node, struct address_entry, aged) : NULL;
}

static void drop(struct aged_map *entries, struct aged_node *node)
{
	(void)entries;
	free(CONTAINER_OF(node, struct address_entry, aged));
}

// Two for each that comes, so that they cannot pile up.
static void forget_some(struct aged_map *entries, uint64_t now_ms)
{
	for (int i = 0; i < 2; i++) {
		struct aged_node *node = entries->n_ordered > ADDRESS_IDLE_MAX
			? aged_map_oldest(entries)
			: aged_map_due(entries, now_ms);
		if (node == NULL) {
			return;
		}
		aged_map_drop(entries, node);
	}
}

static struct address_entry *obtain(struct address_limits *limits, const struct net_ip *ip)
{
	struct net_ip key = key_for(ip);
	struct address_entry *e = find(limits, &key);
	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->key = key;
		aged_map_add_held(&limits->entries, &e->aged);
	} else if (e->n == 0) {
		aged_map_hold(&limits->entries, &e->aged);
	}
	e->n++;
	return e;
}

static void release(struct address_limits *limits, struct address_entry *e, uint64_t now_ms)
{
	if (--e->n == 0) {
		uint64_t paid_ms = (e->rate.paid_until_us + 999) / 1000;
		aged_map_release(&limits->entries, &e->aged, paid_ms);
		forget_some(&limits->entries, now_ms);
	}
}

void address_limits_init(struct address_limits *limits)
{
	*limits = (struct address_limits){ 0 };
	CHECK(pthread_mutex_init(&limits->lock, NULL) == 0);
	aged_map_init(&limits->entries, key_of, drop);
}

void address_limits_fini(struct address_limits *limits)
{
	aged_map_fini(&limits->entries);
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
