// The table is lists in both directions: whatever ends (a membership, a client, an edge, a table)
// walks its own list and unlinks from the other side. Nothing is ever searched for in order to be
// removed, but for a room's count of one edge, and a room has few edges.
//
// Invariants, which the test checks after every step against arrays: - a membership is in exactly
// two lists: its room's and its client's; - n_members, n_users, n_edges, n_rooms, n_memberships
// equal what a walk would count; - a room has one room_edge for each edge with members there, and
// none with zero members; - a room is in the idle list if and only if it has no members, and the
// list is sorted by
//    idle_since_ms (time does not run backwards), so sweeping looks at the head only;
// - an epoch is given once in the life of a process; the first is random, so that two lives of a
//    router do not share any either.
//
// How many connections of a user are in a room is kept for users who have had several at a time,
// and only for them: it would cost every membership more than its links, and who has one connection
// is in a room once. Their memberships lie one behind another in the room's list, so that a list of
// users costs what it lists. Rejected: walking the room, or the user's connections, whenever
// somebody joins, leaves or asks. One user with many connections made that milliseconds.
//
// Memberships are cut from slabs and go back to a free list; the slabs stay until the end, as the
// next storm of joins needs them again. A malloc per membership would cost the same bytes and
// spread the lists over the heap.

#include "router/core/room_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/random.h"
#include "common/siphash.h"

enum {
	SLAB_MEMBERSHIPS = 1023,
	RATE_WINDOW_MS = 10000,
};

struct membership_slab {
	struct membership_slab *next;
	struct membership slots[SLAB_MEMBERSHIPS];
};

static struct bytes room_key(const struct map_node *node)
{
	return room_name(CONTAINER_OF(node, const struct table_room, node));
}

static struct bytes user_key(const struct map_node *node)
{
	return user_name(CONTAINER_OF(node, const struct table_user, node));
}

static struct bytes room_user_key(const struct map_node *node)
{
	const struct room_user *ru = CONTAINER_OF(node, const struct room_user, node);
	_Static_assert(offsetof(struct room_user, user) ==
			offsetof(struct room_user, room) + sizeof(ru->room),
		"both are the key");
	return bytes_make(&ru->room, sizeof(ru->room) + sizeof(ru->user));
}

static struct bytes client_key(const struct map_node *node)
{
	const struct table_client *client = CONTAINER_OF(node, const struct table_client, node);
	return bytes_make(&client->handle, sizeof(client->handle));
}

void room_table_init(struct room_table *t, uint64_t max_rooms, uint64_t max_members_per_room)
{
	*t = (struct room_table){
		.max_rooms = max_rooms,
	};
	random_fill(t->epoch_key, sizeof(t->epoch_key));
	map_init(&t->rooms, room_key);
	map_init(&t->users, user_key);
	map_init(&t->room_users, room_user_key);
	budget_memory_init(&t->budgets);
	LIST_INIT(&t->edges);
	LIST_INIT(&t->retired);
	TAILQ_INIT(&t->idle);
	LIST_INIT(&t->free);
	const struct store_limits none = { 0 };
	room_rules_init(&t->rules);
	room_rules_set_defaults(&t->rules, &none, max_members_per_room);
}

static void room_set_options(const struct room_table *t, struct table_room *room)
{
	room->options = room_rules_find(&t->rules, room_name(room));
	room->log.limits = &room->options->kept;
}

void room_table_set_rules(struct room_table *t, const struct conf_list *options,
	const struct conf_list *slow)
{
	if (room_rules_are(&t->rules, options, slow)) {
		return;
	}
	room_rules_load(&t->rules, options, slow);
	struct map_cursor cursor;
	struct table_room *room;
	map_walk(&t->rooms, &cursor);
	while ((room = table_room_of(map_walk_next(&t->rooms, &cursor))) != NULL) {
		room_set_options(t, room);
	}
}

const struct room_options *room_table_options(const struct room_table *t, struct bytes name)
{
	const struct table_room *room = room_table_find(t, name);
	return room != NULL ? room->options : room_rules_find(&t->rules, name);
}

static void room_unlist_idle(struct room_table *t, struct table_room *room)
{
	if (t->sweep_at == room) {
		t->sweep_at = TAILQ_NEXT(room, idle);
	}
	TAILQ_REMOVE(&t->idle, room, idle);
}

