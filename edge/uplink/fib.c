// Rooms by name, and memberships that hang in two lists at once: the room's, which a delivery
// walks, and the connection's, which its end walks. Nothing is ever searched for in order to be
// removed.
//
// A membership's memory and its place in both lists are changed here and nowhere else; the caller
// owns only the heads of the connections' lists. A room exists exactly while it has members, so an
// attacker's names cost nothing once he has left.
//
// It refuses to know what a connection is, what is delivered, and whether the router agrees: the
// table is filled by the router's answers and may be dropped and rebuilt at any time.
//
// Rejected: a second hash table from (connection, room) to the membership. The shorter of two lists
// is short: connections are limited to some hundred rooms.
#include "edge/uplink/fib.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

static struct fib_room *room_of(const struct map_node *node)
{
	return CONTAINER_OF(node, struct fib_room, node);
}

static struct bytes room_key(const struct map_node *node)
{
	return fib_room_name(room_of(node));
}

void fib_init(struct fib *fib)
{
	map_init(&fib->rooms, room_key);
}

static void room_free(struct fib_room *room)
{
	struct fib_member *member;
	while ((member = LIST_FIRST(&room->members)) != NULL) {
		LIST_REMOVE(member, in_room);
		free(member);
	}
	free(room);
}

void fib_fini(struct fib *fib)
{
	struct map_cursor cursor;
	struct map_node *node;
	map_walk(&fib->rooms, &cursor);
	while ((node = map_walk_next(&fib->rooms, &cursor)) != NULL) {
		map_remove(&fib->rooms, node);
		room_free(room_of(node));
	}
	map_fini(&fib->rooms);
}

struct fib_room *fib_find(const struct fib *fib, struct bytes name)
{
	struct map_node *node = map_find(&fib->rooms, name);
	return node != NULL ? room_of(node) : NULL;
}

static struct fib_room *room_new(struct fib *fib, struct bytes name, uint64_t epoch, uint64_t seq)
{
	CHECK(name.len > 0 && name.len <= UINT16_MAX);
	struct fib_room *room = xcalloc(1, sizeof(*room) + name.len);
	LIST_INIT(&room->members);
	room->epoch = epoch;
	room->last_seq = seq;
	room->name_len = (uint16_t)name.len;
	memcpy(room->name, name.data, name.len);
	map_insert(&fib->rooms, &room->node);
	return room;
}

// Both lists are walked in step, so the shorter one ends the search.
static struct fib_member *member_find(const struct fib_room *room,
	const struct fib_member_list *conn_list, const void *conn)
{
	struct fib_member *of_room = LIST_FIRST(&room->members);
	struct fib_member *of_conn = LIST_FIRST(conn_list);
	while (of_room != NULL && of_conn != NULL) {
		if (of_room->conn == conn) {
			return of_room;
		}
		if (of_conn->room == room) {
			return of_conn;
		}
		of_room = LIST_NEXT(of_room, in_room);
		of_conn = LIST_NEXT(of_conn, in_conn);
	}
	return NULL;
}

struct fib_member *fib_join(struct fib *fib, struct fib_member_list *conn_list, void *conn,
	struct bytes name, uint64_t epoch, uint64_t seq, bool *added)
{
	struct fib_room *room = fib_find(fib, name);
	struct fib_member *member = NULL;
	if (room == NULL) {
		room = room_new(fib, name, epoch, seq);
	} else {
		member = member_find(room, conn_list, conn);
	}
	*added = member == NULL;
	if (*added) {
		member = xcalloc(1, sizeof(*member));
		member->room = room;
		member->conn = conn;
		LIST_INSERT_HEAD(&room->members, member, in_room);
		LIST_INSERT_HEAD(conn_list, member, in_conn);
		room->n_members++;
	}
	return member;
}

struct fib_member *fib_member_find(const struct fib *fib, const struct fib_member_list *conn_list,
	const void *conn, struct bytes name)
{
	const struct fib_room *room = fib_find(fib, name);
	return room != NULL ? member_find(room, conn_list, conn) : NULL;
}

void fib_leave(struct fib *fib, struct fib_member *member)
{
	struct fib_room *room = member->room;
	LIST_REMOVE(member, in_room);
	LIST_REMOVE(member, in_conn);
	free(member);
	room->n_members--;
	if (room->n_members == 0) {
		map_remove(&fib->rooms, &room->node);
		free(room);
	}
}

void fib_leave_all(struct fib *fib, struct fib_member_list *conn_list)
{
	struct fib_member *member = LIST_FIRST(conn_list);
	while (member != NULL) {
		struct fib_member *next = LIST_NEXT(member, in_conn);
		fib_leave(fib, member);
		member = next;
	}
}

bool fib_advance(struct fib_room *room, uint64_t epoch, uint64_t seq)
{
	if (epoch != room->epoch || seq <= room->last_seq) {
		return false;
	}
	room->last_seq = seq;
	return true;
}

void fib_follow(struct fib_room *room, uint64_t epoch, uint64_t seq)
{
	struct fib_member *member;
	if (room->epoch == epoch) {
		return;
	}
	room->epoch = epoch;
	room->last_seq = seq;
	LIST_FOREACH (member, &room->members, in_room) {
		member->join_seq = seq;
	}
}
