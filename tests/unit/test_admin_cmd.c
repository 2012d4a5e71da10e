#include <stdio.h>
#include <stdlib.h>

#include "common/jscan.h"
#include "common/mem.h"
#include "proto/names.h"
#include "router/admin/admin_cmd.h"
#include "router/ctl/weirctl_print.h"
#include "tests/unit/test.h"

// Commands over filled tables. Answers are compared as weirctl --json prints them, so names and
// order of fields, a promise to scripts, stand here in full.

enum {
	NOW_MS = 10000,
	WALL_MS = 1700000010000,
	STARTED_MS = 1700000000000,
	WORDS_MAX = 8,
};

struct rig {
	struct route route;
	struct table_edge *edges[2];
	struct admin_context ctx;
	struct buf sent[2]; // what each edge was told
	const Weir__Admin__V1__Subject *subject;
	// of the last answer
	Weir__Admin__V1__Status status;
	struct buf message;
	struct buf rows;
	struct buf cursor;
	bool cannot_hold; // as if too many answers were held already
	bool held; // the last answer is
	size_t n_rows;
	bool table;
	unsigned n_rests; // how often rest was asked for
};

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	(void)arg;
	buf_append_bytes(edge->link, element);
}

static void edge_figures(void *arg, const struct table_edge *edge,
	struct admin_edge_figures *figures)
{
	(void)arg;
	if (strcmp(edge->name, "one") == 0) {
		*figures = (struct admin_edge_figures){ 11, 22, 1234, 1700000001000, "0.1.0" };
	}
}

// Reached the third time; given up the fourth.
static enum admin_rest rest(void *arg)
{
	struct rig *rig = arg;
	rig->n_rests++;
	return rig->n_rests < 3     ? ADMIN_REST_NOT_YET
		: rig->n_rests == 3 ? ADMIN_REST_REACHED
				    : ADMIN_REST_GIVEN_UP;
}

static int setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct route_options options = {
		.history_age_ms = 300000,
		.max_rooms = 10000,
		.recorder_bytes = 65536,
	};
	route_init(&rig->route, &options, append, NULL);
	struct rights *defaults = rights_new();
	assert_true(rights_add(defaults, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = { .defaults = defaults };
	rig->edges[0] = route_edge_up(&rig->route, &rig->sent[0], bytes_str("one"), &policy, 0);
	rig->edges[1] = route_edge_up(&rig->route, &rig->sent[1], bytes_str("two"), &policy, 0);
	rights_unref(defaults);
	rig->ctx = (struct admin_context){
		.route = &rig->route,
		.name = "router-1",
		.store = "memory",
		.started_ms = STARTED_MS,
		.edge_figures = edge_figures,
		.rest = rest,
		.arg = rig,
	};
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	route_fini(&rig->route);
	buf_fini(&rig->sent[0]);
	buf_fini(&rig->sent[1]);
	buf_fini(&rig->message);
	buf_fini(&rig->rows);
	buf_fini(&rig->cursor);
	free(rig);
	return 0;
}

static ProtobufCBinaryData text(const char *s)
{
	return pb_data(bytes_str(s));
}

static void client_up(struct rig *rig, unsigned e, uint64_t handle, const char *id,
	const char *user, unsigned mask)
{
	Weir__Link__V1__Right right = WEIR__LINK__V1__RIGHT__INIT;
	Weir__Link__V1__Right *rights[] = { &right };
	right.mask = mask;
	right.pattern = text("*");
	ProtobufCBinaryData role = text("guest");
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = handle;
	up.id = text(id);
	up.user = text(user);
	up.address = text("10.0.0.1");
	up.codec = text("json");
	up.since_ms = 1700000002000;
	up.roles = &role;
	up.n_roles = 1;
	up.has_rights = mask != RIGHT_ALL;
	up.rights = rights;
	up.n_rights = 1;
	assert_int_equal(route_item(&rig->route, rig->edges[e],
				 &LINK_ITEM(CLIENT_UP, client_up, &up), NOW_MS, WALL_MS),
		0);
}

static void join(struct rig *rig, unsigned e, uint64_t handle, const char *room)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.req = 1;
	join.room = text(room);
	assert_int_equal(route_item(&rig->route, rig->edges[e], &LINK_ITEM(JOIN, join, &join),
				 NOW_MS, WALL_MS),
		0);
}

