#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "edge/uplink/fib.h"
#include "tests/unit/test.h"

struct conn { // all that the fib sees of a connection: an address and a list head
	struct fib_member_list rooms;
};

static struct fib_member *join(struct fib *fib, struct conn *conn, const char *name, bool *added)
{
	return fib_join(fib, &conn->rooms, conn, bytes_str(name), 7, 100, added);
}

static void starts_a_room_at_the_position_given(void **state)
{
	(void)state;
	struct fib fib;
	struct conn conn = { 0 };
	bool added;
	fib_init(&fib);
	assert_null(fib_find(&fib, bytes_str("lobby")));
	struct fib_member *member = join(&fib, &conn, "lobby", &added);
	assert_true(added);
	assert_ptr_equal(member->conn, &conn);
	struct fib_room *room = fib_find(&fib, bytes_str("lobby"));
	assert_ptr_equal(member->room, room);
	assert_bytes_equal(fib_room_name(room), "lobby");
	assert_int_equal(room->n_members, 1);
	assert_true(room->epoch == 7 && room->last_seq == 100);
	fib_fini(&fib);
}

static void leaves_the_position_of_a_room_alone(void **state)
{
	(void)state;
	struct fib fib;
	struct conn a = { 0 };
	struct conn b = { 0 };
	bool added;
	fib_init(&fib);
	join(&fib, &a, "r", &added)->room->last_seq = 105;
	struct fib_member *member = fib_join(&fib, &b.rooms, &b, bytes_str("r"), 8, 104, &added);
	assert_true(added);
	assert_true(member->room->epoch == 7 && member->room->last_seq == 105);
	assert_int_equal(member->room->n_members, 2);
	fib_fini(&fib);
}

static void finds_the_membership_on_a_second_join(void **state)
{
	(void)state;
	struct fib fib;
	struct conn conn = { 0 };
	bool added;
	fib_init(&fib);
	struct fib_member *member = join(&fib, &conn, "r", &added);
	member->join_seq = 42;
	assert_ptr_equal(join(&fib, &conn, "r", &added), member);
	assert_false(added);
	assert_int_equal(member->room->n_members, 1);
	assert_true(member->join_seq == 42);
	fib_fini(&fib);
}

static void finds_a_membership_from_either_side(void **state)
{
	(void)state;
	enum {
		MANY = 50
	};
	struct fib fib;
	struct conn conns[MANY] = { 0 };
	bool added;
	char name[8];
	fib_init(&fib);
	for (int i = 0; i < MANY; i++) { // one room of many members, one member of many rooms
		join(&fib, &conns[i], "all", &added);
		snprintf(name, sizeof(name), "r%d", i);
		join(&fib, &conns[0], name, &added);
	}
	for (int i = 0; i < MANY; i++) {
		struct fib_member *member =
			fib_member_find(&fib, &conns[i].rooms, &conns[i], bytes_str("all"));
		assert_non_null(member);
		assert_ptr_equal(member->conn, &conns[i]);
		snprintf(name, sizeof(name), "r%d", i);
		member = fib_member_find(&fib, &conns[0].rooms, &conns[0], bytes_str(name));
		assert_non_null(member);
		assert_bytes_equal(fib_room_name(member->room), name);
	}
	assert_null(fib_member_find(&fib, &conns[1].rooms, &conns[1], bytes_str("r1")));
	assert_null(fib_member_find(&fib, &conns[1].rooms, &conns[1], bytes_str("none")));
	fib_fini(&fib);
}

static void drops_a_room_with_its_last_member(void **state)
{
	(void)state;
	struct fib fib;
	struct conn a = { 0 };
	struct conn b = { 0 };
	bool added;
	fib_init(&fib);
	struct fib_member *of_a = join(&fib, &a, "r", &added);
	struct fib_member *of_b = join(&fib, &b, "r", &added);
	fib_leave(&fib, of_a);
	assert_int_equal(fib_find(&fib, bytes_str("r"))->n_members, 1);
	assert_true(LIST_EMPTY(&a.rooms));
	fib_leave(&fib, of_b);
	assert_null(fib_find(&fib, bytes_str("r")));
	join(&fib, &a, "r", &added)->room->epoch = 9;
	assert_true(added);
	fib_leave_all(&fib, &a.rooms);
	fib_fini(&fib);
}

