// A record never wraps around: where the rest of the memory is too short for it, it begins at the
// front, and `end` remembers where the records behind it end. Each record knows its own size, which
// is how the oldest are dropped, and the size of the one before it, which is how a walk goes back.
//
// Walks go from the newest to the oldest because questions are about what was just now, and because
// a reader that has seen everything up to a number stops there, however much is kept before it. An
// index by room was rejected: it would cost each record more than the record.

#include "common/record_ring.h"

#include <stdlib.h>

#include "common/mem.h"

enum {
	RING_MIN = 4096,
	ALIGN = 8,
};

struct head {
	uint32_t size; // of the record, this included
	uint32_t before; // of the one before it; 0: the first ever
};

void record_ring_init(struct record_ring *ring, size_t bytes)
{
	*ring = (struct record_ring){ .first = 1, .next = 1 };
	if (bytes >= RING_MIN) {
		ring->cap = (bytes < UINT32_MAX ? bytes : UINT32_MAX) / ALIGN * ALIGN;
		ring->data = xmalloc(ring->cap);
	}
}

void record_ring_fini(struct record_ring *ring)
{
	free(ring->data);
	*ring = (struct record_ring){ 0 };
}

static struct head *head_at(const struct record_ring *ring, size_t at)
{
	return (struct head *)(void *)(ring->data + at);
}

static void drop_oldest(struct record_ring *ring)
{
	ring->oldest += head_at(ring, ring->oldest)->size;
	ring->first++;
	if (ring->end != 0 && ring->oldest == ring->end) {
		ring->oldest = 0;
		ring->end = 0;
	}
}

static bool is_empty(const struct record_ring *ring)
{
	return ring->first == ring->next;
}

// Drops what is in the way of `size` bytes at `at`, and wraps if they do not fit before the end.
static void make_room(struct record_ring *ring, size_t size)
{
	if (ring->cap - ring->at < size) {
		// What is between here and the end of the memory is older than all in front.
		while (!is_empty(ring) && ring->oldest >= ring->at && ring->end != 0) {
			drop_oldest(ring);
		}
		ring->end = ring->at;
		ring->at = 0;
	}
	while (!is_empty(ring) && ring->end != 0 && ring->oldest < ring->at + size) {
		drop_oldest(ring);
	}
}

void *record_ring_add(struct record_ring *ring, size_t len)
{
	size_t size = (sizeof(struct head) + len + ALIGN - 1) / ALIGN * ALIGN;
	if (size > ring->cap / 4) {
		return NULL;
	}
	make_room(ring, size);
	struct head *head = head_at(ring, ring->at);
	head->size = (uint32_t)size;
	head->before = (uint32_t)ring->last_size;
	ring->at += size;
	ring->last_size = size;
	ring->next++;
	return head + 1;
}

struct bytes record_ring_oldest(const struct record_ring *ring)
{
	CHECK(!is_empty(ring));
	const struct head *head = head_at(ring, ring->oldest);
	return bytes_make(head + 1, head->size - sizeof(*head));
}

void record_ring_walk(const struct record_ring *ring, struct record_cursor *cursor)
{
	*cursor = (struct record_cursor){
		.number = ring->next,
		.at = ring->at,
		.before = ring->last_size,
	};
}

bool record_ring_older(const struct record_ring *ring, struct record_cursor *cursor,
	struct bytes *record)
{
	if (cursor->number <= ring->first) {
		return false;
	}
	// Only the newest records lie in front of the oldest.
	size_t end = cursor->at == 0 ? ring->end : cursor->at;
	cursor->at = end - cursor->before;
	cursor->number--;
	const struct head *head = head_at(ring, cursor->at);
	cursor->before = head->before;
	*record = bytes_make(head + 1, head->size - sizeof(*head));
	return true;
}
