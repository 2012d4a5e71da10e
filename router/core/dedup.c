// One table for all rooms and users: the three names, joined by NULs that the first two cannot
// hold, are the key. Entries leave in the order in which they came, by age or for room; for room,
// those of the user who needs it, if that user has more than a share of the bytes. A fixed part
// for each user was rejected: it would leave most of the memory unused.

#include "router/core/dedup.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"

struct dedup_entry {
	struct aged_node aged;
	LIST_ENTRY(dedup_entry) in_group; // if le_prev is not NULL
	TAILQ_ENTRY(dedup_entry) in_user;
	struct dedup_user *user;
	struct dedup_result result;
	uint16_t name_len;
	uint8_t name[];
};

struct dedup_user {
	struct map_node node;
	TAILQ_HEAD(, dedup_entry) entries; // in the order in which they came
	uint64_t bytes;
	size_t name_len;
	uint8_t name[];
};

static struct bytes user_key(const struct map_node *node)
{
	const struct dedup_user *user = CONTAINER_OF(node, const struct dedup_user, node);
	return bytes_make(user->name, user->name_len);
}

static struct bytes entry_name(const struct map_node *node)
{
	const struct dedup_entry *e = CONTAINER_OF(node, const struct dedup_entry, aged.node);
	return bytes_make(e->name, e->name_len);
}

static void drop(struct aged_map *entries, struct aged_node *node)
{
	struct dedup *d = CONTAINER_OF(entries, struct dedup, entries);
	struct dedup_entry *e = CONTAINER_OF(node, struct dedup_entry, aged);
	struct dedup_user *user = e->user;
	d->bytes -= sizeof(*e) + e->name_len;
	user->bytes -= sizeof(*e) + e->name_len;
	TAILQ_REMOVE(&user->entries, e, in_user);
	if (TAILQ_EMPTY(&user->entries)) {
		d->bytes -= sizeof(*user) + user->name_len;
		map_remove(&d->users, &user->node);
		free(user);
	}
	if (e->in_group.le_prev != NULL) {
		LIST_REMOVE(e, in_group);
	}
	free(e);
}

void dedup_init(struct dedup *d, uint64_t total_bytes, uint64_t age_ms)
{
	*d = (struct dedup){ .total_bytes = total_bytes, .age_ms = age_ms };
	aged_map_init(&d->entries, entry_name, drop);
	map_init(&d->users, user_key);
}

void dedup_fini(struct dedup *d)
{
	aged_map_fini(&d->entries);
	map_fini(&d->users);
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

static struct dedup_user *user_of(struct dedup *d, struct bytes name)
{
	struct map_node *node = map_find(&d->users, name);
	if (node != NULL) {
		return CONTAINER_OF(node, struct dedup_user, node);
	}
	struct dedup_user *user = xcalloc(1, sizeof(*user) + name.len);
	TAILQ_INIT(&user->entries);
	user->name_len = name.len;
	if (name.len > 0) {
		memcpy(user->name, name.data, name.len);
	}
	map_insert(&d->users, &user->node);
	d->bytes += sizeof(*user) + name.len;
	return user;
}

// Not `newest`, which is the user's last.
static void make_room(struct dedup *d, struct dedup_user *user, const struct dedup_entry *newest)
{
	while (d->total_bytes > 0 && d->bytes > d->total_bytes) {
		struct dedup_entry *own = TAILQ_FIRST(&user->entries);
		bool from_own = user->bytes > d->total_bytes / DEDUP_SHARE && own != newest;
		struct aged_node *victim = from_own ? &own->aged : aged_map_oldest(&d->entries);
		bool is_last = victim == &newest->aged;
		aged_map_drop(&d->entries, victim);
		if (is_last) {
			return;
		}
	}
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
	e->user = user_of(d, key->user);
	TAILQ_INSERT_TAIL(&e->user->entries, e, in_user);
	e->user->bytes += sizeof(*e) + name.len;
	aged_map_add(&d->entries, &e->aged, now_ms + d->age_ms);
	d->bytes += sizeof(*e) + name.len;
	if (group != NULL) {
		LIST_INSERT_HEAD(group, e, in_group);
	}
	make_room(d, e->user, e);
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