static void forgets_a_connection_in_all_its_rooms(void **state)
{
	(void)state;
	struct fib fib;
	struct conn a = { 0 };
	struct conn b = { 0 };
	bool added;
	fib_init(&fib);
	join(&fib, &a, "1", &added);
	join(&fib, &a, "2", &added);
	join(&fib, &b, "2", &added);
	fib_leave_all(&fib, &a.rooms);
	assert_true(LIST_EMPTY(&a.rooms));
	assert_null(fib_find(&fib, bytes_str("1")));
	struct fib_room *room = fib_find(&fib, bytes_str("2"));
	assert_int_equal(room->n_members, 1);
	assert_ptr_equal(LIST_FIRST(&room->members)->conn, &b);
	fib_leave_all(&fib, &a.rooms);
	fib_fini(&fib);
}

static void takes_names_for_bytes(void **state)
{
	(void)state;
	struct fib fib;
	struct conn conn = { 0 };
	bool added;
	fib_init(&fib);
	fib_join(&fib, &conn.rooms, &conn, bytes_make("a\0b", 3), 1, 1, &added);
	assert_null(fib_find(&fib, bytes_make("a", 1)));
	assert_null(fib_find(&fib, bytes_make("a\0c", 3)));
	assert_non_null(fib_find(&fib, bytes_make("a\0b", 3)));
	fib_fini(&fib);
}

enum {
	N_CONNS = 12,
	N_ROOMS = 10
};

// A naive model: who is in which room is a table of booleans.
struct model {
	struct fib fib;
	struct conn conns[N_CONNS];
	bool in[N_CONNS][N_ROOMS];
};

static struct bytes room_name(int r)
{
	static const char names[] = "r0r1r2r3r4r5r6r7r8r9";
	return bytes_make(&names[(size_t)r * 2], 2);
}

static uint32_t members_of(const struct model *m, int r)
{
	uint32_t n = 0;
	for (int c = 0; c < N_CONNS; c++) {
		n += m->in[c][r] ? 1 : 0;
	}
	return n;
}

static void check_room(struct model *m, int r)
{
	const struct fib_room *room = fib_find(&m->fib, room_name(r));
	uint32_t n = members_of(m, r);
	assert_int_equal(room != NULL, n > 0);
	if (room == NULL) {
		return;
	}
	assert_int_equal(room->n_members, n);
	const struct fib_member *member = LIST_FIRST(&room->members);
	for (; member != NULL; member = LIST_NEXT(member, in_room)) {
		const struct conn *conn = member->conn;
		assert_true(m->in[conn - m->conns][r]);
		n--;
	}
	assert_int_equal(n, 0);
}

static void check_conn(struct model *m, int c)
{
	struct conn *conn = &m->conns[c];
	int n = 0;
	const struct fib_member *member;
	LIST_FOREACH (member, &conn->rooms, in_conn) {
		assert_ptr_equal(member->conn, conn);
		n++;
	}
	for (int r = 0; r < N_ROOMS; r++) {
		member = fib_member_find(&m->fib, &conn->rooms, conn, room_name(r));
		assert_int_equal(member != NULL, m->in[c][r]);
		n -= m->in[c][r] ? 1 : 0;
	}
	assert_int_equal(n, 0);
}

static void random_step(struct model *m)
{
	int c = rand() % N_CONNS;
	int r = rand() % N_ROOMS;
	struct conn *conn = &m->conns[c];
	int what = rand() % 20;
	if (what == 0) {
		fib_leave_all(&m->fib, &conn->rooms);
		memset(m->in[c], 0, sizeof(m->in[c]));
	} else if (what < 10) {
		bool added;
		fib_join(&m->fib, &conn->rooms, conn, room_name(r), 1, 1, &added);
		assert_int_equal(added, !m->in[c][r]);
		m->in[c][r] = true;
	} else if (m->in[c][r]) {
		fib_leave(&m->fib, fib_member_find(&m->fib, &conn->rooms, conn, room_name(r)));
		m->in[c][r] = false;
	}
}

static void agrees_with_a_naive_model(void **state)
{
	(void)state;
	struct model m = { 0 };
	fib_init(&m.fib);
	srand(1);
	for (int step = 0; step < 5000; step++) {
		random_step(&m);
		for (int r = 0; r < N_ROOMS; r++) {
			check_room(&m, r);
		}
		for (int c = 0; c < N_CONNS; c++) {
			check_conn(&m, c);
		}
	}
	fib_fini(&m.fib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_a_room_at_the_position_given),
		cmocka_unit_test(leaves_the_position_of_a_room_alone),
		cmocka_unit_test(finds_the_membership_on_a_second_join),
		cmocka_unit_test(finds_a_membership_from_either_side),
		cmocka_unit_test(drops_a_room_with_its_last_member),
		cmocka_unit_test(forgets_a_connection_in_all_its_rooms),
		cmocka_unit_test(takes_names_for_bytes),
		cmocka_unit_test(agrees_with_a_naive_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
