// What NNG's threads hand to the routing thread: connections accepted, frames, connections closed,
// in the order in which each connection produced them. One locked buffer that the routing thread
// swaps for an empty one, so a frame is copied once and nothing is allocated in the steady state.
#pragma once

#include <stdint.h>

#include "common/bytes.h"
#include "common/loop.h"
#include "proto/link_frame.h"

struct ingress;
struct nng_stream;

enum ingress_kind {
	INGRESS_ACCEPTED, // `stream` is the receiver's
	INGRESS_FRAME,
	INGRESS_CLOSED,
};

struct ingress_event {
	enum ingress_kind kind;
	uint64_t peer;
	struct nng_stream *stream;
	int fd; // of the stream; -1 if NNG's threads are to move its bytes
	struct link_frame frame; // its body is borrowed until the next ingress_next()
};

// `fn` is called in `loop` when something has come.
struct ingress *ingress_new(struct loop *loop, loop_fn *fn, void *arg);
// No thread may put any more.
void ingress_free(struct ingress *in);
// From any thread. `event->frame.body` is copied.
void ingress_put(struct ingress *in, const struct ingress_event *event);
// Makes everything put so far available to ingress_next(), which has taken all before.
void ingress_take(struct ingress *in);
// False at the end of what was taken.
bool ingress_next(struct ingress *in, struct ingress_event *event);
