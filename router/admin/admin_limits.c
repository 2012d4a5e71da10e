// `limits`: what users may take, what they have taken, and how often they were refused for it. With
// `--user` of one user; else of each limit who has used the most of it, and all refusals, which is
// where to look for who takes the service from others. Two walks would be needed to name who was
// refused most; who uses the most is who is refused next.
//
// A budget is one number that time pays off, so "used" is what is not paid off at this moment.

#include "router/admin/admin_call.h"

// Of one user.
struct usage {
	struct bytes user; // NULL data: nobody
	struct budget budget;
	bool admin;
};

static bool is_admin(const struct table_user *user)
{
	const struct table_client *client;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (client->admin) {
			return true;
		}
	}
	return false;
}

static struct usage usage_of(const struct table_user *user)
{
	return (struct usage){
		.user = user_name(user),
		.budget = user->budget,
		.admin = is_admin(user),
	};
}

static const struct budget_limits *limits_of(const struct admin_call *call)
{
	return &call->ctx->route->options.budgets;
}

static void say_limit(struct admin_call *call, const struct usage *usage, enum budget_kind kind,
	uint64_t refused)
{
	const struct conf_rate *rate = &limits_of(call)->rates[kind];
	uint64_t factor = usage->admin ? BUDGET_ADMIN_FACTOR : 1;
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "limit", bytes_str(budget_option(kind)));
	if (usage->user.data != NULL) {
		admin_reply_text(reply, "user", usage->user);
	} else {
		admin_reply_null(reply, "user");
	}
	admin_reply_number(reply, "used",
		budget_used(&usage->budget, limits_of(call), usage->admin, kind, call->now_ms));
	if (rate->per_s > 0) {
		admin_reply_number(reply, "allowed", rate->burst * factor);
		admin_reply_number(reply, "perSecond", rate->per_s * factor);
	} else {
		admin_reply_null(reply, "allowed");
		admin_reply_null(reply, "perSecond");
	}
	admin_reply_number(reply, "refused", refused);
	admin_reply_end_row(reply);
}

// Of rooms there is a bound for all users together too.
static void say_rooms(struct admin_call *call)
{
	const struct room_table *t = admin_table(call);
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "limit", bytes_str("max-rooms"));
	admin_reply_null(reply, "user");
	admin_reply_number(reply, "used", t->rooms.n_entries);
	if (t->max_rooms > 0) {
		admin_reply_number(reply, "allowed", t->max_rooms);
	} else {
		admin_reply_null(reply, "allowed");
	}
	admin_reply_null(reply, "perSecond");
	admin_reply_number(reply, "refused", counter_get(&call->ctx->route->counters.rooms_full));
	admin_reply_end_row(reply);
}

static void say_user(struct admin_call *call, struct bytes name)
{
	const struct room_table *t = admin_table(call);
	const struct table_user *user = room_table_user_find(t, name);
	const struct budget *gone = budget_memory_find(&t->budgets, name);
	if (user == NULL && gone == NULL) {
		admin_refuse(call, "no such user");
		return;
	}
	struct usage usage = { .user = name };
	if (user != NULL) {
		usage = usage_of(user);
	} else {
		usage.budget = *gone;
	}
	for (unsigned kind = 0; kind < BUDGET_COUNT; kind++) {
		say_limit(call, &usage, kind, usage.budget.refused[kind]);
	}
}

// Who is connected and has used the most of each, in parts of what they may.
static void find_most(const struct admin_call *call, struct usage most[BUDGET_COUNT])
{
	uint64_t until_us[BUDGET_COUNT] = { 0 };
	struct map_cursor walk;
	const struct map_node *node;
	map_walk(&admin_table(call)->users, &walk);
	while ((node = map_walk_next(&admin_table(call)->users, &walk)) != NULL) {
		const struct table_user *user = CONTAINER_OF(node, const struct table_user, node);
		for (unsigned kind = 0; kind < BUDGET_COUNT; kind++) {
			uint64_t paid_us = user->budget.rates[kind].paid_until_us;
			if (paid_us > call->now_ms * 1000 && paid_us > until_us[kind]) {
				until_us[kind] = paid_us;
				most[kind] = usage_of(user);
			}
		}
	}
}

void admin_cmd_limits(struct admin_call *call)
{
	struct usage most[BUDGET_COUNT] = { 0 };
	if (call->options[0].data != NULL) {
		say_user(call, call->options[0]);
		return;
	}
	find_most(call, most);
	for (unsigned kind = 0; kind < BUDGET_COUNT; kind++) {
		const struct counter *refused = &call->ctx->route->counters.over_budget[kind];
		say_limit(call, &most[kind], kind, counter_get(refused));
	}
	say_rooms(call);
}
