// One row a command: its name, arguments and help are said once, and usage, arity, unknown options
// and `help` come from there. A command gets its words sorted out (struct call), says rows or fails;
// it never sees a request, a socket, or another command.
//
// Names of fields are a promise to scripts (client protocol, section 8). A single thing (`edge`,
// `room`, `client`) shows the same fields as its listing, and may add some.
//
// Listings go through admin_page: bounded in rows and bytes whatever the tables hold. A client is
// found by its id by looking at all of them; an index for a command that a person types would cost
// memory on every connection.

#include "router/admin_cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/json_scan.h"
#include "common/utf8.h"
#include "proto/names.h"
#include "router/admin_message.h"
#include "router/admin_page.h"

enum {
	WORDS_MAX = 2,
	OPTIONS_MAX = 3,
	ROOM_NAMES_MAX = 100, // listed of one client
	EDGES_MAX = 1000, // listed of one room
};

#define CURSOR_PREFIX "--cursor="

struct call;

struct command {
	const char *name;
	const char *args;
	const char *help;
	size_t min, max; // words
	void (*fn)(struct call *call);
	const char *options[OPTIONS_MAX]; // names without dashes; each takes a value
	bool changes;
	bool takes_subject; // --token FILE, which weirctl turns into a subject
};

struct call {
	const struct admin_context *ctx;
	const struct command *command;
	struct bytes words[WORDS_MAX];
	size_t n_words;
	struct bytes options[OPTIONS_MAX]; // as in the command; NULL data: not given
	struct bytes cursor;
	const Weir__Admin__V1__Subject *subject; // only for commands that take one; else NULL
	uint64_t now_ms;
	int64_t wall_ms;
	struct admin_reply *reply;
};

// ---- helpers

static const struct room_table *table_of(const struct call *call)
{
	return &call->ctx->route->table;
}

static void refuse(struct call *call, const char *what)
{
	admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__REFUSED, "%s", what);
}

static void usage(struct call *call, const char *what)
{
	const struct command *c = call->command;
	admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__USAGE, "%s\nusage: weirctl %s%s%s",
		what, c->name, c->args[0] != '\0' ? " " : "", c->args);
}

static struct bytes span_of(ProtobufCBinaryData data)
{
	return bytes_make(data.data, data.len);
}

static void text_or_null(struct admin_reply *reply, const char *name, const char *text)
{
	if (text != NULL) {
		admin_reply_text(reply, name, bytes_str(text));
	} else {
		admin_reply_null(reply, name);
	}
}

// A listing with a row for each entry of the page.
typedef void row_fn(struct call *call, const void *object);

static void say_page(struct call *call, struct admin_page *page, row_fn *row)
{
	admin_page_close(page);
	call->reply->table = true;
	size_t n = 0;
	while (n < page->n && !admin_reply_is_full(call->reply)) {
		row(call, page->entries[n++].object);
	}
	if (admin_page_has_more(page, n)) {
		// A word that says what it is: weirctl hands it back as it came.
		buf_append_str(&call->reply->cursor, CURSOR_PREFIX);
		admin_page_cursor(page, n, &call->reply->cursor);
	}
}

static bool open_page(struct call *call, struct admin_page *page, uint64_t limit)
{
	if (admin_page_init(page, limit, call->cursor)) {
		return true;
	}
	usage(call, "bad cursor");
	return false;
}

// ---- edges

static struct table_edge *find_edge(const struct call *call, struct bytes name)
{
	struct table_edge *edge;
	LIST_FOREACH (edge, &table_of(call)->edges, in_table) {
		if (bytes_equal_str(name, edge->name)) {
			return edge;
		}
	}
	return NULL;
}

static void edge_row(struct call *call, const void *object)
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
	admin_reply_time(reply, "since", figures.since_ms);
	text_or_null(reply, "version", figures.version);
	admin_reply_end_row(reply);
}

