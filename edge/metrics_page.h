// The whole of an edge's /metrics: all workers' counters added up.
#pragma once

struct buf;
struct edge;

void metrics_page_write(const struct edge *edge, struct buf *out);
