// How a router comes to its Redis when it starts.
#pragma once

#include "common/check.h"
#include "common/fault.h"
#include "router/store/redis_link.h"

// Until it is reached, or for the timeout; a Redis that reads its data may take as long as it
// needs. 0 and the link, or -1 and the fault.
MUST_CHECK int redis_first_connect(const struct redis_target *target, struct redis_link **link,
	struct fault *fault);
// Waits until whoever had the store is seen to be dead: Redis has lost its connection, or it does
// not beat. 0 and the dead, or -1 and the fault, which one that lives is.
MUST_CHECK int redis_first_others(struct redis_link *link, const struct redis_target *target,
	struct redis_others *dead, struct fault *fault);
