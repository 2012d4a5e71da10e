// `/api/COMMAND/WORD...?OPTION=VALUE` is the command line of weirctl as a path, for the commands in
// a list that change nothing; an answer is what `weirctl --json` prints: an array of objects, or
// one object. `/api/events` is `watch` as server-sent events. A table of its own for the page was
// rejected: it would be a second set of names to keep.
//
// Loopback is no border for browsers: any page that an operator has open can send requests here. So
// the name asked for must be one of this machine, which ends DNS rebinding, and what comes from a
// page must come from this one. The port may differ, as over ssh -L.

#include "router/ui/ui.h"

#include <string.h>

#include "admin.pb-c.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/http_head.h"
#include "common/net.h"
#include "proto/admin_json.h"
#include "router/admin/admin_call.h"
#include "router/admin/admin_cmd.h"
#include "router/ui/ui_files.h"

enum {
	WORDS_MAX = 16,
	HOLD_MS = ADMIN_HOLD_LOOK_MS,
	EVENTS_MS = 250, // between two looks of a stream
};

#define JSON_TYPE "application/json; charset=utf-8"

static const char fields[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n";

// ---- who asks

static struct bytes host_of(struct bytes authority)
{
	size_t n = authority.len;
	while (n > 0 && authority.data[n - 1] >= '0' && authority.data[n - 1] <= '9') {
		n--;
	}
	bool has_port = n > 0 && n < authority.len && authority.data[n - 1] == ':';
	return bytes_make(authority.data, has_port ? n - 1 : authority.len);
}

static bool is_local(struct bytes host)
{
	char text[sizeof("[::1]:1") + 16];
	struct net_addr addr;
	if (http_token_equal(host, "localhost")) {
		return true;
	}
	if (host.len == 0 || host.len > sizeof(text) - 3) {
		return false;
	}
	snprintf(text, sizeof(text), "%.*s:1", (int)host.len, (const char *)host.data);
	return net_addr_parse(&addr, text) == 0 && net_addr_is_loopback(&addr);
}

static bool is_own_page(const struct http_head *head)
{
	static const char scheme[] = "http://";
	struct bytes origin;
	struct bytes site;
	if (http_head_find(head, "origin", &origin) > 0 &&
		(!bytes_has_prefix(origin, scheme) ||
			!bytes_equal(bytes_from(origin, strlen(scheme)), head->authority))) {
		return false;
	}
	return http_head_find(head, "sec-fetch-site", &site) == 0 ||
		bytes_equal_str(site, "same-origin") || bytes_equal_str(site, "none");
}

static void refuse(struct ops_reply *reply, int status, struct bytes why)
{
	struct buf body = { 0 };
	reply->status = status;
	reply->content_type = JSON_TYPE;
	buf_append_str(&body, "{\"error\":");
	admin_json_text(&body, (ProtobufCBinaryData){ why.len, (uint8_t *)why.data });
	buf_append_str(&body, "}\n");
	buf_append_bytes(&reply->body, buf_bytes(&body));
	buf_fini(&body);
}

static bool may_ask(struct ops_reply *reply, bool api)
{
	reply->fields = fields;
	if (!is_local(host_of(reply->head->authority))) {
		refuse(reply, 403, bytes_str("ask by a name of this machine: localhost"));
		return false;
	}
	if (api && !is_own_page(reply->head)) {
		refuse(reply, 403, bytes_str("another page asks"));
		return false;
	}
	return true;
}

// ---- files

static void on_file(void *arg, struct ops_reply *reply)
{
	(void)arg;
	if (!may_ask(reply, false)) {
		return;
	}
	for (const struct ui_file *file = ui_files; file->path != NULL; file++) {
		if (bytes_equal_str(reply->head->path, file->path)) {
			reply->content_type = file->type;
			buf_append(&reply->body, file->data, file->len);
			return;
		}
	}
	reply->status = 404;
}

// ---- commands

static const enum admin_command_id shown[] = {
	ADMIN_STATUS,
	ADMIN_READY,
	ADMIN_EDGES,
	ADMIN_EDGE,
	ADMIN_ROOMS,
	ADMIN_ROOM,
	ADMIN_MEMBERS,
	ADMIN_CLIENTS,
	ADMIN_CLIENT,
	ADMIN_ROUTE,
	ADMIN_EXPLAIN,
	ADMIN_MEMORY,
	ADMIN_REVOCATIONS,
	ADMIN_VERSION,
};

struct words {
	struct bytes argv[WORDS_MAX];
	size_t argc;
	struct buf text; // what they borrow from; large enough from the start
};

static bool add_word(struct words *words, const char *prefix, struct bytes text)
{
	size_t begin = words->text.len;
	if (words->argc == WORDS_MAX) {
		return false;
	}
	buf_append_str(&words->text, prefix);
	if (!http_percent_decode(text, &words->text)) {
		return false;
	}
	words->argv[words->argc++] = bytes_make(words->text.data + begin, words->text.len - begin);
	return true;
}

// The command line that a path and its query stand for: options first, so that no name is taken for
// one. A cursor (not of the query) comes last.
static bool take_words(struct words *words, const struct http_head *head, const char *command,
	struct bytes cursor)
{
	struct bytes rest = bytes_from(head->path, strlen("/api/"));
	struct bytes part;
	bool good = true;
	*words = (struct words){ 0 };
	// Each word takes at most the two dashes and the cursor's name more than it had.
	(void)buf_reserve(&words->text, head->target.len + cursor.len + (size_t)WORDS_MAX * 16);
	bool more = bytes_cut(rest, '/', &part, &rest);
	good = command != NULL ? add_word(words, command, bytes_str(""))
			       : add_word(words, "", part);
	struct bytes query = head->query;
	while (good && query.len > 0) {
		struct bytes option;
		(void)bytes_cut(query, '&', &option, &query);
		good = add_word(words, "--", option);
	}
	good = good && add_word(words, "--", bytes_str(""));
	while (good && more) {
		more = bytes_cut(rest, '/', &part, &rest);
		good = add_word(words, "", part);
	}
	return good && (cursor.len == 0 || add_word(words, ADMIN_CURSOR_PREFIX, cursor));
}

static bool is_shown(struct bytes command)
{
	const struct admin_command *c = admin_command_find(command);
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		if (c == &admin_commands[shown[i]]) {
			return true;
		}
	}
	return false;
}

