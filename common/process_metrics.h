// What every Prometheus client reports of its process, under the usual names: memory, time of
// processors, descriptors, start.
#pragma once

#include <stdint.h>

#include "common/buf.h"

// Appends the metrics; what /proc does not give is left out.
void process_metrics_write(struct buf *out);

// Bytes of memory in use by the process; 0 if /proc does not say.
uint64_t process_resident_bytes(void);
// Bytes that were freed and that the allocator keeps for later.
uint64_t process_free_bytes(void);