static void room_free(struct room_table *t, struct table_room *room)
{
	if (t->forget != NULL) {
		t->forget(t->forget_arg, room);
	}
	room_unlist_idle(t, room);
	map_remove(&t->rooms, &room->node);
	free(room->watching);
	free(room->edges);
	free(room);
}

static void remove_edges(struct room_table *t, struct table_edges *edges)
{
	struct table_edge *edge = LIST_FIRST(edges);
	while (edge != NULL) {
		struct table_edge *next = LIST_NEXT(edge, in_table);
		room_table_edge_remove(t, edge, 0);
		edge = next;
	}
}

void room_table_fini(struct room_table *t)
{
	remove_edges(t, &t->edges);
	remove_edges(t, &t->retired);
	struct table_room *room = TAILQ_FIRST(&t->idle);
	while (room != NULL) {
		struct table_room *next = TAILQ_NEXT(room, idle);
		room_free(t, room);
		room = next;
	}
	map_fini(&t->rooms);
	map_fini(&t->users);
	map_fini(&t->room_users);
	budget_memory_fini(&t->budgets);
	room_rules_fini(&t->rules);
	while (t->slabs != NULL) {
		struct membership_slab *slab = t->slabs;
		t->slabs = slab->next;
		free(slab);
	}
}

struct table_edge *room_table_edge_add(struct room_table *t, struct bytes name,
	const struct rights_policy *policy, void *link)
{
	struct table_edge *edge = xcalloc(1, sizeof(*edge));
	map_init(&edge->clients, client_key);
	LIST_INIT(&edge->list);
	edge->name = xstrndup(name.data, name.len);
	edge->lobby = xstrndup(policy->lobby.data, policy->lobby.len);
	edge->policy = (struct rights_policy){
		.defaults = policy->defaults != NULL ? rights_ref(policy->defaults) : NULL,
		.lobby = bytes_make(edge->lobby, policy->lobby.len),
		.lobby_publish = policy->lobby_publish,
	};
	edge->link = link;
	LIST_INSERT_HEAD(&t->edges, edge, in_table);
	t->n_edges++;
	return edge;
}

void room_table_edge_retire(struct room_table *t, struct table_edge *edge)
{
	edge->going = true;
	LIST_REMOVE(edge, in_table);
	LIST_INSERT_HEAD(&t->retired, edge, in_table);
	t->n_edges--;
}

void room_table_edge_remove(struct room_table *t, struct table_edge *edge, uint64_t now_ms)
{
	struct table_client *client = LIST_FIRST(&edge->list);
	while (client != NULL) {
		struct table_client *next = LIST_NEXT(client, in_edge);
		room_table_client_remove(t, client, now_ms);
		client = next;
	}
	LIST_REMOVE(edge, in_table);
	t->n_edges -= !edge->going;
	map_fini(&edge->clients);
	rights_unref(edge->policy.defaults);
	free(edge->lobby);
	free(edge->name);
	buf_fini(&edge->replays);
	free(edge);
}

static struct table_user *user_open(struct room_table *t, struct bytes name)
{
	struct table_user *user = room_table_user_find(t, name);
	if (user != NULL) {
		return user;
	}
	CHECK(name.len > 0 && name.len < UINT16_MAX);
	user = xcalloc(1, sizeof(*user) + name.len + 1);
	memcpy(user->name, name.data, name.len);
	user->name_len = (uint16_t)name.len;
	user->budget = budget_memory_take(&t->budgets, name);
	LIST_INIT(&user->clients);
	map_insert(&t->users, &user->node);
	return user;
}

// Copies `text` to `*at` and moves it behind the NUL.
static const char *put_text(char **at, struct bytes text)
{
	char *start = *at;
	if (text.len > 0) {
		memcpy(start, text.data, text.len);
	}
	start[text.len] = '\0';
	*at = start + text.len + 1;
	return start;
}

static void client_set_texts(struct table_client *client, const struct client_facts *facts)
{
	size_t size = (facts->n_roles + 1) * sizeof(client->roles[0]);
	size += facts->id.len + facts->username.len + facts->address.len + facts->codec.len +
		facts->jti.len + 5;
	for (size_t i = 0; i < facts->n_roles; i++) {
		size += facts->roles[i].len + 1;
	}
	const char **roles = xmalloc(size);
	char *at = (char *)&roles[facts->n_roles + 1];
	for (size_t i = 0; i < facts->n_roles; i++) {
		roles[i] = put_text(&at, facts->roles[i]);
	}
	roles[facts->n_roles] = NULL;
	client->id = put_text(&at, facts->id);
	client->username = put_text(&at, facts->username);
	if (facts->username.len == 0) {
		client->username = NULL;
	}
	client->jti = put_text(&at, facts->jti);
	if (facts->jti.len == 0) {
		client->jti = NULL;
	}
	client->address = put_text(&at, facts->address);
	client->codec = put_text(&at, facts->codec);
	free(client->roles);
	client->roles = roles;
}

