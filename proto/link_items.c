// A batch is written as the concatenation of its elements, which is exactly how protobuf encodes
// `repeated Item items = 1`: any protobuf library reads it as one Batch. Reading goes element by
// element too, through an arena that is reset for each, so memory is bounded by one item however
// many a frame holds, and a warm arena allocates nothing.
//
// protobuf-c has two traps that end here. It multiplies: a megabyte of empty submessages becomes 44
// of structs, so the arena refuses to hand out more than ITEM_EXPANSION_MAX times the packed size.
// And a oneof may be set to a kind and yet point nowhere; such an item is malformed to us. One of
// no kind that we know is not: a newer peer sends it, and whoever unpacked it counts it and goes
// on. The alternative, a hand-written decoder, would save the copy of each span and was left for
// when it is measured to matter.
//
// A Delivery is written by hand, one for each message that a router routes: the library looks at
// each field's descriptor twice, which was 2,600 of 10,300 instructions of a publish.

#include "proto/link_items.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/pb_wire.h"

enum {
	BATCH_ELEMENT_TAG = 1 << 3 | 2, // field 1, length-delimited
	VARINT_MAX = 5, // bytes of a length below 2^32
	ITEM_EXPANSION_MAX = 32,
	ITEM_EXPANSION_BASE = 4096,
	ARENA_ALIGN = 16,
	ARENA_KEEP_MAX = 2 << 20, // a warm arena is not larger than this
};

struct link_block {
	struct link_block *next;
	_Alignas(ARENA_ALIGN) uint8_t data[];
};

static size_t varint_encode(uint8_t *out, uint64_t value)
{
	size_t n = 0;
	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

// ---- a Delivery, which is most of what a router writes

static size_t varint_size(uint64_t value)
{
	return (size_t)(9 * (63 - __builtin_clzll(value | 1)) + 73) / 64;
}

static size_t text_size(ProtobufCBinaryData text)
{
	return text.len > 0 ? 1 + varint_size(text.len) + text.len : 0;
}

static size_t uint_size(uint64_t value)
{
	return value != 0 ? 1 + varint_size(value) : 0;
}

static size_t fixed_size(uint64_t value)
{
	return value != 0 ? 1 + sizeof(value) : 0;
}

static uint8_t *put_text(uint8_t *at, unsigned number, ProtobufCBinaryData text)
{
	if (text.len > 0) {
		*at++ = (uint8_t)(number << 3 | PB_LEN);
		at += varint_encode(at, text.len);
		memcpy(at, text.data, text.len);
	}
	return at + text.len;
}

static uint8_t *put_uint(uint8_t *at, unsigned number, uint64_t value)
{
	if (value != 0) {
		*at++ = (uint8_t)(number << 3 | PB_VARINT);
		at += varint_encode(at, value);
	}
	return at;
}

static uint8_t *put_fixed(uint8_t *at, unsigned number, uint64_t value)
{
	if (value != 0) {
		const uint64_t wire = htole64(value);
		*at++ = (uint8_t)(number << 3 | PB_FIXED64);
		memcpy(at, &wire, sizeof(wire));
		at += sizeof(wire);
	}
	return at;
}

static size_t delivery_size(const Weir__Link__V1__Delivery *d)
{
	return text_size(d->room) + fixed_size(d->epoch) + uint_size(d->seq) +
		uint_size((uint64_t)d->timestamp_ms) + text_size(d->type) + text_size(d->from) +
		text_size(d->user) + text_size(d->username) + text_size(d->body) +
		fixed_size(d->except) + uint_size(d->manner);
}

static uint8_t *put_delivery(uint8_t *at, const Weir__Link__V1__Delivery *d)
{
	at = put_text(at, 1, d->room);
	at = put_fixed(at, 2, d->epoch);
	at = put_uint(at, 3, d->seq);
	at = put_uint(at, 4, (uint64_t)d->timestamp_ms);
	at = put_text(at, 5, d->type);
	at = put_text(at, 6, d->from);
	at = put_text(at, 7, d->user);
	at = put_text(at, 8, d->username);
	at = put_text(at, 9, d->body);
	at = put_fixed(at, 10, d->except);
	return put_uint(at, 11, d->manner);
}

static void append_delivery(struct buf *out, const Weir__Link__V1__Delivery *d)
{
	const uint64_t tag = (uint64_t)WEIR__LINK__V1__ITEM__KIND_DELIVERY << 3 | PB_LEN;
	size_t size = delivery_size(d);
	size_t packed = varint_size(tag) + varint_size(size) + size;
	uint8_t *begun = buf_reserve(out, 1 + VARINT_MAX + packed);
	uint8_t *at = begun;
	*at++ = BATCH_ELEMENT_TAG;
	at += varint_encode(at, packed);
	at += varint_encode(at, tag);
	at += varint_encode(at, size);
	at = put_delivery(at, d);
	out->len += (size_t)(at - begun);
}

void link_item_append(struct buf *out, const link_item *item)
{
	if (item->kind_case == WEIR__LINK__V1__ITEM__KIND_DELIVERY) {
		append_delivery(out, item->delivery);
		return;
	}
	size_t packed = weir__link__v1__item__get_packed_size(item);
	uint8_t *at = buf_reserve(out, 1 + VARINT_MAX + packed);
	size_t head = 0;
	at[head++] = BATCH_ELEMENT_TAG;
	head += varint_encode(at + head, packed);
	weir__link__v1__item__pack(item, at + head);
	out->len += head + packed;
}

int link_batch_next(struct bytes *batch, struct bytes *item)
{
	if (batch->len == 0) {
		return 0;
	}
	if (batch->data[0] != BATCH_ELEMENT_TAG) {
		return -EPROTO;
	}
	uint64_t len = 0;
	size_t at = 1;
	for (unsigned shift = 0;; shift += 7) {
		if (at == batch->len || at > VARINT_MAX) {
			return -EPROTO;
		}
		uint8_t byte = batch->data[at++];
		len |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			break;
		}
	}
	if (len > batch->len - at) {
		return -EPROTO;
	}
	*item = bytes_make(batch->data + at, (size_t)len);
	batch->data += at + len;
	batch->len -= at + (size_t)len;
	return 1;
}

