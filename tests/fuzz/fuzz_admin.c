// Whatever comes over the admin socket is answered: a request by a reply that any protobuf library
// reads, whose texts are UTF-8 and whose JSON is JSON, within its size; and weirctl prints that
// reply, or one that no router made, as lines that do not command a terminal.
//
// The first byte chooses. Even: a Request, run against a small router, page after page. Odd: a
// Reply, for weirctl to print.

#include <stdlib.h>

#include "common/check.h"
#include "common/utf8.h"
#include "proto/names.h"
#include "router/admin/admin_cmd.h"
#include "router/ctl/weirctl_print.h"
#include "router/ctl/weirctl_value.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/json_text.h"

enum {
	WORDS_MAX = 64, // as the server has it
	NOW_MS = 10000,
	PAGES_MAX = 4,
};
#define WALL_MS INT64_C(1700000010000)

static void append(void *arg, struct table_edge *edge, struct bytes element)
{
	struct bytes packed;
	(void)arg;
	CHECK(!edge->going && link_batch_next(&element, &packed) == 1 && element.len == 0);
}

static void edge_figures(void *arg, const struct table_edge *edge,
	struct admin_edge_figures *figures)
{
	(void)arg;
	(void)edge;
	*figures = (struct admin_edge_figures){ 1, 2, 1234, WALL_MS, NULL };
}

// ---- a small router: two edges; ann at both, bob at one; rooms red and "user:ann"

static void say(struct route *r, struct table_edge *edge, const link_item *item)
{
	CHECK(route_item(r, edge, item, NOW_MS, WALL_MS) == 0);
}

static void client_up(struct route *r, struct table_edge *edge, uint64_t handle, const char *id,
	const char *user)
{
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	up.client = handle;
	up.id = pb_data(bytes_str(id));
	up.user = pb_data(bytes_str(user));
	say(r, edge, &LINK_ITEM(CLIENT_UP, client_up, &up));
}

static void join(struct route *r, struct table_edge *edge, uint64_t handle, const char *room)
{
	Weir__Link__V1__Join join = WEIR__LINK__V1__JOIN__INIT;
	join.client = handle;
	join.room = pb_data(bytes_str(room));
	say(r, edge, &LINK_ITEM(JOIN, join, &join));
}

static void fill(struct route *r)
{
	struct rights *defaults = rights_new();
	CHECK(rights_add(defaults, RIGHT_ALL, bytes_str("*")));
	const struct rights_policy policy = { .defaults = defaults, .lobby = bytes_str("red") };
	struct table_edge *one = route_edge_up(r, NULL, bytes_str("one"), &policy, 1);
	struct table_edge *two = route_edge_up(r, NULL, bytes_str("two"), &policy, 1);
	rights_unref(defaults);
	client_up(r, one, 1, "c1", "ann");
	client_up(r, two, 1, "c2", "ann");
	client_up(r, two, 2, "c3", "bob");
	join(r, one, 1, "red");
	join(r, two, 2, "red");
	join(r, two, 1, "user:ann");
}

// ---- answers

static struct bytes span_of(ProtobufCBinaryData data)
{
	return bytes_make(data.data, data.len);
}

static void check_field(const Weir__Admin__V1__Field *field)
{
	enum jscan_kind kind;
	CHECK(field->name.len > 0 && utf8_printable(span_of(field->name)));
	if (field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_TEXT) {
		CHECK(utf8_valid(span_of(field->text)));
	} else if (field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_JSON) {
		CHECK(json_text_valid(span_of(field->json), &kind));
	}
}

static void check_reply(const Weir__Admin__V1__Reply *reply)
{
	for (size_t i = 0; i < reply->n_rows; i++) {
		CHECK(reply->rows[i]->n_fields > 0);
		for (size_t f = 0; f < reply->rows[i]->n_fields; f++) {
			check_field(reply->rows[i]->fields[f]);
		}
	}
	CHECK(reply->status == WEIR__ADMIN__V1__STATUS__OK ||
		(reply->n_rows == 0 && reply->message.len > 0));
	CHECK(reply->more == (reply->cursor.len > 0));
}