// ann twice in "red", on both edges; bob in "red" and "blue".
static void fill(struct rig *rig)
{
	client_up(rig, 0, 1, "c1", "ann", RIGHT_ALL);
	client_up(rig, 1, 1, "c2", "ann", RIGHT_ALL);
	client_up(rig, 1, 2, "c3", "bob", RIGHT_JOIN);
	join(rig, 0, 1, "red");
	join(rig, 1, 1, "red");
	join(rig, 1, 2, "red");
	join(rig, 1, 2, "blue");
	rig->sent[0].len = 0;
	rig->sent[1].len = 0;
}

static void keep_answer(struct rig *rig, const struct admin_reply *reply)
{
	struct buf packed = { 0 };
	admin_reply_pack(reply, &packed);
	assert_in_range(packed.len, 0, ADMIN_REPLY_MAX);
	Weir__Admin__V1__Reply *answer =
		weir__admin__v1__reply__unpack(NULL, packed.len, packed.data);
	assert_non_null(answer);
	rig->status = answer->status;
	rig->n_rows = answer->n_rows;
	rig->table = answer->table;
	rig->message.len = 0;
	buf_append(&rig->message, answer->message.data, answer->message.len);
	rig->cursor.len = 0;
	buf_append(&rig->cursor, answer->cursor.data, answer->cursor.len);
	assert_int_equal(answer->more, answer->cursor.len > 0);
	rig->rows.len = 0;
	struct printer printer = { .json = true };
	print_reply(&printer, answer, &rig->rows);
	weir__admin__v1__reply__free_unpacked(answer, NULL);
	buf_fini(&packed);
}

static void run_words(struct rig *rig, const struct bytes *argv, size_t argc)
{
	uint64_t kept = 0;
	const struct admin_request request = {
		.argv = argv,
		.state = rig->cannot_hold ? NULL : &kept,
		.argc = argc,
		.subject = rig->subject,
		.now_ms = NOW_MS,
		.wall_ms = WALL_MS,
	};
	struct admin_reply reply = { 0 };
	admin_run(&rig->ctx, &request, &reply);
	rig->held = reply.hold;
	keep_answer(rig, &reply);
	admin_reply_fini(&reply);
}

// `line` is cut at its spaces.
static void run(struct rig *rig, const char *line)
{
	struct bytes argv[WORDS_MAX];
	size_t argc = 0;
	struct bytes rest = bytes_str(line);
	bool more = rest.len > 0;
	while (more) {
		assert_in_range(argc, 0, WORDS_MAX - 1);
		more = bytes_cut(rest, ' ', &argv[argc], &rest);
		argc++;
	}
	run_words(rig, argv, argc);
}

static void assert_rows(struct rig *rig, const char *line, const char *expected)
{
	run(rig, line);
	assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__OK);
	assert_bytes_equal(buf_bytes(&rig->rows), expected);
}

static void assert_refused(struct rig *rig, const char *line)
{
	run(rig, line);
	assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__REFUSED);
	assert_int_equal(rig->n_rows, 0);
	assert_true(rig->message.len > 0);
}

static void assert_usage(struct rig *rig, const char *line)
{
	run(rig, line);
	assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__USAGE);
	assert_int_equal(rig->n_rows, 0);
	assert_true(rig->message.len > 0);
}

static bool message_has(const struct rig *rig, const char *part)
{
	return memmem(rig->message.data, rig->message.len, part, strlen(part)) != NULL;
}

static bool rows_have(const struct rig *rig, const char *part)
{
	return memmem(rig->rows.data, rig->rows.len, part, strlen(part)) != NULL;
}

static char *epoch_text(const struct rig *rig, const char *room)
{
	char text[EPOCH_TEXT_MAX];
	uint64_t epoch = room_table_find(&rig->route.table, bytes_str(room))->epoch;
	return xstrndup(text, epoch_format(epoch, text));
}

// ---- tests

static void tells_how_the_router_does(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	assert_rows(rig, "status",
		"{\"name\":\"router-1\",\"version\":\"" WEIR_VERSION "\",\"uptime\":10,\"edges\":2,"
		"\"rooms\":2,\"members\":4,\"published\":0,\"deliveries\":0,\"store\":\"memory\"}"
		"\n");
	assert_rows(rig, "version", "{\"name\":\"router-1\",\"version\":\"" WEIR_VERSION "\"}\n");
	assert_rows(rig, "ready", "{\"ready\":true}\n");
}

