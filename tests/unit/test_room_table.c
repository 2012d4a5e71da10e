#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "router/core/room_table.h"
#include "tests/unit/test.h"

static const struct rights_policy no_policy = { 0 };

static struct table_edge *add_edge(struct room_table *t, const char *name)
{
	return room_table_edge_add(t, bytes_str(name), &no_policy, NULL);
}

static struct table_client *add_client(struct room_table *t, struct table_edge *edge,
	uint64_t handle, const char *user)
{
	struct client_facts facts = {
		.handle = handle,
		.id = bytes_str("id"),
		.user = bytes_str(user),
	};
	return room_table_client_add(t, edge, &facts);
}

static enum room_result join(struct room_table *t, struct table_client *client, const char *room,
	struct room_joining *joining)
{
	return room_table_join(t, client, bytes_str(room), false, 0, joining);
}

static size_t sweep(struct room_table *t, uint64_t now_ms, uint64_t age_ms, size_t max)
{
	const struct store_limits kept = { .age_ms = age_ms };
	room_rules_set_defaults(&t->rules, &kept, t->rules.defaults.max_members);
	return room_table_sweep(t, now_ms, max);
}

static void joins_once_and_says_so_the_second_time(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_client *c = add_client(&t, add_edge(&t, "e"), 1, "ann");
	struct room_joining first;
	struct room_joining second;
	assert_int_equal(join(&t, c, "r", &first), ROOM_JOINED);
	assert_int_equal(join(&t, c, "r", &second), ROOM_ALREADY_IN);
	assert_ptr_equal(first.membership, second.membership);
	assert_true(first.user_came);
	assert_false(second.user_came);
	assert_int_equal(first.room->n_members, 1);
	room_table_fini(&t);
}

static void keeps_the_presence_flag_and_its_count(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_edge *e = add_edge(&t, "e");
	struct table_client *c = add_client(&t, e, 1, "ann");
	struct room_joining j;
	assert_int_equal(room_table_join(&t, c, bytes_str("r"), true, 0, &j), ROOM_JOINED);
	assert_int_equal(room_edge_find(j.room, e)->n_presence, 1);
	assert_int_equal(join(&t, c, "r", &j), ROOM_ALREADY_IN);
	assert_int_equal(room_edge_find(j.room, e)->n_presence, 0);
	assert_int_equal(room_table_join(&t, c, bytes_str("r"), true, 0, &j), ROOM_ALREADY_IN);
	room_table_leave(&t, j.membership, 0);
	assert_null(room_edge_find(j.room, e));
	room_table_fini(&t);
}

static void tells_a_users_first_and_last_connection(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_client *a = add_client(&t, add_edge(&t, "e"), 1, "ann");
	struct table_client *b = add_client(&t, add_edge(&t, "f"), 1, "ann");
	struct room_joining ja;
	struct room_joining jb;
	assert_int_equal(join(&t, a, "r", &ja), ROOM_JOINED);
	assert_int_equal(join(&t, b, "r", &jb), ROOM_JOINED);
	assert_true(ja.user_came);
	assert_false(jb.user_came);
	assert_int_equal(ja.room->n_users, 1);
	assert_int_equal(room_user_count(&t, ja.room, a->user), 2);
	assert_false(room_table_leave(&t, ja.membership, 0));
	assert_true(room_table_leave(&t, jb.membership, 0));
	assert_int_equal(jb.room->n_users, 0);
	room_table_fini(&t);
}

static void refuses_a_member_too_many(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 1);
	struct table_edge *e = add_edge(&t, "e");
	struct room_joining j;
	assert_int_equal(join(&t, add_client(&t, e, 1, "ann"), "r", &j), ROOM_JOINED);
	struct table_client *late = add_client(&t, e, 2, "bob");
	assert_int_equal(join(&t, late, "r", &j), ROOM_FULL);
	assert_null(j.membership);
	assert_int_equal(late->n_rooms, 0);
	room_table_fini(&t);
}

static void refuses_a_room_too_many(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 1, 0);
	struct table_client *c = add_client(&t, add_edge(&t, "e"), 1, "ann");
	struct room_joining j;
	assert_int_equal(join(&t, c, "r", &j), ROOM_JOINED);
	assert_int_equal(join(&t, c, "s", &j), ROOM_TOO_MANY);
	assert_null(j.room);
	assert_int_equal(join(&t, c, "r", &j), ROOM_ALREADY_IN);
	room_table_fini(&t);
}

