// What every Prometheus client reports of its process, under the usual names: memory, time of
// processors, descriptors, start.
#pragma once

#include "common/buf.h"

// Appends the metrics; what /proc does not give is left out.
void process_metrics_write(struct buf *out);