static void cmd_edges(struct call *call)
{
	struct admin_page page;
	if (!open_page(call, &page, UINT64_MAX)) {
		return;
	}
	const struct table_edge *edge;
	LIST_FOREACH (edge, &table_of(call)->edges, in_table) {
		admin_page_offer(&page, 0, bytes_str(edge->name), edge);
	}
	say_page(call, &page, edge_row);
	admin_page_fini(&page);
}

static void cmd_edge(struct call *call)
{
	const struct table_edge *edge = find_edge(call, call->words[0]);
	if (edge == NULL) {
		refuse(call, "no such edge");
		return;
	}
	edge_row(call, edge);
}

// ---- rooms

static void say_room(struct call *call, const struct table_room *room)
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
	admin_reply_end_row(reply);
}

static void room_row(struct call *call, const void *object)
{
	say_room(call, object);
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

static uint64_t room_rank(const struct call *call, const struct table_room *room,
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

static void cmd_rooms(struct call *call)
{
	enum room_order order;
	if (!room_order_of(call->options[0], &order)) {
		usage(call, "--sort takes members or rate");
		return;
	}
	uint64_t limit = UINT64_MAX;
	if (call->options[1].data != NULL && !json_uint_decode(call->options[1], &limit)) {
		usage(call, "--limit takes a number");
		return;
	}
	struct admin_page page;
	if (!open_page(call, &page, limit)) {
		return;
	}
	const struct map *rooms = &table_of(call)->rooms;
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
	say_page(call, &page, room_row);
	admin_page_fini(&page);
}

static const struct table_room *room_or_refuse(struct call *call)
{
	const struct table_room *room = room_table_find(table_of(call), call->words[0]);
	if (room == NULL) {
		refuse(call, "no such room");
	}
	return room;
}

static void cmd_room(struct call *call)
{
	const struct table_room *room = room_or_refuse(call);
	if (room != NULL) {
		say_room(call, room);
	}
}

// ---- clients

static void say_client(struct admin_reply *reply, const struct table_client *client)
{
	admin_reply_text(reply, "client", bytes_str(client->id));
	admin_reply_text(reply, "user", user_name(client->user));
	text_or_null(reply, "username", client->username);
	admin_reply_text(reply, "edge", bytes_str(client->edge->name));
	admin_reply_text(reply, "address", bytes_str(client->address));
	admin_reply_time(reply, "since", client->since_ms);
	admin_reply_number(reply, "rooms", client->n_rooms);
	admin_reply_number(reply, "queueBytes", client->queue_bytes);
	admin_reply_text(reply, "codec", bytes_str(client->codec));
	admin_reply_flag(reply, "compressed", client->compressed);
}

static void client_row(struct call *call, const void *object)
{
	say_client(call->reply, object);
	admin_reply_end_row(call->reply);
}

static void cmd_members(struct call *call)
{
	const struct table_room *room = room_or_refuse(call);
	struct admin_page page;
	if (room == NULL || !open_page(call, &page, UINT64_MAX)) {
		return;
	}
	const struct membership *m;
	TAILQ_FOREACH (m, &room->members, in_room) {
		admin_page_offer(&page, 0, bytes_str(m->client->id), m->client);
	}
	say_page(call, &page, client_row);
	admin_page_fini(&page);
}

static void offer_clients_of_user(struct admin_page *page, const struct table_user *user,
	const struct table_edge *only)
{
	const struct table_client *client;
	LIST_FOREACH (client, &user->clients, in_user) {
		if (only == NULL || client->edge == only) {
			admin_page_offer(page, 0, bytes_str(client->id), client);
		}
	}
}

static void offer_clients(struct admin_page *page, const struct room_table *t,
	const struct table_edge *only)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &t->edges, in_table) {
		const struct table_client *client;
		LIST_FOREACH (client, &edge->list, in_edge) {
			if (only == NULL || edge == only) {
				admin_page_offer(page, 0, bytes_str(client->id), client);
			}
		}
	}
}