void room_table_client_update(struct table_client *client, const struct client_facts *facts)
{
	CHECK(client->handle == facts->handle);
	CHECK(bytes_equal(user_name(client->user), facts->user));
	client_set_texts(client, facts);
	rights_unref(client->rights);
	client->rights = facts->rights;
	client->since_ms = facts->since_ms;
	client->issued_s = facts->issued_s;
	client->admin = facts->admin;
	client->compressed = facts->compressed;
	client->no_sender = facts->no_sender;
}

// NULL if the user is not counted, or not in the room.
static struct room_user *room_user_find(const struct room_table *t, const struct table_room *room,
	const struct table_user *user)
{
	const struct room_user key = { .room = room, .user = user };
	struct map_node *node =
		user->counted ? map_find(&t->room_users, room_user_key(&key.node)) : NULL;
	return node != NULL ? CONTAINER_OF(node, struct room_user, node) : NULL;
}

// `m` is its first membership there.
static void room_user_open(struct room_table *t, struct membership *m)
{
	struct room_user *ru = xmalloc(sizeof(*ru));
	*ru = (struct room_user){
		.room = m->room,
		.user = m->client->user,
		.first = m,
		.last = m,
		.n_members = 1,
	};
	map_insert(&t->room_users, &ru->node);
}

// A second client of the user comes.
static void start_counting(struct room_table *t, struct table_user *user)
{
	struct membership *m;
	user->counted = true;
	LIST_FOREACH (m, &LIST_FIRST(&user->clients)->rooms, in_client) {
		room_user_open(t, m);
	}
}

// Puts the new membership into its room's list. True if its user was not there before.
static bool room_user_add(struct room_table *t, struct membership *m)
{
	struct room_user *ru =
		m->room->n_members > 0 ? room_user_find(t, m->room, m->client->user) : NULL;
	if (ru != NULL) {
		TAILQ_INSERT_AFTER(&m->room->members, ru->last, m, in_room);
		ru->last = m;
		ru->n_members++;
		return false;
	}
	TAILQ_INSERT_TAIL(&m->room->members, m, in_room);
	if (m->client->user->counted) {
		room_user_open(t, m);
	}
	return true;
}

// Takes the membership out of its room's list. True if its user is not there any more.
static bool room_user_drop(struct room_table *t, struct membership *m)
{
	struct room_user *ru = room_user_find(t, m->room, m->client->user);
	if (ru != NULL && ru->n_members > 1) {
		ru->n_members--;
		if (ru->first == m) {
			ru->first = TAILQ_NEXT(m, in_room);
		} else if (ru->last == m) {
			ru->last = TAILQ_PREV(m, membership_queue, in_room);
		}
	} else if (ru != NULL) {
		map_remove(&t->room_users, &ru->node);
		free(ru);
		ru = NULL;
	}
	TAILQ_REMOVE(&m->room->members, m, in_room);
	return ru == NULL;
}

struct table_client *room_table_client_add(struct room_table *t, struct table_edge *edge,
	const struct client_facts *facts)
{
	struct table_client *client = xcalloc(1, sizeof(*client));
	client->handle = facts->handle;
	client->edge = edge;
	client->user = user_open(t, facts->user);
	LIST_INIT(&client->rooms);
	LIST_INIT(&client->watches);
	STAILQ_INIT(&client->waiting);
	room_table_client_update(client, facts);
	map_insert(&edge->clients, &client->node);
	LIST_INSERT_HEAD(&edge->list, client, in_edge);
	if (client->user->n_clients == 1 && !client->user->counted) {
		start_counting(t, client->user);
	}
	LIST_INSERT_HEAD(&client->user->clients, client, in_user);
	client->user->n_clients++;
	edge->n_clients++;
	t->n_clients++;
	return client;
}

