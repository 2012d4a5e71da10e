// Who is where: rooms and members, indexed both ways, with the users and edges they belong to. Pure
// data: no I/O, no log, no clock. One thread.
//
// Four nouns. An `edge` holds clients; a `client` is one connection and belongs to one user; a
// `room` has members; the membership node ties a client to a room and sits in both their lists, so
// leaving a room, losing a client and losing an edge are list walks without a search. Memberships
// belong to the table; a room's record outlives its members (room_table_sweep() says how long).
//
// Changes come back as facts (first or last connection of a user), so that the caller can announce
// them; the table itself tells nobody.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/map.h"
#include "proto/names.h"
#include "proto/policy/rights.h"
#include "router/core/budget.h"
#include "router/core/room_patterns.h"
#include "router/core/room_rules.h"
#include "router/core/store.h"

struct table_edge;
struct table_client;
struct table_room;
struct table_user;
struct journal_item;

// A promise: a membership costs at most 64 bytes on the router, with its share of the room's list
// of edges (24 bytes an edge). Hence the flag in the top bit of a seq, which needs 53.
enum {
	MEMBERSHIP_SEQ_BITS = 63,
};
struct membership {
	TAILQ_ENTRY(membership) in_room;
	LIST_ENTRY(membership) in_client;
	struct table_room *room;
	struct table_client *client;
	uint64_t join_seq : MEMBERSHIP_SEQ_BITS; // the room's seq when the client came
	bool presence : 1; // wants to hear of users who come and go
};
_Static_assert(sizeof(struct membership) <= 56, "a membership costs at most 64 bytes in all");
TAILQ_HEAD(membership_queue, membership);
LIST_HEAD(membership_list, membership);

struct table_user {
	struct map_node node;
	LIST_HEAD(user_clients, table_client) clients;
	uint32_t n_clients;
	uint64_t n_memberships; // of all its clients
	bool counted; // has had more than one client at a time: see struct room_user
	struct budget budget; // the caller's
	uint16_t name_len;
	char name[]; // NUL-terminated
};

struct table_client {
	struct map_node node; // in its edge, by handle
	LIST_ENTRY(table_client) in_edge;
	LIST_ENTRY(table_client) in_user;
	struct membership_list rooms;
	struct table_edge *edge;
	struct table_user *user;
	struct rights *rights; // owned reference; NULL: the edge's defaults
	uint64_t handle;
	int64_t since_ms;
	int64_t issued_s; // of its token; 0: not said
	uint64_t queue_bytes; // as last reported by the edge
	uint32_t n_rooms;
	struct pattern_watches watches; // patterns that it has joined
	bool admin;
	bool compressed;
	bool replaced; // the caller's: closed, for a newer one
	bool no_sender; // of the HTTP API
	uint32_t n_proposed; // the caller's: messages on their way into the store
	STAILQ_HEAD(, journal_item) waiting; // the journal's, as the next: what waits for these
	TAILQ_ENTRY(table_client) in_waiting; // if something does
	const char **roles; // ends with NULL; owned: one block that holds the texts below as well
	const char *id;
	const char *username; // NULL if none
	const char *jti; // NULL if none
	const char *address;
	const char *codec;
};

TAILQ_HEAD(table_clients_waiting, table_client);

struct edge_rule;

struct table_edge {
	uint64_t boot[2]; // the caller's: random, of its process
	char prefix[CLIENT_PREFIX_LEN + 1]; // the caller's: of ids that are its clients'
	const struct edge_rule *rule; // the caller's: what it may say
	bool keeps_prefix; // the caller's: its clients have no others
	struct map clients;
	LIST_HEAD(edge_clients, table_client) list;
	LIST_ENTRY(table_edge) in_table;
	uint32_t n_clients;
	uint32_t n_rooms; // rooms with a member here
	uint64_t n_memberships;
	uint32_t number; // the caller's: under which records name it
	uint32_t n_workers; // the caller's; 0: it did not say
	bool testifies; // the caller's: it answers an Inquiry
	bool going; // retired: nothing is to be sent to it
	uint64_t token_life_ms; // tokens are good for no longer after they were issued; 0: any
	bool draining; // it says that it sends its clients away
	char *name; // owned
	char *lobby; // owned; what policy.lobby points into
	struct rights_policy policy;
	void *link; // the caller's
	struct buf replays; // the caller's, freed with the edge
	size_t replays_at; // the caller's
	uint32_t snapshots_due; // the caller's: workers that have not sent their places yet
	bool is_announced; // the caller's: all of them have
};