static void lists_edges(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	static const char one[] =
		"{\"edge\":\"one\",\"connections\":1,\"members\":1,\"rooms\":1,\"queueBytes\":11,"
		"\"inflightBytes\":22,\"rttMs\":1.234,\"draining\":false,\"silent\":false,"
		"\"since\":1700000001000,"
		"\"version\":\"0.1.0\"}\n";
	static const char two[] =
		"{\"edge\":\"two\",\"connections\":2,\"members\":3,\"rooms\":2,\"queueBytes\":0,"
		"\"inflightBytes\":0,\"rttMs\":null,\"draining\":false,\"silent\":false,\"since\":"
		"0,"
		"\"version\":null}\n";
	char *both = xasprintf("%s%s", one, two);
	assert_rows(rig, "edges", both);
	assert_true(rig->table);
	assert_rows(rig, "edge two", two);
	assert_false(rig->table);
	free(both);
	assert_refused(rig, "edge three");
}

static void prepares_a_restart_as_often_as_it_is_asked_again(void **state)
{
	struct rig *rig = *state;
	rig->cannot_hold = true;
	assert_rows(rig, "restart-prepare", "");
	assert_bytes_equal(buf_bytes(&rig->cursor), "--cursor=again");
	assert_rows(rig, "restart-prepare --cursor=again", "");
	assert_bytes_equal(buf_bytes(&rig->cursor), "--cursor=again");
	assert_rows(rig, "restart-prepare --cursor=again", "{\"safe\":true}\n");
	assert_int_equal(rig->cursor.len, 0);
	assert_refused(rig, "restart-prepare");
}

static void holds_the_answer_until_the_edges_have_quiesced(void **state)
{
	struct rig *rig = *state;
	assert_rows(rig, "restart-prepare", "");
	assert_true(rig->held);
	assert_int_equal(rig->cursor.len, 0);
	assert_rows(rig, "restart-prepare", "");
	assert_rows(rig, "restart-prepare", "{\"safe\":true}\n");
	assert_false(rig->held);
}

static void lists_rooms(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	char *red_epoch = epoch_text(rig, "red");
	char *blue_epoch = epoch_text(rig, "blue");
	char *red = xasprintf("{\"room\":\"red\",\"members\":3,\"users\":2,\"edges\":2,"
			      "\"epoch\":\"%s\",\"seq\":0,\"historyMessages\":0,"
			      "\"historyBytes\":0}\n",
		red_epoch);
	char *blue = xasprintf("{\"room\":\"blue\",\"members\":1,\"users\":1,\"edges\":1,"
			       "\"epoch\":\"%s\",\"seq\":0,\"historyMessages\":0,"
			       "\"historyBytes\":0}\n",
		blue_epoch);
	char *by_name = xasprintf("%s%s", blue, red);
	char *by_members = xasprintf("%s%s", red, blue);
	assert_rows(rig, "rooms", by_name);
	assert_rows(rig, "rooms --sort members", by_members);
	assert_rows(rig, "rooms --sort=members --limit 1", red);
	assert_rows(rig, "rooms r*", red);
	assert_rows(rig, "rooms x*", "");
	assert_rows(rig, "rooms --limit 0", "");
	red[strlen(red) - 2] = '\0'; // without the end of the object
	char *options = xasprintf("%s,\"pattern\":null,\"historyMessagesMax\":0,"
				  "\"historyBytesMax\":0,\"historyAgeMs\":300000,"
				  "\"membersMax\":0,\"slow\":\"disconnect\",\"presence\":true,"
				  "\"ephemeral\":false,\"lobbyPublish\":\"all\"}\n",
		red);
	assert_rows(rig, "room red", options);
	assert_rows(rig, "rooms r* --options", options);
	assert_refused(rig, "room green");
	free(options);
	free(by_members);
	free(by_name);
	free(blue);
	free(red);
	free(blue_epoch);
	free(red_epoch);
}

