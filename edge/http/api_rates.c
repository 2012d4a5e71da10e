// A table that grows with the users was rejected: it would need a bound and an order of age to keep
// what a holder of many tokens can make it hold, for a limit that protects the edge from a backend
// in a loop.

#include "edge/http/api_rates.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/random.h"
#include "common/siphash.h"

void api_rates_init(struct api_rates *rates)
{
	pthread_mutex_init(&rates->lock, NULL);
	random_fill(rates->hash_key, sizeof(rates->hash_key));
	rates->places = xcalloc(API_RATES_MAX, sizeof(rates->places[0]));
}

void api_rates_fini(struct api_rates *rates)
{
	pthread_mutex_destroy(&rates->lock);
	free(rates->places);
}

bool api_rates_take(struct api_rates *rates, struct bytes user, const struct conf_rate *limit,
	uint64_t now_ms)
{
	uint64_t hash = siphash24(rates->hash_key, user.data, user.len);
	pthread_mutex_lock(&rates->lock);
	struct api_rate *place = &rates->places[hash % API_RATES_MAX];
	if (place->user != hash) {
		*place = (struct api_rate){ .user = hash };
	}
	bool fine = rate_take(&place->rate, limit->per_s, limit->burst, 1, now_ms);
	pthread_mutex_unlock(&rates->lock);
	return fine;
}
