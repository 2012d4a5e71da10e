// Commands that move connections between edges: an edge is emptied, or the fullest give what they
// have above the mean. Both can be asked what they would do.
//
// rebalance is driven by who asks: each second's part is a request of its own, so it ends with the
// weirctl that is interrupted, and begins anew where it was. Clients are closed with 1012 and come
// back after a random delay, to whichever edge the load balancer has for them: what is planned at
// the beginning is moved once, or a balancer that knows one edge only would have it go on for ever.

#include <inttypes.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "common/conf/conf.h"
#include "common/mem.h"
#include "router/admin/admin_call.h"

enum {
	STEP_MS = 1000,
	REBALANCE_RATE = 100, // a second, in all
	REBALANCE_RATE_MAX = 2000,
};

// Zero if none was given. False if it is not a rate that an edge can take.
static bool rate_of(struct admin_call *call, uint64_t max, uint32_t *rate)
{
	static const struct conf_option type = { .name = "rate", .type = CONF_RATE };
	struct conf_rate value = { 0 };
	struct bytes text = call->options[0];
	*rate = 0;
	if (text.data == NULL) {
		return true;
	}
	bool good = admin_value(&type, text, &value) && value.per_s > 0 && value.per_s <= max &&
		value.burst == value.per_s;
	*rate = (uint32_t)value.per_s;
	if (!good) {
		admin_usage(call, "--rate needs a number of connections per second: 50/s");
	}
	return good;
}

// Those that a drain or a rebalance can move, and has not yet.
static bool is_movable(const struct table_client *client)
{
	return !client->no_sender && !client->replaced;
}

static uint64_t count_movable(const struct table_edge *edge)
{
	uint64_t n = 0;
	const struct table_client *client;
	LIST_FOREACH (client, &edge->list, in_edge) {
		n += is_movable(client);
	}
	return n;
}

// True until a step's time has passed since the request came. One that cannot wait does not.
static bool must_wait(struct admin_call *call)
{
	if (call->state == NULL) {
		return false;
	}
	if (*call->state == 0) {
		*call->state = call->now_ms + STEP_MS;
	}
	call->reply->hold = call->now_ms < *call->state;
	return call->reply->hold;
}

// ---- one edge

static void say_drain(struct admin_call *call, const struct table_edge *edge, bool active)
{
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "edge", bytes_str(edge->name));
	admin_reply_flag(reply, "draining", active);
	admin_reply_number(reply, "connections", edge->n_clients);
	admin_reply_end_row(reply);
	buf_printf(&reply->audit, "edge=%s connections=%" PRIu32, edge->name, edge->n_clients);
}

static void say_plan(struct admin_call *call, const struct table_edge *edge, uint32_t rate)
{
	struct admin_reply *reply = call->reply;
	uint64_t n = count_movable(edge);
	admin_reply_text(reply, "edge", bytes_str(edge->name));
	admin_reply_flag(reply, "draining", edge->draining);
	admin_reply_number(reply, "connections", n);
	if (rate > 0) {
		admin_reply_number(reply, "seconds", (n + rate - 1) / rate);
	} else {
		admin_reply_null(reply, "seconds");
	}
	admin_reply_end_row(reply);
	buf_append_str(&reply->audit, "dry_run=yes");
}

// A row each second, until nobody is left to be moved.
static void follow_drain(struct admin_call *call, const struct table_edge *edge)
{
	uint64_t n = edge != NULL ? count_movable(edge) : 0;
	if (n > 0 && must_wait(call)) {
		return;
	}
	char text[128];
	snprintf(text, sizeof(text), "%.*s: %" PRIu64 " connections left", (int)call->words[0].len,
		(const char *)call->words[0].data, n);
	admin_reply_time(call->reply, "at", call->wall_ms);
	admin_reply_text(call->reply, "edge", call->words[0]);
	admin_reply_flag(call->reply, "draining", true);
	admin_reply_number(call->reply, "connections", n);
	admin_reply_text(call->reply, "text", bytes_str(text));
	admin_reply_end_row(call->reply);
	call->reply->sentences = true;
	call->reply->live = true;
	if (n > 0) {
		buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX "again");
	}
}

static void begin_drain(struct admin_call *call, struct table_edge *edge, uint32_t rate)
{
	route_drain(call->ctx->route, edge, true, rate);
	if (call->flags[0]) {
		buf_append_str(&call->reply->cursor, ADMIN_CURSOR_PREFIX "again");
		buf_printf(&call->reply->audit, "edge=%s connections=%" PRIu32, edge->name,
			edge->n_clients);
	} else {
		say_drain(call, edge, true);
	}
}

void admin_cmd_drain(struct admin_call *call)
{
	uint32_t rate;
	struct table_edge *edge = admin_find_edge(call, call->words[0]);
	if (call->cursor.len > 0) {
		follow_drain(call, edge);
	} else if (!rate_of(call, UINT32_MAX, &rate)) {
		return;
	} else if (edge == NULL) {
		admin_refuse(call, "no such edge");
	} else if (call->flags[1]) {
		say_plan(call, edge, rate);
	} else {
		begin_drain(call, edge, rate);
	}
}

