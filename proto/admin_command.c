// One row a command: its name, arguments and help are said once, and usage, arity, unknown options,
// `help`, completion in shells and the man page come from there.

#include "proto/admin_command.h"

#include "common/check.h"

const struct admin_command admin_commands[ADMIN_COMMAND_COUNT] = {
	[ADMIN_STATUS] = { "status", "", "show the state of the router", 0, 0 },
	[ADMIN_READY] = { "ready", "", "exit 0 if the router is ready", 0, 0 },
	[ADMIN_EDGES] = { "edges", "", "list edges", 0, 0 },
	[ADMIN_EDGE] = { "edge", "NAME", "show one edge", 1, 1 },
	[ADMIN_ROOMS] = { "rooms", "[PATTERN] [--sort members|rate] [--limit N] [--options]",
		"list rooms; user: and admin: rooms need that prefix in PATTERN", 0, 1,
		.options = { "sort", "limit" }, .flags = { "options" } },
	[ADMIN_ROOM] = { "room", "ROOM", "show one room", 1, 1 },
	[ADMIN_MEMBERS] = { "members", "ROOM", "list the connections in a room", 1, 1 },
	[ADMIN_CLIENTS] = { "clients", "[--user U] [--edge E] [--sort queue] [--limit N]",
		"list connections", 0, 0, .options = { "user", "edge", "sort", "limit" } },
	[ADMIN_CLIENT] = { "client", "ID", "show one connection", 1, 1 },
	[ADMIN_ROUTE] = { "route", "ROOM [--as USER | --token FILE]",
		"show who would receive a message; sends none", 1, 1, .options = { "as" },
		.takes_subject = true },
	[ADMIN_EXPLAIN] = { "explain", "[ROOM [SEQ]] [--user U | --client C] [--trace ID]",
		"show what happened to a message, or recent events", 0, 2,
		.options = { "user", "client", "trace" } },
	[ADMIN_WATCH] = { "watch", "[ROOM] [--user U]", "show events as they happen", 0, 1,
		.options = { "user" } },
	[ADMIN_PUBLISH] = { "publish", "ROOM JSON", "publish a message: an object with a type", 2,
		2, .changes = true, .of_one = true },
	[ADMIN_BROADCAST] = { "broadcast", "JSON",
		"send a message of type admin:broadcast to every connection", 1, 1,
		.changes = true },
	[ADMIN_KICK] = { "kick", "(--user U | --client C) [--reason TEXT] [--revoke]",
		"close connections; --revoke: and refuse their tokens", 0, 0,
		.options = { "user", "client", "reason" }, .flags = { "revoke" }, .changes = true },
	[ADMIN_REVOKE] = { "revoke", "(--user U | --jti J) [--issued-before T]",
		"refuse tokens; T: Unix seconds or 2026-01-31T12:00:00Z", 0, 0,
		.options = { "user", "jti", "issued-before" }, .changes = true },
	[ADMIN_UNREVOKE] = { "unrevoke", "(--user U | --jti J)",
		"accept tokens again that were revoked", 0, 0, .options = { "user", "jti" },
		.changes = true },
	[ADMIN_REVOCATIONS] = { "revocations", "", "list revocations that have not expired", 0, 0 },
	[ADMIN_DRAIN] = { "drain", "EDGE [--rate N/s] [--wait] [--dry-run]",
		"move the clients of an edge to others; refuse new ones", 1, 1,
		.options = { "rate" }, .flags = { "wait", "dry-run" }, .changes = true },
	[ADMIN_UNDRAIN] = { "undrain", "EDGE", "accept clients at an edge again", 1, 1,
		.changes = true },
	[ADMIN_REBALANCE] = { "rebalance", "[--rate N/s] [--dry-run]",
		"move N clients per second from the fullest edges", 0, 0, .options = { "rate" },
		.flags = { "dry-run" }, .changes = true, .of_one = true },
	[ADMIN_RESTART_PREPARE] = { "restart-prepare", "",
		"finish requests in progress; SIGTERM then loses nothing", 0, 0, .changes = true },
	[ADMIN_STORE] = { "store", "(stats | check | compact | backup FOLDER)",
		"inspect, compact or copy a durable store", 1, 2 },
	[ADMIN_LIMITS] = { "limits", "[--user U]",
		"show what users have used of their limits, and refusals", 0, 0,
		.options = { "user" } },
	[ADMIN_MEMORY] = { "memory", "", "show memory use", 0, 0 },
	[ADMIN_TOP] = { "top", "", "show router, edges, rooms and connections, live", 0, 0,
		.of_one = true },
	[ADMIN_VERSION] = { "version", "", "name and version of the router", 0, 0 },
	[ADMIN_HELP] = { "help", "[COMMAND]", "list commands, or explain one", 0, 1 },
};

const struct admin_command *admin_command_find(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(admin_commands); i++) {
		if (bytes_equal_str(name, admin_commands[i].name)) {
			return &admin_commands[i];
		}
	}
	return NULL;
}

void admin_commands_list(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(admin_commands); i++) {
		buf_printf(out, "%s  %-15s %s", i > 0 ? "\n" : "", admin_commands[i].name,
			admin_commands[i].help);
	}
}

void admin_command_explain(const struct admin_command *c, struct buf *out)
{
	buf_printf(out, "usage: weirctl %s%s%s\n  %s", c->name, c->args[0] != '\0' ? " " : "",
		c->args, c->help);
}
