// Kept beside the frame and not in it: a frame has one more pointer for it, and what few rooms need
// is neither copied for each codec nor for the compressed rendering.

#include "edge/send/origin.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"

struct origin *origin_new(const struct origin_facts *facts)
{
	CHECK(facts->room.len <= UINT16_MAX && facts->key.len <= UINT16_MAX);
	struct origin *o = xmalloc(sizeof(*o) + facts->room.len + facts->key.len);
	*o = (struct origin){
		.may_drop = facts->may_drop,
		.is_gap = facts->is_gap,
		.epoch = facts->epoch,
		.from = facts->from,
		.to = facts->to,
		.room_len = (uint16_t)facts->room.len,
		.key_len = (uint16_t)facts->key.len,
	};
	atomic_init(&o->refs, 1);
	if (facts->room.len > 0) {
		memcpy(o->text, facts->room.data, facts->room.len);
	}
	if (facts->key.len > 0) {
		memcpy(o->text + facts->room.len, facts->key.data, facts->key.len);
	}
	return o;
}

struct origin *origin_ref(struct origin *o)
{
	if (o != NULL) {
		atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	}
	return o;
}

void origin_unref(struct origin *o)
{
	if (o == NULL) {
		return;
	}
	uint32_t before = atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before == 1) {
		free(o);
	}
}