static void cmd_clients(struct call *call)
{
	struct bytes user_option = call->options[0];
	struct bytes edge_option = call->options[1];
	const struct table_user *user = room_table_user_find(table_of(call), user_option);
	const struct table_edge *edge = find_edge(call, edge_option);
	if (edge_option.data != NULL && edge == NULL) {
		refuse(call, "no such edge");
		return;
	}
	struct admin_page page;
	if (!open_page(call, &page, UINT64_MAX)) {
		return;
	}
	if (user != NULL) {
		offer_clients_of_user(&page, user, edge);
	} else if (user_option.data == NULL) {
		offer_clients(&page, table_of(call), edge);
	}
	say_page(call, &page, client_row);
	admin_page_fini(&page);
}

static const struct table_client *find_client(const struct call *call, struct bytes id)
{
	const struct table_edge *edge;
	LIST_FOREACH (edge, &table_of(call)->edges, in_table) {
		const struct table_client *client;
		LIST_FOREACH (client, &edge->list, in_edge) {
			if (bytes_equal_str(id, client->id)) {
				return client;
			}
		}
	}
	return NULL;
}

// A JSON array of strings, piece by piece.
static void array_add(struct buf *json, struct bytes text)
{
	buf_append_byte(json, json->len == 0 ? '[' : ',');
	json_append_string(json, text);
}

static struct bytes array_end(struct buf *json)
{
	buf_append_str(json, json->len == 0 ? "[]" : "]");
	return buf_bytes(json);
}

static void cmd_client(struct call *call)
{
	const struct table_client *client = find_client(call, call->words[0]);
	if (client == NULL) {
		refuse(call, "no such client");
		return;
	}
	struct buf roles = { 0 };
	struct buf rooms = { 0 };
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
	say_client(call->reply, client);
	admin_reply_flag(call->reply, "admin", client->admin);
	admin_reply_json(call->reply, "roles", array_end(&roles));
	admin_reply_json(call->reply, "roomNames", array_end(&rooms));
	admin_reply_end_row(call->reply);
	buf_fini(&roles);
	buf_fini(&rooms);
}

// ---- route

// By what the user's connections announced: the first that may, else the last that may not. A user
// who is not connected has the defaults of any edge, as all should have the same.
static struct rights_decision decide_as(const struct call *call, struct bytes name,
	struct bytes room)
{
	struct rights_decision decision = { .reason = "no edge" };
	const struct table_user *user = room_table_user_find(table_of(call), name);
	if (user != NULL) {
		const struct table_client *client;
		LIST_FOREACH (client, &user->clients, in_user) {
			decision = route_decide(client, RIGHT_PUBLISH, room);
			if (decision.allowed) {
				break;
			}
		}
		return decision;
	}
	const struct table_edge *edge = LIST_FIRST(&table_of(call)->edges);
	if (edge != NULL) {
		const struct rights_subject subject = { .user = name };
		decision = rights_decide(&edge->policy, &subject, RIGHT_PUBLISH, room);
	}
	return decision;
}

// What the token announces, as an edge with the default admin-role would read it.
static struct rights_decision decide_subject(const struct call *call, struct bytes room,
	struct rights *rights)
{
	const Weir__Admin__V1__Subject *given = call->subject;
	struct rights_subject subject = { .user = span_of(given->user), .rights = rights };
	for (size_t i = 0; i < given->n_roles; i++) {
		subject.admin |= bytes_equal_str(span_of(given->roles[i]), "admin");
	}
	for (size_t i = 0; i < given->n_rights; i++) {
		const Weir__Admin__V1__Grant *grant = given->rights[i];
		if (!rights_add(rights, grant->mask, span_of(grant->pattern))) {
			return (struct rights_decision){ .reason = "bad pattern" };
		}
	}
	if (!given->has_rights) {
		subject.rights = NULL;
	}
	const struct table_edge *edge = LIST_FIRST(&table_of(call)->edges);
	const struct rights_policy none = { 0 };
	const struct rights_policy *policy = edge != NULL ? &edge->policy : &none;
	return rights_decide(policy, &subject, RIGHT_PUBLISH, room);
}

// `rights` is an empty set for the answer to borrow from.
static struct rights_decision decide(const struct call *call, struct bytes room,
	struct rights *rights)
{
	if (!room_name_valid(room)) {
		return (struct rights_decision){ .reason = "bad_room" };
	}
	if (call->options[0].data != NULL) {
		return decide_as(call, call->options[0], room);
	}
	if (call->subject != NULL) {
		return decide_subject(call, room, rights);
	}
	return (struct rights_decision){ .allowed = true, .reason = "weirctl" };
}