static int compare_epochs(const void *a, const void *b)
{
	const uint64_t *left = a;
	const uint64_t *right = b;
	return *left < *right ? -1 : *left > *right;
}

static void never_gives_an_epoch_twice_nor_zero(void **state)
{
	(void)state;
	enum {
		N = 100000
	};
	struct room_table t;
	uint64_t *epochs = xcalloc(N, sizeof(*epochs));
	room_table_init(&t, 0, 0);
	for (size_t i = 0; i < N; i++) {
		epochs[i] = room_table_next_epoch(&t);
	}
	qsort(epochs, N, sizeof(*epochs), compare_epochs);
	assert_int_not_equal(epochs[0], 0);
	for (size_t i = 1; i < N; i++) {
		assert_int_not_equal(epochs[i], epochs[i - 1]);
	}
	free(epochs);
	room_table_fini(&t);
}

// Half of the bits differ from one to the next, and between two tables: none of a thousand pairs
// is near another.
static void an_epoch_tells_nothing_of_the_next(void **state)
{
	(void)state;
	struct room_table t;
	struct room_table u;
	room_table_init(&t, 0, 0);
	room_table_init(&u, 0, 0);
	uint64_t last = room_table_next_epoch(&t);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t next = room_table_next_epoch(&t);
		assert_in_range(__builtin_popcountll(next ^ last), 8, 56);
		assert_in_range(__builtin_popcountll(next ^ room_table_next_epoch(&u)), 8, 56);
		last = next;
	}
	room_table_fini(&t);
	room_table_fini(&u);
}

static void keeps_an_empty_room_for_its_age_after_the_last_event(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_client *c = add_client(&t, add_edge(&t, "e"), 1, "ann");
	struct table_room *quiet = room_table_open(&t, bytes_str("quiet"), 0);
	struct table_room *busy = room_table_open(&t, bytes_str("busy"), 0);
	struct room_joining j;
	assert_int_equal(join(&t, c, "left", &j), ROOM_JOINED);
	assert_int_equal(sweep(&t, 99, 100, 9), 0);
	room_table_count_message(&t, busy, 50);
	assert_int_equal(sweep(&t, 100, 100, 9), 1); // quiet
	(void)quiet;
	assert_null(room_table_find(&t, bytes_str("quiet")));
	assert_int_equal(sweep(&t, 150, 100, 9), 1); // busy
	assert_int_equal(sweep(&t, 100000, 100, 9), 0); // has a member
	room_table_leave(&t, j.membership, 100000);
	assert_int_equal(sweep(&t, 100099, 100, 9), 0);
	assert_int_equal(sweep(&t, 100100, 100, 9), 1);
	assert_int_equal(t.rooms.n_entries, 0);
	room_table_fini(&t);
}

static void keeps_rooms_for_the_age_that_a_rule_says(void **state)
{
	(void)state;
	struct room_table t;
	char *values[] = { "long* history-age=1s", "ever* history-age=0" };
	const struct conf_list rules = { values, ARRAY_LEN(values) };
	const struct conf_list none = { 0 };
	room_table_init(&t, 0, 0);
	room_table_open(&t, bytes_str("ever"), 0);
	room_table_open(&t, bytes_str("long-1"), 0);
	room_table_open(&t, bytes_str("a"), 0);
	room_table_open(&t, bytes_str("b"), 0);
	room_table_set_rules(&t, &rules, &none); // reaches rooms that exist
	room_table_open(&t, bytes_str("long-2"), 0);
	room_table_open(&t, bytes_str("c"), 0);
	assert_int_equal(sweep(&t, 100, 100, 3), 1); // looks at three, and goes on from there
	assert_null(room_table_find(&t, bytes_str("a")));
	assert_int_equal(sweep(&t, 100, 100, 9), 2);
	assert_null(room_table_find(&t, bytes_str("c")));
	assert_int_equal(t.rooms.n_entries, 3);
	assert_int_equal(sweep(&t, 1000, 100, 9), 2);
	assert_non_null(room_table_find(&t, bytes_str("ever")));
	room_table_fini(&t);
}