void admin_cmd_undrain(struct admin_call *call)
{
	struct table_edge *edge = admin_find_edge(call, call->words[0]);
	if (edge == NULL) {
		admin_refuse(call, "no such edge");
		return;
	}
	route_drain(call->ctx->route, edge, false, 0);
	say_drain(call, edge, false);
}

// ---- all edges

struct share {
	struct table_edge *edge;
	uint64_t n; // that can be moved
};

struct fleet {
	struct share *shares; // owned
	size_t n;
	uint64_t mean; // rounded up: what an edge may keep
	uint64_t surplus; // of all edges
};

// Edges that take clients, with what they have.
static void fleet_count(const struct admin_call *call, struct fleet *fleet)
{
	uint64_t total = 0;
	struct table_edge *edge;
	*fleet = (struct fleet){ 0 };
	fleet->shares = xcalloc(admin_table(call)->n_edges + 1, sizeof(*fleet->shares));
	LIST_FOREACH (edge, &admin_table(call)->edges, in_table) {
		if (!edge->draining && fleet->n < admin_table(call)->n_edges) {
			uint64_t n = count_movable(edge);
			fleet->shares[fleet->n++] = (struct share){ .edge = edge, .n = n };
			total += n;
		}
	}
	fleet->mean = fleet->n > 0 ? (total + fleet->n - 1) / fleet->n : 0;
	for (size_t i = 0; i < fleet->n; i++) {
		uint64_t n = fleet->shares[i].n;
		fleet->surplus += n > fleet->mean ? n - fleet->mean : 0;
	}
}

static struct share *fullest(const struct fleet *fleet)
{
	struct share *most = NULL;
	for (size_t i = 0; i < fleet->n; i++) {
		if (most == NULL || fleet->shares[i].n > most->n) {
			most = &fleet->shares[i];
		}
	}
	return most != NULL && most->n > fleet->mean ? most : NULL;
}

static void send_away(struct admin_call *call, const struct share *share)
{
	struct table_client *client;
	LIST_FOREACH (client, &share->edge->list, in_edge) {
		if (is_movable(client)) {
			client->replaced = true;
			route_kick(call->ctx->route, client, bytes_str("restart"));
			return;
		}
	}
}

// Moves at most `max`; returns how many.
static uint64_t move_some(struct admin_call *call, const struct fleet *fleet, uint64_t max)
{
	uint64_t n = 0;
	struct share *share;
	while (n < max && (share = fullest(fleet)) != NULL) {
		send_away(call, share);
		share->n--;
		n++;
	}
	return n;
}

static void say_shares(struct admin_call *call, const struct fleet *fleet)
{
	call->reply->table = true;
	for (size_t i = 0; i < fleet->n && !admin_reply_is_full(call->reply); i++) {
		const struct share *share = &fleet->shares[i];
		admin_reply_text(call->reply, "edge", bytes_str(share->edge->name));
		admin_reply_number(call->reply, "connections", share->n);
		admin_reply_number(call->reply, "surplus",
			share->n > fleet->mean ? share->n - fleet->mean : 0);
		admin_reply_end_row(call->reply);
	}
	buf_append_str(&call->reply->audit, "dry_run=yes");
}

static void say_progress(struct admin_call *call, uint64_t moved, uint64_t left)
{
	struct admin_reply *reply = call->reply;
	char text[96];
	snprintf(text, sizeof(text), "%" PRIu64 " connections moved, %" PRIu64 " to go", moved,
		left);
	admin_reply_time(reply, "at", call->wall_ms);
	admin_reply_number(reply, "moved", moved);
	admin_reply_number(reply, "left", left);
	admin_reply_text(reply, "text", bytes_str(text));
	admin_reply_end_row(reply);
	reply->sentences = true;
	reply->live = true;
	if (left > 0) {
		buf_printf(&reply->cursor, ADMIN_CURSOR_PREFIX "%" PRIu64 ",%" PRIu64, moved, left);
	}
	buf_printf(&reply->audit, "moved=%" PRIu64 " left=%" PRIu64, moved, left);
}

static void rebalance(struct admin_call *call, struct fleet *fleet, uint32_t rate)
{
	uint64_t moved = 0;
	uint64_t left = fleet->surplus;
	struct bytes first;
	struct bytes second;
	if (call->cursor.len > 0) {
		if (!bytes_cut(call->cursor, ',', &first, &second) || !ascii_uint(first, &moved) ||
			!ascii_uint(second, &left)) {
			admin_usage(call, "bad cursor");
			return;
		}
		if (must_wait(call)) {
			return;
		}
	}
	uint64_t max = rate > 0 ? rate : REBALANCE_RATE;
	uint64_t n = move_some(call, fleet, left < max ? left : max);
	// What is no longer above the mean has gone by itself.
	say_progress(call, moved + n, n > 0 ? left - n : 0);
}

void admin_cmd_rebalance(struct admin_call *call)
{
	struct fleet fleet;
	uint32_t rate;
	if (!rate_of(call, REBALANCE_RATE_MAX, &rate)) {
		return;
	}
	fleet_count(call, &fleet);
	if (call->flags[0]) {
		say_shares(call, &fleet);
	} else {
		rebalance(call, &fleet, rate);
	}
	free(fleet.shares);
}