static void list_room_edges(const struct table_room *room, struct buf *json)
{
	buf_append_byte(json, '[');
	for (uint32_t i = 0; room != NULL && i < room->n_edges && i < EDGES_MAX; i++) {
		buf_append_str(json, i > 0 ? ",{\"edge\":" : "{\"edge\":");
		json_append_string(json, bytes_str(room->edges[i].edge->name));
		buf_append_str(json, ",\"connections\":");
		buf_append_uint(json, room->edges[i].n_members);
		buf_append_byte(json, '}');
	}
	buf_append_byte(json, ']');
}

static void cmd_route(struct call *call)
{
	struct bytes name = call->words[0];
	if (call->subject != NULL && call->options[0].data != NULL) {
		usage(call, "takes either --as or --token");
		return;
	}
	struct rights *rights = rights_new();
	struct rights_decision decision = decide(call, name, rights);
	const struct table_room *room = room_table_find(table_of(call), name);
	struct buf edges = { 0 };
	list_room_edges(room, &edges);
	struct admin_reply *reply = call->reply;
	admin_reply_text(reply, "room", name);
	admin_reply_flag(reply, "allowed", decision.allowed);
	admin_reply_text(reply, "reason", bytes_str(decision.reason));
	if (decision.pattern.data != NULL) {
		admin_reply_text(reply, "pattern", decision.pattern);
	} else {
		admin_reply_null(reply, "pattern");
	}
	admin_reply_json(reply, "edges", buf_bytes(&edges));
	admin_reply_number(reply, "members", room != NULL ? room->n_members : 0);
	admin_reply_end_row(reply);
	buf_fini(&edges);
	rights_unref(rights);
}

// ---- messages

// `type` replaces what the text says it is; empty: the text must say it.
static bool parse_message(struct call *call, struct bytes text, struct bytes type,
	struct buf *scratch, struct route_message *message)
{
	struct admin_message parsed;
	const char *why = admin_message_parse(text, type, scratch, &parsed);
	if (why != NULL) {
		admin_reply_fail(call->reply, WEIR__ADMIN__V1__STATUS__USAGE, "invalid_message: %s",
			why);
		return false;
	}
	*message = (struct route_message){
		.type = parsed.type,
		.body = parsed.body,
		.ephemeral = parsed.ephemeral,
	};
	return true;
}

static void publish(struct call *call, struct route_message *message)
{
	message->room = call->words[0];
	struct route_result result;
	if (!room_name_valid(message->room)) {
		refuse(call, "bad_room");
		return;
	}
	if (route_publish(call->ctx->route, message, call->now_ms, call->wall_ms, &result) !=
		REFUSAL_NONE) {
		refuse(call, "limit: as many rooms as max-rooms allows");
		return;
	}
	struct admin_reply *reply = call->reply;
	char epoch[EPOCH_TEXT_MAX];
	admin_reply_text(reply, "room", message->room);
	if (result.seq > 0) {
		admin_reply_text(reply, "epoch",
			bytes_make(epoch, epoch_format(result.epoch, epoch)));
		admin_reply_number(reply, "seq", result.seq);
	}
	admin_reply_time(reply, "timestamp", result.timestamp_ms);
	admin_reply_number(reply, "members", result.members);
	admin_reply_end_row(reply);
	buf_printf(&reply->audit, "room=%.*s seq=%" PRIu64, (int)message->room.len,
		(const char *)message->room.data, result.seq);
}

static void cmd_publish(struct call *call)
{
	struct buf scratch = { 0 };
	struct route_message message;
	if (parse_message(call, call->words[1], bytes_make(NULL, 0), &scratch, &message)) {
		publish(call, &message);
	}
	buf_fini(&scratch);
}