static void sweeps_no_more_than_asked_at_once(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	for (char name[] = "a"; name[0] <= 'e'; name[0]++) {
		room_table_open(&t, bytes_str(name), 0);
	}
	assert_int_equal(sweep(&t, 5, 5, 3), 3);
	assert_null(room_table_find(&t, bytes_str("a"))); // oldest first
	assert_non_null(room_table_find(&t, bytes_str("e")));
	assert_int_equal(sweep(&t, 5, 5, 3), 2);
	room_table_fini(&t);
}

static void holds_what_an_edge_said_of_a_client(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	const struct bytes roles[] = { bytes_str("admin"), bytes_str("x") };
	struct client_facts facts = {
		.handle = 7,
		.id = bytes_str("c-1"),
		.user = bytes_str("ann"),
		.username = bytes_str("Ann"),
		.address = bytes_str("::1"),
		.codec = bytes_str("json"),
		.roles = roles,
		.n_roles = 2,
		.admin = true,
	};
	struct table_edge *e = add_edge(&t, "e");
	struct table_client *c = room_table_client_add(&t, e, &facts);
	assert_ptr_equal(room_table_client_find(e, 7), c);
	assert_string_equal(c->id, "c-1");
	assert_string_equal(c->username, "Ann");
	assert_string_equal(c->address, "::1");
	assert_string_equal(c->codec, "json");
	assert_string_equal(c->roles[1], "x");
	assert_null(c->roles[2]);
	assert_string_equal(c->user->name, "ann");

	facts.username = bytes_str("");
	facts.n_roles = 0;
	facts.admin = false;
	room_table_client_update(c, &facts);
	assert_null(c->username);
	assert_null(c->roles[0]);
	assert_false(c->admin);
	room_table_fini(&t);
}

static void forgets_a_user_with_the_last_connection(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_edge *e = add_edge(&t, "e");
	struct table_client *a = add_client(&t, e, 1, "ann");
	struct table_client *b = add_client(&t, e, 2, "ann");
	assert_ptr_equal(a->user, b->user);
	room_table_client_remove(&t, a, 0);
	assert_ptr_equal(room_table_user_find(&t, bytes_str("ann")), b->user);
	room_table_client_remove(&t, b, 0);
	assert_null(room_table_user_find(&t, bytes_str("ann")));
	room_table_fini(&t);
}

static void estimates_the_rate_of_a_room(void **state)
{
	(void)state;
	struct room_table t;
	room_table_init(&t, 0, 0);
	struct table_room *room = room_table_open(&t, bytes_str("r"), 0);
	for (uint64_t now = 0; now < 20000; now += 100) {
		room_table_count_message(&t, room, now);
	}
	assert_in_range(room_rate_milli(room, 20000), 9900, 10100);
	assert_in_range(room_rate_milli(room, 25000), 4900, 5100);
	assert_int_equal(room_rate_milli(room, 40000), 0);
	room_table_fini(&t);
}

static void lists_each_user_once_with_its_connections(void **state)
{
	(void)state;
	struct room_table t;
	struct room_joining j;
	room_table_init(&t, 0, 0);
	struct table_edge *e = add_edge(&t, "e");
	const char *const users[] = { "ann", "ben", "ann", "cat", "ann", "ben" };
	for (uint64_t i = 0; i < ARRAY_LEN(users); i++) {
		struct table_client *c = add_client(&t, e, i + 1, users[i]);
		assert_int_equal(room_table_join(&t, c, bytes_str("r"), false, 0, &j), ROOM_JOINED);
	}
	const char *const listed[] = { "ann", "ben", "cat" };
	const uint32_t counts[] = { 3, 2, 1 };
	const struct membership *m = room_first_user(j.room);
	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		assert_string_equal(m->client->user->name, listed[i]);
		assert_int_equal(room_user_count(&t, j.room, m->client->user), counts[i]);
		m = room_next_user(&t, m);
	}
	assert_null(m);
	assert_int_equal(t.room_users.n_entries, 2); // nothing for who has one connection
	room_table_fini(&t);
}

// ---- random operations against arrays

enum {
	N_EDGES = 3,
	N_USERS = 4,
	N_CLIENTS = 24,
	N_ROOMS = 6,
	N_STEPS = 4000,
	AGE_MS = 20,
};