// How many of a room's members one edge holds; a room has one per edge with members.
struct room_edge {
	struct table_edge *edge;
	uint32_t n_members;
	uint32_t n_presence; // of these, with presence
	uint64_t replay_from; // the caller's: live messages wait for a replay from here on; 0: none
};

// The connections of one user in a room, whose memberships lie one behind another. There is one of
// these only for users who have had several connections at a time: of others each is the only one.
struct room_user {
	struct map_node node; // in the table, by the two pointers below
	const struct table_room *room;
	const struct table_user *user;
	struct membership *first;
	struct membership *last;
	uint32_t n_members;
};

struct table_room {
	struct map_node node;
	struct membership_queue members; // users in the order of their joining
	uint32_t n_members;
	uint32_t n_users;
	uint32_t n_edges;
	struct room_edge *edges; // owned; room for the next power of two
	uint64_t epoch;
	uint64_t seq; // of the last message; 0: none yet
	uint64_t published; // since the record was made, ephemeral ones too
	int64_t last_ms; // wall time of the last message: stamps never run backwards
	uint64_t rate_window; // what the two counts belong to, see room_rate_milli()
	uint32_t rate_now;
	uint32_t rate_before;
	uint64_t idle_since_ms; // monotonic: creation, last message or last leave
	TAILQ_ENTRY(table_room) idle; // in the table's list of rooms without members, oldest first
	bool is_idle;
	struct store_log log; // the caller's; see room_table.forget
	const struct room_options *options; // borrowed from the table's rules; never NULL
	uint32_t n_proposed; // the caller's: messages behind `seq`; while there are any, it stays
	struct table_edge **watching; // owned; edges with a pattern that matches; see
		// room_table_watched()
	uint32_t n_watching;
	uint32_t patterns_seen; // the generation of patterns that these are of
	uint16_t name_len;
	char name[]; // NUL-terminated
};

struct membership_slab;

struct room_table {
	struct map rooms;
	struct map users;
	struct map room_users;
	LIST_HEAD(table_edges, table_edge) edges;
	struct table_edges retired; // their clients leave by and by
	TAILQ_HEAD(idle_rooms, table_room) idle;
	struct membership_list free; // memberships not in use
	struct membership_slab *slabs; // owned; what they are cut from
	struct room_patterns patterns;
	uint32_t n_edges;
	uint64_t n_members; // memberships in all
	uint64_t n_clients;
	struct budget_memory budgets; // of users without a client
	uint64_t n_epochs; // given so far
	uint64_t epoch_key[2]; // random
	uint64_t max_rooms; // 0: no limit
	struct room_rules rules;
	struct table_room *sweep_at; // where room_table_sweep() goes on; NULL: at the front
	// Called before a room's record is freed, for what the caller keeps in it; may be NULL.
	void (*forget)(void *arg, struct table_room *room);
	void *forget_arg;
};

// Rooms have no rules at first, and are kept for ever: see room_table_set_rules() and the rules'
// defaults.
void room_table_init(struct room_table *t, uint64_t max_rooms, uint64_t max_members_per_room);
// Other rules from now on, also for the rooms that there are: of each the name is matched.
void room_table_set_rules(struct room_table *t, const struct conf_list *options,
	const struct conf_list *slow);
// Frees all that is in it.
void room_table_fini(struct room_table *t);

// Copies the name and the policy (with a reference to its rights).
struct table_edge *room_table_edge_add(struct room_table *t, struct bytes name,
	const struct rights_policy *policy, void *link);
// Its session is over: it is no longer among the edges, its clients are still members. To be
// removed.
void room_table_edge_retire(struct room_table *t, struct table_edge *edge);
// Removes its clients as well, and frees it, retired or not.
void room_table_edge_remove(struct room_table *t, struct table_edge *edge, uint64_t now_ms);

// What an edge says of a connection. Spans hold no NUL.
struct client_facts {
	uint64_t handle;
	struct bytes id;
	struct bytes user;
	struct bytes username;
	struct bytes address;
	struct bytes codec;
	const struct bytes *roles;
	size_t n_roles;
	struct rights *rights; // a reference that the table takes over; NULL: the edge's defaults
	bool admin;
	bool compressed;
	bool no_sender;
	int64_t since_ms;
	struct bytes jti; // of its token; empty: none
	int64_t issued_s; // 0: not said
};
// The edge must not have a client of that handle.
struct table_client *room_table_client_add(struct room_table *t, struct table_edge *edge,
	const struct client_facts *facts);
