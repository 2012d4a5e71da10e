// What is charged to whom. An answer is paid for when its size is known, so a user can be over by
// one of them; the next question is refused until that is earned. Who comes to a room or leaves it
// pays for all who are notified of it.

#include "router/core/budget.h"
#include "router/core/route_parts.h"

enum {
	ANSWER_OVERHEAD = 256, // bytes of an answer that says nothing
	EVENT_OVERHEAD = 128, // bytes of `member:join`, besides its texts
};

bool route_spend(struct route *r, const struct table_client *client, enum budget_kind kind,
	uint64_t n, uint64_t now_ms)
{
	if (!budget_take(&client->user->budget, &r->options.budgets, client->admin, kind, n, now_ms,
		    &r->excess)) {
		counter_add(&r->counters.over_budget[kind], 1);
		return false;
	}
	return true;
}

static void charge(struct route *r, const struct table_client *client, enum budget_kind kind,
	uint64_t n, uint64_t now_ms)
{
	budget_charge(&client->user->budget, &r->options.budgets, client->admin, kind, n, now_ms);
}

bool route_may_ask(const struct route_request *rq)
{
	return route_spend(rq->r, rq->client, BUDGET_ANSWERS, ANSWER_OVERHEAD, rq->now_ms);
}

void route_charge_answer(const struct route_request *rq, uint64_t bytes)
{
	charge(rq->r, rq->client, BUDGET_ANSWERS, bytes, rq->now_ms);
}

bool route_may_come(const struct route_request *rq)
{
	return route_spend(rq->r, rq->client, BUDGET_DELIVERIES, 0, rq->now_ms) &&
		route_spend(rq->r, rq->client, BUDGET_FANOUT_BYTES, 0, rq->now_ms);
}

void route_charge_event(struct route *r, const struct table_room *room,
	const struct table_client *client, uint64_t now_ms)
{
	uint64_t max = r->options.presence_events_max;
	uint64_t reached = 0;
	if (max > 0 && room->n_members > max) {
		return; // no receivers
	}
	for (uint32_t i = 0; i < room->n_edges; i++) {
		reached += room->edges[i].n_presence;
	}
	uint64_t size = EVENT_OVERHEAD + room_name(room).len + user_name(client->user).len;
	charge(r, client, BUDGET_DELIVERIES, reached, now_ms);
	charge(r, client, BUDGET_FANOUT_BYTES, reached * size, now_ms);
}

enum refusal route_may_open(struct route *r, const struct table_client *client, uint64_t now_ms)
{
	if (room_table_is_full(&r->table)) {
		counter_add(&r->counters.rooms_full, 1);
		r->excess = (struct budget_excess){ .limit = "max-rooms" };
		return REFUSAL_LIMIT;
	}
	return client == NULL || route_spend(r, client, BUDGET_ROOMS, 1, now_ms)
		? REFUSAL_NONE
		: REFUSAL_RATE_LIMITED;
}
