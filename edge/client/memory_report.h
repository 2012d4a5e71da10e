// What takes a worker's memory, by what is in it; the first worker adds what the process has.
#pragma once

#include "edge/client/clients.h"

enum {
	MEMORY_POOLS_MAX = 16,
};

struct memory_report {
	Weir__Link__V1__Pool pools[MEMORY_POOLS_MAX];
	Weir__Link__V1__Pool *refs[MEMORY_POOLS_MAX];
	size_t n;
};

// Names are static, so the report borrows nothing of the worker.
void memory_report_fill(struct memory_report *report, struct clients *cl, const struct uplink *up);
