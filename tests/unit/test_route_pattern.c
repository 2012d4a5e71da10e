// Clients that have joined a pattern, seen from the router: what edges are told is written into a
// transcript, a word an item.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "router/core/route.h"
#include "tests/unit/test.h"

enum {
	N_EDGES = 2,
	NOW_MS = 1000,
};

struct rig {
	struct route route;
	struct table_edge *edges[N_EDGES];
	struct rights_policy policy;
	struct link_arena arena;
	struct buf said;
};

static const char *text_of(ProtobufCBinaryData data, char out[64])
{
	snprintf(out, 64, "%.*s", (int)data.len, (const char *)data.data);
	return out;
}

static void describe(struct rig *rig, char edge, const link_item *item)
{
	static const char *const audiences[AUDIENCE_COUNT] = { "", "/members", "/watchers" };
	char text[64];
	struct buf *out = &rig->said;
	switch (item->kind_case) {
	case WEIR__LINK__V1__ITEM__KIND_DELIVERY:
		buf_printf(out, "%c:%s#%" PRIu64 "%s", edge, text_of(item->delivery->room, text),
			item->delivery->seq, audiences[delivery_audience(item->delivery->manner)]);
		if (item->delivery->except > 0) {
			buf_printf(out, "-%" PRIu64, item->delivery->except);
		}
		break;
	case WEIR__LINK__V1__ITEM__KIND_JOINED:
		buf_printf(out, "%c:joined:%" PRIu64 "/%" PRIu64 ":%s", edge, item->joined->client,
			item->joined->req, text_of(item->joined->pattern, text));
		break;
	case WEIR__LINK__V1__ITEM__KIND_LEFT:
		buf_printf(out, "%c:left:%s", edge, text_of(item->left->pattern, text));
		buf_printf(out, ":%s", text_of(item->left->reason, text));
		break;
	case WEIR__LINK__V1__ITEM__KIND_REFUSED:
		buf_printf(out, "%c:%s", edge, refusal_name(item->refused->code));
		break;
	case WEIR__LINK__V1__ITEM__KIND_PUBLISHED:
		buf_printf(out, "%c:ack:%u", edge, item->published->members);
		break;
	default:
		buf_printf(out, "%c:?", edge);
		break;
	}
	buf_append_byte(out, ' ');
}

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct rig *rig = arg;
	struct bytes packed;
	assert_int_equal(link_batch_next(&element, &packed), 1);
	describe(rig, edge->name[0], link_item_unpack(&rig->arena, packed));
}

static void edge_up(struct rig *rig, unsigned e, uint32_t n_workers)
{
	const char name[] = { (char)('a' + e), '\0' };
	rig->edges[e] = route_edge_up(&rig->route, NULL, bytes_str(name), &rig->policy, n_workers);
}

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = {
		.history_messages = 100,
		.history_bytes = 262144,
		.history_age_ms = 300000,
	};
	route_init(&rig->route, &options, append, rig);
	rig->policy.defaults = rights_new();
	assert_true(rights_add(rig->policy.defaults, RIGHT_ALL, bytes_str("*")));
	for (unsigned e = 0; e < N_EDGES; e++) {
		edge_up(rig, e, 0);
	}
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	route_fini(&rig->route);
	rights_unref(rig->policy.defaults);
	link_arena_fini(&rig->arena);
	buf_fini(&rig->said);
	free(rig);
	return 0;
}

static void say(struct rig *rig, unsigned e, const link_item *item)
{
	assert_int_equal(route_item(&rig->route, rig->edges[e], item, NOW_MS, NOW_MS), 0);
}

// What was said since the last call.
#define assert_said(rig, text)                                                                     \
	do {                                                                                       \
		*buf_reserve(&(rig)->said, 1) = '\0';                                              \
		assert_string_equal((const char *)(rig)->said.data, text);                         \
		(rig)->said.len = 0;                                                               \
	} while (0)

static ProtobufCBinaryData text(const char *s)
{
	return pb_data(bytes_str(s));
}

