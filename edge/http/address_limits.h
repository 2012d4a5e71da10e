// How many connections one address has, and how fast new ones come: options max-connections-per-ip
// and accept-rate. An IPv6 address stands for its /64, which one host can have to itself (RFC
// 6177).
//
// Shared by the workers: a lock, taken once as a connection comes and once as it goes. Bounded by
// the connections there are, plus ADDRESS_IDLE_MAX addresses that came faster than they may and
// left.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/aged_map.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "common/net_ip.h"

enum {
	ADDRESS_IDLE_MAX = 65536
};

enum admission {
	ADMISSION_OK,
	ADMISSION_TOO_FAST,
	ADMISSION_TOO_MANY,
	ADMISSION_FLOOD, // so many beyond too many that no answer is owed; not counted
};

struct address_limits {
	pthread_mutex_t lock;
	struct aged_map entries; // guarded by `lock`; held: those with a connection
};

void address_limits_init(struct address_limits *limits);
// Everybody must have left.
void address_limits_fini(struct address_limits *limits);

// A connection from `ip` comes; unless the answer is ADMISSION_FLOOD, address_leave() must follow
// when it goes. A `max` of 0 and a rate of 0 are no limits. `now_ms`: monotonic.
MUST_CHECK enum admission address_enter(struct address_limits *limits, const struct net_ip *ip,
	uint64_t max, const struct conf_rate *rate, uint64_t now_ms);
void address_leave(struct address_limits *limits, const struct net_ip *ip, uint64_t now_ms);