static void shows_the_rule_of_a_room(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	char *values[] = { "r* slow=conflate history-messages=5 lobby-publish=none ephemeral=yes" };
	const struct conf_list options = { values, 1 };
	const struct conf_list slow = { 0 };
	route_set_rooms(&rig->route, &options, &slow);
	run(rig, "room red");
	assert_true(rows_have(rig, "\"pattern\":\"r*\",\"historyMessagesMax\":5,"));
	assert_true(rows_have(rig,
		"\"slow\":\"conflate\",\"presence\":true,\"ephemeral\":true,"
		"\"lobbyPublish\":\"none\"}"));
	run(rig, "room blue");
	assert_true(rows_have(rig, "\"pattern\":null,"));
	run(rig, "route red --as somebody");
	assert_true(rows_have(rig, "\"allowed\":false,\"reason\":\"room-options\""));
	run(rig, "route red");
	assert_true(rows_have(rig, "\"allowed\":true,\"reason\":\"weirctl\""));
}

static void sorts_rooms_by_what_goes_on_in_them(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	run(rig, "publish blue {\"type\":\"x\"}");
	run(rig, "rooms --sort rate --limit 1");
	assert_true(bytes_has_prefix(buf_bytes(&rig->rows), "{\"room\":\"blue\""));
}

static void lists_clients_and_members(void **state)
{
	struct rig *rig = *state;
	fill(rig);
#define CLIENT(id, user, edge, rooms)                                                              \
	"{\"client\":\"" id "\",\"user\":\"" user "\",\"username\":null,\"edge\":\"" edge          \
	"\",\"address\":\"10.0.0.1\",\"since\":1700000002000,\"rooms\":" rooms                     \
	",\"queueBytes\":0,\"codec\":\"json\",\"compressed\":false"
#define C1 CLIENT("c1", "ann", "one", "1")
#define C2 CLIENT("c2", "ann", "two", "1")
#define C3 CLIENT("c3", "bob", "two", "2")
	assert_rows(rig, "clients", C1 "}\n" C2 "}\n" C3 "}\n");
	assert_true(rig->table);
	assert_rows(rig, "clients --user ann", C1 "}\n" C2 "}\n");
	assert_rows(rig, "clients --edge two", C2 "}\n" C3 "}\n");
	assert_rows(rig, "clients --user ann --edge two", C2 "}\n");
	assert_rows(rig, "clients --user nobody", "");
	assert_refused(rig, "clients --edge three");
	assert_rows(rig, "members red", C1 "}\n" C2 "}\n" C3 "}\n");
	assert_rows(rig, "members blue", C3 "}\n");
	assert_refused(rig, "members green");
	const struct table_user *bob = room_table_user_find(&rig->route.table, bytes_str("bob"));
	assert_int_equal(
		room_table_watch(&rig->route.table, LIST_FIRST(&bob->clients), bytes_str("x*")),
		WATCH_ADDED);
	assert_rows(rig, "client c3",
		C3 ",\"admin\":false,\"roles\":[\"guest\"],\"roomNames\":[\"blue\",\"red\"],"
		   "\"patterns\":[\"x*\"]}\n");
	assert_refused(rig, "client c4");
}

static void tells_whom_a_message_would_reach(void **state)
{
	struct rig *rig = *state;
	fill(rig);
#define EDGES                                                                                      \
	",\"edges\":[{\"edge\":\"one\",\"connections\":1},{\"edge\":\"two\",\"connections\":2}],"  \
	"\"members\":3}\n"
	assert_rows(rig, "route red",
		"{\"room\":\"red\",\"allowed\":true,\"reason\":\"weirctl\",\"pattern\":null" EDGES);
	assert_rows(rig, "route red --as ann",
		"{\"room\":\"red\",\"allowed\":true,\"reason\":\"pattern\",\"pattern\":\"*"
		"\"" EDGES);
	assert_rows(rig, "route red --as bob",
		"{\"room\":\"red\",\"allowed\":false,\"reason\":\"no pattern\","
		"\"pattern\":null" EDGES);
	assert_rows(rig, "route red --as nobody",
		"{\"room\":\"red\",\"allowed\":true,\"reason\":\"pattern\",\"pattern\":\"*"
		"\"" EDGES);
	assert_rows(rig, "route green",
		"{\"room\":\"green\",\"allowed\":true,\"reason\":\"weirctl\",\"pattern\":null,"
		"\"edges\":[],\"members\":0}\n");
	assert_rows(rig, "route a\x01",
		"{\"room\":\"a\\u0001\",\"allowed\":false,\"reason\":\"bad_room\","
		"\"pattern\":null,\"edges\":[],\"members\":0}\n");
	assert_int_equal(rig->sent[0].len + rig->sent[1].len, 0);
	assert_null(room_table_find(&rig->route.table, bytes_str("green")));
}

