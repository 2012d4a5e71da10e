// Ids are random numbers of 64 bits, so two requests do not have the same one. What an answer may
// hold is bounded where it is made (ADMIN_REPLY_MAX), and those of commands that change something
// are a few lines.

#include "router/admin/admin_answers.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct answer {
	struct aged_node aged;
	uint64_t id;
	size_t len;
	uint8_t data[];
};

static struct bytes key_of(const struct map_node *node)
{
	const struct answer *answer = CONTAINER_OF(node, const struct answer, aged.node);
	return bytes_make(&answer->id, sizeof(answer->id));
}

static void drop(struct aged_map *by_id, struct aged_node *node)
{
	(void)by_id;
	free(CONTAINER_OF(node, struct answer, aged));
}

void admin_answers_init(struct admin_answers *answers)
{
	aged_map_init(&answers->by_id, key_of, drop);
}

void admin_answers_fini(struct admin_answers *answers)
{
	aged_map_fini(&answers->by_id);
}

bool admin_answers_find(struct admin_answers *answers, uint64_t id, uint64_t now_ms,
	struct bytes *answer)
{
	aged_map_drop_due(&answers->by_id, now_ms);
	const struct aged_node *node = aged_map_find(&answers->by_id, bytes_make(&id, sizeof(id)));
	if (node != NULL) {
		const struct answer *found = CONTAINER_OF(node, const struct answer, aged);
		*answer = bytes_make(found->data, found->len);
	}
	return node != NULL;
}

void admin_answers_add(struct admin_answers *answers, uint64_t id, struct bytes answer,
	uint64_t now_ms)
{
	struct answer *added = xcalloc(1, sizeof(*added) + answer.len);
	added->id = id;
	added->len = answer.len;
	if (answer.len > 0) {
		memcpy(added->data, answer.data, answer.len);
	}
	if (answers->by_id.n_ordered == ADMIN_ANSWERS_MAX) {
		aged_map_drop(&answers->by_id, aged_map_oldest(&answers->by_id));
	}
	aged_map_add(&answers->by_id, &added->aged, now_ms + ADMIN_ANSWERS_AGE_MS);
}
