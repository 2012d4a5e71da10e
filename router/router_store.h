// The durable store that the options name, or none: opened and read before the router serves. The
// only place that knows which engines there are.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "router/admin/admin_cmd.h"
#include "router/core/route.h"

struct fault;
struct loop;
struct router_conf;
struct store_file;
struct store_redis;

// Embedded, zeroed.
struct router_store {
	const struct router_conf *conf; // borrowed
	struct route *route; // borrowed
	struct route_load load;
	struct store_file *file; // at most one of these two
	struct store_redis *redis;
	struct buf password; // of the Redis; secret_file_free()
	struct router_store_check *check; // of a Redis; NULL: none was asked for
	struct loop *loop;
	bool taken; // another router has it: this one has to end, with an error
};

// Reads the files that its options name, before the user is changed. 0, or -1 and the fault.
MUST_CHECK int router_store_load_files(struct router_store *store, const struct router_conf *conf,
	struct fault *fault);
// Fills `route` with what is stored, and has it commit what is published from now on. 0, or -1 and
// the fault.
MUST_CHECK int router_store_open(struct router_store *store, const struct router_conf *conf,
	struct route *route, struct loop *loop, struct fault *fault);
// Before route ends, from which it borrows.
void router_store_close(struct router_store *store);

// Appends to the page of metrics.
void router_store_metrics(struct router_store *store, struct buf *out);
// What weirctl may have done, with the store as its argument; NULL: there is none.
const struct admin_store_ops *router_store_admin(const struct router_store *store);

// --store-check: reads all that is stored and prints what there is; nothing is changed. The number
// of what is damaged, or -1 and the fault.
MUST_CHECK int64_t router_store_check(struct router_store *store, const struct router_conf *conf,
	struct fault *fault);
