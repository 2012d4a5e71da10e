// What the files of weirctl's commands share: a command's row, its words sorted out, and how it
// answers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "proto/admin_command.h"
#include "router/admin/admin_cmd.h"
#include "router/admin/admin_page.h"

enum {
	ADMIN_WORDS_MAX = 2,
};

// How a listing says where it goes on; weirctl hands it back as it came.
#define ADMIN_CURSOR_PREFIX "--cursor="

struct admin_call;
struct conf_option;
typedef void admin_command_fn(struct admin_call *call);

struct admin_call {
	const struct admin_context *ctx;
	const struct admin_command *command;
	struct bytes words[ADMIN_WORDS_MAX];
	size_t n_words;
	struct bytes options[ADMIN_OPTIONS_MAX]; // as in the command; NULL data: not given
	bool flags[ADMIN_FLAGS_MAX]; // as in the command: it was given
	struct bytes cursor;
	const Weir__Admin__V1__Subject *subject; // only for commands that take one; else NULL
	uint64_t *state; // see struct admin_request
	uint64_t now_ms;
	int64_t wall_ms;
	struct admin_reply *reply;
};

// The two ways to fail: the answer is no (exit code 1), or the words are wrong (2; with the usage).
void admin_refuse(struct admin_call *call, const char *what);
void admin_usage(struct admin_call *call, const char *what);

void admin_text_or_null(struct admin_reply *reply, const char *name, const char *text);

// Sets `field` from the text of an option that was given, by the type and bounds of a program's
// options.
MUST_CHECK bool admin_value(const struct conf_option *type, struct bytes text, void *field);

// A page of at most `limit` rows from where the caller's cursor points; false: usage was said.
MUST_CHECK bool admin_open_page(struct admin_call *call, struct admin_page *page, uint64_t limit);
// A listing with a row for each entry of the page.
typedef void admin_row_fn(struct admin_call *call, const void *object);
void admin_say_page(struct admin_call *call, struct admin_page *page, admin_row_fn *row);

const struct room_table *admin_table(const struct admin_call *call);
// NULL if there is none of that name or id.
struct table_edge *admin_find_edge(const struct admin_call *call, struct bytes name);
const struct table_client *admin_find_client(const struct admin_call *call, struct bytes id);

// admin_show.c
admin_command_fn admin_cmd_edges, admin_cmd_edge, admin_cmd_rooms, admin_cmd_room;
admin_command_fn admin_cmd_members, admin_cmd_clients, admin_cmd_client;
admin_command_fn admin_cmd_status, admin_cmd_version, admin_cmd_ready;
// admin_limits.c
admin_command_fn admin_cmd_limits;
// admin_memory.c
admin_command_fn admin_cmd_memory;
// admin_route.c
admin_command_fn admin_cmd_route;
// admin_act.c
admin_command_fn admin_cmd_publish, admin_cmd_broadcast, admin_cmd_restart_prepare;
// admin_fleet.c
admin_command_fn admin_cmd_drain, admin_cmd_undrain, admin_cmd_rebalance;
// admin_explain.c, admin_watch.c
admin_command_fn admin_cmd_explain, admin_cmd_watch;
// admin_store.c
admin_command_fn admin_cmd_store;
// admin_revoke.c
admin_command_fn admin_cmd_kick, admin_cmd_revoke, admin_cmd_unrevoke, admin_cmd_revocations;
