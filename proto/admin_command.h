// The commands of weirctl, in words: what they are called, take and do. The router runs them;
// weirctl explains them without a router. Both read this one table.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/bytes.h"

enum {
	ADMIN_OPTIONS_MAX = 4,
	ADMIN_FLAGS_MAX = 2,
};

enum admin_command_id {
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
	ADMIN_WATCH,
	ADMIN_PUBLISH,
	ADMIN_BROADCAST,
	ADMIN_KICK,
	ADMIN_REVOKE,
	ADMIN_UNREVOKE,
	ADMIN_REVOCATIONS,
	ADMIN_DRAIN,
	ADMIN_UNDRAIN,
	ADMIN_REBALANCE,
	ADMIN_RESTART_PREPARE,
	ADMIN_STORE,
	ADMIN_LIMITS,
	ADMIN_MEMORY,
	ADMIN_TOP,
	ADMIN_VERSION,
	ADMIN_HELP,
	ADMIN_COMMAND_COUNT,
};

struct admin_command {
	const char *name;
	const char *args;
	const char *help;
	size_t min, max; // words
	const char *options[ADMIN_OPTIONS_MAX]; // names without dashes; each takes a value
	const char *flags[ADMIN_FLAGS_MAX]; // names of those that take none
	bool changes; // something, so must not run twice
	bool of_one; // router, not of several at once
	bool takes_subject; // --token FILE, which weirctl turns into a subject
};

extern const struct admin_command admin_commands[ADMIN_COMMAND_COUNT];

// NULL if there is none of that name.
const struct admin_command *admin_command_find(struct bytes name);
// Appends a line for each, without a line end behind the last.
void admin_commands_list(struct buf *out);
// Appends how one is called and what it does.
void admin_command_explain(const struct admin_command *c, struct buf *out);