static void asks_for_what_a_token_claims(void **state)
{
	struct rig *rig = *state;
	Weir__Admin__V1__Grant grant = WEIR__ADMIN__V1__GRANT__INIT;
	Weir__Admin__V1__Grant *grants[] = { &grant };
	Weir__Admin__V1__Subject subject = WEIR__ADMIN__V1__SUBJECT__INIT;
	grant.mask = RIGHT_PUBLISH;
	grant.pattern = text("r*");
	subject.user = text("carol");
	subject.has_rights = true;
	subject.rights = grants;
	subject.n_rights = 1;
	rig->subject = &subject;
#define ROUTE(room, allowed, reason, pattern)                                                      \
	"{\"room\":\"" room "\",\"allowed\":" allowed ",\"reason\":\"" reason                      \
	"\",\"pattern\":" pattern ",\"edges\":[],\"members\":0}\n"
	assert_rows(rig, "route red", ROUTE("red", "true", "pattern", "\"r*\""));
	assert_rows(rig, "route blue", ROUTE("blue", "false", "no pattern", "null"));
	subject.has_rights = false;
	assert_rows(rig, "route blue", ROUTE("blue", "true", "pattern", "\"*\""));
	ProtobufCBinaryData role = text("admin");
	subject.roles = &role;
	subject.n_roles = 1;
	assert_rows(rig, "route user:ann", ROUTE("user:ann", "true", "admin", "null"));
	assert_usage(rig, "route red --as ann");
	assert_usage(rig, "status");
}

static void publishes_and_answers_like_an_ack(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	char *epoch = epoch_text(rig, "red");
	char *ack = xasprintf("{\"room\":\"red\",\"epoch\":\"%s\",\"seq\":1,"
			      "\"timestamp\":1700000010000,\"members\":3}\n",
		epoch);
	assert_rows(rig, "publish red {\"type\":\"x\",\"a\":1}", ack);
	assert_true(rig->sent[0].len > 0 && rig->sent[1].len > 0);
	free(ack);
	free(epoch);
	assert_rows(rig, "publish red {\"type\":\"x\",\"ephemeral\":true}",
		"{\"room\":\"red\",\"timestamp\":1700000010000,\"members\":3}\n");
	assert_rows(rig, "broadcast {\"a\":1}", "{\"timestamp\":1700000010000,\"members\":3}\n");
}

static void publishes_nothing_that_no_client_could(void **state)
{
	struct rig *rig = *state;
	assert_refused(rig, "publish a\x01 {\"type\":\"x\"}");
	assert_usage(rig, "publish red {\"type\":\"joined\"}");
	assert_usage(rig, "publish red {\"a\":1}");
	assert_usage(rig, "publish red x");
	assert_usage(rig, "broadcast []");
	assert_usage(rig, "broadcast {\"type\":\"hello\"}");
	assert_int_equal(rig->sent[0].len, 0);
	assert_int_equal(rig->route.table.rooms.n_entries, 0);
}

static void kicks_users_and_clients(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	assert_rows(rig, "kick --user ann --reason spam", "{\"closed\":2}\n");
	assert_true(rig->sent[0].len > 0 && rig->sent[1].len > 0);
	rig->sent[0].len = 0;
	assert_rows(rig, "kick --client c1", "{\"closed\":1}\n");
	assert_true(rig->sent[0].len > 0);
	assert_rows(rig, "kick --user nobody", "{\"closed\":0}\n");
	assert_refused(rig, "kick --client c9");
	assert_usage(rig, "kick");
	assert_usage(rig, "kick --user ann --client c1");
}

static void explains_itself(void **state)
{
	struct rig *rig = *state;
	run(rig, "help");
	assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__OK);
	assert_true(message_has(rig, "rooms") && message_has(rig, "kick"));
	run(rig, "help kick");
	assert_true(message_has(rig, "--user U"));
	assert_usage(rig, "help me");
	assert_usage(rig, "nonsense");
	assert_true(message_has(rig, "rooms"));
	assert_usage(rig, "");
}

