// One row a command: its name, arguments and help are said once, and usage, arity, unknown options
// and `help` come from there. A command gets its words sorted out (struct admin_call), says rows or
// fails; it never sees a request, a socket, or another command.

#include "router/admin/admin_cmd.h"

#include <string.h>

#include "common/utf8.h"
#include "router/admin/admin_call.h"

static void admin_cmd_help(struct admin_call *call);

static const struct admin_command commands[] = {
	{ "status", "", "how the router does", 0, 0, admin_cmd_status },
	{ "ready", "", "exit 0 if it routes", 0, 0, admin_cmd_ready },
	{ "edges", "", "list edges", 0, 0, admin_cmd_edges },
	{ "edge", "NAME", "show one edge", 1, 1, admin_cmd_edge },
	{ "rooms", "[PATTERN] [--sort members|rate] [--limit N] [--options]",
		"list rooms; a pattern for user: or admin: rooms begins so", 0, 1, admin_cmd_rooms,
		.options = { "sort", "limit" }, .flag = "options" },
	{ "room", "ROOM", "show one room", 1, 1, admin_cmd_room },
	{ "members", "ROOM", "list the connections in a room", 1, 1, admin_cmd_members },
	{ "clients", "[--user U] [--edge E]", "list connections", 0, 0, admin_cmd_clients,
		.options = { "user", "edge" } },
	{ "client", "ID", "show one connection", 1, 1, admin_cmd_client },
	{ "route", "ROOM [--as USER | --token FILE]",
		"say whom a message would reach, and send none", 1, 1, admin_cmd_route,
		.options = { "as" }, .takes_subject = true },
	{ "explain", "[ROOM [SEQ]] [--user U | --client C] [--trace ID]",
		"say what became of a message, or of late of a room or user", 0, 2,
		admin_cmd_explain, .options = { "user", "client", "trace" } },
	{ "watch", "[ROOM] [--user U]", "show what happens, as it happens", 0, 1, admin_cmd_watch,
		.options = { "user" } },
	{ "publish", "ROOM JSON", "publish a message: an object with a type", 2, 2,
		admin_cmd_publish, .changes = true },
	{ "broadcast", "JSON", "send a message of type admin:broadcast to every connection", 1, 1,
		admin_cmd_broadcast, .changes = true },
	{ "kick", "(--user U | --client C) [--reason TEXT] [--revoke]",
		"close connections; --revoke: and refuse their tokens", 0, 0, admin_cmd_kick,
		.options = { "user", "client", "reason" }, .flag = "revoke", .changes = true },
	{ "revoke", "(--user U | --jti J) [--issued-before T]",
		"refuse tokens; T: Unix seconds or 2026-01-31T12:00:00Z", 0, 0, admin_cmd_revoke,
		.options = { "user", "jti", "issued-before" }, .changes = true },
	{ "revocations", "", "list what was revoked and may still be presented", 0, 0,
		admin_cmd_revocations },
	{ "drain", "EDGE [--rate N/s]", "send the clients of an edge elsewhere, keep it empty", 1,
		1, admin_cmd_drain, .options = { "rate" }, .changes = true },
	{ "undrain", "EDGE", "let clients come to an edge again", 1, 1, admin_cmd_undrain,
		.changes = true },
	{ "restart-prepare", "", "bring all links to rest; SIGTERM then loses nothing", 0, 0,
		admin_cmd_restart_prepare, .changes = true },
	{ "memory", "", "say what takes memory", 0, 0, admin_cmd_memory },
	{ "version", "", "name and version of the router", 0, 0, admin_cmd_version },
	{ "help", "[COMMAND]", "list commands, or explain one", 0, 1, admin_cmd_help },
};

static const struct admin_command *find_command(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (bytes_equal_str(name, commands[i].name)) {
			return &commands[i];
		}
	}
	return NULL;
}

static void list_commands(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		buf_printf(out, "%s  %-15s %s", i > 0 ? "\n" : "", commands[i].name,
			commands[i].help);
	}
}

static void unknown_command(struct admin_reply *reply, struct bytes name)
{
	admin_reply_fail(reply, WEIR__ADMIN__V1__STATUS__USAGE,
		"no such command: %.*s\ncommands are:\n", (int)(name.len < 64 ? name.len : 64),
		(const char *)name.data);
	list_commands(&reply->message);
}

