// The commands that only look: edges, rooms, clients, and the router itself. Names of fields are a
// promise to scripts (client protocol, section 8). A single thing (`edge`, `room`, `client`) shows
// the same fields as its listing, and may add some.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/jscan.h"
#include "proto/names.h"
#include "router/admin/admin_call.h"

enum {
	ROOM_NAMES_MAX = 100 // listed of one client
};

// ---- edges

static void edge_row(struct admin_call *call, const void *object)
{
	const struct table_edge *edge = object;
	struct admin_edge_figures figures = { 0 };
	call->ctx->edge_figures(call->ctx->arg, edge, &figures);
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "edge", bytes_str(edge->name));
	admin_reply_number(reply, "connections", edge->n_clients);
	admin_reply_number(reply, "members", edge->n_memberships);
	admin_reply_number(reply, "rooms", edge->n_rooms);
	admin_reply_number(reply, "queueBytes", figures.queue_bytes);
	admin_reply_number(reply, "inflightBytes", figures.inflight_bytes);
	char rtt[32];
	snprintf(rtt, sizeof(rtt), "%" PRIu64 ".%03u", figures.rtt_us / 1000,
		(unsigned)(figures.rtt_us % 1000));
	if (figures.rtt_us > 0) {
		admin_reply_json(reply, "rttMs", bytes_str(rtt));
	} else {
		admin_reply_null(reply, "rttMs");
	}
	admin_reply_flag(reply, "draining", edge->draining);
	admin_reply_flag(reply, "silent", figures.silent);
	admin_reply_time(reply, "since", figures.since_ms);
	admin_text_or_null(reply, "version", figures.version);
	admin_reply_end_row(reply);
}

void admin_cmd_edges(struct admin_call *call)
{
	struct admin_page page;
	if (!admin_open_page(call, &page, UINT64_MAX)) {
		return;
	}
	const struct table_edge *edge;
	LIST_FOREACH (edge, &admin_table(call)->edges, in_table) {
		admin_page_offer(&page, 0, bytes_str(edge->name), edge);
	}
	admin_say_page(call, &page, edge_row);
	admin_page_fini(&page);
}

void admin_cmd_edge(struct admin_call *call)
{
	const struct table_edge *edge = admin_find_edge(call, call->words[0]);
	if (edge == NULL) {
		admin_refuse(call, "no such edge");
		return;
	}
	edge_row(call, edge);
}

// ---- rooms

// What holds in the room, and the pattern of the rule in room-options that says so; 0: no limit.
static void say_room_options(struct admin_reply *reply, const struct room_options *options)
{
	const struct store_limits *kept = &options->kept;
	admin_text_or_null(reply, "pattern", options->pattern);
	admin_reply_number(reply, "historyMessagesMax",
		kept->messages < UINT64_MAX ? kept->messages : 0);
	admin_reply_number(reply, "historyBytesMax", kept->bytes);
	admin_reply_number(reply, "historyAgeMs", kept->age_ms);
	admin_reply_number(reply, "membersMax", options->max_members);
	admin_reply_text(reply, "slow", bytes_str(room_slow_name(options->slow)));
	admin_reply_flag(reply, "presence", options->presence);
	admin_reply_flag(reply, "ephemeral", options->ephemeral);
	admin_reply_text(reply, "lobbyPublish", bytes_str(room_publish_name(options->publish)));
}

static void say_room(struct admin_call *call, const struct table_room *room, bool options)
{
	struct admin_reply *reply = call->reply;
	char epoch[EPOCH_TEXT_MAX];
	admin_reply_text(reply, "room", room_name(room));
	admin_reply_number(reply, "members", room->n_members);
	admin_reply_number(reply, "users", room->n_users);
	admin_reply_number(reply, "edges", room->n_edges);
	admin_reply_text(reply, "epoch", bytes_make(epoch, epoch_format(room->epoch, epoch)));
	admin_reply_number(reply, "seq", room->seq);
	admin_reply_number(reply, "historyMessages", room->log.n);
	admin_reply_number(reply, "historyBytes", room->log.bytes);
	if (options) {
		say_room_options(reply, room->options);
	}
	admin_reply_end_row(reply);
}

static void room_row(struct admin_call *call, const void *object)
{
	say_room(call, object, call->flags[0]);
}

enum room_order {
	ROOMS_BY_NAME,
	ROOMS_BY_MEMBERS,
	ROOMS_BY_RATE,
};