// `right`: a pattern that it may join; NULL: the edge's defaults.
static void client_up(struct rig *rig, unsigned e, uint64_t handle, const char *user, bool admin,
	const char *right)
{
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	Weir__Link__V1__Right one = WEIR__LINK__V1__RIGHT__INIT;
	Weir__Link__V1__Right *rights[] = { &one };
	up.client = handle;
	up.id = text("id");
	up.user = text(user);
	up.admin = admin;
	if (right != NULL) {
		one.mask = RIGHT_JOIN;
		one.pattern = text(right);
		up.has_rights = true;
		up.rights = rights;
		up.n_rights = 1;
	}
	say(rig, e, &LINK_ITEM(CLIENT_UP, client_up, &up));
}

static void admin_up(struct rig *rig, unsigned e, uint64_t handle)
{
	client_up(rig, e, handle, "backend", true, NULL);
}

static void watch(struct rig *rig, unsigned e, uint64_t handle, const char *pattern)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.req = 5;
	join.pattern = text(pattern);
	say(rig, e, &LINK_ITEM(JOIN, join, &join));
}

static void unwatch(struct rig *rig, unsigned e, uint64_t handle, const char *pattern)
{
	Weir__Link__V1__Leave leave = WEIR__LINK__V1__LEAVE__INIT;
	leave.client = handle;
	leave.req = 6;
	leave.pattern = text(pattern);
	say(rig, e, &LINK_ITEM(LEAVE, leave, &leave));
}

static void join(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.req = 7;
	join.room = text(room);
	say(rig, e, &LINK_ITEM(JOIN, join, &join));
	rig->said.len = 0;
}

static void publish(struct rig *rig, unsigned e, uint64_t handle, const char *room, bool quiet)
{
	Weir__Link__V1__Publish publish = WEIR__LINK__V1__PUBLISH__INIT;
	publish.client = handle;
	publish.req = 8;
	publish.room = text(room);
	publish.type = text("chat");
	publish.body = text("{}");
	publish.ephemeral = quiet;
	say(rig, e, &LINK_ITEM(PUBLISH, publish, &publish));
}

static void a_pattern_brings_each_matching_room_once_to_an_edge(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	admin_up(rig, 0, 2);
	client_up(rig, 1, 3, "ann", false, NULL);
	watch(rig, 0, 1, "chat:*");
	watch(rig, 0, 1, "*:1");
	watch(rig, 0, 2, "chat:*");
	assert_said(rig, "a:joined:1/5:chat:* a:joined:1/5:*:1 a:joined:2/5:chat:* ");
	publish(rig, 1, 3, "chat:1", false);
	publish(rig, 1, 3, "chat:2", false);
	publish(rig, 1, 3, "news:2", false);
	assert_said(rig, "a:chat:1#1 b:ack:0 a:chat:2#1 b:ack:0 b:ack:0 ");
}

static void members_and_patterns_of_one_edge_share_a_delivery(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	client_up(rig, 0, 2, "ann", false, NULL);
	client_up(rig, 1, 3, "bob", false, NULL);
	join(rig, 0, 2, "chat:1");
	join(rig, 1, 3, "chat:1");
	watch(rig, 0, 1, "chat:*");
	rig->said.len = 0;
	publish(rig, 1, 3, "chat:1", false);
	assert_said(rig, "a:chat:1#1 b:chat:1#1 b:ack:2 ");
}

static void what_is_joined_or_left_later_holds_for_rooms_that_there_are(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	client_up(rig, 1, 3, "bob", false, NULL);
	publish(rig, 1, 3, "chat:1", false);
	watch(rig, 0, 1, "chat:*");
	publish(rig, 1, 3, "chat:1", false);
	unwatch(rig, 0, 1, "chat:*");
	publish(rig, 1, 3, "chat:1", false);
	unwatch(rig, 0, 1, "chat:*");
	assert_said(rig,
		"b:ack:0 a:joined:1/5:chat:* a:chat:1#2 b:ack:0 a:left:chat:*: b:ack:0 "
		"a:not_member ");
}

