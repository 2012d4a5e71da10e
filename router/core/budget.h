// What one user may cost others: charged where it arises, in what it costs. Each kind is a rate
// with a burst, of all the user's connections together. Pure; time is a parameter.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/aged_map.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/conf/conf.h"
#include "common/rate.h"

enum budget_kind {
	BUDGET_MESSAGES, // published
	BUDGET_BYTES, // published, as a receiver gets them: what each member has to read
	BUDGET_DELIVERIES, // connections reached
	BUDGET_FANOUT_BYTES, // bytes times connections
	BUDGET_ANSWERS, // bytes of what was asked for: presence, history, what was missed
	BUDGET_ROOMS, // that got a record for the first time
	BUDGET_COUNT,
};

enum {
	// The same limits, so many times, for connections of role admin: backends, who speak for
	// many.
	BUDGET_ADMIN_FACTOR = 16,
};

struct budget_limits {
	struct conf_rate rates[BUDGET_COUNT]; // per_s 0: no limit
};

// Of one user; zeroed: nothing used.
struct budget {
	struct rate rates[BUDGET_COUNT];
	uint32_t refused[BUDGET_COUNT];
};

// What was refused last, for whoever tells the user.
struct budget_excess {
	const char *limit; // name of the option; NULL: nothing was
	uint32_t after_ms; // until the same would pass
};

// The option that sets the limit.
const char *budget_option(enum budget_kind kind);

// Takes `n` units, or says in `*excess` why not. A single charge beyond the burst passes when
// nothing is used.
MUST_CHECK bool budget_take(struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t n, uint64_t now_ms, struct budget_excess *excess);

// Takes them even if they are too many, for what cannot be refused.
void budget_charge(struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t n, uint64_t now_ms);

// How many units are taken and not earned yet; 0 without a limit.
uint64_t budget_used(const struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t now_ms);

// What users have used who are gone for the moment: to come back is no new budget. Bounded in
// number, the oldest leave first, and in age.
struct budget_memory {
	struct aged_map users;
};
void budget_memory_init(struct budget_memory *m);
void budget_memory_fini(struct budget_memory *m);
// The last connection of `user` has gone. Copies the name.
void budget_memory_keep(struct budget_memory *m, struct bytes user, const struct budget *budget,
	uint64_t now_ms);
// Of a user who is gone, borrowed until the next call; NULL: nothing is known.
const struct budget *budget_memory_find(const struct budget_memory *m, struct bytes user);
// The first one has come; zeroed if nothing is known.
struct budget budget_memory_take(struct budget_memory *m, struct bytes user);
