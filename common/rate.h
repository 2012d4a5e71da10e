// A rate limit as one number: the time at which what was taken so far would have been earned at the
// allowed rate (a leaky bucket without the bucket). Zeroed = nothing taken yet.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t paid_until_us;
};

// Takes `n` units at `now_ms` if that stays within `burst` units ahead of `per_s`; a `per_s` of 0
// is no limit. A burst smaller than `n` lets `n` pass when the bucket is full, or nothing that
// large would ever pass.
static inline bool rate_take(struct rate *rate, uint64_t per_s, uint64_t burst, uint64_t n,
	uint64_t now_ms)
{
	if (per_s == 0) {
		return true;
	}
	uint64_t now_us = now_ms * 1000;
	uint64_t from = rate->paid_until_us > now_us ? rate->paid_until_us : now_us;
	uint64_t until = from + n * 1000000 / per_s;
	uint64_t allowed = burst * 1000000 / per_s;
	if (until - now_us > allowed && from > now_us) {
		return false;
	}
	rate->paid_until_us = until;
	return true;
}

// Takes `n` units, whether or not that is allowed.
static inline void rate_charge(struct rate *rate, uint64_t per_s, uint64_t n, uint64_t now_ms)
{
	if (per_s > 0) {
		uint64_t now_us = now_ms * 1000;
		uint64_t from = rate->paid_until_us > now_us ? rate->paid_until_us : now_us;
		rate->paid_until_us = from + n * 1000000 / per_s;
	}
}

// How long until rate_take() of the same would pass, at least 1; after it did not.
static inline uint64_t rate_after_ms(const struct rate *rate, uint64_t per_s, uint64_t burst,
	uint64_t n, uint64_t now_ms)
{
	uint64_t ahead_us = rate->paid_until_us - now_ms * 1000;
	uint64_t spare_us = n < burst ? (burst - n) * 1000000 / per_s : 0;
	return ahead_us > spare_us ? (ahead_us - spare_us + 999) / 1000 : 1;
}

// How many units are taken and not earned yet, rounded up. Divided first where the product may not
// fit.
static inline uint64_t rate_used(const struct rate *rate, uint64_t per_s, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000;
	uint64_t ahead_us = rate->paid_until_us > now_us ? rate->paid_until_us - now_us : 0;
	return ahead_us / 1000000 * per_s + (ahead_us % 1000000 * per_s + 999999) / 1000000;
}
