// What the router says of itself to a program outside: who comes and goes, what is published. The
// rules of route call notices_tell() where it happens; who wants to hear registers one sink.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "router/core/store.h"

enum notice_kind {
	NOTICE_CLIENT_CONNECTED,
	NOTICE_CLIENT_DISCONNECTED,
	NOTICE_CLIENT_REFUSED,
	NOTICE_ROOM_OCCUPIED, // has its first member
	NOTICE_ROOM_VACATED, // has lost its last one
	NOTICE_MEMBER_JOINED, // the first connection of a user is in the room
	NOTICE_MEMBER_LEFT, // the last one is not any more
	NOTICE_MESSAGE_PUBLISHED,
	NOTICE_KIND_COUNT
};

// All texts are borrowed and may be empty: then nothing is known, or it does not apply.
struct notice {
	enum notice_kind kind;
	struct bytes room;
	struct bytes client;
	struct bytes user;
	struct bytes edge;
	struct bytes reason;
	uint64_t epoch; // 0: none
	uint64_t seq; // 0: none
	const struct store_message *message; // NULL: none
};

// Called on the routing thread, so it must neither wait nor call route.
typedef void notice_take_fn(void *arg, const struct notice *notice);

struct notices {
	uint32_t wanted; // a bit for each kind, 1 << kind
	notice_take_fn *take;
	void *arg;
};

static inline bool notices_want(const struct notices *n, enum notice_kind kind)
{
	return (n->wanted >> kind & 1) != 0;
}
static inline void notices_tell(const struct notices *n, const struct notice *notice)
{
	if (notices_want(n, notice->kind)) {
		n->take(n->arg, notice);
	}
}

// "client.connected"...
const char *notice_kind_name(enum notice_kind kind);
// NOTICE_KIND_COUNT if none has that name.
enum notice_kind notice_kind_find(struct bytes name);
