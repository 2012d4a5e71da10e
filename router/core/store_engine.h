// What a durable store's engine does, for whole turns: it moves bytes. Core calls it on the routing
// thread and is answered there, by route_committed(), once for each write and in their order, never
// from inside of a call.
#pragma once

#include <stdint.h>

#include "common/bytes.h"

struct store_turn {
	uint64_t number; // 1, 2, 3…
	struct bytes head, images, records; // one value, in this order; borrowed until answered
	uint64_t keep_from; // turns before it are not needed any more
};

enum store_result {
	STORE_COMMITTED,
	STORE_REFUSED, // nothing of it is in the log, nor will be
	STORE_UNDECIDED, // only of wait(): the turn is still under way
};

struct store_engine_ops {
	// Begins to commit a turn. At most one is under way.
	void (*write)(void *engine, const struct store_turn *turn);
	// Returns when the turn under way has ended, and what it came to; STORE_UNDECIDED if that
	// would take long, and then the answer comes as that to any other turn.
	enum store_result (*wait)(void *engine);
};
