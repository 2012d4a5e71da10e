// How many requests of the HTTP API a user may make on this edge, whatever connections and workers
// they come by. A fixed table: two users may share a place, and then each begins anew when it is
// its turn, so the limit may be exceeded but nobody is refused for another. From any thread.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "common/rate.h"

enum {
	API_RATES_MAX = 4096
};

struct api_rates {
	pthread_mutex_t lock;
	uint64_t hash_key[2];
	struct api_rate {
		uint64_t user; // hash of its name
		struct rate rate;
	} * places; // owned; API_RATES_MAX
};

void api_rates_init(struct api_rates *rates);
void api_rates_fini(struct api_rates *rates);
// Takes one request at `now_ms` (monotonic); false if that is one too many.
MUST_CHECK bool api_rates_take(struct api_rates *rates, struct bytes user,
	const struct conf_rate *limit, uint64_t now_ms);
