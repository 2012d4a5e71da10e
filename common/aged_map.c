// Nothing here looks at a clock or starts a timer: the table changes as it is used, and what is due
// and not looked for costs its memory only. A heap by time was rejected. The users give all their
// objects the same time to live, which makes the order of coming that of going; the one that does
// not (address_limits) would rather wait for a longer one before it than pay for a heap.

#include "common/aged_map.h"

void aged_map_init(struct aged_map *m, map_key_fn *key_of, aged_drop_fn *drop)
{
	*m = (struct aged_map){ .drop = drop };
	map_init(&m->entries, key_of);
	TAILQ_INIT(&m->order);
}

void aged_map_fini(struct aged_map *m)
{
	struct aged_node *node;
	while ((node = aged_map_oldest(m)) != NULL) {
		aged_map_drop(m, node);
	}
	CHECK(m->entries.n_entries == 0);
	map_fini(&m->entries);
}

struct aged_node *aged_map_find(const struct aged_map *m, struct bytes key)
{
	struct map_node *node = map_find(&m->entries, key);
	return node != NULL ? CONTAINER_OF(node, struct aged_node, node) : NULL;
}

void aged_map_add(struct aged_map *m, struct aged_node *node, uint64_t due_ms)
{
	aged_map_add_held(m, node);
	aged_map_release(m, node, due_ms);
}

void aged_map_add_held(struct aged_map *m, struct aged_node *node)
{
	map_insert(&m->entries, &node->node);
}

void aged_map_hold(struct aged_map *m, struct aged_node *node)
{
	CHECK(m->n_ordered > 0);
	TAILQ_REMOVE(&m->order, node, in_order);
	m->n_ordered--;
}

void aged_map_release(struct aged_map *m, struct aged_node *node, uint64_t due_ms)
{
	node->due_ms = due_ms;
	TAILQ_INSERT_TAIL(&m->order, node, in_order);
	m->n_ordered++;
}

struct aged_node *aged_map_oldest(const struct aged_map *m)
{
	return TAILQ_FIRST(&m->order);
}

struct aged_node *aged_map_due(const struct aged_map *m, uint64_t now_ms)
{
	struct aged_node *oldest = aged_map_oldest(m);
	return oldest != NULL && oldest->due_ms <= now_ms ? oldest : NULL;
}

void aged_map_drop(struct aged_map *m, struct aged_node *node)
{
	aged_map_hold(m, node);
	map_remove(&m->entries, &node->node);
	m->drop(m, node);
}

void aged_map_drop_due(struct aged_map *m, uint64_t now_ms)
{
	struct aged_node *node;
	while ((node = aged_map_due(m, now_ms)) != NULL) {
		aged_map_drop(m, node);
	}
}
