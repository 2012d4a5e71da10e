// One table for all rooms and users: the three names, joined by NULs that the first two cannot
// hold, are the key. Entries leave in the order in which they came, by age or for room.

#include "router/core/dedup.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"

struct dedup_entry {
	struct aged_node aged;
	LIST_ENTRY(dedup_entry) in_group; // if le_prev is not NULL
	struct dedup_result result;
	uint16_t name_len;
	uint8_t name[];
};

static struct bytes entry_name(const struct map_node *node)
{
	const struct dedup_entry *e = CONTAINER_OF(node, const struct dedup_entry, aged.node);
	return bytes_make(e->name, e->name_len);
}

static void drop(struct aged_map *entries, struct aged_node *node)
{
	struct dedup *d = CONTAINER_OF(entries, struct dedup, entries);
	struct dedup_entry *e = CONTAINER_OF(node, struct dedup_entry, aged);
	d->bytes -= sizeof(*e) + e->name_len;
	if (e->in_group.le_prev != NULL) {
		LIST_REMOVE(e, in_group);
	}
	free(e);
}

void dedup_init(struct dedup *d, uint64_t total_bytes, uint64_t age_ms)
{
	*d = (struct dedup){ .total_bytes = total_bytes, .age_ms = age_ms };
	aged_map_init(&d->entries, entry_name, drop);
}

void dedup_fini(struct dedup *d)
{
	aged_map_fini(&d->entries);
	buf_fini(&d->scratch);
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
	aged_map_drop_due(&d->entries, now_ms);
	const struct aged_node *node = aged_map_find(&d->entries, join_names(d, key));
	if (node == NULL) {
		return false;
	}
	*result = CONTAINER_OF(node, const struct dedup_entry, aged)->result;
	return true;
}

void dedup_add(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms, struct dedup_group *group)
{
	struct bytes name = join_names(d, key);
	CHECK(name.len <= UINT16_MAX);
	struct dedup_entry *e = xmalloc(sizeof(*e) + name.len);
	*e = (struct dedup_entry){
		.result = *result,
		.name_len = (uint16_t)name.len,
	};
	memcpy(e->name, name.data, name.len);
	aged_map_add(&d->entries, &e->aged, now_ms + d->age_ms);
	d->bytes += sizeof(*e) + name.len;
	if (group != NULL) {
		LIST_INSERT_HEAD(group, e, in_group);
	}
	while (d->total_bytes > 0 && d->bytes > d->total_bytes) {
		aged_map_drop(&d->entries, aged_map_oldest(&d->entries));
	}
}

void dedup_set(struct dedup *d, const struct dedup_key *key, const struct dedup_result *result,
	uint64_t now_ms, struct dedup_group *group)
{
	struct aged_node *node = aged_map_find(&d->entries, join_names(d, key));
	if (node != NULL) {
		CONTAINER_OF(node, struct dedup_entry, aged)->result = *result;
	} else {
		dedup_add(d, key, result, now_ms, group);
	}
}

void dedup_expire(struct dedup *d, uint64_t now_ms)
{
	aged_map_drop_due(&d->entries, now_ms);
}

void dedup_remove(struct dedup *d, const struct dedup_key *key)
{
	struct aged_node *node = aged_map_find(&d->entries, join_names(d, key));
	if (node != NULL) {
		aged_map_drop(&d->entries, node);
	}
}

void dedup_remove_group(struct dedup *d, struct dedup_group *group)
{
	struct dedup_entry *e;
	while ((e = LIST_FIRST(group)) != NULL) {
		aged_map_drop(&d->entries, &e->aged);
	}
}

const struct dedup_entry *dedup_next(const struct dedup_group *group,
	const struct dedup_entry *entry, struct dedup_key *key, struct dedup_result *result)
{
	const struct dedup_entry *e =
		entry != NULL ? LIST_NEXT(entry, in_group) : LIST_FIRST(group);
	if (e == NULL) {
		return NULL;
	}
	struct bytes name = bytes_make(e->name, e->name_len);
	struct bytes rest;
	(void)bytes_cut(name, '\0', &key->user, &rest);
	(void)bytes_cut(rest, '\0', &key->room, &key->key);
	*result = e->result;
	return e;
}