void room_table_client_remove(struct room_table *t, struct table_client *client, uint64_t now_ms)
{
	struct membership *m;
	while ((m = LIST_FIRST(&client->rooms)) != NULL) {
		room_table_leave(t, m, now_ms);
	}
	room_patterns_unwatch_all(&t->patterns, &client->watches);
	map_remove(&client->edge->clients, &client->node);
	LIST_REMOVE(client, in_edge);
	LIST_REMOVE(client, in_user);
	client->edge->n_clients--;
	t->n_clients--;
	struct table_user *user = client->user;
	user->n_clients--;
	if (user->n_clients == 0) {
		budget_memory_keep(&t->budgets, user_name(user), &user->budget, now_ms);
		map_remove(&t->users, &user->node);
		free(user);
	}
	rights_unref(client->rights);
	free(client->roles);
	free(client);
}

struct table_client *room_table_client_find(const struct table_edge *edge, uint64_t handle)
{
	struct map_node *node = map_find(&edge->clients, bytes_make(&handle, sizeof(handle)));
	return node != NULL ? CONTAINER_OF(node, struct table_client, node) : NULL;
}

struct table_user *room_table_user_find(const struct room_table *t, struct bytes name)
{
	struct map_node *node = map_find(&t->users, name);
	return node != NULL ? CONTAINER_OF(node, struct table_user, node) : NULL;
}

struct table_room *room_table_find(const struct room_table *t, struct bytes name)
{
	return table_room_of(map_find(&t->rooms, name));
}

bool room_table_is_full(const struct room_table *t)
{
	return t->max_rooms > 0 && t->rooms.n_entries >= t->max_rooms;
}

// One of all 64-bit numbers for each of them, in an order that nobody can tell who does not know
// the key (Luby, Rackoff 1988: four rounds).
static uint64_t shuffle(const uint64_t key[2], uint64_t number)
{
	uint32_t left = (uint32_t)(number >> 32);
	uint32_t right = (uint32_t)number;
	for (uint32_t round = 0; round < 4; round++) {
		const uint32_t text[] = { round, right };
		uint32_t next = left ^ (uint32_t)siphash24(key, text, sizeof(text));
		left = right;
		right = next;
	}
	return (uint64_t)left << 32 | right;
}

// Epochs are shown to clients: a plain counter would tell each of them how many rooms others open.
uint64_t room_table_next_epoch(struct room_table *t)
{
	uint64_t epoch;
	do {
		epoch = shuffle(t->epoch_key, t->n_epochs++);
	} while (epoch == 0); // means "none" on the wire
	return epoch;
}

static void room_becomes_idle(struct room_table *t, struct table_room *room, uint64_t now_ms)
{
	room->idle_since_ms = now_ms;
	room->is_idle = true;
	TAILQ_INSERT_TAIL(&t->idle, room, idle);
}

struct table_room *room_table_add(struct room_table *t, struct bytes name, uint64_t now_ms)
{
	if (room_table_is_full(t)) {
		return NULL;
	}
	CHECK(name.len > 0 && name.len < UINT16_MAX);
	struct table_room *room = xcalloc(1, sizeof(*room) + name.len + 1);
	memcpy(room->name, name.data, name.len);
	room->name_len = (uint16_t)name.len;
	room->epoch = room_table_next_epoch(t);
	room_set_options(t, room);
	TAILQ_INIT(&room->members);
	map_insert(&t->rooms, &room->node);
	room_becomes_idle(t, room, now_ms);
	return room;
}

struct table_room *room_table_open(struct room_table *t, struct bytes name, uint64_t now_ms)
{
	struct table_room *room = room_table_find(t, name);
	return room != NULL ? room : room_table_add(t, name, now_ms);
}

struct room_edge *room_edge_find(const struct table_room *room, const struct table_edge *edge)
{
	for (uint32_t i = 0; i < room->n_edges; i++) {
		if (room->edges[i].edge == edge) {
			return &room->edges[i];
		}
	}
	return NULL;
}

static struct room_edge *room_edge_open(struct table_room *room, struct table_edge *edge)
{
	struct room_edge *re = room_edge_find(room, edge);
	if (re != NULL) {
		return re;
	}
	uint32_t n = room->n_edges;
	if ((n & (n - 1)) == 0) { // full: its room is always a power of two
		room->edges = xrealloc(room->edges, (n > 0 ? 2 * (size_t)n : 1) * sizeof(*re));
	}
	re = &room->edges[n];
	*re = (struct room_edge){ .edge = edge };
	room->n_edges++;
	edge->n_rooms++;
	return re;
}