static void says_how_a_command_is_used(void **state)
{
	struct rig *rig = *state;
	static const char *const lines[] = { "room", "room a b", "rooms --limit x",
		"rooms --limit -1", "rooms --limit", "rooms --sort size", "rooms --user u",
		"status x", "edge", "publish red", "rooms --cursor=x" };
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_usage(rig, lines[i]);
		assert_true(message_has(rig, "usage: weirctl "));
	}
	const struct bytes no_text[] = { bytes_str("\xff"), bytes_make("a\0b", 3) };
	for (size_t i = 0; i < ARRAY_LEN(no_text); i++) {
		const struct bytes argv[] = { bytes_str("publish"), no_text[i], bytes_str("{}") };
		run_words(rig, argv, ARRAY_LEN(argv));
		assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__USAGE);
		assert_true(message_has(rig, "not text"));
	}
}

static void takes_words_behind_two_dashes_as_they_are(void **state)
{
	struct rig *rig = *state;
	client_up(rig, 0, 1, "c1", "ann", RIGHT_ALL);
	join(rig, 0, 1, "--x");
	run(rig, "room -- --x");
	assert_int_equal(rig->status, WEIR__ADMIN__V1__STATUS__OK);
	assert_int_equal(rig->n_rows, 1);
}

static void lists_more_than_an_answer_holds_in_pages(void **state)
{
	struct rig *rig = *state;
	enum {
		N_ROOMS = 9000
	};
	client_up(rig, 0, 1, "c1", "ann", RIGHT_ALL);
	for (unsigned i = 0; i < N_ROOMS; i++) {
		char room[ROOM_NAME_MAX + 1];
		// Long names, so that bytes end a page as well as rows do.
		int len = snprintf(room, sizeof(room), "room-%u-", i);
		memset(room + len, 'x', i % 2 == 0 ? (size_t)(ROOM_NAME_MAX - len) : 0);
		room[i % 2 == 0 ? ROOM_NAME_MAX : len] = '\0';
		join(rig, 0, 1, room);
	}
	size_t total = 0;
	size_t pages = 0;
	run(rig, "rooms");
	while (rig->cursor.len > 0) {
		assert_in_range(rig->n_rows, 1, N_ROOMS / 2);
		total += rig->n_rows;
		pages++;
		struct bytes cursor = buf_bytes(&rig->cursor);
		char *copy = xstrndup(cursor.data, cursor.len);
		const struct bytes argv[] = { bytes_str("rooms"), bytes_str(copy) };
		run_words(rig, argv, 2);
		free(copy);
	}
	assert_int_equal(total + rig->n_rows, N_ROOMS);
	assert_in_range(pages, 2, 5);
}

static void knows_what_must_not_run_twice(void **state)
{
	(void)state;
	static const char *const changing[] = { "publish", "broadcast", "kick" };
	static const char *const reading[] = { "status", "rooms", "route", "help", "nonsense" };
	for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
		assert_true(admin_changes(bytes_str(changing[i])));
	}
	for (size_t i = 0; i < ARRAY_LEN(reading); i++) {
		assert_false(admin_changes(bytes_str(reading[i])));
	}
}

// bob's edge is lost so many milliseconds after a message to red; what is said of it for him.
static void assert_lost(struct rig *rig, int64_t later_ms, const char *verdict)
{
	char expected[64];
	fill(rig);
	run_words(rig,
		(const struct bytes[]){ bytes_str("publish"), bytes_str("red"),
			bytes_str("{\"type\":\"chat\"}") },
		3);
	route_tell_time(&rig->route, (int64_t)WALL_MS + later_ms);
	route_edge_down(&rig->route, rig->edges[1]);
	assert_false(route_purge(&rig->route, 1000, NOW_MS));
	run(rig, "explain red 1 --user bob");
	buf_append_byte(&rig->rows, '\0');
	snprintf(expected, sizeof(expected), "\"verdict\":\"%s\",\"reason\":\"edge_lost\"",
		verdict);
	assert_non_null(strstr((const char *)rig->rows.data, expected));
	assert_int_equal(rig->n_rows, 1);
}

static void a_member_of_an_edge_that_is_lost_soon_is_gone(void **state)
{
	assert_lost(*state, 6000, "gone");
}

static void what_an_edge_knew_that_is_lost_later_is_unknown(void **state)
{
	assert_lost(*state, 61000, "unknown");
}