// What the arena may still hand out rides along in the allocator's data.
struct arena_budget {
	struct link_arena *arena;
	size_t left;
};

static void *arena_alloc(void *data, size_t size)
{
	struct arena_budget *budget = data;
	struct link_arena *arena = budget->arena;
	if (size > budget->left) {
		return NULL;
	}
	size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	budget->left -= rounded < budget->left ? rounded : budget->left;
	if (rounded <= arena->cap - arena->used) {
		void *ptr = arena->data + arena->used;
		arena->used += rounded;
		return ptr;
	}
	struct link_block *block = xmalloc(sizeof(*block) + rounded);
	block->next = arena->overflow;
	arena->overflow = block;
	arena->overflow_bytes += rounded;
	return block->data;
}

static void arena_free(void *data, void *ptr)
{
	(void)data;
	(void)ptr; // all at once, in arena_reset()
}

static void free_overflow(struct link_arena *arena)
{
	while (arena->overflow != NULL) {
		struct link_block *next = arena->overflow->next;
		free(arena->overflow);
		arena->overflow = next;
	}
}

// Drops what was handed out; grows the block so that the same need fits it the next time.
static void arena_reset(struct link_arena *arena)
{
	if (arena->overflow_bytes > 0) {
		size_t cap = arena->cap + arena->overflow_bytes;
		free_overflow(arena);
		arena->overflow_bytes = 0;
		if (cap <= ARENA_KEEP_MAX) {
			free(arena->data);
			arena->data = xmalloc(cap);
			arena->cap = cap;
		}
	}
	arena->used = 0;
}

void link_arena_fini(struct link_arena *arena)
{
	free_overflow(arena);
	free(arena->data);
	*arena = (struct link_arena){ 0 };
}

const link_item *link_item_unpack(struct link_arena *arena, struct bytes packed)
{
	arena_reset(arena);
	struct arena_budget budget = {
		.arena = arena,
		.left = packed.len * ITEM_EXPANSION_MAX + ITEM_EXPANSION_BASE,
	};
	ProtobufCAllocator allocator = {
		.alloc = arena_alloc,
		.free = arena_free,
		.allocator_data = &budget,
	};
	const link_item *item = weir__link__v1__item__unpack(&allocator, packed.len, packed.data);
	if (item == NULL) {
		return NULL;
	}
	bool known = item->kind_case != WEIR__LINK__V1__ITEM__KIND__NOT_SET;
	return known && item->client_up == NULL ? NULL : item;
}

// By the schema's own description, so that a new message needs no line here: `client` is number 1
// wherever there is one.
uint64_t link_item_client(const link_item *item)
{
	const ProtobufCFieldDescriptor *kind =
		protobuf_c_message_descriptor_get_field(item->base.descriptor, item->kind_case);
	if (kind == NULL) {
		return 0;
	}
	const ProtobufCMessageDescriptor *message = kind->descriptor;
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, 1);
	if (field == NULL || field->type != PROTOBUF_C_TYPE_FIXED64 ||
		strcmp(field->name, "client") != 0) {
		return 0;
	}
	uint64_t client;
	const void *value = item->join; // of any kind: the union holds a pointer to the message
	memcpy(&client, (const char *)value + field->offset, sizeof(client));
	return client;
}

const char *refusal_name(unsigned refusal)
{
	static const char *const words[REFUSAL_COUNT] = {
		[REFUSAL_BAD_ROOM] = "bad_room",
		[REFUSAL_FORBIDDEN] = "forbidden",
		[REFUSAL_NOT_MEMBER] = "not_member",
		[REFUSAL_LIMIT] = "limit",
		[REFUSAL_RATE_LIMITED] = "rate_limited",
		[REFUSAL_UNAVAILABLE] = "unavailable",
		[REFUSAL_SILENT] = "forbidden",
	};
	return refusal < REFUSAL_COUNT && words[refusal] != NULL ? words[refusal] : "";
}