static void room_edge_close(struct table_room *room, struct room_edge *re)
{
	re->edge->n_rooms--;
	room->n_edges--;
	*re = room->edges[room->n_edges];
}

static struct membership *membership_alloc(struct room_table *t)
{
	if (LIST_EMPTY(&t->free)) {
		struct membership_slab *slab = xcalloc(1, sizeof(*slab));
		slab->next = t->slabs;
		t->slabs = slab;
		for (size_t i = SLAB_MEMBERSHIPS; i > 0; i--) {
			LIST_INSERT_HEAD(&t->free, &slab->slots[i - 1], in_client);
		}
	}
	struct membership *m = LIST_FIRST(&t->free);
	LIST_REMOVE(m, in_client);
	return m;
}

struct membership *membership_find(const struct table_room *room, const struct table_client *client)
{
	struct membership *m;
	if (client->n_rooms <= room->n_members) {
		LIST_FOREACH (m, &client->rooms, in_client) {
			if (m->room == room) {
				return m;
			}
		}
	} else {
		TAILQ_FOREACH (m, &room->members, in_room) {
			if (m->client == client) {
				return m;
			}
		}
	}
	return NULL;
}

uint32_t room_user_count(const struct room_table *t, const struct table_room *room,
	const struct table_user *user)
{
	if (user->counted) {
		const struct room_user *ru = room_user_find(t, room, user);
		return ru != NULL ? ru->n_members : 0;
	}
	return membership_find(room, LIST_FIRST(&user->clients)) != NULL;
}

struct membership *room_first_user(const struct table_room *room)
{
	return TAILQ_FIRST(&room->members);
}

struct membership *room_next_user(const struct room_table *t, const struct membership *m)
{
	const struct room_user *ru = room_user_find(t, m->room, m->client->user);
	return TAILQ_NEXT(ru != NULL ? ru->last : m, in_room);
}

void membership_set_presence(struct membership *m, bool presence)
{
	if (m->presence != presence) {
		struct room_edge *re = room_edge_find(m->room, m->client->edge);
		re->n_presence += presence ? 1 : UINT32_MAX;
		m->presence = presence;
	}
}

enum room_result room_table_join_room(struct room_table *t, struct table_client *client,
	struct table_room *room, bool presence, struct room_joining *joining)
{
	*joining = (struct room_joining){ .room = room };
	joining->membership = membership_find(room, client);
	if (joining->membership != NULL) {
		membership_set_presence(joining->membership, presence);
		return ROOM_ALREADY_IN;
	}
	uint64_t max_members = room->options->max_members;
	if (max_members > 0 && room->n_members >= max_members) {
		return ROOM_FULL;
	}
	if (room->is_idle) {
		room_unlist_idle(t, room);
		room->is_idle = false;
	}
	struct membership *m = membership_alloc(t);
	m->room = room;
	m->client = client;
	membership_set_join_seq(m, room->seq);
	m->presence = false;
	joining->user_came = room_user_add(t, m);
	LIST_INSERT_HEAD(&client->rooms, m, in_client);
	room_edge_open(room, client->edge)->n_members++;
	membership_set_presence(m, presence);
	room->n_members++;
	room->n_users += joining->user_came;
	client->n_rooms++;
	client->user->n_memberships++;
	client->edge->n_memberships++;
	t->n_members++;
	joining->membership = m;
	return ROOM_JOINED;
}

enum room_result room_table_join(struct room_table *t, struct table_client *client,
	struct bytes name, bool presence, uint64_t now_ms, struct room_joining *joining)
{
	struct table_room *room = room_table_open(t, name, now_ms);
	if (room == NULL) {
		*joining = (struct room_joining){ 0 };
		return ROOM_TOO_MANY;
	}
	return room_table_join_room(t, client, room, presence, joining);
}

bool room_table_leave(struct room_table *t, struct membership *m, uint64_t now_ms)
{
	struct table_room *room = m->room;
	struct table_client *client = m->client;
	membership_set_presence(m, false);
	struct room_edge *re = room_edge_find(room, client->edge);
	re->n_members--;
	if (re->n_members == 0) {
		room_edge_close(room, re);
	}
	bool user_left = room_user_drop(t, m);
	LIST_REMOVE(m, in_client);
	LIST_INSERT_HEAD(&t->free, m, in_client);
	room->n_members--;
	client->n_rooms--;
	client->user->n_memberships--;
	client->edge->n_memberships--;
	t->n_members--;
	room->n_users -= user_left;
	if (room->n_members == 0) {
		room_becomes_idle(t, room, now_ms);
	}
	return user_left;
}