static void cmd_broadcast(struct call *call)
{
	struct buf scratch = { 0 };
	struct route_message message;
	if (parse_message(call, call->words[0], bytes_str("admin:broadcast"), &scratch, &message)) {
		struct route_result result;
		route_broadcast(call->ctx->route, &message, call->wall_ms, &result);
		admin_reply_time(call->reply, "timestamp", result.timestamp_ms);
		admin_reply_number(call->reply, "members", result.members);
		admin_reply_end_row(call->reply);
		buf_printf(&call->reply->audit, "members=%u", result.members);
	}
	buf_fini(&scratch);
}

static uint64_t kick_user(struct call *call, struct bytes name)
{
	const struct table_user *user = room_table_user_find(table_of(call), name);
	uint64_t closed = 0;
	if (user != NULL) {
		const struct table_client *client;
		LIST_FOREACH (client, &user->clients, in_user) {
			route_kick(call->ctx->route, client, bytes_str("revoked"));
			closed++;
		}
	}
	return closed;
}

// The reason is for the log; the client learns "revoked".
static void cmd_kick(struct call *call)
{
	struct bytes user = call->options[0];
	struct bytes id = call->options[1];
	if ((user.data == NULL) == (id.data == NULL)) {
		usage(call, "takes either --user or --client");
		return;
	}
	uint64_t closed = 1;
	if (user.data != NULL) {
		closed = kick_user(call, user);
	} else {
		const struct table_client *client = find_client(call, id);
		if (client == NULL) {
			refuse(call, "no such client");
			return;
		}
		route_kick(call->ctx->route, client, bytes_str("revoked"));
	}
	admin_reply_number(call->reply, "closed", closed);
	admin_reply_end_row(call->reply);
	struct bytes who = user.data != NULL ? user : id;
	struct bytes reason = call->options[2];
	buf_printf(&call->reply->audit, "%s=%.*s closed=%" PRIu64 " reason=%.*s",
		user.data != NULL ? "user" : "client", (int)who.len, (const char *)who.data, closed,
		(int)reason.len, (const char *)reason.data);
}

// "N/s", or N. False if it is not a rate that an edge can take.
static bool drain_rate_of(struct bytes text, uint64_t *rate)
{
	*rate = 0;
	if (text.data == NULL) {
		return true;
	}
	size_t len = text.len;
	if (len > 2 && memcmp(text.data + len - 2, "/s", 2) == 0) {
		text.len -= 2;
	}
	return json_uint_decode(text, rate) && *rate > 0 && *rate <= UINT32_MAX;
}

static void drain(struct call *call, bool active)
{
	uint64_t rate = 0;
	if (active && !drain_rate_of(call->options[0], &rate)) {
		usage(call, "--rate takes a number of connections a second: 50/s");
		return;
	}
	struct table_edge *edge = find_edge(call, call->words[0]);
	if (edge == NULL) {
		refuse(call, "no such edge");
		return;
	}
	route_drain(call->ctx->route, edge, active, (uint32_t)rate);
	admin_reply_text(call->reply, "edge", bytes_str(edge->name));
	admin_reply_flag(call->reply, "draining", active);
	admin_reply_number(call->reply, "connections", edge->n_clients);
	admin_reply_end_row(call->reply);
	buf_printf(&call->reply->audit, "edge=%s connections=%" PRIu32, edge->name,
		edge->n_clients);
}

static void cmd_drain(struct call *call)
{
	drain(call, true);
}

static void cmd_undrain(struct call *call)
{
	drain(call, false);
}

// ---- the router itself

static void cmd_status(struct call *call)
{
	const struct room_table *t = table_of(call);
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
	admin_reply_text(reply, "store", bytes_str("memory"));
	admin_reply_end_row(reply);
}

static void cmd_version(struct call *call)
{
	admin_reply_text(call->reply, "name", bytes_str(call->ctx->name));
	admin_reply_text(call->reply, "version", bytes_str(WEIR_VERSION));
	admin_reply_end_row(call->reply);
}

// That it answers is the proof: commands run in the routing thread.
static void cmd_ready(struct call *call)
{
	admin_reply_flag(call->reply, "ready", true);
	admin_reply_end_row(call->reply);
}