// Replaces what is known of a client; its handle and user must be the same.
void room_table_client_update(struct table_client *client, const struct client_facts *facts);
// Leaves its rooms as well, and frees it.
void room_table_client_remove(struct room_table *t, struct table_client *client, uint64_t now_ms);
struct table_client *room_table_client_find(const struct table_edge *edge, uint64_t handle);
struct table_user *room_table_user_find(const struct room_table *t, struct bytes name);

struct table_room *room_table_find(const struct room_table *t, struct bytes name);
// What holds in a room of that name, whether or not it has a record.
const struct room_options *room_table_options(const struct room_table *t, struct bytes name);
// As many rooms as max_rooms allows.
bool room_table_is_full(const struct room_table *t);
// One that was never used before.
uint64_t room_table_next_epoch(struct room_table *t);
// Makes the record of a room that has none; NULL if max_rooms exist.
struct table_room *room_table_add(struct room_table *t, struct bytes name, uint64_t now_ms);
// Finds the record or makes one with an epoch never used before; NULL if max_rooms exist.
struct table_room *room_table_open(struct room_table *t, struct bytes name, uint64_t now_ms);

enum room_result {
	ROOM_JOINED = 1,
	ROOM_ALREADY_IN, // its presence flag is now as asked
	ROOM_FULL, // max_members of its options
	ROOM_TOO_MANY, // max_rooms
};
struct room_joining {
	struct table_room *room; // NULL with ROOM_TOO_MANY
	struct membership *membership; // NULL if refused
	bool user_came; // the first connection of its user in the room
};
MUST_CHECK enum room_result room_table_join(struct room_table *t, struct table_client *client,
	struct bytes name, bool presence, uint64_t now_ms, struct room_joining *joining);
// The same for a room that is at hand.
MUST_CHECK enum room_result room_table_join_room(struct room_table *t, struct table_client *client,
	struct table_room *room, bool presence, struct room_joining *joining);
// Frees the membership. True if it was the last connection of its user in the room.
bool room_table_leave(struct room_table *t, struct membership *m, uint64_t now_ms);

// Joins or leaves a pattern of rooms.
MUST_CHECK enum watch_result room_table_watch(struct room_table *t, struct table_client *client,
	struct bytes pattern);
void room_table_unwatch(struct room_table *t, struct pattern_watch *watch);
// Brings room->watching up to date.
void room_table_match(const struct room_table *t, struct table_room *room);
// True if patterns of some edge match the room: then room->watching holds each such edge once,
// until the next change of patterns.
static inline bool room_table_watched(const struct room_table *t, struct table_room *room)
{
	if (room->patterns_seen != t->patterns.generation) {
		room_table_match(t, room);
	}
	return room->n_watching > 0;
}

// Whether it hears of users who come and go.
void membership_set_presence(struct membership *m, bool presence);

// The client's membership, or NULL. Walks the shorter of the two lists.
struct membership *membership_find(const struct table_room *room,
	const struct table_client *client);
// NULL if the edge has no member there.
struct room_edge *room_edge_find(const struct table_room *room, const struct table_edge *edge);
// How many connections of the user are in the room.
uint32_t room_user_count(const struct room_table *t, const struct table_room *room,
	const struct table_user *user);
// The first membership of the first user, and of the one after that of `m`; NULL at the end.
struct membership *room_first_user(const struct table_room *room);
struct membership *room_next_user(const struct room_table *t, const struct membership *m);

// A message was published to the room: counts it and puts the end of an empty room off.
void room_table_count_message(struct room_table *t, struct table_room *room, uint64_t now_ms);
// Messages in a thousand seconds, by the last ten to twenty seconds.
uint64_t room_rate_milli(const struct table_room *room, uint64_t now_ms);

// Frees the records of rooms that have had no member and no message for the age of their history,
// but for those with something proposed; looks at `max` at most, and goes on from there with the
// next call. Returns how many it freed.
size_t room_table_sweep(struct room_table *t, uint64_t now_ms, size_t max);

// The room's numbering begins anew: what the caller keeps in it is forgotten.
void room_table_new_epoch(struct room_table *t, struct table_room *room);
// Frees the record of a room without members.
void room_table_forget(struct room_table *t, struct table_room *room);

static inline struct table_room *table_room_of(struct map_node *node)
{
	return node != NULL ? CONTAINER_OF(node, struct table_room, node) : NULL;
}
static inline void membership_set_join_seq(struct membership *m, uint64_t seq)
{
	m->join_seq = seq & (UINT64_MAX >> (64 - MEMBERSHIP_SEQ_BITS));
}
static inline struct bytes room_name(const struct table_room *room)
{
	return bytes_make(room->name, room->name_len);
}
static inline struct bytes user_name(const struct table_user *user)
{
	return bytes_make(user->name, user->name_len);
}