static void it_takes_role_admin_and_for_personal_rooms_a_right(void **state)
{
	struct rig *rig = *state;
	client_up(rig, 0, 1, "ann", false, NULL);
	admin_up(rig, 0, 2);
	client_up(rig, 0, 3, "backend", true, "user:*");
	client_up(rig, 0, 4, "*", true, NULL); // "user:*" is not its own room
	watch(rig, 0, 1, "chat:*");
	watch(rig, 0, 2, "user:*");
	watch(rig, 0, 4, "user:*");
	watch(rig, 0, 3, "user:a*");
	assert_said(rig, "a:forbidden a:forbidden a:forbidden a:joined:3/5:user:a* ");
	watch(rig, 0, 2, "*");
	rig->said.len = 0;
	publish(rig, 0, 2, "user:ann", false); // "*" does not match it
	publish(rig, 0, 2, "user:bob", false);
	assert_said(rig, "a:user:ann#1 a:ack:0 a:ack:0 ");
}

static void new_rights_end_a_pattern(void **state)
{
	struct rig *rig = *state;
	client_up(rig, 0, 1, "backend", true, "user:*");
	watch(rig, 0, 1, "user:*");
	watch(rig, 0, 1, "chat:*");
	rig->said.len = 0;
	client_up(rig, 0, 1, "backend", true, NULL);
	assert_said(rig, "a:left:user:*:forbidden ");
	client_up(rig, 0, 1, "backend", false, NULL);
	assert_said(rig, "a:left:chat:*:forbidden ");
	assert_int_equal(rig->route.table.patterns.n, 0);
}

static void the_seventeenth_pattern_of_a_client_is_refused(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	for (unsigned i = 0; i < CLIENT_PATTERNS_MAX; i++) {
		char pattern[16];
		snprintf(pattern, sizeof(pattern), "p%u*", i);
		watch(rig, 0, 1, pattern);
	}
	rig->said.len = 0;
	watch(rig, 0, 1, "p17*");
	watch(rig, 0, 1, "p3*"); // again
	assert_said(rig, "a:limit a:joined:1/5:p3* ");
}

static void so_is_one_too_many_of_all(void **state)
{
	struct rig *rig = *state;
	uint64_t handle = 1;
	for (unsigned i = 0; i <= ROOM_PATTERNS_MAX; i++) {
		char pattern[16];
		if (i % CLIENT_PATTERNS_MAX == 0) {
			admin_up(rig, 0, ++handle);
		}
		rig->said.len = 0;
		snprintf(pattern, sizeof(pattern), "p%u*", i);
		watch(rig, 0, handle, pattern);
	}
	assert_said(rig, "a:limit ");
}

static void who_sends_an_ephemeral_message_does_not_get_it_by_a_pattern(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	admin_up(rig, 1, 2);
	watch(rig, 0, 1, "chat:*");
	watch(rig, 1, 2, "chat:*");
	rig->said.len = 0;
	publish(rig, 0, 1, "chat:1", true); // a room that there was not
	assert_said(rig, "b:chat:1#0 a:chat:1#0/watchers-1 a:ack:0 ");
	join(rig, 0, 1, "chat:1");
	publish(rig, 0, 1, "chat:1", true);
	assert_said(rig, "b:chat:1#0 a:chat:1#0-1 a:ack:1 ");
}

static void a_client_or_an_edge_that_goes_takes_its_patterns_along(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	client_up(rig, 1, 3, "bob", false, NULL);
	watch(rig, 0, 1, "chat:*");
	publish(rig, 1, 3, "chat:1", false);
	route_edge_down(&rig->route, rig->edges[0]);
	publish(rig, 1, 3, "chat:1", false);
	while (route_purge(&rig->route, 1, NOW_MS)) {
	}
	assert_int_equal(rig->route.table.patterns.n, 0);
	publish(rig, 1, 3, "chat:1", false);
	assert_said(rig, "a:joined:1/5:chat:* a:chat:1#1 b:ack:0 b:ack:0 b:ack:0 ");
}

