// The list outlives the router that sent it: that is its purpose. A router that was killed cannot
// say whom it served, but each of its edges can, and the first one to return says it for all.
//
// Rejected: a file of the router's. It would name edges too, but it would have to be written at
// each change to be of use after a kill, and a router on another machine would not find it.

#include "edge/uplink/siblings.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "proto/link_hello.h"

_Static_assert(LINK_NAME_MAX <= UINT8_MAX, "a length fits a byte");

void siblings_init(struct siblings *s)
{
	*s = (struct siblings){ 0 };
	pthread_mutex_init(&s->lock, NULL);
}

void siblings_fini(struct siblings *s)
{
	buf_fini(&s->names);
	pthread_mutex_destroy(&s->lock);
}

static bool is_sane(const Weir__Link__V1__EdgeList *list)
{
	bool sane = list->n_names <= LINK_EDGES_MAX;
	for (size_t i = 0; i < list->n_names && sane; i++) {
		sane = link_name_valid(pb_bytes(list->names[i]));
	}
	return sane;
}

bool siblings_take(struct siblings *s, const Weir__Link__V1__EdgeList *list)
{
	if (!is_sane(list)) {
		return false;
	}
	pthread_mutex_lock(&s->lock);
	buf_reset(&s->names, s->names.cap);
	for (size_t i = 0; i < list->n_names; i++) {
		buf_append_byte(&s->names, (uint8_t)list->names[i].len);
		buf_append_bytes(&s->names, pb_bytes(list->names[i]));
	}
	s->n = list->n_names;
	pthread_mutex_unlock(&s->lock);
	return true;
}

// The references, followed by the texts that they point to.
static ProtobufCBinaryData *copy_names(const struct siblings *s)
{
	ProtobufCBinaryData *list = xmalloc(s->n * sizeof(list[0]) + s->names.len);
	uint8_t *at = (uint8_t *)(list + s->n);
	memcpy(at, s->names.data, s->names.len);
	for (size_t i = 0; i < s->n; i++) {
		list[i] = pb_data(bytes_make(at + 1, at[0]));
		at += 1 + list[i].len;
	}
	return list;
}

void siblings_fill_hello(struct siblings *s, Weir__Link__V1__Hello *hello)
{
	pthread_mutex_lock(&s->lock);
	if (s->n > 0) {
		hello->edges = copy_names(s);
		hello->n_edges = s->n;
	}
	pthread_mutex_unlock(&s->lock);
}