static uint64_t resident_bytes(void)
{
	char line[128] = "";
	FILE *statm = fopen("/proc/self/statm", "re");
	if (statm == NULL) {
		return 0;
	}
	const char *second = fgets(line, sizeof(line), statm) != NULL ? strchr(line, ' ') : NULL;
	fclose(statm);
	uint64_t pages = second != NULL ? strtoull(second, NULL, 10) : 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// What the process holds, and what the tables would at least take for what is in them.
static void cmd_memory(struct call *call)
{
	const struct room_table *t = table_of(call);
	struct admin_reply *reply = call->reply;
	uint64_t queued = 0;
	const struct table_edge *edge;
	LIST_FOREACH (edge, &t->edges, in_table) {
		struct admin_edge_figures figures = { 0 };
		call->ctx->edge_figures(call->ctx->arg, edge, &figures);
		queued += figures.queue_bytes + figures.inflight_bytes;
	}
	admin_reply_number(reply, "residentBytes", resident_bytes());
	admin_reply_number(reply, "roomBytes", t->rooms.n_entries * sizeof(struct table_room));
	admin_reply_number(reply, "memberBytes", t->n_members * sizeof(struct membership));
	admin_reply_number(reply, "clientBytes", t->n_clients * sizeof(struct table_client));
	admin_reply_number(reply, "userBytes", t->users.n_entries * sizeof(struct table_user));
	admin_reply_number(reply, "linkBytes", queued);
	admin_reply_number(reply, "historyBytes", call->ctx->route->store.bytes);
	admin_reply_end_row(reply);
}

static void cmd_help(struct call *call);

static const struct command commands[] = {
	{ "status", "", "how the router does", 0, 0, cmd_status },
	{ "ready", "", "exit 0 if it routes", 0, 0, cmd_ready },
	{ "edges", "", "list edges", 0, 0, cmd_edges },
	{ "edge", "NAME", "show one edge", 1, 1, cmd_edge },
	{ "rooms", "[PATTERN] [--sort members|rate] [--limit N]",
		"list rooms; a pattern matches user: and admin: rooms only if it begins so", 0, 1,
		cmd_rooms, .options = { "sort", "limit" } },
	{ "room", "ROOM", "show one room", 1, 1, cmd_room },
	{ "members", "ROOM", "list the connections in a room", 1, 1, cmd_members },
	{ "clients", "[--user U] [--edge E]", "list connections", 0, 0, cmd_clients,
		.options = { "user", "edge" } },
	{ "client", "ID", "show one connection", 1, 1, cmd_client },
	{ "route", "ROOM [--as USER | --token FILE]",
		"say whom a message would reach, and send none", 1, 1, cmd_route,
		.options = { "as" }, .takes_subject = true },
	{ "publish", "ROOM JSON", "publish a message: an object with a type", 2, 2, cmd_publish,
		.changes = true },
	{ "broadcast", "JSON", "send a message to every connection", 1, 1, cmd_broadcast,
		.changes = true },
	{ "kick", "(--user U | --client C) [--reason TEXT]", "close connections", 0, 0, cmd_kick,
		.options = { "user", "client", "reason" }, .changes = true },
	{ "drain", "EDGE [--rate N/s]", "send the clients of an edge elsewhere, keep it empty", 1,
		1, cmd_drain, .options = { "rate" }, .changes = true },
	{ "undrain", "EDGE", "let clients come to an edge again", 1, 1, cmd_undrain,
		.changes = true },
	{ "memory", "", "say what takes memory", 0, 0, cmd_memory },
	{ "version", "", "name and version of the router", 0, 0, cmd_version },
	{ "help", "[COMMAND]", "list commands, or explain one", 0, 1, cmd_help },
};

static const struct command *find_command(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (bytes_equal_str(name, commands[i].name)) {
			return &commands[i];
		}
	}
	return NULL;
}

static void list_commands(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		buf_printf(out, "%s  %-10s %s", i > 0 ? "\n" : "", commands[i].name,
			commands[i].help);
	}
}