static bool commands_terminal(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((text.data[i] < 0x20 && text.data[i] != '\n') || text.data[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

// `ours`: a router of ours made it, so each row is an object on a line of its own.
static void print(const Weir__Admin__V1__Reply *reply, bool ours)
{
	struct buf out = { 0 };
	struct printer table = { .table.width = 80 };
	print_reply(&table, reply, &out);
	print_text(&out, reply->message);
	CHECK(!ours || !commands_terminal(buf_bytes(&out)) || reply->message.len > 0);
	out.len = 0;
	struct printer json = { .json = true };
	print_reply(&json, reply, &out);
	struct bytes rest = buf_bytes(&out);
	struct bytes line;
	enum jscan_kind kind;
	for (size_t i = 0; ours && i < reply->n_rows; i++) {
		CHECK(bytes_cut(rest, '\n', &line, &rest));
		CHECK(json_text_valid(line, &kind) && kind == JSCAN_OBJECT);
	}
	CHECK(!ours || rest.len == 0);
	buf_fini(&out);
}

// ---- requests

// Runs the request and looks at the answer, which is the caller's.
static Weir__Admin__V1__Reply *run(const struct admin_context *ctx,
	const Weir__Admin__V1__Request *request, struct bytes cursor)
{
	struct bytes argv[WORDS_MAX + 1];
	uint64_t state = 0;
	struct admin_request to_run = {
		.argv = argv,
		.state = &state,
		.argc = request->n_argv,
		.subject = request->subject,
		.now_ms = NOW_MS,
		.wall_ms = WALL_MS,
	};
	for (size_t i = 0; i < request->n_argv; i++) {
		argv[i] = span_of(request->argv[i]);
	}
	if (cursor.len > 0) {
		argv[to_run.argc++] = cursor;
	}
	struct admin_reply reply = { 0 };
	struct buf packed = { 0 };
	admin_run(ctx, &to_run, &reply);
	admin_reply_pack(&reply, &packed);
	CHECK(packed.len <= ADMIN_REPLY_MAX);
	Weir__Admin__V1__Reply *unpacked =
		weir__admin__v1__reply__unpack(NULL, packed.len, packed.data);
	CHECK(unpacked != NULL && unpacked->n_rows == reply.n_rows);
	check_reply(unpacked);
	print(unpacked, true);
	buf_fini(&packed);
	admin_reply_fini(&reply);
	return unpacked;
}

static void run_pages(struct route *r, const Weir__Admin__V1__Request *request)
{
	const struct admin_context ctx = {
		.route = r,
		.name = "router-1",
		.store = "memory",
		.started_ms = 1700000000000,
		.edge_figures = edge_figures,
	};
	Weir__Admin__V1__Reply *reply = run(&ctx, request, bytes_make(NULL, 0));
	for (unsigned i = 0; i < PAGES_MAX && reply->more; i++) {
		Weir__Admin__V1__Reply *next = run(&ctx, request, span_of(reply->cursor));
		weir__admin__v1__reply__free_unpacked(reply, NULL);
		reply = next;
	}
	weir__admin__v1__reply__free_unpacked(reply, NULL);
}

static void run_request(struct bytes packed)
{
	Weir__Admin__V1__Request *request =
		weir__admin__v1__request__unpack(NULL, packed.len, packed.data);
	if (request != NULL && request->n_argv <= WORDS_MAX) {
		static const struct route_options options = {
			.max_rooms = 4,
			.recorder_bytes = 8192,
		};
		struct route route;
		route_init(&route, &options, append, NULL);
		fill(&route);
		run_pages(&route, request);
		CHECK(route.table.n_clients == 3 && route.table.n_members == 3);
		route_fini(&route);
	}
	weir__admin__v1__request__free_unpacked(request, NULL);
}

static void read_reply(struct bytes packed)
{
	Weir__Admin__V1__Reply *reply =
		weir__admin__v1__reply__unpack(NULL, packed.len, packed.data);
	if (reply != NULL) {
		print(reply, false);
	}
	weir__admin__v1__reply__free_unpacked(reply, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_make(data, size);
	if (fuzz_take_byte(&input) % 2 == 0) {
		run_request(input);
	} else {
		read_reply(input);
	}
	return 0;
}
