// Notices that wait to be sent, in a ring of a fixed number of bytes: one thread adds, another
// reads what is oldest and takes it off. Numbers count everything that was to be added, so a hole
// in them is what did not fit or grew too old.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

struct hook_queue {
	uint8_t *ring; // owned; pages of it cost nothing before they are used
	size_t size;
	pthread_mutex_t lock; // for what follows
	uint64_t head, tail; // bytes ever taken and added, with what ends a lap
	uint64_t next; // number of the next entry
	uint64_t n; // entries
	uint64_t dropped; // ever
};

struct hook_entry {
	uint64_t number; // from 1
	uint64_t at_ms; // monotonic, when it was added
	struct bytes text; // borrowed until it is taken off
};

struct hook_cursor {
	uint64_t at;
};

// `size` bytes in all: each text takes 24 more, and is rounded up to as much.
void hook_queue_init(struct hook_queue *q, size_t size);
void hook_queue_fini(struct hook_queue *q);

// The adding thread's. Copies the text. How many entries there are now; 0 if there is no room: then
// it is counted as dropped.
size_t hook_queue_add(struct hook_queue *q, struct bytes text, uint64_t now_ms);

// The rest is the reading thread's. Entries from the oldest on: begin with a zeroed cursor. False
// behind the newest.
MUST_CHECK bool hook_queue_next(struct hook_queue *q, struct hook_cursor *cursor,
	struct hook_entry *entry);
// Takes off the oldest `n` entries, which there are; `dropped`: they were not delivered.
void hook_queue_remove(struct hook_queue *q, size_t n, bool dropped);

// Any thread's.
uint64_t hook_queue_dropped(struct hook_queue *q); // entries, ever
size_t hook_queue_count(struct hook_queue *q);
size_t hook_queue_bytes(struct hook_queue *q);
