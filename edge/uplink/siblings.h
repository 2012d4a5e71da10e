// The names of all edges of a router, as that router last sent them (EdgeList). An edge repeats
// them in HELLO, so that the next router knows which edges it has to await. From any thread.
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/check.h"
#include "proto/link_items.h"

struct siblings {
	pthread_mutex_t lock;
	struct buf names; // owned; each is a length byte and its bytes
	size_t n;
};

void siblings_init(struct siblings *s);
void siblings_fini(struct siblings *s);

// Replaces the list. False, and nothing changed, if a name is not one or there are more than
// LINK_EDGES_MAX.
MUST_CHECK bool siblings_take(struct siblings *s, const Weir__Link__V1__EdgeList *list);
// Puts a copy of the list into `hello`: one block, which the caller frees with free(3) by
// `hello->edges` when the message is packed. NULL if the list is empty.
void siblings_fill_hello(struct siblings *s, Weir__Link__V1__Hello *hello);
