// The compressed rendering of a frame: made when the first connection that agreed on compression is
// to get it, once for all of them on all threads, and kept by the frame itself.
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "edge/send/frame.h"

struct ws_deflater;

enum {
	// The one window that what is shared is made for. An offer that wants a smaller one is
	// declined.
	PACK_WINDOW_BITS = 12,
	PACK_LOCKS = 16,
};

// One for an edge.
struct pack_locks {
	pthread_mutex_t of[PACK_LOCKS];
};

// One for a thread. Zeroed: nothing is compressed.
struct packer {
	struct pack_locks *locks; // borrowed
	struct ws_deflater *deflater; // owned
	size_t threshold; // bytes of a message below which it stays as it is
};

void pack_locks_init(struct pack_locks *locks);
void pack_locks_fini(struct pack_locks *locks);

struct packer_options {
	int level; // of zlib
	int mem_level; // of zlib
	size_t threshold; // bytes
};
// Copies the options; the locks are borrowed.
void packer_init(struct packer *p, const struct packer_options *options, struct pack_locks *locks);
void packer_fini(struct packer *p);
// A data message as it goes to who agreed on compression: a new reference to its compressed
// rendering, or to `f` itself if that is too short or gets no smaller.
struct frame *packer_run(struct packer *p, struct frame *f);
