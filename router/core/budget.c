// One number a kind and user (common/rate.h), so that a budget costs nothing while nobody looks at
// it. Who is over one is refused, at once and with the time to wait: receivers must not be closed,
// nor others delayed, for what one user sends.
//
// A share of what there is for each user was rejected: it would depend on how many others are
// there, and nobody could say beforehand what an application may do.

#include "router/core/budget.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

enum {
	MEMORY_MAX = 65536, // users
	MEMORY_MS = 60000, // longer than any default takes to be earned
};

struct remembered {
	struct aged_node aged;
	struct budget budget;
	uint16_t name_len;
	uint8_t name[];
};

static const char *const options[BUDGET_COUNT] = {
	[BUDGET_MESSAGES] = "rate-user",
	[BUDGET_BYTES] = "rate-user-bytes",
	[BUDGET_DELIVERIES] = "rate-fanout",
	[BUDGET_FANOUT_BYTES] = "rate-fanout-bytes",
	[BUDGET_ANSWERS] = "rate-answers",
	[BUDGET_ROOMS] = "rate-rooms",
};

const char *budget_option(enum budget_kind kind)
{
	CHECK(kind < BUDGET_COUNT);
	return options[kind];
}

bool budget_take(struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t n, uint64_t now_ms, struct budget_excess *excess)
{
	uint64_t factor = admin ? BUDGET_ADMIN_FACTOR : 1;
	uint64_t per_s = limits->rates[kind].per_s * factor;
	uint64_t burst = limits->rates[kind].burst * factor;
	if (rate_take(&budget->rates[kind], per_s, burst, n, now_ms)) {
		return true;
	}
	budget->refused[kind]++;
	excess->limit = options[kind];
	uint64_t after_ms = rate_after_ms(&budget->rates[kind], per_s, burst, n, now_ms);
	excess->after_ms = after_ms < UINT32_MAX ? (uint32_t)after_ms : UINT32_MAX;
	return false;
}

void budget_charge(struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t n, uint64_t now_ms)
{
	uint64_t per_s = limits->rates[kind].per_s * (admin ? BUDGET_ADMIN_FACTOR : 1);
	rate_charge(&budget->rates[kind], per_s, n, now_ms);
}

uint64_t budget_used(const struct budget *budget, const struct budget_limits *limits, bool admin,
	enum budget_kind kind, uint64_t now_ms)
{
	uint64_t per_s = limits->rates[kind].per_s * (admin ? BUDGET_ADMIN_FACTOR : 1);
	return rate_used(&budget->rates[kind], per_s, now_ms);
}

// Nothing that was taken has yet to be earned: forgetting it changes nothing.
static bool is_paid(const struct budget *budget, uint64_t now_ms)
{
	for (unsigned i = 0; i < BUDGET_COUNT; i++) {
		if (budget->rates[i].paid_until_us > now_ms * 1000) {
			return false;
		}
	}
	return true;
}

static struct bytes remembered_name(const struct map_node *node)
{
	const struct remembered *r = CONTAINER_OF(node, const struct remembered, aged.node);
	return bytes_make(r->name, r->name_len);
}

static void drop(struct aged_map *users, struct aged_node *node)
{
	(void)users;
	free(CONTAINER_OF(node, struct remembered, aged));
}

void budget_memory_init(struct budget_memory *m)
{
	aged_map_init(&m->users, remembered_name, drop);
}

void budget_memory_fini(struct budget_memory *m)
{
	aged_map_fini(&m->users);
}

void budget_memory_keep(struct budget_memory *m, struct bytes user, const struct budget *budget,
	uint64_t now_ms)
{
	aged_map_drop_due(&m->users, now_ms);
	if (is_paid(budget, now_ms)) {
		return;
	}
	CHECK(user.len <= UINT16_MAX);
	struct remembered *r = xmalloc(sizeof(*r) + user.len);
	*r = (struct remembered){ .budget = *budget, .name_len = (uint16_t)user.len };
	memcpy(r->name, user.data, user.len);
	aged_map_add(&m->users, &r->aged, now_ms + MEMORY_MS);
	if (m->users.n_ordered > MEMORY_MAX) {
		aged_map_drop(&m->users, aged_map_oldest(&m->users));
	}
}

const struct budget *budget_memory_find(const struct budget_memory *m, struct bytes user)
{
	const struct aged_node *node = aged_map_find(&m->users, user);
	return node != NULL ? &CONTAINER_OF(node, const struct remembered, aged)->budget : NULL;
}

struct budget budget_memory_take(struct budget_memory *m, struct bytes user)
{
	struct budget budget = { 0 };
	struct aged_node *node = aged_map_find(&m->users, user);
	if (node != NULL) {
		budget = CONTAINER_OF(node, struct remembered, aged)->budget;
		aged_map_drop(&m->users, node);
	}
	return budget;
}
