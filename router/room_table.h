// Who is where: rooms and members, indexed both ways, with the users and edges they belong to. Pure
// data: no I/O, no log, no clock. One thread.
//
// Four nouns. An `edge` holds clients; a `client` is one connection and belongs to one user; a
// `room` has members; the membership node ties a client to a room and sits in both their lists, so
// leaving a room, losing a client and losing an edge are list walks without a search. Memberships
// belong to the table; a room's record outlives its members (room_table_sweep() says how long).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/map.h"
#include "proto/rights.h"

struct table_edge;
struct table_client;
struct table_room;
struct table_user;

// 64 bytes: a promise (a membership costs no more on the router).
struct membership {
	TAILQ_ENTRY(membership) in_room;
	LIST_ENTRY(membership) in_client;
	struct table_room *room;
	struct table_client *client;
	uint64_t join_seq : 63;
	uint64_t presence : 1;
};
TAILQ_HEAD(membership_queue, membership);
LIST_HEAD(membership_list, membership);

struct table_user {
	struct map_node node;
	LIST_HEAD(, table_client) clients;
	uint32_t n_clients;
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
	uint64_t queue_bytes; // as last reported by the edge
	uint32_t n_rooms;
	bool admin;
	bool compressed;
	char *id; // owned
	char *username; // owned; NULL if none
	char *address; // owned
	char *codec; // owned
	char **roles; // owned; ends with NULL; NULL if none
};

struct table_edge {
	struct map clients;
	LIST_HEAD(, table_client) list;
	LIST_ENTRY(table_edge) in_table;
	uint32_t n_clients;
	uint64_t n_memberships;
	uint32_t n_rooms; // rooms with a member here
	void *link; // the caller's
};

// How many of a room's members one edge holds; a room has one per edge with members.
struct room_edge {
	struct table_edge *edge;
	uint32_t n_members;
	uint32_t n_presence; // of these, with presence
};

struct table_room {
	struct map_node node;
	struct membership_queue members;
	uint32_t n_members;
	uint32_t n_edges;
	struct room_edge *edges; // owned
	uint64_t epoch;
	uint64_t seq; // of the last message; 0: none yet
	uint64_t published; // since the record was made, ephemeral ones too
	uint64_t idle_since_ms; // monotonic: creation, last message or last leave
	TAILQ_ENTRY(table_room) idle; // in the table's list of rooms without members, oldest first
	bool is_idle;
	uint16_t name_len;
	char name[]; // NUL-terminated
};

struct room_table {
	struct map rooms;
	struct map users;
	LIST_HEAD(, table_edge) edges;
	TAILQ_HEAD(, table_room) idle;
	uint32_t n_edges;
	uint64_t n_members; // memberships in all
	uint64_t n_clients;
	uint64_t next_epoch;
	uint64_t max_rooms; // 0: no limit
	uint64_t max_members_per_room; // 0: no limit
};

enum room_result {
	ROOM_JOINED = 1,
	ROOM_ALREADY_IN,
	ROOM_FULL, // max_members_per_room
	ROOM_TOO_MANY, // max_rooms
};
