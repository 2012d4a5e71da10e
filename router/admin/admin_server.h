// The router's end of weirctl: NNG REP on an ipc socket that only its owner can open. Requests come
// in on NNG's threads, run in the routing thread, and their answers leave by themselves. Knows no
// command.
#pragma once

#include "common/check.h"
#include "common/loop.h"
#include "router/admin/admin_cmd.h"

struct admin_server;

// Listens at `url` (ipc://PATH) and serves in `loop`, the routing thread's. A socket left behind by
// a dead process is replaced. `url` and `ctx` are borrowed. NULL and `*why` (static text) if it
// cannot be done.
struct admin_server *admin_server_new(struct loop *loop, const char *url,
	const struct admin_context *ctx, const char **why);
// NULL is fine.
void admin_server_free(struct admin_server *server);