static bool room_order_of(struct bytes sort, enum room_order *order)
{
	*order = ROOMS_BY_NAME;
	if (sort.data == NULL) {
		return true;
	}
	*order = bytes_equal_str(sort, "members") ? ROOMS_BY_MEMBERS : ROOMS_BY_RATE;
	return *order == ROOMS_BY_MEMBERS || bytes_equal_str(sort, "rate");
}

static uint64_t room_rank(const struct admin_call *call, const struct table_room *room,
	enum room_order order)
{
	switch (order) {
	case ROOMS_BY_MEMBERS:
		return room->n_members;
	case ROOMS_BY_RATE:
		return room_rate_milli(room, call->now_ms);
	case ROOMS_BY_NAME:
		break;
	}
	return 0;
}

// Of rows in all. False: usage was said.
static bool limit_of(struct admin_call *call, struct bytes text, uint64_t *limit)
{
	static const struct conf_option number = { .name = "limit", .type = CONF_UINT };
	*limit = UINT64_MAX;
	if (text.data != NULL && !admin_value(&number, text, limit)) {
		admin_usage(call, "--limit needs a number");
		return false;
	}
	return true;
}

void admin_cmd_rooms(struct admin_call *call)
{
	enum room_order order;
	if (!room_order_of(call->options[0], &order)) {
		admin_usage(call, "--sort takes members or rate");
		return;
	}
	uint64_t limit;
	struct admin_page page;
	if (!limit_of(call, call->options[1], &limit) || !admin_open_page(call, &page, limit)) {
		return;
	}
	const struct map *rooms = &admin_table(call)->rooms;
	struct map_cursor walk;
	map_walk(rooms, &walk);
	const struct table_room *room;
	while ((room = table_room_of(map_walk_next(rooms, &walk))) != NULL) {
		if (call->n_words == 0 ||
			rights_pattern_match(call->words[0], room_name(room), bytes_str(""))) {
			admin_page_offer(&page, room_rank(call, room, order), room_name(room),
				room);
		}
	}
	admin_say_page(call, &page, room_row);
	admin_page_fini(&page);
}

static const struct table_room *room_or_refuse(struct admin_call *call)
{
	const struct table_room *room = room_table_find(admin_table(call), call->words[0]);
	if (room == NULL) {
		admin_refuse(call, "no such room");
	}
	return room;
}

void admin_cmd_room(struct admin_call *call)
{
	const struct table_room *room = room_or_refuse(call);
	if (room != NULL) {
		say_room(call, room, true);
	}
}

// ---- clients

static void say_client(struct admin_reply *reply, const struct table_client *client)
{
	admin_reply_text(reply, "client", bytes_str(client->id));
	admin_reply_text(reply, "user", user_name(client->user));
	admin_text_or_null(reply, "username", client->username);
	admin_reply_text(reply, "edge", bytes_str(client->edge->name));
	admin_reply_text(reply, "address", bytes_str(client->address));
	admin_reply_time(reply, "since", client->since_ms);
	admin_reply_number(reply, "rooms", client->n_rooms);
	admin_reply_number(reply, "queueBytes", client->queue_bytes);
	admin_reply_text(reply, "codec", bytes_str(client->codec));
	admin_reply_flag(reply, "compressed", client->compressed);
}

static void client_row(struct admin_call *call, const void *object)
{
	say_client(call->reply, object);
	admin_reply_end_row(call->reply);
}

void admin_cmd_members(struct admin_call *call)
{
	const struct table_room *room = room_or_refuse(call);
	struct admin_page page;
	if (room == NULL || !admin_open_page(call, &page, UINT64_MAX)) {
		return;
	}
	const struct membership *m;
	TAILQ_FOREACH (m, &room->members, in_room) {
		admin_page_offer(&page, 0, bytes_str(m->client->id), m->client);
	}
	admin_say_page(call, &page, client_row);
	admin_page_fini(&page);
}

// By what waits for them, if they are sorted by that.
static void offer_client(struct admin_page *page, const struct table_client *client, bool by_queue)
{
	admin_page_offer(page, by_queue ? client->queue_bytes : 0, bytes_str(client->id), client);
}

static void offer_clients_of_user(struct admin_page *page, const struct table_user *user,
	const struct table_edge *only, bool by_queue)
{
	const struct table_client *client;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (only == NULL ? !client->edge->going : client->edge == only) {
			offer_client(page, client, by_queue);
		}
	}
}