struct model_client {
	bool alive;
	unsigned edge;
	unsigned user;
	bool in[N_ROOMS];
	bool presence[N_ROOMS];
};

struct model_room {
	bool alive;
	uint64_t epoch;
	uint64_t event_ms; // creation, last message or leave
};

struct model {
	struct room_table t;
	struct table_edge *edges[N_EDGES];
	struct model_client clients[N_CLIENTS];
	struct model_room rooms[N_ROOMS];
	uint64_t n_epochs;
	uint64_t now_ms;
	uint64_t random;
};

static unsigned draw(struct model *m, unsigned below)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m->random >> 33) % below;
}

static const char *name_of(char kind, unsigned i)
{
	static char name[2][16];
	static unsigned turn;
	char *out = name[turn++ % 2];
	snprintf(out, sizeof(name[0]), "%c%u", kind, i);
	return out;
}

static unsigned model_count(const struct model *m, unsigned room, int edge, int user)
{
	unsigned n = 0;
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		const struct model_client *c = &m->clients[i];
		n += c->alive && c->in[room] && (edge < 0 || c->edge == (unsigned)edge) &&
			(user < 0 || c->user == (unsigned)user);
	}
	return n;
}

static void model_leave(struct model *m, unsigned client, unsigned room)
{
	m->clients[client].in[room] = false;
	m->rooms[room].event_ms = m->now_ms;
}

static void model_client_gone(struct model *m, unsigned client)
{
	for (unsigned r = 0; r < N_ROOMS; r++) {
		if (m->clients[client].in[r]) {
			model_leave(m, client, r);
		}
	}
	m->clients[client].alive = false;
}

static struct table_client *actual_client(struct model *m, unsigned i)
{
	return room_table_client_find(m->edges[m->clients[i].edge], i + 1);
}

static void check_room_edges(const struct model *m, unsigned r, const struct table_room *room)
{
	unsigned n_edges = 0;
	for (unsigned e = 0; e < N_EDGES; e++) {
		unsigned members = model_count(m, r, (int)e, -1);
		unsigned presence = 0;
		for (unsigned i = 0; i < N_CLIENTS; i++) {
			const struct model_client *c = &m->clients[i];
			presence += c->alive && c->edge == e && c->in[r] && c->presence[r];
		}
		const struct room_edge *re = room_edge_find(room, m->edges[e]);
		assert_true((re != NULL) == (members > 0));
		if (re != NULL) {
			assert_int_equal(re->n_members, members);
			assert_int_equal(re->n_presence, presence);
			n_edges++;
		}
	}
	assert_int_equal(room->n_edges, n_edges);
}

static void check_room(struct model *m, unsigned r)
{
	const struct table_room *room = room_table_find(&m->t, bytes_str(name_of('r', r)));
	assert_true((room != NULL) == m->rooms[r].alive);
	if (room == NULL) {
		return;
	}
	assert_int_equal(room->epoch, m->rooms[r].epoch);
	unsigned n_members = model_count(m, r, -1, -1);
	assert_int_equal(room->n_members, n_members);
	assert_int_equal(room->is_idle, n_members == 0);
	unsigned walked = 0;
	const struct membership *ms;
	TAILQ_FOREACH (ms, &room->members, in_room) {
		assert_ptr_equal(ms->room, room);
		assert_true(m->clients[ms->client->handle - 1].in[r]);
		walked++;
	}
	assert_int_equal(walked, n_members);
	unsigned n_listed = 0;
	for (ms = room_first_user(room); ms != NULL; ms = room_next_user(&m->t, ms)) {
		n_listed++;
	}
	assert_int_equal(n_listed, room->n_users);
	unsigned n_users = 0;
	for (unsigned u = 0; u < N_USERS; u++) {
		unsigned count = model_count(m, r, -1, (int)u);
		n_users += count > 0;
		const struct table_user *user =
			room_table_user_find(&m->t, bytes_str(name_of('u', u)));
		assert_int_equal(user != NULL ? room_user_count(&m->t, room, user) : 0, count);
	}
	assert_int_equal(room->n_users, n_users);
	check_room_edges(m, r, room);
}

