// All linger equally long, so the order of their going is that of their time, and the next one due
// is at the head of a list: no timers. A reload that changes how long may delay some until the one
// before.

#include "router/core/absence.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "proto/names.h"

struct absence_entry {
	struct aged_node aged;
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

static struct bytes key_of(const struct map_node *node)
{
	const struct absence_entry *e = CONTAINER_OF(node, const struct absence_entry, aged.node);
	return bytes_make(e->texts, e->room_len + 1 + e->user_len);
}

static void drop(struct aged_map *entries, struct aged_node *node)
{
	(void)entries;
	free(CONTAINER_OF(node, struct absence_entry, aged));
}

void absences_init(struct absences *l)
{
	aged_map_init(&l->entries, key_of, drop);
}

void absences_fini(struct absences *l)
{
	aged_map_fini(&l->entries);
}

bool absences_add(struct absences *l, const struct absent *who, uint64_t until_ms)
{
	size_t size = who->room.len + 1 + who->user.len + who->username.len;
	if (l->entries.n_ordered >= ABSENCES_MAX) {
		return false;
	}
	struct absence_entry *e = xcalloc(1, sizeof(*e) + size);
	e->room_len = (uint32_t)who->room.len;
	e->user_len = (uint32_t)who->user.len;
	e->username_len = (uint32_t)who->username.len;
	memcpy(e->texts, who->room.data, who->room.len);
	memcpy(e->texts + e->room_len + 1, who->user.data, who->user.len);
	if (who->username.len > 0) {
		memcpy(e->texts + e->room_len + 1 + e->user_len, who->username.data,
			who->username.len);
	}
	aged_map_add(&l->entries, &e->aged, until_ms);
	return true;
}

bool absences_take(struct absences *l, struct bytes room, struct bytes user)
{
	uint8_t key[ROOM_NAME_MAX + 1 + USER_NAME_MAX];
	if (l->entries.n_ordered == 0 || room.len + 1 + user.len > sizeof(key)) {
		return false;
	}
	memcpy(key, room.data, room.len);
	key[room.len] = '\0';
	memcpy(key + room.len + 1, user.data, user.len);
	struct aged_node *found =
		aged_map_find(&l->entries, bytes_make(key, room.len + 1 + user.len));
	if (found != NULL) {
		aged_map_drop(&l->entries, found);
	}
	return found != NULL;
}

bool absences_due(const struct absences *l, uint64_t now_ms, struct absent *who)
{
	const struct aged_node *due = aged_map_due(&l->entries, now_ms);
	if (due == NULL) {
		return false;
	}
	const struct absence_entry *e = CONTAINER_OF(due, const struct absence_entry, aged);
	*who = (struct absent){
		.room = room_of(e),
		.user = user_of(e),
		.username = bytes_make(user_of(e).data + e->user_len, e->username_len),
	};
	return true;
}

void absences_drop(struct absences *l)
{
	aged_map_drop(&l->entries, aged_map_oldest(&l->entries));
}
