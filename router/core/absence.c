// All linger equally long, so the order of their going is that of their time, and the next one due is at
// the head of a list: no timers. A reload that changes how long may delay some until the one before.

#include "router/core/absence.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "proto/names.h"

struct absence_entry {
	struct map_node node;
	TAILQ_ENTRY(absence_entry) in_time;
	uint64_t until_ms;
	uint32_t room_len, user_len, username_len;
	uint8_t texts
		[]; // room, user, username; the first two are the key: no room name holds a NUL
};

static struct bytes room_of(const struct absence_entry *e)
{
	return bytes_make(e->texts, e->room_len);
}

static struct bytes user_of(const struct absence_entry *e)
{
	return bytes_make(e->texts + e->room_len + 1, e->user_len);
}

static struct absence_entry *entry_of(struct map_node *node)
{
	return node != NULL ? CONTAINER_OF(node, struct absence_entry, node) : NULL;
}

static void forget(struct absences *l, struct absence_entry *e)
{
	TAILQ_REMOVE(&l->by_time, e, in_time);
	map_remove(&l->entries, &e->node);
	free(e);
}

static struct bytes key_of(const struct map_node *node)
{
	const struct absence_entry *e = CONTAINER_OF(node, const struct absence_entry, node);
	return bytes_make(e->texts, e->room_len + 1 + e->user_len);
}

void absences_init(struct absences *l)
{
	map_init(&l->entries, key_of);
	TAILQ_INIT(&l->by_time);
}

void absences_fini(struct absences *l)
{
	while (!TAILQ_EMPTY(&l->by_time)) {
		absences_drop(l);
	}
	map_fini(&l->entries);
}

bool absences_add(struct absences *l, const struct absent *who, uint64_t until_ms)
{
	size_t size = who->room.len + 1 + who->user.len + who->username.len;
	if (l->entries.n_entries >= ABSENCES_MAX) {
		return false;
	}
	struct absence_entry *e = xcalloc(1, sizeof(*e) + size);
	e->until_ms = until_ms;
	e->room_len = (uint32_t)who->room.len;
	e->user_len = (uint32_t)who->user.len;
	e->username_len = (uint32_t)who->username.len;
	memcpy(e->texts, who->room.data, who->room.len);
	memcpy(e->texts + e->room_len + 1, who->user.data, who->user.len);
	if (who->username.len > 0) {
		memcpy(e->texts + e->room_len + 1 + e->user_len, who->username.data,
			who->username.len);
	}
	map_insert(&l->entries, &e->node);
	TAILQ_INSERT_TAIL(&l->by_time, e, in_time);
	return true;
}

bool absences_take(struct absences *l, struct bytes room, struct bytes user)
{
	uint8_t key[ROOM_NAME_MAX + 1 + USER_NAME_MAX];
	if (l->entries.n_entries == 0 || room.len + 1 + user.len > sizeof(key)) {
		return false;
	}
	memcpy(key, room.data, room.len);
	key[room.len] = '\0';
	memcpy(key + room.len + 1, user.data, user.len);
	struct absence_entry *e =
		entry_of(map_find(&l->entries, bytes_make(key, room.len + 1 + user.len)));
	if (e != NULL) {
		forget(l, e);
	}
	return e != NULL;
}

bool absences_due(const struct absences *l, uint64_t now_ms, struct absent *who)
{
	const struct absence_entry *e = TAILQ_FIRST(&l->by_time);
	if (e == NULL || e->until_ms > now_ms) {
		return false;
	}
	*who = (struct absent){
		.room = room_of(e),
		.user = user_of(e),
		.username = bytes_make(user_of(e).data + e->user_len, e->username_len),
	};
	return true;
}

void absences_drop(struct absences *l)
{
	forget(l, TAILQ_FIRST(&l->by_time));
}