static void check_client(struct model *m, unsigned i)
{
	const struct model_client *c = &m->clients[i];
	struct table_client *actual = actual_client(m, i);
	assert_true((actual != NULL) == c->alive);
	if (actual == NULL) {
		return;
	}
	unsigned n_rooms = 0;
	for (unsigned r = 0; r < N_ROOMS; r++) {
		const struct table_room *room = room_table_find(&m->t, bytes_str(name_of('r', r)));
		const struct membership *ms = room != NULL ? membership_find(room, actual) : NULL;
		assert_true((ms != NULL) == c->in[r]);
		n_rooms += c->in[r];
	}
	assert_int_equal(actual->n_rooms, n_rooms);
	unsigned walked = 0;
	const struct membership *ms;
	LIST_FOREACH (ms, &actual->rooms, in_client) {
		assert_ptr_equal(ms->client, actual);
		walked++;
	}
	assert_int_equal(walked, n_rooms);
	assert_string_equal(actual->user->name, name_of('u', c->user));
}

static void check_totals(const struct model *m)
{
	uint64_t n_clients = 0;
	uint64_t n_members = 0;
	size_t n_rooms = 0;
	for (unsigned e = 0; e < N_EDGES; e++) {
		uint64_t clients = 0;
		uint64_t memberships = 0;
		for (unsigned i = 0; i < N_CLIENTS; i++) {
			clients += m->clients[i].alive && m->clients[i].edge == e;
		}
		unsigned rooms = 0;
		for (unsigned r = 0; r < N_ROOMS; r++) {
			unsigned count = model_count(m, r, (int)e, -1);
			memberships += count;
			rooms += count > 0;
		}
		assert_int_equal(m->edges[e]->n_clients, clients);
		assert_int_equal(m->edges[e]->n_memberships, memberships);
		assert_int_equal(m->edges[e]->n_rooms, rooms);
		n_clients += clients;
		n_members += memberships;
	}
	for (unsigned r = 0; r < N_ROOMS; r++) {
		n_rooms += m->rooms[r].alive;
	}
	assert_int_equal(m->t.n_edges, N_EDGES);
	assert_int_equal(m->t.n_clients, n_clients);
	assert_int_equal(m->t.n_members, n_members);
	assert_int_equal(m->t.rooms.n_entries, n_rooms);
	unsigned n_users = 0;
	for (unsigned u = 0; u < N_USERS; u++) {
		unsigned count = 0;
		for (unsigned i = 0; i < N_CLIENTS; i++) {
			count += m->clients[i].alive && m->clients[i].user == u;
		}
		const struct table_user *user =
			room_table_user_find(&m->t, bytes_str(name_of('u', u)));
		assert_int_equal(user != NULL ? user->n_clients : 0, count);
		n_users += count > 0;
	}
	assert_int_equal(m->t.users.n_entries, n_users);
}

static void check_all(struct model *m)
{
	for (unsigned r = 0; r < N_ROOMS; r++) {
		check_room(m, r);
	}
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		check_client(m, i);
	}
	check_totals(m);
}

// A record that is there or was just made: its epoch is the model's, or newer than all before.
static void model_room_opened(struct model *m, unsigned r, const struct table_room *room)
{
	if (!m->rooms[r].alive) {
		assert_true(m->t.n_epochs > m->n_epochs);
		m->n_epochs = m->t.n_epochs;
		m->rooms[r] = (struct model_room){
			.alive = true,
			.epoch = room->epoch,
			.event_ms = m->now_ms,
		};
	}
}

static void step_client(struct model *m)
{
	unsigned i = draw(m, N_CLIENTS);
	struct model_client *c = &m->clients[i];
	if (c->alive) {
		room_table_client_remove(&m->t, actual_client(m, i), m->now_ms);
		model_client_gone(m, i);
		return;
	}
	*c = (struct model_client){
		.alive = true,
		.edge = draw(m, N_EDGES),
		.user = draw(m, N_USERS),
	};
	add_client(&m->t, m->edges[c->edge], i + 1, name_of('u', c->user));
}