static void run(const struct admin_context *ctx, const struct words *words, uint64_t *state,
	struct admin_reply *answer)
{
	const struct admin_request request = {
		.argv = words->argv,
		.argc = words->argc,
		.state = state,
		.now_ms = clock_mono_ms(),
		.wall_ms = clock_wall_ms(),
	};
	admin_run(ctx, &request, answer);
}

static Weir__Admin__V1__Reply *unpacked(const struct admin_reply *answer)
{
	struct buf packed = { 0 };
	admin_reply_pack(answer, &packed);
	Weir__Admin__V1__Reply *reply =
		weir__admin__v1__reply__unpack(NULL, packed.len, packed.data);
	buf_fini(&packed);
	CHECK(reply != NULL);
	return reply;
}

static void say_rows(struct ops_reply *reply, const struct admin_reply *answer)
{
	Weir__Admin__V1__Reply *rows = unpacked(answer);
	bool list = answer->table || answer->sentences || rows->n_rows != 1;
	reply->content_type = JSON_TYPE;
	buf_append_str(&reply->body, list ? "[" : "");
	for (size_t i = 0; i < rows->n_rows; i++) {
		buf_append_str(&reply->body, i > 0 ? ",\n" : "");
		admin_json_row(&reply->body, rows->rows[i]);
	}
	buf_append_str(&reply->body, list ? "]\n" : "\n");
	weir__admin__v1__reply__free_unpacked(rows, NULL);
}

static void say_answer(struct ops_reply *reply, const struct admin_reply *answer)
{
	if (answer->status != WEIR__ADMIN__V1__STATUS__OK) {
		bool usage = answer->status == WEIR__ADMIN__V1__STATUS__USAGE;
		refuse(reply, usage ? 400 : 404, buf_bytes(&answer->message));
	} else {
		say_rows(reply, answer);
	}
}

static void on_command(void *arg, struct ops_reply *reply)
{
	struct words words;
	struct admin_reply answer = { 0 };
	uint64_t state = 0;
	if (!may_ask(reply, true)) {
		return;
	}
	if (reply->note->len == sizeof(state)) {
		memcpy(&state, reply->note->data, sizeof(state)); // it has waited
	}
	if (!take_words(&words, reply->head, NULL, bytes_str(""))) {
		refuse(reply, 400, bytes_str("not a command"));
	} else if (!is_shown(words.argv[0])) {
		refuse(reply, 404, bytes_str("no such command here"));
	} else {
		run(arg, &words, &state, &answer);
		reply->again_ms = answer.hold ? HOLD_MS : 0;
		if (!answer.hold) {
			say_answer(reply, &answer);
		}
	}
	reply->note->len = 0;
	buf_append(reply->note, &state, sizeof(state));
	admin_reply_fini(&answer);
	buf_fini(&words.text);
}

// ---- events

static void say_events(struct ops_reply *reply, const struct admin_reply *answer)
{
	Weir__Admin__V1__Reply *rows = unpacked(answer);
	for (size_t i = 0; i < rows->n_rows; i++) {
		if (i + 1 == rows->n_rows) {
			buf_printf(&reply->body, "id: %.*s\n", (int)reply->note->len,
				(const char *)reply->note->data);
		}
		buf_append_str(&reply->body, "data: ");
		admin_json_row(&reply->body, rows->rows[i]);
		buf_append_str(&reply->body, "\n\n");
	}
	weir__admin__v1__reply__free_unpacked(rows, NULL);
}

// The note is the cursor. A browser that comes back names the one it has seen last.
static void on_events(void *arg, struct ops_reply *reply)
{
	struct words words;
	struct admin_reply answer = { 0 };
	struct bytes cursor = buf_bytes(reply->note);
	bool first = cursor.len == 0;
	if (!may_ask(reply, true)) {
		return;
	}
	if (first) {
		cursor = bytes_str("");
		(void)http_head_find(reply->head, "last-event-id", &cursor);
		buf_append_str(&reply->body, "retry: 1000\n\n");
	}
	if (!take_words(&words, reply->head, "watch", cursor)) {
		reply->body.len = 0;
		refuse(reply, 400, bytes_str("not a watch"));
	} else {
		run(arg, &words, NULL, &answer);
		if (answer.status == WEIR__ADMIN__V1__STATUS__OK) {
			struct bytes next =
				bytes_from(buf_bytes(&answer.cursor), strlen(ADMIN_CURSOR_PREFIX));
			reply->note->len = 0;
			buf_append_bytes(reply->note, next);
			reply->content_type = "text/event-stream";
			reply->stream = true;
			reply->again_ms = EVENTS_MS;
			say_events(reply, &answer);
		} else {
			reply->body.len = 0;
			say_answer(reply, &answer);
		}
	}
	admin_reply_fini(&answer);
	buf_fini(&words.text);
}

const struct ops_route ui_routes[] = {
	{ "/api/events", on_events },
	{ "/api/events/*", on_events },
	{ "/api/*", on_command },
	{ "/*", on_file },
	{ 0 },
};
