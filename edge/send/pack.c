// Rooms are where compression costs: a message that goes to a thousand members may be deflated a
// thousand times or once. It is once, because the frame keeps its compressed rendering beside it
// and lets go of it with itself. Nobody pays who has not agreed: the first who has makes it.
//
// Threads meet here, since the workers share a frame. A lock is taken only by who does not find the
// rendering yet; it is one of a few, picked by the frame, so that a worker waits for the rendering
// it needs and seldom for another. Without a lock two threads might both do the work and one throw
// it away; waiting for the other costs no more.
//
// One window for all: of 12 bits, because there are clients that ask for no more and a larger one
// gains little with messages of a few kilobytes. A rendering for each window that somebody asks for
// would bring back what sharing saves.
//
// What mixes a secret with text of another must not be compressed, since its length tells of the
// secret. Weir sends no secrets: tokens travel to it and never back.

#include "edge/send/pack.h"

#include <stdalign.h>

#include "common/check.h"
#include "edge/ws/ws_deflate.h"

void pack_locks_init(struct pack_locks *locks)
{
	for (size_t i = 0; i < PACK_LOCKS; i++) {
		CHECK(pthread_mutex_init(&locks->of[i], NULL) == 0);
	}
}

void pack_locks_fini(struct pack_locks *locks)
{
	for (size_t i = 0; i < PACK_LOCKS; i++) {
		CHECK(pthread_mutex_destroy(&locks->of[i]) == 0);
	}
}

void packer_init(struct packer *p, const struct packer_options *options, struct pack_locks *locks)
{
	*p = (struct packer){
		.locks = locks,
		.deflater = ws_deflater_new(options->level, options->mem_level, PACK_WINDOW_BITS),
		.threshold = options->threshold,
	};
}

void packer_fini(struct packer *p)
{
	ws_deflater_free(p->deflater);
}

static pthread_mutex_t *lock_of(struct packer *p, const struct frame *f)
{
	return &p->locks->of[(uintptr_t)f / alignof(max_align_t) % PACK_LOCKS];
}

// A frame that is to stay as it is names itself.
static struct frame *make(struct packer *p, struct frame *f)
{
	struct bytes message = frame_payload(f);
	struct bytes packed = ws_deflater_run(p->deflater, message);
	if (packed.len >= message.len) {
		return f;
	}
	return frame_new_packed(f, packed);
}

struct frame *packer_run(struct packer *p, struct frame *f)
{
	if (p->deflater == NULL || frame_payload(f).len < p->threshold) {
		return frame_ref(f, 1);
	}
	struct frame *packed = atomic_load_explicit(&f->packed, memory_order_acquire);
	if (packed == NULL) {
		pthread_mutex_t *lock = lock_of(p, f);
		CHECK(pthread_mutex_lock(lock) == 0);
		packed = atomic_load_explicit(&f->packed, memory_order_relaxed);
		if (packed == NULL) {
			packed = make(p, f);
			atomic_store_explicit(&f->packed, packed, memory_order_release);
		}
		CHECK(pthread_mutex_unlock(lock) == 0);
	}
	return frame_ref(packed, 1);
}