static void step_join(struct model *m)
{
	unsigned i = draw(m, N_CLIENTS);
	unsigned r = draw(m, N_ROOMS);
	struct model_client *c = &m->clients[i];
	if (!c->alive) {
		return;
	}
	bool presence = draw(m, 2) == 0;
	unsigned before = model_count(m, r, -1, (int)c->user);
	struct room_joining j;
	enum room_result result = room_table_join(&m->t, actual_client(m, i),
		bytes_str(name_of('r', r)), presence, m->now_ms, &j);
	assert_int_equal(result, c->in[r] ? ROOM_ALREADY_IN : ROOM_JOINED);
	assert_int_equal(j.user_came, before == 0);
	model_room_opened(m, r, j.room);
	c->in[r] = true;
	c->presence[r] = presence;
}

static void step_leave(struct model *m)
{
	unsigned i = draw(m, N_CLIENTS);
	unsigned r = draw(m, N_ROOMS);
	struct model_client *c = &m->clients[i];
	if (!c->alive || !c->in[r]) {
		return;
	}
	struct table_room *room = room_table_find(&m->t, bytes_str(name_of('r', r)));
	bool user_left =
		room_table_leave(&m->t, membership_find(room, actual_client(m, i)), m->now_ms);
	model_leave(m, i, r);
	assert_int_equal(user_left, model_count(m, r, -1, (int)c->user) == 0);
}

static void step_edge(struct model *m)
{
	unsigned e = draw(m, N_EDGES);
	room_table_edge_remove(&m->t, m->edges[e], m->now_ms);
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		if (m->clients[i].alive && m->clients[i].edge == e) {
			model_client_gone(m, i);
		}
	}
	m->edges[e] = add_edge(&m->t, name_of('e', e));
}

static void step_message(struct model *m)
{
	unsigned r = draw(m, N_ROOMS);
	struct table_room *room = room_table_open(&m->t, bytes_str(name_of('r', r)), m->now_ms);
	model_room_opened(m, r, room);
	room_table_count_message(&m->t, room, m->now_ms);
	m->rooms[r].event_ms = m->now_ms;
}

static void step_sweep(struct model *m)
{
	size_t due = 0;
	for (unsigned r = 0; r < N_ROOMS; r++) {
		if (m->rooms[r].alive && model_count(m, r, -1, -1) == 0 &&
			m->now_ms - m->rooms[r].event_ms >= AGE_MS) {
			m->rooms[r].alive = false;
			due++;
		}
	}
	assert_int_equal(sweep(&m->t, m->now_ms, AGE_MS, N_ROOMS), due);
}

static void agrees_with_arrays_after_every_random_step(void **state)
{
	(void)state;
	struct model m = { .random = 42 };
	room_table_init(&m.t, 0, 0);
	for (unsigned e = 0; e < N_EDGES; e++) {
		m.edges[e] = add_edge(&m.t, name_of('e', e));
	}
	for (unsigned i = 0; i < N_STEPS; i++) {
		unsigned dice = draw(&m, 100);
		if (dice < 20) {
			step_client(&m);
		} else if (dice < 60) {
			step_join(&m);
		} else if (dice < 85) {
			step_leave(&m);
		} else if (dice < 86) {
			step_edge(&m);
		} else if (dice < 90) {
			step_message(&m);
		} else {
			step_sweep(&m);
		}
		m.now_ms += draw(&m, 3);
		check_all(&m);
	}
	room_table_fini(&m.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_once_and_says_so_the_second_time),
		cmocka_unit_test(keeps_the_presence_flag_and_its_count),
		cmocka_unit_test(tells_a_users_first_and_last_connection),
		cmocka_unit_test(refuses_a_member_too_many),
		cmocka_unit_test(refuses_a_room_too_many),
		cmocka_unit_test(never_gives_an_epoch_twice_nor_zero),
		cmocka_unit_test(an_epoch_tells_nothing_of_the_next),
		cmocka_unit_test(keeps_an_empty_room_for_its_age_after_the_last_event),
		cmocka_unit_test(keeps_rooms_for_the_age_that_a_rule_says),
		cmocka_unit_test(sweeps_no_more_than_asked_at_once),
		cmocka_unit_test(holds_what_an_edge_said_of_a_client),
		cmocka_unit_test(forgets_a_user_with_the_last_connection),
		cmocka_unit_test(estimates_the_rate_of_a_room),
		cmocka_unit_test(lists_each_user_once_with_its_connections),
		cmocka_unit_test(agrees_with_arrays_after_every_random_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
