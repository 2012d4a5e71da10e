// One table for all rooms and users: the three names, joined by NULs that none of them can hold, are
// the key. Entries leave in the order in which they came, by age or for room.

#include "router/core/dedup.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"

struct dedup_entry {
	struct map_node node;
	STAILQ_ENTRY(dedup_entry) by_age;
	struct dedup_result result;
	uint64_t at_ms;
	uint16_t name_len;
	uint8_t name[];
};

static struct bytes entry_name(const struct map_node *node)
{
	const struct dedup_entry *e = CONTAINER_OF(node, struct dedup_entry, node);
	return bytes_make(e->name, e->name_len);
}

void dedup_init(struct dedup *d, uint64_t total_bytes)
{
	*d = (struct dedup){ .total_bytes = total_bytes };
	map_init(&d->entries, entry_name);
	STAILQ_INIT(&d->by_age);
}

static void drop_oldest(struct dedup *d)
{
	struct dedup_entry *e = STAILQ_FIRST(&d->by_age);
	STAILQ_REMOVE_HEAD(&d->by_age, by_age);
	map_remove(&d->entries, &e->node);
	d->bytes -= sizeof(*e) + e->name_len;
	free(e);
}

void dedup_fini(struct dedup *d)
{
	while (!STAILQ_EMPTY(&d->by_age)) {
		drop_oldest(d);
	}
	map_fini(&d->entries);
	buf_fini(&d->scratch);
}

static void drop_expired(struct dedup *d, uint64_t now_ms)
{
	const struct dedup_entry *e;
	while ((e = STAILQ_FIRST(&d->by_age)) != NULL && now_ms - e->at_ms >= DEDUP_AGE_MS) {
		drop_oldest(d);
	}
}

// Borrowed until the next call.
static struct bytes join_names(struct dedup *d, const struct dedup_key *key)
{
	d->scratch.len = 0;
	buf_append_bytes(&d->scratch, key->user);
	buf_append_byte(&d->scratch, '\0');
	buf_append_bytes(&d->scratch, key->room);
	buf_append_byte(&d->scratch, '\0');
	buf_append_bytes(&d->scratch, key->key);
	return buf_bytes(&d->scratch);
}

bool dedup_find(struct dedup *d, const struct dedup_key *key, uint64_t now_ms,
	struct dedup_result *result)
{
	drop_expired(d, now_ms);
	const struct map_node *node = map_find(&d->entries, join_names(d, key));
	if (node == NULL) {
		return false;
	}
	*result = CONTAINER_OF(node, struct dedup_entry, node)->result;
	return true;
}

void dedup_add(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms)
{
	struct bytes name = join_names(d, key);
	CHECK(name.len <= UINT16_MAX);
	struct dedup_entry *e = xmalloc(sizeof(*e) + name.len);
	*e = (struct dedup_entry){
		.result = *result,
		.at_ms = now_ms,
		.name_len = (uint16_t)name.len,
	};
	memcpy(e->name, name.data, name.len);
	map_insert(&d->entries, &e->node);
	STAILQ_INSERT_TAIL(&d->by_age, e, by_age);
	d->bytes += sizeof(*e) + name.len;
	while (d->total_bytes > 0 && d->bytes > d->total_bytes) {
		drop_oldest(d);
	}
}
