// An entry is a head and its text, in one piece: one that does not fit before the end of the ring
// begins a new lap, and a head without a number fills the rest of the old one. Reading needs the
// lock only for where the entries begin and end, since nothing is written into what waits.

#include "router/hooks/hook_queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct head {
	uint64_t number; // 0: nothing more in this lap
	uint64_t at_ms;
	uint64_t len; // of the text
};

enum {
	ALIGN = sizeof(struct head),
};

static size_t room_for(size_t len)
{
	return sizeof(struct head) + (len + ALIGN - 1) / ALIGN * ALIGN;
}

void hook_queue_init(struct hook_queue *q, size_t size)
{
	*q = (struct hook_queue){ .size = size / ALIGN * ALIGN, .next = 1 };
	q->ring = xcalloc(1, q->size);
	CHECK(pthread_mutex_init(&q->lock, NULL) == 0);
}

void hook_queue_fini(struct hook_queue *q)
{
	free(q->ring);
	pthread_mutex_destroy(&q->lock);
}

static struct head *head_at(const struct hook_queue *q, uint64_t at)
{
	return (struct head *)(void *)(q->ring + at % q->size);
}

// Where an entry of `need` bytes may begin; false if it does not fit.
static bool place(struct hook_queue *q, size_t need, uint64_t *at)
{
	size_t left = q->size - (size_t)(q->tail % q->size); // in this lap; never less than a head
	*at = need <= left ? q->tail : q->tail + left;
	return need <= q->size && *at + need - q->head <= q->size;
}

size_t hook_queue_add(struct hook_queue *q, struct bytes text, uint64_t now_ms)
{
	size_t need = room_for(text.len);
	size_t n = 0;
	uint64_t at;
	pthread_mutex_lock(&q->lock);
	uint64_t number = q->next++;
	if (!place(q, need, &at)) {
		q->dropped++;
	} else {
		if (at != q->tail) {
			head_at(q, q->tail)->number = 0;
		}
		struct head *head = head_at(q, at);
		*head = (struct head){ number, now_ms, text.len };
		memcpy(head + 1, text.data, text.len);
		q->tail = at + need;
		n = (size_t)++q->n;
	}
	pthread_mutex_unlock(&q->lock);
	return n;
}

// Past the end of a lap.
static uint64_t skip(const struct hook_queue *q, uint64_t at)
{
	return head_at(q, at)->number == 0 ? at + q->size - at % q->size : at;
}

bool hook_queue_next(struct hook_queue *q, struct hook_cursor *cursor, struct hook_entry *entry)
{
	pthread_mutex_lock(&q->lock);
	uint64_t tail = q->tail;
	pthread_mutex_unlock(&q->lock);
	uint64_t at = cursor->at > q->head ? cursor->at : q->head;
	if (at == tail) {
		return false;
	}
	at = skip(q, at);
	const struct head *head = head_at(q, at);
	*entry = (struct hook_entry){ head->number, head->at_ms, bytes_make(head + 1, head->len) };
	cursor->at = at + room_for(head->len);
	return true;
}

void hook_queue_remove(struct hook_queue *q, size_t n, bool dropped)
{
	uint64_t at = q->head;
	for (size_t i = 0; i < n; i++) {
		at = skip(q, at);
		at += room_for(head_at(q, at)->len);
	}
	pthread_mutex_lock(&q->lock);
	q->head = at;
	q->n -= n;
	if (q->n == 0) { // from the start again, so that only what is needed is ever touched
		q->head = (at + q->size - 1) / q->size * q->size;
		q->tail = q->head;
	}
	q->dropped += dropped ? n : 0;
	pthread_mutex_unlock(&q->lock);
}

uint64_t hook_queue_dropped(struct hook_queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t dropped = q->dropped;
	pthread_mutex_unlock(&q->lock);
	return dropped;
}

size_t hook_queue_count(struct hook_queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t n = (size_t)q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}

size_t hook_queue_bytes(struct hook_queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t bytes = (size_t)(q->tail - q->head);
	pthread_mutex_unlock(&q->lock);
	return bytes;
}
