// The table behind common/map.h: chains hung into a power-of-two array of buckets.
//
// While the table is being resized there are two arrays. Buckets of `old` below `moved` have been
// emptied into `now`, those above still hold their entries; an entry's hash alone therefore says in
// which one chain it is, and a search never looks into two. Each insert moves a few buckets, enough
// that a resize is always over before the next one is due. Removal moves nothing, which is what
// lets a walk go on after its entry was removed.
//
// The table grows at one entry a bucket. It shrinks by halves when seven of eight buckets would do
// without, and at once when the last entry leaves, so a flood of names that has passed does not
// keep its memory.
//
// Rejected: open addressing. Nodes live in their objects and must not move, and a table of pointers
// would touch the object's cache line for the hash anyhow.

#include "common/map.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/random.h"
#include "common/siphash.h"

enum {
	BUCKETS_MIN = 16,
	SHRINK_BELOW = 8, // buckets per entry
	MOVED_PER_INSERT = 4, // a halving of n buckets has 3/8 n inserts of time
};

void map_init(struct map *m, map_key_fn *key_of)
{
	*m = (struct map){ .key_of = key_of };
	random_fill(m->seed, sizeof(m->seed));
}

void map_fini(struct map *m)
{
	free(m->now.heads);
	free(m->old.heads);
	*m = (struct map){ 0 };
}

// Where the chain of `hash` begins; the table must have buckets.
static struct map_node **chain_of(const struct map *m, uint64_t hash)
{
	if (m->old.n > 0) {
		size_t bucket = (size_t)hash & (m->old.n - 1);
		if (bucket >= m->moved) {
			return &m->old.heads[bucket];
		}
	}
	return &m->now.heads[(size_t)hash & (m->now.n - 1)];
}

static uint64_t hash_of(const struct map *m, struct bytes key)
{
	return siphash24(m->seed, key.data, key.len);
}

struct map_node *map_find(const struct map *m, struct bytes key)
{
	if (m->n_entries == 0) {
		return NULL;
	}
	uint64_t hash = hash_of(m, key);
	struct map_node *node = *chain_of(m, hash);
	while (node != NULL && (node->hash != hash || !bytes_equal(m->key_of(node), key))) {
		node = node->next;
	}
	return node;
}

static void move_bucket(struct map *m)
{
	struct map_node *node = m->old.heads[m->moved];
	m->old.heads[m->moved++] = NULL; // a walk looks at all of `old`
	while (node != NULL) {
		struct map_node *next = node->next;
		struct map_node **head = &m->now.heads[(size_t)node->hash & (m->now.n - 1)];
		node->next = *head;
		*head = node;
		node = next;
	}
	if (m->moved == m->old.n) {
		free(m->old.heads);
		m->old = (struct map_buckets){ 0 };
		m->moved = 0;
	}
}

static void begin_resize(struct map *m, size_t n_buckets)
{
	m->old = m->now;
	m->now.heads = xcalloc(n_buckets, sizeof(struct map_node *));
	m->now.n = n_buckets;
}

static void make_room(struct map *m)
{
	for (int i = 0; i < MOVED_PER_INSERT && m->old.n > 0; i++) {
		move_bucket(m);
	}
	if (m->old.n > 0) {
		return;
	}
	if (m->n_entries >= m->now.n) {
		begin_resize(m, m->now.n > 0 ? 2 * m->now.n : BUCKETS_MIN);
	} else if (m->now.n > BUCKETS_MIN && m->n_entries < m->now.n / SHRINK_BELOW) {
		begin_resize(m, m->now.n / 2);
	}
}

void map_insert(struct map *m, struct map_node *node)
{
	make_room(m);
	node->hash = hash_of(m, m->key_of(node));
	struct map_node **head = chain_of(m, node->hash);
	node->next = *head;
	*head = node;
	m->n_entries++;
}

static void free_buckets(struct map *m)
{
	free(m->now.heads);
	free(m->old.heads);
	m->now = (struct map_buckets){ 0 };
	m->old = (struct map_buckets){ 0 };
	m->moved = 0;
}

void map_remove(struct map *m, struct map_node *node)
{
	CHECK(m->n_entries > 0);
	struct map_node **at = chain_of(m, node->hash);
	while (*at != node) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	m->n_entries--;
	if (m->n_entries == 0 && m->now.n > BUCKETS_MIN) {
		free_buckets(m);
	}
}

void map_walk(const struct map *m, struct map_cursor *cursor)
{
	(void)m;
	*cursor = (struct map_cursor){ 0 };
}

struct map_node *map_walk_next(const struct map *m, struct map_cursor *cursor)
{
	// `cursor->bucket` counts through `now` and then through `old`.
	while (cursor->next == NULL && cursor->bucket < m->now.n + m->old.n) {
		size_t bucket = cursor->bucket++;
		cursor->next =
			bucket < m->now.n ? m->now.heads[bucket] : m->old.heads[bucket - m->now.n];
	}
	struct map_node *node = cursor->next;
	if (node != NULL) {
		cursor->next = node->next;
	}
	return node;
}
