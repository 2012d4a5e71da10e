// From the link's thread to the workers: a BATCH of one router becomes records in the inboxes. A
// message is rendered here, once for each codec that clients speak, whatever the number of workers
// and members; which connections get it is for each worker to say. Knows no connection and no room
// table.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/metrics.h"
#include "edge/codec/codec.h"
#include "edge/uplink/inbox.h"
#include "edge/uplink/router_link.h"
#include "proto/link_items.h"

struct revoked;
struct siblings;

struct dispatch {
	const struct codec_options *codec; // borrowed
	struct inbox *inboxes[ROUTER_LINK_WORKERS_MAX]; // borrowed
	unsigned n_workers;
	uint8_t link; // which router
	const struct codec_use *use; // borrowed; which codecs to render for; NULL: JSON
	struct revoked *revoked; // borrowed; what routers say of tokens; NULL: nobody listens
	struct siblings *siblings; // borrowed; what this router says of its edges; NULL: likewise
	struct counter *unknown; // borrowed
	struct link_arena arena;
	struct buf records[ROUTER_LINK_WORKERS_MAX]; // of the batch at hand
	struct buf scratch;
};

// `unknown` is borrowed; it counts items of a kind that only a newer router knows.
void dispatch_init(struct dispatch *d, const struct codec_options *codec, uint8_t link,
	struct counter *unknown);
void dispatch_fini(struct dispatch *d);
// In the order of their indices.
void dispatch_add_worker(struct dispatch *d, struct inbox *inbox);

// All of a BATCH or, if it is malformed, nothing of it (then false). `*workers` gets those that got
// something, as bits; the last they got is `mark`. One call at a time.
MUST_CHECK bool dispatch_batch(struct dispatch *d, uint64_t mark, struct bytes batch,
	uint64_t *workers);
// Tells every worker of a new session.
void dispatch_session(struct dispatch *d, uint64_t session);