static void unknown_command(struct admin_reply *reply, struct bytes name)
{
	admin_reply_fail(reply, WEIR__ADMIN__V1__STATUS__USAGE,
		"no such command: %.*s\ncommands are:\n", (int)(name.len < 64 ? name.len : 64),
		(const char *)name.data);
	list_commands(&reply->message);
}

static void cmd_help(struct call *call)
{
	struct buf *out = &call->reply->message;
	if (call->n_words == 0) {
		list_commands(out);
		return;
	}
	const struct command *c = find_command(call->words[0]);
	if (c == NULL) {
		unknown_command(call->reply, call->words[0]);
		return;
	}
	buf_printf(out, "weirctl %s %s\n  %s", c->name, c->args, c->help);
}

// ---- words

// Where in the command's options `name` is; OPTIONS_MAX if nowhere.
static size_t find_option(const struct command *c, struct bytes name)
{
	size_t i = 0;
	while (i < OPTIONS_MAX &&
		(c->options[i] == NULL || !bytes_equal_str(name, c->options[i]))) {
		i++;
	}
	return i;
}

// Takes "--name=value" or "--name value" at argv[*at]. False, and an answer, if it is not to be had.
static bool take_option(struct call *call, const struct bytes *argv, size_t argc, size_t *at)
{
	struct bytes name;
	struct bytes value;
	bool joined = bytes_cut(bytes_from(argv[*at], 2), '=', &name, &value);
	size_t i = find_option(call->command, name);
	if (i == OPTIONS_MAX) {
		usage(call, "no such option");
		return false;
	}
	if (!joined) {
		if (*at + 1 == argc) {
			usage(call, "an option lacks its value");
			return false;
		}
		value = argv[++*at];
	}
	// Given and empty is not the same as not given.
	call->options[i] = value.len > 0 ? value : bytes_make("", 0);
	return true;
}

static bool take_words(struct call *call, const struct bytes *argv, size_t argc)
{
	bool options = true;
	for (size_t i = 1; i < argc; i++) {
		if (options && bytes_equal_str(argv[i], "--")) {
			options = false;
		} else if (options && bytes_has_prefix(argv[i], "--")) {
			if (!take_option(call, argv, argc, &i)) {
				return false;
			}
		} else if (call->n_words == call->command->max) {
			usage(call, "too many arguments");
			return false;
		} else {
			call->words[call->n_words++] = argv[i];
		}
	}
	if (call->n_words < call->command->min) {
		usage(call, "too few arguments");
		return false;
	}
	return true;
}

// An answer may repeat a word, and all text in an answer is UTF-8.
static bool words_valid(const struct bytes *argv, size_t argc)
{
	for (size_t i = 0; i < argc; i++) {
		if (!utf8_valid(argv[i])) {
			return false;
		}
	}
	return true;
}

void admin_run(const struct admin_context *ctx, const struct admin_request *request,
	struct admin_reply *reply)
{
	const struct bytes *argv = request->argv;
	size_t argc = request->argc;
	struct call call = {
		.ctx = ctx,
		.subject = request->subject,
		.now_ms = request->now_ms,
		.wall_ms = request->wall_ms,
		.reply = reply,
	};
	if (!words_valid(argv, argc)) {
		admin_reply_fail(reply, WEIR__ADMIN__V1__STATUS__USAGE, "an argument is not UTF-8");
		return;
	}
	call.command = argc > 0 ? find_command(argv[0]) : NULL;
	if (call.command == NULL) {
		unknown_command(reply, argc > 0 ? argv[0] : bytes_str(""));
		return;
	}
	if (call.subject != NULL && !call.command->takes_subject) {
		usage(&call, "takes no --token");
		return;
	}
	if (argc > 1 && bytes_has_prefix(argv[argc - 1], CURSOR_PREFIX)) {
		call.cursor = bytes_from(argv[--argc], sizeof(CURSOR_PREFIX) - 1);
	}
	if (take_words(&call, argv, argc)) {
		call.command->fn(&call);
	}
}

bool admin_changes(struct bytes command)
{
	const struct command *c = find_command(command);
	return c != NULL && c->changes;
}