static void admin_cmd_help(struct admin_call *call)
{
	struct buf *out = &call->reply->message;
	if (call->n_words == 0) {
		list_commands(out);
		return;
	}
	const struct admin_command *c = find_command(call->words[0]);
	if (c == NULL) {
		unknown_command(call->reply, call->words[0]);
		return;
	}
	buf_printf(out, "weirctl %s %s\n  %s", c->name, c->args, c->help);
}

// ---- words

// Where in the command's options `name` is; ADMIN_OPTIONS_MAX if nowhere.
static size_t find_option(const struct admin_command *c, struct bytes name)
{
	size_t i = 0;
	while (i < ADMIN_OPTIONS_MAX &&
		(c->options[i] == NULL || !bytes_equal_str(name, c->options[i]))) {
		i++;
	}
	return i;
}

// Takes "--name=value" or "--name value" at argv[*at]. False, and an answer, if it is not to be
// had.
static bool take_option(struct admin_call *call, const struct bytes *argv, size_t argc, size_t *at)
{
	struct bytes name;
	struct bytes value;
	bool joined = bytes_cut(bytes_from(argv[*at], 2), '=', &name, &value);
	const char *flag = call->command->flag;
	if (!joined && flag != NULL && bytes_equal_str(name, flag)) {
		call->flag = true;
		return true;
	}
	size_t i = find_option(call->command, name);
	if (i == ADMIN_OPTIONS_MAX) {
		admin_usage(call, "no such option");
		return false;
	}
	if (!joined) {
		if (*at + 1 == argc) {
			admin_usage(call, "an option lacks its value");
			return false;
		}
		value = argv[++*at];
	}
	// Given and empty is not the same as not given.
	call->options[i] = value.len > 0 ? value : bytes_make("", 0);
	return true;
}

static bool take_words(struct admin_call *call, const struct bytes *argv, size_t argc)
{
	bool options = true;
	for (size_t i = 1; i < argc; i++) {
		if (options && bytes_equal_str(argv[i], "--")) {
			options = false;
		} else if (options && bytes_has_prefix(argv[i], "--")) {
			if (!take_option(call, argv, argc, &i)) {
				return false;
			}
		} else if (call->n_words == call->command->max) {
			admin_usage(call, "too many arguments");
			return false;
		} else {
			call->words[call->n_words++] = argv[i];
		}
	}
	if (call->n_words < call->command->min) {
		admin_usage(call, "too few arguments");
		return false;
	}
	return true;
}

// An answer may repeat a word, and all text in an answer is UTF-8. No argument of a program holds a
// NUL, behind which the log would lose the rest.
static bool words_valid(const struct bytes *argv, size_t argc)
{
	for (size_t i = 0; i < argc; i++) {
		if (bytes_has_nul(argv[i]) || !utf8_valid(argv[i])) {
			return false;
		}
	}
	return true;
}

void admin_run(const struct admin_context *ctx, const struct admin_request *request,
	struct admin_reply *reply)
{
	const struct bytes *argv = request->argv;
	route_tell_time(ctx->route, request->wall_ms);
	size_t argc = request->argc;
	struct admin_call call = {
		.ctx = ctx,
		.subject = request->subject,
		.state = request->state,
		.now_ms = request->now_ms,
		.wall_ms = request->wall_ms,
		.reply = reply,
	};
	if (!words_valid(argv, argc)) {
		admin_reply_fail(reply, WEIR__ADMIN__V1__STATUS__USAGE, "an argument is not text");
		return;
	}
	call.command = argc > 0 ? find_command(argv[0]) : NULL;
	if (call.command == NULL) {
		unknown_command(reply, argc > 0 ? argv[0] : bytes_str(""));
		return;
	}
	if (call.subject != NULL && !call.command->takes_subject) {
		admin_usage(&call, "takes no --token");
		return;
	}
	if (argc > 1 && bytes_has_prefix(argv[argc - 1], ADMIN_CURSOR_PREFIX)) {
		call.cursor = bytes_from(argv[--argc], sizeof(ADMIN_CURSOR_PREFIX) - 1);
	}
	if (take_words(&call, argv, argc)) {
		call.command->fn(&call);
	}
}

bool admin_changes(struct bytes command)
{
	const struct admin_command *c = find_command(command);
	return c != NULL && c->changes;
}