enum watch_result room_table_watch(struct room_table *t, struct table_client *client,
	struct bytes pattern)
{
	return room_patterns_watch(&t->patterns, &client->watches, client->edge, pattern);
}

void room_table_unwatch(struct room_table *t, struct pattern_watch *watch)
{
	room_patterns_unwatch(&t->patterns, watch);
}

static bool is_watching(const struct table_room *room, const struct table_edge *edge)
{
	for (uint32_t i = 0; i < room->n_watching; i++) {
		if (room->watching[i] == edge) {
			return true;
		}
	}
	return false;
}

// The edges that are there from an earlier generation may be gone: they are not looked at.
void room_table_match(const struct room_table *t, struct table_room *room)
{
	const struct room_pattern *pattern = NULL;
	room->n_watching = 0;
	room->patterns_seen = t->patterns.generation;
	while ((pattern = room_patterns_next(&t->patterns, pattern, room_name(room))) != NULL) {
		if (is_watching(room, pattern->edge)) {
			continue;
		}
		room->watching = xrealloc(room->watching,
			(room->n_watching + 1) * sizeof(room->watching[0]));
		room->watching[room->n_watching++] = pattern->edge;
	}
	if (room->n_watching == 0) {
		free(room->watching);
		room->watching = NULL;
	}
}

void room_table_count_message(struct room_table *t, struct table_room *room, uint64_t now_ms)
{
	room->published++;
	uint64_t window = now_ms / RATE_WINDOW_MS;
	if (window != room->rate_window) {
		room->rate_before = window == room->rate_window + 1 ? room->rate_now : 0;
		room->rate_now = 0;
		room->rate_window = window;
	}
	room->rate_now++;
	if (room->is_idle) {
		room_unlist_idle(t, room);
		room_becomes_idle(t, room, now_ms);
	}
}

// The window before counts by the part of it that is less than a window ago.
uint64_t room_rate_milli(const struct table_room *room, uint64_t now_ms)
{
	uint64_t age = now_ms / RATE_WINDOW_MS - room->rate_window;
	if (age > 1) {
		return 0;
	}
	uint64_t now = age == 0 ? room->rate_now : 0;
	uint64_t before = age == 0 ? room->rate_before : room->rate_now;
	uint64_t left_ms = RATE_WINDOW_MS - now_ms % RATE_WINDOW_MS;
	uint64_t weighted = now * RATE_WINDOW_MS + before * left_ms;
	return weighted * 1000 / RATE_WINDOW_MS * 1000 / RATE_WINDOW_MS;
}

// As with histories (store_sweep()): rooms of one age are freed from the front and the rest is
// younger; rooms that are kept longer than others are passed over.
size_t room_table_sweep(struct room_table *t, uint64_t now_ms, size_t max)
{
	uint64_t min_ms = room_rules_min_age_ms(&t->rules);
	struct table_room *room = t->sweep_at != NULL ? t->sweep_at : TAILQ_FIRST(&t->idle);
	size_t freed = 0;
	for (size_t n = 0; n < max && room != NULL; n++) {
		struct table_room *next = TAILQ_NEXT(room, idle);
		uint64_t idle_ms = now_ms - room->idle_since_ms;
		uint64_t age_ms = room->options->kept.age_ms;
		if (min_ms == 0 || idle_ms < min_ms) {
			next = NULL;
		} else if (age_ms > 0 && idle_ms >= age_ms && room->n_proposed == 0) {
			room_free(t, room);
			freed++;
		}
		room = next;
	}
	t->sweep_at = room;
	return freed;
}

void room_table_new_epoch(struct room_table *t, struct table_room *room)
{
	CHECK(room->n_proposed == 0);
	if (t->forget != NULL) {
		t->forget(t->forget_arg, room);
	}
	room->epoch = room_table_next_epoch(t);
	room->seq = 0;
}

void room_table_forget(struct room_table *t, struct table_room *room)
{
	CHECK(room->n_members == 0 && room->n_proposed == 0);
	room_free(t, room);
}
