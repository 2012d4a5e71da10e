// Edges report the names (HELLO); the router that ended cannot. The list may differ between them,
// as an edge may have come just before the end, so the union counts, and an edge that has arrived
// is remembered: a later report does not make it awaited again.
//
// Rejected: waiting for a fixed time after each start. It delays a restart whose edges are back in
// milliseconds, and is too short for the one edge whose machine is slow.

#include "router/core/settling.h"

#include <stdlib.h>

#include "common/mem.h"

struct settling_edge {
	LIST_ENTRY(settling_edge) in_list;
	bool awaited;
	char name[]; // NUL-terminated
};

void settling_init(struct settling *s)
{
	*s = (struct settling){ 0 };
	LIST_INIT(&s->edges);
}

void settling_fini(struct settling *s)
{
	struct settling_edge *edge;
	while ((edge = LIST_FIRST(&s->edges)) != NULL) {
		LIST_REMOVE(edge, in_list);
		free(edge);
	}
	s->n = 0;
	s->n_awaited = 0;
}

static struct settling_edge *find(const struct settling *s, struct bytes name)
{
	struct settling_edge *edge;
	LIST_FOREACH (edge, &s->edges, in_list) {
		if (bytes_equal_str(name, edge->name)) {
			return edge;
		}
	}
	return NULL;
}

static void add(struct settling *s, struct bytes name, bool awaited)
{
	struct settling_edge *edge = xcalloc(1, sizeof(*edge) + name.len + 1);
	memcpy(edge->name, name.data, name.len);
	edge->awaited = awaited;
	LIST_INSERT_HEAD(&s->edges, edge, in_list);
	s->n++;
	s->n_awaited += awaited ? 1 : 0;
}

void settling_await(struct settling *s, struct bytes name)
{
	if (!s->over && s->n < SETTLING_EDGES_MAX && find(s, name) == NULL) {
		add(s, name, true);
	}
}

void settling_arrive(struct settling *s, struct bytes name)
{
	struct settling_edge *edge = find(s, name);
	if (s->over) {
		return;
	}
	if (edge == NULL && s->n < SETTLING_EDGES_MAX) {
		add(s, name, false);
	} else if (edge != NULL && edge->awaited) {
		edge->awaited = false;
		s->n_awaited--;
	}
}

void settling_end(struct settling *s)
{
	settling_fini(s);
	s->over = true;
}

const char *settling_missing(const struct settling *s, size_t i)
{
	const struct settling_edge *edge;
	LIST_FOREACH (edge, &s->edges, in_list) {
		if (edge->awaited && i-- == 0) {
			return edge->name;
		}
	}
	return NULL;
}