static void tells_what_takes_memory(void **state)
{
	struct rig *rig = *state;
	fill(rig);
	run(rig, "memory");
	assert_true(rig->n_rows > 8);
	buf_append_byte(&rig->rows, '\0');
	const char *rows = (const char *)rig->rows.data;
	assert_non_null(strstr(rows, "{\"process\":\"router-1\",\"pool\":\"rooms\",\"bytes\":"));
	assert_non_null(strstr(rows, "\"pool\":\"unaccounted\""));
	assert_non_null(strstr(rows, "\"pool\":\"members\""));
	assert_true(rig->table);
}

static void tells_what_users_have_used_of_their_limits(void **state)
{
	struct rig *rig = *state;
	struct budget_limits limits = {
		.rates[BUDGET_MESSAGES] = { .per_s = 10, .burst = 20 },
		.rates[BUDGET_ANSWERS] = { .per_s = 1000, .burst = 4000 },
	};
	fill(rig);
	rig->route.options.budgets = limits;
	struct table_user *ann = room_table_user_find(&rig->route.table, bytes_str("ann"));
	struct budget_excess excess;
	for (unsigned i = 0; i < 25; i++) {
		if (!budget_take(&ann->budget, &limits, false, BUDGET_MESSAGES, 1, NOW_MS,
			    &excess)) {
			counter_add(&rig->route.counters.over_budget[BUDGET_MESSAGES], 1);
		}
	}
	run(rig, "limits --user ann");
	assert_int_equal(rig->n_rows, BUDGET_COUNT);
	assert_true(rows_have(rig,
		"{\"limit\":\"rate-user\",\"user\":\"ann\",\"used\":20,"
		"\"allowed\":20,\"perSecond\":10,\"refused\":5}"));
	assert_true(rows_have(rig,
		"{\"limit\":\"rate-rooms\",\"user\":\"ann\",\"used\":0,"
		"\"allowed\":null,\"perSecond\":null,\"refused\":0}"));
	run(rig, "limits");
	assert_int_equal(rig->n_rows, BUDGET_COUNT + 1);
	assert_true(rows_have(rig,
		"{\"limit\":\"rate-user\",\"user\":\"ann\",\"used\":20,"
		"\"allowed\":20,\"perSecond\":10,\"refused\":5}"));
	assert_true(rows_have(rig,
		"{\"limit\":\"rate-answers\",\"user\":null,\"used\":0,"
		"\"allowed\":4000,\"perSecond\":1000,\"refused\":0}"));
	assert_true(rows_have(rig,
		"{\"limit\":\"max-rooms\",\"user\":null,\"used\":2,"
		"\"allowed\":10000,\"perSecond\":null,\"refused\":0}"));
	budget_memory_keep(&rig->route.table.budgets, bytes_str("gone"), &ann->budget, NOW_MS);
	run(rig, "limits --user gone");
	assert_true(rows_have(rig, "\"user\":\"gone\",\"used\":20,"));
	assert_refused(rig, "limits --user nobody");
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(tells_how_the_router_does),
		RIG_TEST(lists_edges),
		RIG_TEST(prepares_a_restart_as_often_as_it_is_asked_again),
		RIG_TEST(holds_the_answer_until_the_edges_have_quiesced),
		RIG_TEST(lists_rooms),
		RIG_TEST(shows_the_rule_of_a_room),
		RIG_TEST(sorts_rooms_by_what_goes_on_in_them),
		RIG_TEST(lists_clients_and_members),
		RIG_TEST(tells_whom_a_message_would_reach),
		RIG_TEST(asks_for_what_a_token_claims),
		RIG_TEST(publishes_and_answers_like_an_ack),
		RIG_TEST(publishes_nothing_that_no_client_could),
		RIG_TEST(kicks_users_and_clients),
		RIG_TEST(explains_itself),
		RIG_TEST(says_how_a_command_is_used),
		RIG_TEST(takes_words_behind_two_dashes_as_they_are),
		RIG_TEST(lists_more_than_an_answer_holds_in_pages),
		cmocka_unit_test(knows_what_must_not_run_twice),
		RIG_TEST(a_member_of_an_edge_that_is_lost_soon_is_gone),
		RIG_TEST(what_an_edge_knew_that_is_lost_later_is_unknown),
		RIG_TEST(tells_what_takes_memory),
		RIG_TEST(tells_what_users_have_used_of_their_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
