// Where the message of a frame comes from, for queues that may be thinned: see thin.h. Only frames
// of rooms with a slow policy have one; all renderings of a message share it. Immutable,
// reference-counted, the last reference may go on any thread.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

struct origin {
	_Atomic uint32_t refs;
	bool may_drop; // the oldest go first when a queue is full
	bool is_gap; // it tells that `from` to `to` are missing
	uint64_t epoch;
	uint64_t from; // seq; 0: an ephemeral message; its loss is not reported
	uint64_t to; // of a message the same as `from`
	uint16_t room_len;
	uint16_t key_len; // 0: no later message takes its place
	uint8_t text[]; // the room's name, and the key
};

struct origin_facts {
	bool may_drop;
	bool is_gap;
	uint64_t epoch;
	uint64_t from;
	uint64_t to;
	struct bytes room;
	struct bytes key;
};

// Copies the texts, of less than 64 KiB each. One reference.
struct origin *origin_new(const struct origin_facts *facts);
struct origin *origin_ref(struct origin *o); // NULL is fine
void origin_unref(struct origin *o); // NULL is fine

static inline struct bytes origin_room(const struct origin *o)
{
	return bytes_make(o->text, o->room_len);
}
static inline struct bytes origin_key(const struct origin *o)
{
	return bytes_make(o->text + o->room_len, o->key_len);
}