static void offer_clients(struct admin_page *page, const struct room_table *t,
	const struct table_edge *only, bool by_queue)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &t->edges, in_table) {
		const struct table_client *client;
		LIST_FOREACH (client, &edge->list, in_edge) {
			if (only == NULL || edge == only) {
				offer_client(page, client, by_queue);
			}
		}
	}
}

void admin_cmd_clients(struct admin_call *call)
{
	struct bytes user_option = call->options[0];
	struct bytes edge_option = call->options[1];
	const struct table_user *user = room_table_user_find(admin_table(call), user_option);
	const struct table_edge *edge = admin_find_edge(call, edge_option);
	if (edge_option.data != NULL && edge == NULL) {
		admin_refuse(call, "no such edge");
		return;
	}
	bool by_queue = call->options[2].data != NULL;
	if (by_queue && !bytes_equal_str(call->options[2], "queue")) {
		admin_usage(call, "--sort takes queue");
		return;
	}
	uint64_t limit;
	struct admin_page page;
	if (!limit_of(call, call->options[3], &limit) || !admin_open_page(call, &page, limit)) {
		return;
	}
	if (user != NULL) {
		offer_clients_of_user(&page, user, edge, by_queue);
	} else if (user_option.data == NULL) {
		offer_clients(&page, admin_table(call), edge, by_queue);
	}
	admin_say_page(call, &page, client_row);
	admin_page_fini(&page);
}

// A JSON array of strings, piece by piece.
static void array_add(struct buf *json, struct bytes text)
{
	buf_append_byte(json, json->len == 0 ? '[' : ',');
	jscan_append_string(json, text);
}

static struct bytes array_end(struct buf *json)
{
	buf_append_str(json, json->len == 0 ? "[]" : "]");
	return buf_bytes(json);
}

void admin_cmd_client(struct admin_call *call)
{
	const struct table_client *client = admin_find_client(call, call->words[0]);
	if (client == NULL) {
		admin_refuse(call, "no such client");
		return;
	}
	struct buf roles = { 0 };
	struct buf rooms = { 0 };
	struct buf patterns = { 0 };
	for (const char **role = client->roles; *role != NULL; role++) {
		array_add(&roles, bytes_str(*role));
	}
	size_t n = 0;
	const struct membership *m;
	LIST_FOREACH (m, &client->rooms, in_client) {
		if (n++ < ROOM_NAMES_MAX) {
			array_add(&rooms, room_name(m->room));
		}
	}
	const struct pattern_watch *watch;
	LIST_FOREACH (watch, &client->watches, in_client) {
		array_add(&patterns, room_pattern_text(watch->pattern));
	}
	say_client(call->reply, client);
	admin_reply_flag(call->reply, "admin", client->admin);
	admin_reply_json(call->reply, "roles", array_end(&roles));
	admin_reply_json(call->reply, "roomNames", array_end(&rooms));
	admin_reply_json(call->reply, "patterns", array_end(&patterns));
	admin_reply_end_row(call->reply);
	buf_fini(&roles);
	buf_fini(&rooms);
	buf_fini(&patterns);
}

// ---- the router itself

void admin_cmd_status(struct admin_call *call)
{
	const struct room_table *t = admin_table(call);
	const struct route_counters *counters = &call->ctx->route->counters;
	struct admin_reply *reply = call->reply;
	int64_t up_ms = call->wall_ms - call->ctx->started_ms;
	admin_reply_text(reply, "name", bytes_str(call->ctx->name));
	admin_reply_text(reply, "version", bytes_str(WEIR_VERSION));
	admin_reply_number(reply, "uptime", up_ms > 0 ? (uint64_t)up_ms / 1000 : 0);
	admin_reply_number(reply, "edges", t->n_edges);
	admin_reply_number(reply, "rooms", t->rooms.n_entries);
	admin_reply_number(reply, "members", t->n_members);
	admin_reply_number(reply, "published", counter_get(&counters->published));
	admin_reply_number(reply, "deliveries", counter_get(&counters->deliveries));
	admin_reply_text(reply, "store", bytes_str(call->ctx->store));
	admin_reply_end_row(reply);
}

void admin_cmd_version(struct admin_call *call)
{
	admin_reply_text(call->reply, "name", bytes_str(call->ctx->name));
	admin_reply_text(call->reply, "version", bytes_str(WEIR_VERSION));
	admin_reply_end_row(call->reply);
}

// That it answers is the proof: commands run in the routing thread.
void admin_cmd_ready(struct admin_call *call)
{
	admin_reply_flag(call->reply, "ready", true);
	admin_reply_end_row(call->reply);
}
