// An array of slots with a free list through it. It owns no connection and reads none. Slots are
// used again last in, first out, which keeps the array dense; generations skip 0, so that no handle
// is 0 even for worker 0 and slot 0. A hash table was not needed: handles are ours to choose.

#include "edge/client/conn_table.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "edge/uplink/handle.h"

enum {
	GENERATION_MASK = 0xffffff
};

void conn_table_init(struct conn_table *t, uint8_t worker)
{
	*t = (struct conn_table){ .worker = worker };
}

void conn_table_fini(struct conn_table *t)
{
	free(t->slots);
	*t = (struct conn_table){ 0 };
}

static uint64_t handle_of(const struct conn_table *t, uint32_t slot)
{
	return handle_make(t->worker, t->slots[slot].generation, slot);
}

static void grow(struct conn_table *t)
{
	uint32_t cap = t->cap > 0 ? 2 * t->cap : 64;
	CHECK(cap > t->cap);
	t->slots = xrealloc(t->slots, cap * sizeof(t->slots[0]));
	for (uint32_t i = t->cap; i < cap; i++) {
		t->slots[i] = (struct conn_slot){ .generation = 1, .next_free = i + 1 };
	}
	t->free_head = t->cap;
	t->cap = cap;
}

uint64_t conn_table_add(struct conn_table *t, struct conn *c)
{
	if (t->free_head == t->cap) {
		grow(t);
	}
	uint32_t slot = t->free_head;
	t->free_head = t->slots[slot].next_free;
	t->slots[slot].conn = c;
	t->n++;
	return handle_of(t, slot);
}

struct conn *conn_table_find(const struct conn_table *t, uint64_t handle)
{
	uint32_t slot = (uint32_t)handle;
	if (slot >= t->cap || handle_of(t, slot) != handle) {
		return NULL;
	}
	return t->slots[slot].conn;
}

void conn_table_remove(struct conn_table *t, uint64_t handle)
{
	CHECK(conn_table_find(t, handle) != NULL);
	uint32_t at = (uint32_t)handle;
	struct conn_slot *slot = &t->slots[at];
	slot->conn = NULL;
	slot->generation = slot->generation < GENERATION_MASK ? slot->generation + 1 : 1;
	slot->next_free = t->free_head;
	t->free_head = at;
	t->n--;
}

struct conn *conn_table_walk(const struct conn_table *t, uint32_t *cursor)
{
	while (*cursor < t->cap) {
		struct conn *c = t->slots[(*cursor)++].conn;
		if (c != NULL) {
			return c;
		}
	}
	return NULL;
}
