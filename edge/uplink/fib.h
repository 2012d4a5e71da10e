// A worker's forwarding table: room -> its local connections, with the position (epoch, seq) up to
// which the worker has handed messages on. Filled by the router's answers. Pure data: knows no
// connection beyond the membership node that it embeds, sends nothing.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/map.h"

struct fib_room;
struct fib_member;

// One connection's membership in one room; in two lists at once, so that leaving a room and losing
// a connection are list walks without a search. Memory is the fib's.
struct fib_member {
	LIST_ENTRY(fib_member) in_room;
	LIST_ENTRY(fib_member) in_conn;
	struct fib_room *room;
	void *conn; // borrowed
	uint64_t join_seq; // first message it is owed is join_seq + 1
	bool presence; // wants member:join and member:leave
};
LIST_HEAD(fib_member_list, fib_member);

struct fib_room {
	struct map_node node;
	struct fib_member_list members;
	uint32_t n_members;
	uint64_t epoch;
	uint64_t last_seq; // handed to the members
	uint16_t name_len;
	uint8_t name[];
};

struct fib {
	struct map rooms;
};

void fib_init(struct fib *fib);
// Frees all that is left; the lists of connections that had not left are not to be used again.
void fib_fini(struct fib *fib);

// NULL if no local connection is a member.
struct fib_room *fib_find(const struct fib *fib, struct bytes name);
// Adds `conn` (whose list is `conn_list`) to the room, or finds its membership; `*added` tells
// which. A new room starts at (epoch, seq); of one that exists the position is left alone.
struct fib_member *fib_join(struct fib *fib, struct fib_member_list *conn_list, void *conn,
	struct bytes name, uint64_t epoch, uint64_t seq, bool *added);
// The connection's membership in `name`, or NULL. Walks the shorter of the two lists.
struct fib_member *fib_member_find(const struct fib *fib, const struct fib_member_list *conn_list,
	const void *conn, struct bytes name);
// Removes it; the room goes with its last member.
void fib_leave(struct fib *fib, struct fib_member *member);
// Removes all of a connection's memberships.
void fib_leave_all(struct fib *fib, struct fib_member_list *conn_list);
// Moves the room on to a message; false if it is past it already, or in another epoch, of which its
// members are notified first.
MUST_CHECK bool fib_advance(struct fib_room *room, uint64_t epoch, uint64_t seq);
// Moves the room to where the router says that it is, if that is another epoch. Who is a member
// already is owed what comes after it.
void fib_follow(struct fib_room *room, uint64_t epoch, uint64_t seq);
static inline struct bytes fib_room_name(const struct fib_room *room)
{
	return bytes_make(room->name, room->name_len);
}
