// Which function runs which command of the table (proto/admin_command.h), whose rows say how its
// words are sorted out. A command gets them so (struct admin_call), says rows or fails; it never
// sees a request, a socket, or another command.

#include "router/admin/admin_cmd.h"

#include <string.h>

#include "common/utf8.h"
#include "router/admin/admin_call.h"

static void admin_cmd_help(struct admin_call *call);
static void admin_cmd_top(struct admin_call *call);

static admin_command_fn *const functions[ADMIN_COMMAND_COUNT] = {
	[ADMIN_STATUS] = admin_cmd_status,
	[ADMIN_READY] = admin_cmd_ready,
	[ADMIN_EDGES] = admin_cmd_edges,
	[ADMIN_EDGE] = admin_cmd_edge,
	[ADMIN_ROOMS] = admin_cmd_rooms,
	[ADMIN_ROOM] = admin_cmd_room,
	[ADMIN_MEMBERS] = admin_cmd_members,
	[ADMIN_CLIENTS] = admin_cmd_clients,
	[ADMIN_CLIENT] = admin_cmd_client,
	[ADMIN_ROUTE] = admin_cmd_route,
	[ADMIN_EXPLAIN] = admin_cmd_explain,
	[ADMIN_WATCH] = admin_cmd_watch,
	[ADMIN_PUBLISH] = admin_cmd_publish,
	[ADMIN_BROADCAST] = admin_cmd_broadcast,
	[ADMIN_KICK] = admin_cmd_kick,
	[ADMIN_REVOKE] = admin_cmd_revoke,
	[ADMIN_UNREVOKE] = admin_cmd_unrevoke,
	[ADMIN_REVOCATIONS] = admin_cmd_revocations,
	[ADMIN_DRAIN] = admin_cmd_drain,
	[ADMIN_UNDRAIN] = admin_cmd_undrain,
	[ADMIN_REBALANCE] = admin_cmd_rebalance,
	[ADMIN_RESTART_PREPARE] = admin_cmd_restart_prepare,
	[ADMIN_STORE] = admin_cmd_store,
	[ADMIN_LIMITS] = admin_cmd_limits,
	[ADMIN_MEMORY] = admin_cmd_memory,
	[ADMIN_TOP] = admin_cmd_top,
	[ADMIN_VERSION] = admin_cmd_version,
	[ADMIN_HELP] = admin_cmd_help,
};

static void unknown_command(struct admin_reply *reply, struct bytes name)
{
	admin_reply_fail(reply, WEIR__ADMIN__V1__STATUS__USAGE,
		"no such command: %.*s\ncommands are:\n", (int)(name.len < 64 ? name.len : 64),
		(const char *)name.data);
	admin_commands_list(&reply->message);
}

static void admin_cmd_help(struct admin_call *call)
{
	struct buf *out = &call->reply->message;
	if (call->n_words == 0) {
		admin_commands_list(out);
		return;
	}
	const struct admin_command *c = admin_command_find(call->words[0]);
	if (c == NULL) {
		unknown_command(call->reply, call->words[0]);
		return;
	}
	admin_command_explain(c, out);
}

// The screen is weirctl's own.
static void admin_cmd_top(struct admin_call *call)
{
	admin_refuse(call, "this weirctl has no screen: use a newer one");
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

static bool take_flag(struct admin_call *call, struct bytes name)
{
	for (size_t i = 0; i < ADMIN_FLAGS_MAX; i++) {
		const char *flag = call->command->flags[i];
		if (flag != NULL && bytes_equal_str(name, flag)) {
			call->flags[i] = true;
			return true;
		}
	}
	return false;
}

// Takes "--name=value" or "--name value" at argv[*at]. False, and an answer, if it is not to be
// had.
static bool take_option(struct admin_call *call, const struct bytes *argv, size_t argc, size_t *at)
{
	struct bytes name;
	struct bytes value;
	bool joined = bytes_cut(bytes_from(argv[*at], 2), '=', &name, &value);
	if (!joined && take_flag(call, name)) {
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
	call.command = argc > 0 ? admin_command_find(argv[0]) : NULL;
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
		functions[call.command - admin_commands](&call);
	}
}

bool admin_changes(struct bytes command)
{
	const struct admin_command *c = admin_command_find(command);
	return c != NULL && c->changes;
}
