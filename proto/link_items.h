// The items of a BATCH: to bytes and back. A batch body is `Batch` of link.proto, written and read
// one element at a time, so that neither side ever holds a batch as a tree of allocations.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "link.pb-c.h"

typedef Weir__Link__V1__Item link_item; // generated names are long; this one is everywhere

// An item around `message`, which it borrows: LINK_ITEM(JOIN, join, &join).
#define LINK_ITEM(KIND, field, message)                                                            \
	((link_item){                                                                              \
		.base = PROTOBUF_C_MESSAGE_INIT(&weir__link__v1__item__descriptor),                \
		.kind_case = WEIR__LINK__V1__ITEM__KIND_##KIND,                                    \
		.field = (message),                                                                \
	})

// Why the router refused a request (Refused.code). Kept apart from the client protocol's codes,
// which the edge's codec owns.
enum refusal {
	REFUSAL_NONE,
	REFUSAL_BAD_ROOM,
	REFUSAL_FORBIDDEN,
	REFUSAL_NOT_MEMBER,
	REFUSAL_LIMIT,
	REFUSAL_RATE_LIMITED,
	REFUSAL_UNAVAILABLE,
	REFUSAL_SILENT, // of an automatic join: the client gets no answer
	REFUSAL_COUNT,
};
// As the client protocol calls it: "forbidden"... Empty for what is no refusal.
const char *refusal_name(unsigned refusal);

// What becomes of a room's messages for a client that does not take them in time (Delivery.slow).
// An edge that does not know a number takes it as the first.
enum slow_policy {
	SLOW_DISCONNECT, // the client is closed when its queue is full
	SLOW_DROP_OLDEST,
	SLOW_CONFLATE, // the last message of each `conflateKey` is enough
	SLOW_POLICY_COUNT,
};

// Which clients of an edge a Delivery is for. Who has joined a room by name and by a pattern is a
// member, and gets what members get.
enum delivery_audience {
	AUDIENCE_ALL, // members, and those whose patterns match
	AUDIENCE_MEMBERS, // a replay: patterns recover nothing
	AUDIENCE_WATCHERS, // members get it by a replay
	AUDIENCE_COUNT,
};

// Delivery.manner, in one number because each field costs every message: slow_policy in bits 0 to
// 7, delivery_audience above. What a peer does not know counts as the first of its kind.
static inline uint32_t delivery_manner(int slow, enum delivery_audience audience)
{
	return (uint32_t)audience << 8 | (uint32_t)slow;
}
static inline enum slow_policy delivery_slow(uint32_t manner)
{
	uint32_t slow = manner & 0xff;
	return slow < SLOW_POLICY_COUNT ? (enum slow_policy)slow : SLOW_DISCONNECT;
}
static inline enum delivery_audience delivery_audience(uint32_t manner)
{
	uint32_t audience = manner >> 8;
	return audience < AUDIENCE_COUNT ? (enum delivery_audience)audience : AUDIENCE_ALL;
}

// Appends one element (tag, length, item).
void link_item_append(struct buf *out, const link_item *item);

// Takes the next element off the front of `*batch`: 1 and the packed item, 0 at the end,
// -EPROTO if the rest is not a batch.
MUST_CHECK int link_batch_next(struct bytes *batch, struct bytes *item);

// Where unpacked items live: one block, reused, so that decoding allocates nothing once it is warm.
struct link_arena {
	uint8_t *data; // owned
	size_t used;
	size_t cap;
	struct link_block *overflow; // owned; what did not fit, freed at the next reset
	size_t overflow_bytes;
};
void link_arena_fini(struct link_arena *arena);

// Unpacks one item into the arena, dropping what was there. One of a kind that this version does
// not know comes back as KIND__NOT_SET, to be ignored and counted. NULL if it is malformed, or
// would take more than 32 times its packed size plus 4 KiB (an amplification attack).
const link_item *link_item_unpack(struct link_arena *arena, struct bytes packed);

// The client that an item is for or about, as its field `client` says; 0 if it has none.
uint64_t link_item_client(const link_item *item);

// Between protobuf-c's spans and ours. Borrowed both ways.
static inline struct bytes pb_bytes(ProtobufCBinaryData data)
{
	return bytes_make(data.data, data.len);
}
static inline ProtobufCBinaryData pb_data(struct bytes span)
{
	return (ProtobufCBinaryData){ .len = span.len, .data = (uint8_t *)span.data };
}