static void a_new_session_brings_patterns_nothing_that_was_missed(void **state)
{
	struct rig *rig = *state;
	client_up(rig, 1, 3, "bob", false, NULL);
	publish(rig, 1, 3, "chat:1", false);
	publish(rig, 1, 3, "chat:1", false);
	const struct table_room *room = room_table_find(&rig->route.table, bytes_str("chat:1"));
	route_edge_down(&rig->route, rig->edges[0]);
	while (route_purge(&rig->route, 1, NOW_MS)) {
	}
	edge_up(rig, 0, 1);
	admin_up(rig, 0, 1);
	client_up(rig, 0, 2, "ann", false, NULL);
	ProtobufCBinaryData patterns[] = { text("chat:*") };
	Weir__Link__V1__Rejoin again = WEIR__LINK__V1__REJOIN__INIT;
	again.client = 1;
	again.patterns = patterns;
	again.n_patterns = 1;
	rig->said.len = 0;
	say(rig, 0, &LINK_ITEM(REJOIN, rejoin, &again));
	assert_said(rig, "a:joined:1/0:chat:* ");
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	Weir__Link__V1__Place *places[] = { &place };
	place.room = text("chat:1");
	place.epoch = room->epoch;
	place.seq = 1;
	Weir__Link__V1__Rejoin member = WEIR__LINK__V1__REJOIN__INIT;
	member.client = 2;
	member.places = places;
	member.n_places = 1;
	say(rig, 0, &LINK_ITEM(REJOIN, rejoin, &member));
	publish(rig, 1, 3, "chat:1", false); // live: to the member it comes by the replay
	assert_said(rig, "a:chat:1#3/watchers b:ack:1 ");
	Weir__Link__V1__SnapshotEnd end = WEIR__LINK__V1__SNAPSHOT_END__INIT;
	say(rig, 0, &LINK_ITEM(SNAPSHOT_END, snapshot_end, &end));
	route_replay(&rig->route, rig->edges[0], SIZE_MAX, NOW_MS);
	publish(rig, 1, 3, "chat:1", false);
	assert_said(rig, "a:chat:1#2/members a:chat:1#3/members a:chat:1#4 b:ack:1 ");
}

static void a_pattern_does_not_keep_a_room(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	watch(rig, 0, 1, "chat:*");
	publish(rig, 0, 1, "chat:1", false);
	rig->said.len = 0;
	assert_int_equal(rig->route.table.rooms.n_entries, 1);
	route_sweep(&rig->route, NOW_MS + 300001);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void what_is_no_pattern_ends_the_link(void **state)
{
	struct rig *rig = *state;
	admin_up(rig, 0, 1);
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = 1;
	join.req = 5;
	join.pattern = text("a\nb*");
	assert_true(route_item(&rig->route, rig->edges[0], &LINK_ITEM(JOIN, join, &join), NOW_MS,
			    NOW_MS) < 0);
}

int main(void)
{
#define UNIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		UNIT_TEST(a_pattern_brings_each_matching_room_once_to_an_edge),
		UNIT_TEST(members_and_patterns_of_one_edge_share_a_delivery),
		UNIT_TEST(what_is_joined_or_left_later_holds_for_rooms_that_there_are),
		UNIT_TEST(it_takes_role_admin_and_for_personal_rooms_a_right),
		UNIT_TEST(new_rights_end_a_pattern),
		UNIT_TEST(the_seventeenth_pattern_of_a_client_is_refused),
		UNIT_TEST(so_is_one_too_many_of_all),
		UNIT_TEST(who_sends_an_ephemeral_message_does_not_get_it_by_a_pattern),
		UNIT_TEST(a_client_or_an_edge_that_goes_takes_its_patterns_along),
		UNIT_TEST(a_new_session_brings_patterns_nothing_that_was_missed),
		UNIT_TEST(a_pattern_does_not_keep_a_room),
		UNIT_TEST(what_is_no_pattern_ends_the_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
